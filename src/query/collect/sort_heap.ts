/**
 * The best k docs of one segment by sort keys, ties to the lower doc.
 *
 * @module
 */
import type { SegmentReader } from "../../segment/reader.ts";
import { BATCH_DOCS } from "../exec/node.ts";
import { type KeyColumn, openKey } from "./key_columns.ts";
import type { SortKey } from "./sort_plan.ts";
import type { RawSortValue } from "./sort_value.ts";

/** A doc on its way to becoming a hit. Plain, so that it travels between threads. */
export interface Candidate {
  /** `SearchSegment.ordinal`. */
  readonly segment: number;
  readonly doc: number;
  /** NaN: not scored. */
  readonly score: number;
  /** One a sort key; empty when sorted by score. */
  readonly values: readonly RawSortValue[];
}

export class SortHeap {
  readonly #k: number;
  readonly #columns: readonly KeyColumn[] = [];
  /** By double of the keys: of each slot, and of the batch at hand. */
  readonly #slots: Float64Array[] = [];
  readonly #batch: Float64Array[] = [];
  readonly #docs: Uint32Array;
  readonly #scores: Float64Array;
  /** Slots, the worst on top. */
  readonly #heap: Uint32Array;
  #size = 0;
  /** Keys that all hits come behind; null: no `search_after`. */
  readonly #after: readonly number[] | null;
  readonly #some = new Uint32Array(BATCH_DOCS);
  readonly #someScores = new Float64Array(BATCH_DOCS);
  readonly #first = new Float64Array(BATCH_DOCS);
  /** First keys above this cannot be among the best of the request. */
  bound = Infinity;

  /**
   * @param options.after One value a sort key.
   * @param options.docBase See `openKey`.
   */
  constructor(
    keys: readonly SortKey[],
    reader: SegmentReader,
    options: {
      readonly k: number;
      readonly after: readonly RawSortValue[] | undefined;
      readonly docBase: number;
    },
  ) {
    const columns: KeyColumn[] = keys.map((key) => openKey(key, reader, options.docBase));
    this.#columns = columns;
    this.#k = options.k;
    for (const column of columns) {
      for (let i = 0; i < column.width; i++) {
        this.#slots.push(new Float64Array(options.k));
        this.#batch.push(new Float64Array(BATCH_DOCS));
      }
    }
    this.#docs = new Uint32Array(options.k);
    this.#scores = new Float64Array(options.k);
    this.#heap = new Uint32Array(options.k);
    this.#after = options.after === undefined
      ? null
      : columns.flatMap((column, i) => column.keyOf(options.after![i]!));
  }

  get isFull(): boolean {
    return this.#size === this.#k;
  }

  /** First key of the worst doc held; Infinity while there is room. */
  get worst(): number {
    return this.#size < this.#k || this.#k === 0 ? Infinity : this.#slots[0]![this.#heap[0]!]!;
  }

  get worstDoc(): number {
    return this.#docs[this.#heap[0]!]!;
  }

  /** Whether the first key alone decides. */
  get hasOneKey(): boolean {
    return this.#slots.length === 1;
  }

  /** The first key of `search_after`, -Infinity without one. */
  get afterFirst(): number {
    return this.#after === null ? -Infinity : this.#after[0]!;
  }

  /** Takes docs[0..n), ascending within a batch; batches may come in any order. */
  collect(docs: Uint32Array, scores: Float64Array, n: number): void {
    if (this.#k === 0) return;
    const first = this.#columns[0]!;
    first.fill(docs, scores, n, this.#batch);
    const keys = this.#batch[0]!;
    const some = this.#some;
    const least = this.afterFirst;
    let limit = Math.min(this.worst, this.bound);
    let count = 0;
    // Keys equal to the limit may win by later keys, or by doc.
    for (let i = 0; i < n; i++) {
      const key = keys[i]!;
      if (key > limit || key < least) continue;
      some[count] = docs[i]!;
      this.#someScores[count] = scores[i]!;
      this.#first[count++] = key;
    }
    if (count === 0) return;
    if (first.width === 1) this.#batch[0]!.set(this.#first.subarray(0, count));
    else first.fill(some, this.#someScores, count, this.#batch);
    this.#fillRest(first.width, count);
    for (let i = 0; i < count; i++) {
      if (this.#batch[0]![i]! > limit) continue;
      if (this.#offer(i, some[i]!, this.#someScores[i]!)) limit = Math.min(this.worst, this.bound);
    }
  }

  #fillRest(from: number, count: number): void {
    let at = from;
    for (let c = 1; c < this.#columns.length; c++) {
      const column = this.#columns[c]!;
      column.fill(this.#some, this.#someScores, count, this.#batch.slice(at, at + column.width));
      at += column.width;
    }
  }

  /** Takes entry i of the batch if it is good enough. */
  #offer(i: number, doc: number, score: number): boolean {
    if (this.#after !== null && !this.#isBehind(i, this.#after)) return false;
    let slot = this.#size;
    if (this.isFull) {
      slot = this.#heap[0]!;
      if (!this.#isBetter(i, doc, slot)) return false;
    }
    for (let key = 0; key < this.#slots.length; key++) this.#slots[key]![slot] = this.#batch[key]![i]!;
    this.#docs[slot] = doc;
    this.#scores[slot] = score;
    if (this.isFull) this.#siftDown(this.#size, slot);
    else this.#siftUp(this.#size++, slot);
    return true;
  }

  #isBehind(i: number, after: readonly number[]): boolean {
    for (let key = 0; key < after.length; key++) {
      const own = this.#batch[key]![i]!;
      if (own !== after[key]) return own > after[key]!;
    }
    return false;
  }

  #isBetter(i: number, doc: number, slot: number): boolean {
    for (let key = 0; key < this.#slots.length; key++) {
      const own = this.#batch[key]![i]!;
      const other = this.#slots[key]![slot]!;
      if (own !== other) return own < other;
    }
    return doc < this.#docs[slot]!;
  }

  /** Whether slot a is worse than slot b. */
  #isWorse(a: number, b: number): boolean {
    for (let key = 0; key < this.#slots.length; key++) {
      const own = this.#slots[key]![a]!;
      const other = this.#slots[key]![b]!;
      if (own !== other) return own > other;
    }
    return this.#docs[a]! > this.#docs[b]!;
  }

  #siftUp(i: number, slot: number): void {
    const heap = this.#heap;
    while (i > 0) {
      const parent = (i - 1) >>> 1;
      if (!this.#isWorse(slot, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = slot;
  }

  #siftDown(size: number, slot: number): void {
    const heap = this.#heap;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isWorse(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#isWorse(heap[child]!, slot)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = slot;
  }

  /** What was held, best first. Empties the heap. */
  take(segment: number): Candidate[] {
    const best: Candidate[] = [];
    while (this.#size > 0) {
      const slot = this.#heap[0]!;
      const last = this.#heap[--this.#size]!;
      if (this.#size > 0) this.#siftDown(this.#size, last);
      best.push({
        segment,
        doc: this.#docs[slot]!,
        score: this.#scores[slot]!,
        values: this.#valuesOf(slot),
      });
    }
    return best.reverse();
  }

  #valuesOf(slot: number): RawSortValue[] {
    let at = 0;
    return this.#columns.map((column) => {
      const value = column.value(this.#slots.slice(at, at + column.width), slot);
      at += column.width;
      return value;
    });
  }
}
