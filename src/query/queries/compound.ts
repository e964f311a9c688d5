/**
 * Queries made of queries.
 *
 * @module
 */
import { causeOf, parsingError, RequestError } from "../../base/errors.ts";
import { isObject, toBoost, tokenName, toNumber, toText, unknownOption } from "./body.ts";
import type { ParseInner } from "./parse.ts";
import type { Query } from "./query.ts";

type Body = { readonly [key: string]: unknown };

export function parseMatchAll(body: unknown): Query {
  return { kind: "match_all", boost: boostOnly("match_all", body as Body) };
}

export function parseMatchNone(body: unknown): Query {
  return { kind: "match_none", boost: boostOnly("match_none", body as Body) };
}

function boostOnly(name: string, body: Body): number {
  let boost = 1;
  for (const key in body) {
    if (key === "boost") boost = toBoost(body[key]);
    else if (key !== "_name") throw unknownOf(name, key);
  }
  return boost;
}

/** As Elasticsearch's object parser says it, within a query. */
function unknownOf(name: string, key: string): RequestError {
  const reason = `[${name}] unknown field [${key}]`;
  return new RequestError(reason, {
    status: 400,
    type: "parsing_exception",
    causedBy: { type: "x_content_parse_exception", reason },
  });
}

function contentError(reason: string): RequestError {
  return new RequestError(reason, { status: 400, type: "x_content_parse_exception" });
}

const BOOL_LISTS: Readonly<Record<string, "must" | "filter" | "should" | "mustNot">> = {
  must: "must",
  filter: "filter",
  should: "should",
  must_not: "mustNot",
  mustNot: "mustNot",
};

export function parseBool(body: unknown, inner: ParseInner): Query {
  const lists = {
    must: [] as Query[],
    filter: [] as Query[],
    should: [] as Query[],
    mustNot: [] as Query[],
  };
  let boost = 1;
  let minimumShouldMatch: string | undefined;
  for (const [key, value] of Object.entries(body as Body)) {
    const list = Object.hasOwn(BOOL_LISTS, key) ? BOOL_LISTS[key] : undefined;
    if (list !== undefined) {
      lists[list].push(...clauses(key, value, inner));
    } else if (key === "minimum_should_match") {
      minimumShouldMatch = value === null ? undefined : toText(value, key);
    } else if (key === "boost") {
      boost = toBoost(value);
    } else if (key !== "_name" && key !== "adjust_pure_negative") {
      throw contentError(`[bool] unknown field [${key}]`);
    }
  }
  return { kind: "bool", ...lists, minimumShouldMatch, boost };
}

function clauses(key: string, value: unknown, inner: ParseInner): Query[] {
  if (isObject(value)) return [inside(key, value, inner)];
  if (Array.isArray(value)) return value.map((clause) => inside(key, clause, inner));
  throw contentError(`[bool] ${key} doesn't support values of type: ${tokenName(value)}`);
}

/** Elasticsearch wraps what goes wrong inside of a clause. */
function inside(key: string, clause: unknown, inner: ParseInner): Query {
  try {
    return inner(clause);
  } catch (error) {
    if (!(error instanceof RequestError) || error.status !== 400) throw error;
    throw new RequestError(`[bool] failed to parse field [${key}]`, {
      status: 400,
      type: "x_content_parse_exception",
      causedBy: causeOf(error),
    });
  }
}

export function parseConstantScore(body: unknown, inner: ParseInner): Query {
  let filter: Query | undefined;
  let boost = 1;
  for (const [key, value] of Object.entries(body as Body)) {
    if (key === "filter") {
      if (Array.isArray(value)) throw parsingError("unexpected token [START_ARRAY]");
      filter = inner(value);
    } else if (key === "boost") {
      boost = toBoost(value);
    } else if (key !== "_name") throw unknownOption("constant_score", key);
  }
  if (filter === undefined) throw parsingError("[constant_score] requires a 'filter' element");
  return { kind: "constant_score", filter, boost };
}

export function parseDisMax(body: unknown, inner: ParseInner): Query {
  const queries: Query[] = [];
  let tieBreaker = 0;
  let boost = 1;
  for (const [key, value] of Object.entries(body as Body)) {
    if (key === "queries") {
      for (const clause of Array.isArray(value) ? value : [value]) queries.push(inner(clause));
    } else if (key === "tie_breaker") {
      tieBreaker = Math.fround(toNumber(value, key));
    } else if (key === "boost") {
      boost = toBoost(value);
    } else if (key !== "_name") throw unknownOption("dis_max", key);
  }
  if (queries.length === 0) {
    throw parsingError("[dis_max] requires 'queries' field with at least one clause");
  }
  return { kind: "dis_max", queries, tieBreaker, boost };
}

export function parseBoosting(body: unknown, inner: ParseInner): Query {
  let positive: Query | undefined;
  let negative: Query | undefined;
  let negativeBoost = -1;
  let boost = 1;
  for (const [key, value] of Object.entries(body as Body)) {
    if (key === "positive") positive = inner(value);
    else if (key === "negative") negative = inner(value);
    else if (key === "negative_boost") negativeBoost = Math.fround(toNumber(value, key));
    else if (key === "boost") boost = toBoost(value);
    else if (key !== "_name") throw unknownOption("boosting", key);
  }
  if (positive === undefined) {
    throw parsingError("[boosting] query requires 'positive' query to be set'");
  }
  if (negative === undefined) {
    throw parsingError("[boosting] query requires 'negative' query to be set'");
  }
  if (negativeBoost < 0) {
    throw parsingError(
      "[boosting] query requires 'negative_boost' to be set to be a positive value'",
    );
  }
  return { kind: "boosting", positive, negative, negativeBoost, boost };
}
