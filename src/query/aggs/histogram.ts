/**
 * Buckets by interval: histogram and date_histogram.
 *
 * Within a segment a value's interval is a small number (its distance from the first interval of the column), so
 * that a table finds the bucket; columns that span too many intervals go through a hash table.
 *
 * @module
 */
import { illegalArgument } from "../../base/errors.ts";
import { timeZone, UTC } from "../../schema/time_zone.ts";
import type { SearchSegment, SearchTarget } from "../target.ts";
import { resolveOrder } from "./bucket_order.ts";
import { BucketSpace } from "./bucket_space.ts";
import {
  closeAll,
  type Collector,
  type CollectorEnv,
  forward,
  NO_BUCKET,
  openAll,
  resultsOf,
} from "./collector.ts";
import { type FieldUse, parseDate, resolveField } from "./field_use.ts";
import type { AggNode, Bounds, DateHistogramSpec, HistogramSpec } from "./node.ts";
import { NumberIds } from "./number_ids.ts";
import type { Bucket, HistogramResult } from "./result.ts";
import { makeRounding } from "./rounding.ts";
import { BATCH, type NumberLeaf, openNumbers } from "./sources.ts";
import { bucketsOfPairs } from "./stats.ts";
import type { ValueFormat } from "./value_format.ts";

/** Most intervals of a segment that get a table. */
const INTERVALS_MAX = 65_536;

type HistogramNode = AggNode & { readonly spec: HistogramSpec | DateHistogramSpec };

/** How keys of a histogram come about and how gaps between them are filled. */
export interface Intervals {
  round(value: number): number;
  next(key: number): number;
  /** Length and origin when all intervals are alike. */
  readonly length: number | undefined;
  readonly origin: number;
  /** Whether `next` meets every key. */
  readonly walkable: boolean;
  /** Keys between which empty buckets are made; already rounded. */
  readonly extended: Bounds<number> | undefined;
  /** Whether a key lies within `hard_bounds`. */
  inBounds(key: number): boolean;
}

/** @throws {RequestError} 400: a bad interval, zone or bound. */
export function intervalsOf(node: HistogramNode, format: ValueFormat, nowMs: number): Intervals {
  const { name, spec } = node;
  return spec.kind === "histogram" ? numberIntervals(spec) : dateIntervals(name, spec, format, nowMs);
}

function numberIntervals(spec: HistogramSpec): Intervals {
  const { interval, offset, hardBounds: hard, extendedBounds: extended } = spec;
  const round = (value: number) => Math.floor((value - offset) / interval) * interval + offset;
  return {
    round,
    next: (key) => round(key + interval + interval / 2),
    length: interval,
    origin: offset,
    walkable: true,
    extended: extended && {
      min: extended.min === undefined ? undefined : round(extended.min),
      max: extended.max,
    },
    inBounds: (key) =>
      (hard?.min === undefined || key >= hard.min) && (hard?.max === undefined || key <= hard.max),
  };
}

function dateIntervals(name: string, spec: DateHistogramSpec, format: ValueFormat, nowMs: number): Intervals {
  const zone = spec.timeZone === "" ? UTC : timeZone(spec.timeZone);
  const rounding = makeRounding(spec.interval, zone, spec.offsetMs);
  const bound = (value: number | string | undefined) => {
    if (value === undefined) return undefined;
    if (typeof value === "number") return rounding.round(value);
    const dates = format.kind === "date"
      ? format
      : { pattern: "strict_date_optional_time||epoch_millis", zone: "" };
    return rounding.round(parseDate(value, dates, nowMs));
  };
  const extended = spec.extendedBounds &&
    { min: bound(spec.extendedBounds.min), max: bound(spec.extendedBounds.max) };
  const hard = spec.hardBounds && { min: bound(spec.hardBounds.min), max: bound(spec.hardBounds.max) };
  checkBounds(name, extended, hard, spec);
  return {
    round: (value) => rounding.round(value),
    next: (key) => rounding.next(key),
    length: rounding.lengthMs,
    origin: rounding.originMs,
    walkable: rounding.walkable,
    extended,
    inBounds: (key) =>
      (hard?.min === undefined || key >= hard.min) && (hard?.max === undefined || key < hard.max),
  };
}

function checkBounds(
  aggregation: string,
  extended: Bounds<number> | undefined,
  hard: Bounds<number> | undefined,
  spec: DateHistogramSpec,
): void {
  for (const [name, bounds] of [["extended_bounds", extended], ["hard_bounds", hard]] as const) {
    if (bounds?.min !== undefined && bounds.max !== undefined && bounds.min > bounds.max) {
      throw illegalArgument(
        `[${name}.min][${bounds.min}] cannot be greater than [${name}.max][${bounds.max}] for histogram ` +
          `aggregation [${aggregation}]`,
      );
    }
  }
  if (!extended || !hard) return;
  if (
    (extended.max !== undefined && hard.max !== undefined && extended.max > hard.max) ||
    (extended.min !== undefined && hard.min !== undefined && extended.min < hard.min)
  ) {
    throw illegalArgument(
      `Extended bounds have to be inside hard bounds, hard bounds: [${boundsText(spec.hardBounds)}], ` +
        `extended bounds: [${boundsText(spec.extendedBounds)}]`,
    );
  }
}

function boundsText(bounds: Bounds<number | string> | undefined): string {
  return `${bounds?.min ?? ""}--${bounds?.max ?? ""}`;
}

export class HistogramCollector implements Collector {
  readonly #env: CollectorEnv;
  readonly #subs: readonly Collector[];
  readonly #single: boolean;
  readonly #use: FieldUse;
  readonly #intervals: Intervals;
  readonly #ids: NumberIds;
  readonly #space: BucketSpace;
  readonly #bounded: boolean;
  #leaf: NumberLeaf | undefined;
  /** Starts of the open segment's intervals, when a table serves them and they are not alike. */
  #starts: Float64Array | undefined;
  /** Start of the first one when they are alike. */
  #base: number | undefined;

  #locals: Uint32Array = new Uint32Array(BATCH);
  #parents: Uint32Array = new Uint32Array(BATCH);
  #docs: Uint32Array = new Uint32Array(BATCH);
  #owners: Uint32Array = new Uint32Array(BATCH);
  #buckets: Uint32Array = new Uint32Array(BATCH);

  /** @param single Whether the parent is always bucket 0. */
  constructor(
    readonly node: HistogramNode,
    env: CollectorEnv,
    options: { readonly subs: readonly Collector[]; readonly single: boolean },
  ) {
    this.#env = env;
    this.#subs = options.subs;
    this.#single = options.single;
    const { spec } = node;
    this.#use = resolveField(spec, spec.kind, {
      accepts: "numbers",
      context: env.context,
      unmappedDates: spec.kind === "date_histogram",
    });
    resolveOrder(spec.order, node);
    this.#intervals = intervalsOf(node, this.#use.format, env.context.nowMs);
    this.#bounded = spec.hardBounds !== undefined;
    this.#ids = new NumberIds(env.budget);
    this.#space = new BucketSpace(env.budget, options.single);
  }

  openSegment(target: SearchTarget, segment: SearchSegment): void {
    openAll(this.#subs, target, segment);
    this.#leaf = undefined;
    if (this.#use.kind !== "number") return;
    const leaf = openNumbers(this.#use, target, segment);
    this.#leaf = leaf;
    this.#starts = undefined;
    this.#base = undefined;
    const column = leaf.column;
    if (column && leaf.summarizable && column.min !== undefined) {
      this.#prepare(Number(column.min), Number(column.max));
    }
    if (this.#base !== undefined) {
      const first = this.#base;
      const { length, origin } = this.#intervals;
      const range = Math.floor((Number(column!.max) - origin) / length!) - first + 1;
      this.#space.openSegment(range, (local) => this.#ids.id((local + first) * length! + origin));
      return;
    }
    // A call between hides the assignment from the compiler.
    const starts = this.#starts as Float64Array | undefined;
    if (starts) {
      this.#space.openSegment(starts.length, (local) => this.#ids.id(starts[local]!));
    } else this.#space.openSegment(0, undefined);
  }

  #prepare(min: number, max: number): void {
    const { length, origin } = this.#intervals;
    if (length !== undefined) {
      const first = Math.floor((min - origin) / length);
      if (Math.floor((max - origin) / length) - first < INTERVALS_MAX) this.#base = first;
      return;
    }
    if (!this.#intervals.walkable) return;
    const starts: number[] = [];
    for (let key = this.#intervals.round(min); key <= max; key = this.#intervals.next(key)) {
      if (starts.length === INTERVALS_MAX) return;
      starts.push(key);
    }
    this.#starts = Float64Array.from(starts);
  }

  collect(docs: Uint32Array, buckets: Uint32Array, n: number, bucketCount: number): void {
    const leaf = this.#leaf;
    if (!leaf) return;
    let m = leaf.gather(docs, n);
    this.#reserve(m);
    const { length, origin } = this.#intervals;
    if (this.#base !== undefined) {
      evenLocals(leaf.values, m, { length: length!, origin, base: this.#base }, this.#locals);
    } else if (this.#starts) searchLocals(leaf.values, m, this.#starts, this.#locals);
    else this.#hashedLocals(leaf.values, m);
    let owners = leaf.owners;
    let identity = leaf.identity;
    if (this.#bounded || leaf.multi) {
      m = this.#compact(owners, m);
      owners = this.#owners;
      identity = false;
    }
    let parents = buckets;
    if (!this.#single && !identity) {
      bucketsOfPairs(this.#parents, buckets, owners, m);
      parents = this.#parents;
    }
    this.#space.collect(this.#locals, parents, m, bucketCount, this.#buckets);
    if (this.#subs.length === 0) return;
    if (!identity) bucketsOfPairs(this.#docs, docs, owners, m);
    forward(this.#subs, identity ? docs : this.#docs, this.#buckets, m, this.#space.count);
  }

  #hashedLocals(values: Float64Array, m: number): void {
    const { round } = this.#intervals;
    for (let i = 0; i < m; i++) this.#locals[i] = this.#ids.id(round(values[i]!));
  }

  #keyOfLocal(local: number): number {
    if (this.#base !== undefined) {
      return (local + this.#base) * this.#intervals.length! + this.#intervals.origin;
    }
    return this.#starts ? this.#starts[local]! : Number(this.#ids.value(local));
  }

  /** Drops repeated intervals of one document, and those outside of `hard_bounds`. */
  #compact(owners: Uint32Array, m: number): number {
    let out = 0;
    for (let i = 0; i < m; i++) {
      const local = this.#locals[i]!;
      if (out > 0 && this.#owners[out - 1] === owners[i] && this.#locals[out - 1] === local) continue;
      if (this.#bounded && !this.#intervals.inBounds(this.#keyOfLocal(local))) continue;
      this.#owners[out] = owners[i]!;
      this.#locals[out++] = local;
    }
    return out;
  }

  #reserve(m: number): void {
    if (m <= this.#locals.length) return;
    this.#locals = new Uint32Array(m * 2);
    this.#parents = new Uint32Array(m * 2);
    this.#docs = new Uint32Array(m * 2);
    this.#owners = new Uint32Array(m * 2);
    this.#buckets = new Uint32Array(m * 2);
  }

  summarize(): boolean {
    return this.#use.kind === "unmapped";
  }

  closeSegment(): void {
    closeAll(this.#subs);
    this.#space.closeSegment();
    this.#leaf = undefined;
  }

  result(parent: number): HistogramResult {
    const buckets: Bucket[] = [];
    for (const bucket of this.#space.bucketsOf(parent)) {
      buckets.push({
        key: this.#ids.value(this.#space.keyOf(bucket)),
        count: this.#space.docCount(bucket),
        error: 0,
        subs: resultsOf(this.#subs, bucket),
      });
    }
    buckets.sort((a, b) => Number(a.key) - Number(b.key));
    const emptySubs = this.node.spec.minDocCount === 0 ? resultsOf(this.#subs, NO_BUCKET) : [];
    return { kind: "histogram", format: this.#use.format, buckets, emptySubs };
  }
}

function evenLocals(
  values: Float64Array,
  m: number,
  grid: { readonly length: number; readonly origin: number; readonly base: number },
  out: Uint32Array,
): void {
  const { length, origin, base } = grid;
  for (let i = 0; i < m; i++) out[i] = Math.floor((values[i]! - origin) / length) - base;
}

/** Position of the last start not above each value; values near each other find theirs at once. */
function searchLocals(values: Float64Array, m: number, starts: Float64Array, out: Uint32Array): void {
  let at = 0;
  let from = starts[0]!;
  let to = starts.length > 1 ? starts[1]! : Infinity;
  for (let i = 0; i < m; i++) {
    const value = values[i]!;
    if (value < from || value >= to) {
      let low = 0;
      let high = starts.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >>> 1;
        if (starts[middle]! <= value) low = middle;
        else high = middle - 1;
      }
      at = low;
      from = starts[at]!;
      to = at + 1 < starts.length ? starts[at + 1]! : Infinity;
    }
    out[i] = at;
  }
}
