/**
 * The query grammar: JSON into a `Query`, or the error that Elasticsearch words for it.
 *
 * @module
 */
import { illegalArgument, parsingError, RequestError } from "../../base/errors.ts";
import { isObject, notSupportedYet } from "./body.ts";
import {
  parseBool,
  parseBoosting,
  parseConstantScore,
  parseDisMax,
  parseMatchAll,
  parseMatchNone,
} from "./compound.ts";
import {
  parseMatch,
  parseMatchBoolPrefix,
  parseMatchPhrase,
  parseMatchPhrasePrefix,
  parseMultiMatch,
} from "./full_text.ts";
import { didYouMean, UNSUPPORTED_QUERIES } from "./names.ts";
import type { Query } from "./query.ts";
import { parseRange } from "./range.ts";
import {
  parseExists,
  parseFuzzy,
  parseIds,
  parsePrefix,
  parseRegexp,
  parseTerm,
  parseTerms,
  parseWildcard,
} from "./term_level.ts";

/** Deepest nesting of queries, as Elasticsearch's `indices.query.bool.max_nested_depth`. */
const MAX_DEPTH = 30;

/** Parses a query nested in another; `depth` counts. */
export type ParseInner = (json: unknown) => Query;

const PARSERS: Readonly<Record<string, (body: unknown, inner: ParseInner) => Query>> = {
  bool: parseBool,
  boosting: parseBoosting,
  constant_score: parseConstantScore,
  dis_max: parseDisMax,
  exists: parseExists,
  fuzzy: parseFuzzy,
  ids: parseIds,
  match: parseMatch,
  match_all: parseMatchAll,
  match_bool_prefix: parseMatchBoolPrefix,
  match_none: parseMatchNone,
  match_phrase: parseMatchPhrase,
  match_phrase_prefix: parseMatchPhrasePrefix,
  multi_match: parseMultiMatch,
  prefix: parsePrefix,
  range: parseRange,
  regexp: parseRegexp,
  term: parseTerm,
  terms: parseTerms,
  wildcard: parseWildcard,
};

/**
 * Parses one query, such as the value of `query` in a search body.
 *
 * @throws {RequestError} 400 `parsing_exception` and its kin; 501 `not_supported_yet` for what only
 * Elasticsearch has.
 */
export function parseQuery(json: unknown): Query {
  return parseAt(json, 1);
}

function parseAt(json: unknown, depth: number): Query {
  if (!isObject(json)) throw parsingError("[_na] query malformed, must start with start_object");
  if (depth > MAX_DEPTH) {
    throw illegalArgument(
      `The nested depth of the query exceeds the maximum nested depth for queries set in [${MAX_DEPTH}]`,
    );
  }
  const names = Object.keys(json);
  const name = names[0];
  if (name === undefined) throw illegalArgument("query malformed, empty clause found");
  if (!Object.hasOwn(PARSERS, name)) throw unknownQuery(name);
  const body = json[name];
  if (!isObject(body)) {
    throw parsingError(`[${name}] query malformed, no start_object after query name`);
  }
  if (names.length > 1) {
    throw parsingError(`[${name}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]`);
  }
  return PARSERS[name]!(body, (inner) => parseAt(inner, depth + 1));
}

function unknownQuery(name: string): RequestError {
  if (UNSUPPORTED_QUERIES.has(name)) return notSupportedYet(`The query [${name}]`);
  const hint = didYouMean(name, [...Object.keys(PARSERS), ...UNSUPPORTED_QUERIES]);
  return new RequestError(`unknown query [${name}]${hint}`, {
    status: 400,
    type: "parsing_exception",
    causedBy: { type: "named_object_not_found_exception", reason: `unknown field [${name}]` },
  });
}
