/**
 * Empty buckets where a histogram has gaps, and out to its extended bounds.
 *
 * @module
 */
import { assert } from "../../base/errors.ts";
import { intervalsOf } from "./histogram.ts";
import type { AggNode } from "./node.ts";
import type { Reducer } from "./reduce.ts";
import type { AggResult, Bucket } from "./result.ts";
import type { ValueFormat } from "./value_format.ts";

export interface FillOptions {
  readonly format: ValueFormat;
  readonly emptySubs: readonly AggResult[];
  readonly reducer: Reducer;
}

/**
 * @param buckets By ascending key.
 * @throws {RequestError} `too_many_buckets_exception`, before memory is spent on them.
 */
export function fillHistogram(node: AggNode, buckets: readonly Bucket[], options: FillOptions): Bucket[] {
  const { spec } = node;
  assert(spec.kind === "histogram" || spec.kind === "date_histogram", "a histogram");
  const { reducer } = options;
  const intervals = intervalsOf({ ...node, spec }, options.format, reducer.context.nowMs);
  const out: Bucket[] = [];
  const addEmpty = (key: number) => {
    reducer.count(1);
    out.push(reducer.bucket(node, [{ key, count: 0, error: 0, subs: options.emptySubs }]));
  };
  const min = intervals.extended?.min;
  const max = intervals.extended?.max;
  const first = buckets[0];
  if (!first) {
    if (min !== undefined && max !== undefined) {
      for (let key = min; key <= max; key = intervals.next(key)) addEmpty(key);
    }
    return out;
  }
  if (min !== undefined) {
    for (let key = min; key < Number(first.key); key = intervals.next(key)) addEmpty(key);
  }
  let last = first;
  for (const bucket of buckets) {
    if (bucket !== first) {
      const to = Number(bucket.key);
      for (let key = intervals.next(Number(last.key)); key < to; key = intervals.next(key)) addEmpty(key);
    }
    out.push(bucket);
    last = bucket;
  }
  if (max !== undefined) {
    for (let key = intervals.next(Number(last.key)); key <= max; key = intervals.next(key)) addEmpty(key);
  }
  return out;
}
