/**
 * Answers as Elasticsearch gives them: the media type that the client asked for, its way of reading parameters.
 *
 * @module
 */
import { type Json, renderJson } from "../base/json.ts";
import { illegalArgument, RequestError } from "../base/errors.ts";
import { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";

/** Of every answer on this port; the official clients refuse servers without it. */
export const PRODUCT_HEADERS = { "x-elastic-product": "Elasticsearch" } as const;

/** The version whose behaviour this port follows, as clients check it. */
export const COMPATIBLE_VERSION = "8.13.4";

const VENDORED = /application\/vnd\.elasticsearch\+json(?:\s*;\s*compatible-with=([789])\b)?/;

/** Media type of the answer: the vendored one when the client speaks it. */
export function mediaType({ request }: RequestContext): string {
  const accept = request.headers.get("accept");
  const vendored = accept === null ? null : VENDORED.exec(accept);
  if (!vendored) return "application/json";
  const version = vendored[1] === undefined ? "" : `;compatible-with=${vendored[1]}`;
  return `application/vnd.elasticsearch+json${version}`;
}

/** A JSON answer; `body` may be rendered already. */
export function answer(
  context: RequestContext,
  body: Json | Uint8Array,
  status = 200,
  headers?: Readonly<Record<string, string>>,
): Answer {
  return new Answer(
    status,
    body instanceof Uint8Array ? body : renderJson(body),
    mediaType(context),
    headers,
  );
}

/** Plain text, as `_cat` answers. */
export function text(body: string): Answer {
  return new Answer(200, body, "text/plain; charset=UTF-8");
}

/** A flag of the query string: absent is false, `?flag` and `?flag=true` are true. @throws {RequestError} 400 */
export function flag({ query }: RequestContext, name: string, absent = false): boolean {
  const value = query.get(name);
  if (value === null) return absent;
  if (value === "" || value === "true") return true;
  if (value === "false") return false;
  throw illegalArgument(`Failed to parse value [${value}] as only [true] or [false] are allowed.`);
}

/** The same where Elasticsearch names the parameter. @throws {RequestError} 400 */
export function namedFlag(context: RequestContext, name: string, absent = false): boolean {
  try {
    return flag(context, name, absent);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw new RequestError(`Could not convert [${name}] to boolean`, {
      status: 400,
      type: "illegal_argument_exception",
      causedBy: { type: error.type, reason: error.message },
    });
  }
}

/** Ingest pipelines are not there yet: one that is named does not exist. @throws {RequestError} 400 */
export function refusePipeline({ query }: RequestContext): void {
  const pipeline = query.get("pipeline");
  if (pipeline === null || pipeline === "_none") return;
  throw new RequestError(`pipeline with id [${pipeline}] does not exist`, {
    status: 400,
    type: "illegal_argument_exception",
  });
}

/** An integer of the query string, or undefined. @param kind As Elasticsearch calls it. @throws {RequestError} 400 */
export function integer(
  { query }: RequestContext,
  name: string,
  kind: "int" | "long" = "int",
): number | undefined {
  const value = query.get(name);
  if (value === null) return undefined;
  if (!/^[-+]?\d{1,15}$/.test(value)) {
    throw new RequestError(`Failed to parse ${kind} parameter [${name}] with value [${value}]`, {
      status: 400,
      type: "illegal_argument_exception",
      causedBy: { type: "number_format_exception", reason: `For input string: "${value}"` },
    });
  }
  return Number(value);
}

const DURATION = /^(0|-1|\d+(\.\d+)?(nanos|micros|ms|s|m|h|d))$/i;

/** Checks a duration such as `30s` that a single node has no use for. @throws {RequestError} 400 */
export function checkDuration({ query }: RequestContext, name: string): void {
  const value = query.get(name);
  if (value === null || value === "" || DURATION.test(value)) return;
  throw illegalArgument(
    `failed to parse setting [${name}] with value [${value}] as a time value: unit is missing or unrecognized`,
  );
}

/** Checks `wait_for_active_shards`: a number, or `all`. @throws {RequestError} 400 */
export function checkActiveShards({ query }: RequestContext): void {
  const value = query.get("wait_for_active_shards");
  if (value === null || value === "" || value === "all" || /^\d+$/.test(value)) return;
  throw new RequestError(`cannot parse ActiveShardCount[${value}]`, {
    status: 400,
    type: "illegal_argument_exception",
    causedBy: { type: "number_format_exception", reason: `For input string: "${value}"` },
  });
}

/** 400 `parse_exception`: there must be a body. */
export function bodyRequired(reason = "request body is required"): RequestError {
  return new RequestError(reason, { status: 400, type: "parse_exception" });
}
