/**
 * Documents by id on port 9200: `_doc`, `_create`, `_update`, `_source`, `_mget`.
 *
 * @module
 */
import { illegalArgument, RequestError } from "../base/errors.ts";
import { type Json, RawJson } from "../base/json.ts";
import { utf8 } from "../base/bytes.ts";
import type { Engine, RefreshPolicy } from "../engine/engine.ts";
import type { WriteCall, WriteReply } from "../engine/messages.ts";
import { PRIMARY_TERM, type VersionType } from "../engine/operation.ts";
import { SourceFilter } from "../query/fetch/source_filter.ts";
import type { SourceSpec } from "../query/request/request.ts";
import { parseSource, parseSourceParams } from "../query/request/source.ts";
import type { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import type { IndexState } from "../engine/index_state.ts";
import { objectBody } from "../http/json_body.ts";
import { parseMultiGet } from "./multi_get.ts";
import { validation } from "./validation.ts";
import { answer, bodyRequired, flag, integer, refusePipeline } from "./answer.ts";

const MAX_ID_BYTES = 512;

/** PUT or POST of `/{index}/_doc[/{id}]` and `/{index}/_create/{id}`. */
export async function indexDocument(engine: Engine, context: RequestContext): Promise<Answer> {
  const { index: name, id } = context.params as { index: string; id?: string };
  if (id !== undefined) checkId(id);
  refusePipeline(context);
  const opType = context.query.get("op_type") ?? (context.path.includes("/_create/") ? "create" : "index");
  if (opType !== "index" && opType !== "create") {
    throw new RequestError(`opType must be 'create' or 'index', found: [${opType}]`, {
      status: 400,
      type: "illegal_argument_exception",
    });
  }
  const conditions = writeConditions(context);
  if (opType === "create" || id === undefined) {
    if (conditions.versionType !== "internal") {
      throw validation("create operations only support internal versioning. use index instead");
    }
    if (conditions.ifSeqNo >= 0) {
      throw validation("create operations do not support compare and set. use index instead");
    }
  }
  const body = await context.readBody();
  if (body.length === 0) throw bodyRequired();
  const index = await engine.writeIndex(name, { requireAlias: flag(context, "require_alias") });
  const call: Omit<WriteCall, "incarnation" | "shard"> = {
    action: opType,
    id,
    body,
    ...conditions,
    retryOnConflict: 0,
    wantSource: false,
  };
  const reply = await engine.write(index, call, {
    refresh: refreshPolicy(context),
    routing: routing(context),
  });
  return writeAnswer(context, index.name, reply);
}

export async function deleteDocument(engine: Engine, context: RequestContext): Promise<Answer> {
  const { index: name, id } = context.params as { index: string; id: string };
  checkId(id);
  const conditions = writeConditions(context);
  const external = conditions.versionType !== "internal";
  const index = await engine.writeIndex(name, { create: external });
  const reply = await engine.write(
    index,
    { action: "delete", id, body: utf8(""), ...conditions, retryOnConflict: 0, wantSource: false },
    { refresh: refreshPolicy(context), routing: routing(context) },
  );
  return writeAnswer(context, index.name, reply);
}

/** POST `/{index}/_update/{id}`. */
export async function updateDocument(engine: Engine, context: RequestContext): Promise<Answer> {
  const { index: name, id } = context.params as { index: string; id: string };
  checkId(id);
  if (context.query.has("version") || context.query.has("version_type")) throw internalVersioning();
  const conditions = writeConditions(context);
  const retryOnConflict = integer(context, "retry_on_conflict") ?? 0;
  if (retryOnConflict > 0 && conditions.ifSeqNo >= 0) {
    throw validation("compare and write operations can not be retried");
  }
  const body = await context.readBody();
  if (body.length === 0) throw validation("script or doc is missing");
  const source = sourceParameter(context);
  const index = await engine.writeIndex(name, { requireAlias: flag(context, "require_alias") });
  const reply = await engine.write(
    index,
    {
      action: "update",
      id,
      body,
      ...conditions,
      retryOnConflict,
      wantSource: source !== undefined,
    },
    { refresh: refreshPolicy(context), routing: routing(context) },
  );
  return writeAnswer(context, index.name, reply, source);
}

/** GET or HEAD of `/{index}/_doc/{id}`. */
export async function getDocument(engine: Engine, context: RequestContext): Promise<Answer> {
  const { index: name, id } = context.params as { index: string; id: string };
  const index = engine.one(name);
  if (flag(context, "refresh")) await engine.refresh([index]);
  const [found] = await engine.get(index, [id], routing(context));
  if (!found) return answer(context, { _index: index.name, _id: id, found: false }, 404);
  checkVersion(index, id, { found: found.version, wanted: integer(context, "version", "long") });
  return answer(
    context,
    foundDocument(index.name, id, found, sourceParameter(context) ?? WHOLE),
  );
}

/** GET `/{index}/_source/{id}`. */
export async function getSource(engine: Engine, context: RequestContext): Promise<Answer> {
  const { index: name, id } = context.params as { index: string; id: string };
  const index = engine.one(name);
  const [found] = await engine.get(index, [id], routing(context));
  if (!found) {
    throw new RequestError(`Document not found [${index.name}]/[${id}]`, {
      status: 404,
      type: "resource_not_found_exception",
    });
  }
  return answer(
    context,
    filterSource(found.source, sourceParameter(context) ?? WHOLE) ?? {},
  );
}

/** `_mget`, with or without an index in the path. */
export async function multiGet(engine: Engine, context: RequestContext): Promise<Answer> {
  if (!context.hasBody && !context.query.has("source")) {
    throw bodyRequired("request body or source parameter is required");
  }
  const body = await objectBody(context);
  const wanted = parseMultiGet(body, context.params["index"], sourceParameter(context));
  const docs = await Promise.all(wanted.map(async (one): Promise<Json> => {
    const { index: name, id, source } = one;
    try {
      const index = engine.one(name);
      const [found] = await engine.get(index, [id], one.routing);
      if (!found) return { _index: index.name, _id: id, found: false };
      checkVersion(index, id, { found: found.version, wanted: one.version });
      return foundDocument(index.name, id, found, source);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      const cause = { type: error.type, reason: error.message, ...(error.details as Record<string, Json>) };
      return { _index: name, _id: id, error: { root_cause: [cause], ...cause } };
    }
  }));
  return answer(context, { docs });
}

/** What a reader expects of a document's version. @throws {RequestError} 409 */
function checkVersion(
  index: IndexState,
  id: string,
  { found, wanted }: { readonly found: number; readonly wanted: number | undefined },
): void {
  if (wanted === undefined || wanted === found) return;
  throw new RequestError(
    `[${id}]: version conflict, current version [${found}] is different than the one provided [${wanted}]`,
    {
      status: 409,
      type: "version_conflict_engine_exception",
      details: { index_uuid: index.uuid, shard: String(index.shardOf(utf8(id))), index: index.name },
    },
  );
}

function foundDocument(
  index: string,
  id: string,
  { source, seqNo, version }: {
    readonly source: Uint8Array;
    readonly seqNo: number;
    readonly version: number;
  },
  filter: SourceSpec,
): Json {
  const filtered = filterSource(source, filter);
  return {
    _index: index,
    _id: id,
    _version: version,
    _seq_no: seqNo,
    _primary_term: PRIMARY_TERM,
    found: true,
    _source: filtered === undefined ? undefined : new RawJson(filtered),
  };
}

function writeAnswer(
  context: RequestContext,
  index: string,
  { id, result, seqNo, version, source, shown }: WriteReply,
  asked?: SourceSpec,
): Answer {
  const status = result === "created" ? 201 : result === "not_found" ? 404 : 200;
  const shards = result === "noop" ? 0 : 1;
  const filter = asked ?? (shown === undefined ? undefined : parseSource(shown));
  const filtered = source !== undefined && filter ? filterSource(source, filter) : undefined;
  const refreshed = refreshPolicy(context) === "true" && result !== "noop";
  const route = routing(context);
  const location = `/${encodeURIComponent(index)}/_doc/${encodeURIComponent(id)}${
    route === undefined ? "" : `?routing=${encodeURIComponent(route)}`
  }`;
  return answer(
    context,
    {
      _index: index,
      _id: id,
      _version: version,
      result,
      forced_refresh: refreshed ? true : undefined,
      _shards: { total: shards, successful: shards, failed: 0 },
      _seq_no: seqNo,
      _primary_term: PRIMARY_TERM,
      get: filtered === undefined
        ? undefined
        : { _seq_no: seqNo, _primary_term: PRIMARY_TERM, found: true, _source: new RawJson(filtered) },
    },
    status,
    result === "created" ? { location } : undefined,
  );
}

function writeConditions(context: RequestContext) {
  const ifSeqNo = integer(context, "if_seq_no", "long") ?? -1;
  if (context.query.has("if_seq_no") && ifSeqNo < 0) {
    throw illegalArgument(`sequence numbers must be non negative. got [${ifSeqNo}].`);
  }
  const ifPrimaryTerm = integer(context, "if_primary_term", "long") ?? -1;
  if (context.query.has("if_primary_term") && ifPrimaryTerm < 0) {
    throw illegalArgument(`primary term must be non negative. got [${ifPrimaryTerm}]`);
  }
  const version = integer(context, "version", "long") ?? -1;
  const versionType = context.query.get("version_type") ?? "internal";
  if (versionType !== "internal" && versionType !== "external" && versionType !== "external_gte") {
    throw new RequestError(`No version type match [${versionType}]`, {
      status: 400,
      type: "illegal_argument_exception",
    });
  }
  if (version >= 0 && versionType === "internal") throw internalVersioning();
  if (versionType !== "internal" && version < 0) {
    const shown = context.query.has("version") ? version : ANY_VERSION;
    throw validation(`illegal version value [${shown}] for version type [${versionType.toUpperCase()}]`);
  }
  if (versionType !== "internal" && ifSeqNo >= 0) {
    throw validation("compare and write operations can not use versioning");
  }
  if ((ifSeqNo >= 0) !== (ifPrimaryTerm > 0)) {
    throw validation(
      ifSeqNo >= 0
        ? "ifSeqNo is set, but primary term is [0]"
        : `ifSeqNo is unassigned, but primary term is [${ifPrimaryTerm}]`,
    );
  }
  return { ifSeqNo, ifPrimaryTerm, version, versionType: versionType as VersionType };
}

/** `?refresh`: absent and `false`, empty and `true`, `wait_for`. @throws {RequestError} 400 */
export function refreshPolicy(context: RequestContext): RefreshPolicy {
  const value = context.query.get("refresh");
  if (value === null || value === "false") return "false";
  if (value === "" || value === "true") return "true";
  if (value === "wait_for") return "wait_for";
  throw new RequestError(`Unknown value for refresh: [${value}].`, {
    status: 400,
    type: "illegal_argument_exception",
  });
}

function routing(context: RequestContext): string | undefined {
  return context.query.get("routing") ?? undefined;
}

/** `?_source`, `?_source_includes`, `?_source_excludes`; undefined when none is given. */
export function sourceParameter({ query }: RequestContext): SourceSpec | undefined {
  return query.size === 0 ? undefined : parseSourceParams(query);
}

/** How Elasticsearch writes that no version was given. */
const ANY_VERSION = -3;

function internalVersioning(): RequestError {
  return validation(
    "internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and " +
      "`if_primary_term` instead",
  );
}

const WHOLE: SourceSpec = { kind: "all" };

/** What a filter leaves of a source; undefined: nothing is shown. */
function filterSource(source: Uint8Array, spec: SourceSpec): Uint8Array | undefined {
  if (spec.kind === "none") return undefined;
  return spec.kind === "all" ? source : new SourceFilter(spec.includes, spec.excludes).apply(source);
}

function checkId(id: string): void {
  const size = utf8(id).length;
  if (size === 0) throw validation("if _id is specified it must not be empty");
  if (size > MAX_ID_BYTES) {
    throw validation(
      `id [${id}] is too long, must be no longer than ${MAX_ID_BYTES} bytes but was: ${size}`,
    );
  }
}
