/**
 * Final results in Elasticsearch's shapes and key order.
 *
 * @module
 */
import { assert } from "../../base/errors.ts";
import { Double, type Json } from "../../base/json.ts";
import { bucketName, termKey } from "./bucket_name.ts";
import type { AggNode, AggTree, CompositeSpec, FiltersSpec, RangeSpec, TopHitsSpec } from "./node.ts";
import type { Reduced } from "./reduce.ts";
import { cardinalityJson, digestJson, statsJson, weightedAvgJson } from "./render_metrics.ts";
import type {
  AggResult,
  Bucket,
  BucketKey,
  CompositeResult,
  HistogramResult,
  RangesResult,
  TermsResult,
} from "./result.ts";
import { topHitsJson } from "./top_hits_reduce.ts";
import { numberText, termText, type ValueFormat } from "./value_format.ts";

type JsonFields = { [key: string]: Json | undefined };

export interface RenderOptions {
  /** `typed_keys`: names are prefixed with types, such as `sterms#by_host`. */
  readonly typedKeys?: boolean;
}

/** The value of `aggregations` in a search answer. */
export function renderAggs(tree: AggTree, reduced: Reduced, options: RenderOptions = {}): Json {
  const out: JsonFields = {};
  renderLevel(tree, reduced.results, reduced.pipes, out, options.typedKeys === true);
  return out;
}

function renderLevel(
  tree: AggTree,
  results: readonly AggResult[],
  pipes: readonly (AggResult | undefined)[],
  out: JsonFields,
  typed: boolean,
): void {
  tree.nodes.forEach((node, i) => {
    const result = results[i]!;
    const body = renderOne(node, result, typed);
    const name = typed ? `${typeName(node, result)}#${node.name}` : node.name;
    out[name] = node.meta === undefined ? body : { meta: node.meta, ...body };
  });
  tree.pipelines.forEach((pipeline, i) => {
    const result = pipes[i];
    if (!result) return;
    assert(result.kind === "value", "pipelines make values");
    const name = typed ? `${PIPELINE_TYPES[pipeline.kind] ?? pipeline.kind}#${pipeline.name}` : pipeline.name;
    const body = result.json as JsonFields;
    out[name] = pipeline.meta === undefined ? body : { meta: pipeline.meta, ...body };
  });
}

const PIPELINE_TYPES: Readonly<Record<string, string>> = {
  cumulative_sum: "simple_value",
  serial_diff: "simple_value",
  sum_bucket: "simple_value",
  avg_bucket: "simple_value",
  max_bucket: "bucket_metric_value",
  min_bucket: "bucket_metric_value",
};

function typeName(node: AggNode, result: AggResult): string {
  switch (node.spec.kind) {
    case "terms": {
      const { keyType } = result as TermsResult;
      // Of a field that is not mapped, too.
      return keyType === "long" ? "lterms" : keyType === "double" ? "dterms" : "sterms";
    }
    case "percentiles":
      return "tdigest_percentiles";
    case "percentile_ranks":
      return "tdigest_percentile_ranks";
    default:
      return node.spec.kind;
  }
}

function renderOne(node: AggNode, result: AggResult, typed: boolean): JsonFields {
  switch (result.kind) {
    case "stats":
      return statsJson(node.spec.kind, result, node.spec.kind === "extended_stats" ? node.spec.sigma : 2);
    case "cardinality":
      return cardinalityJson(result);
    case "digest":
      assert("points" in node.spec, "a digest of percentiles");
      return digestJson(node.spec, result);
    case "weighted_avg":
      return weightedAvgJson(result, node.spec.kind === "weighted_avg" ? node.spec.format : "");
    case "terms":
      return renderTerms(node, result, typed);
    case "histogram":
      return renderHistogram(node, result, typed);
    case "ranges":
      return node.spec.kind === "filters"
        ? renderFilters(node, node.spec, result, typed)
        : renderRanges(node, node.spec as RangeSpec, result, typed);
    case "single": {
      const out: JsonFields = { doc_count: result.bucket.count };
      renderInner(node, result.bucket, out, typed);
      return out;
    }
    case "composite":
      return renderComposite(node, node.spec as CompositeSpec, result, typed);
    case "hits":
      return topHitsJson(node.spec as TopHitsSpec, result);
    case "value":
      return result.json as JsonFields;
  }
}

function renderInner(node: AggNode, bucket: Bucket, out: JsonFields, typed: boolean): void {
  if (node.subs.length === 0 && node.pipelines.length === 0) return;
  renderLevel({ nodes: node.subs, pipelines: node.pipelines }, bucket.subs, bucket.pipes ?? [], out, typed);
}

function renderTerms(node: AggNode, result: TermsResult, typed: boolean): JsonFields {
  const showError = node.spec.kind === "terms" && node.spec.showError;
  const buckets = result.buckets.map((bucket) => {
    const out: JsonFields = { key: termKey(result.keyType, result.format, bucket.key) };
    if (typeof bucket.key !== "string") {
      const text = numberText(result.format, Number(bucket.key));
      if (text !== undefined) out.key_as_string = text;
    }
    out.doc_count = bucket.count;
    if (showError) out.doc_count_error_upper_bound = bucket.error;
    renderInner(node, bucket, out, typed);
    return out;
  });
  return {
    doc_count_error_upper_bound: result.docCountError,
    sum_other_doc_count: result.otherDocCount,
    buckets,
  };
}

function renderHistogram(node: AggNode, result: HistogramResult, typed: boolean): JsonFields {
  const dates = node.spec.kind === "date_histogram";
  const keyed = "keyed" in node.spec && node.spec.keyed;
  const render = (bucket: Bucket) => {
    const key = Number(bucket.key);
    const out: JsonFields = {
      key_as_string: numberText(result.format, key),
      key: dates ? key : new Double(key),
      doc_count: bucket.count,
    };
    renderInner(node, bucket, out, typed);
    return out;
  };
  if (!keyed) return { buckets: result.buckets.map(render) };
  const buckets: JsonFields = {};
  for (const bucket of result.buckets) buckets[bucketName(node, result, bucket)] = render(bucket);
  return { buckets };
}

function renderRanges(node: AggNode, spec: RangeSpec, result: RangesResult, typed: boolean): JsonFields {
  const side = (value: number | string | undefined) => typeof value === "number" ? new Double(value) : value;
  const render = (bucket: Bucket) => {
    const range = result.ranges[Number(bucket.key)]!;
    const out: JsonFields = {
      key: spec.keyed ? undefined : range.key,
      from: side(range.from),
      from_as_string: range.fromText,
      to: side(range.to),
      to_as_string: range.toText,
      doc_count: bucket.count,
    };
    renderInner(node, bucket, out, typed);
    return out;
  };
  if (!spec.keyed) return { buckets: result.buckets.map(render) };
  const buckets: JsonFields = {};
  for (const bucket of result.buckets) buckets[bucketName(node, result, bucket)] = render(bucket);
  return { buckets };
}

function renderFilters(node: AggNode, spec: FiltersSpec, result: RangesResult, typed: boolean): JsonFields {
  const render = (bucket: Bucket, key: string | undefined) => {
    const out: JsonFields = { key, doc_count: bucket.count };
    renderInner(node, bucket, out, typed);
    return out;
  };
  if (!spec.named) return { buckets: result.buckets.map((bucket) => render(bucket, undefined)) };
  if (!spec.keyed) {
    return { buckets: result.buckets.map((bucket) => render(bucket, bucketName(node, result, bucket))) };
  }
  const buckets: JsonFields = {};
  for (const bucket of result.buckets) buckets[bucketName(node, result, bucket)] = render(bucket, undefined);
  return { buckets };
}

function renderComposite(
  node: AggNode,
  spec: CompositeSpec,
  result: CompositeResult,
  typed: boolean,
): JsonFields {
  const keyOf = (values: readonly (BucketKey | null)[]) => {
    const key: JsonFields = {};
    spec.sources.forEach((source, i) => {
      key[source.name] = compositeValue(result.formats[i]!, result.doubles[i]!, values[i]!);
    });
    return key;
  };
  const last = result.buckets[result.buckets.length - 1];
  return {
    after_key: last && keyOf(last.values),
    buckets: result.buckets.map((bucket) => {
      const out: JsonFields = { key: keyOf(bucket.values), doc_count: bucket.count };
      renderInner(node, bucket, out, typed);
      return out;
    }),
  };
}

function compositeValue(format: ValueFormat, double: boolean, value: BucketKey | null): Json {
  if (value === null) return null;
  if (typeof value === "string") return termText(format, value);
  if (typeof value === "bigint") return value;
  if (format.kind === "boolean") return value !== 0;
  const text = numberText(format, value);
  if (text !== undefined) return text;
  return double ? new Double(value) : value;
}
