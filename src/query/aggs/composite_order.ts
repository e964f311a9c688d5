/**
 * The order of composite keys: source by source.
 *
 * @module
 */
import { compareKeys } from "./bucket_order.ts";
import type { CompositeSource } from "./node.ts";
import type { BucketKey } from "./result.ts";

type Values = readonly (BucketKey | null)[];

export function compareComposite(sources: readonly CompositeSource[], a: Values, b: Values): number {
  for (let i = 0; i < sources.length; i++) {
    const difference = compareOne(sources[i]!, a[i]!, b[i]!);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Missing values are smallest by default: first when ascending, last when descending. */
function compareOne(source: CompositeSource, a: BucketKey | null, b: BucketKey | null): number {
  if (a === null || b === null) {
    if (a === b) return 0;
    const nullFirst = source.missingOrder === "first" ||
      (source.missingOrder === "default" && source.ascending);
    return (a === null) === nullFirst ? -1 : 1;
  }
  return source.ascending ? compareKeys(a, b) : compareKeys(b, a);
}
