/**
 * Aggregations over the results of others: those that walk along the buckets of their parent, and those that look
 * at the buckets of a sibling.
 *
 * @module
 */
import { Double, type Json } from "../../base/json.ts";
import { illegalArgument, RequestError } from "../../base/errors.ts";
import { compareNumbers } from "./bucket_order.ts";
import { metricAt, type MetricPath, metricPath } from "./metric_path.ts";
import { statsFigure } from "./metric_value.ts";
import type { AggNode, AggTree, PipelineNode } from "./node.ts";
import { statsJson } from "./render_metrics.ts";
import type { AggResult, Bucket, ValueResult } from "./result.ts";
import { addCompensated } from "./stats.ts";
import { formatDecimal } from "./decimal_format.ts";
import { bucketName } from "./bucket_name.ts";
import { RAW } from "./value_format.ts";

const PARENTS: ReadonlySet<string> = new Set(["derivative", "cumulative_sum", "serial_diff", "bucket_sort"]);

/** Whether a pipeline belongs into the buckets of a multi-bucket aggregation. */
export function isParentPipeline(pipeline: PipelineNode): boolean {
  return PARENTS.has(pipeline.kind);
}

/** Runs the pipelines of `node` that walk along its buckets, in the order in which they depend on each other. */
export function runPipelines(node: AggNode, buckets: readonly Bucket[]): Bucket[] {
  let out = buckets.slice();
  const { pipelines } = node;
  if (!pipelines.some(isParentPipeline)) return out;
  for (const at of dependencyOrder(pipelines)) {
    const pipeline = pipelines[at]!;
    if (!isParentPipeline(pipeline)) continue;
    if (pipeline.kind === "bucket_sort") out = sortPage(pipeline, node, out);
    else out = withPipe(out, at, alongBuckets(pipeline, node, out));
  }
  return out;
}

/** Positions such that a pipeline comes after those that its path names. */
function dependencyOrder(pipelines: readonly PipelineNode[]): number[] {
  const order: number[] = [];
  const visit = (at: number) => {
    if (order.includes(at)) return;
    const head = pipelines[at]!.bucketsPath.split(/[>.[]/)[0]!;
    const needed = pipelines.findIndex((one, i) => i !== at && one.name === head);
    if (needed >= 0 && !order.includes(needed)) visit(needed);
    order.push(at);
  };
  for (let at = 0; at < pipelines.length; at++) if (pipelines[at]!.kind !== "bucket_sort") visit(at);
  // Sorting and paging come last: others need all buckets.
  for (let at = 0; at < pipelines.length; at++) if (pipelines[at]!.kind === "bucket_sort") order.push(at);
  return order;
}

function withPipe(
  buckets: readonly Bucket[],
  at: number,
  values: readonly (AggResult | undefined)[],
): Bucket[] {
  return buckets.map((bucket, i) => {
    const pipes = bucket.pipes ? bucket.pipes.slice() : [];
    pipes[at] = values[i];
    return { ...bucket, pipes };
  });
}

function pathIn(pipeline: PipelineNode, node: AggNode): MetricPath {
  return resolvePath(pipeline, pipeline.bucketsPath, node.subs, node.pipelines);
}

function resolvePath(
  pipeline: PipelineNode,
  path: string,
  subs: readonly AggNode[],
  pipelines: readonly PipelineNode[],
): MetricPath {
  try {
    return metricPath(path, subs, pipelines);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw new RequestError(
      `Validation Failed: 1: No aggregation found for path [${pipeline.bucketsPath}];`,
      { status: 400, type: "action_request_validation_exception" },
    );
  }
}

/** The value of a bucket, NaN in a gap that is skipped. Empty buckets are gaps for everything but their count. */
function valueAt(path: MetricPath, bucket: Bucket, gapPolicy: string): number {
  const value = metricAt(path, bucket);
  const gap = !Number.isFinite(value) || (bucket.count === 0 && path.last >= 0);
  if (!gap) return value;
  if (gapPolicy === "insert_zeros") return 0;
  return gapPolicy === "keep_values" && Number.isFinite(value) ? value : NaN;
}

function alongBuckets(
  pipeline: PipelineNode,
  node: AggNode,
  buckets: readonly Bucket[],
): (AggResult | undefined)[] {
  if (node.spec.kind !== "histogram" && node.spec.kind !== "date_histogram") {
    throw new RequestError(
      `Validation Failed: 1: ${pipeline.kind} aggregation [${pipeline.name}] must have a histogram, ` +
        "date_histogram or auto_date_histogram as parent;",
      { status: 400, type: "action_request_validation_exception" },
    );
  }
  const path = pathIn(pipeline, node);
  switch (pipeline.kind) {
    case "cumulative_sum": {
      const sums = new Float64Array(1);
      const errors = new Float64Array(1);
      return buckets.map((bucket) => {
        const value = metricAt(path, bucket);
        if (Number.isFinite(value)) addCompensated(sums, errors, 0, value);
        return simpleValue(pipeline, sums[0]!);
      });
    }
    case "derivative": {
      let before = NaN;
      let beforeKey = 0;
      return buckets.map((bucket) => {
        const value = valueAt(path, bucket, pipeline.gapPolicy);
        const change = value - before;
        const key = Number(bucket.key);
        const units = pipeline.unitMs > 0 ? (key - beforeKey) / pipeline.unitMs : undefined;
        const known = !Number.isNaN(before) && !Number.isNaN(value);
        if (!Number.isNaN(value) || pipeline.gapPolicy === "skip") {
          before = value;
          beforeKey = key;
        }
        if (!known) return undefined;
        return units === undefined
          ? simpleValue(pipeline, change)
          : derivativeValue(pipeline, change, change / units);
      });
    }
    default: {
      const values = buckets.map((bucket) => valueAt(path, bucket, pipeline.gapPolicy));
      return values.map((value, i) => {
        const earlier = i >= pipeline.lag ? values[i - pipeline.lag]! : NaN;
        return Number.isNaN(value) || Number.isNaN(earlier)
          ? undefined
          : simpleValue(pipeline, value - earlier);
      });
    }
  }
}

function sortPage(pipeline: PipelineNode, node: AggNode, buckets: readonly Bucket[]): Bucket[] {
  let out = buckets.slice();
  if (pipeline.sort.length > 0) {
    const keys = pipeline.sort.map((one) => {
      if (one.path === "_key") return (bucket: Bucket) => Number(bucket.key);
      const path = resolvePath(pipeline, one.path, node.subs, node.pipelines);
      return (bucket: Bucket) => valueAt(path, bucket, pipeline.gapPolicy);
    });
    // Buckets without a value for any of the keys are left out.
    const rows = out.map((bucket) => ({ bucket, values: keys.map((key) => key(bucket)) }))
      .filter((row) => pipeline.gapPolicy !== "skip" || row.values.some((value) => !Number.isNaN(value)));
    rows.sort((a, b) => {
      for (let i = 0; i < keys.length; i++) {
        const difference = compareNumbers(a.values[i]!, b.values[i]!);
        if (difference !== 0) return pipeline.sort[i]!.ascending ? difference : -difference;
      }
      return 0;
    });
    out = rows.map((row) => row.bucket);
  }
  const end = pipeline.size === undefined ? out.length : pipeline.from + pipeline.size;
  return out.slice(pipeline.from, end);
}

/** Runs the pipelines of one level that look into the buckets of a sibling. */
export function runSiblings(tree: AggTree, results: readonly AggResult[]): (AggResult | undefined)[] {
  return tree.pipelines.map((pipeline) =>
    isParentPipeline(pipeline) ? undefined : overSibling(pipeline, tree, results)
  );
}

function overSibling(pipeline: PipelineNode, tree: AggTree, results: readonly AggResult[]): AggResult {
  const { named, values } = siblingValues(pipeline, tree, results);
  switch (pipeline.kind) {
    case "max_bucket":
    case "min_bucket": {
      const sign = pipeline.kind === "max_bucket" ? 1 : -1;
      let best = NaN;
      let keys: string[] = [];
      values.forEach((value, i) => {
        if (Number.isNaN(best) || sign * value > sign * best) {
          best = value;
          keys = [named[i]!];
        } else if (value === best) keys.push(named[i]!);
      });
      const text = formatted(pipeline, best);
      return {
        kind: "value",
        value: best,
        json: {
          value: Number.isNaN(best) ? null : new Double(best),
          value_as_string: text,
          keys,
        },
      };
    }
    case "sum_bucket":
      return simpleValue(pipeline, values.reduce((sum, value) => sum + value, 0));
    case "avg_bucket":
      return simpleValue(pipeline, values.reduce((sum, value) => sum + value, 0) / values.length);
    case "percentiles_bucket":
      return percentilesBucket(pipeline, values);
    default: {
      const stats = {
        kind: "stats" as const,
        count: values.length,
        sum: values.reduce((sum, value) => sum + value, 0),
        min: Math.min(Infinity, ...values),
        max: Math.max(-Infinity, ...values),
        sumOfSquares: values.reduce((sum, value) => sum + value * value, 0),
        format: pipeline.format === "" ? RAW : { kind: "decimal" as const, pattern: pipeline.format },
      };
      const kind = pipeline.kind === "extended_stats_bucket" ? "extended_stats" : "stats";
      return {
        kind: "value",
        value: statsFigure(stats, "avg", pipeline.sigma),
        json: statsJson(kind, stats, pipeline.sigma),
      };
    }
  }
}

function percentilesBucket(pipeline: PipelineNode, values: readonly number[]): ValueResult {
  const sorted = Float64Array.from(values).sort();
  const entries = pipeline.percents.map((percent): [number, number] => {
    // The nearest value, not an interpolation: as Elasticsearch does it.
    const index = Math.round(percent / 100 * (sorted.length - 1));
    return [percent, sorted.length === 0 ? NaN : sorted[index]!];
  });
  const number = (value: number): Json => Number.isNaN(value) ? null : new Double(value);
  const json: Json = pipeline.keyed
    ? { values: Object.fromEntries(entries.map(([percent, value]) => [keyText(percent), number(value)])) }
    : { values: entries.map(([percent, value]) => ({ key: new Double(percent), value: number(value) })) };
  return { kind: "value", value: NaN, json };
}

function keyText(percent: number): string {
  return Number.isInteger(percent) ? percent.toFixed(1) : String(percent);
}

/** Values of the buckets that `over>metric` names, gaps left out, with their keys as text. */
function siblingValues(
  pipeline: PipelineNode,
  tree: AggTree,
  results: readonly AggResult[],
): { named: string[]; values: number[] } {
  const parts = pipeline.bucketsPath.split(">");
  let nodes = tree.nodes;
  let level = results;
  for (let i = 0; i < parts.length; i++) {
    const name = parts[i]!.trim().replace(/\._bucket_count$/, "");
    const at = nodes.findIndex((node) => node.name === name);
    const node = nodes[at];
    const result = level[at];
    if (!node || !result) {
      throw new RequestError(
        `Validation Failed: 1: No aggregation [${parts[i]}] found for path [${pipeline.bucketsPath}];`,
        { status: 400, type: "action_request_validation_exception" },
      );
    }
    if (result.kind === "single") {
      nodes = node.subs;
      level = result.bucket.subs;
      continue;
    }
    if (!("buckets" in result)) break;
    const path = resolvePath(pipeline, parts.slice(i + 1).join(">") || "_count", node.subs, node.pipelines);
    const named: string[] = [];
    const values: number[] = [];
    result.buckets.forEach((bucket) => {
      const value = valueAt(path, bucket, pipeline.gapPolicy);
      if (Number.isNaN(value)) return;
      named.push(bucketName(node, result, bucket));
      values.push(value);
    });
    return { named, values };
  }
  throw illegalArgument(
    `The first aggregation in buckets_path must be a multi-bucket aggregation for aggregation [${pipeline.name}] ` +
      `found for buckets path: ${pipeline.bucketsPath}`,
  );
}

function formatted(pipeline: PipelineNode, value: number): string | undefined {
  return pipeline.format === "" || Number.isNaN(value) ? undefined : formatDecimal(pipeline.format, value);
}

function simpleValue(pipeline: PipelineNode, value: number): ValueResult {
  const json = {
    value: Number.isFinite(value) ? new Double(value) : null,
    value_as_string: formatted(pipeline, value),
  };
  return { kind: "value", value, json };
}

function derivativeValue(pipeline: PipelineNode, value: number, normalized: number): ValueResult {
  const json = {
    value: new Double(value),
    value_as_string: formatted(pipeline, value),
    normalized_value: new Double(normalized),
  };
  return { kind: "value", value, json };
}
