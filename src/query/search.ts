/**
 * A search from its body to its hits. A thread that searches alone calls `executeSearch`; several share
 * the segments out with `searchShare`, and one of them reduces and fetches.
 *
 * @module
 */
import type { Json } from "../base/json.ts";
import { type AggPartial, reduceAggs, renderAggs } from "./aggs/mod.ts";
import { planSort } from "./collect/sort_plan.ts";
import { mergeCandidates, type SearchPartial, searchShare, type ShareOptions } from "./execute.ts";
import { fetchHits, type Hit } from "./fetch/hits.ts";
import type { SearchRequest } from "./request/request.ts";
import type { SearchContext } from "./target.ts";

export { checkResultWindow, type Params, parseSearch } from "./request/parse.ts";
export type { SearchRequest } from "./request/request.ts";
export type { Hit } from "./fetch/hits.ts";
export { type SearchPartial, searchShare, type ShareOptions } from "./execute.ts";

export interface SearchResult {
  /** Undefined: `track_total_hits` is off. */
  readonly total: { readonly value: number; readonly relation: "eq" | "gte" } | undefined;
  /** Undefined: no hit was scored. */
  readonly maxScore: number | undefined;
  readonly hits: readonly Hit[];
  /** The value of `aggregations`. */
  readonly aggs: Json | undefined;
  readonly timedOut: boolean;
  readonly terminatedEarly: boolean;
}

export interface ExecuteOptions extends ShareOptions {
  /** `typed_keys`. */
  readonly typedKeys?: boolean;
}

/**
 * Searches in the calling thread.
 *
 * @throws {RequestError} The request does not fit the mapping or a limit.
 */
export function executeSearch(
  request: SearchRequest,
  context: SearchContext,
  options: ExecuteOptions = {},
): SearchResult {
  return reduceSearch(request, [searchShare(request, context, options)], context, options);
}

/** Joins what threads found, and fetches the hits. At least one partial. */
export function reduceSearch(
  request: SearchRequest,
  partials: readonly SearchPartial[],
  context: SearchContext,
  options: { readonly typedKeys?: boolean } = {},
): SearchResult {
  const first = context.targets[0];
  const sort = first === undefined ? [] : planSort(request.sort, first, context.nowMs);
  const k = request.from + request.size;
  const candidates = mergeCandidates(partials.map((partial) => partial.candidates), sort, k);
  let total = 0;
  let maxScore = -Infinity;
  for (const partial of partials) {
    total += partial.total;
    maxScore = Math.max(maxScore, partial.maxScore);
  }
  return {
    total: totalOf(total, request.trackTotalHits),
    maxScore: maxScore === -Infinity ? undefined : maxScore,
    hits: fetchHits(candidates, request, context),
    aggs: reduceAggregations(request, partials, context, options.typedKeys === true),
    timedOut: partials.some((partial) => partial.timedOut),
    terminatedEarly: partials.some((partial) => partial.terminatedEarly),
  };
}

function totalOf(total: number, limit: number): SearchResult["total"] {
  if (limit < 0) return undefined;
  return total > limit ? { value: limit, relation: "gte" } : { value: total, relation: "eq" };
}

function reduceAggregations(
  request: SearchRequest,
  partials: readonly SearchPartial[],
  context: SearchContext,
  typedKeys: boolean,
): Json | undefined {
  if (request.aggs === undefined) return undefined;
  const found: AggPartial[] = [];
  for (const { aggs } of partials) if (aggs !== undefined) found.push(aggs);
  const { nowMs, limits } = context;
  return renderAggs(request.aggs, reduceAggs(request.aggs, found, { nowMs, maxBuckets: limits.maxBuckets }), {
    typedKeys,
  });
}
