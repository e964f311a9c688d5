/**
 * Indices on port 9200: create, get, exists, delete, mappings, settings, refresh, flush.
 *
 * @module
 */
import { illegalArgument, RequestError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import type { Engine } from "../engine/engine.ts";
import type { ExpandOptions } from "../engine/index_names.ts";
import type { IndexState } from "../engine/index_state.ts";
import type { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { objectBody } from "../http/json_body.ts";
import { answer, bodyRequired, flag, namedFlag } from "./answer.ts";

const CREATE_KEYS = ["settings", "mappings", "aliases"];

/** PUT `/{index}`. */
export async function createIndex(engine: Engine, context: RequestContext): Promise<Answer> {
  const name = context.params["index"]!;
  const body = await objectBody(context);
  for (const key of Object.keys(body)) {
    if (CREATE_KEYS.includes(key)) continue;
    throw new RequestError(`unknown key [${key}] for create index`, { status: 400, type: "parse_exception" });
  }
  await engine.indices.create(name, {
    mappings: body["mappings"],
    settings: body["settings"],
    aliases: (body["aliases"] ?? {}) as Record<string, unknown>,
  });
  return answer(context, { acknowledged: true, shards_acknowledged: true, index: name });
}

/** GET and HEAD `/{index}`. */
export function getIndex(engine: Engine, context: RequestContext): Answer {
  const found = engine.expand(context.params["index"], expandOptions(context));
  return answer(
    context,
    byName(found, (index) => ({
      aliases: engine.indices.aliasesOf(index.name) as Json,
      mappings: index.mapping.toJson() as Json,
      settings: shownSettings(context, index),
    })),
  );
}

/** DELETE `/{index}`. Wildcards are refused, as Elasticsearch does by default (`action.destructive_requires_name`). */
export async function deleteIndex(engine: Engine, context: RequestContext): Promise<Answer> {
  const expression = context.params["index"]!;
  if (expression.includes("*") || expression === "_all") {
    throw new RequestError("Wildcard expressions or all indices are not allowed", {
      status: 400,
      type: "illegal_argument_exception",
    });
  }
  for (const name of expression.split(",")) {
    if (engine.indices.aliases().has(name)) {
      throw new RequestError(
        `The provided expression [${name}] matches an alias, specify the corresponding concrete indices instead.`,
        { status: 400, type: "illegal_argument_exception" },
      );
    }
  }
  for (const index of engine.expand(expression, expandOptions(context))) await engine.indices.delete(index);
  return answer(context, { acknowledged: true });
}

/** GET `/_mapping` and `/{index}/_mapping`. */
export function getMapping(engine: Engine, context: RequestContext): Answer {
  const found = engine.expand(context.params["index"], expandOptions(context));
  return answer(context, byName(found, (index) => ({ mappings: index.mapping.toJson() as Json })));
}

/** PUT and POST `/{index}/_mapping`. */
export async function putMapping(engine: Engine, context: RequestContext): Promise<Answer> {
  if (!context.hasBody) throw bodyRequired();
  const body = await objectBody(context);
  const found = engine.expand(context.params["index"], { ...expandOptions(context), allowNoIndices: false });
  for (const index of found) await engine.indices.putMapping(index, body);
  return answer(context, { acknowledged: true });
}

/** GET `/_settings` and `/{index}/_settings`. */
export function getSettings(engine: Engine, context: RequestContext): Answer {
  const found = engine.expand(context.params["index"], expandOptions(context));
  return answer(context, byName(found, (index) => ({ settings: shownSettings(context, index) })));
}

/** POST and GET of `/_refresh` and `/{index}/_refresh`. */
export async function refresh(engine: Engine, context: RequestContext): Promise<Answer> {
  const found = engine.expand(context.params["index"], expandOptions(context));
  await engine.refresh(found);
  return answer(context, { _shards: shardCounts(found) });
}

/** POST and GET of `/_flush` and `/{index}/_flush`. */
export async function flush(engine: Engine, context: RequestContext): Promise<Answer> {
  const found = engine.expand(context.params["index"], expandOptions(context));
  const reports = await engine.flush(found);
  const failed = reports.filter(({ failure }) => failure !== undefined);
  const failures = failed.map(({ index, shard, failure }) => ({
    shard,
    index,
    status: "INTERNAL_SERVER_ERROR",
    reason: { type: "flush_failed_engine_exception", reason: failure! },
  }));
  const counts = shardCounts(found);
  return answer(context, {
    _shards: {
      ...counts,
      successful: counts.successful - failed.length,
      failed: failed.length,
      failures: failures.length > 0 ? failures : undefined,
    },
  }, failed.length > 0 && failed.length === reports.length ? 500 : 200);
}

/** POST of `/_forcemerge` and `/{index}/_forcemerge`; answers when all is merged. */
export async function forceMerge(engine: Engine, context: RequestContext): Promise<Answer> {
  const found = engine.expand(context.params["index"], expandOptions(context));
  const wanted = context.query.get("max_num_segments");
  const maxSegments = wanted === null || wanted === undefined ? undefined : Number(wanted);
  // Elasticsearch's default, -1, means: what is due.
  if (
    maxSegments !== undefined && !(Number.isInteger(maxSegments) && (maxSegments >= 1 || maxSegments === -1))
  ) {
    throw new RequestError(`Failed to parse int parameter [max_num_segments] with value [${wanted}]`, {
      status: 400,
      type: "illegal_argument_exception",
    });
  }
  const expungeOnly = flag(context, "only_expunge_deletes");
  if (expungeOnly && maxSegments !== undefined && maxSegments >= 1) {
    throw new RequestError(
      "Validation Failed: 1: cannot set only_expunge_deletes and max_num_segments at the same time, those two parameters are mutually exclusive;",
      { status: 400, type: "action_request_validation_exception" },
    );
  }
  const reports = await engine.forceMerge(found, {
    maxSegments: maxSegments === -1 ? undefined : maxSegments,
    expungeOnly,
  });
  const failures = reports.filter(({ failure }) => failure !== undefined).map((
    { index, shard, failure },
  ) => ({
    shard,
    index,
    status: "INTERNAL_SERVER_ERROR",
    reason: { type: "merge_failed_exception", reason: failure! },
  }));
  const counts = shardCounts(found);
  return answer(context, {
    _shards: {
      ...counts,
      successful: counts.successful - failures.length,
      failed: failures.length,
      failures: failures.length > 0 ? failures : undefined,
    },
  }, failures.length > 0 && failures.length === reports.length ? 500 : 200);
}

/** Shards as the answers of broadcasts count them. */
export function shardCounts(indices: readonly IndexState[]) {
  const total = indices.reduce((sum, { shards }) => sum + shards, 0);
  return { total, successful: total, failed: 0 };
}

/** `ignore_unavailable` and `allow_no_indices` of the query string. */
export function expandOptions(context: RequestContext): ExpandOptions {
  return {
    ignoreUnavailable: namedFlag(context, "ignore_unavailable"),
    allowNoIndices: namedFlag(context, "allow_no_indices", true),
    expandWildcards: expandsOpen(context),
  };
}

const WILDCARD_STATES = ["open", "closed", "hidden", "none", "all"];

/** Whether wildcards mean open indices, which all are. @throws {RequestError} 400 */
function expandsOpen({ query }: RequestContext): boolean {
  const value = query.get("expand_wildcards");
  if (value === null || value === "") return true;
  const states = value.split(",").map((state) => state.trim().toLowerCase());
  for (const state of states) {
    if (!WILDCARD_STATES.includes(state)) throw illegalArgument(`No valid expand wildcard value [${state}]`);
  }
  return states.includes("open") || states.includes("all");
}

/** Settings as Elasticsearch shows them: every value a string. */
function settingsJson({ settings, shards, createdMs, uuid, name }: IndexState): Json {
  return {
    ...stringified(settings) as Record<string, Json>,
    number_of_shards: String(shards),
    number_of_replicas: "0",
    provided_name: name,
    creation_date: String(createdMs),
    uuid,
    version: { created: "8503000" },
  };
}

/** `{"index": {...}}`, or with `?flat_settings` `{"index.number_of_shards": ...}`. */
function shownSettings(context: RequestContext, index: IndexState): Json {
  const settings = settingsJson(index);
  if (!flag(context, "flat_settings")) return { index: settings };
  return Object.fromEntries(flattened("index", settings).sort(([a], [b]) => a < b ? -1 : 1));
}

function flattened(path: string, value: Json): [string, Json][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value as Record<string, Json>).flatMap(([key, inner]) =>
    flattened(`${path}.${key}`, inner)
  );
}

function stringified(value: unknown): Json {
  if (Array.isArray(value)) return value.map(stringified);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, stringified(inner)]));
  }
  return value === null ? null : String(value);
}

function byName(indices: readonly IndexState[], render: (index: IndexState) => Json): Json {
  return Object.fromEntries(indices.map((index) => [index.name, render(index)]));
}
