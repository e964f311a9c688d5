/**
 * `range`: bounds as written; what they mean is up to the field.
 *
 * @module
 */
import { illegalArgument, parsingError } from "../../base/errors.ts";
import { isObject, isScalar, toBoolean, toBoost, toText, unexpectedToken, unknownOption } from "./body.ts";
import type { Query, Scalar } from "./query.ts";

type Body = { readonly [key: string]: unknown };

export function parseRange(body: unknown): Query {
  let field: string | undefined;
  let bounds: Body = {};
  for (const [key, value] of Object.entries(body as Body)) {
    if (isObject(value)) {
      if (field !== undefined) {
        throw parsingError(
          `[range] query doesn't support multiple fields, found [${field}] and [${key}]`,
        );
      }
      field = key;
      bounds = value;
    } else if (key !== "_name") throw unknownOption("range", key);
  }
  if (field === undefined) throw illegalArgument("field name is null or empty");
  let from: Scalar | undefined;
  let to: Scalar | undefined;
  let includeFrom = true;
  let includeTo = true;
  let format: string | undefined;
  let timeZone: string | undefined;
  let boost = 1;
  for (const [key, value] of Object.entries(bounds)) {
    switch (key) {
      case "gte":
      case "ge":
      case "gt":
        from = bound(key, value);
        includeFrom = key !== "gt";
        break;
      case "lte":
      case "le":
      case "lt":
        to = bound(key, value);
        includeTo = key !== "lt";
        break;
      case "from":
        from = bound(key, value);
        break;
      case "to":
        to = bound(key, value);
        break;
      case "include_lower":
        includeFrom = toBoolean(value);
        break;
      case "include_upper":
        includeTo = toBoolean(value);
        break;
      case "format":
        format = toText(value, key);
        break;
      case "time_zone":
        timeZone = toText(value, key);
        break;
      case "boost":
        boost = toBoost(value);
        break;
      case "relation":
      case "_name":
        break;
      default:
        throw unknownOption("range", key);
    }
  }
  return { kind: "range", field, from, to, includeFrom, includeTo, format, timeZone, boost };
}

/** Null leaves the side open. */
function bound(key: string, value: unknown): Scalar | undefined {
  if (value === null) return undefined;
  if (!isScalar(value)) throw unexpectedToken("range", key, value);
  return value;
}
