/**
 * Parameters of top_hits: the parts of a search body that sort and fetch.
 *
 * @module
 */
import { illegalArgument } from "../../base/errors.ts";
import { notSupportedYet } from "../queries/body.ts";
import type { SearchRequest } from "../request/request.ts";
import { parseSort } from "../request/sort.ts";
import { parseFields, parseSource } from "../request/source.ts";
import type { AggSpec } from "./node.ts";
import type { Options } from "./options.ts";

const DEFAULT_SIZE = 3;
/** `index.max_inner_result_window`. */
const WINDOW_MAX = 100;

export function parseTopHits(options: Options): AggSpec {
  const from = options.integer("from") ?? 0;
  const size = options.integer("size") ?? DEFAULT_SIZE;
  if (from < 0) {
    throw illegalArgument(`[from] must be greater than or equal to 0. Found [${from}] in [${options.name}]`);
  }
  if (size < 0) {
    throw illegalArgument(`[size] must be greater than or equal to 0. Found [${size}] in [${options.name}]`);
  }
  if (from + size > WINDOW_MAX) {
    throw illegalArgument(
      `Top hits result window is too large, the top hits aggregator [${options.name}]'s from + size must be less ` +
        `than or equal to: [${WINDOW_MAX}] but was [${from + size}]. This limit can be set by changing the ` +
        "[index.max_inner_result_window] index level setting.",
    );
  }
  for (const key of ["highlight", "script_fields", "explain"]) {
    if (options.has(key) && options.raw(key) !== false) {
      throw notSupportedYet(`[${key}] of the aggregation [top_hits]`);
    }
  }
  const sort = options.raw("sort");
  const source = options.raw("_source");
  const stored = options.raw("stored_fields");
  const request: SearchRequest = {
    query: { kind: "match_all", boost: 1 },
    postFilter: undefined,
    from,
    size,
    sort: sort === undefined ? [] : byScoreAlone(parseSort(sort)),
    searchAfter: undefined,
    source: source === undefined ? { kind: "all" } : parseSource(source),
    fields: parseFields(options.array("fields") ?? []),
    docvalueFields: parseFields(options.array("docvalue_fields") ?? []),
    trackTotalHits: Infinity,
    timeoutMs: Infinity,
    minScore: undefined,
    terminateAfter: 0,
    trackScores: options.boolean("track_scores") ?? false,
    version: options.boolean("version") ?? false,
    seqNoPrimaryTerm: options.boolean("seq_no_primary_term") ?? false,
    storedNone: stored === "_none_",
    aggs: undefined,
    pit: undefined,
  };
  return { kind: "top_hits", request };
}

/** Sorting by descending score alone is not sorting. */
function byScoreAlone(sort: SearchRequest["sort"]): SearchRequest["sort"] {
  return sort.length === 1 && sort[0]!.kind === "score" && sort[0]!.descending ? [] : sort;
}
