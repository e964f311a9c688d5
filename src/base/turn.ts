/**
 * A turnstile: asynchronous work that must not overlap takes turns, first come first served.
 *
 * @module
 */
export class Turn {
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** How many hold or wait for the turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs `work` when everything that asked before is through; its result or failure is the caller's alone. */
  async take<T>(work: () => Promise<T> | T): Promise<T> {
    const before = this.#tail;
    let release!: () => void;
    this.#tail = new Promise((resolve) => release = resolve);
    this.#waiting++;
    await before;
    try {
      return await work();
    } finally {
      this.#waiting--;
      release();
    }
  }
}
