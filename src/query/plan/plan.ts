/**
 * What a query means for one shard: fields resolved, text analysed, values typed, weights computed. Nothing in it
 * depends on a segment.
 *
 * @module
 */
import type { NumberRange } from "../../schema/values.ts";
import type { Query } from "../queries/query.ts";
import type { SearchContext, SearchTarget } from "../target.ts";
import type { Bm25 } from "./bm25.ts";
import { Planner } from "./planner.ts";

export type Plan =
  | AllPlan
  | NonePlan
  | TermPlan
  | SynonymPlan
  | PhrasePlan
  | TermSetPlan
  | TermRangePlan
  | TermScanPlan
  | NumberRangePlan
  | NumberSetPlan
  | ExistsPlan
  | IdsPlan
  | ConstantPlan
  | BoolPlan
  | DisMaxPlan
  | BoostingPlan;

/** Every doc. */
export interface AllPlan {
  readonly kind: "all";
  readonly score: number;
}

export interface NonePlan {
  readonly kind: "none";
}

/** Docs that have a term. */
export interface TermPlan {
  readonly kind: "term";
  readonly field: string;
  readonly term: Uint8Array;
  /** Null: every match scores `score`. */
  readonly scorer: Bm25 | null;
  readonly score: number;
}

/** Docs that have any of several terms, scored as if they were one. */
export interface SynonymPlan {
  readonly kind: "synonyms";
  readonly field: string;
  readonly terms: readonly Uint8Array[];
  readonly scorer: Bm25 | null;
}

/** Docs in which terms stand in order. */
export interface PhrasePlan {
  readonly kind: "phrase";
  readonly field: string;
  /** Each slot is taken by any of its terms; `offset` is its place in the phrase. */
  readonly slots: readonly PhraseSlot[];
  readonly slop: number;
  readonly scorer: Bm25 | null;
}

export interface PhraseSlot {
  readonly terms: readonly Uint8Array[];
  readonly offset: number;
}

/** Docs that have any of the terms (ascending, distinct). */
export interface TermSetPlan {
  readonly kind: "term_set";
  readonly field: string;
  readonly terms: readonly Uint8Array[];
  readonly score: number;
}

/** Docs that have a term t with from <= t < to; undefined: open. */
export interface TermRangePlan {
  readonly kind: "term_range";
  readonly field: string;
  readonly from: Uint8Array | undefined;
  readonly to: Uint8Array | undefined;
  readonly score: number;
}

/** Docs that have a term that begins with `prefix` and that `accepts`. */
export interface TermScanPlan {
  readonly kind: "term_scan";
  readonly field: string;
  readonly prefix: Uint8Array;
  readonly accepts: (term: Uint8Array) => boolean;
  readonly score: number;
  /** For `_explain`. */
  readonly label: string;
}

/** Docs that have a number within closed bounds. */
export interface NumberRangePlan {
  readonly kind: "number_range";
  readonly field: string;
  readonly range: NumberRange;
  readonly score: number;
}

/** Docs that have one of the numbers, each given as bounds that hold just it. */
export interface NumberSetPlan {
  readonly kind: "number_set";
  readonly field: string;
  readonly values: readonly NumberRange[];
  readonly score: number;
}

/** Docs that have any of the fields. */
export interface ExistsPlan {
  readonly kind: "exists";
  readonly fields: readonly string[];
  readonly score: number;
}

export interface IdsPlan {
  readonly kind: "ids";
  readonly ids: readonly Uint8Array[];
  readonly score: number;
}

export interface ConstantPlan {
  readonly kind: "constant";
  readonly inner: Plan;
  readonly score: number;
}

/**
 * must and filter all match, none of mustNot does, at least `minimum` of should do. Without must and filter,
 * `minimum` is at least 1.
 */
export interface BoolPlan {
  readonly kind: "bool";
  readonly must: readonly Plan[];
  readonly filter: readonly Plan[];
  readonly should: readonly Plan[];
  readonly mustNot: readonly Plan[];
  readonly minimum: number;
}

export interface DisMaxPlan {
  readonly kind: "dis_max";
  readonly plans: readonly Plan[];
  readonly tieBreaker: number;
}

/** Docs of `positive`, their score times `factor` where `negative` matches too. */
export interface BoostingPlan {
  readonly kind: "boosting";
  readonly positive: Plan;
  readonly negative: Plan;
  readonly factor: number;
}

export const NONE: NonePlan = { kind: "none" };

/**
 * Plans a query for one shard.
 *
 * @param options.scored False: nobody will look at scores, so no statistics are gathered.
 * @throws {RequestError} A value does not fit its field, or the query has too many clauses.
 */
export function planQuery(
  query: Query,
  target: SearchTarget,
  context: SearchContext,
  options: { readonly scored: boolean },
): Plan {
  return new Planner(target, context).plan(query, 1, options.scored);
}
