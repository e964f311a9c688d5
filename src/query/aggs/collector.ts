/**
 * A collector turns (document, bucket) pairs into state by bucket; a tree of them runs one request's aggregations.
 *
 * Buckets of a parent are dense numbers from 0; a collector keeps its state in arrays by that number. At the root
 * there is one bucket, 0. Work comes in batches, so that no call is made per document.
 *
 * @module
 */
import { bitsToDocs } from "../../base/bitset.ts";
import type { SearchContext, SearchSegment, SearchTarget } from "../target.ts";
import type { Budget } from "./budget.ts";
import type { AggNode } from "./node.ts";
import type { AggResult } from "./result.ts";
import { BATCH } from "./sources.ts";

export interface CollectorEnv {
  readonly context: SearchContext;
  readonly budget: Budget;
  /** Scores of the batch at hand. */
  readonly scored: ScoredBatch;
  /** Whether the partial goes to be reduced with others of the same shard, so that it should keep more. */
  readonly shared: boolean;
}

/** The docs last handed to the execution, and their scores: parallel arrays, one score for all, or not known. */
export interface ScoredBatch {
  docs: Uint32Array;
  scores: Float64Array | number | undefined;
}

export interface Collector {
  readonly node: AggNode;
  /** Called before the first batch of each segment. */
  openSegment(target: SearchTarget, segment: SearchSegment): void;
  /**
   * Takes pairs (docs[i], buckets[i]), i < n <= BATCH, docs ascending, the same doc adjacent when it is in several
   * buckets. All buckets are below `bucketCount`.
   */
  collect(docs: Uint32Array, buckets: Uint32Array, n: number, bucketCount: number): void;
  /**
   * Takes every doc of the open segment, all alive, into bucket 0 without looking at them one by one.
   * False: it cannot, and has done nothing.
   */
  summarize(): boolean;
  /** Called after the last batch of each segment. */
  closeSegment(): void;
  /** What was collected for a bucket; buckets that were never seen give an empty result. */
  result(bucket: number): AggResult;
}

/** A bucket that no document was put into: what it holds is empty. */
export const NO_BUCKET = 0xffff_ffff;

/** Zeros: the buckets of a batch at the root. */
export const ROOT_BUCKETS: Uint32Array = new Uint32Array(BATCH);

/** Hands pairs down in batches of at most BATCH. */
export function forward(
  subs: readonly Collector[],
  docs: Uint32Array,
  buckets: Uint32Array,
  n: number,
  bucketCount: number,
): void {
  if (n === 0) return;
  for (let i = 0; i < subs.length; i++) {
    const sub = subs[i]!;
    if (n <= BATCH) sub.collect(docs, buckets, n, bucketCount);
    else {
      for (let at = 0; at < n; at += BATCH) {
        const end = Math.min(n, at + BATCH);
        sub.collect(docs.subarray(at, end), buckets.subarray(at, end), end - at, bucketCount);
      }
    }
  }
}

export function openAll(subs: readonly Collector[], target: SearchTarget, segment: SearchSegment): void {
  for (const sub of subs) sub.openSegment(target, segment);
}

export function closeAll(subs: readonly Collector[]): void {
  for (const sub of subs) sub.closeSegment();
}

export function resultsOf(subs: readonly Collector[], bucket: number): AggResult[] {
  return subs.map((sub) => sub.result(bucket));
}

/** Every live doc of a segment into bucket 0 of each of `subs`: from summaries where they can, else in batches. */
export function collectAll(subs: readonly Collector[], segment: SearchSegment): void {
  const rest = segment.live === null && segment.reader.docCount > 0
    ? subs.filter((sub) => !sub.summarize())
    : subs;
  if (rest.length > 0) collectBits(rest, segment.live, segment.reader.docCount);
}

/** The docs of a set (null: all of them) into bucket 0 of each of `subs`. */
export function collectBits(subs: readonly Collector[], bits: Uint32Array | null, docCount: number): void {
  const docs = new Uint32Array(BATCH);
  for (let from = 0; from < docCount; from += BATCH) {
    const to = Math.min(docCount, from + BATCH);
    let n = to - from;
    if (bits) n = bitsToDocs(bits, from, to, docs);
    else for (let i = 0; i < n; i++) docs[i] = from + i;
    forward(subs, docs, ROOT_BUCKETS, n, 1);
  }
}
