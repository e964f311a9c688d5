/**
 * Port 9200: every route of the Elasticsearch-compatible API, and what stands behind it.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { utf8 } from "../base/bytes.ts";
import type { Engine } from "../engine/engine.ts";
import { Answer } from "../http/answer.ts";
import type { RequestContext, RouteMeta } from "../http/context.ts";
import { JSON_BODIES, NDJSON_BODIES } from "../http/media.ts";
import { Router } from "../http/router.ts";
import { bodyRequired, checkActiveShards, checkDuration, flag, integer, mediaType } from "./answer.ts";
import { bulk } from "./bulk.ts";
import { catIndices } from "./cat_indices.ts";
import { clusterHealth, type NodeIdentity, root } from "./cluster.ts";
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
  forceMerge,
  getIndex,
  getMapping,
  getSettings,
  putMapping,
  refresh,
  shardCounts,
} from "./indices.ts";
import { checkMediaVersions } from "./media_versions.ts";
import { addMissingApis } from "./missing_apis.ts";
import { noIndices } from "./no_indices.ts";
import {
  createSnapshot,
  deleteRepository,
  deleteSnapshot,
  getRepositories,
  getSnapshots,
  putRepository,
  restoreSnapshot,
  type SnapshotApiOptions,
  snapshotStatus,
  verifyRepository,
} from "./snapshots.ts";

export interface EsOptions {
  readonly engine: Engine;
  readonly snapshots: SnapshotApiOptions;
  readonly identity: NodeIdentity;
  readonly monotonicMs: () => number;
  readonly onSearch: (seconds: number, answerBytes: number) => void;
  readonly onWrite: (seconds: number, bodyBytes: number) => void;
}

type EngineHandler = (engine: Engine, context: RequestContext) => Promise<Answer> | Answer;

/** Elasticsearch takes a single JSON value under the types of lines, too. */
const BODIES = [...JSON_BODIES, "application/x-ndjson", "application/vnd.elasticsearch+x-ndjson"];

/** Parameters that Elasticsearch takes everywhere. */
const COMMON = ["pretty", "human", "error_trace", "filter_path", "format"];
/** A body in the URL. */
const URL_BODY = ["source", "source_content_type"];
/** A query in a few words, which is not there yet: whoever sends one hears that. */
const URL_QUERY = ["q", "df", "analyzer", "analyze_wildcard", "default_operator", "lenient"];
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
const COUNT = [
  ...INDICES,
  ...URL_BODY,
  ...URL_QUERY,
  "ignore_throttled",
  "min_score",
  "preference",
  "routing",
  "terminate_after",
];
const SEARCH = [
  ...INDICES,
  ...SOURCE,
  ...URL_BODY,
  ...URL_QUERY,
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
  const router = new Router({ commonParameters: COMMON, headFollowsGet: false });
  const on = (methods: string, pattern: string, handler: EngineHandler, meta: RouteMeta) => {
    for (const method of methods.split(" ")) {
      router.add(method, pattern, (context) => {
        checkCommon(context);
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

  for (const method of ["GET", "HEAD"]) {
    router.add(method, "/", (context) => {
      checkCommon(context);
      return root(options.identity, context);
    }, { name: "info" });
  }
  on("PUT", "/{index}", createIndex, { name: "indices.create", accepts: BODIES, parameters: TIMEOUTS });
  on("GET HEAD", "/{index}", getIndex, {
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
    on("POST", `${prefix}/_forcemerge`, forceMerge, {
      name: "indices.forcemerge",
      parameters: [...INDICES, "max_num_segments", "only_expunge_deletes", "flush", "wait_for_completion"],
    });
    write("POST PUT", `${prefix}/_bulk`, bulk, {
      name: "bulk",
      accepts: NDJSON_BODIES,
      parameters: [...WRITE, ...SOURCE, "list_executed_pipelines"],
    });
    on("GET POST", `${prefix}/_mget`, multiGet, {
      name: "mget",
      accepts: BODIES,
      parameters: [...SOURCE, ...URL_BODY, "preference", "realtime", "refresh", "routing", "stored_fields"],
    });
    for (const [path, handler] of [["_search", "es.search"], ["_count", "es.count"]] as const) {
      on("GET POST", `${prefix}/${path}`, (_engine, context) => search(options, context, handler), {
        name: path.slice(1),
        accepts: BODIES,
        parameters: path === "_count" ? COUNT : SEARCH,
      });
    }
  }
  on("PUT POST", "/{index}/_mapping", putMapping, {
    name: "indices.put_mapping",
    accepts: BODIES,
    parameters: [...INDICES, ...TIMEOUTS, "write_index_only"],
  });
  write("POST", "/{index}/_doc", indexDocument, { name: "index", accepts: BODIES, parameters: WRITE });
  write("PUT POST", "/{index}/_doc/{id}", indexDocument, {
    name: "index",
    accepts: BODIES,
    parameters: WRITE,
  });
  write("PUT POST", "/{index}/_create/{id}", indexDocument, {
    name: "create",
    accepts: BODIES,
    parameters: WRITE,
  });
  write("DELETE", "/{index}/_doc/{id}", deleteDocument, { name: "delete", parameters: WRITE });
  write("POST", "/{index}/_update/{id}", updateDocument, {
    name: "update",
    accepts: BODIES,
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
  on("GET HEAD", "/{index}/_doc/{id}", getDocument, { name: "get", parameters: GET });
  on("GET HEAD", "/{index}/_source/{id}", getSource, { name: "get_source", parameters: GET });
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
  addSnapshotApi(on, options);
  addMissingApis(router);
  return router;
}

/** Formats of Elasticsearch's answers that are not there; it ignores names that it does not know. */
const OTHER_FORMATS = ["yaml", "cbor", "smile"];

/** Parameters and headers that mean the same everywhere. */
function checkCommon(context: RequestContext): void {
  checkMediaVersions(context);
  if (context.query.size === 0) return;
  for (const name of ["pretty", "human", "error_trace"]) flag(context, name);
  for (const name of ["timeout", "master_timeout"]) checkDuration(context, name);
  checkActiveShards(context);
  const format = context.query.get("format");
  if (format === null || !OTHER_FORMATS.includes(format)) return;
  throw new RequestError(`The format [${format}] is not supported; answers are JSON`, {
    status: 406,
    type: "media_type_header_exception",
  });
}

async function search(options: EsOptions, context: RequestContext, handler: string): Promise<Answer> {
  const { engine, monotonicMs, onSearch } = options;
  const started = monotonicMs();
  const body = await bodyOrSource(context);
  checkSearchParameters(context);
  const indices = engine.expand(context.params["index"], expandOptions(context));
  const query = Object.fromEntries(context.query);
  if (indices.length === 0) return noIndices(context, handler);
  const { total } = shardCounts(indices);
  const reply = await engine.search(indices, {
    handler,
    body,
    query: {
      ...query,
      "xerj.shards": String(total),
      "xerj.uuid": indices[0]!.uuid,
      "xerj.node": options.identity.instanceId,
    },
    requestId: context.requestId,
  });
  onSearch((monotonicMs() - started) / 1000, reply.body.length);
  return new Answer(reply.status, reply.body, mediaType(context));
}

/** The body, or what `?source=` holds. */
export async function bodyOrSource(context: RequestContext): Promise<Uint8Array> {
  const body = await context.readBody();
  const source = context.query.get("source");
  if (body.length > 0 || source === null) return body;
  const contentType = context.query.get("source_content_type");
  if (contentType === null) {
    throw new RequestError("source and source_content_type parameters are required", {
      status: 400,
      type: "illegal_state_exception",
    });
  }
  if (!JSON_BODIES.some((type) => contentType.startsWith(type))) {
    throw bodyRequired(`Unknown value for source_content_type [${contentType}]`);
  }
  return utf8(source);
}

const SEARCH_TYPES = ["query_then_fetch", "dfs_query_then_fetch"];

function checkSearchParameters(context: RequestContext): void {
  const { query } = context;
  if (query.size === 0) return;
  for (const name of ["from", "size", "terminate_after", "batched_reduce_size", "pre_filter_shard_size"]) {
    integer(context, name);
  }
  for (const name of ["rest_total_hits_as_int", "typed_keys"]) flag(context, name);
  const tracked = query.get("track_total_hits");
  if (tracked !== null && !["", "true", "false"].includes(tracked)) integer(context, "track_total_hits");
  const searchType = query.get("search_type");
  if (searchType === null || SEARCH_TYPES.includes(searchType)) return;
  throw new RequestError(`No search type for [${searchType}]`, {
    status: 400,
    type: "illegal_argument_exception",
  });
}

function notReady(): RequestError {
  return new RequestError("blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];", {
    status: 503,
    type: "cluster_block_exception",
    headers: { "retry-after": "1" },
  });
}

/** `/_snapshot`. */
function addSnapshotApi(
  on: (methods: string, pattern: string, handler: EngineHandler, meta: RouteMeta) => void,
  options: EsOptions,
): void {
  type SnapshotHandler = (options: SnapshotApiOptions, context: RequestContext) => Promise<Answer> | Answer;
  const route = (methods: string, pattern: string, handler: SnapshotHandler, meta: RouteMeta) =>
    on(methods, pattern, (_engine, context) => handler(options.snapshots, context), meta);
  const [one, snapshot] = ["/_snapshot/{repository}", "/_snapshot/{repository}/{snapshot}"];
  for (const pattern of ["/_snapshot", one]) {
    route("GET", pattern, getRepositories, {
      name: "snapshot.get_repository",
      parameters: [...TIMEOUTS, "local"],
    });
  }
  route("PUT POST", one, putRepository, {
    name: "snapshot.create_repository",
    accepts: BODIES,
    parameters: [...TIMEOUTS, "verify"],
  });
  route("DELETE", one, deleteRepository, { name: "snapshot.delete_repository", parameters: TIMEOUTS });
  route("POST", `${one}/_verify`, verifyRepository, {
    name: "snapshot.verify_repository",
    parameters: TIMEOUTS,
  });
  route("PUT POST", snapshot, createSnapshot, {
    name: "snapshot.create",
    accepts: BODIES,
    parameters: [...TIMEOUTS, "wait_for_completion"],
  });
  route("GET", snapshot, getSnapshots, {
    name: "snapshot.get",
    parameters: [
      ...TIMEOUTS,
      "ignore_unavailable",
      "verbose",
      "index_details",
      "index_names",
      "include_repository",
    ],
  });
  route("GET", `${snapshot}/_status`, snapshotStatus, {
    name: "snapshot.status",
    parameters: [...TIMEOUTS, "ignore_unavailable"],
  });
  route("DELETE", snapshot, deleteSnapshot, { name: "snapshot.delete", parameters: TIMEOUTS });
  route("POST", `${snapshot}/_restore`, restoreSnapshot, {
    name: "snapshot.restore",
    accepts: BODIES,
    parameters: [...TIMEOUTS, "wait_for_completion"],
  });
}
