/**
 * Whole answers, and how they become responses: HEAD, compression, shared memory.
 *
 * @module
 */
import { zstdCompressSync } from "node:zlib";
import { type Json, renderJson } from "../base/json.ts";
import { indentJson } from "./pretty.ts";

export const JSON_TYPE = "application/json";

/** Bodies shorter than this are not worth compressing. */
const MIN_COMPRESSED_BYTES = 1024;
/** Deno's listener compresses from this size on, unless told not to. */
const MIN_DENO_BYTES = 64;
/** Above this, compressing with zstd on the main thread would hold up others too long: it takes 0.4 GB/s. */
const MAX_ZSTD_BYTES = 4 << 20;

/** A whole answer. `body` may lie in shared memory; it is copied once then. */
export class Answer {
  constructor(
    readonly status: number,
    readonly body: Uint8Array | string,
    readonly contentType: string = JSON_TYPE,
    /** Further headers, names in lower case. */
    readonly headers: Readonly<Record<string, string>> | undefined = undefined,
  ) {}
}

/** An answer in JSON. */
export function jsonAnswer(value: Json, status = 200, headers?: Readonly<Record<string, string>>): Answer {
  return new Answer(status, renderJson(value), JSON_TYPE, headers);
}

export interface Delivery {
  readonly isHead: boolean;
  readonly request: Request;
  /** Whether the client asked for indented JSON. */
  readonly pretty: boolean;
  /** Headers that every answer to this request carries, names in lower case. Becomes the response's. */
  readonly headers: Record<string, string>;
}

/** Turns an answer into what the listener sends. gzip and brotli are left to Deno's listener, which is native. */
export function deliver(answer: Answer, delivery: Delivery): Response {
  const { headers } = delivery;
  headers["content-type"] = answer.contentType;
  if (answer.headers) Object.assign(headers, answer.headers);
  let body: Uint8Array | string = answer.body;
  if (delivery.pretty && answer.contentType.includes("json")) body = indentJson(toBytes(body));
  if (delivery.isHead) return headResponse(body, answer.status, headers);
  if (!allowsBody(answer.status)) {
    delete headers["content-type"];
    return new Response(null, { status: answer.status, headers });
  }
  if (body.length >= MIN_DENO_BYTES) body = encode(body, delivery.request, headers);
  return new Response(unshared(body), { status: answer.status, headers });
}

function headResponse(body: Uint8Array | string, status: number, headers: Record<string, string>): Response {
  headers["content-length"] = String(toBytes(body).length);
  return new Response(null, { status, headers });
}

function encode(
  body: Uint8Array | string,
  request: Request,
  headers: Record<string, string>,
): Uint8Array | string {
  const acceptEncoding = request.headers.get("accept-encoding");
  if (acceptEncoding === null) return body;
  if (body.length < MIN_COMPRESSED_BYTES) {
    headers["cache-control"] ??= "no-transform";
    return body;
  }
  headers["vary"] = "accept-encoding";
  if (headers["content-encoding"] !== undefined || !accepts(acceptEncoding, "zstd")) return body;
  const bytes = toBytes(body);
  if (bytes.length > MAX_ZSTD_BYTES) return body;
  headers["content-encoding"] = "zstd";
  return zstdCompressSync(unshared(bytes) as Uint8Array<ArrayBuffer>);
}

/** Whether `Accept-Encoding` names a coding without forbidding it (`q=0`). */
export function accepts(acceptEncoding: string, coding: string): boolean {
  if (!acceptEncoding.includes(coding)) return false;
  for (const item of acceptEncoding.split(",")) {
    const [name, ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
    if (name === coding) return !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  }
  return false;
}

function allowsBody(status: number): boolean {
  return status !== 204 && status !== 304;
}

const encoder = new TextEncoder();

function toBytes(body: Uint8Array | string): Uint8Array {
  return typeof body === "string" ? encoder.encode(body) : body;
}

/** `Response` takes no shared memory. */
function unshared(body: Uint8Array | string): Uint8Array<ArrayBuffer> | string {
  if (typeof body === "string") return body;
  return body.buffer instanceof ArrayBuffer ? body as Uint8Array<ArrayBuffer> : new Uint8Array(body);
}
