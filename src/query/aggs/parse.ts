/**
 * The grammar of `aggs`: JSON into a tree of aggregations, or the error that Elasticsearch words for it.
 *
 * @module
 */
import { illegalArgument, parsingError, RequestError } from "../../base/errors.ts";
import type { Json } from "../../base/json.ts";
import { isObject, notSupportedYet, tokenName } from "../queries/body.ts";
import { didYouMean } from "../queries/names.ts";
import { parseQuery } from "../queries/parse.ts";
import type { AggNode, AggSpec, AggTree, PipelineNode } from "./node.ts";
import { Options } from "./options.ts";
import {
  parseComposite,
  parseDateHistogram,
  parseFilters,
  parseHistogram,
  parseMissing,
  parseRange,
  parseTerms,
} from "./parse_bucket.ts";
import {
  parseCardinality,
  parseMad,
  parsePercentiles,
  parseStats,
  parseWeightedAvg,
} from "./parse_metric.ts";
import { parseTopHits } from "./parse_top_hits.ts";
import { isPipelineKind, parsePipeline } from "./parse_pipeline.ts";

const PARSERS: Readonly<Record<string, (options: Options) => AggSpec>> = {
  avg: parseStats,
  cardinality: parseCardinality,
  composite: parseComposite,
  date_histogram: parseDateHistogram,
  date_range: parseRange,
  extended_stats: parseStats,
  filters: parseFilters,
  global: () => ({ kind: "global" }),
  histogram: parseHistogram,
  ip_range: parseRange,
  max: parseStats,
  median_absolute_deviation: parseMad,
  min: parseStats,
  missing: parseMissing,
  percentile_ranks: parsePercentiles,
  percentiles: parsePercentiles,
  range: parseRange,
  stats: parseStats,
  sum: parseStats,
  terms: parseTerms,
  top_hits: parseTopHits,
  value_count: parseStats,
  weighted_avg: parseWeightedAvg,
};

/** Aggregations that take no aggregations into their buckets. */
const METRICS: ReadonlySet<string> = new Set([
  "avg",
  "cardinality",
  "extended_stats",
  "max",
  "median_absolute_deviation",
  "min",
  "percentile_ranks",
  "percentiles",
  "stats",
  "sum",
  "top_hits",
  "value_count",
  "weighted_avg",
]);

/** Aggregations of Elasticsearch that are answered with `not_supported_yet`. */
const UNSUPPORTED: ReadonlySet<string> = new Set([
  "adjacency_matrix",
  "auto_date_histogram",
  "boxplot",
  "bucket_correlation",
  "bucket_count_ks_test",
  "bucket_script",
  "bucket_selector",
  "categorize_text",
  "change_point",
  "children",
  "cumulative_cardinality",
  "diversified_sampler",
  "frequent_item_sets",
  "geo_bounds",
  "geo_centroid",
  "geo_distance",
  "geo_line",
  "geohash_grid",
  "geohex_grid",
  "geotile_grid",
  "inference",
  "ip_prefix",
  "matrix_stats",
  "moving_fn",
  "moving_percentiles",
  "multi_terms",
  "nested",
  "normalize",
  "parent",
  "random_sampler",
  "rare_terms",
  "rate",
  "reverse_nested",
  "sampler",
  "scripted_metric",
  "significant_terms",
  "significant_text",
  "string_stats",
  "t_test",
  "time_series",
  "top_metrics",
  "variable_width_histogram",
]);

/** Deepest nesting of aggregations. */
const MAX_DEPTH = 50;

/**
 * Parses the value of `aggs` or `aggregations` in a search body.
 *
 * @throws {RequestError} 400 `parsing_exception` and its kin; 501 `not_supported_yet` naming the aggregation.
 */
export function parseAggs(json: unknown): AggTree {
  return parseLevel(json, 1);
}

function parseLevel(json: unknown, depth: number): AggTree {
  if (!isObject(json)) {
    throw parsingError(`Unexpected token ${tokenName(json)} in [aggs], expected START_OBJECT.`);
  }
  if (depth > MAX_DEPTH) throw illegalArgument(`Aggregations are nested deeper than [${MAX_DEPTH}] levels`);
  const nodes: AggNode[] = [];
  const pipelines: PipelineNode[] = [];
  for (const name of Object.keys(json)) {
    const one = parseOne(name, json[name], depth);
    if ("spec" in one) nodes.push(one);
    else pipelines.push(one);
  }
  return { nodes, pipelines };
}

function parseOne(name: string, json: unknown, depth: number): AggNode | PipelineNode {
  if (/[[\]>]/.test(name)) {
    throw parsingError(
      `Invalid aggregation name [${name}]. Aggregation names can contain any character except '[', ']', and '>'`,
    );
  }
  if (!isObject(json)) {
    throw parsingError(
      `Aggregation definition for [${name} starts with a [${tokenName(json)}], expected a [START_OBJECT].`,
    );
  }
  let type: string | undefined;
  let inner: AggTree | undefined;
  let meta: Json | undefined;
  for (const key of Object.keys(json)) {
    const value = json[key];
    if (!isObject(value)) {
      throw parsingError(
        `Expected [START_OBJECT] under [${key}], but got a [${tokenName(value)}] in [${name}]`,
      );
    }
    if (key === "meta") meta = value as Json;
    else if (key === "aggs" || key === "aggregations") {
      if (inner) {
        throw parsingError(`Found two sub aggregation definitions under [${name}]`);
      }
      inner = parseLevel(value, depth + 1);
    } else {
      if (type !== undefined) {
        throw parsingError(`Found two aggregation type definitions in [${name}]: [${type}] and [${key}]`);
      }
      type = key;
    }
  }
  if (type === undefined) throw parsingError(`Missing definition for aggregation [${name}]`);
  const body = json[type] as { readonly [key: string]: unknown };
  const options = new Options(type, name, body);
  if (isPipelineKind(type)) {
    const pipeline = parsePipeline(type, options, meta);
    options.finish();
    if (inner) throw cannotNest(name, type);
    return pipeline;
  }
  const spec = type === "filter"
    ? { kind: "filter" as const, query: parseQuery(body) }
    : parseSpec(type, options);
  if (inner) checkInner(name, type, inner);
  return { name, spec, subs: inner?.nodes ?? [], pipelines: inner?.pipelines ?? [], meta };
}

function parseSpec(type: string, options: Options): AggSpec {
  if (!Object.hasOwn(PARSERS, type)) throw unknownType(type);
  const spec = PARSERS[type]!(options);
  options.finish();
  return spec;
}

function checkInner(name: string, type: string, inner: AggTree): void {
  if (METRICS.has(type)) throw cannotNest(name, type);
  for (const sub of inner.nodes) {
    if (sub.spec.kind === "global") {
      throw illegalArgument(
        `Aggregation [${name}] cannot have a global sub-aggregation [${sub.name}]. Global aggregations can only ` +
          "be defined as top level aggregations",
      );
    }
    if (sub.spec.kind === "composite" && type !== "filter") {
      throw illegalArgument(
        `[composite] aggregation cannot be used with a parentAggregation of type: [${type}]`,
      );
    }
  }
}

function cannotNest(name: string, type: string): RequestError {
  return new RequestError(`Aggregator [${name}] of type [${type}] cannot accept sub-aggregations`, {
    status: 500,
    type: "aggregation_initialization_exception",
  });
}

function unknownType(type: string): RequestError {
  if (UNSUPPORTED.has(type)) return notSupportedYet(`The aggregation [${type}]`);
  const hint = didYouMean(type, [...Object.keys(PARSERS), "filter", ...UNSUPPORTED]);
  return new RequestError(`Unknown aggregation type [${type}]${hint}`, {
    status: 400,
    type: "parsing_exception",
    causedBy: { type: "named_object_not_found_exception", reason: `unknown field [${type}]` },
  });
}
