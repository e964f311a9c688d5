/**
 * Queries whose text is analysed like the field's own.
 *
 * @module
 */
import { illegalArgument, parsingError, RequestError } from "../../base/errors.ts";
import {
  fieldOf,
  isScalar,
  notSupportedYet,
  toBoolean,
  toBoost,
  toInteger,
  toNumber,
  toText,
  unexpectedToken,
  unknownOption,
} from "./body.ts";
import { parseFuzziness } from "./fuzziness.ts";
import type { FuzzyOptions, MatchPhraseQuery, MatchQuery, MultiMatchType, Query } from "./query.ts";

type Body = { readonly [key: string]: unknown };
type Writable<T> = { -readonly [key in keyof T]: T[key] };

function emptyMatch(field: string): Writable<MatchQuery> {
  return {
    kind: "match",
    field,
    value: "",
    operator: "or",
    minimumShouldMatch: undefined,
    analyzer: undefined,
    zeroTerms: "none",
    lenient: false,
    fuzzy: undefined,
    lastIsPrefix: false,
    boost: 1,
  };
}

export function parseMatch(body: unknown): Query {
  return matchBody("match", body);
}

export function parseMatchBoolPrefix(body: unknown): Query {
  return { ...matchBody("match_bool_prefix", body), lastIsPrefix: true };
}

function matchBody(query: string, body: unknown): MatchQuery {
  const found = fieldOf(query, body);
  if (found === undefined) throw parsingError("No text specified for text query");
  const match = emptyMatch(found.field);
  if (isScalar(found.value)) return { ...match, value: found.value };
  if (Array.isArray(found.value) || found.value === null) {
    throw parsingError(`[${query}] unknown token [START_ARRAY] after [${found.field}]`);
  }
  const fuzzy = new FuzzyReader();
  let given = false;
  for (const [key, value] of Object.entries(found.value as Body)) {
    if (key === "query") {
      if (!isScalar(value)) throw unexpectedToken(query, key, value);
      match.value = value;
      given = true;
    } else if (!matchOption(match, fuzzy, key, value)) throw unknownOption(query, key);
  }
  if (!given) throw parsingError("No text specified for text query");
  match.fuzzy = fuzzy.finish();
  return match;
}

/** Collects the options of fuzzy matching, which only count once `fuzziness` is there. */
class FuzzyReader {
  #given = false;
  readonly #options: Writable<FuzzyOptions> = {
    fuzziness: { kind: "edits", edits: 0 },
    prefixLength: 0,
    maxExpansions: 50,
    transpositions: true,
  };

  take(key: string, value: unknown): boolean {
    if (key === "fuzziness") {
      this.#options.fuzziness = parseFuzziness(value);
      this.#given = true;
    } else if (key === "prefix_length") this.#options.prefixLength = toInteger(value, key);
    else if (key === "max_expansions") this.#options.maxExpansions = toInteger(value, key);
    else if (key === "fuzzy_transpositions") this.#options.transpositions = toBoolean(value);
    else return key === "fuzzy_rewrite";
    return true;
  }

  get maxExpansions(): number {
    return this.#options.maxExpansions;
  }

  finish(): FuzzyOptions | undefined {
    return this.#given ? this.#options : undefined;
  }
}

function matchOption(match: Writable<MatchQuery>, fuzzy: FuzzyReader, key: string, value: unknown): boolean {
  switch (key) {
    case "operator":
      match.operator = operatorOf(value);
      return true;
    case "minimum_should_match":
      match.minimumShouldMatch = value === null ? undefined : toText(value, key);
      return true;
    case "analyzer":
      match.analyzer = toText(value, key);
      return true;
    case "zero_terms_query":
      match.zeroTerms = zeroTermsOf(value);
      return true;
    case "lenient":
      match.lenient = toBoolean(value);
      return true;
    case "boost":
      match.boost = toBoost(value);
      return true;
    case "auto_generate_synonyms_phrase_query":
    case "_name":
      return true;
    default:
      return fuzzy.take(key, value);
  }
}

function operatorOf(value: unknown): "or" | "and" {
  const text = String(value);
  const operator = text.toLowerCase();
  if (operator === "or" || operator === "and") return operator;
  throw illegalArgument(
    `No enum constant org.elasticsearch.index.query.Operator.${text.toUpperCase()}`,
  );
}

function zeroTermsOf(value: unknown): "none" | "all" {
  const text = String(value).toLowerCase();
  if (text === "none" || text === "all") return text;
  throw parsingError(`Unsupported zero_terms_query value [${String(value)}]`);
}

export function parseMatchPhrase(body: unknown): Query {
  return phraseBody("match_phrase", body);
}

export function parseMatchPhrasePrefix(body: unknown): Query {
  return phraseBody("match_phrase_prefix", body);
}

function phraseBody(query: "match_phrase" | "match_phrase_prefix", body: unknown): MatchPhraseQuery {
  const found = fieldOf(query, body);
  if (found === undefined) throw parsingError("No text specified for text query");
  const prefix = query === "match_phrase_prefix";
  const phrase: Writable<MatchPhraseQuery> = {
    kind: "match_phrase",
    field: found.field,
    value: "",
    slop: 0,
    analyzer: undefined,
    zeroTerms: "none",
    prefixExpansions: prefix ? 50 : 0,
    boost: 1,
  };
  if (isScalar(found.value)) return { ...phrase, value: found.value };
  if (Array.isArray(found.value) || found.value === null) {
    throw parsingError(`[${query}] unknown token [START_ARRAY] after [${found.field}]`);
  }
  let given = false;
  for (const [key, value] of Object.entries(found.value as Body)) {
    if (key === "query") {
      if (!isScalar(value)) throw unexpectedToken(query, key, value);
      phrase.value = value;
      given = true;
    } else if (key === "slop") phrase.slop = toSlop(value);
    else if (key === "analyzer") phrase.analyzer = toText(value, key);
    else if (key === "boost") phrase.boost = toBoost(value);
    else if (key === "zero_terms_query") phrase.zeroTerms = zeroTermsOf(value);
    else if (prefix && key === "max_expansions") {
      // Elasticsearch tries one term even when told none.
      phrase.prefixExpansions = Math.max(1, toInteger(value, key));
    } else if (key !== "_name") throw unknownOption(query, key);
  }
  if (!given) throw parsingError("No text specified for text query");
  return phrase;
}

function toSlop(value: unknown): number {
  const slop = toInteger(value, "slop");
  if (slop < 0) throw illegalArgument("No negative slop allowed.");
  return slop;
}

const MULTI_MATCH_TYPES: ReadonlySet<string> = new Set([
  "best_fields",
  "most_fields",
  "phrase",
  "phrase_prefix",
  "bool_prefix",
]);

export function parseMultiMatch(body: unknown): Query {
  const match = emptyMatch("");
  const fuzzy = new FuzzyReader();
  const fields: { pattern: string; boost: number }[] = [];
  let type: MultiMatchType = "best_fields";
  let tieBreaker: number | undefined;
  let slop = 0;
  let given = false;
  let boost = 1;
  for (const [key, value] of Object.entries(body as Body)) {
    if (key === "query") {
      if (!isScalar(value)) throw unexpectedToken("multi_match", key, value);
      match.value = value;
      given = true;
    } else if (key === "fields") {
      for (const field of Array.isArray(value) ? value : [value]) fields.push(boostedField(field));
    } else if (key === "type") type = multiMatchType(value);
    else if (key === "tie_breaker") tieBreaker = Math.fround(toNumber(value, key));
    else if (key === "slop") slop = toSlop(value);
    else if (key === "boost") boost = toBoost(value);
    else if (!matchOption(match, fuzzy, key, value)) throw unknownOption("multi_match", key);
  }
  if (!given) throw parsingError("No text specified for multi_match query");
  match.fuzzy = fuzzy.finish();
  return {
    kind: "multi_match",
    fields,
    type,
    tieBreaker: tieBreaker ?? (type === "most_fields" || type === "bool_prefix" ? 1 : 0),
    match,
    slop,
    maxExpansions: fuzzy.maxExpansions,
    boost,
  };
}

function multiMatchType(value: unknown): MultiMatchType {
  const type = String(value);
  if (type === "cross_fields") throw notSupportedYet("The type [cross_fields] of the query [multi_match]");
  if (!MULTI_MATCH_TYPES.has(type)) {
    throw new RequestError(`failed to parse [multi_match] query type [${type}]. unknown type.`, {
      status: 400,
      type: "parse_exception",
    });
  }
  return type as MultiMatchType;
}

/** `name`, `name^2` or a pattern with `*`. */
function boostedField(value: unknown): { pattern: string; boost: number } {
  const text = toText(value, "fields");
  const at = text.lastIndexOf("^");
  if (at < 0) return { pattern: text, boost: 1 };
  return { pattern: text.slice(0, at), boost: toBoost(text.slice(at + 1)) };
}
