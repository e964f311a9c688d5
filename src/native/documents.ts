/**
 * Documents of the native dialect: one by one under `/v1/indices/{name}/docs`, or as an NDJSON stream.
 *
 * @module
 */
import { illegalArgument, RequestError } from "../base/errors.ts";
import { type Json, RawJson } from "../base/json.ts";
import { utf8 } from "../base/bytes.ts";
import type { Engine, RefreshPolicy } from "../engine/engine.ts";
import type { WriteCall, WriteReply } from "../engine/messages.ts";
import { tooLong } from "../engine/writer_ingest.ts";
import { type Answer, jsonAnswer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { WholeLineCutter, type WholeLines } from "./whole_lines.ts";
import { PRIMARY_TERM } from "../engine/operation.ts";

const MAX_ID_BYTES = 512;
/** Errors that a turbo-ingest answer lists; the rest are counted. */
const MAX_LISTED_ERRORS = 1000;
/** Pieces of a stream that may be under way at once: the next is read while one is indexed. */
const PIECES_UNDER_WAY = 2;

/** POST `/v1/indices/{name}/docs`. */
export function addDocument(engine: Engine, context: RequestContext): Promise<Answer> {
  return writeDocument(engine, context, { action: "index", id: undefined });
}

/** PUT `/v1/indices/{name}/docs/{id}`; `?op_type=create` refuses to replace. */
export function putDocument(engine: Engine, context: RequestContext): Promise<Answer> {
  const action = context.query.get("op_type") ?? "index";
  if (action !== "index" && action !== "create") {
    throw illegalArgument(`op_type is [index] or [create], not [${action}]`);
  }
  return writeDocument(engine, context, { action, id: context.params["id"]! });
}

/** POST `/v1/indices/{name}/docs/{id}/update`: `{"doc": {...}}`. */
export function updateDocument(engine: Engine, context: RequestContext): Promise<Answer> {
  return writeDocument(engine, context, { action: "update", id: context.params["id"]! });
}

/** DELETE `/v1/indices/{name}/docs/{id}`. */
export function deleteDocument(engine: Engine, context: RequestContext): Promise<Answer> {
  return writeDocument(engine, context, { action: "delete", id: context.params["id"]! });
}

/** GET `/v1/indices/{name}/docs/{id}`. */
export async function getDocument(engine: Engine, context: RequestContext): Promise<Answer> {
  const { name, id } = context.params as { name: string; id: string };
  const [found] = await engine.get(engine.one(name), [id]);
  if (!found) {
    throw new RequestError(`document [${id}] not found in [${name}]`, {
      status: 404,
      type: "resource_not_found_exception",
    });
  }
  return jsonAnswer({
    _id: id,
    _version: found.version,
    _seq_no: found.seqNo,
    _primary_term: PRIMARY_TERM,
    _source: new RawJson(found.source),
  });
}

async function writeDocument(
  engine: Engine,
  context: RequestContext,
  { action, id }: { readonly action: WriteCall["action"]; readonly id: string | undefined },
): Promise<Answer> {
  if (id !== undefined && (id === "" || utf8(id).length > MAX_ID_BYTES)) {
    throw new RequestError(`a document id has 1 to ${MAX_ID_BYTES} bytes, this one has ${utf8(id).length}`, {
      status: 400,
      type: "illegal_argument_exception",
    });
  }
  const body = await context.readBody();
  if (action !== "delete" && body.length === 0) {
    throw new RequestError("the request has no body; send the document as JSON", {
      status: 400,
      type: "parse_exception",
    });
  }
  const index = await engine.writeIndex(context.params["name"]!, { create: action !== "delete" });
  const reply = await engine.write(index, {
    action,
    id,
    body,
    ifSeqNo: number(context, "if_seq_no", 0),
    ifPrimaryTerm: number(context, "if_primary_term", 1),
    version: -1,
    versionType: "internal",
    retryOnConflict: 0,
    wantSource: false,
  }, { refresh: refreshOf(context) });
  const status = reply.result === "created" ? 201 : reply.result === "not_found" ? 404 : 200;
  return jsonAnswer(writeJson(reply), status);
}

function writeJson({ id, result, version, seqNo }: WriteReply): Json {
  return { _id: id, result, _version: version, _seq_no: seqNo, _primary_term: PRIMARY_TERM };
}

/** POST `/v1/indices/{name}/turbo-ingest`: every line a document, streamed with back-pressure. */
export async function turboIngest(
  engine: Engine,
  context: RequestContext,
  { maxLineBytes, onPiece }: { readonly maxLineBytes: number; readonly onPiece: (seconds: number) => void },
): Promise<Answer> {
  const started = performance.now();
  const index = await engine.writeIndex(context.params["name"]!);
  const idField = context.query.get("id_field") ?? undefined;
  const cutter = new WholeLineCutter({ maxLineBytes });
  const errors: { line: number; type: string; reason: string }[] = [];
  let indexed = 0;
  let failed = 0;
  const underWay = new Set<Promise<void>>();
  let broken: unknown;
  const send = (piece: WholeLines) => {
    const sent = performance.now();
    const call = { lines: piece.lines, firstLine: piece.firstLine, idField, maxErrors: MAX_LISTED_ERRORS };
    const one: Promise<void> = engine.ingest(index, call).then((reply) => {
      indexed += reply.indexed;
      failed += reply.failed;
      errors.push(...reply.errors);
      onPiece((performance.now() - sent) / 1000);
    }).catch((error) => {
      broken ??= error;
    }).finally(() => underWay.delete(one));
    underWay.add(one);
  };
  for await (const bytes of context.bodyPieces()) {
    const piece = cutter.push(bytes);
    while (underWay.size >= PIECES_UNDER_WAY) await Promise.race(underWay);
    if (broken !== undefined) break;
    if (piece) send(piece);
  }
  const last = broken === undefined ? cutter.end() : undefined;
  if (last) send(last);
  await Promise.all(underWay);
  if (broken !== undefined) throw partly(broken, indexed);
  for (const line of cutter.tooLong) {
    failed++;
    errors.push({ line, type: "illegal_argument_exception", reason: tooLong(maxLineBytes) });
  }
  if (refreshOf(context) !== "false") await engine.refresh([index]);
  errors.sort((a, b) => a.line - b.line);
  return jsonAnswer({
    indexed,
    failed,
    errors: errors.slice(0, MAX_LISTED_ERRORS),
    took_ms: Math.round(performance.now() - started),
  });
}

/** Says how much of a stream had gone in when it broke: those documents are acknowledged by this answer. */
function partly(error: unknown, indexed: number): unknown {
  if (!(error instanceof RequestError)) return error;
  const { status, type, headers, details, message } = error;
  return new RequestError(message, { status, type, headers, details: { ...details, indexed } });
}

function number(context: RequestContext, name: string, min: number): number {
  const value = context.query.get(name);
  if (value === null) return -1;
  if (!/^\d{1,15}$/.test(value) || Number(value) < min) {
    throw illegalArgument(`[${name}] must be a number from ${min}, not [${value}]`);
  }
  return Number(value);
}

function refreshOf(context: RequestContext): RefreshPolicy {
  const value = context.query.get("refresh");
  if (value === null || value === "false") return "false";
  if (value === "" || value === "true") return "true";
  if (value === "wait_for") return "wait_for";
  throw new RequestError(`[refresh] is true, false or wait_for, not [${value}]`, {
    status: 400,
    type: "illegal_argument_exception",
  });
}
