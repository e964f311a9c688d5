/**
 * Settings of an index: which there are, what may be set, how they are shown. Elasticsearch's names and words.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";

/** Nested form, as in a create request's `settings`, with the `index.` prefix taken off. */
export type IndexSettings = Readonly<Record<string, unknown>>;

const MAX_SHARDS = 64;

/** Settings that Elasticsearch's clients and templates send, and that mean nothing on one node. */
const ACCEPTED = [
  "number_of_replicas",
  "auto_expand_replicas",
  "codec",
  "lifecycle",
  "routing",
  "mapping",
  "query",
  "translog",
  "merge",
  "max_result_window",
  "highlight",
  "sort",
  "blocks",
  "priority",
  "hidden",
  "provided_name",
  "creation_date",
  "uuid",
  "version",
  "search",
  "soft_deletes",
  "max_ngram_diff",
  "max_shingle_diff",
  "final_pipeline",
  "default_pipeline",
  "mode",
  "format",
  "gc_deletes",
  "unassigned",
  "indexing",
  "store",
  "write",
  "allocation",
  "max_terms_count",
];
const EFFECTIVE = ["number_of_shards", "refresh_interval", "analysis"];

/**
 * Checks and normalises a request's settings.
 *
 * @throws {RequestError} 400 for unknown settings and bad values.
 */
export function parseIndexSettings(json: unknown): IndexSettings {
  if (json === undefined || json === null) return {};
  if (typeof json !== "object" || Array.isArray(json)) throw bad("[settings] must be an object");
  const settings = unprefix(nest(json as Record<string, unknown>));
  for (const key of Object.keys(settings)) {
    if (EFFECTIVE.includes(key) || ACCEPTED.includes(key)) continue;
    throw bad(
      `unknown setting [index.${key}] please check that any required plugins are installed, or check the breaking changes ` +
        "documentation for removed settings",
    );
  }
  shardCount(settings);
  refreshInterval(settings);
  totalFieldsLimit(settings);
  return settings;
}

/** @throws {RequestError} 400 */
export function shardCount(settings: IndexSettings): number {
  const value = settings["number_of_shards"] ?? 1;
  const count = Number(value);
  const reason = `Failed to parse value [${String(value)}] for setting [index.number_of_shards]`;
  if (!Number.isInteger(count)) {
    throw new RequestError(reason, {
      status: 400,
      type: "illegal_argument_exception",
      causedBy: { type: "number_format_exception", reason: `For input string: "${String(value)}"` },
    });
  }
  if (count < 1) throw bad(`${reason} must be >= 1`);
  if (count > MAX_SHARDS) throw bad(`${reason} must be <= ${MAX_SHARDS}`);
  return count;
}

/** `mapping.total_fields.limit`; undefined: not set. @throws {RequestError} 400 */
export function totalFieldsLimit({ mapping }: IndexSettings): number | undefined {
  const fields = isObject(mapping) ? mapping["total_fields"] : undefined;
  const value = isObject(fields) ? fields["limit"] : undefined;
  if (value === undefined || value === null) return undefined;
  const limit = Number(value);
  if (Number.isInteger(limit) && limit >= 0) return limit;
  throw bad(`Failed to parse value [${String(value)}] for setting [index.mapping.total_fields.limit]`);
}

/** Milliseconds; -1: never on its own. Undefined: not set. */
export function refreshInterval(settings: IndexSettings): number | undefined {
  const value = settings["refresh_interval"];
  if (value === undefined || value === null) return undefined;
  if (value === "-1" || value === -1) return -1;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(String(value));
  if (!match) {
    throw bad(
      `failed to parse setting [index.refresh_interval] with value [${
        String(value)
      }] as a time value: unit is missing or ` +
        "unrecognized",
    );
  }
  return Number(match[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] as "ms" | "s" | "m" | "h"];
}

/** `{"index.a.b": 1}` becomes `{index: {a: {b: 1}}}`; nested and dotted keys may be mixed. */
function nest(flat: Record<string, unknown>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(flat)) {
    let at = root;
    const path = key.split(".");
    for (const part of path.slice(0, -1)) {
      const next = at[part];
      at = isObject(next) ? next : (at[part] = {}) as Record<string, unknown>;
    }
    const last = path.at(-1)!;
    const old = at[last];
    const nested = isObject(value) ? nest(value) : value;
    at[last] = isObject(old) && isObject(nested) ? { ...old, ...nested } : nested;
  }
  return root;
}

function unprefix(settings: Record<string, unknown>): Record<string, unknown> {
  const { index, ...rest } = settings;
  return isObject(index) ? { ...rest, ...index } : rest;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(reason: string): RequestError {
  return new RequestError(reason, { status: 400, type: "illegal_argument_exception" });
}
