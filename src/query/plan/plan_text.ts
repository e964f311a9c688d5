/**
 * Full-text queries: analysis into terms, terms into clauses.
 *
 * @module
 */
import type { Token } from "../../analysis/mod.ts";
import { utf8 } from "../../base/bytes.ts";
import { RequestError } from "../../base/errors.ts";
import type { Field } from "../../schema/types.ts";
import type { FuzzyOptions, MatchPhraseQuery, MatchQuery, MultiMatchQuery } from "../queries/query.ts";
import { fuzzyPlan } from "./fuzzy_terms.ts";
import { minimumShouldMatch } from "./minimum_should_match.ts";
import { NONE, type PhraseSlot, type Plan } from "./plan.ts";
import { boolPlan, disMaxPlan, type Planner } from "./planner.ts";
import { exactTerm, prefixPlan } from "./plan_terms.ts";
import { queryShardError, unsupportedQuery } from "./terms.ts";

/** Tokens of a query text that stand at one position. */
interface Slot {
  readonly position: number;
  readonly terms: string[];
}

function analyse(
  planner: Planner,
  field: Field,
  text: string,
  options: { readonly query: string; readonly analyzer: string | undefined },
): Slot[] {
  const { analyzers } = planner.target;
  const name = options.analyzer ?? field.searchAnalyzer;
  if (!analyzers.has(name)) throw queryShardError(`[${options.query}] analyzer [${name}] not found`);
  const slots: Slot[] = [];
  for (const token of analyzers.get(name).analyze(text) as readonly Token[]) {
    const last = slots[slots.length - 1];
    if (last === undefined || last.position !== token.position) {
      slots.push({ position: token.position, terms: [token.term] });
    } else if (!last.terms.includes(token.term)) last.terms.push(token.term);
  }
  return slots;
}

export function planMatch(planner: Planner, query: MatchQuery, boost: number, scored: boolean): Plan {
  const field = planner.field(query.field);
  if (field === undefined || field.kind !== "text") {
    return matchExactly(planner, query, field, boost, scored);
  }
  requireIndexed(field);
  const text = String(query.value);
  const slots = analyse(planner, field, text, { query: "match", analyzer: query.analyzer });
  if (slots.length === 0) {
    return query.zeroTerms === "all" ? { kind: "all", score: boost } : NONE;
  }
  planner.countClauses(slots.length);
  const plans: Plan[] = [];
  const repeats = countRepeats(slots, query);
  slots.forEach((slot, i) => {
    const times = repeats.get(slot);
    if (times === undefined) return;
    const isLast = i === slots.length - 1;
    if (query.lastIsPrefix && isLast && slot.terms.length === 1) {
      plans.push(prefixPlan(field.name, utf8(slot.terms[0]!), boost));
    } else {
      plans.push(slotPlan(planner, field.name, slot, Math.fround(boost * times), scored, query.fuzzy));
    }
  });
  if (slots.length === 1) return plans[0]!;
  if (query.operator === "and") {
    return boolPlan({ kind: "bool", must: plans, filter: [], should: [], mustNot: [], minimum: 0 });
  }
  let minimum = 1;
  if (query.minimumShouldMatch !== undefined) {
    minimum = Math.max(1, minimumShouldMatch(query.minimumShouldMatch, slots.length));
  }
  return boolPlan({ kind: "bool", must: [], filter: [], should: plans, mustNot: [], minimum });
}

/**
 * How often each distinct slot occurs: repeats are folded into one clause of a higher boost, as Lucene rewrites
 * them, but where each repeat counts as a clause of its own.
 */
function countRepeats(slots: readonly Slot[], query: MatchQuery): Map<Slot, number> {
  const times = new Map<Slot, number>();
  const folds = query.minimumShouldMatch === undefined && query.fuzzy === undefined && !query.lastIsPrefix;
  const first = new Map<string, Slot>();
  for (const slot of slots) {
    const key = slot.terms.join("\0");
    const before = folds ? first.get(key) : undefined;
    if (before === undefined) {
      first.set(key, slot);
      times.set(slot, 1);
    } else times.set(before, times.get(before)! + 1);
  }
  return times;
}

function slotPlan(
  planner: Planner,
  field: string,
  slot: Slot,
  boost: number,
  scored: boolean,
  fuzzy: FuzzyOptions | undefined,
): Plan {
  if (fuzzy !== undefined && slot.terms.length === 1) {
    return fuzzyPlan(planner, field, slot.terms[0]!, fuzzy, boost, scored);
  }
  const terms = slot.terms.map(utf8);
  if (terms.length === 1) return termClause(planner, field, terms[0]!, boost, scored);
  if (!scored) return { kind: "synonyms", field, terms, scorer: null };
  // Lucene takes the highest frequency of the synonyms for the frequency of all.
  const { statistics } = planner;
  const docFreq = Math.max(...terms.map((term) => statistics.docFreq(field, term)));
  return { kind: "synonyms", field, terms, scorer: statistics.scorer(field, [docFreq], boost) };
}

function termClause(planner: Planner, field: string, term: Uint8Array, boost: number, scored: boolean): Plan {
  if (!scored) return { kind: "term", field, term, scorer: null, score: boost };
  const { statistics } = planner;
  const scorer = statistics.scorer(field, [statistics.docFreq(field, term)], boost);
  return { kind: "term", field, term, scorer, score: boost };
}

/** `match` where no analysis applies: keywords, numbers, dates, ips, fields that are not mapped. */
function matchExactly(
  planner: Planner,
  query: MatchQuery,
  field: Field | undefined,
  boost: number,
  scored: boolean,
): Plan {
  if (query.fuzzy !== undefined && field?.type === "keyword") {
    return fuzzyPlan(planner, field.name, String(query.value), query.fuzzy, boost, scored);
  }
  try {
    return exactTerm(planner, query.field, query.value, boost, scored);
  } catch (error) {
    if (query.lenient && error instanceof RequestError) return NONE;
    throw error;
  }
}

export function planPhrase(
  planner: Planner,
  query: MatchPhraseQuery,
  boost: number,
  scored: boolean,
): Plan {
  const field = planner.field(query.field);
  const isPrefix = query.prefixExpansions > 0;
  if (field === undefined || field.kind !== "text") {
    if (isPrefix && field !== undefined) {
      throw queryShardError(
        `failed to create query: Can only use phrase prefix queries on text fields - not on [${field.name}] which is of type [${field.type}]`,
      );
    }
    return exactTerm(planner, query.field, query.value, boost, scored);
  }
  requireIndexed(field);
  const name = isPrefix ? "match_phrase_prefix" : "match_phrase";
  const slots = analyse(planner, field, String(query.value), { query: name, analyzer: query.analyzer });
  if (slots.length === 0) {
    return query.zeroTerms === "all" ? { kind: "all", score: boost } : NONE;
  }
  planner.countClauses(slots.length);
  if (slots.length === 1 && !isPrefix) {
    return slotPlan(planner, field.name, slots[0]!, boost, scored, undefined);
  }
  if (slots.length === 1 && isPrefix) {
    const expansions = expandPrefix(planner, field.name, utf8(slots[0]!.terms[0]!), query.prefixExpansions);
    const plans = expansions.map((term) => termClause(planner, field.name, term, boost, scored));
    return boolPlan({ kind: "bool", must: [], filter: [], should: plans, mustNot: [], minimum: 1 });
  }
  if (!field.positions) {
    throw queryShardError(
      `failed to create query: field:[${field.name}] was indexed without position data; cannot run PhraseQuery`,
    );
  }
  const origin = slots[0]!.position;
  const phrase: PhraseSlot[] = slots.map((slot, i) => {
    const terms = slot.terms.map(utf8);
    const isOpen = isPrefix && i === slots.length - 1;
    return {
      terms: isOpen ? expandPrefix(planner, field.name, terms[0]!, query.prefixExpansions) : terms,
      offset: slot.position - origin,
    };
  });
  if (phrase.some((slot) => slot.terms.length === 0)) return NONE;
  const { statistics } = planner;
  const docFreqs = scored
    ? phrase.flatMap((slot) => slot.terms.map((term) => statistics.docFreq(field.name, term)))
    : [];
  return {
    kind: "phrase",
    field: field.name,
    slots: phrase,
    slop: query.slop,
    scorer: scored ? statistics.scorer(field.name, docFreqs, boost) : null,
  };
}

/** Up to `limit` terms that begin with `prefix`, the segments' dictionaries one after another. */
function expandPrefix(planner: Planner, field: string, prefix: Uint8Array, limit: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const { reader } of planner.target.segments) {
    const terms = reader.terms(field)?.iterate(prefix);
    while (terms?.next() && startsWith(terms.term, prefix)) {
      if (found.some((term) => sameBytes(term, terms.term))) continue;
      found.push(terms.term.slice());
      if (found.length >= limit) return found;
    }
  }
  return found;
}

export function startsWith(term: Uint8Array, prefix: Uint8Array): boolean {
  if (term.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (term[i] !== prefix[i]) return false;
  return true;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && startsWith(a, b);
}

export function planMultiMatch(
  planner: Planner,
  query: MultiMatchQuery,
  boost: number,
  scored: boolean,
): Plan {
  const plans: Plan[] = [];
  for (const { name, boost: fieldBoost } of resolveFields(planner, query)) {
    const product = Math.fround(boost * fieldBoost);
    const plan = multiMatchField(planner, query, name, product, scored);
    if (plan !== undefined) plans.push(plan);
  }
  planner.countClauses(plans.length);
  return disMaxPlan(plans, query.tieBreaker);
}

function multiMatchField(
  planner: Planner,
  query: MultiMatchQuery,
  field: string,
  boost: number,
  scored: boolean,
): Plan | undefined {
  const { match, type } = query;
  if (type === "phrase" || type === "phrase_prefix") {
    const { value, analyzer, zeroTerms } = match;
    const prefixExpansions = type === "phrase" ? 0 : query.maxExpansions;
    return planPhrase(
      planner,
      {
        kind: "match_phrase",
        field,
        value,
        slop: query.slop,
        analyzer,
        zeroTerms,
        prefixExpansions,
        boost: 1,
      },
      boost,
      scored,
    );
  }
  return planMatch(planner, { ...match, field, lastIsPrefix: type === "bool_prefix" }, boost, scored);
}

/** Names that the patterns stand for; a later mention multiplies its boost. */
function resolveFields(planner: Planner, query: MultiMatchQuery): { name: string; boost: number }[] {
  const boosts = new Map<string, number>();
  const patterns = query.fields.length > 0 ? query.fields : [{ pattern: "*", boost: 1 }];
  for (const { pattern, boost } of patterns) {
    for (const name of matchingFields(planner, pattern)) {
      boosts.set(name, Math.fround((boosts.get(name) ?? 1) * boost));
    }
  }
  return Array.from(boosts, ([name, boost]) => ({ name, boost }));
}

function matchingFields(planner: Planner, pattern: string): readonly string[] {
  if (!pattern.includes("*")) return [pattern];
  const expression = new RegExp(
    `^${pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`,
  );
  return planner.target.mapping.names().filter((name) => {
    const type = planner.field(name)?.type;
    return expression.test(name) && (type === "text" || type === "keyword");
  });
}

function requireIndexed(field: Field): void {
  if (field.indexed) return;
  throw unsupportedQuery(`Cannot search on field [${field.name}] since it is not indexed.`);
}
