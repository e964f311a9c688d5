/**
 * Parameters of bucket aggregations.
 *
 * @module
 */
import { illegalArgument, RequestError } from "../../base/errors.ts";
import { isObject, isScalar } from "../queries/body.ts";
import { parseQuery } from "../queries/parse.ts";
import type {
  AggSpec,
  Bounds,
  BucketOrder,
  CalendarUnit,
  CompositeSource,
  DateInterval,
  RangeBounds,
  TermFilter,
} from "./node.ts";
import { fieldSpec, Options, parseDuration, parseOrder, xContentError } from "./options.ts";
import { timeZone } from "../../schema/time_zone.ts";

const COUNT_DOWN: BucketOrder = { by: "count", path: "_count", ascending: false };
const KEY_UP: BucketOrder = { by: "key", path: "_key", ascending: true };
const DEFAULT_SIZE = 10;

export function parseTerms(options: Options): AggSpec {
  const size = positive(options, "size", "size") ?? DEFAULT_SIZE;
  const given = positive(options, "shard_size", "shardSize");
  const minDocCount = notNegative(options, "min_doc_count", "minDocCount") ?? 1;
  const shardMinDocCount = notNegative(options, "shard_min_doc_count", "shardMinDocCount") ?? 0;
  const order = parseOrder(options, COUNT_DOWN);
  const byKey = order[0]?.by === "key";
  const include = parseFilter(options, "include");
  const exclude = parseFilter(options, "exclude");
  if (exclude?.kind === "partition") {
    throw illegalArgument("Cannot use partition-based exclude");
  }
  for (const ignored of ["execution_hint", "collect_mode"]) options.text(ignored);
  return {
    kind: "terms",
    ...fieldSpec(options),
    size,
    shardSize: Math.max(size, given ?? (byKey ? size : Math.floor(size * 1.5 + 10))),
    minDocCount,
    shardMinDocCount: Math.min(shardMinDocCount, minDocCount),
    order,
    include,
    exclude,
    showError: options.boolean("show_term_doc_count_error") ?? false,
    valueType: options.text("value_type") ?? "",
  };
}

function positive(options: Options, key: string, called: string): number | undefined {
  const value = options.integer(key);
  if (value === undefined || value > 0) return value;
  throw options.failed(
    key,
    "illegal_argument_exception",
    `[${called}] must be greater than 0. Found [${value}] in [${options.name}]`,
  );
}

function notNegative(options: Options, key: string, called: string): number | undefined {
  const value = options.integer(key);
  if (value === undefined || value >= 0) return value;
  throw options.failed(
    key,
    "illegal_argument_exception",
    `[${called}] must be greater than or equal to 0. Found [${value}] in [${options.name}]`,
  );
}

function parseFilter(options: Options, key: "include" | "exclude"): TermFilter | undefined {
  const value = options.raw(key);
  if (value === undefined) return undefined;
  if (typeof value === "string") return { kind: "regexp", pattern: value };
  if (Array.isArray(value)) {
    return {
      kind: "list",
      values: value.map((one) => {
        if (!isScalar(one)) throw options.wrongToken(key, one);
        return typeof one === "bigint" ? String(one) : one;
      }),
    };
  }
  if (!isObject(value)) throw options.wrongToken(key, value);
  const inner = new Options(key, options.name, value);
  const partition = inner.integer("partition");
  const partitions = inner.integer("num_partitions");
  inner.finish();
  if (partition === undefined) {
    throw illegalArgument("Missing [partition] parameter for partition-based include");
  }
  if (partitions === undefined) {
    throw illegalArgument("Missing [num_partitions] parameter for partition-based include");
  }
  if (partition < 0 || partition >= partitions) {
    throw illegalArgument("partition must be >=0 and < numPartitions");
  }
  return { kind: "partition", partition, partitions };
}

export function parseHistogram(options: Options): AggSpec {
  const interval = options.number("interval");
  if (interval !== undefined && interval <= 0) {
    throw options.failed(
      "interval",
      "illegal_argument_exception",
      `[interval] must be >0 for histogram aggregation [${options.name}]`,
    );
  }
  const base = fieldSpec(options);
  const offset = options.number("offset") ?? 0;
  const rest = {
    minDocCount: notNegative(options, "min_doc_count", "minDocCount") ?? 0,
    keyed: options.boolean("keyed") ?? false,
    order: parseOrder(options, KEY_UP),
    extendedBounds: numberBounds(options, "extended_bounds"),
    hardBounds: numberBounds(options, "hard_bounds"),
  };
  options.finish();
  if (interval === undefined) throw illegalArgument("interval must be positive, got: 0.0");
  // Only the part of the offset within one interval matters.
  return {
    kind: "histogram",
    ...base,
    interval,
    offset: offset - Math.floor(offset / interval) * interval,
    ...rest,
  };
}

function numberBounds(options: Options, key: string): Bounds<number> | undefined {
  const body = options.object(key);
  if (!body) return undefined;
  const inner = new Options("double_bounds", options.name, body);
  const bounds = { min: inner.number("min"), max: inner.number("max") };
  inner.finish();
  if (bounds.min !== undefined && bounds.max !== undefined && bounds.max < bounds.min) {
    throw options.failed(
      key,
      "illegal_argument_exception",
      `max bound [${bounds.max}] must be greater than min bound [${bounds.min}]`,
    );
  }
  return bounds;
}

export function parseDateHistogram(options: Options): AggSpec {
  const interval = parseInterval(options);
  const base = zonedSpec(options);
  const rest = {
    offsetMs: parseOffset(options),
    minDocCount: notNegative(options, "min_doc_count", "minDocCount") ?? 0,
    keyed: options.boolean("keyed") ?? false,
    order: parseOrder(options, KEY_UP),
    extendedBounds: dateBounds(options, "extended_bounds"),
    hardBounds: dateBounds(options, "hard_bounds"),
  };
  options.finish();
  if (!interval) throw illegalArgument("Invalid interval specified, must be non-null and non-empty");
  return { kind: "date_histogram", ...base, interval, ...rest };
}

function zonedSpec(options: Options) {
  const base = fieldSpec(options);
  if (base.timeZone !== "") checkZone(base.timeZone, options);
  return base;
}

function checkZone(id: string, options: Options): void {
  try {
    timeZone(id);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw options.failed("time_zone", "zone_rules_exception", error.message);
  }
}

const CALENDAR_UNITS: Readonly<Record<string, CalendarUnit>> = {
  year: "year",
  "1y": "year",
  quarter: "quarter",
  "1q": "quarter",
  month: "month",
  "1M": "month",
  week: "week",
  "1w": "week",
  day: "day",
  "1d": "day",
  hour: "hour",
  "1h": "hour",
  minute: "minute",
  "1m": "minute",
  second: "second",
  "1s": "second",
};

function parseInterval(options: Options): DateInterval | undefined {
  const fixed = options.text("fixed_interval");
  const calendar = options.text("calendar_interval");
  if (fixed !== undefined && calendar !== undefined) {
    throw options.failed(
      "calendar_interval",
      "illegal_argument_exception",
      "Cannot use [calendar_interval] with [fixed_interval] configuration option.",
    );
  }
  if (calendar !== undefined) {
    const unit = Object.hasOwn(CALENDAR_UNITS, calendar) ? CALENDAR_UNITS[calendar] : undefined;
    if (unit === undefined) {
      throw options.failed(
        "calendar_interval",
        "illegal_argument_exception",
        `The supplied interval [${calendar}] could not be parsed as a calendar interval.`,
      );
    }
    return { kind: "calendar", unit };
  }
  if (fixed === undefined) return undefined;
  const ms = options.checked(
    "fixed_interval",
    () => parseDuration(fixed, "date_histogram.fixedInterval"),
  );
  return { kind: "fixed", ms };
}

function parseOffset(options: Options): number {
  const offset = options.raw("offset");
  if (offset === undefined) return 0;
  if (typeof offset === "number") return offset;
  if (typeof offset !== "string") throw options.wrongToken("offset", offset);
  return options.checked(
    "offset",
    () => parseDuration(offset, "DateHistogramAggregationBuilder.parseOffset"),
  );
}

function dateBounds(options: Options, key: string): Bounds<number | string> | undefined {
  const body = options.object(key);
  if (!body) return undefined;
  const inner = new Options(key, options.name, body);
  const bound = (side: string) => {
    const value = inner.raw(side);
    if (value === undefined || typeof value === "number" || typeof value === "string") return value;
    throw inner.wrongToken(side, value);
  };
  const bounds = { min: bound("min"), max: bound("max") };
  inner.finish();
  return bounds;
}

export function parseRange(options: Options): AggSpec {
  const kind = options.type as "range" | "date_range" | "ip_range";
  const base = kind === "date_range" ? zonedSpec(options) : fieldSpec(options);
  const ranges = (options.array("ranges") ?? []).map((range): RangeBounds => {
    if (!isObject(range)) throw options.wrongToken("ranges", range);
    const inner = new Options(kind, options.name, range);
    const bound = (side: string) => {
      const value = inner.raw(side);
      if (value === undefined || typeof value === "number" || typeof value === "string") return value;
      throw inner.wrongToken(side, value);
    };
    const parsed = {
      key: inner.text("key"),
      from: bound("from"),
      to: bound("to"),
      mask: kind === "ip_range" ? inner.text("mask") : undefined,
    };
    inner.finish();
    return parsed;
  });
  return { kind, ...base, keyed: options.boolean("keyed") ?? false, ranges };
}

export function parseFilters(options: Options): AggSpec {
  const filters = options.raw("filters");
  const other = options.boolean("other_bucket");
  const otherName = options.text("other_bucket_key");
  const otherKey = (other ?? otherName !== undefined) ? otherName ?? "_other_" : undefined;
  const keyed = options.boolean("keyed") ?? true;
  if (Array.isArray(filters)) {
    if (filters.length === 0) throw illegalArgument("[filters] cannot be empty.");
    const list = filters.map((query) => ({ name: "", query: parseQuery(query) }));
    return { kind: "filters", filters: list, named: false, keyed, otherKey };
  }
  if (!isObject(filters)) {
    throw illegalArgument(`[filters] cannot be empty.`);
  }
  const names = Object.keys(filters).sort();
  if (names.length === 0) throw illegalArgument("[filters] cannot be empty.");
  const list = names.map((name) => ({ name, query: parseQuery(filters[name]) }));
  return { kind: "filters", filters: list, named: true, keyed, otherKey };
}

export function parseMissing(options: Options): AggSpec {
  return { kind: "missing", ...fieldSpec(options) };
}

export function parseComposite(options: Options): AggSpec {
  const size = options.integer("size") ?? DEFAULT_SIZE;
  if (size <= 0) {
    throw options.failed(
      "size",
      "illegal_argument_exception",
      `[size] must be greater than 0. Found [${size}] in [${options.name}]`,
    );
  }
  const given = options.array("sources") ?? [];
  if (given.length === 0) {
    throw options.failed(
      "sources",
      "illegal_argument_exception",
      "Composite [sources] cannot be null or empty",
    );
  }
  const sources = given.map((source) => parseSource(source, options));
  const names = new Set<string>();
  for (const { name } of sources) {
    if (names.has(name)) {
      throw options.failed(
        "sources",
        "illegal_argument_exception",
        `Composite source names must be unique, found duplicates: [${name}]`,
      );
    }
    names.add(name);
  }
  const after = options.object("after");
  return { kind: "composite", size, sources, after: after && parseAfter(after, sources) };
}

function parseAfter(
  after: { readonly [key: string]: unknown },
  sources: readonly CompositeSource[],
): (string | number | boolean | null)[] {
  const keys = Object.keys(after);
  const values = sources.map((source) => {
    if (!Object.hasOwn(after, source.name)) throw illegalArgument(`Missing value for [after.${source.name}]`);
    const value = after[source.name];
    if (value === null && source.missingBucket) return null;
    if (!isScalar(value)) {
      throw illegalArgument(`Invalid value for [after.${source.name}], expected comparable`);
    }
    return typeof value === "bigint" ? String(value) : value;
  });
  if (keys.length !== sources.length) {
    throw illegalArgument(
      `[after] has ${keys.length} value(s) but [sources] has ${sources.length}`,
    );
  }
  return values;
}

function parseSource(json: unknown, options: Options): CompositeSource {
  const name = isObject(json) ? Object.keys(json)[0] : undefined;
  const body = name === undefined ? undefined : (json as { [key: string]: unknown })[name];
  if (name === undefined || !isObject(body)) {
    throw options.failed("sources", "parsing_exception", "Composite sources must be objects with one name");
  }
  const kind = Object.keys(body)[0];
  const inner = kind === undefined ? undefined : body[kind];
  if (kind !== "terms" && kind !== "histogram" && kind !== "date_histogram" || !isObject(inner)) {
    throw options.failed("sources", "parsing_exception", `invalid source type: ${kind}`);
  }
  const source = new Options(kind, options.name, inner);
  const direction = (source.text("order") ?? "asc").toLowerCase();
  const interval = kind === "histogram" ? source.number("interval") ?? 0 : 0;
  const dateInterval = kind === "date_histogram" ? parseInterval(source) : undefined;
  if (kind === "histogram" && interval <= 0) {
    throw illegalArgument(`[interval] must be greater than 0 for [histogram] source`);
  }
  if (kind === "date_histogram" && !dateInterval) {
    throw illegalArgument("Invalid interval specified, must be non-null and non-empty");
  }
  const missingOrder = source.text("missing_order") ?? "default";
  if (missingOrder !== "default" && missingOrder !== "first" && missingOrder !== "last") {
    throw xContentError(`[${kind}] failed to parse field [missing_order]`);
  }
  const parsed: CompositeSource = {
    name,
    kind,
    ...fieldSpec(source),
    ascending: direction !== "desc",
    missingBucket: source.boolean("missing_bucket") ?? false,
    missingOrder,
    interval,
    dateInterval,
    offset: kind === "date_histogram" ? parseOffset(source) : 0,
  };
  source.raw("value_type");
  source.finish();
  return parsed;
}
