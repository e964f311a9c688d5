/**
 * Quantiles of a stream of numbers: exact while there are few, a t-digest afterwards.
 *
 * Few means up to 20 values per unit of compression, as in Elasticsearch's hybrid digest; beyond that a merging
 * digest keeps about 2 to 3 * compression centroids, small ones at both ends, so that extreme quantiles stay
 * precise.
 *
 * Source: Dunning and Ertl, "Computing extremely accurate quantiles using t-digests" (2019), scale function k2.
 *
 * @module
 */
import type { Budget } from "./budget.ts";

const FIRST_CAPACITY = 32;
/**
 * Units of the scale function per unit of compression. Elasticsearch has 1, which leaves 40 centroids and errors of
 * more than 1% in rank at the median; 5 cost 3 KiB more.
 */
const FINENESS = 5;
/** Values buffered before they are merged into the centroids. */
const BUFFER = 2048;

export class TDigest {
  readonly #compression: number;
  readonly #exactMax: number;
  readonly #budget: Budget | undefined;
  /** Values not yet merged (all of them while exact); [0, #buffered). */
  #buffer: Float64Array = new Float64Array(FIRST_CAPACITY);
  #buffered = 0;
  #sorted = true;
  /** Centroids by mean; undefined while exact. */
  #means: Float64Array | undefined;
  #weights: Float64Array | undefined;
  #centroids = 0;
  #merged = 0;
  #min = Infinity;
  #max = -Infinity;

  constructor(compression: number, budget?: Budget) {
    this.#compression = compression;
    this.#exactMax = Math.round(compression) * 20;
    this.#budget = budget;
    budget?.take(FIRST_CAPACITY * 8 + 200);
  }

  get count(): number {
    return this.#merged + this.#buffered;
  }

  get min(): number {
    return this.#min;
  }

  get max(): number {
    return this.#max;
  }

  add(value: number): void {
    if (this.#buffered === this.#buffer.length) this.#makeRoom();
    this.#buffer[this.#buffered++] = value;
    this.#sorted = false;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
  }

  /** Adds what another digest's `snapshot` holds. */
  addAll(means: Float64Array, weights: Float64Array | undefined, min: number, max: number): void {
    if (!weights) {
      for (let i = 0; i < means.length; i++) this.add(means[i]!);
      return;
    }
    this.#merge(means, weights, means.length);
    if (min < this.#min) this.#min = min;
    if (max > this.#max) this.#max = max;
  }

  /** The state in copies, ready to be posted; no weights: each mean is one value. Means ascend. */
  snapshot(): { means: Float64Array; weights: Float64Array | undefined } {
    if (!this.#means) {
      this.#sort();
      return { means: this.#buffer.slice(0, this.#buffered), weights: undefined };
    }
    this.#flush();
    return {
      means: this.#means.slice(0, this.#centroids),
      weights: this.#weights!.slice(0, this.#centroids),
    };
  }

  /** Value below which the fraction `q` (0 to 1) lies; NaN without values. */
  quantile(q: number): number {
    if (this.count === 0) return NaN;
    if (!this.#means) {
      this.#sort();
      return exactQuantile(this.#buffer, this.#buffered, q);
    }
    this.#flush();
    return digestQuantile(
      this.#means,
      this.#weights!,
      this.#centroids,
      this.#merged,
      q,
      this.#min,
      this.#max,
    );
  }

  /** Fraction of values below `x`, those equal to it counting half; NaN without values. */
  cdf(x: number): number {
    if (this.count === 0) return NaN;
    if (!this.#means) {
      this.#sort();
      return exactCdf(this.#buffer, this.#buffered, x);
    }
    this.#flush();
    return digestCdf(this.#means, this.#weights!, this.#centroids, this.#merged, x, this.#min, this.#max);
  }

  #sort(): void {
    if (this.#sorted) return;
    this.#buffer.subarray(0, this.#buffered).sort();
    this.#sorted = true;
  }

  #makeRoom(): void {
    const capacity = this.#buffer.length;
    if (!this.#means && capacity < this.#exactMax) {
      this.#resize(Math.min(this.#exactMax, capacity * 2));
    } else {
      this.#flush();
      if (capacity < BUFFER) this.#resize(BUFFER);
    }
  }

  #resize(capacity: number): void {
    this.#budget?.take((capacity - this.#buffer.length) * 8);
    const grown = new Float64Array(capacity);
    grown.set(this.#buffer.subarray(0, this.#buffered));
    this.#buffer = grown;
  }

  #flush(): void {
    if (this.#buffered > 0) this.#merge(EMPTY, EMPTY, 0);
  }

  /** Merges the buffer, the centroids and `extra` sorted centroids into new centroids. */
  #merge(extraMeans: Float64Array, extraWeights: Float64Array, extra: number): void {
    this.#sort();
    const total = this.#buffered + this.#merged + sum(extraWeights, extra);
    const room = this.#buffered + this.#centroids + extra;
    const means = new Float64Array(room);
    const weights = new Float64Array(room);
    const n = interleave(
      [this.#buffer, ONES, this.#buffered],
      [this.#means ?? EMPTY, this.#weights ?? EMPTY, this.#centroids],
      [extraMeans, extraWeights, extra],
      means,
      weights,
    );
    this.#centroids = compress(means, weights, n, total, this.#compression * FINENESS);
    if (!this.#means) this.#budget?.take(this.#centroids * 16);
    this.#means = means.slice(0, this.#centroids);
    this.#weights = weights.slice(0, this.#centroids);
    this.#merged = total;
    this.#buffered = 0;
    this.#sorted = true;
  }
}

const EMPTY = new Float64Array(0);
/** Marks a run whose weights are all 1. */
const ONES = new Float64Array(0);

type Run = readonly [means: Float64Array, weights: Float64Array, count: number];

function sum(values: Float64Array, n: number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += values[i]!;
  return total;
}

/** Merges three sorted runs; returns how many. */
function interleave(a: Run, b: Run, c: Run, means: Float64Array, weights: Float64Array): number {
  let i = 0;
  let j = 0;
  let k = 0;
  let n = 0;
  const [aMeans, aWeights, aCount] = a;
  const [bMeans, bWeights, bCount] = b;
  const [cMeans, cWeights, cCount] = c;
  const ones = aWeights === ONES;
  while (i < aCount || j < bCount || k < cCount) {
    const x = i < aCount ? aMeans[i]! : Infinity;
    const y = j < bCount ? bMeans[j]! : Infinity;
    const z = k < cCount ? cMeans[k]! : Infinity;
    if (i < aCount && x <= y && x <= z) {
      means[n] = x;
      weights[n++] = ones ? 1 : aWeights[i]!;
      i++;
    } else if (j < bCount && y <= z) {
      means[n] = y;
      weights[n++] = bWeights[j++]!;
    } else {
      means[n] = z;
      weights[n++] = cWeights[k++]!;
    }
  }
  return n;
}

/**
 * Joins neighbours in place while their joint weight stays under the bound of scale function k2; the first and
 * the last stay alone. Returns how many centroids are left.
 */
function compress(
  means: Float64Array,
  weights: Float64Array,
  n: number,
  total: number,
  compression: number,
): number {
  if (n === 0) return 0;
  const normalizer = compression / (4 * Math.log(total / compression) + 24);
  let out = 0;
  let before = 0;
  for (let i = 1; i < n; i++) {
    const joint = weights[out]! + weights[i]!;
    const q0 = before / total;
    const q2 = (before + joint) / total;
    const limit = total * Math.min(q0 * (1 - q0), q2 * (1 - q2)) / normalizer;
    if (i > 1 && i < n - 1 && joint <= limit) {
      weights[out] = joint;
      means[out] = means[out]! + (means[i]! - means[out]!) * weights[i]! / joint;
    } else {
      before += weights[out]!;
      out++;
      means[out] = means[i]!;
      weights[out] = weights[i]!;
    }
  }
  return out + 1;
}

/** Linear interpolation between the two nearest of n sorted values. */
export function exactQuantile(sorted: Float64Array, n: number, q: number): number {
  const index = q * (n - 1);
  if (index <= 0) return sorted[0]!;
  if (index >= n - 1) return sorted[n - 1]!;
  const low = Math.floor(index);
  const value = sorted[low]!;
  return value + (index - low) * (sorted[low + 1]! - value);
}

function exactCdf(sorted: Float64Array, n: number, x: number): number {
  const below = lowerBound(sorted, n, x, false);
  const notAbove = lowerBound(sorted, n, x, true);
  return (below + notAbove) / 2 / n;
}

/** Number of values < x, or <= x. */
function lowerBound(sorted: Float64Array, n: number, x: number, orEqual: boolean): number {
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const value = sorted[middle]!;
    if (orEqual ? value <= x : value < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

function weightedAverage(x1: number, w1: number, x2: number, w2: number): number {
  const low = Math.min(x1, x2);
  const high = Math.max(x1, x2);
  return Math.max(low, Math.min(high, (x1 * w1 + x2 * w2) / (w1 + w2)));
}

function digestQuantile(
  means: Float64Array,
  weights: Float64Array,
  n: number,
  total: number,
  q: number,
  min: number,
  max: number,
): number {
  if (n === 1) return means[0]!;
  const index = q * total;
  if (index < 1) return min;
  const first = weights[0]!;
  if (first > 1 && index < first / 2) return min + (index - 1) / (first / 2 - 1) * (means[0]! - min);
  if (index > total - 1) return max;
  const last = weights[n - 1]!;
  if (last > 1 && total - index <= last / 2) {
    return max - (total - index - 1) / (last / 2 - 1) * (max - means[n - 1]!);
  }
  let before = first / 2;
  for (let i = 0; i < n - 1; i++) {
    const step = (weights[i]! + weights[i + 1]!) / 2;
    if (before + step > index) {
      // A centroid of one value is that value: nothing to interpolate within half a unit of it.
      let left = 0;
      if (weights[i] === 1) {
        if (index - before < 0.5) return means[i]!;
        left = 0.5;
      }
      let right = 0;
      if (weights[i + 1] === 1) {
        if (before + step - index <= 0.5) return means[i + 1]!;
        right = 0.5;
      }
      return weightedAverage(means[i]!, before + step - index - right, means[i + 1]!, index - before - left);
    }
    before += step;
  }
  const z1 = index - total - last / 2;
  return weightedAverage(means[n - 1]!, z1, max, last / 2 - z1);
}

function digestCdf(
  means: Float64Array,
  weights: Float64Array,
  n: number,
  total: number,
  x: number,
  min: number,
  max: number,
): number {
  if (x < min) return 0;
  if (x > max) return 1;
  if (n === 1) {
    const width = max - min;
    return width === 0 ? 0.5 : (x - min) / width;
  }
  if (x < means[0]!) {
    const gap = means[0]! - min;
    if (gap === 0) return 0;
    return x === min ? 0.5 / total : (1 + (x - min) / gap * (weights[0]! / 2 - 1)) / total;
  }
  if (x > means[n - 1]!) {
    const gap = max - means[n - 1]!;
    if (gap === 0) return 1;
    return x === max ? 1 - 0.5 / total : 1 - (1 + (max - x) / gap * (weights[n - 1]! / 2 - 1)) / total;
  }
  let before = 0;
  for (let i = 0; i < n; i++) {
    if (means[i] === x) {
      let equal = 0;
      while (i < n && means[i] === x) equal += weights[i++]!;
      return (before + equal / 2) / total;
    }
    if (i + 1 < n && means[i]! < x && x < means[i + 1]!) return between(means, weights, i, before, total, x);
    before += weights[i]!;
  }
  return 1;
}

/** Fraction below x, which lies between centroids i and i + 1. */
function between(
  means: Float64Array,
  weights: Float64Array,
  i: number,
  before: number,
  total: number,
  x: number,
): number {
  const gap = means[i + 1]! - means[i]!;
  let left = 0;
  let right = 0;
  if (weights[i] === 1) {
    if (weights[i + 1] === 1) return (before + 1) / total;
    left = 0.5;
  } else if (weights[i + 1] === 1) right = 0.5;
  const step = (weights[i]! + weights[i + 1]!) / 2;
  const base = before + weights[i]! / 2 + left;
  return (base + (step - left - right) * (x - means[i]!) / gap) / total;
}
