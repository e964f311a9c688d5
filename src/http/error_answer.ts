/**
 * Errors as clients see them: `{"error": {"type", "reason", ...}, "status", "request_id"}`. Never a stack.
 *
 * @module
 */
import { CorruptionError, type ErrorCause, IoError, RequestError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { type Answer, jsonAnswer } from "./answer.ts";
import { rootCauseOf } from "./root_cause.ts";

export interface ErrorView {
  readonly status: number;
  readonly type: string;
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly causedBy: ErrorCause | undefined;
}

/** What of an error the client may know. Those of 500 and above belong into the log. */
export function viewError(error: unknown, requestId: string): ErrorView {
  if (error instanceof RequestError) {
    const { status, type, message, details, headers, causedBy } = error;
    return { status, type, reason: message, details, headers, causedBy };
  }
  const bare = { status: 500, details: {}, headers: {}, causedBy: undefined };
  if (error instanceof CorruptionError) {
    return { ...bare, type: "corruption_exception", reason: error.message };
  }
  if (error instanceof IoError) return { ...bare, type: "io_exception", reason: error.message };
  return {
    ...bare,
    type: "internal_server_error",
    reason: `an error inside of the server; its log has more under request_id ${requestId}`,
  };
}

/** @param rootCause Whether to repeat the innermost error under `root_cause`, as Elasticsearch does. */
export function errorAnswer(error: unknown, requestId: string, rootCause: boolean): Answer {
  const { headers, ...view } = viewError(error, requestId);
  const body: Json = {
    error: {
      root_cause: rootCause ? [renderRoot(view)] : undefined,
      ...renderCause(view),
    },
    status: view.status,
    request_id: requestId,
  };
  return jsonAnswer(body, view.status, headers);
}

/** What `renderCause` shows: an error, or what caused one. */
export interface ShownError {
  readonly type: string;
  readonly reason: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly causedBy?: ErrorCause | undefined;
}

/** An error as Elasticsearch shows it, with what caused it. */
export function renderCause(error: ShownError): { readonly [key: string]: Json | undefined } {
  const { type, reason, details, causedBy } = error;
  return {
    type,
    reason,
    ...details as { readonly [key: string]: Json },
    caused_by: causedBy ? renderCause(causedBy) : undefined,
  };
}

/** An entry of `root_cause`. */
export function renderRoot(error: ShownError): Json {
  return { ...renderCause(rootCauseOf(error)), caused_by: undefined };
}
