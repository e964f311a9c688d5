/**
 * The grammar of a search body, and of the URL parameters that say the same.
 *
 * @module
 */
import { illegalArgument, parsingError, RequestError } from "../../base/errors.ts";
import { parseAggs } from "../aggs/mod.ts";
import { isObject, notSupportedYet, toBoolean, toInteger, tokenName, toNumber } from "../queries/body.ts";
import { parseQuery } from "../queries/parse.ts";
import type { SearchRequest } from "./request.ts";
import { parseSearchAfter, parseSort, parseSortParam } from "./sort.ts";
import { parseFields, parseSource, parseSourceParams } from "./source.ts";
import { parseTimeMs } from "./time_value.ts";

/** URL parameters: a `URLSearchParams`, or anything that reads like one. */
export interface Params {
  get(name: string): string | null;
}

const NO_PARAMS: Params = { get: () => null };

/** Hits counted exactly when nobody says otherwise. */
const TRACK_TOTAL_HITS_DEFAULT = 10_000;
const SIZE_DEFAULT = 10;

type Writable<T> = { -readonly [key in keyof T]: T[key] };
type Kind = "value" | "object" | "array";
type Apply = (request: Writable<SearchRequest>, value: unknown) => void;

/** What each key takes: anything else is an unknown key, as Elasticsearch words it. */
const KEYS: Readonly<Record<string, { readonly kinds: readonly Kind[]; readonly apply: Apply }>> = {
  query: { kinds: ["object"], apply: (r, v) => r.query = parseQuery(v) },
  post_filter: { kinds: ["object"], apply: (r, v) => r.postFilter = parseQuery(v) },
  from: { kinds: ["value"], apply: (r, v) => r.from = fromOf(v) },
  size: { kinds: ["value"], apply: (r, v) => r.size = sizeOf(v) },
  sort: { kinds: ["value", "object", "array"], apply: (r, v) => r.sort = parseSort(v) },
  search_after: {
    kinds: ["array"],
    apply: (r, v) => r.searchAfter = parseSearchAfter(v as readonly unknown[]),
  },
  _source: { kinds: ["value", "object", "array"], apply: (r, v) => r.source = parseSource(v) },
  fields: { kinds: ["array"], apply: (r, v) => r.fields = parseFields(v as readonly unknown[]) },
  docvalue_fields: {
    kinds: ["array"],
    apply: (r, v) => r.docvalueFields = parseFields(v as readonly unknown[]),
  },
  stored_fields: { kinds: ["value", "array"], apply: storedFields },
  track_total_hits: { kinds: ["value"], apply: (r, v) => r.trackTotalHits = trackTotalHits(v) },
  timeout: { kinds: ["value"], apply: (r, v) => r.timeoutMs = timeoutOf(v) },
  min_score: { kinds: ["value"], apply: (r, v) => r.minScore = Math.fround(toNumber(v, "min_score")) },
  terminate_after: { kinds: ["value"], apply: (r, v) => r.terminateAfter = terminateAfter(v) },
  track_scores: { kinds: ["value"], apply: (r, v) => r.trackScores = toBoolean(v) },
  version: { kinds: ["value"], apply: (r, v) => r.version = toBoolean(v) },
  seq_no_primary_term: { kinds: ["value"], apply: (r, v) => r.seqNoPrimaryTerm = toBoolean(v) },
  aggs: { kinds: ["object"], apply: (r, v) => r.aggs = parseAggs(v) },
  aggregations: { kinds: ["object"], apply: (r, v) => r.aggs = parseAggs(v) },
  pit: { kinds: ["object"], apply: (r, v) => r.pit = v as Readonly<Record<string, unknown>> },
  explain: { kinds: ["value"], apply: (_, v) => notYetUnlessFalse("explain", v) },
  profile: { kinds: ["value"], apply: (_, v) => void toBoolean(v) },
  stats: { kinds: ["array"], apply: () => {} },
  ext: { kinds: ["object"], apply: () => {} },
  highlight: { kinds: ["object"], apply: (_, v) => notYetUnlessEmpty("highlight", v) },
  suggest: { kinds: ["object"], apply: (_, v) => notYetUnlessEmpty("suggest", v) },
  rescore: { kinds: ["object", "array"], apply: (_, v) => notYetUnlessEmpty("rescore", v) },
  collapse: { kinds: ["object"], apply: (_, v) => notYetUnlessEmpty("collapse", v) },
  slice: { kinds: ["object"], apply: (_, v) => notYetUnlessEmpty("slice", v) },
  script_fields: { kinds: ["object"], apply: (_, v) => notYetUnlessEmpty("script_fields", v) },
  runtime_mappings: { kinds: ["object"], apply: (_, v) => notYetUnlessEmpty("runtime_mappings", v) },
  indices_boost: { kinds: ["object", "array"], apply: (_, v) => notYetUnlessEmpty("indices_boost", v) },
  knn: { kinds: ["object", "array"], apply: (_, v) => notYetUnlessEmpty("knn", v) },
};

/**
 * Parses a search body.
 *
 * @param body Parsed JSON; undefined: the request has none.
 * @throws {RequestError} 400 as Elasticsearch words it; 501 `not_supported_yet` for what is not there.
 */
export function parseSearch(body: unknown, params: Params = NO_PARAMS): SearchRequest {
  const request: Writable<SearchRequest> = {
    query: { kind: "match_all", boost: 1 },
    postFilter: undefined,
    from: 0,
    size: SIZE_DEFAULT,
    sort: [],
    searchAfter: undefined,
    source: { kind: "all" },
    fields: [],
    docvalueFields: [],
    trackTotalHits: TRACK_TOTAL_HITS_DEFAULT,
    timeoutMs: Infinity,
    minScore: undefined,
    terminateAfter: 0,
    trackScores: false,
    version: false,
    seqNoPrimaryTerm: false,
    storedNone: false,
    aggs: undefined,
    pit: undefined,
  };
  let hasSource = false;
  if (body !== undefined) {
    if (!isObject(body)) throw parsingError(`Expected [START_OBJECT] but found [${tokenName(body)}]`);
    for (const [key, value] of Object.entries(body)) {
      const entry = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
      if (entry === undefined || value === null || !entry.kinds.includes(kindOf(value))) {
        throw parsingError(`Unknown key for a ${tokenName(value)} in [${key}].`);
      }
      entry.apply(request, value);
      if (key === "_source") hasSource = true;
    }
  }
  hasSource = applyParams(request, params) || hasSource;
  validate(request, hasSource);
  return request;
}

function kindOf(value: unknown): Kind {
  return Array.isArray(value) ? "array" : isObject(value) ? "object" : "value";
}

/** URL parameters win over the body. Returns whether one of them is about the source. */
function applyParams(request: Writable<SearchRequest>, params: Params): boolean {
  if (params.get("q") !== null) throw notSupportedYet("The parameter [q]");
  for (
    const key of [
      "from",
      "size",
      "timeout",
      "terminate_after",
      "track_total_hits",
      "version",
      "seq_no_primary_term",
    ]
  ) {
    const value = params.get(key);
    if (value !== null) KEYS[key]!.apply(request, value === "" ? "true" : value);
  }
  const trackScores = params.get("track_scores");
  if (trackScores !== null) request.trackScores = trackScores !== "false";
  const sort = params.get("sort");
  if (sort !== null) request.sort = parseSortParam(sort);
  const docvalues = params.get("docvalue_fields");
  if (docvalues !== null) request.docvalueFields = parseFields(docvalues.split(","));
  const stored = params.get("stored_fields");
  if (stored !== null) storedFields(request, stored);
  const source = parseSourceParams(params);
  if (source !== undefined) request.source = source;
  return source !== undefined;
}

function storedFields(request: Writable<SearchRequest>, value: unknown): void {
  const names = (Array.isArray(value) ? value : [value]).map(String);
  if (names.includes("_none_")) {
    if (names.length > 1) {
      throw illegalArgument("cannot combine _none_ with other fields");
    }
    request.storedNone = true;
  }
  // No field is stored apart from the source: naming some only switches the source off.
  if (!names.includes("_source") && request.source.kind === "all") request.source = { kind: "none" };
}

function fromOf(value: unknown): number {
  const from = toInteger(value, "from");
  if (from < 0) throw illegalArgument(`[from] parameter cannot be negative but was [${from}]`);
  return from;
}

function sizeOf(value: unknown): number {
  const size = toInteger(value, "size");
  if (size < 0) throw illegalArgument(`[size] parameter cannot be negative, found [${size}]`);
  return size;
}

function trackTotalHits(value: unknown): number {
  if (value === true || value === "true") return Infinity;
  if (value === false || value === "false") return -1;
  const limit = toInteger(value, "track_total_hits");
  if (limit < -1) {
    throw illegalArgument(`[track_total_hits] parameter must be positive or equals to -1, got ${limit}`);
  }
  return limit;
}

function timeoutOf(value: unknown): number {
  const ms = parseTimeMs(value, "timeout");
  return ms <= 0 ? Infinity : ms;
}

function terminateAfter(value: unknown): number {
  const docs = toInteger(value, "terminate_after");
  if (docs < 0) throw illegalArgument("terminateAfter must be > 0");
  return docs;
}

function notYetUnlessFalse(key: string, value: unknown): void {
  if (toBoolean(value)) throw notSupportedYet(`The key [${key}] of a search`);
}

function notYetUnlessEmpty(key: string, value: unknown): void {
  if (Object.keys(value as Readonly<Record<string, unknown>>).length > 0) {
    throw notSupportedYet(`The key [${key}] of a search`);
  }
}

function validate(request: SearchRequest, hasSource: boolean): void {
  if (request.searchAfter !== undefined) {
    if (request.from > 0) throw invalid("[from] parameter must be set to 0 when [search_after] is used");
    if (request.sort.length === 0) throw illegalArgument("Sort must contain at least one field.");
    if (request.searchAfter.length !== request.sort.length) {
      throw illegalArgument(
        `search_after has ${request.searchAfter.length} value(s) but sort has ${request.sort.length}.`,
      );
    }
  }
  if (request.storedNone && hasSource && request.source.kind !== "none") {
    throw invalid("[stored_fields] cannot be disabled if [_source] is requested");
  }
}

function invalid(reason: string): RequestError {
  return new RequestError(`Validation Failed: 1: ${reason};`, {
    status: 400,
    type: "action_request_validation_exception",
  });
}

/** @throws {RequestError} from + size exceeds the window. */
export function checkResultWindow(request: SearchRequest, maxResultWindow: number): void {
  const window = request.from + request.size;
  if (window <= maxResultWindow) return;
  throw illegalArgument(
    `Result window is too large, from + size must be less than or equal to: [${maxResultWindow}] but was [${window}]. ` +
      "See the scroll api for a more efficient way to request large data sets. " +
      "This limit can be set by changing the [index.max_result_window] index level setting.",
  );
}
