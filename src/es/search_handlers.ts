/**
 * What searcher threads do with the bodies of port 9200.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { type Json, renderJson } from "../base/json.ts";
import { searchBody, searchContext, searchParams } from "../engine/search_body.ts";
import type { SearchHandler } from "../engine/searcher_node.ts";
import { executeSearch, parseSearch } from "../query/search.ts";
import { renderHits } from "../query/render.ts";

const search: SearchHandler = (call, targets, environment) => {
  const started = environment.monotonicMs();
  const params = searchParams(call);
  const request = parseSearch(searchBody(call.body, environment.settings), params);
  const typedKeys = isOn(params.get("typed_keys"));
  const result = executeSearch(request, searchContext(targets, environment), { typedKeys });
  const hits = renderHits(result) as {
    readonly total?: { readonly value: number };
    readonly [key: string]: Json | undefined;
  };
  const asInteger = isOn(params.get("rest_total_hits_as_int"));
  const answer: Json = {
    took: Math.floor(environment.monotonicMs() - started),
    timed_out: result.timedOut,
    terminated_early: result.terminatedEarly ? true : undefined,
    _shards: shards(targets.length),
    hits: asInteger ? { ...hits, total: hits.total?.value ?? -1 } : hits,
    aggregations: result.aggs,
  };
  return { status: 200, body: renderJson(answer) };
};

const count: SearchHandler = (call, targets, environment) => {
  const body = searchBody(call.body, environment.settings);
  for (const key of Object.keys((body ?? {}) as Record<string, unknown>)) {
    if (key === "query") continue;
    throw new RequestError(`request does not support [${key}]`, { status: 400, type: "parsing_exception" });
  }
  const request = {
    ...parseSearch(body),
    size: 0,
    trackTotalHits: Infinity,
    terminateAfter: Number(searchParams(call).get("terminate_after") ?? 0),
  };
  const { total, terminatedEarly } = executeSearch(request, searchContext(targets, environment));
  const answer: Json = {
    count: total?.value ?? 0,
    terminated_early: terminatedEarly ? true : undefined,
    _shards: shards(targets.length),
  };
  return { status: 200, body: renderJson(answer) };
};

function shards(total: number): Json {
  return { total, successful: total, skipped: 0, failed: 0 };
}

function isOn(value: string | null): boolean {
  return value !== null && value !== "false";
}

export const esSearchHandlers: Readonly<Record<string, SearchHandler>> = {
  "es.search": search,
  "es.count": count,
};
