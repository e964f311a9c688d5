/**
 * Joins and renders the hits of top_hits.
 *
 * @module
 */
import { assert } from "../../base/errors.ts";
import { Float, type Json, RawJson } from "../../base/json.ts";
import { compareSortValues } from "../collect/sort_value.ts";
import type { SortSpec } from "../request/request.ts";
import type { AggNode, TopHitsSpec } from "./node.ts";
import type { HitsResult, RankedHit } from "./result.ts";

/** The best `keep` of several lists. */
export function mergeRanked(
  lists: readonly (readonly RankedHit[])[],
  sort: readonly SortSpec[],
  keep: number,
): RankedHit[] {
  const keys = sort.map((spec) => ({
    descending: spec.descending,
    missingFirst: spec.kind === "field" && spec.missing === "_first",
  }));
  const all = lists.flat();
  all.sort((a, b) => {
    for (let i = 0; i < keys.length; i++) {
      const difference = compareSortValues(a.values[i]!, b.values[i]!, keys[i]!);
      if (difference !== 0) return difference;
    }
    return a.segment - b.segment || a.doc - b.doc;
  });
  return all.slice(0, keep);
}

export function reduceTopHits(node: AggNode, results: readonly HitsResult[]): HitsResult {
  const { spec } = node;
  assert(spec.kind === "top_hits", "top hits");
  const { request } = spec;
  const sort = request.sort.length === 0 ? [{ kind: "score", descending: true } as const] : request.sort;
  return {
    kind: "hits",
    total: results.reduce((sum, one) => sum + one.total, 0),
    hits: mergeRanked(results.map((one) => one.hits), sort, request.from + request.size),
  };
}

export function topHitsJson(spec: TopHitsSpec, result: HitsResult): { [key: string]: Json } {
  const { from, sort, trackScores } = spec.request;
  const scored = sort.length === 0 || trackScores || sort.some((key) => key.kind === "score");
  const best = result.hits.reduce((max, hit) => Math.max(max, hit.score), -Infinity);
  const byScore = sort.length === 0 || trackScores;
  return {
    hits: {
      total: { value: result.total, relation: "eq" },
      max_score: scored && byScore && result.hits.length > 0 ? new Float(best) : null,
      hits: result.hits.slice(from).map((hit) => new RawJson(hit.json!)),
    },
  };
}
