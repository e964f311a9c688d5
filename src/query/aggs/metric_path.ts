/**
 * What number does a path such as `errors>latency.max` name in a result?
 *
 * Used to order buckets by a metric and by pipelines.
 *
 * @module
 */
import { illegalArgument, RequestError } from "../../base/errors.ts";
import type { AggNode, PipelineNode } from "./node.ts";
import { metricOf } from "./metric_value.ts";
import type { AggResult, Bucket } from "./result.ts";

export interface MetricPath {
  /** Single-bucket aggregations to walk through, as positions in `subs`. */
  readonly steps: readonly number[];
  /** Position of the last one in `subs`, or in `pipelines`; -1: the bucket's own `_count`. */
  readonly last: number;
  readonly pipeline: boolean;
  /** Key of a multi-value metric, "" without one. */
  readonly key: string;
  readonly node: AggNode | undefined;
}

/** Aggregations that hold one bucket, so that a path may go on through them. */
const SINGLE: ReadonlySet<string> = new Set(["filter", "missing", "global"]);
const MULTI_VALUE: Readonly<Record<string, readonly string[]>> = {
  stats: ["count", "sum", "min", "max", "avg"],
  extended_stats: [
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "sum_of_squares",
    "variance",
    "variance_population",
    "variance_sampling",
    "std_deviation",
    "std_deviation_population",
    "std_deviation_sampling",
    "std_upper",
    "std_lower",
    "std_upper_population",
    "std_lower_population",
    "std_upper_sampling",
    "std_lower_sampling",
  ],
};
const BUCKETS: ReadonlySet<string> = new Set([
  "terms",
  "histogram",
  "date_histogram",
  "range",
  "date_range",
  "ip_range",
  "filters",
  "composite",
]);

/** Splits `name.key` and `name[key]` at a name that `names` knows; names may hold dots themselves. */
function splitLast(text: string, names: (name: string) => boolean): { name: string; key: string } {
  const bracket = text.lastIndexOf("[");
  if (bracket > 0 && text.endsWith("]")) {
    const inner = text.slice(bracket + 1, -1);
    const quoted = /^(['"])(.*)\1$/.exec(inner);
    return { name: text.slice(0, bracket), key: quoted ? quoted[2]! : inner };
  }
  if (names(text)) return { name: text, key: "" };
  for (let at = text.indexOf("."); at > 0; at = text.indexOf(".", at + 1)) {
    if (names(text.slice(0, at))) return { name: text.slice(0, at), key: text.slice(at + 1) };
  }
  const dot = text.indexOf(".");
  return dot > 0 ? { name: text.slice(0, dot), key: text.slice(dot + 1) } : { name: text, key: "" };
}

/**
 * Resolves a path below a bucket whose aggregations are `nodes`.
 *
 * @throws {RequestError} 400: the path names nothing that has one value.
 */
export function metricPath(
  path: string,
  nodes: readonly AggNode[],
  pipelines: readonly PipelineNode[],
): MetricPath {
  const parts = path.split(">").map((part) => part.trim());
  const steps: number[] = [];
  let level = nodes;
  for (let i = 0; i < parts.length - 1; i++) {
    const at = level.findIndex((node) => node.name === parts[i]);
    if (at < 0) throw illegalArgument(`Cannot find aggregation named [${parts[i]}]`);
    const node = level[at]!;
    if (!SINGLE.has(node.spec.kind)) {
      throw illegalArgument(
        BUCKETS.has(node.spec.kind)
          ? `Can't sort by a descendant of a [${shortType(node)}] aggregation [${parts[i + 1]}]`
          : `Metrics aggregations cannot have sub-aggregations (at [>${parts[i + 1]}]`,
      );
    }
    steps.push(at);
    level = node.subs;
  }
  const lastPart = parts[parts.length - 1]!;
  if (lastPart === "_count") return { steps, last: -1, pipeline: false, key: "", node: undefined };
  const pipes = steps.length === 0 ? pipelines : [];
  const { name, key } = splitLast(
    lastPart,
    (wanted) => level.some((one) => one.name === wanted) || pipes.some((one) => one.name === wanted),
  );
  const last = level.findIndex((node) => node.name === name);
  if (last < 0) {
    const pipe = pipes.findIndex((one) => one.name === name);
    if (pipe < 0) throw illegalArgument(`Cannot find aggregation named [${name}]`);
    return { steps, last: pipe, pipeline: true, key, node: undefined };
  }
  checkKey(level[last]!, key);
  return { steps, last, pipeline: false, key, node: level[last]! };
}

function shortType(node: AggNode): string {
  // Elasticsearch names the implementation that the field's type chose; strings are the common case.
  return node.spec.kind === "terms" ? "sterms" : node.spec.kind;
}

function checkKey(node: AggNode, key: string): void {
  const kind = node.spec.kind;
  if (kind === "top_hits") {
    throw new RequestError(
      "Buckets can only be sorted on a sub-aggregator path that is built out of zero or more single-bucket " +
        "aggregations within the path and a final single-bucket or a metrics aggregation at the path end.",
      { status: 400, type: "invalid_path" },
    );
  }
  if (BUCKETS.has(kind)) {
    throw illegalArgument(`Can't sort a [${shortType(node)}] aggregation [${node.name}]`);
  }
  if (SINGLE.has(kind)) {
    if (key === "" || key === "doc_count" || key === "_count") return;
    throw illegalArgument(
      `Ordering on a single-bucket aggregation can only be done on its doc_count. Either drop the key (a la "${node.name}") ` +
        `or change it to "doc_count" (a la "${node.name}.doc_count")`,
    );
  }
  const known = MULTI_VALUE[kind];
  if (known || kind === "percentiles" || kind === "percentile_ranks") {
    if (key === "") {
      throw illegalArgument("Missing value key in [null] which refers to a multi-value metric aggregation");
    }
    if (known && !known.includes(key)) {
      throw illegalArgument(
        `No enum constant org.elasticsearch.search.aggregations.metrics.Internal${
          kind === "stats" ? "Stats" : "ExtendedStats"
        }.Metrics.${key}`,
      );
    }
    if (!known && !Number.isFinite(Number(key))) {
      throw illegalArgument(`Unknown value key [${key}] for ${kind} aggregation [${node.name}]`);
    }
    return;
  }
  if (key !== "" && key !== "value") {
    throw illegalArgument(
      `Unknown value key [${key}] for single-value metric aggregation [${node.name}]. Either use [value] as key ` +
        "or drop the key all together",
    );
  }
}

/** The number that a resolved path names in a bucket; NaN: there is none. */
export function metricAt(path: MetricPath, bucket: Bucket): number {
  let at = bucket;
  for (const step of path.steps) {
    const result = at.subs[step]!;
    if (result.kind !== "single") return NaN;
    at = result.bucket;
  }
  if (path.last < 0) return at.count;
  const result: AggResult | undefined = path.pipeline ? at.pipes?.[path.last] : at.subs[path.last];
  return result === undefined ? NaN : metricOf(path.node, result, path.key);
}
