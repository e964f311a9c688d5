/**
 * Errors as clients see them: `{"error": {"type", "reason", ...}, "status", "request_id"}`. Never a stack.
 *
 * @module
 */
import { CorruptionError, IoError, RequestError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { type Answer, jsonAnswer } from "./answer.ts";

export interface ErrorView {
  readonly status: number;
  readonly type: string;
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly causedBy: { readonly type: string; readonly reason: string } | undefined;
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

/** @param rootCause Whether to repeat type and reason under `root_cause`, as Elasticsearch does. */
export function errorAnswer(error: unknown, requestId: string, rootCause: boolean): Answer {
  const { status, type, reason, details, headers, causedBy } = viewError(error, requestId);
  const further = details as { readonly [key: string]: Json };
  const body: Json = {
    error: {
      root_cause: rootCause ? [{ type, reason, ...further }] : undefined,
      type,
      reason,
      ...further,
      caused_by: causedBy,
    },
    status,
    request_id: requestId,
  };
  return jsonAnswer(body, status, headers);
}
