/**
 * The time that a search has, looked at from within its loops.
 *
 * @module
 */

/** Ends a search from within a loop; caught where partial results are put together, never shown. */
export class DeadlinePassed extends Error {
  override readonly name = "DeadlinePassed";
}

/** Docs between two looks at the clock. */
const DOCS_BETWEEN = 16_384;

export class Deadline {
  readonly #deadlineMs: number;
  readonly #monotonicMs: () => number;
  #docs = 0;

  constructor(deadlineMs: number, monotonicMs: () => number) {
    this.#deadlineMs = deadlineMs;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * Counts docs (or as much work) done, and looks at the clock every few thousand.
   *
   * @throws {DeadlinePassed}
   */
  spend(docs: number): void {
    this.#docs += docs;
    if (this.#docs < DOCS_BETWEEN) return;
    this.#docs = 0;
    this.check();
  }

  /** @throws {DeadlinePassed} */
  check(): void {
    if (this.#deadlineMs !== Infinity && this.#monotonicMs() >= this.#deadlineMs) throw new DeadlinePassed();
  }
}
