/**
 * Query values as the terms that keyword, ip and flattened fields hold, and the errors when they are none.
 *
 * @module
 */
import { causeOf, RequestError } from "../../base/errors.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Field } from "../../schema/types.ts";
import { queryTerm, type TermRange } from "../../schema/values.ts";
import type { Scalar } from "../queries/query.ts";
import type { SearchTarget } from "../target.ts";

/** What Elasticsearch reports when a shard refuses a query. */
export function queryShardError(reason: string): RequestError {
  return new RequestError(reason, { status: 400, type: "query_shard_exception" });
}

/** A query that its field cannot take, with the reason once more as its cause. */
export function unsupportedQuery(reason: string): RequestError {
  return new RequestError(`failed to create query: ${reason}`, {
    status: 400,
    type: "query_shard_exception",
    causedBy: { type: "illegal_argument_exception", reason },
  });
}

/** Runs what turns values of a query into values of a field; says of its errors that the query cannot be made. */
export function creating<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RequestError) || error.status !== 400 || error.type === "parse_exception") {
      throw error;
    }
    if (error.type === "query_shard_exception") throw error;
    throw new RequestError(`failed to create query: ${error.message}`, {
      status: 400,
      type: "query_shard_exception",
      causedBy: causeOf(error),
    });
  }
}

/** Bytes of a value, normalised as the field's documents were; of an address block, its first and last. */
export function termOf(target: SearchTarget, field: Field, value: Scalar): Uint8Array | TermRange {
  return creating(() =>
    queryTerm(field, value, (text) => target.analyzers.normalizer(field.normalizer)(text))
  );
}

/** As `termOf` for fields that have no ranges of terms under one value. */
export function keywordBytes(target: SearchTarget, field: Field, value: Scalar): Uint8Array {
  const term = termOf(target, field, value);
  return term instanceof Uint8Array ? term : term.low;
}

/** What every term of one key of a flattened field begins with; empty for other fields. */
export function keyPrefix(field: Field): Uint8Array {
  return field.flattenedKey === "" ? new Uint8Array(0) : utf8(`${field.flattenedKey}\0`);
}
