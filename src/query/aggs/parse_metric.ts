/**
 * Parameters of metric aggregations.
 *
 * @module
 */
import { illegalArgument } from "../../base/errors.ts";
import { doubleText } from "../../base/json.ts";
import { notSupportedYet, tokenName } from "../queries/body.ts";
import type { AggSpec, StatsKind } from "./node.ts";
import { fieldSpec, Options, xContentError } from "./options.ts";

const DEFAULT_PERCENTS: readonly number[] = [1, 5, 25, 50, 75, 95, 99];
const DEFAULT_COMPRESSION = 100;
const DEFAULT_MAD_COMPRESSION = 1000;
const DEFAULT_PRECISION_THRESHOLD = 3000;
const PRECISION_THRESHOLD_MAX = 40_000;

export function parseStats(options: Options): AggSpec {
  const kind = options.type as StatsKind;
  const sigma = kind === "extended_stats" ? options.number("sigma") ?? 2 : 2;
  if (sigma < 0) {
    throw options.failed(
      "sigma",
      "illegal_argument_exception",
      `[sigma] must be greater than or equal to 0. Found [${doubleText(sigma)}] in [${options.name}]`,
    );
  }
  return { kind, ...fieldSpec(options), sigma };
}

export function parseCardinality(options: Options): AggSpec {
  const threshold = options.integer("precision_threshold") ?? DEFAULT_PRECISION_THRESHOLD;
  if (threshold < 0) {
    throw options.failed(
      "precision_threshold",
      "illegal_argument_exception",
      `[precisionThreshold] must be greater than or equal to 0. Found [${threshold}] in [${options.name}]`,
    );
  }
  options.raw("rehash");
  options.raw("execution_hint");
  return {
    kind: "cardinality",
    ...fieldSpec(options),
    precisionThreshold: Math.min(threshold, PRECISION_THRESHOLD_MAX),
  };
}

export function parsePercentiles(options: Options): AggSpec {
  const ranks = options.type === "percentile_ranks";
  if (options.has("hdr")) throw notSupportedYet(`[hdr] of the aggregation [${options.type}]`);
  const key = ranks ? "values" : "percents";
  const list = options.array(key)?.map((value) => {
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (typeof number !== "number" || Number.isNaN(number)) {
      throw options.failed(key, "number_format_exception", `For input string: "${String(value)}"`);
    }
    return number;
  });
  const points = list ?? (ranks ? undefined : DEFAULT_PERCENTS);
  if (points === undefined) throw unbuilt(options, `[values] must not be null: [${options.name}]`);
  if (points.length === 0) {
    throw unbuilt(options, `[${key}] must not be ${ranks ? "an empty array" : "empty"}: [${options.name}]`);
  }
  const bad = ranks ? undefined : points.find((percent) => percent < 0 || percent > 100);
  if (bad !== undefined) {
    throw unbuilt(options, `percent must be in [0,100], got [${doubleText(bad)}]: [${options.name}]`);
  }
  return {
    kind: ranks ? "percentile_ranks" : "percentiles",
    ...fieldSpec(options),
    points: [...new Set(points)].sort((a, b) => a - b),
    keyed: options.boolean("keyed") ?? true,
    compression: parseTdigest(options),
  };
}

function unbuilt(options: Options, reason: string) {
  return xContentError(`Failed to build [${options.type}] after last required field arrived`, {
    type: "illegal_argument_exception",
    reason,
  });
}

function parseTdigest(options: Options): number {
  const body = options.object("tdigest");
  if (!body) return DEFAULT_COMPRESSION;
  const inner = new Options("tdigest", options.name, body);
  const compression = inner.number("compression") ?? DEFAULT_COMPRESSION;
  inner.text("execution_hint");
  inner.finish();
  checkCompression(compression);
  return Math.max(1, compression);
}

function checkCompression(compression: number): void {
  if (compression < 0) {
    throw illegalArgument(
      `[compression] must be greater than or equal to 0. Found [${doubleText(compression)}]`,
    );
  }
}

export function parseMad(options: Options): AggSpec {
  const compression = options.number("compression") ?? DEFAULT_MAD_COMPRESSION;
  checkCompression(compression);
  options.text("execution_hint");
  return {
    kind: "median_absolute_deviation",
    ...fieldSpec(options),
    points: [],
    keyed: true,
    compression: Math.max(1, compression),
  };
}

export function parseWeightedAvg(options: Options): AggSpec {
  const part = (key: string) => {
    const body = options.raw(key);
    if (body === undefined) throw illegalArgument(`Required [${key}]`);
    if (typeof body !== "object" || Array.isArray(body)) {
      throw xContentError(`[weighted_avg] ${key} doesn't support values of type: ${tokenName(body)}`);
    }
    const inner = new Options(key, options.name, body as { readonly [key: string]: unknown });
    const spec = fieldSpec(inner);
    inner.finish();
    return spec;
  };
  const value = part("value");
  const weight = part("weight");
  options.raw("value_type");
  return { kind: "weighted_avg", value, weight, format: options.text("format") ?? "" };
}
