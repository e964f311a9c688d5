/**
 * The documents that a query matches, as a set: for filter aggregations, counts and by-query operations.
 *
 * @module
 */
import type { Query } from "./queries/query.ts";
import type { SearchContext, SearchSegment, SearchTarget } from "./target.ts";
import { compileSet } from "./exec/compile.ts";
import { planQuery } from "./plan/plan.ts";

/**
 * Live docs of a segment that match, one bit a doc; "all": every live doc does. The set belongs to the caller.
 *
 * A query is planned anew at each call: with many segments use `matcher`.
 */
export function matchDocs(
  query: Query,
  segment: SearchSegment,
  target: SearchTarget,
  context: SearchContext,
): Uint32Array | "all" {
  return matcher(query, target, context)(segment);
}

/** Plans once for a target; the function it returns answers for any segment of it. */
export function matcher(
  query: Query,
  target: SearchTarget,
  context: SearchContext,
): (segment: SearchSegment) => Uint32Array | "all" {
  const plan = planQuery(query, target, context, { scored: false });
  return (segment) => compileSet(plan, segment, context);
}
