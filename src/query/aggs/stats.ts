/**
 * Sums, counts and extremes of a number by bucket: min, max, sum, avg, value_count, stats, extended_stats.
 *
 * Sums are compensated (Kahan), as Elasticsearch's are.
 *
 * @module
 */
import type { SearchSegment, SearchTarget } from "../target.ts";
import type { Collector, CollectorEnv } from "./collector.ts";
import { type FieldUse, resolveField } from "./field_use.ts";
import type { AggNode, StatsKind, StatsSpec } from "./node.ts";
import type { StatsResult } from "./result.ts";
import { type NumberLeaf, openNumbers, openTermLeaf, type TermLeaf } from "./sources.ts";
import { RAW } from "./value_format.ts";

const NEEDS: Readonly<
  Record<StatsKind, { count: boolean; sum: boolean; min: boolean; max: boolean; squares: boolean }>
> = {
  min: { count: false, sum: false, min: true, max: false, squares: false },
  max: { count: false, sum: false, min: false, max: true, squares: false },
  sum: { count: false, sum: true, min: false, max: false, squares: false },
  avg: { count: true, sum: true, min: false, max: false, squares: false },
  value_count: { count: true, sum: false, min: false, max: false, squares: false },
  stats: { count: true, sum: true, min: true, max: true, squares: false },
  extended_stats: { count: true, sum: true, min: true, max: true, squares: true },
};

export class StatsCollector implements Collector {
  readonly #needs: (typeof NEEDS)[StatsKind];
  readonly #use: FieldUse;
  readonly #env: CollectorEnv;
  #numbers: NumberLeaf | undefined;
  #terms: TermLeaf | undefined;
  #segment: SearchSegment | undefined;
  #pairBuckets: Uint32Array = new Uint32Array(0);

  #counts: Float64Array = new Float64Array(0);
  #sums: Float64Array = new Float64Array(0);
  #sumErrors: Float64Array = new Float64Array(0);
  #squares: Float64Array = new Float64Array(0);
  #squareErrors: Float64Array = new Float64Array(0);
  #mins: Float64Array = new Float64Array(0);
  #maxs: Float64Array = new Float64Array(0);

  constructor(readonly node: AggNode & { readonly spec: StatsSpec }, env: CollectorEnv) {
    this.#needs = NEEDS[node.spec.kind];
    this.#env = env;
    const accepts = node.spec.kind === "value_count" ? "any" : "numbers";
    this.#use = resolveField(node.spec, node.spec.kind, { accepts, context: env.context });
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    this.#segment = segment;
    this.#numbers = this.#use.kind === "number" ? openNumbers(this.#use, target, segment) : undefined;
    this.#terms = this.#use.kind === "term" ? openTermLeaf(this.#use, target, segment) : undefined;
  }

  collect(docs: Uint32Array, buckets: Uint32Array, n: number, bucketCount: number): void {
    this.#reserve(bucketCount);
    const numbers = this.#numbers;
    if (!numbers) {
      if (this.#terms) {
        const m = this.#terms.gather(docs, n);
        countInto(this.#counts, this.#bucketsOfPairs(buckets, this.#terms.owners, m, false), m);
      }
      return;
    }
    const m = numbers.gather(docs, n);
    if (m === 0) return;
    const at = this.#bucketsOfPairs(buckets, numbers.owners, m, numbers.identity);
    const values = numbers.values;
    const needs = this.#needs;
    if (needs.count) countInto(this.#counts, at, m);
    if (needs.sum) sumInto(this.#sums, this.#sumErrors, values, at, m);
    if (needs.squares) sumSquaresInto(this.#squares, this.#squareErrors, values, at, m);
    if (needs.min) minInto(this.#mins, values, at, m);
    if (needs.max) maxInto(this.#maxs, values, at, m);
  }

  summarize(): boolean {
    if (this.#needs.squares) return false;
    this.#reserve(1);
    const numbers = this.#numbers;
    if (numbers) {
      if (!numbers.summarizable) return false;
      const column = numbers.column;
      if (!column || column.valueCount === 0) return true;
      this.#counts[0]! += column.valueCount;
      if (this.#needs.sum) addCompensated(this.#sums, this.#sumErrors, 0, column.sum);
      if (Number(column.min) < this.#mins[0]!) this.#mins[0] = Number(column.min);
      if (Number(column.max) > this.#maxs[0]!) this.#maxs[0] = Number(column.max);
      return true;
    }
    const terms = this.#terms;
    if (!terms) return true;
    if (!terms.plain) {
      if (terms.column !== undefined || terms.termCount === 0) return false;
      this.#counts[0]! += this.#segment!.liveCount;
      return true;
    }
    this.#counts[0]! += terms.column?.valueCount ?? 0;
    return true;
  }

  closeSegment(): void {
    this.#numbers = undefined;
    this.#terms = undefined;
    this.#segment = undefined;
  }

  result(bucket: number): StatsResult {
    if (bucket >= this.#mins.length) {
      return {
        kind: "stats",
        count: 0,
        sum: 0,
        min: Infinity,
        max: -Infinity,
        sumOfSquares: 0,
        format: this.#format(),
      };
    }
    return {
      kind: "stats",
      count: this.#counts[bucket]!,
      sum: this.#sums[bucket]!,
      min: this.#mins[bucket]!,
      max: this.#maxs[bucket]!,
      sumOfSquares: this.#squares[bucket]!,
      format: this.#format(),
    };
  }

  #format() {
    return this.node.spec.kind === "value_count" ? RAW : this.#use.format;
  }

  #reserve(bucketCount: number): void {
    if (bucketCount <= this.#mins.length) return;
    const { budget } = this.#env;
    const needs = this.#needs;
    this.#mins = budget.float64(this.#mins, bucketCount, Infinity);
    const size = this.#mins.length;
    this.#maxs = budget.float64(this.#maxs, size, -Infinity);
    this.#counts = budget.float64(this.#counts, size);
    this.#sums = budget.float64(this.#sums, size);
    this.#sumErrors = budget.float64(this.#sumErrors, size);
    if (needs.squares || this.#squares.length === 0) {
      this.#squares = budget.float64(this.#squares, size);
      this.#squareErrors = budget.float64(this.#squareErrors, size);
    }
  }

  #bucketsOfPairs(buckets: Uint32Array, owners: Uint32Array, m: number, identity: boolean): Uint32Array {
    if (identity) return buckets;
    if (this.#pairBuckets.length < m) this.#pairBuckets = new Uint32Array(Math.max(m, 256));
    bucketsOfPairs(this.#pairBuckets, buckets, owners, m);
    return this.#pairBuckets;
  }
}

/** out[i] = buckets[owners[i]] */
export function bucketsOfPairs(
  out: Uint32Array,
  buckets: Uint32Array,
  owners: Uint32Array,
  m: number,
): void {
  for (let i = 0; i < m; i++) out[i] = buckets[owners[i]!]!;
}

function countInto(counts: Float64Array, at: Uint32Array, m: number): void {
  for (let i = 0; i < m; i++) counts[at[i]!]!++;
}

function sumInto(
  sums: Float64Array,
  errors: Float64Array,
  values: Float64Array,
  at: Uint32Array,
  m: number,
): void {
  for (let i = 0; i < m; i++) {
    const bucket = at[i]!;
    const before = sums[bucket]!;
    const corrected = values[i]! + errors[bucket]!;
    const after = before + corrected;
    const error = corrected - (after - before);
    sums[bucket] = after;
    // Once a sum is infinite its error is NaN and no longer means anything.
    errors[bucket] = error === error ? error : 0;
  }
}

function sumSquaresInto(
  sums: Float64Array,
  errors: Float64Array,
  values: Float64Array,
  at: Uint32Array,
  m: number,
): void {
  for (let i = 0; i < m; i++) {
    const bucket = at[i]!;
    const value = values[i]!;
    const before = sums[bucket]!;
    const corrected = value * value + errors[bucket]!;
    const after = before + corrected;
    const error = corrected - (after - before);
    sums[bucket] = after;
    errors[bucket] = error === error ? error : 0;
  }
}

/** Adds one value to a compensated sum. */
export function addCompensated(sums: Float64Array, errors: Float64Array, at: number, value: number): void {
  const before = sums[at]!;
  const corrected = value + errors[at]!;
  const after = before + corrected;
  const error = corrected - (after - before);
  sums[at] = after;
  errors[at] = error === error ? error : 0;
}

function minInto(mins: Float64Array, values: Float64Array, at: Uint32Array, m: number): void {
  for (let i = 0; i < m; i++) {
    const bucket = at[i]!;
    const value = values[i]!;
    if (value < mins[bucket]!) mins[bucket] = value;
  }
}

function maxInto(maxs: Float64Array, values: Float64Array, at: Uint32Array, m: number): void {
  for (let i = 0; i < m; i++) {
    const bucket = at[i]!;
    const value = values[i]!;
    if (value > maxs[bucket]!) maxs[bucket] = value;
  }
}
