/**
 * The order of buckets: by count, by key, by metrics; ties by ascending key.
 *
 * @module
 */
import { RequestError } from "../../base/errors.ts";
import { metricAt, type MetricPath, metricPath } from "./metric_path.ts";
import type { AggNode, BucketOrder } from "./node.ts";
import type { Bucket, BucketKey } from "./result.ts";

export interface ResolvedOrder {
  readonly by: "count" | "key" | "path";
  readonly path: MetricPath | undefined;
  readonly ascending: boolean;
}

/** @throws {RequestError} 400: "Invalid aggregation order path [x]. ..." */
export function resolveOrder(order: readonly BucketOrder[], node: AggNode): ResolvedOrder[] {
  return order.map((one) => {
    if (one.by !== "path") return { by: one.by, path: undefined, ascending: one.ascending };
    try {
      return { by: one.by, path: metricPath(one.path, node.subs, []), ascending: one.ascending };
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      throw new RequestError(`Invalid aggregation order path [${one.path}]. ${error.message}`, {
        status: 400,
        type: error.type,
      });
    }
  });
}

export function compareKeys(a: BucketKey, b: BucketKey): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** As Java compares doubles: NaN above all. */
export function compareNumbers(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  const aIsNaN = Number.isNaN(a);
  return aIsNaN === Number.isNaN(b) ? 0 : aIsNaN ? 1 : -1;
}

/** Sorts buckets, with their metrics read once each. */
export function sortBuckets<B extends Bucket>(buckets: readonly B[], order: readonly ResolvedOrder[]): B[] {
  const paths = order.map((one) => one.path);
  const rows = buckets.map((bucket) => ({
    bucket,
    metrics: paths.map((path) => path ? metricAt(path, bucket) : 0),
  }));
  rows.sort((a, b) => {
    for (let i = 0; i < order.length; i++) {
      const one = order[i]!;
      const difference = one.by === "count"
        ? a.bucket.count - b.bucket.count
        : one.by === "key"
        ? compareKeys(a.bucket.key, b.bucket.key)
        : compareNumbers(a.metrics[i]!, b.metrics[i]!);
      if (difference !== 0) return one.ascending ? difference : -difference;
    }
    return compareKeys(a.bucket.key, b.bucket.key);
  });
  return rows.map((row) => row.bucket);
}
