/**
 * Joins pages of a composite aggregation.
 *
 * @module
 */
import { assert } from "../../base/errors.ts";
import { compareComposite } from "./composite_order.ts";
import type { AggNode } from "./node.ts";
import type { Reducer } from "./reduce.ts";
import type { AggResult, CompositeBucket, CompositeResult } from "./result.ts";
import { runPipelines } from "./pipelines.ts";

export function reduceComposite(
  node: AggNode,
  results: readonly AggResult[],
  reducer: Reducer,
): CompositeResult {
  const { spec } = node;
  assert(spec.kind === "composite", "a composite");
  const groups = new Map<string, CompositeBucket[]>();
  const first = results[0]!;
  assert(first.kind === "composite", "a composite result");
  const { formats, doubles } = first;
  for (const one of results) {
    assert(one.kind === "composite", "a composite result");
    for (const bucket of one.buckets) {
      const name = bucket.values.map((value) => `${typeof value}:${String(value).length}:${value}`).join("|");
      const group = groups.get(name);
      if (group) group.push(bucket);
      else groups.set(name, [bucket]);
    }
  }
  const kept = [...groups.values()]
    .sort((a, b) => compareComposite(spec.sources, a[0]!.values, b[0]!.values))
    .slice(0, spec.size);
  reducer.count(kept.length);
  const buckets = kept.map((group) => ({ ...reducer.bucket(node, group), values: group[0]!.values }));
  const piped = runPipelines(node, buckets) as CompositeBucket[];
  return { kind: "composite", formats, doubles, buckets: piped };
}
