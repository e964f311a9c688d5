/**
 * Partial updates: a document's source with some of its fields replaced.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { utf8, utf8Text, utf8TextStrict } from "../base/bytes.ts";
import { checkJsonDepth } from "../base/json_depth.ts";
import { jsonFault } from "./json_fault.ts";

type JsonObject = { [key: string]: unknown };

/** A number's text that a double would not keep, such as 9007199254740993 or 1.10. */
interface RawNumber {
  readonly rawJSON: string;
}

/** V8 has the source-text access of ECMA-262's "JSON.parse source text access"; TypeScript's library lacks it. */
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
};

/** Parses JSON without losing digits of numbers. */
export function parseExact(text: string): unknown {
  return json.parse(text, (_key, value, { source }) => {
    if (typeof value !== "number" || source === undefined || String(value) === source) return value;
    return json.rawJSON(source);
  });
}

/**
 * Merges `partial` into `source` as Elasticsearch's update does: objects recursively, all else replaced.
 *
 * @returns The new source, or undefined when nothing would change.
 */
export function mergeSource(source: Uint8Array, partial: unknown): Uint8Array | undefined {
  const target = parseExact(utf8Text(source)) as JsonObject;
  const changed = mergeInto(target, partial as JsonObject);
  return changed ? utf8(JSON.stringify(target)) : undefined;
}

function mergeInto(target: JsonObject, partial: JsonObject): boolean {
  let changed = false;
  for (const [key, value] of Object.entries(partial)) {
    const old = Object.hasOwn(target, key) ? target[key] : undefined;
    if (isObject(old) && isObject(value)) {
      changed = mergeInto(old, value) || changed;
    } else if (!Object.hasOwn(target, key) || JSON.stringify(old) !== JSON.stringify(value)) {
      Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
      changed = true;
    }
  }
  return changed;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !json.isRawJSON(value);
}

/** Elasticsearch's name for the token that a value begins with. */
function tokenOf(value: unknown): string {
  if (Array.isArray(value)) return "START_ARRAY";
  if (value === null) return "VALUE_NULL";
  if (typeof value === "object" && !json.isRawJSON(value)) return "START_OBJECT";
  return typeof value === "string" || typeof value === "boolean"
    ? `VALUE_${(typeof value).toUpperCase()}`
    : "VALUE_NUMBER";
}

/** Body of an update request. */
export interface UpdateBody {
  readonly doc: unknown;
  readonly upsert: unknown;
  readonly docAsUpsert: boolean;
  readonly detectNoop: boolean;
  /** `_source`: what the answer shall show of the document; undefined: nothing. */
  readonly source: unknown;
}

const UPDATE_KEYS = [
  "doc",
  "upsert",
  "doc_as_upsert",
  "detect_noop",
  "_source",
  "if_seq_no",
  "if_primary_term",
];

/** Parses `{"doc": ..., "upsert": ..., "doc_as_upsert": ...}`. @throws {RequestError} */
export function parseUpdateBody(bytes: Uint8Array, { maxDepth }: { readonly maxDepth: number }): UpdateBody {
  checkJsonDepth(bytes, { maxDepth, what: "the update request", type: "x_content_parse_exception" });
  let body: unknown;
  try {
    body = parseExact(utf8TextStrict(bytes));
  } catch (error) {
    throw new RequestError(
      `Failed to parse update request: ${jsonFault(bytes) ?? (error as Error).message}`,
      {
        status: 400,
        type: "x_content_parse_exception",
      },
    );
  }
  const invalid = (reason: string) =>
    new RequestError(`Validation Failed: 1: ${reason};`, {
      status: 400,
      type: "action_request_validation_exception",
    });
  const malformed = (reason: string) =>
    new RequestError(`[UpdateRequest] ${reason}`, { status: 400, type: "x_content_parse_exception" });
  if (!isObject(body)) throw malformed(`Expected START_OBJECT but was: ${tokenOf(body)}`);
  if ("script" in body || "scripted_upsert" in body) {
    throw new RequestError("scripts are not supported; send the new fields as [doc]", {
      status: 501,
      type: "not_supported_yet",
    });
  }
  for (const key of Object.keys(body)) {
    if (!UPDATE_KEYS.includes(key)) {
      throw malformed(`unknown field [${key}]`);
    }
  }
  const docAsUpsert = body["doc_as_upsert"] === true;
  if (body["doc"] === undefined) {
    throw invalid(
      docAsUpsert ? "doc must be specified if doc_as_upsert is enabled" : "script or doc is missing",
    );
  }
  for (const key of ["doc", "upsert"]) {
    const value = body[key];
    if (value === undefined || isObject(value)) continue;
    throw malformed(`${key} doesn't support values of type: ${tokenOf(value)}`);
  }
  return {
    doc: body["doc"],
    upsert: body["upsert"],
    docAsUpsert,
    detectNoop: body["detect_noop"] !== false,
    source: body["_source"],
  };
}
