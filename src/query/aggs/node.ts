/**
 * The aggregations of a search body, parsed: a tree of plain values that may be posted to other threads.
 *
 * @module
 */
import type { Json } from "../../base/json.ts";
import type { Query } from "../queries/query.ts";
import type { SearchRequest } from "../request/request.ts";

/** One aggregation. Results of `subs` and `pipelines` are kept by position, names return when rendering. */
export interface AggNode {
  readonly name: string;
  readonly spec: AggSpec;
  readonly subs: readonly AggNode[];
  readonly pipelines: readonly PipelineNode[];
  /** Printed with the result as it came. */
  readonly meta: Json | undefined;
}

/** The aggregations of one level: those that look at documents, and those that look at results. */
export interface AggTree {
  readonly nodes: readonly AggNode[];
  readonly pipelines: readonly PipelineNode[];
}

export type AggSpec =
  | StatsSpec
  | CardinalitySpec
  | PercentilesSpec
  | WeightedAvgSpec
  | TermsSpec
  | HistogramSpec
  | DateHistogramSpec
  | RangeSpec
  | FilterSpec
  | FiltersSpec
  | MissingSpec
  | GlobalSpec
  | CompositeSpec
  | TopHitsSpec;

/** Parameters of every aggregation that reads one field. */
export interface FieldSpec {
  readonly field: string;
  /** As given; read against the field's type once that is known. */
  readonly missing: MissingValue | undefined;
  /** Overrides the field's own format; "" otherwise. */
  readonly format: string;
  readonly timeZone: string;
}

export type MissingValue = string | number | boolean;

export type StatsKind = "min" | "max" | "sum" | "avg" | "value_count" | "stats" | "extended_stats";

export interface StatsSpec extends FieldSpec {
  readonly kind: StatsKind;
  /** `extended_stats`: standard deviations of the bounds. */
  readonly sigma: number;
}

export interface CardinalitySpec extends FieldSpec {
  readonly kind: "cardinality";
  /** Counts up to here are exact. */
  readonly precisionThreshold: number;
}

export interface PercentilesSpec extends FieldSpec {
  readonly kind: "percentiles" | "percentile_ranks" | "median_absolute_deviation";
  /** Percents, or the values whose ranks are asked, ascending. */
  readonly points: readonly number[];
  readonly keyed: boolean;
  readonly compression: number;
}

export interface WeightedAvgSpec {
  readonly kind: "weighted_avg";
  readonly value: FieldSpec;
  readonly weight: FieldSpec;
  readonly format: string;
}

/** `_count`, `_key`, or a path to a metric such as `a>b.max`. */
export interface BucketOrder {
  readonly by: "count" | "key" | "path";
  readonly path: string;
  readonly ascending: boolean;
}

export interface TermsSpec extends FieldSpec {
  readonly kind: "terms";
  readonly size: number;
  /** Buckets that each partial keeps. */
  readonly shardSize: number;
  readonly minDocCount: number;
  readonly shardMinDocCount: number;
  /** Ties are broken by ascending key. */
  readonly order: readonly BucketOrder[];
  readonly include: TermFilter | undefined;
  readonly exclude: TermFilter | undefined;
  /** `show_term_doc_count_error`. */
  readonly showError: boolean;
  readonly valueType: string;
}

export type TermFilter =
  | { readonly kind: "regexp"; readonly pattern: string }
  | { readonly kind: "list"; readonly values: readonly (string | number | boolean)[] }
  | { readonly kind: "partition"; readonly partition: number; readonly partitions: number };

export interface Bounds<T> {
  readonly min: T | undefined;
  readonly max: T | undefined;
}

interface HistogramOptions extends FieldSpec {
  readonly minDocCount: number;
  readonly keyed: boolean;
  readonly order: readonly BucketOrder[];
}

export interface HistogramSpec extends HistogramOptions {
  readonly kind: "histogram";
  readonly interval: number;
  readonly offset: number;
  readonly extendedBounds: Bounds<number> | undefined;
  readonly hardBounds: Bounds<number> | undefined;
}

export interface DateHistogramSpec extends HistogramOptions {
  readonly kind: "date_histogram";
  readonly interval: DateInterval;
  readonly offsetMs: number;
  /** Numbers are ms; texts are read in the field's format, with date math. */
  readonly extendedBounds: Bounds<number | string> | undefined;
  readonly hardBounds: Bounds<number | string> | undefined;
}

export type CalendarUnit = "second" | "minute" | "hour" | "day" | "week" | "month" | "quarter" | "year";

export type DateInterval =
  | { readonly kind: "fixed"; readonly ms: number }
  | { readonly kind: "calendar"; readonly unit: CalendarUnit };

export interface RangeSpec extends FieldSpec {
  readonly kind: "range" | "date_range" | "ip_range";
  readonly keyed: boolean;
  readonly ranges: readonly RangeBounds[];
}

export interface RangeBounds {
  readonly key: string | undefined;
  readonly from: string | number | undefined;
  readonly to: string | number | undefined;
  /** `ip_range`: a CIDR block instead of from and to. */
  readonly mask: string | undefined;
}

export interface FilterSpec {
  readonly kind: "filter";
  readonly query: Query;
}

export interface FiltersSpec {
  readonly kind: "filters";
  /** Named ones sorted by name; anonymous ones as given, with empty names. */
  readonly filters: readonly { readonly name: string; readonly query: Query }[];
  readonly named: boolean;
  readonly keyed: boolean;
  /** Name of the bucket of documents that no filter matches; undefined: none is wanted. */
  readonly otherKey: string | undefined;
}

export interface MissingSpec extends FieldSpec {
  readonly kind: "missing";
}

export interface GlobalSpec {
  readonly kind: "global";
}

export interface CompositeSpec {
  readonly kind: "composite";
  readonly size: number;
  readonly sources: readonly CompositeSource[];
  /** Values by position, as given; undefined: start at the first. */
  readonly after: readonly (string | number | boolean | null)[] | undefined;
}

export interface CompositeSource extends FieldSpec {
  readonly name: string;
  readonly kind: "terms" | "histogram" | "date_histogram";
  readonly ascending: boolean;
  readonly missingBucket: boolean;
  readonly missingOrder: "default" | "first" | "last";
  readonly interval: number;
  readonly dateInterval: DateInterval | undefined;
  readonly offset: number;
}

export interface TopHitsSpec {
  readonly kind: "top_hits";
  /** How hits are sorted and fetched; it matches all that the bucket holds. */
  readonly request: SearchRequest;
}

export type PipelineKind =
  | "derivative"
  | "cumulative_sum"
  | "serial_diff"
  | "bucket_sort"
  | "max_bucket"
  | "min_bucket"
  | "avg_bucket"
  | "sum_bucket"
  | "stats_bucket"
  | "extended_stats_bucket"
  | "percentiles_bucket";

/** An aggregation over the results of others. */
export interface PipelineNode {
  readonly name: string;
  readonly kind: PipelineKind;
  readonly bucketsPath: string;
  /** "skip", "insert_zeros" or "keep_values". */
  readonly gapPolicy: string;
  readonly format: string;
  /** `derivative`: length of its unit in ms, 0 without one. */
  readonly unitMs: number;
  readonly lag: number;
  readonly sigma: number;
  readonly percents: readonly number[];
  readonly keyed: boolean;
  /** `bucket_sort`. */
  readonly sort: readonly { readonly path: string; readonly ascending: boolean }[];
  readonly from: number;
  readonly size: number | undefined;
  readonly meta: Json | undefined;
}
