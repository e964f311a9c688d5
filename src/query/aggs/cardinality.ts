/**
 * Number of distinct values by bucket.
 *
 * Terms are noted by ordinal while a segment is read and hashed in dictionary order when it is closed: each once
 * per segment, and only those seen.
 *
 * @module
 */
import { bitsToDocs, newBits } from "../../base/bitset.ts";
import type { SearchSegment, SearchTarget } from "../target.ts";
import type { Collector, CollectorEnv } from "./collector.ts";
import { type FieldUse, resolveField } from "./field_use.ts";
import { DistinctCounter, hashBytes, hashNumber, hashWide } from "./hyperloglog.ts";
import type { AggNode, CardinalitySpec } from "./node.ts";
import type { CardinalityResult } from "./result.ts";
import { BATCH, type NumberLeaf, openNumbers, openTermLeaf, type TermLeaf } from "./sources.ts";

/** Most bytes of ordinal bitsets in one segment; beyond that terms are hashed as they come. */
const BITSET_BYTES_MAX = 16 * 1024 * 1024;

export class CardinalityCollector implements Collector {
  readonly #use: FieldUse;
  readonly #env: CollectorEnv;
  #numbers: NumberLeaf | undefined;
  #terms: TermLeaf | undefined;
  readonly #counters: (DistinctCounter | undefined)[] = [];
  /** Ordinals seen in the open segment, by bucket. */
  #seen: (Uint32Array | undefined)[] = [];
  #seenBytes = 0;
  /** Hashes by ordinal of the open segment, -1 where not known yet; once bitsets would be too large. */
  #hashes: Float64Array | undefined;

  constructor(readonly node: AggNode & { readonly spec: CardinalitySpec }, env: CollectorEnv) {
    this.#env = env;
    this.#use = resolveField(node.spec, "cardinality", { accepts: "any", context: env.context });
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    this.#numbers = this.#use.kind === "number" ? openNumbers(this.#use, target, segment) : undefined;
    this.#terms = this.#use.kind === "term" ? openTermLeaf(this.#use, target, segment) : undefined;
  }

  collect(docs: Uint32Array, buckets: Uint32Array, n: number): void {
    if (this.#numbers) this.#collectNumbers(this.#numbers, docs, buckets, n);
    else if (this.#terms) this.#collectTerms(this.#terms, docs, buckets, n);
  }

  #collectNumbers(leaf: NumberLeaf, docs: Uint32Array, buckets: Uint32Array, n: number): void {
    const m = leaf.gather(docs, n);
    const { owners, values, wides } = leaf;
    if (wides.length > 0) {
      const bias = leaf.type === "unsigned" ? 1n << 63n : 0n;
      for (let i = 0; i < m; i++) this.#counter(buckets[owners[i]!]!).add(hashWide(wides[i]! + bias));
    } else {
      for (let i = 0; i < m; i++) this.#counter(buckets[owners[i]!]!).add(hashNumber(values[i]!));
    }
  }

  #collectTerms(leaf: TermLeaf, docs: Uint32Array, buckets: Uint32Array, n: number): void {
    const m = leaf.gather(docs, n);
    const { owners, ordinals } = leaf;
    if (this.#hashes) {
      this.#collectHashed(leaf, this.#hashes, buckets, m);
      return;
    }
    let bucket = -1;
    let bits: Uint32Array | undefined;
    for (let i = 0; i < m; i++) {
      const now = buckets[owners[i]!]!;
      if (now !== bucket) {
        bucket = now;
        bits = this.#seen[bucket] ?? this.#newBits(leaf, bucket);
        if (!bits) {
          this.#flush(leaf);
          this.#hashes = new Float64Array(leaf.termCount).fill(-1);
          this.#env.budget.take(leaf.termCount * 8);
          this.#collectHashed(leaf, this.#hashes, buckets, m, i);
          return;
        }
      }
      const ordinal = ordinals[i]!;
      bits![ordinal >>> 5]! |= 1 << (ordinal & 31);
    }
  }

  #collectHashed(leaf: TermLeaf, hashes: Float64Array, buckets: Uint32Array, m: number, from = 0): void {
    const { owners, ordinals } = leaf;
    for (let i = from; i < m; i++) {
      const ordinal = ordinals[i]!;
      let hash = hashes[ordinal]!;
      if (hash < 0) {
        hash = hashBytes(leaf.term(ordinal));
        hashes[ordinal] = hash;
      }
      this.#counter(buckets[owners[i]!]!).add(hash);
    }
  }

  summarize(): boolean {
    const leaf = this.#terms;
    if (!leaf) return this.#use.kind === "unmapped";
    if (!leaf.plain) return false;
    // Without deletes every term of the dictionary is some document's.
    const counter = this.#counter(0);
    for (let ordinal = 0; ordinal < leaf.termCount; ordinal++) counter.add(hashBytes(leaf.term(ordinal)));
    return true;
  }

  closeSegment(): void {
    if (this.#terms) this.#flush(this.#terms);
    if (this.#hashes) this.#env.budget.release(this.#hashes.length * 8);
    this.#hashes = undefined;
    this.#numbers = undefined;
    this.#terms = undefined;
  }

  result(bucket: number): CardinalityResult {
    const counter = this.#counters[bucket];
    const state = counter?.snapshot() ?? { hashes: new Float64Array(0), registers: undefined };
    return { kind: "cardinality", ...state };
  }

  #counter(bucket: number): DistinctCounter {
    let counter = this.#counters[bucket];
    if (!counter) {
      counter = new DistinctCounter(this.node.spec.precisionThreshold, this.#env.budget);
      this.#counters[bucket] = counter;
    }
    return counter;
  }

  #newBits(leaf: TermLeaf, bucket: number): Uint32Array | undefined {
    const bytes = (leaf.termCount + 31 >>> 5) * 4;
    if (this.#seenBytes + bytes > BITSET_BYTES_MAX) return undefined;
    this.#env.budget.take(bytes);
    this.#seenBytes += bytes;
    const bits = newBits(leaf.termCount);
    this.#seen[bucket] = bits;
    return bits;
  }

  /** Hashes what the bitsets hold, each term once, in the order of the dictionary. */
  #flush(leaf: TermLeaf): void {
    const buckets = Object.keys(this.#seen).map(Number);
    if (buckets.length === 1) {
      this.#flushOne(leaf, this.#seen[buckets[0]!]!, this.#counter(buckets[0]!));
    } else if (buckets.length > 1) this.#flushMany(leaf, buckets);
    this.#env.budget.release(this.#seenBytes);
    this.#seen = [];
    this.#seenBytes = 0;
  }

  #flushOne(leaf: TermLeaf, bits: Uint32Array, counter: DistinctCounter): void {
    const ordinals = new Uint32Array(BATCH);
    for (let from = 0; from < leaf.termCount; from += BATCH) {
      const count = bitsToDocs(bits, from, Math.min(leaf.termCount, from + BATCH), ordinals);
      for (let i = 0; i < count; i++) counter.add(hashBytes(leaf.term(ordinals[i]!)));
    }
  }

  #flushMany(leaf: TermLeaf, buckets: number[]): void {
    const union = newBits(leaf.termCount);
    for (const bucket of buckets) {
      const bits = this.#seen[bucket]!;
      for (let w = 0; w < union.length; w++) union[w]! |= bits[w]!;
    }
    const ordinals = new Uint32Array(BATCH);
    const hashes = new Float64Array(BATCH);
    for (let from = 0; from < leaf.termCount; from += BATCH) {
      const to = Math.min(leaf.termCount, from + BATCH);
      const count = bitsToDocs(union, from, to, ordinals);
      for (let i = 0; i < count; i++) hashes[ordinals[i]! - from] = hashBytes(leaf.term(ordinals[i]!));
      for (const bucket of buckets) {
        const own = bitsToDocs(this.#seen[bucket]!, from, to, ordinals);
        if (own === 0) continue;
        const counter = this.#counter(bucket);
        for (let i = 0; i < own; i++) counter.add(hashes[ordinals[i]! - from]!);
      }
    }
  }
}
