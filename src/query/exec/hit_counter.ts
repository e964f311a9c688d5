/**
 * How many docs match, as exactly as anybody asked.
 *
 * @module
 */
export class HitCounter {
  /** Docs counted; at least so many match. */
  total = 0;
  readonly #limit: number;

  /** @param limit Counts beyond it are of no interest; -1: none is; Infinity: all are. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether more counting would tell nothing. */
  get isDone(): boolean {
    return this.total > this.#limit;
  }
}
