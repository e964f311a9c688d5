/**
 * Term-level queries: a value becomes a term or a range of the field's own type.
 *
 * @module
 */
import { compareBytes, concatBytes, utf8 } from "../../base/bytes.ts";
import type { Field } from "../../schema/types.ts";
import { ipRange, type NumberRange, numberRange, numberTerm, timeZone } from "../../schema/values.ts";
import type {
  ExistsQuery,
  FuzzyQuery,
  PrefixQuery,
  RangeQuery,
  RegexpQuery,
  Scalar,
  TermQuery,
  TermsQuery,
  WildcardQuery,
} from "../queries/query.ts";
import type { Automaton } from "./automaton.ts";
import { fuzzyPlan } from "./fuzzy_terms.ts";
import { NONE, type Plan } from "./plan.ts";
import type { Planner } from "./planner.ts";
import { regexpAutomaton } from "./regexp.ts";
import { creating, keyPrefix, keywordBytes, queryShardError, termOf, unsupportedQuery } from "./terms.ts";
import { wildcardAutomaton } from "./wildcard.ts";

export function planTerm(planner: Planner, query: TermQuery, boost: number, scored: boolean): Plan {
  const { field, value } = query;
  if (!query.caseInsensitive) return exactTerm(planner, field, value, boost, scored);
  const mapped = planner.field(field);
  if (mapped === undefined || mapped.kind === "none") return NONE;
  if (mapped.type !== "keyword" && mapped.type !== "text" && mapped.type !== "flattened") {
    throw queryShardError(
      `[${field}] field which is of type [${mapped.type}], does not support case insensitive term queries`,
    );
  }
  const automaton = wildcardAutomaton(String(value), { caseInsensitive: true, literal: true });
  return scanPlan(mapped, automaton, boost, `${field}:${String(value)} (any case)`);
}

/** The docs whose field holds exactly this value: what `term`, and `match` without analysis, mean. */
export function exactTerm(
  planner: Planner,
  name: string,
  value: Scalar,
  boost: number,
  scored: boolean,
): Plan {
  if (name === "_id") return planIds([String(value)], boost);
  if (name === "_index") {
    return String(value) === planner.target.index ? { kind: "all", score: boost } : NONE;
  }
  const field = planner.field(name);
  if (field === undefined) return metaTerm(name, value, boost);
  if (field.type === "binary") throw unsupportedQuery("Binary fields do not support searching");
  switch (field.kind) {
    case "none":
      return NONE;
    case "number":
    case "wide":
      return exactNumber(planner, field, value, boost, scored);
    case "term":
      requireSearchable(field);
      if (field.type === "ip") return ipPlan(planner, field, value, boost);
      return termPlan(planner, field, keywordBytes(planner.target, field, value), boost, scored);
    case "text":
      requireSearchable(field);
      return termPlan(planner, field, utf8(String(value)), boost, scored);
  }
}

function termPlan(
  planner: Planner,
  field: Field,
  term: Uint8Array,
  boost: number,
  scored: boolean,
): Plan {
  if (!scored || !field.indexed) return { kind: "term", field: field.name, term, scorer: null, score: boost };
  const docFreq = planner.statistics.docFreq(field.name, term);
  if (docFreq === 0) return NONE;
  const scorer = planner.statistics.scorer(field.name, [docFreq], boost);
  return { kind: "term", field: field.name, term, scorer, score: boost };
}

/** Fields that every document has without a mapping. */
function metaTerm(name: string, value: Scalar, boost: number): Plan {
  if (name === "_ignored") {
    return { kind: "term", field: name, term: utf8(String(value)), scorer: null, score: boost };
  }
  const number = META_NUMBERS.has(name) ? BigInt(Math.trunc(Number(value))) : undefined;
  return number === undefined ? NONE : metaRange(name, number, number, boost);
}

/** Fields that every document has a number of. */
const META_NUMBERS: ReadonlySet<string> = new Set(["_seq_no", "_version"]);

function metaRange(field: string, low: bigint, high: bigint, boost: number): Plan {
  const range = { low: Number(low), high: Number(high), lowWide: low, highWide: high };
  return { kind: "number_range", field, range, score: boost };
}

function exactNumber(planner: Planner, field: Field, value: Scalar, boost: number, scored: boolean): Plan {
  const range = creating(() => numberTerm(field, value, { nowMs: planner.context.nowMs }));
  if (isEmpty(range)) return NONE;
  const score = scored && field.type === "boolean"
    ? planner.statistics.booleanScore(field.name, range.low === 1, boost)
    : boost;
  return { kind: "number_range", field: field.name, range, score };
}

function isEmpty(range: NumberRange): boolean {
  return range.low > range.high && range.lowWide > range.highWide;
}

export function planTerms(planner: Planner, query: TermsQuery, boost: number): Plan {
  const { field: name, values } = query;
  if (values.length === 0) return NONE;
  if (name === "_id") return planIds(values.map(String), boost);
  const field = planner.field(name);
  if (field?.type === "binary") throw unsupportedQuery("Binary fields do not support searching");
  if (name === "_index" || field === undefined || field.kind === "none") {
    return values.some((value) => exactTerm(planner, name, value, boost, false).kind === "all")
      ? { kind: "all", score: boost }
      : NONE;
  }
  if (field.kind === "number" || field.kind === "wide") {
    const dates = { nowMs: planner.context.nowMs };
    const ranges = creating(() => values.map((value) => numberTerm(field, value, dates)))
      .filter((range) => !isEmpty(range));
    if (ranges.length === 0) return NONE;
    if (field.type === "date" || field.type === "date_nanos") {
      return anyOf(
        ranges.map((range) => ({ kind: "number_range", field: field.name, range, score: 1 })),
        boost,
      );
    }
    return { kind: "number_set", field: field.name, values: ranges, score: boost };
  }
  requireSearchable(field);
  if (field.kind === "text") {
    return {
      kind: "term_set",
      field: field.name,
      terms: distinct(values.map((value) => utf8(String(value)))),
      score: boost,
    };
  }
  const terms: Uint8Array[] = [];
  const blocks: Plan[] = [];
  for (const value of values) {
    const term = termOf(planner.target, field, value);
    if (term instanceof Uint8Array) terms.push(term);
    else blocks.push(addressPlan(field, term.low, term.high, boost));
  }
  const set: Plan = { kind: "term_set", field: field.name, terms: distinct(terms), score: boost };
  if (blocks.length === 0) return set;
  return anyOf(terms.length === 0 ? blocks : [set, ...blocks], boost);
}

function distinct(terms: Uint8Array[]): Uint8Array[] {
  terms.sort(compareBytes);
  return terms.filter((term, i) => i === 0 || compareBytes(term, terms[i - 1]!) !== 0);
}

/** Matches any of the plans, at one score. */
function anyOf(plans: readonly Plan[], score: number): Plan {
  const some = plans.filter((plan) => plan.kind !== "none");
  if (some.length === 0) return NONE;
  const inner: Plan = some.length === 1
    ? some[0]!
    : { kind: "bool", must: [], filter: [], should: some, mustNot: [], minimum: 1 };
  return { kind: "constant", inner, score };
}

export function planRange(planner: Planner, query: RangeQuery, boost: number): Plan {
  const field = planner.field(query.field);
  if (field === undefined) {
    if (!META_NUMBERS.has(query.field)) return NONE;
    const from = query.from === undefined ? 0n : BigInt(Math.ceil(Number(query.from)));
    const to = query.to === undefined ? (1n << 62n) : BigInt(Math.floor(Number(query.to)));
    return metaRange(
      query.field,
      query.includeFrom ? from : from + 1n,
      query.includeTo ? to : to - 1n,
      boost,
    );
  }
  switch (field.kind) {
    case "none":
      return NONE;
    case "number":
    case "wide": {
      const dates = {
        nowMs: planner.context.nowMs,
        format: query.format,
        timeZone: query.timeZone === undefined ? undefined : timeZone(query.timeZone),
      };
      const range = creating(() => numberRange(field, boundsOf(query), dates));
      return isEmpty(range) ? NONE : { kind: "number_range", field: field.name, range, score: boost };
    }
    case "term":
    case "text":
      requireSearchable(field);
      if (field.type === "ip") {
        const range = creating(() => ipRange(boundsOf(query)));
        return range === undefined ? NONE : addressPlan(field, range.low, range.high, boost);
      }
      return termRange(planner, field, query, boost);
  }
}

function boundsOf(query: RangeQuery): { gt?: Scalar; gte?: Scalar; lt?: Scalar; lte?: Scalar } {
  return {
    ...(query.from === undefined ? {} : query.includeFrom ? { gte: query.from } : { gt: query.from }),
    ...(query.to === undefined ? {} : query.includeTo ? { lte: query.to } : { lt: query.to }),
  };
}

function termRange(planner: Planner, field: Field, query: RangeQuery, boost: number): Plan {
  const bytes = (value: Scalar) =>
    field.kind === "text" ? utf8(String(value)) : keywordBytes(planner.target, field, value);
  let from = query.from === undefined ? undefined : bytes(query.from);
  let to = query.to === undefined ? undefined : bytes(query.to);
  if (from !== undefined && !query.includeFrom) from = successor(from);
  if (to !== undefined && query.includeTo) to = successor(to);
  if (field.flattenedKey !== "") {
    from ??= keyPrefix(field);
    to ??= afterPrefix(keyPrefix(field));
  }
  if (from !== undefined && to !== undefined && compareBytes(from, to) >= 0) return NONE;
  return { kind: "term_range", field: field.name, from, to, score: boost };
}

/** The least byte string greater than `bytes`. */
function successor(bytes: Uint8Array): Uint8Array {
  const next = new Uint8Array(bytes.length + 1);
  next.set(bytes);
  return next;
}

function ipPlan(planner: Planner, field: Field, value: Scalar, boost: number): Plan {
  const term = termOf(planner.target, field, value);
  if (!(term instanceof Uint8Array)) return addressPlan(field, term.low, term.high, boost);
  return { kind: "term", field: field.name, term, scorer: null, score: boost };
}

/** Addresses low to high, both included. */
function addressPlan(field: Field, low: Uint8Array, high: Uint8Array, boost: number): Plan {
  if (compareBytes(low, high) > 0) return NONE;
  return { kind: "term_range", field: field.name, from: low, to: successor(high), score: boost };
}

/** Terms that begin with `prefix`, at one score. */
export function prefixPlan(field: string, prefix: Uint8Array, boost: number): Plan {
  return { kind: "term_range", field, from: prefix, to: afterPrefix(prefix), score: boost };
}

/** The least byte string greater than everything that begins with `prefix`; undefined: there is none. */
export function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const next = prefix.slice(0, length);
  next[length - 1]!++;
  return next;
}

export function planPrefix(planner: Planner, query: PrefixQuery, boost: number): Plan {
  const field = patternField(planner, query.field, "prefix");
  if (field === undefined) return NONE;
  if (query.caseInsensitive) {
    const automaton = wildcardAutomaton(query.value, {
      caseInsensitive: true,
      literal: true,
      openEnd: true,
    });
    return scanPlan(field, automaton, boost, `${field.name}:${query.value}* (any case)`);
  }
  const prefix = field.kind === "term" ? keywordBytes(planner.target, field, query.value) : utf8(query.value);
  return prefixPlan(field.name, prefix, boost);
}

export function planWildcard(planner: Planner, query: WildcardQuery, boost: number): Plan {
  const field = patternField(planner, query.field, "wildcard");
  if (field === undefined) return NONE;
  const automaton = wildcardAutomaton(query.value, { caseInsensitive: query.caseInsensitive });
  return scanPlan(field, automaton, boost, `${field.name}:${query.value}`);
}

export function planRegexp(planner: Planner, query: RegexpQuery, boost: number): Plan {
  const field = patternField(planner, query.field, "regexp");
  if (field === undefined) return NONE;
  const automaton = regexpAutomaton(query.value, query.caseInsensitive);
  return scanPlan(field, automaton, boost, `${field.name}:/${query.value}/`);
}

/** Terms that the automaton accepts; of a flattened field's key, what follows the key. */
function scanPlan(field: Field, automaton: Automaton, boost: number, label: string): Plan {
  const key = keyPrefix(field);
  return {
    kind: "term_scan",
    field: field.name,
    prefix: concatBytes([key, automaton.literalPrefix()]),
    accepts: key.length === 0
      ? (term) => automaton.accepts(term)
      : (term) => automaton.accepts(term.subarray(key.length)),
    score: boost,
    label,
  };
}

export function planFuzzy(planner: Planner, query: FuzzyQuery, boost: number, scored: boolean): Plan {
  const field = planner.field(query.field);
  if (field === undefined) return NONE;
  if (field.type !== "keyword" && field.type !== "text") {
    throw queryShardError(
      `failed to create query: Can only use fuzzy queries on keyword and text fields - not on [${query.field}] which is of type [${field.type}]`,
    );
  }
  requireSearchable(field);
  return fuzzyPlan(planner, field.name, query.value, query.fuzzy, boost, scored);
}

function patternField(planner: Planner, name: string, query: string): Field | undefined {
  const field = planner.field(name);
  if (field === undefined) return undefined;
  if (field.type !== "keyword" && field.type !== "text" && field.type !== "flattened") {
    throw queryShardError(
      `Can only use ${query} queries on keyword, text and wildcard fields - not on [${name}] which is of type [${field.type}]`,
    );
  }
  requireSearchable(field);
  return field;
}

function requireSearchable(field: Field): void {
  if (field.indexed || (field.kind === "term" && field.docValues)) return;
  const missing = field.kind === "term" ? " nor has doc values" : "";
  throw unsupportedQuery(`Cannot search on field [${field.name}] since it is not indexed${missing}.`);
}

export function planExists(planner: Planner, query: ExistsQuery, boost: number): Plan {
  const { mapping } = planner.target;
  const name = query.field;
  const always = name === "_id" || name === "_index" || name === "_seq_no" || name === "_version" ||
    name === "_source";
  if (always) return { kind: "all", score: boost };
  if (name === "_ignored") return { kind: "exists", fields: [name], score: boost };
  const field = mapping.field(name);
  if (field !== undefined && field.flattenedKey !== "") {
    return prefixPlan(field.name, keyPrefix(field), boost);
  }
  if (field !== undefined) return { kind: "exists", fields: [field.name], score: boost };
  const below = `${name}.`;
  const pattern = name.includes("*")
    ? new RegExp(`^${name.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`)
    : undefined;
  const fields = mapping.fields
    .map((leaf) => leaf.name)
    .filter((leaf) => (pattern === undefined ? leaf.startsWith(below) : pattern.test(leaf)));
  return fields.length === 0 ? NONE : { kind: "exists", fields, score: boost };
}

export function planIds(values: readonly string[], boost: number): Plan {
  if (values.length === 0) return NONE;
  return { kind: "ids", ids: Array.from(new Set(values), utf8), score: boost };
}
