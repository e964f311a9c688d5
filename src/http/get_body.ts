/**
 * Bodies of GET requests, which Elasticsearch's clients send (`GET /_search` with a query).
 *
 * HTTP allows them; Deno's `Request` hides them by looking at its inner request's method (`ext/http/00_serve.ts`,
 * `get body()`). The inner request hangs on a symbol property; giving it a method of its own that is not GET, before
 * anyone asks for the body, shows what came over the wire. A test holds this true for the Deno version in use; with
 * another one, such bodies are refused, not ignored.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";

/** True when the headers announce a body. */
export function announcesBody(request: Request): boolean {
  const length = request.headers.get("content-length");
  return length === null ? request.headers.has("transfer-encoding") : length !== "0";
}

/** The body of a request of any method; null when there is none. @throws {RequestError} 400: it cannot be had. */
export function bodyStream(request: Request): ReadableStream<Uint8Array<ArrayBuffer>> | null {
  const hides = request.method === "GET" || request.method === "HEAD";
  if (!hides) return request.body;
  if (!announcesBody(request)) return null;
  uncover(request);
  if (request.body === null) {
    throw new RequestError(`a body with ${request.method} cannot be read; send it with POST`, {
      status: 400,
      type: "illegal_argument_exception",
    });
  }
  return request.body;
}

function uncover(request: Request): void {
  const symbol = Object.getOwnPropertySymbols(request).find(({ description }) => description === "request");
  if (symbol === undefined) return;
  const inner: unknown = (request as unknown as Record<symbol, unknown>)[symbol];
  if (typeof inner !== "object" || inner === null) return;
  Object.defineProperty(inner, "method", { value: "POST", configurable: true });
}
