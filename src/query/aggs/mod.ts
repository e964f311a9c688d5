/**
 * Aggregations: how do many documents become a few figures?
 *
 * `parseAggs` reads the request. An `AggExecution` per thread collects matching documents, batch by batch, into
 * partial results that may be posted; `reduceAggs` joins them, `renderAggs` prints the answer. An aggregation
 * reads only the columns that it names.
 *
 * @module
 */
export type { AggNode, AggTree } from "./node.ts";
export { parseAggs } from "./parse.ts";
export { AggExecution, type AggPartial, type ExecutionOptions, type SegmentCollector } from "./execution.ts";
export { reduceAggs, type ReduceContext, type Reduced } from "./reduce.ts";
export { renderAggs, type RenderOptions } from "./render.ts";
