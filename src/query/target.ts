/**
 * What a search runs over: pinned, immutable segments with the mapping that describes them.
 *
 * @module
 */
import type { AnalyzerSet } from "../analysis/mod.ts";
import type { Mapping } from "../schema/mapping.ts";
import type { SegmentReader } from "../segment/reader.ts";

export interface SearchSegment {
  readonly reader: SegmentReader;
  /** One bit a doc, set while the doc is alive; null: all are. */
  readonly live: Uint32Array | null;
  readonly liveCount: number;
  /** Dense number within the request, over all targets: what a hit names its segment by. */
  readonly ordinal: number;
}

/** One shard of one index. BM25 statistics are taken over its segments, dead documents included. */
export interface SearchTarget {
  readonly index: string;
  readonly mapping: Mapping;
  readonly analyzers: AnalyzerSet;
  /** In the order that breaks ties: older segments first. */
  readonly segments: readonly SearchSegment[];
}

export interface SearchLimits {
  /** Largest from + size. */
  readonly maxResultWindow: number;
  readonly maxBuckets: number;
  /** Most leaf clauses that a query may expand to. */
  readonly maxClauses: number;
  /** Bytes that one search may hold in bitsets, heaps and buckets. */
  readonly memoryBytes: number;
}

export const DEFAULT_SEARCH_LIMITS: SearchLimits = {
  maxResultWindow: 10_000,
  maxBuckets: 65_536,
  maxClauses: 4096,
  memoryBytes: 256 * 1024 * 1024,
};

export interface SearchContext {
  readonly targets: readonly SearchTarget[];
  /** Wall clock at the start of the request, ms since the epoch: `now` of date math. */
  readonly nowMs: number;
  /** By `monotonicMs`; Infinity: none. Past it a search ends with what it has and says `timed_out`. */
  readonly deadlineMs: number;
  readonly monotonicMs: () => number;
  readonly limits: SearchLimits;
}
