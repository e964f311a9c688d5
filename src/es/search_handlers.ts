/**
 * What searcher threads do with the bodies of port 9200.
 *
 * @module
 */
import { illegalArgument, parsingError, RequestError } from "../base/errors.ts";
import { type Json, renderJson } from "../base/json.ts";
import { searchBody, searchContext, searchParams } from "../engine/search_body.ts";
import type { SearchCall } from "../engine/messages.ts";
import type { SearchHandler } from "../engine/searcher_node.ts";
import { executeSearch, parseSearch } from "../query/search.ts";
import { renderHits } from "../query/render.ts";
import type { SearchTarget } from "../query/target.ts";
import { searchFailure } from "./search_failure.ts";

const search: SearchHandler = (call, targets, environment) => {
  const started = environment.monotonicMs();
  const params = searchParams(call);
  const request = parseSearch(searchBody(call.body, environment.settings), params);
  const typedKeys = isOn(params.get("typed_keys"));
  const asInteger = isOn(params.get("rest_total_hits_as_int"));
  if (asInteger && request.trackTotalHits !== DEFAULT_TRACKED && request.trackTotalHits >= 0) {
    refuseInexactTotal(request.trackTotalHits);
  }
  return whereShardsFail({ call, targets }, () => {
    const exact = asInteger && request.trackTotalHits >= 0
      ? { ...request, trackTotalHits: Infinity }
      : request;
    const result = executeSearch(exact, searchContext(targets, environment), { typedKeys });
    const hits = renderHits(result) as {
      readonly total?: { readonly value: number };
      readonly [key: string]: Json | undefined;
    };
    return {
      took: Math.floor(environment.monotonicMs() - started),
      timed_out: result.timedOut,
      terminated_early: request.terminateAfter > 0 ? result.terminatedEarly : undefined,
      _shards: shards(targets.length),
      hits: asInteger ? { ...hits, total: hits.total?.value ?? -1 } : hits,
      aggregations: result.aggs,
    };
  });
};

const count: SearchHandler = (call, targets, environment) => {
  const body = searchBody(call.body, environment.settings);
  for (const key of Object.keys((body ?? {}) as Record<string, unknown>)) {
    if (key !== "query") throw parsingError(`request does not support [${key}]`);
  }
  const params = searchParams(call);
  const terminateAfter = Number(params.get("terminate_after") ?? 0);
  const minScore = params.get("min_score");
  const request = {
    ...parseSearch(body, { get: (name) => name === "q" ? params.get("q") : null }),
    size: 0,
    trackTotalHits: Infinity,
    terminateAfter,
    minScore: minScore === null ? undefined : Number(minScore),
  };
  return whereShardsFail({ call, targets }, () => {
    const { total, terminatedEarly } = executeSearch(request, searchContext(targets, environment));
    return {
      terminated_early: terminateAfter > 0 ? terminatedEarly : undefined,
      count: total?.value ?? 0,
      _shards: shards(targets.length),
    };
  });
};

/** Hits are counted up to here unless the request says otherwise. */
const DEFAULT_TRACKED = 10_000;

function refuseInexactTotal(limit: number): void {
  if (limit === Infinity) return;
  throw illegalArgument(
    `[rest_total_hits_as_int] cannot be used if the tracking of total hits is not accurate, got ${limit}`,
  );
}

/** Answers what `run` makes; what it throws is the shards' failure: the request itself could be read. */
function whereShardsFail(
  { call, targets }: { readonly call: SearchCall; readonly targets: readonly SearchTarget[] },
  run: () => Json,
): { readonly status: number; readonly body: Uint8Array } {
  try {
    return { status: 200, body: renderJson(run()) };
  } catch (error) {
    if (!(error instanceof RequestError) || error.status !== 400) throw error;
    const where = {
      index: targets[0]!.index,
      indexUuid: call.query["xerj.uuid"] ?? "_na_",
      node: call.query["xerj.node"] ?? "",
      requestId: call.requestId,
    };
    return { status: error.status, body: renderJson(searchFailure(error, where)) };
  }
}

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
