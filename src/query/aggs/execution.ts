/**
 * Runs the aggregations of one request over segments.
 *
 * For each segment: `segment`, then either `all` or any number of `collect`s. Segments without a match must come
 * too when `needsEverySegment` says so. `partial` ends it.
 *
 * @module
 */
import { assert } from "../../base/errors.ts";
import type { SearchContext, SearchSegment, SearchTarget } from "../target.ts";
import { Budget } from "./budget.ts";
import { CardinalityCollector } from "./cardinality.ts";
import {
  closeAll,
  collectAll,
  type Collector,
  type CollectorEnv,
  forward,
  openAll,
  resultsOf,
  ROOT_BUCKETS,
  type ScoredBatch,
} from "./collector.ts";
import { CompositeCollector } from "./composite.ts";
import { FiltersCollector } from "./filters.ts";
import { HistogramCollector } from "./histogram.ts";
import type { AggNode, AggTree } from "./node.ts";
import { PercentilesCollector } from "./percentiles.ts";
import { RangesCollector } from "./ranges.ts";
import type { AggResult } from "./result.ts";
import { SingleCollector } from "./single.ts";
import { StatsCollector } from "./stats.ts";
import { TermsCollector } from "./terms.ts";
import { readsScores, TopHitsCollector } from "./top_hits.ts";
import { WeightedAvgCollector } from "./weighted_avg.ts";

/** Results by position in `AggTree.nodes`; may be posted between threads. */
export type AggPartial = readonly AggResult[];

export interface ExecutionOptions {
  /**
   * Whether other partials of the same shards will be reduced with this one: then terms keep more than a shard's
   * share, so that splitting work over threads costs no exactness.
   */
  readonly shared?: boolean;
}

/** Takes the matching docs of one segment. */
export interface SegmentCollector {
  /**
   * Live matching docs, ascending; at most 4096 a call.
   *
   * @param scores Parallel to `docs`, or one for all; only asked for when `needsScores`.
   */
  collect(docs: Uint32Array, n: number, scores?: Float64Array | number): void;
  /** Every live doc of the segment matches: instead of `collect`. `score` is every doc's; default 1. */
  all(score?: number): void;
}

export class AggExecution {
  readonly #collectors: readonly Collector[];
  /** `global` aggregations: they see every live document. */
  readonly #globals: readonly Collector[];
  readonly #byNode: readonly Collector[];
  readonly #budget: Budget;
  readonly #scored: ScoredBatch = { docs: new Uint32Array(0), scores: undefined };
  #open = false;

  /** @throws {RequestError} 400: a field that cannot be aggregated on in one of the targets, a bad order path. */
  constructor(tree: AggTree, context: SearchContext, options: ExecutionOptions = {}) {
    this.#budget = new Budget(context.limits.memoryBytes);
    const env: CollectorEnv = {
      context,
      budget: this.#budget,
      scored: this.#scored,
      shared: options.shared === true,
    };
    this.#byNode = tree.nodes.map((node) => makeCollector(node, env, true));
    this.#collectors = this.#byNode.filter((one) => one.node.spec.kind !== "global");
    this.#globals = this.#byNode.filter((one) => one.node.spec.kind === "global");
  }

  /** Whether `segment` must be called for segments without matches as well. */
  get needsEverySegment(): boolean {
    return this.#globals.length > 0 || this.#byNode.some((one) => listsUnmatched(one.node));
  }

  /** Whether `collect` must be given scores. */
  get needsScores(): boolean {
    return this.#byNode.some((one) => ranksByScore(one.node));
  }

  get usedBytes(): number {
    return this.#budget.usedBytes;
  }

  /** Ends the segment before and begins this one. */
  segment(target: SearchTarget, segment: SearchSegment): SegmentCollector {
    this.#close();
    this.#open = true;
    openAll(this.#byNode, target, segment);
    const collectors = this.#collectors;
    const scored = this.#scored;
    scored.scores = 1;
    if (this.#globals.length > 0) collectAll(this.#globals, segment);
    return {
      collect: (docs, n, scores) => {
        scored.docs = docs;
        scored.scores = scores;
        forward(collectors, docs, ROOT_BUCKETS, n, 1);
      },
      all: (score = 1) => {
        scored.scores = score;
        collectAll(collectors, segment);
      },
    };
  }

  partial(): AggPartial {
    this.#close();
    return resultsOf(this.#byNode, 0);
  }

  #close(): void {
    if (this.#open) closeAll(this.#byNode);
    this.#open = false;
  }
}

/** Terms with `min_doc_count` 0 name terms of documents that do not match. */
function listsUnmatched(node: AggNode): boolean {
  return (node.spec.kind === "terms" && node.spec.minDocCount === 0) || node.subs.some(listsUnmatched);
}

function ranksByScore(node: AggNode): boolean {
  return (node.spec.kind === "top_hits" && readsScores(node.spec)) || node.subs.some(ranksByScore);
}

/** @param single Whether the parent is always bucket 0. */
function makeCollector(node: AggNode, env: CollectorEnv, single: boolean): Collector {
  const { spec } = node;
  // Below these the bucket stays the parent's.
  const keepsBucket = spec.kind === "filter" || spec.kind === "missing" || spec.kind === "global";
  const subs = node.subs.map((sub) => makeCollector(sub, env, single && keepsBucket));
  switch (spec.kind) {
    case "terms":
      return new TermsCollector({ ...node, spec }, env, { subs, single });
    case "histogram":
    case "date_histogram":
      return new HistogramCollector({ ...node, spec }, env, { subs, single });
    case "range":
    case "date_range":
    case "ip_range":
      return new RangesCollector({ ...node, spec }, env, subs);
    case "filter":
    case "missing":
    case "global":
      return new SingleCollector({ ...node, spec }, env, subs);
    case "filters":
      return new FiltersCollector({ ...node, spec }, env, subs);
    case "composite":
      return new CompositeCollector({ ...node, spec }, env, subs);
    case "cardinality":
      return new CardinalityCollector({ ...node, spec }, env);
    case "percentiles":
    case "percentile_ranks":
    case "median_absolute_deviation":
      return new PercentilesCollector({ ...node, spec }, env);
    case "top_hits":
      return new TopHitsCollector({ ...node, spec }, env);
    case "weighted_avg":
      return new WeightedAvgCollector({ ...node, spec }, env);
    default:
      assert("sigma" in spec, "a kind of stats");
      return new StatsCollector({ ...node, spec }, env);
  }
}
