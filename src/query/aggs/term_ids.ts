/**
 * Distinct terms of all segments under dense ids, in the order of their first appearance.
 *
 * @module
 */
import { InternTable } from "../../base/intern.ts";
import type { Budget } from "./budget.ts";
import { byteString } from "./value_format.ts";

export class TermIds {
  readonly #budget: Budget;
  readonly #table = new InternTable();
  #count = 0;
  #sizeBytes = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get count(): number {
    return this.#count;
  }

  id(term: Uint8Array): number {
    const id = this.#table.intern(term, 0, term.length);
    if (id >= this.#count) {
      this.#count = id + 1;
      const { sizeBytes } = this.#table;
      if (sizeBytes !== this.#sizeBytes) {
        this.#budget.take(sizeBytes - this.#sizeBytes);
        this.#sizeBytes = sizeBytes;
      }
    }
    return id;
  }

  /** The term as byte string. */
  name(id: number): string {
    return byteString(this.#table.bytes(id));
  }

  /** Order of the terms' bytes. */
  compare(a: number, b: number): number {
    const { pool, starts } = this.#table;
    let at = starts[a]!;
    let other = starts[b]!;
    const end = starts[a + 1]!;
    const otherEnd = starts[b + 1]!;
    while (at < end && other < otherEnd) {
      const difference = pool[at++]! - pool[other++]!;
      if (difference !== 0) return difference;
    }
    return (end - at) - (otherEnd - other);
  }
}
