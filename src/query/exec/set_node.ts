/**
 * Docs of one score that are best found all at once into a bitset, or tested one by one when few are asked for.
 *
 * @module
 */
import { bitsToDocs, countBits, newBits, nextBit } from "../../base/bitset.ts";
import type { BlockCounts } from "../../segment/reader.ts";
import type { MemoryBudget } from "./memory.ts";
import { type Batch, BATCH_DOCS, Node } from "./node.ts";

export interface SetSource {
  readonly label: string;
  readonly cost: number;
  /** Sets the bit of every matching doc. */
  readonly fill: (into: Uint32Array) => BlockCounts | void;
  /**
   * Tests docs[0..n), ascending over all calls: hits[i] is 0 or 1; returns how many are 1. Undefined: only `fill`
   * can tell.
   */
  readonly test?: (docs: Uint32Array, n: number, hits: Uint8Array) => number;
  /** What `fill` costs, in docs tested. */
  readonly fillCost: number;
}

export class SetNode extends Node {
  readonly label: string;
  readonly cost: number;
  readonly #source: SetSource;
  readonly #docCount: number;
  readonly #score: number;
  readonly #memory: MemoryBudget;
  #bits: Uint32Array | null = null;
  #counts: BlockCounts | undefined;
  #tests = false;
  #tested = 0;
  #next = 0;

  constructor(
    source: SetSource,
    options: { readonly docCount: number; readonly score: number; readonly memory: MemoryBudget },
  ) {
    super();
    this.label = source.label;
    this.cost = Math.min(source.cost, options.docCount);
    this.#source = source;
    this.#docCount = options.docCount;
    this.#score = options.score;
    this.#memory = options.memory;
  }

  /** The whole set; not the caller's to change. */
  bits(): Uint32Array {
    if (this.#bits === null) {
      const bits = newBits(this.#docCount);
      this.#memory.take(bits.byteLength);
      const counts = this.#source.fill(bits);
      if (counts !== undefined) this.#counts = counts;
      this.#bits = bits;
    }
    return this.#bits;
  }

  override prepare(docs: number): void {
    this.#tests = this.#source.test !== undefined && docs < this.#source.fillCost;
  }

  protected fill(batch: Batch): number {
    const bits = this.bits();
    const docs = batch.docs;
    let n = 0;
    while (n === 0) {
      const from = nextBit(bits, this.#next, this.#docCount);
      if (from < 0) return 0;
      // A multiple of 32, so that no word is split.
      const to = Math.min(this.#docCount, (from & ~31) + BATCH_DOCS);
      n = bitsToDocs(bits, from, to, docs);
      this.#next = to;
    }
    batch.scores.fill(this.#score, 0, n);
    return n;
  }

  protected test(docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number {
    scores.fill(this.#score, 0, n);
    if (this.#tests) {
      this.#tested += n;
      return this.#source.test!(docs, n, hits);
    }
    return testBits(this.bits(), docs, n, hits);
  }

  override get maxScore(): number {
    return this.#score;
  }

  override facts(): Readonly<Record<string, number>> {
    const counts = this.#counts;
    return {
      ...(counts === undefined ? {} : {
        blocks_read: counts.blocks - counts.skipped - counts.whole,
        blocks_skipped: counts.skipped,
        blocks_whole: counts.whole,
      }),
      ...(this.#tests ? { docs_tested: this.#tested } : {}),
      ...(this.#bits === null ? {} : { docs_set: countBits(this.#bits) }),
    };
  }
}

function testBits(bits: Uint32Array, docs: Uint32Array, n: number, hits: Uint8Array): number {
  let found = 0;
  for (let i = 0; i < n; i++) {
    const doc = docs[i]!;
    const hit = (bits[doc >>> 5]! >>> (doc & 31)) & 1;
    hits[i] = hit;
    found += hit;
  }
  return found;
}
