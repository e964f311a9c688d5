/**
 * Parameters of pipeline aggregations.
 *
 * @module
 */
import type { Json } from "../../base/json.ts";
import { isObject } from "../queries/body.ts";
import type { PipelineKind, PipelineNode } from "./node.ts";
import { type Options, parseDuration, xContentError } from "./options.ts";

const KINDS: ReadonlySet<string> = new Set<PipelineKind>([
  "derivative",
  "cumulative_sum",
  "serial_diff",
  "bucket_sort",
  "max_bucket",
  "min_bucket",
  "avg_bucket",
  "sum_bucket",
  "stats_bucket",
  "extended_stats_bucket",
  "percentiles_bucket",
]);

export function isPipelineKind(kind: string): kind is PipelineKind {
  return KINDS.has(kind);
}

const CALENDAR_MS: Readonly<Record<string, number>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
  "1w": 604_800_000,
  month: 2_592_000_000,
  "1M": 2_592_000_000,
  year: 31_536_000_000,
  "1y": 31_536_000_000,
};

const GAP_POLICIES: ReadonlySet<string> = new Set(["skip", "insert_zeros", "keep_values"]);

export function parsePipeline(kind: PipelineKind, options: Options, meta: Json | undefined): PipelineNode {
  const sorting = kind === "bucket_sort";
  const path = options.raw("buckets_path");
  const bucketsPath = Array.isArray(path) ? path[0] : path;
  if (!sorting && typeof bucketsPath !== "string") {
    throw xContentError(`Required [buckets_path]`);
  }
  const gapPolicy = (options.text("gap_policy") ?? "skip").toLowerCase();
  if (!GAP_POLICIES.has(gapPolicy)) {
    throw xContentError(
      `Invalid gap policy: [${gapPolicy}], accepted values: [insert_zeros, skip, keep_values]`,
    );
  }
  const unit = kind === "derivative" ? options.text("unit") : undefined;
  return {
    name: options.name,
    kind,
    bucketsPath: typeof bucketsPath === "string" ? bucketsPath : "",
    gapPolicy,
    format: options.text("format") ?? "",
    unitMs: unit === undefined ? 0 : CALENDAR_MS[unit] ?? parseDuration(unit, "unit"),
    lag: kind === "serial_diff" ? Math.max(1, options.integer("lag") ?? 1) : 1,
    sigma: kind === "extended_stats_bucket" ? options.number("sigma") ?? 2 : 2,
    percents: kind === "percentiles_bucket" ? parsePercents(options) : [],
    keyed: kind === "percentiles_bucket" ? options.boolean("keyed") ?? true : true,
    sort: sorting ? parseSort(options) : [],
    from: sorting ? options.integer("from") ?? 0 : 0,
    size: sorting ? options.integer("size") : undefined,
    meta,
  };
}

function parsePercents(options: Options): number[] {
  const list = options.array("percents") ?? [1, 5, 25, 50, 75, 95, 99];
  return list.map((value) => {
    if (typeof value !== "number") throw options.wrongToken("percents", value);
    return value;
  });
}

function parseSort(options: Options): PipelineNode["sort"] {
  const given = options.raw("sort");
  const list = given === undefined ? [] : Array.isArray(given) ? given : [given];
  return list.map((one) => {
    if (typeof one === "string") return { path: one, ascending: true };
    if (!isObject(one)) throw options.wrongToken("sort", one);
    const path = Object.keys(one)[0] ?? "";
    const value = one[path];
    const order = isObject(value) ? value.order ?? "asc" : value;
    return { path, ascending: String(order).toLowerCase() !== "desc" };
  });
}
