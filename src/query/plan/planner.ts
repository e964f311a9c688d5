/**
 * From `Query` to `Plan`: one method a kind, compound queries here, leaves in their own files.
 *
 * @module
 */
import { RequestError } from "../../base/errors.ts";
import type { Field } from "../../schema/types.ts";
import type { BoolQuery, DisMaxQuery, MultiMatchQuery, Query } from "../queries/query.ts";
import type { SearchContext, SearchTarget } from "../target.ts";
import { Statistics } from "./bm25.ts";
import { minimumShouldMatch } from "./minimum_should_match.ts";
import { type BoolPlan, NONE, type Plan } from "./plan.ts";
import { planMatch, planMultiMatch, planPhrase } from "./plan_text.ts";
import {
  planExists,
  planFuzzy,
  planIds,
  planPrefix,
  planRange,
  planRegexp,
  planTerm,
  planTerms,
  planWildcard,
} from "./plan_terms.ts";

const fround = Math.fround;

/** Plans the queries of one request for one shard; counts clauses over all of them. */
export class Planner {
  readonly target: SearchTarget;
  readonly context: SearchContext;
  readonly statistics: Statistics;
  #clauses = 0;

  constructor(target: SearchTarget, context: SearchContext) {
    this.target = target;
    this.context = context;
    this.statistics = new Statistics(target);
  }

  /** @param boost Product of the boosts above. */
  plan(query: Query, boost: number, scored: boolean): Plan {
    const product = fround(boost * query.boost);
    switch (query.kind) {
      case "match_all":
        return { kind: "all", score: product };
      case "match_none":
        return NONE;
      case "bool":
        return this.#bool(query, product, scored);
      case "constant_score":
        return { kind: "constant", inner: this.plan(query.filter, 1, false), score: product };
      case "dis_max":
        return this.#disMax(query, product, scored);
      case "boosting":
        return {
          kind: "boosting",
          positive: this.plan(query.positive, product, scored),
          negative: this.plan(query.negative, 1, false),
          factor: query.negativeBoost,
        };
      case "match":
        return planMatch(this, query, product, scored);
      case "match_phrase":
        return planPhrase(this, query, product, scored);
      case "multi_match":
        return this.#multiMatch(query, product, scored);
      case "term":
        return planTerm(this, query, product, scored);
      case "terms":
        return planTerms(this, query, product);
      case "range":
        return planRange(this, query, product);
      case "prefix":
        return planPrefix(this, query, product);
      case "wildcard":
        return planWildcard(this, query, product);
      case "regexp":
        return planRegexp(this, query, product);
      case "fuzzy":
        return planFuzzy(this, query, product, scored);
      case "exists":
        return planExists(this, query, product);
      case "ids":
        return planIds(query.values, product);
    }
  }

  field(name: string): Field | undefined {
    return this.target.mapping.field(name);
  }

  /** @throws {RequestError} The query has too many clauses by now. */
  countClauses(count: number): void {
    this.#clauses += count;
    const limit = this.context.limits.maxClauses;
    if (this.#clauses > limit) {
      throw new RequestError(`Query contains too many clauses; maxClauseCount is set to ${limit}`, {
        status: 400,
        type: "too_many_clauses",
      });
    }
  }

  #bool(query: BoolQuery, boost: number, scored: boolean): Plan {
    const { must, filter, should, mustNot } = query;
    const clauses = must.length + filter.length + should.length + mustNot.length;
    if (clauses === 0) return { kind: "all", score: boost };
    this.countClauses(clauses);
    const required = must.length + filter.length;
    let minimum = 0;
    if (query.minimumShouldMatch !== undefined) {
      minimum = minimumShouldMatch(query.minimumShouldMatch, should.length);
    }
    if (required === 0 && should.length > 0) minimum = Math.max(1, minimum);
    const plan: BoolPlan = {
      kind: "bool",
      must: must.map((clause) => this.plan(clause, boost, scored)),
      filter: filter.map((clause) => this.plan(clause, 1, false)),
      should: scored || minimum > 0 ? should.map((clause) => this.plan(clause, boost, scored)) : [],
      mustNot: mustNot.map((clause) => this.plan(clause, 1, false)),
      minimum,
    };
    // Only exclusions: everything else matches, without a score.
    if (required + should.length === 0) return boolPlan({ ...plan, filter: [{ kind: "all", score: 0 }] });
    return boolPlan(plan);
  }

  #disMax(query: DisMaxQuery, boost: number, scored: boolean): Plan {
    this.countClauses(query.queries.length);
    return disMaxPlan(query.queries.map((clause) => this.plan(clause, boost, scored)), query.tieBreaker);
  }

  #multiMatch(query: MultiMatchQuery, boost: number, scored: boolean): Plan {
    return planMultiMatch(this, query, boost, scored);
  }
}

/**
 * Lifts the clauses of nested filters and of nested disjunctions into the plan: less to nest, the same docs. Scored
 * conjunctions stay: Lucene rounds their sums on their own.
 */
function flatten(plan: BoolPlan): BoolPlan {
  const filter: Plan[] = [];
  const should: Plan[] = [];
  const mustNot: Plan[] = [...plan.mustNot];
  for (const clause of plan.filter) {
    if (clause.kind === "bool" && clause.should.length === 0) {
      filter.push(...clause.must, ...clause.filter);
      mustNot.push(...clause.mustNot);
    } else filter.push(clause);
  }
  for (const clause of plan.should) {
    const isDisjunction = clause.kind === "bool" && clause.minimum === 1 &&
      clause.must.length + clause.filter.length + clause.mustNot.length === 0;
    if (isDisjunction && plan.minimum <= 1) should.push(...clause.should);
    else should.push(clause);
  }
  return { ...plan, filter, should, mustNot };
}

/** Drops what cannot match or need not be asked; scores stay as they are. */
export function boolPlan(nested: BoolPlan): Plan {
  const plan = flatten(nested);
  for (const clause of plan.must) if (clause.kind === "none") return NONE;
  for (const clause of plan.filter) if (clause.kind === "none") return NONE;
  for (const clause of plan.mustNot) if (clause.kind === "all") return NONE;
  const should = plan.should.filter((clause) => clause.kind !== "none");
  if (plan.minimum > should.length) return NONE;
  const mustNot = plan.mustNot.filter((clause) => clause.kind !== "none");
  const all = plan.filter.filter((clause) => clause.kind !== "all");
  const filter = all.length > 0 || plan.must.length + should.length > 0 ? all : plan.filter.slice(0, 1);
  if (mustNot.length === 0 && filter.length === 0) {
    if (plan.must.length === 1 && should.length === 0) return plan.must[0]!;
    if (plan.must.length === 0 && should.length === 1 && plan.minimum === 1) return should[0]!;
  }
  // "all" stood in for a requirement: what is left of should stays optional.
  if (filter.length === 0 && plan.must.length === 0 && plan.minimum === 0 && should.length > 0) {
    return { ...plan, should, mustNot, filter: [{ kind: "all", score: 0 }] };
  }
  return { ...plan, should, mustNot, filter };
}

export function disMaxPlan(plans: readonly Plan[], tieBreaker: number): Plan {
  const some = plans.filter((plan) => plan.kind !== "none");
  if (some.length === 0) return NONE;
  return some.length === 1 ? some[0]! : { kind: "dis_max", plans: some, tieBreaker };
}
