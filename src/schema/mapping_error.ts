/**
 * Errors of mappings, worded as Elasticsearch words them, and Java's way of printing values that they quote.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";

/**
 * 400 `mapper_parsing_exception`, "Failed to parse mapping: <reason>".
 *
 * @param type What Elasticsearch's `caused_by` names.
 */
export function mappingError(reason: string, type = "mapper_parsing_exception"): RequestError {
  return new RequestError(`Failed to parse mapping: ${reason}`, {
    status: 400,
    type: "mapper_parsing_exception",
    causedBy: { type, reason },
  });
}

/** A JSON value as Java's `toString` prints it: `{a=1, b=[x, null]}`. `limit`: most UTF-16 units. */
export function javaText(value: unknown, limit = 4096): string {
  let text = "";
  const walk = (item: unknown): void => {
    if (text.length > limit) return;
    if (Array.isArray(item)) {
      text += "[";
      for (let i = 0; i < item.length && text.length <= limit; i++) {
        if (i > 0) text += ", ";
        walk(item[i]);
      }
      text += "]";
    } else if (typeof item === "object" && item !== null) {
      text += "{";
      let first = true;
      for (const [key, child] of Object.entries(item)) {
        if (text.length > limit) break;
        text += `${first ? "" : ", "}${key}=`;
        first = false;
        walk(child);
      }
      text += "}";
    } else text += String(item);
  };
  walk(value);
  return text.length > limit ? text.slice(0, limit) : text;
}

/** Java's name of a JSON value's class, as in "Integer[1]". */
export function javaClass(value: unknown): string {
  if (typeof value === "string") return "String";
  if (typeof value === "boolean") return "Boolean";
  if (typeof value === "number") {
    if (!Number.isInteger(value)) return "Double";
    return Math.abs(value) < 2 ** 31 ? "Integer" : "Long";
  }
  if (Array.isArray(value)) return "ArrayList";
  return value === null ? "null" : "LinkedHashMap";
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `true`, `false`, or the same as text. */
export function parseBoolean(value: unknown): boolean {
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  const text = value === "" ? "" : javaText(value);
  throw mappingError(
    `Failed to parse value [${text}] as only [true] or [false] are allowed.`,
    "illegal_argument_exception",
  );
}
