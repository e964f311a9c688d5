/**
 * Bytes that one search holds, against its limit.
 *
 * @module
 */
import { RequestError } from "../../base/errors.ts";

export class MemoryBudget {
  readonly #limitBytes: number;
  #heldBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** @throws {RequestError} 429: the search would hold more than it may. */
  take(bytes: number): void {
    this.#heldBytes += bytes;
    if (this.#heldBytes > this.#limitBytes) {
      throw new RequestError(
        `[request] Data too large, data for this search would be [${this.#heldBytes}b], which is larger than ` +
          `the limit of [${this.#limitBytes}b]`,
        { status: 429, type: "circuit_breaking_exception" },
      );
    }
  }

  give(bytes: number): void {
    this.#heldBytes -= bytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }
}
