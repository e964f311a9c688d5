/**
 * What searcher threads do with the bodies of the native dialect.
 *
 * @module
 */
import { type Json, renderJson } from "../base/json.ts";
import { searchBody, searchContext } from "../engine/search_body.ts";
import type { SearchHandler } from "../engine/searcher_node.ts";
import { explainPlan } from "../query/explain.ts";
import { executeSearch, parseSearch } from "../query/search.ts";
import { renderNativeHit, scoreJson } from "../query/render.ts";

const search: SearchHandler = (call, targets, environment) => {
  const started = environment.monotonicMs();
  const request = parseSearch(searchBody(call.body, environment.settings));
  const result = executeSearch(request, searchContext(targets, environment));
  const answer: Json = {
    took_ms: Math.round((environment.monotonicMs() - started) * 1000) / 1000,
    timed_out: result.timedOut,
    request_id: call.requestId,
    total: result.total?.value,
    total_relation: result.total?.relation,
    max_score: scoreJson(result.maxScore),
    hits: result.hits.map(renderNativeHit),
    aggs: result.aggs,
  };
  return { status: 200, body: renderJson(answer) };
};

/** The plan of a search: what ran, over how many rows, what was read and what was skipped. */
const explain: SearchHandler = (call, targets, environment) => {
  const request = parseSearch(searchBody(call.body, environment.settings));
  return { status: 200, body: renderJson(explainPlan(request, searchContext(targets, environment))) };
};

export const nativeSearchHandlers: Readonly<Record<string, SearchHandler>> = {
  "native.search": search,
  "native.explain": explain,
};
