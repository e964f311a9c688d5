/**
 * Indices on port 9200: create, get, exists, delete, mappings, settings, refresh, flush.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import type { Engine } from "../engine/engine.ts";
import type { ExpandOptions } from "../engine/index_names.ts";
import type { IndexState } from "../engine/index_state.ts";
import type { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { objectBody } from "../http/json_body.ts";
import { answer, flag } from "./answer.ts";

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
      settings: { index: settingsJson(index) },
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
  const body = await objectBody(context);
  const found = engine.expand(context.params["index"], { ...expandOptions(context), allowNoIndices: false });
  for (const index of found) await engine.indices.putMapping(index, body);
  return answer(context, { acknowledged: true });
}

/** GET `/_settings` and `/{index}/_settings`. */
export function getSettings(engine: Engine, context: RequestContext): Answer {
  const found = engine.expand(context.params["index"], expandOptions(context));
  return answer(context, byName(found, (index) => ({ settings: { index: settingsJson(index) } })));
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

/** Shards as the answers of broadcasts count them. */
export function shardCounts(indices: readonly IndexState[]) {
  const total = indices.reduce((sum, { shards }) => sum + shards, 0);
  return { total, successful: total, failed: 0 };
}

/** `ignore_unavailable` and `allow_no_indices` of the query string. */
export function expandOptions(context: RequestContext): ExpandOptions {
  return {
    ignoreUnavailable: flag(context, "ignore_unavailable"),
    allowNoIndices: flag(context, "allow_no_indices", true),
  };
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
