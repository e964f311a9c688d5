/**
 * Queries about terms as they are, without analysis.
 *
 * @module
 */
import { illegalArgument, parsingError, RequestError } from "../../base/errors.ts";
import {
  fieldOf,
  isObject,
  isScalar,
  notSupportedYet,
  toBoolean,
  toBoost,
  toInteger,
  toText,
  unexpectedToken,
  unknownOption,
} from "./body.ts";
import { parseFuzziness } from "./fuzziness.ts";
import type { FuzzyOptions, Query, Scalar } from "./query.ts";

type Body = { readonly [key: string]: unknown };

/** `{"field": value}` or `{"field": {"value": ..., options}}`; `option` takes what it knows and says so. */
function valueBody(
  query: string,
  body: unknown,
  option: (key: string, value: unknown) => boolean,
): { field: string; value: Scalar; boost: number } {
  const found = fieldOf(query, body);
  if (found === undefined || found.value === null) {
    throw illegalArgument("field name is null or empty");
  }
  const { field, value } = found;
  if (Array.isArray(value)) throw parsingError(`[${query}] query does not support array of values`);
  if (isScalar(value)) return { field, value, boost: siblingBoost(body) };
  let term: unknown;
  let boost = 1;
  for (const [key, inner] of Object.entries(value as Body)) {
    if (key === "value" || (key === query && query !== "term") || (key === "term" && query === "term")) {
      if (!isScalar(inner)) throw unexpectedToken(query, key, inner);
      term = inner;
    } else if (key === "boost") {
      boost = toBoost(inner);
    } else if (key !== "_name" && key !== "rewrite" && !option(key, inner)) {
      throw unknownOption(query, key);
    }
  }
  if (!isScalar(term)) throw illegalArgument("value cannot be null");
  return { field, value: term, boost };
}

function siblingBoost(body: unknown): number {
  const boost = (body as Body).boost;
  return boost === undefined || isObject(boost) ? 1 : toBoost(boost);
}

export function parseTerm(body: unknown): Query {
  let caseInsensitive = false;
  const { field, value, boost } = valueBody("term", body, (key, option) => {
    if (key !== "case_insensitive") return false;
    caseInsensitive = toBoolean(option);
    return true;
  });
  return { kind: "term", field, value, caseInsensitive, boost };
}

export function parsePrefix(body: unknown): Query {
  return patternQuery("prefix", body);
}

export function parseWildcard(body: unknown): Query {
  return patternQuery("wildcard", body);
}

export function parseRegexp(body: unknown): Query {
  return patternQuery("regexp", body);
}

function patternQuery(kind: "prefix" | "wildcard" | "regexp", body: unknown): Query {
  let caseInsensitive = false;
  const { field, value, boost } = valueBody(kind, body, (key, option) => {
    if (key === "case_insensitive") {
      caseInsensitive = toBoolean(option);
      return true;
    }
    return kind === "regexp" &&
      (key === "flags" || key === "flags_value" || key === "max_determinized_states");
  });
  return { kind, field, value: String(value), caseInsensitive, boost };
}

export function parseFuzzy(body: unknown): Query {
  const options: { -readonly [key in keyof FuzzyOptions]: FuzzyOptions[key] } = {
    fuzziness: { kind: "auto", low: 3, high: 6 },
    prefixLength: 0,
    maxExpansions: 50,
    transpositions: true,
  };
  const { field, value, boost } = valueBody("fuzzy", body, (key, option) => {
    if (key === "fuzziness") options.fuzziness = parseFuzziness(option);
    else if (key === "prefix_length") options.prefixLength = toInteger(option, key);
    else if (key === "max_expansions") options.maxExpansions = toInteger(option, key);
    else if (key === "transpositions") options.transpositions = toBoolean(option);
    else return false;
    return true;
  });
  return { kind: "fuzzy", field, value: String(value), fuzzy: options, boost };
}

/** Most values of one `terms` query, as Elasticsearch's `index.max_terms_count`. */
const MAX_TERMS = 65_536;

export function parseTerms(body: unknown): Query {
  let field: string | undefined;
  const values: Scalar[] = [];
  let boost = 1;
  for (const [key, value] of Object.entries(body as Body)) {
    if (Array.isArray(value) || isObject(value)) {
      if (field !== undefined) throw parsingError("[terms] query does not support multiple fields");
      field = key;
      if (!Array.isArray(value)) throw notSupportedYet("The terms look-up of the query [terms]");
      for (const item of value) {
        if (item === null) throw parsingError("No value specified for terms query");
        if (!isScalar(item)) {
          throw illegalArgument(`[terms] query does not support values of type ${typeof item}`);
        }
        values.push(item);
      }
    } else if (key === "boost") {
      boost = toBoost(value);
    } else if (key !== "_name") throw unknownOption("terms", key);
  }
  if (field === undefined) {
    throw parsingError(
      "[terms] query requires a field name, followed by array of terms or a document lookup specification",
    );
  }
  if (values.length > MAX_TERMS) {
    throw illegalArgument(
      `The number of terms [${values.length}] used in the Terms Query request has exceeded the allowed maximum of [${MAX_TERMS}]. ` +
        "This maximum can be set by changing the [index.max_terms_count] index level setting.",
    );
  }
  return { kind: "terms", field, values, boost };
}

export function parseExists(body: unknown): Query {
  let field: string | undefined;
  let boost = 1;
  for (const [key, value] of Object.entries(body as Body)) {
    if (key !== "field" && key !== "boost" && key !== "_name") throw unknownOption("exists", key);
    if (!isScalar(value)) throw unexpectedToken("exists", key, value);
    if (key === "field") field = toText(value, key);
    else if (key === "boost") boost = toBoost(value);
  }
  if (field === undefined) throw parsingError("[exists] must be provided with a [field]");
  if (field === "") throw illegalArgument("field name is null or empty");
  return { kind: "exists", field, boost };
}

export function parseIds(body: unknown): Query {
  const values: string[] = [];
  let boost = 1;
  for (const [key, value] of Object.entries(body as Body)) {
    if (key === "values") {
      for (const id of Array.isArray(value) ? value : [value]) values.push(toText(id, "ids"));
    } else if (key === "boost") {
      boost = toBoost(value);
    } else if (key !== "_name" && key !== "type") {
      throw new RequestError(`[ids] unknown field [${key}]`, {
        status: 400,
        type: "parsing_exception",
        causedBy: { type: "x_content_parse_exception", reason: `[ids] unknown field [${key}]` },
      });
    }
  }
  return { kind: "ids", values, boost };
}
