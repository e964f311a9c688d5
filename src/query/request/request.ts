/**
 * A search request after its grammar.
 *
 * @module
 */
import type { AggTree } from "../aggs/mod.ts";
import type { Query, Scalar } from "../queries/query.ts";

export interface SearchRequest {
  readonly query: Query;
  /** Narrows hits and their total, not aggregations. */
  readonly postFilter: Query | undefined;
  readonly from: number;
  readonly size: number;
  /** Empty: best score first. */
  readonly sort: readonly SortSpec[];
  /** Sort values to start behind; one a sort key. */
  readonly searchAfter: readonly (Scalar | null)[] | undefined;
  readonly source: SourceSpec;
  readonly fields: readonly FieldSpec[];
  readonly docvalueFields: readonly FieldSpec[];
  /** Hits are counted exactly up to here; Infinity: all; -1: not at all, and no total is shown. */
  readonly trackTotalHits: number;
  /** Infinity: none of its own. */
  readonly timeoutMs: number;
  readonly minScore: number | undefined;
  /** Docs after which a shard stops; 0: never. */
  readonly terminateAfter: number;
  /** Score hits even where a sort does not need it. */
  readonly trackScores: boolean;
  readonly version: boolean;
  readonly seqNoPrimaryTerm: boolean;
  /** `stored_fields: "_none_"`: neither id nor source. */
  readonly storedNone: boolean;
  readonly aggs: AggTree | undefined;
  /** `{"id", "keep_alive"}` as written, for whoever keeps points in time. */
  readonly pit: { readonly [key: string]: unknown } | undefined;
}

export type SortMode = "min" | "max" | "sum" | "avg" | "median";

export type SortSpec =
  | { readonly kind: "score"; readonly descending: boolean }
  | { readonly kind: "doc"; readonly descending: boolean }
  | FieldSortSpec;

export interface FieldSortSpec {
  readonly kind: "field";
  readonly field: string;
  readonly descending: boolean;
  /** Undefined: `_last`. */
  readonly missing: Scalar | undefined;
  /** Undefined: the least when ascending, the greatest when descending. */
  readonly mode: SortMode | undefined;
  readonly unmappedType: string | undefined;
  readonly format: string | undefined;
}

export type SourceSpec =
  | { readonly kind: "all" }
  | { readonly kind: "none" }
  | { readonly kind: "filter"; readonly includes: readonly string[]; readonly excludes: readonly string[] };

export interface FieldSpec {
  /** A name or a pattern with `*`. */
  readonly field: string;
  readonly format: string | undefined;
}
