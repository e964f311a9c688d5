/**
 * Content types of request bodies.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";

/** For `RouteMeta.accepts`. */
export const JSON_BODIES = [
  "application/json",
  "application/vnd.elasticsearch+json",
] as const;

/** Lines of JSON. Elasticsearch takes them under JSON's own type too. */
export const NDJSON_BODIES = [
  "application/x-ndjson",
  "application/json",
  "application/vnd.elasticsearch+x-ndjson",
  "application/vnd.elasticsearch+json",
  "application/ndjson",
  "application/jsonl",
] as const;

/** The type without parameters, in lower case; "" when there is none. */
export function mediaType(contentType: string | null): string {
  if (contentType === null) return "";
  const end = contentType.indexOf(";");
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

const MEDIA_TYPE = /^[^\s/;]+\/[^\s/;]+\s*(;|$)/;

/**
 * Elasticsearch answers 406 here, in words that say no more; plain HTTP would be 415.
 *
 * @throws {RequestError} With `status`, when a body of this type is not accepted.
 */
export function checkContentType(
  contentType: string | null,
  accepts: readonly string[],
  status: 406 | 415,
): void {
  const type = mediaType(contentType);
  if (accepts.includes(type)) return;
  if (status === 406) throw notAcceptable(contentType ?? "");
  const reason = type === ""
    ? "Content-Type header is missing"
    : `Content-Type header [${contentType}] is not supported`;
  throw new RequestError(`${reason}; send ${accepts[0]}`, {
    status,
    type: "media_type_header_exception",
  });
}

function notAcceptable(contentType: string): RequestError {
  const type = "media_type_header_exception";
  if (contentType === "" || MEDIA_TYPE.test(contentType)) {
    return new RequestError(`Content-Type header [${contentType}] is not supported`, { status: 406, type });
  }
  return new RequestError("Invalid media-type value on headers [Content-Type]", {
    status: 400,
    type,
    causedBy: { type: "illegal_argument_exception", reason: `invalid media-type [${contentType}]` },
  });
}
