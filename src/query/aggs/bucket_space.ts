/**
 * Dense bucket numbers for pairs (parent bucket, key).
 *
 * Keys are small whole numbers: ordinals of terms, ids of numbers. With one parent a table by key answers, with
 * more a hash table, and in front of it, within a segment, a table by (parent, local key) while that stays small.
 *
 * @module
 */
import type { Budget } from "./budget.ts";

/** Largest table by (parent, local key), in entries. */
const SLOTS_MAX = 1 << 21;

export class BucketSpace {
  readonly #budget: Budget;
  readonly #single: boolean;
  #count = 0;
  #parents: Uint32Array = new Uint32Array(0);
  #keys: Uint32Array = new Uint32Array(0);
  #docCounts: Float64Array = new Float64Array(0);
  /** Single parent: bucket + 1 by key. */
  #byKey: Int32Array = new Int32Array(0);
  /** More parents: open addressing, bucket + 1, 0 is free. */
  #hash: Int32Array = new Int32Array(0);

  // The open segment.
  #range = 0;
  #slots: Int32Array = new Int32Array(0);
  #direct = false;
  #keyOfLocal: ((local: number) => number) | undefined;

  // Grouping by parent, made when results are asked for.
  #groupStarts: Uint32Array | undefined;
  #groups: Uint32Array = new Uint32Array(0);

  /** @param single Whether the parent is always bucket 0. */
  constructor(budget: Budget, single: boolean) {
    this.#budget = budget;
    this.#single = single;
  }

  get count(): number {
    return this.#count;
  }

  keyOf(bucket: number): number {
    return this.#keys[bucket]!;
  }

  parentOf(bucket: number): number {
    return this.#parents[bucket]!;
  }

  docCount(bucket: number): number {
    return this.#docCounts[bucket]!;
  }

  add(bucket: number, docs: number): void {
    this.#docCounts[bucket]! += docs;
  }

  /**
   * Begins a segment whose local keys lie in [0, range) and mean `keyOfLocal(local)`; undefined: themselves.
   * `range` 0: they have no bound, and mean themselves.
   */
  openSegment(range: number, keyOfLocal: ((local: number) => number) | undefined): void {
    this.closeSegment();
    this.#range = range;
    this.#keyOfLocal = keyOfLocal;
    this.#direct = range === 0 || (this.#single && keyOfLocal === undefined);
    if (!this.#direct) this.#growSlots(1);
  }

  closeSegment(): void {
    this.#budget.release(this.#slots.length * 4);
    this.#slots = new Int32Array(0);
    this.#keyOfLocal = undefined;
  }

  /** buckets[i] = bucket of (parents[i], locals[i]), new ones added; returns nothing but counts one doc each. */
  collect(locals: Uint32Array, parents: Uint32Array, m: number, parentCount: number, out: Uint32Array): void {
    if (this.#direct) {
      if (this.#single) this.#collectByKey(locals, m, out);
      else for (let i = 0; i < m; i++) out[i] = this.findOrAdd(parents[i]!, locals[i]!);
    } else if (parentCount * this.#range <= SLOTS_MAX || this.#single) {
      if (parentCount * this.#range > this.#slots.length) this.#growSlots(parentCount);
      if (this.#single) this.#collectOne(locals, m, out);
      else this.#collectSlots(locals, parents, m, out);
    } else {
      for (let i = 0; i < m; i++) out[i] = this.findOrAdd(parents[i]!, this.#key(locals[i]!));
    }
    countInto(this.#docCounts, out, m);
  }

  #key(local: number): number {
    return this.#keyOfLocal === undefined ? local : this.#keyOfLocal(local);
  }

  #collectByKey(keys: Uint32Array, m: number, out: Uint32Array): void {
    let byKey = this.#byKey;
    for (let i = 0; i < m; i++) {
      const key = keys[i]!;
      let bucket = key < byKey.length ? byKey[key]! - 1 : -1;
      if (bucket < 0) {
        bucket = this.findOrAdd(0, key);
        byKey = this.#byKey;
      }
      out[i] = bucket;
    }
  }

  #collectOne(locals: Uint32Array, m: number, out: Uint32Array): void {
    const slots = this.#slots;
    for (let i = 0; i < m; i++) {
      const local = locals[i]!;
      let bucket = slots[local]! - 1;
      if (bucket < 0) {
        bucket = this.findOrAdd(0, this.#key(local));
        slots[local] = bucket + 1;
      }
      out[i] = bucket;
    }
  }

  #collectSlots(locals: Uint32Array, parents: Uint32Array, m: number, out: Uint32Array): void {
    const slots = this.#slots;
    const range = this.#range;
    for (let i = 0; i < m; i++) {
      const slot = parents[i]! * range + locals[i]!;
      let bucket = slots[slot]! - 1;
      if (bucket < 0) {
        bucket = this.findOrAdd(parents[i]!, this.#key(locals[i]!));
        slots[slot] = bucket + 1;
      }
      out[i] = bucket;
    }
  }

  #growSlots(parentCount: number): void {
    this.#slots = this.#budget.int32(this.#slots, parentCount * this.#range);
  }

  /** Bucket of a pair, or -1. */
  find(parent: number, key: number): number {
    if (this.#single) return key < this.#byKey.length ? this.#byKey[key]! - 1 : -1;
    const mask = this.#hash.length - 1;
    if (mask < 0) return -1;
    let at = hashPair(parent, key) & mask;
    while (true) {
      const bucket = this.#hash[at]! - 1;
      if (bucket < 0) return -1;
      if (this.#keys[bucket] === key && this.#parents[bucket] === parent) return bucket;
      at = (at + 1) & mask;
    }
  }

  findOrAdd(parent: number, key: number): number {
    const found = this.find(parent, key);
    if (found >= 0) return found;
    const bucket = this.#count++;
    this.#groupStarts = undefined;
    this.#parents = this.#budget.uint32(this.#parents, this.#count);
    this.#keys = this.#budget.uint32(this.#keys, this.#count);
    this.#docCounts = this.#budget.float64(this.#docCounts, this.#count);
    this.#parents[bucket] = parent;
    this.#keys[bucket] = key;
    if (this.#single) {
      this.#byKey = this.#budget.int32(this.#byKey, key + 1);
      this.#byKey[key] = bucket + 1;
      return bucket;
    }
    if (this.#count * 2 > this.#hash.length) this.#growHash();
    else this.#insert(bucket);
    return bucket;
  }

  #insert(bucket: number): void {
    const mask = this.#hash.length - 1;
    let at = hashPair(this.#parents[bucket]!, this.#keys[bucket]!) & mask;
    while (this.#hash[at] !== 0) at = (at + 1) & mask;
    this.#hash[at] = bucket + 1;
  }

  #growHash(): void {
    const size = Math.max(64, this.#hash.length * 2);
    this.#budget.take((size - this.#hash.length) * 4);
    this.#hash = new Int32Array(size);
    for (let bucket = 0; bucket < this.#count; bucket++) this.#insert(bucket);
  }

  /** Buckets of a parent, in the order of their first appearance. */
  bucketsOf(parent: number): Uint32Array {
    if (!this.#groupStarts) this.#group();
    const starts = this.#groupStarts!;
    if (parent + 1 >= starts.length) return EMPTY;
    return this.#groups.subarray(starts[parent]!, starts[parent + 1]!);
  }

  #group(): void {
    let parentCount = 0;
    for (let bucket = 0; bucket < this.#count; bucket++) {
      parentCount = Math.max(parentCount, this.#parents[bucket]! + 1);
    }
    const starts = new Uint32Array(parentCount + 1);
    for (let bucket = 0; bucket < this.#count; bucket++) starts[this.#parents[bucket]! + 1]!++;
    for (let i = 0; i < parentCount; i++) starts[i + 1]! += starts[i]!;
    const next = starts.slice();
    this.#groups = new Uint32Array(this.#count);
    for (let bucket = 0; bucket < this.#count; bucket++) {
      this.#groups[next[this.#parents[bucket]!]!++] = bucket;
    }
    this.#groupStarts = starts;
  }
}

const EMPTY = new Uint32Array(0);

function countInto(counts: Float64Array, at: Uint32Array, m: number): void {
  for (let i = 0; i < m; i++) counts[at[i]!]!++;
}

function hashPair(parent: number, key: number): number {
  let h = Math.imul(key ^ Math.imul(parent, 0x85eb_ca6b), 0x9e37_79b1);
  h ^= h >>> 15;
  return Math.imul(h, 0xc2b2_ae35) ^ (h >>> 13);
}
