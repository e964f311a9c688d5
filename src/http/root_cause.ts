/**
 * Which of an error and its causes does Elasticsearch show as `root_cause`?
 *
 * Source: `ElasticsearchException.guessRootCauses` of Elasticsearch 8.13: its own exceptions are unwrapped as long as
 * they are caused by another of its own; a failure of its object parser also where that is caused by one of its kind.
 *
 * @module
 */
import type { ErrorCause } from "../base/errors.ts";

/** Failures of Elasticsearch's object parser. */
const OBJECT_PARSER: readonly string[] = ["named_object_not_found_exception", "x_content_parse_exception"];

/** Errors that are Java's or a library's own; all others are Elasticsearch's. */
const FOREIGN: ReadonlySet<string> = new Set([
  "action_request_validation_exception",
  "date_time_parse_exception",
  "illegal_argument_exception",
  "illegal_state_exception",
  "input_coercion_exception",
  "io_exception",
  "json_e_o_f_exception",
  "json_parse_exception",
  "media_type_header_exception",
  "number_format_exception",
  "unsupported_operation_exception",
  "x_content_e_o_f_exception",
  "zone_rules_exception",
  ...OBJECT_PARSER,
]);

/** The innermost error worth showing; `error` itself where it has no better cause. */
export function rootCauseOf<E extends Caused>(error: E): E | ErrorCause {
  let root: E | ErrorCause = error;
  for (let cause = root.causedBy; cause !== undefined; cause = root.causedBy) {
    const unwraps = isOwnError(root.type) || OBJECT_PARSER.includes(root.type);
    const isWorthIt = isOwnError(cause.type) ||
      (OBJECT_PARSER.includes(root.type) && OBJECT_PARSER.includes(cause.type));
    if (!unwraps || !isWorthIt) break;
    root = cause;
  }
  return root;
}

interface Caused {
  readonly type: string;
  readonly causedBy?: ErrorCause | undefined;
}

/** Whether an error is one of Elasticsearch's own, for which it finds root causes. */
export function isOwnError(type: string): boolean {
  return !FOREIGN.has(type);
}
