/**
 * What an aggregation found: partial while several threads or shards work, final once reduced.
 *
 * Plain objects, arrays and typed arrays only, so that a partial can be posted between threads.
 *
 * @module
 */
import type { Json } from "../../base/json.ts";
import type { RawSortValue } from "../collect/sort_value.ts";
import type { ValueFormat } from "./value_format.ts";

export type AggResult =
  | StatsResult
  | CardinalityResult
  | DigestResult
  | WeightedAvgResult
  | TermsResult
  | HistogramResult
  | RangesResult
  | SingleResult
  | CompositeResult
  | HitsResult
  | ValueResult;

/** Key of a bucket. A term of a dictionary is a "byte string": one char (0 to 255) a byte, so `<` is byte order. */
export type BucketKey = number | bigint | string;

export interface Bucket {
  readonly key: BucketKey;
  readonly count: number;
  /** Terms: bound of the error of `count`, -1 when unbounded. */
  readonly error: number;
  /** By position in `AggNode.subs`. */
  readonly subs: readonly AggResult[];
  /** By position in `AggNode.pipelines`, once reduced; undefined where a pipeline leaves a bucket out. */
  readonly pipes?: readonly (AggResult | undefined)[];
}

/** Serves min, max, sum, avg, value_count, stats, extended_stats; what a kind does not need stays at its start. */
export interface StatsResult {
  readonly kind: "stats";
  readonly count: number;
  readonly sum: number;
  /** Infinity without values. */
  readonly min: number;
  /** -Infinity without values. */
  readonly max: number;
  readonly sumOfSquares: number;
  readonly format: ValueFormat;
}

export interface CardinalityResult {
  readonly kind: "cardinality";
  /** Distinct hashes while there are few. */
  readonly hashes: Float64Array | undefined;
  /** Registers of a HyperLogLog once there are many. */
  readonly registers: Uint8Array | undefined;
}

export interface DigestResult {
  readonly kind: "digest";
  /** Ascending. `weights` undefined: every mean is one value. */
  readonly means: Float64Array;
  readonly weights: Float64Array | undefined;
  readonly min: number;
  readonly max: number;
  readonly format: ValueFormat;
}

export interface WeightedAvgResult {
  readonly kind: "weighted_avg";
  readonly sum: number;
  readonly weight: number;
}

export interface TermsResult {
  readonly kind: "terms";
  /** What the keys are; "" when no target maps the field. Partials of differing kinds cannot be reduced. */
  readonly keyType: "" | "string" | "long" | "double" | "unsigned";
  readonly format: ValueFormat;
  readonly otherDocCount: number;
  /** Of a partial: 0; final: bound of the error of any count, -1 when unbounded. */
  readonly docCountError: number;
  /** Whether the partial left buckets out. */
  readonly truncated: boolean;
  readonly buckets: readonly Bucket[];
}

export interface HistogramResult {
  readonly kind: "histogram";
  readonly format: ValueFormat;
  /** Ascending keys while partial. */
  readonly buckets: readonly Bucket[];
  /** What the sub-aggregations of a bucket without documents give, for filling gaps. */
  readonly emptySubs: readonly AggResult[];
}

/** Buckets known beforehand: range, date_range, ip_range, filters. Keys are positions. */
export interface RangesResult {
  readonly kind: "ranges";
  readonly format: ValueFormat;
  readonly buckets: readonly Bucket[];
  /** As the ranges came out once the field's type was known; empty for filters and unmapped fields. */
  readonly ranges: readonly ResolvedRange[];
}

export interface ResolvedRange {
  readonly key: string;
  readonly from: number | string | undefined;
  readonly to: number | string | undefined;
  readonly fromText: string | undefined;
  readonly toText: string | undefined;
}

/** filter, missing, global. */
export interface SingleResult {
  readonly kind: "single";
  readonly bucket: Bucket;
}

export interface CompositeResult {
  readonly kind: "composite";
  readonly formats: readonly ValueFormat[];
  /** Sources whose numbers print as doubles. */
  readonly doubles: readonly boolean[];
  readonly buckets: readonly CompositeBucket[];
}

export interface CompositeBucket extends Bucket {
  /** Values by source; null: missing. */
  readonly values: readonly (BucketKey | null)[];
}

export interface HitsResult {
  readonly kind: "hits";
  readonly total: number;
  /** Best first. */
  readonly hits: readonly RankedHit[];
}

/** A hit with what orders it among those of other partials. */
export interface RankedHit {
  readonly segment: number;
  readonly doc: number;
  readonly score: number;
  /** One a sort key. */
  readonly values: readonly RawSortValue[];
  /** The rendered hit; undefined until it is fetched. */
  readonly json: Uint8Array | undefined;
}

/** What a pipeline makes, or a value that is rendered as it is. */
export interface ValueResult {
  readonly kind: "value";
  readonly json: Json;
  /** What paths find here; NaN: nothing. */
  readonly value: number;
}
