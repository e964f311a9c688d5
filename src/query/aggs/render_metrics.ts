/**
 * Metric results in Elasticsearch's shapes.
 *
 * @module
 */
import { Double, doubleText, type Json } from "../../base/json.ts";
import { medianAbsoluteDeviation } from "./percentiles.ts";
import { cardinalityOf, digestOf, statsFigure } from "./metric_value.ts";
import type { PercentilesSpec } from "./node.ts";
import type { CardinalityResult, DigestResult, StatsResult, WeightedAvgResult } from "./result.ts";
import { numberText, type ValueFormat } from "./value_format.ts";
import { formatDecimal } from "./decimal_format.ts";

type JsonFields = { [key: string]: Json | undefined };

/** `value` and, where the format has something to say, `value_as_string`. */
function oneValue(format: ValueFormat, value: number, known: boolean): JsonFields {
  if (!known) return { value: null };
  return { value: new Double(value), value_as_string: numberText(format, value) };
}

export function statsJson(kind: string, stats: StatsResult, sigma: number): JsonFields {
  switch (kind) {
    case "value_count":
      return { value: stats.count };
    case "sum":
      return oneValue(stats.format, stats.sum, true);
    case "avg":
      return oneValue(stats.format, stats.sum / stats.count, stats.count > 0);
    case "min":
      return oneValue(stats.format, stats.min, stats.min !== Infinity);
    case "max":
      return oneValue(stats.format, stats.max, stats.max !== -Infinity);
    case "stats":
      return basicStats(stats);
    default:
      return extendedStats(stats, sigma);
  }
}

/** The text under a format; booleans print bare here, as Elasticsearch does. */
function asString(format: ValueFormat, value: number): Json | undefined {
  if (format.kind === "boolean") return value !== 0;
  return numberText(format, value);
}

function basicStats(stats: StatsResult): JsonFields {
  const { count, format } = stats;
  if (count === 0) return { count, min: null, max: null, avg: null, sum: new Double(0) };
  const avg = stats.sum / count;
  return {
    count,
    min: new Double(stats.min),
    max: new Double(stats.max),
    avg: new Double(avg),
    sum: new Double(stats.sum),
    min_as_string: asString(format, stats.min),
    max_as_string: asString(format, stats.max),
    avg_as_string: asString(format, avg),
    sum_as_string: asString(format, stats.sum),
  };
}

const SPREADS = [
  "sum_of_squares",
  "variance",
  "variance_population",
  "variance_sampling",
] as const;
const DEVIATIONS = [
  "std_deviation",
  "std_deviation_population",
  "std_deviation_sampling",
] as const;
const BOUNDS = [
  "upper",
  "lower",
  "upper_population",
  "lower_population",
  "upper_sampling",
  "lower_sampling",
] as const;

function extendedStats(stats: StatsResult, sigma: number): JsonFields {
  const out = basicStats(stats);
  const empty = stats.count === 0;
  for (const name of [...SPREADS, ...DEVIATIONS]) {
    out[name] = empty ? null : new Double(statsFigure(stats, name, sigma));
  }
  const bounds: JsonFields = {};
  for (const name of BOUNDS) {
    bounds[name] = empty ? null : new Double(statsFigure(stats, `std_${name}`, sigma));
  }
  out.std_deviation_bounds = bounds;
  if (empty || stats.format.kind === "raw") return out;
  for (const name of SPREADS) {
    out[`${name}_as_string`] = asString(stats.format, statsFigure(stats, name, sigma));
  }
  for (const name of DEVIATIONS) {
    out[`${name}_as_string`] = numberText(stats.format, statsFigure(stats, name, sigma));
  }
  const texts: JsonFields = {};
  for (const name of BOUNDS) texts[name] = numberText(stats.format, statsFigure(stats, `std_${name}`, sigma));
  out.std_deviation_bounds_as_string = texts;
  return out;
}

export function cardinalityJson(result: CardinalityResult): JsonFields {
  return { value: cardinalityOf(result) };
}

export function weightedAvgJson(result: WeightedAvgResult, format: string): JsonFields {
  const value = result.sum / result.weight;
  if (!Number.isFinite(value)) return { value: null };
  return {
    value: new Double(value),
    value_as_string: format === "" ? undefined : formatDecimal(format, value),
  };
}

export function digestJson(spec: PercentilesSpec, result: DigestResult): JsonFields {
  const digest = digestOf(result, spec.compression);
  const { format } = result;
  if (spec.kind === "median_absolute_deviation") {
    const value = medianAbsoluteDeviation(digest, spec.compression);
    return oneValue(format, value, !Number.isNaN(value));
  }
  const values = spec.points.map((point): [number, number] => [
    point,
    spec.kind === "percentiles" ? digest.quantile(point / 100) : digest.cdf(point) * 100,
  ]);
  if (!spec.keyed) {
    return {
      values: values.map(([point, value]) => ({
        key: new Double(point),
        value: Number.isNaN(value) ? null : new Double(value),
        value_as_string: Number.isNaN(value) ? undefined : numberText(format, value),
      })),
    };
  }
  const keyed: JsonFields = {};
  for (const [point, value] of values) {
    const key = doubleText(point);
    keyed[key] = Number.isNaN(value) ? null : new Double(value);
    const text = Number.isNaN(value) ? undefined : numberText(format, value);
    if (text !== undefined) keyed[`${key}_as_string`] = text;
  }
  return { values: keyed };
}
