/**
 * The figures of metric results: what is rendered, and what paths name.
 *
 * @module
 */
import type { AggNode } from "./node.ts";
import { DistinctCounter } from "./hyperloglog.ts";
import { medianAbsoluteDeviation } from "./percentiles.ts";
import type { AggResult, CardinalityResult, DigestResult, StatsResult } from "./result.ts";
import { TDigest } from "./tdigest.ts";

/** One figure of a result; NaN: there is none. */
export function metricOf(node: AggNode | undefined, result: AggResult, key: string): number {
  switch (result.kind) {
    case "stats":
      return statsFigure(
        result,
        node && node.spec.kind !== "stats" && node.spec.kind !== "extended_stats" ? node.spec.kind : key,
        node?.spec.kind === "extended_stats" ? node.spec.sigma : 2,
      );
    case "cardinality":
      return cardinalityOf(result);
    case "digest":
      return digestFigure(node, result, key);
    case "weighted_avg":
      return result.sum / result.weight;
    case "single":
      return result.bucket.count;
    case "value":
      return result.value;
    default:
      return NaN;
  }
}

function digestFigure(node: AggNode | undefined, result: DigestResult, key: string): number {
  const spec = node?.spec;
  const compression = spec && "compression" in spec ? spec.compression : 100;
  const digest = digestOf(result, compression);
  if (spec?.kind === "median_absolute_deviation") return medianAbsoluteDeviation(digest, compression);
  if (spec?.kind === "percentile_ranks") return digest.cdf(Number(key)) * 100;
  return digest.quantile(Number(key) / 100);
}

export function cardinalityOf(result: CardinalityResult): number {
  if (result.hashes) return result.hashes.length;
  const counter = new DistinctCounter(0);
  counter.addAll(undefined, result.registers);
  return counter.estimate();
}

export function digestOf(result: DigestResult, compression: number): TDigest {
  const digest = new TDigest(compression);
  digest.addAll(result.means, result.weights, result.min, result.max);
  return digest;
}

/** A figure of stats by name; NaN where there are no values. */
export function statsFigure(stats: StatsResult, name: string, sigma: number): number {
  const { count, sum } = stats;
  switch (name) {
    case "count":
    case "value_count":
      return count;
    case "sum":
      return sum;
    case "min":
      return stats.min;
    case "max":
      return stats.max;
    case "avg":
      return sum / count;
  }
  if (count === 0) return NaN;
  switch (name) {
    case "sum_of_squares":
      return stats.sumOfSquares;
    case "variance":
    case "variance_population":
      return variance(stats, count);
    case "variance_sampling":
      return variance(stats, count - 1);
    case "std_deviation":
    case "std_deviation_population":
      return Math.sqrt(variance(stats, count));
    case "std_deviation_sampling":
      return Math.sqrt(variance(stats, count - 1));
    case "std_upper":
    case "std_upper_population":
      return sum / count + Math.sqrt(variance(stats, count)) * sigma;
    case "std_lower":
    case "std_lower_population":
      return sum / count - Math.sqrt(variance(stats, count)) * sigma;
    case "std_upper_sampling":
      return sum / count + Math.sqrt(variance(stats, count - 1)) * sigma;
    case "std_lower_sampling":
      return sum / count - Math.sqrt(variance(stats, count - 1)) * sigma;
    default:
      return NaN;
  }
}

/** Never below 0, which rounding would otherwise make of equal values. */
function variance(stats: StatsResult, degrees: number): number {
  const value = (stats.sumOfSquares - stats.sum * stats.sum / stats.count) / degrees;
  return value < 0 ? 0 : value;
}
