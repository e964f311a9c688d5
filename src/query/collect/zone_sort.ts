/**
 * Sorting by a dense column without reading all of it: blocks are visited best zone first, until none can hold a
 * doc that is good enough.
 *
 * @module
 */
import { bitsToDocs } from "../../base/bitset.ts";
import type { Deadline } from "../exec/deadline.ts";
import { ZONE_VALUES, type Zones } from "../exec/zones.ts";
import type { SortHeap } from "./sort_heap.ts";

/**
 * Offers the docs of a set to `heap`.
 *
 * @param options.bits Docs of the set; null: all.
 * @param options.zones Of the first sort key's column, whose value index is the doc id.
 * @returns Blocks that were read.
 */
export function collectByZones(
  heap: SortHeap,
  options: {
    readonly bits: Uint32Array | null;
    readonly docCount: number;
    readonly zones: Zones;
    readonly descending: boolean;
    /** Score of every doc. */
    readonly score: number;
    readonly deadline: Deadline;
  },
): number {
  const { bits, docCount, zones, descending, deadline } = options;
  const queue = new BlockQueue(zones, descending, bits, heap.afterFirst);
  const docs = new Uint32Array(ZONE_VALUES);
  const scores = new Float64Array(ZONE_VALUES).fill(options.score);
  let read = 0;
  for (let block = queue.next(); block >= 0; block = queue.next()) {
    const best = queue.best;
    const worst = heap.worst;
    if (best > worst || best > heap.bound) break;
    const from = block * ZONE_VALUES;
    // An equal key in a later doc loses.
    if (best === worst && heap.hasOneKey && from > heap.worstDoc) continue;
    const to = Math.min(docCount, from + ZONE_VALUES);
    let n = to - from;
    if (bits === null) { for (let i = 0; i < n; i++) docs[i] = from + i; }
    else n = bitsToDocs(bits, from, to, docs);
    heap.collect(docs, scores, n);
    read++;
    deadline.spend(n);
  }
  return read;
}

/** Blocks that hold docs of the set, best zone first: a heap, since few of them are asked for. */
class BlockQueue {
  readonly #blocks: Uint32Array;
  readonly #bests: Float64Array;
  #size: number;
  /** Best key that the block given out last can hold. */
  best = 0;

  constructor(zones: Zones, descending: boolean, bits: Uint32Array | null, after: number) {
    const { mins, maxs } = zones;
    const total = mins.length;
    this.#blocks = new Uint32Array(total);
    this.#bests = new Float64Array(total);
    let size = 0;
    for (let block = 0; block < total; block++) {
      const best = descending ? -maxs[block]! : mins[block]!;
      const worst = descending ? -mins[block]! : maxs[block]!;
      if (worst < after || (bits !== null && isEmpty(bits, block))) continue;
      this.#blocks[size] = block;
      this.#bests[size++] = best;
    }
    this.#size = size;
    for (let i = (size >>> 1) - 1; i >= 0; i--) this.#siftDown(i, this.#blocks[i]!, this.#bests[i]!);
  }

  /** -1: none is left. */
  next(): number {
    if (this.#size === 0) return -1;
    const block = this.#blocks[0]!;
    this.best = this.#bests[0]!;
    const last = --this.#size;
    if (last > 0) this.#siftDown(0, this.#blocks[last]!, this.#bests[last]!);
    return block;
  }

  #siftDown(from: number, block: number, best: number): void {
    const blocks = this.#blocks;
    const bests = this.#bests;
    let i = from;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#isBefore(child + 1, bests[child]!, blocks[child]!)) child++;
      if (!this.#isBefore(child, best, block)) break;
      blocks[i] = blocks[child]!;
      bests[i] = bests[child]!;
      i = child;
    }
    blocks[i] = block;
    bests[i] = best;
  }

  #isBefore(i: number, best: number, block: number): boolean {
    return this.#bests[i] !== best ? this.#bests[i]! < best : this.#blocks[i]! < block;
  }
}

function isEmpty(bits: Uint32Array, block: number): boolean {
  const at = block * (ZONE_VALUES / 32);
  const end = Math.min(bits.length, at + ZONE_VALUES / 32);
  for (let i = at; i < end; i++) if (bits[i] !== 0) return false;
  return true;
}
