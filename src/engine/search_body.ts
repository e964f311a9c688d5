/**
 * What both dialects' search handlers share: the body as JSON, and the context that a search runs in.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { utf8TextStrict } from "../base/bytes.ts";
import { checkJsonDepth } from "../base/json_depth.ts";
import type { SearchContext, SearchTarget } from "../query/target.ts";
import { jsonFault } from "./json_fault.ts";
import type { NodeSettings, SearchCall } from "./messages.ts";
import type { SearchEnvironment } from "./searcher_node.ts";
import { parseExact } from "./update_document.ts";

/** Digits that may not fit a double. */
const LONG_NUMBER = /\d{16}/;

/**
 * A search body; undefined when there is none. Integers that a double would change come as strings, which the grammar
 * takes for numbers too.
 *
 * @throws {RequestError} 400 with the position.
 */
export function searchBody(bytes: Uint8Array, { maxJsonDepth }: NodeSettings): unknown {
  if (bytes.length === 0) return undefined;
  checkJsonDepth(bytes, { maxDepth: maxJsonDepth, what: "the search body", type: "parsing_exception" });
  try {
    const text = utf8TextStrict(bytes);
    return LONG_NUMBER.test(text) ? withLongsAsText(parseExact(text)) : JSON.parse(text);
  } catch (error) {
    throw new RequestError(
      `Failed to parse the search body: ${jsonFault(bytes) ?? (error as Error).message}`,
      {
        status: 400,
        type: "parsing_exception",
      },
    );
  }
}

function withLongsAsText(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const raw = (value as { rawJSON?: unknown }).rawJSON;
  if (typeof raw === "string" && Object.getPrototypeOf(value) === null) {
    return /^-?\d+$/.test(raw) ? raw : Number(raw);
  }
  if (Array.isArray(value)) return value.map(withLongsAsText);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withLongsAsText(inner)]));
}

/** The context of one request; its deadline counts from now. */
export function searchContext(
  targets: readonly SearchTarget[],
  { settings, nowMs, monotonicMs }: SearchEnvironment,
): SearchContext {
  return {
    targets,
    nowMs: nowMs(),
    deadlineMs: monotonicMs() + settings.maxRequestMs,
    monotonicMs,
    limits: {
      maxResultWindow: settings.maxResultWindow,
      maxBuckets: settings.maxBuckets,
      maxClauses: settings.maxClauses,
      memoryBytes: settings.queryMemoryBytes,
    },
  };
}

/** URL parameters as the grammar reads them. */
export function searchParams({ query }: SearchCall): { get(name: string): string | null } {
  return { get: (name) => query[name] ?? null };
}
