/**
 * Reading values out of a request body with Elasticsearch's words for what is wrong with them.
 *
 * @module
 */
import { illegalArgument, parsingError, RequestError } from "../../base/errors.ts";
import type { Scalar } from "./query.ts";

export type JsonObject = { readonly [key: string]: unknown };

/** What Elasticsearch's parser calls the token that starts `value`. */
export function tokenName(value: unknown): string {
  if (value === null || value === undefined) return "VALUE_NULL";
  if (Array.isArray(value)) return "START_ARRAY";
  switch (typeof value) {
    case "string":
      return "VALUE_STRING";
    case "number":
    case "bigint":
      return "VALUE_NUMBER";
    case "boolean":
      return "VALUE_BOOLEAN";
    default:
      return "START_OBJECT";
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isScalar(value: unknown): value is Scalar {
  const type = typeof value;
  return type === "string" || type === "number" || type === "boolean" || type === "bigint";
}

/** 501: in Elasticsearch, not here. */
export function notSupportedYet(what: string): RequestError {
  return new RequestError(`${what} is not supported yet`, { status: 501, type: "not_supported_yet" });
}

function numberFormat(value: unknown): RequestError {
  return new RequestError(`For input string: "${String(value)}"`, {
    status: 400,
    type: "number_format_exception",
  });
}

/** A number, or a string that holds one. */
export function toNumber(value: unknown, what: string): number {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "string") {
    const trimmed = value.trim();
    const number = Number(trimmed);
    if (trimmed === "" || !Number.isFinite(number)) throw numberFormat(value);
    return number;
  }
  throw parsingError(`[${what}] must be a number but was ${tokenName(value)}`);
}

/** An integer; fractions are cut off, as Elasticsearch does. */
export function toInteger(value: unknown, what: string): number {
  const number = Math.trunc(toNumber(value, what));
  if (number > 0x7fff_ffff || number < -0x8000_0000) {
    throw illegalArgument(`Value [${String(value)}] is out of range for an integer`);
  }
  return number;
}

/** A boolean, or "true" or "false". */
export function toBoolean(value: unknown): boolean {
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  throw illegalArgument(`Failed to parse value [${String(value)}] as only [true] or [false] are allowed.`);
}

export function toText(value: unknown, what: string): string {
  if (!isScalar(value)) throw parsingError(`[${what}] must be a string but was ${tokenName(value)}`);
  return String(value);
}

/** A boost: a float that is not negative. */
export function toBoost(value: unknown): number {
  const boost = Math.fround(toNumber(value, "boost"));
  if (boost < 0) {
    throw illegalArgument(
      `negative [boost] are not allowed in query body, found [${boost}]. Use a value between 0 and 1 to deboost`,
    );
  }
  return boost;
}

/**
 * The body of a query about one field: `{"field": value}` or `{"field": {...}}`.
 *
 * @returns The field and what stands under it; undefined when there is no field.
 */
export function fieldOf(query: string, body: unknown): { field: string; value: unknown } | undefined {
  if (!isObject(body)) throw parsingError(`[${query}] query malformed, no start_object after query name`);
  let field: string | undefined;
  let value: unknown;
  for (const key in body) {
    // Old bodies put these beside the field.
    if (key === "_name") continue;
    if (key === "boost" && field !== undefined && !isObject(body[key])) continue;
    if (field !== undefined) {
      throw parsingError(
        `[${query}] query doesn't support multiple fields, found [${field}] and [${key}]`,
      );
    }
    field = key;
    value = body[key];
  }
  return field === undefined ? undefined : { field, value };
}

/** The error for an option that a query does not have. */
export function unknownOption(query: string, option: string): RequestError {
  return parsingError(`[${query}] query does not support [${option}]`);
}

/** The error for an option whose value is an array or object where a scalar was wanted. */
export function unexpectedToken(query: string, option: string, value: unknown): RequestError {
  return parsingError(`[${query}] unknown token [${tokenName(value)}] after [${option}]`);
}
