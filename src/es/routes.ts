/**
 * Port 9200: every route of the Elasticsearch-compatible API, and what stands behind it.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { Engine } from "../engine/engine.ts";
import { Answer } from "../http/answer.ts";
import type { RequestContext, RouteMeta } from "../http/context.ts";
import { JSON_BODIES, NDJSON_BODIES } from "../http/media.ts";
import { Router } from "../http/router.ts";
import { mediaType } from "./answer.ts";
import { bulk } from "./bulk.ts";
import { catIndices, clusterHealth, type NodeIdentity, root } from "./cluster.ts";
import {
  deleteDocument,
  getDocument,
  getSource,
  indexDocument,
  multiGet,
  updateDocument,
} from "./documents.ts";
import {
  createIndex,
  deleteIndex,
  expandOptions,
  flush,
  getIndex,
  getMapping,
  getSettings,
  putMapping,
  refresh,
  shardCounts,
} from "./indices.ts";
import { noIndices } from "./no_indices.ts";

export interface EsOptions {
  readonly engine: Engine;
  readonly identity: NodeIdentity;
  readonly monotonicMs: () => number;
  readonly onSearch: (seconds: number, answerBytes: number) => void;
  readonly onWrite: (seconds: number, bodyBytes: number) => void;
}

type EngineHandler = (engine: Engine, context: RequestContext) => Promise<Answer> | Answer;

/** Parameters that Elasticsearch takes everywhere. */
const COMMON = ["pretty", "human", "error_trace", "filter_path", "format"];
const INDICES = ["ignore_unavailable", "allow_no_indices", "expand_wildcards"];
const TIMEOUTS = ["timeout", "master_timeout", "wait_for_active_shards"];
const SOURCE = ["_source", "_source_includes", "_source_excludes"];
const WRITE = [
  ...TIMEOUTS,
  "refresh",
  "routing",
  "version",
  "version_type",
  "if_seq_no",
  "if_primary_term",
  "op_type",
  "pipeline",
  "require_alias",
  "require_data_stream",
];
const SEARCH = [
  ...INDICES,
  ...SOURCE,
  "from",
  "size",
  "sort",
  "track_total_hits",
  "track_scores",
  "timeout",
  "terminate_after",
  "version",
  "seq_no_primary_term",
  "explain",
  "preference",
  "routing",
  "search_type",
  "request_cache",
  "batched_reduce_size",
  "ccs_minimize_roundtrips",
  "max_concurrent_shard_requests",
  "pre_filter_shard_size",
  "rest_total_hits_as_int",
  "typed_keys",
  "allow_partial_search_results",
  "stored_fields",
  "docvalue_fields",
  "ignore_throttled",
  "min_score",
];

export function esRouter(options: EsOptions): Router {
  const { engine } = options;
  const router = new Router({ commonParameters: COMMON });
  const on = (methods: string, pattern: string, handler: EngineHandler, meta: RouteMeta) => {
    for (const method of methods.split(" ")) {
      router.add(method, pattern, (context) => {
        if (!engine.ready) throw notReady();
        return handler(engine, context);
      }, meta);
    }
  };
  const write = (methods: string, pattern: string, handler: EngineHandler, meta: RouteMeta) =>
    on(methods, pattern, async (_engine, context) => {
      const started = options.monotonicMs();
      const answer = await handler(engine, context);
      const bytes = Number(context.request.headers.get("content-length") ?? 0);
      options.onWrite((options.monotonicMs() - started) / 1000, bytes);
      return answer;
    }, meta);

  router.add("GET", "/", (context) => root(options.identity, context), { name: "info" });
  on("PUT", "/{index}", createIndex, { name: "indices.create", accepts: JSON_BODIES, parameters: TIMEOUTS });
  on("GET", "/{index}", getIndex, {
    name: "indices.get",
    parameters: [...INDICES, ...TIMEOUTS, "flat_settings", "include_defaults", "local", "features"],
  });
  on("DELETE", "/{index}", deleteIndex, { name: "indices.delete", parameters: [...INDICES, ...TIMEOUTS] });
  for (const prefix of ["", "/{index}"]) {
    on("GET", `${prefix}/_mapping`, getMapping, {
      name: "indices.get_mapping",
      parameters: [...INDICES, ...TIMEOUTS, "local"],
    });
    on("GET", `${prefix}/_settings`, getSettings, {
      name: "indices.get_settings",
      parameters: [...INDICES, ...TIMEOUTS, "flat_settings", "include_defaults", "local"],
    });
    on("POST GET", `${prefix}/_refresh`, refresh, { name: "indices.refresh", parameters: INDICES });
    on("POST GET", `${prefix}/_flush`, flush, {
      name: "indices.flush",
      parameters: [...INDICES, "force", "wait_if_ongoing"],
    });
    write("POST PUT", `${prefix}/_bulk`, bulk, {
      name: "bulk",
      accepts: NDJSON_BODIES,
      parameters: [...WRITE, ...SOURCE, "list_executed_pipelines"],
    });
    on("GET POST", `${prefix}/_mget`, multiGet, {
      name: "mget",
      accepts: JSON_BODIES,
      parameters: [...SOURCE, "preference", "realtime", "refresh", "routing", "stored_fields"],
    });
    for (const [path, handler] of [["_search", "es.search"], ["_count", "es.count"]] as const) {
      on("GET POST", `${prefix}/${path}`, (_engine, context) => search(options, context, handler), {
        name: path.slice(1),
        accepts: JSON_BODIES,
        parameters: SEARCH,
      });
    }
  }
  on("PUT POST", "/{index}/_mapping", putMapping, {
    name: "indices.put_mapping",
    accepts: JSON_BODIES,
    parameters: [...INDICES, ...TIMEOUTS, "write_index_only"],
  });
  write("POST", "/{index}/_doc", indexDocument, { name: "index", accepts: JSON_BODIES, parameters: WRITE });
  write("PUT POST", "/{index}/_doc/{id}", indexDocument, {
    name: "index",
    accepts: JSON_BODIES,
    parameters: WRITE,
  });
  write("PUT POST", "/{index}/_create/{id}", indexDocument, {
    name: "create",
    accepts: JSON_BODIES,
    parameters: WRITE,
  });
  write("DELETE", "/{index}/_doc/{id}", deleteDocument, { name: "delete", parameters: WRITE });
  write("POST", "/{index}/_update/{id}", updateDocument, {
    name: "update",
    accepts: JSON_BODIES,
    parameters: [...WRITE, ...SOURCE, "retry_on_conflict", "lang"],
  });
  const GET = [
    ...SOURCE,
    "preference",
    "realtime",
    "refresh",
    "routing",
    "stored_fields",
    "version",
    "version_type",
  ];
  on("GET", "/{index}/_doc/{id}", getDocument, { name: "get", parameters: GET });
  on("GET", "/{index}/_source/{id}", getSource, { name: "get_source", parameters: GET });
  for (const suffix of ["", "/{index}"]) {
    on("GET", `/_cat/indices${suffix}`, catIndices, {
      name: "cat.indices",
      parameters: [
        ...INDICES,
        ...TIMEOUTS,
        "bytes",
        "h",
        "s",
        "v",
        "health",
        "help",
        "local",
        "pri",
        "time",
        "include_unloaded_segments",
      ],
    });
    on("GET", `/_cluster/health${suffix}`, clusterHealth, {
      name: "cluster.health",
      parameters: [
        ...INDICES,
        ...TIMEOUTS,
        "level",
        "local",
        "wait_for_status",
        "wait_for_nodes",
        "wait_for_events",
        "wait_for_no_initializing_shards",
        "wait_for_no_relocating_shards",
      ],
    });
  }
  return router;
}

async function search(options: EsOptions, context: RequestContext, handler: string): Promise<Answer> {
  const { engine, monotonicMs, onSearch } = options;
  const started = monotonicMs();
  const body = await context.readBody();
  const indices = engine.expand(context.params["index"], expandOptions(context));
  const query = Object.fromEntries(context.query);
  if (indices.length === 0) return noIndices(context, handler);
  const { total } = shardCounts(indices);
  const reply = await engine.search(indices, {
    handler,
    body,
    query: { ...query, "xerj.shards": String(total) },
    requestId: context.requestId,
  });
  onSearch((monotonicMs() - started) / 1000, reply.body.length);
  return new Answer(reply.status, reply.body, mediaType(context));
}

function notReady(): RequestError {
  return new RequestError("blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];", {
    status: 503,
    type: "cluster_block_exception",
    headers: { "retry-after": "1" },
  });
}
