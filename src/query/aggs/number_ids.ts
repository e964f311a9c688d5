/**
 * Distinct numbers under dense ids, in the order of their first appearance.
 *
 * @module
 */
import type { Budget } from "./budget.ts";

const words = new Uint32Array(2);
const double = new Float64Array(words.buffer);

export class NumberIds {
  readonly #budget: Budget;
  #count = 0;
  /** By id; NaN where the number is in `#wides`. */
  #numbers: Float64Array = new Float64Array(0);
  /** Open addressing: id + 1, 0 is free. */
  #slots: Int32Array = new Int32Array(64);
  /** Integers that no double holds. */
  readonly #wideIds = new Map<bigint, number>();
  readonly #wides = new Map<number, bigint>();

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get count(): number {
    return this.#count;
  }

  /** The number of an id. */
  value(id: number): number | bigint {
    const number = this.#numbers[id]!;
    return number === number ? number : this.#wides.get(id)!;
  }

  id(value: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    // Both zeros are one value.
    const wanted = value + 0;
    let at = hashOf(wanted) & mask;
    while (true) {
      const held = slots[at]!;
      if (held === 0) break;
      if (this.#numbers[held - 1] === wanted) return held - 1;
      at = (at + 1) & mask;
    }
    slots[at] = this.#count + 1;
    return this.#append(wanted);
  }

  idOfWide(value: bigint): number {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return this.id(number);
    const known = this.#wideIds.get(value);
    if (known !== undefined) return known;
    this.#budget.take(100);
    const id = this.#append(NaN);
    this.#wideIds.set(value, id);
    this.#wides.set(id, value);
    return id;
  }

  /** ids[i] = id of values[i] */
  ids(values: Float64Array, m: number, ids: Uint32Array): void {
    let last = NaN;
    let lastId = 0;
    for (let i = 0; i < m; i++) {
      const value = values[i]!;
      if (value !== last) {
        last = value;
        lastId = this.id(value);
      }
      ids[i] = lastId;
    }
  }

  #append(value: number): number {
    this.#numbers = this.#budget.float64(this.#numbers, this.#count + 1);
    this.#numbers[this.#count] = value;
    const id = this.#count++;
    if (this.#count * 2 > this.#slots.length) this.#grow();
    return id;
  }

  #grow(): void {
    const size = this.#slots.length * 2;
    this.#budget.take(size * 2);
    const slots = new Int32Array(size);
    for (let id = 0; id < this.#count; id++) {
      const number = this.#numbers[id]!;
      if (number !== number) continue;
      let at = hashOf(number) & (size - 1);
      while (slots[at] !== 0) at = (at + 1) & (size - 1);
      slots[at] = id + 1;
    }
    this.#slots = slots;
  }
}

function hashOf(value: number): number {
  double[0] = value;
  let h = Math.imul(words[0]! ^ Math.imul(words[1]!, 0x85eb_ca6b), 0x9e37_79b1);
  h ^= h >>> 15;
  return Math.imul(h, 0xc2b2_ae35) ^ (h >>> 13);
}
