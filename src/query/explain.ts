/**
 * How a search was executed: a tree of nodes with what was expected of them and what they did.
 *
 * @module
 */
import type { Json } from "../base/json.ts";
import type { SegmentReader } from "../segment/reader.ts";
import { searchShare, type SearchTrace } from "./execute.ts";
import type { Node } from "./exec/node.ts";
import type { SearchRequest } from "./request/request.ts";
import type { SearchContext, SearchSegment, SearchTarget } from "./target.ts";

/**
 * Runs a search and tells how. For each segment a tree of nodes: `type`, `estimated_rows` (an upper bound that the
 * order of execution was chosen by), `actual_rows` (handed out or found among the docs tested), `micros` (with what is
 * below), blocks read and skipped where there are any; and the bytes touched by run.
 */
export function explainPlan(request: SearchRequest, context: SearchContext): Json {
  const trace = new Trace(context);
  const startedMs = context.monotonicMs();
  const result = searchShare(request, context, { trace });
  return {
    micros: micros(context.monotonicMs() - startedMs),
    total: result.total,
    timed_out: result.timedOut,
    segments: trace.segments,
  };
}

function micros(ms: number): number {
  return Math.round(ms * 1000);
}

interface OpenSegment {
  readonly target: SearchTarget;
  readonly segment: SearchSegment;
  readonly node: Node;
  readonly startedMs: number;
  readonly touched: ReadonlyMap<string, number>;
  sort: Json | undefined;
}

class Trace implements SearchTrace {
  readonly segments: Json[] = [];
  readonly #context: SearchContext;
  #open: OpenSegment | undefined;

  constructor(context: SearchContext) {
    this.#context = context;
  }

  begin(target: SearchTarget, segment: SearchSegment, node: Node): void {
    setClock(node, this.#context.monotonicMs);
    this.#open = {
      target,
      segment,
      node,
      startedMs: this.#context.monotonicMs(),
      touched: new Map(segment.reader.touched),
      sort: undefined,
    };
  }

  sorted(blocksRead: number, blocks: number): void {
    if (this.#open === undefined) return;
    this.#open.sort = { blocks_read: blocksRead, blocks_skipped: blocks - blocksRead };
  }

  end(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const { target, segment, node, sort } = open;
    const bytes = newlyTouched(segment.reader, open.touched);
    this.segments.push({
      index: target.index,
      segment: segment.ordinal,
      docs: segment.reader.docCount,
      live_docs: segment.liveCount,
      micros: micros(this.#context.monotonicMs() - open.startedMs),
      bytes_touched: Object.values(bytes).reduce((sum, count) => sum + count, 0),
      bytes_touched_by_run: bytes,
      ...(sort === undefined ? {} : { sort }),
      plan: describe(node),
    });
  }
}

function setClock(node: Node, clock: () => number): void {
  node.clock = clock;
  for (const child of node.children()) setClock(child, clock);
}

function describe(node: Node): Json {
  const children = node.children();
  return {
    type: node.label,
    estimated_rows: node.cost,
    actual_rows: node.rows,
    micros: micros(node.spentMs),
    ...node.facts(),
    ...(children.length === 0 ? {} : { children: children.map(describe) }),
  };
}

function newlyTouched(reader: SegmentReader, before: ReadonlyMap<string, number>): Record<string, number> {
  const bytes: Record<string, number> = {};
  for (const [run, count] of reader.touched) {
    const more = count - (before.get(run) ?? 0);
    if (more > 0) bytes[run] = more;
  }
  return bytes;
}
