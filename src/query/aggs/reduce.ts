/**
 * Joins the partial results of several threads or shards into the final one.
 *
 * Sums are compensated; orders, sizes and minimal counts are applied; gaps of histograms are filled; then
 * pipelines run.
 *
 * @module
 */
import { assert, RequestError } from "../../base/errors.ts";
import { resolveOrder, sortBuckets } from "./bucket_order.ts";
import { reduceComposite } from "./composite_reduce.ts";
import { typeMismatch } from "./field_use.ts";
import { fillHistogram } from "./histogram_fill.ts";
import { DistinctCounter } from "./hyperloglog.ts";
import { digestOf } from "./metric_value.ts";
import type { AggNode, AggTree, TermsSpec } from "./node.ts";
import { runPipelines, runSiblings } from "./pipelines.ts";
import type {
  AggResult,
  Bucket,
  BucketKey,
  CardinalityResult,
  DigestResult,
  HistogramResult,
  HitsResult,
  RangesResult,
  SingleResult,
  StatsResult,
  TermsResult,
  WeightedAvgResult,
} from "./result.ts";
import { addCompensated } from "./stats.ts";
import { reduceTopHits } from "./top_hits_reduce.ts";

export interface ReduceContext {
  readonly nowMs: number;
  readonly maxBuckets: number;
}

/** Final results of one level, by position in `nodes` and `pipelines`. */
export interface Reduced {
  readonly results: readonly AggResult[];
  readonly pipes: readonly (AggResult | undefined)[];
}

/**
 * @param partials One or more, each with a result for every node of `tree`.
 * @throws {RequestError} `too_many_buckets_exception`, or keys of two kinds that cannot be merged.
 */
export function reduceAggs(
  tree: AggTree,
  partials: readonly (readonly AggResult[])[],
  context: ReduceContext,
): Reduced {
  assert(partials.length > 0, "something to reduce");
  const reducer = new Reducer(context);
  const bucket = reducer.level(tree.nodes, partials);
  return { results: bucket, pipes: runSiblings(tree, bucket) };
}

export class Reducer {
  readonly context: ReduceContext;
  #buckets = 0;

  constructor(context: ReduceContext) {
    this.context = context;
  }

  /** @throws {RequestError} There are more buckets than the limit. */
  count(buckets: number): void {
    this.#buckets += buckets;
    if (this.#buckets > this.context.maxBuckets) throw tooManyBuckets(this.context.maxBuckets);
  }

  level(nodes: readonly AggNode[], partials: readonly (readonly AggResult[])[]): AggResult[] {
    return nodes.map((node, i) => this.one(node, partials.map((partial) => partial[i]!)));
  }

  one(node: AggNode, results: readonly AggResult[]): AggResult {
    const first = results[0]!;
    switch (first.kind) {
      case "stats":
        return reduceStats(results as readonly StatsResult[]);
      case "cardinality":
        return reduceCardinality(node, results as readonly CardinalityResult[]);
      case "digest":
        return reduceDigests(node, results as readonly DigestResult[]);
      case "weighted_avg":
        return reduceWeighted(results as readonly WeightedAvgResult[]);
      case "terms":
        return this.#terms(node, results as readonly TermsResult[]);
      case "histogram":
        return this.#histogram(node, results as readonly HistogramResult[]);
      case "ranges":
        return this.#ranges(node, results as readonly RangesResult[]);
      case "single": {
        const buckets = results.map((one) => (one as SingleResult).bucket);
        return { kind: "single", bucket: this.bucket(node, buckets) };
      }
      case "composite":
        return reduceComposite(node, results, this);
      case "hits":
        return reduceTopHits(node, results as readonly HitsResult[]);
      case "value":
        return first;
    }
  }

  /** Joins buckets of one key. */
  bucket(node: AggNode, buckets: readonly Bucket[]): Bucket {
    let count = 0;
    let error = 0;
    for (const one of buckets) {
      count += one.count;
      error = error < 0 || one.error < 0 ? -1 : error + one.error;
    }
    const subs = node.subs.length === 0 ? NO_SUBS : this.level(node.subs, buckets.map((one) => one.subs));
    const bucket = { key: buckets[0]!.key, count, error, subs };
    return node.pipelines.length === 0 ? bucket : { ...bucket, pipes: runSiblings(treeOf(node), subs) };
  }

  #histogram(node: AggNode, results: readonly HistogramResult[]): HistogramResult {
    const { spec } = node;
    assert(spec.kind === "histogram" || spec.kind === "date_histogram", "a histogram");
    const groups = groupByKey(results.map((one) => one.buckets));
    const keys = [...groups.keys()].sort((a, b) => Number(a) - Number(b));
    const { format, emptySubs } = results[0]!;
    let buckets = keys.map((key) => this.bucket(node, groups.get(key)!))
      .filter((bucket) => bucket.count >= spec.minDocCount);
    this.count(buckets.length);
    if (spec.minDocCount === 0) {
      buckets = fillHistogram(node, buckets, {
        format,
        emptySubs,
        reducer: this,
      });
    }
    const order = resolveOrder(spec.order, node);
    const keyAscending = order.length === 1 && order[0]!.by === "key" && order[0]!.ascending;
    // Pipelines walk along the keys, whatever the order of the answer.
    buckets = runPipelines(node, buckets);
    return {
      kind: "histogram",
      format,
      emptySubs,
      buckets: keyAscending ? buckets : sortBuckets(buckets, order),
    };
  }

  #ranges(node: AggNode, results: readonly RangesResult[]): RangesResult {
    const first = results[0]!;
    const mapped = results.find((one) => one.ranges.length > 0) ?? first;
    const buckets = first.buckets.map((_, r) => this.bucket(node, results.map((one) => one.buckets[r]!)));
    this.count(buckets.length);
    return { ...mapped, buckets: runPipelines(node, buckets) };
  }

  #terms(node: AggNode, results: readonly TermsResult[]): TermsResult {
    const spec = node.spec as TermsSpec;
    const { keyType, format } = joinKeyTypes(node, results);
    const order = resolveOrder(spec.order, node);
    const byKeyOnly = order[0]?.by === "key";
    const byCountDown = order[0]?.by === "count" && !order[0].ascending;
    const alone = results.length === 1;
    let errorSum = 0;
    let otherDocCount = 0;
    const lists: Bucket[][] = [];
    for (const one of results) {
      otherDocCount += one.otherDocCount;
      // A term that a truncated partial left out had at most the count of the last one it kept.
      const last = one.buckets[one.buckets.length - 1];
      const cut = alone ? one.buckets.length >= spec.shardSize : one.truncated;
      const error = !cut || !last || byKeyOnly ? 0 : byCountDown ? last.count : -1;
      errorSum = errorSum < 0 || error < 0 ? -1 : errorSum + error;
      lists.push(one.buckets.map((bucket) => ({ ...bucket, error: -error })));
    }
    const groups: Bucket[][] = [];
    for (const group of groupByKey(lists).values()) {
      if (group.reduce((sum, one) => sum + one.count, 0) >= spec.minDocCount) groups.push(group);
    }
    const join = (group: readonly Bucket[]): Bucket => {
      const error = errorSum < 0 ? -1 : group.reduce((sum, one) => sum + one.error, errorSum);
      return { ...this.bucket(node, group), error };
    };
    const byMetric = order.some((one) => one.by === "path");
    let buckets: Bucket[];
    if (byMetric) {
      const before = this.#buckets;
      buckets = sortBuckets(groups.map(join), order);
      for (const dropped of buckets.splice(spec.size)) otherDocCount += dropped.count;
      // Only what is kept counts against the limit.
      this.#buckets = before;
      for (const bucket of buckets) this.count(innerBuckets(bucket));
    } else {
      const heads = groups.map((group) => ({
        key: group[0]!.key,
        count: group.reduce((sum, one) => sum + one.count, 0),
        error: 0,
        subs: NO_SUBS,
        group,
      }));
      const sorted = sortBuckets(heads, order);
      for (const dropped of sorted.splice(spec.size)) otherDocCount += dropped.count;
      buckets = sorted.map((head) => join(head.group));
    }
    this.count(buckets.length);
    return {
      kind: "terms",
      keyType,
      format,
      otherDocCount,
      docCountError: alone && errorSum > 0 ? 0 : errorSum,
      truncated: false,
      buckets: runPipelines(node, buckets),
    };
  }
}

const NO_SUBS: readonly AggResult[] = [];

function treeOf(node: AggNode): AggTree {
  return { nodes: node.subs, pipelines: node.pipelines };
}

/** Buckets below one, at any depth. */
function innerBuckets(bucket: Bucket): number {
  let sum = 0;
  for (const result of bucket.subs) {
    if (result.kind === "single") sum += innerBuckets(result.bucket);
    else if ("buckets" in result) {
      for (const inner of result.buckets) sum += 1 + innerBuckets(inner);
    }
  }
  return sum;
}

export function tooManyBuckets(limit: number): RequestError {
  return new RequestError(
    `Trying to create too many buckets. Must be less than or equal to: [${limit}] but this number of buckets ` +
      "was exceeded. This limit can be set by changing the [search.max_buckets] cluster level setting.",
    { status: 400, type: "too_many_buckets_exception", details: { max_buckets: limit } },
  );
}

function groupByKey(lists: readonly (readonly Bucket[])[]): Map<BucketKey, Bucket[]> {
  const groups = new Map<BucketKey, Bucket[]>();
  for (const list of lists) {
    for (const bucket of list) {
      const group = groups.get(bucket.key);
      if (group) group.push(bucket);
      else groups.set(bucket.key, [bucket]);
    }
  }
  return groups;
}

function joinKeyTypes(node: AggNode, results: readonly TermsResult[]): TermsResult {
  let joined = results[0]!;
  for (const one of results) {
    if (one.keyType === "" || one.keyType === joined.keyType) continue;
    if (joined.keyType === "") joined = one;
    else if (joined.keyType === "string" || one.keyType === "string") throw typeMismatch(node.name);
    else joined = one.keyType === "double" ? one : joined;
  }
  return joined;
}

function reduceStats(results: readonly StatsResult[]): StatsResult {
  if (results.length === 1) return results[0]!;
  const sums = new Float64Array(2);
  const errors = new Float64Array(2);
  let count = 0;
  let min = Infinity;
  let max = -Infinity;
  for (const one of results) {
    count += one.count;
    addCompensated(sums, errors, 0, one.sum);
    addCompensated(sums, errors, 1, one.sumOfSquares);
    if (one.min < min) min = one.min;
    if (one.max > max) max = one.max;
  }
  const format = results.find((one) => one.format.kind !== "raw")?.format ?? results[0]!.format;
  return { kind: "stats", count, sum: sums[0]!, min, max, sumOfSquares: sums[1]!, format };
}

function reduceCardinality(node: AggNode, results: readonly CardinalityResult[]): CardinalityResult {
  if (results.length === 1) return results[0]!;
  assert(node.spec.kind === "cardinality", "a cardinality");
  const counter = new DistinctCounter(node.spec.precisionThreshold);
  for (const one of results) counter.addAll(one.hashes, one.registers);
  return { kind: "cardinality", ...counter.snapshot() };
}

function reduceDigests(node: AggNode, results: readonly DigestResult[]): DigestResult {
  if (results.length === 1) return results[0]!;
  const compression = "compression" in node.spec ? node.spec.compression : 100;
  const digest = digestOf(results[0]!, compression);
  for (const one of results.slice(1)) digest.addAll(one.means, one.weights, one.min, one.max);
  const format = results.find((one) => one.format.kind !== "raw")?.format ?? results[0]!.format;
  return { kind: "digest", ...digest.snapshot(), min: digest.min, max: digest.max, format };
}

function reduceWeighted(results: readonly WeightedAvgResult[]): WeightedAvgResult {
  const sums = new Float64Array(2);
  const errors = new Float64Array(2);
  for (const one of results) {
    addCompensated(sums, errors, 0, one.sum);
    addCompensated(sums, errors, 1, one.weight);
  }
  return { kind: "weighted_avg", sum: sums[0]!, weight: sums[1]! };
}
