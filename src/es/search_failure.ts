/**
 * A search that its shards refused, as Elasticsearch shows it: `search_phase_execution_exception` around what each
 * group of shards said.
 *
 * @module
 */
import type { RequestError } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import { renderCause, renderRoot, type ShownError } from "../http/error_answer.ts";
import { isOwnError, rootCauseOf } from "../http/root_cause.ts";

/** Whose shards failed, and for whom. */
export interface FailedSearch {
  readonly index: string;
  readonly indexUuid: string;
  readonly node: string;
  readonly requestId: string;
}

/** The body of the answer. Shards of one search fail alike here: one group, the first shard speaking for all. */
export function searchFailure(
  error: RequestError,
  { index, indexUuid, node, requestId }: FailedSearch,
): Json {
  const details = error.type === "query_shard_exception"
    ? { ...error.details, index_uuid: indexUuid, index }
    : error.details;
  const failure: ShownError = {
    type: error.type,
    reason: error.message,
    details,
    causedBy: error.causedBy,
  };
  return {
    error: {
      root_cause: [renderRoot(failure)],
      type: "search_phase_execution_exception",
      reason: "all shards failed",
      phase: "query",
      grouped: true,
      failed_shards: [{ shard: 0, index, node, reason: renderCause(failure) }],
      caused_by: guessedCause(failure),
    },
    status: error.status,
    request_id: requestId,
  };
}

/** What Elasticsearch adds where its guess at the root cause is not the shard's own error. */
function guessedCause(failure: ShownError): Json | undefined {
  const root = rootCauseOf(failure);
  if (!isOwnError(root.type)) return { type: root.type, reason: root.reason, caused_by: renderCause(root) };
  return root === failure ? undefined : renderCause(root);
}
