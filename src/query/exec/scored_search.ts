/**
 * A scored query over one segment.
 *
 * @module
 */
import { andBits, countBits, newBits } from "../../base/bitset.ts";
import type { SegmentCollector } from "../aggs/mod.ts";
import type { SortHeap } from "../collect/sort_heap.ts";
import type { TopScores } from "../collect/top_scores.ts";
import type { SearchSegment } from "../target.ts";
import type { CompileScope } from "./compile.ts";
import type { HitCounter } from "./hit_counter.ts";
import { collectBest } from "./max_score.ts";
import { Batch, type Node } from "./node.ts";
import { TermNode } from "./term_node.ts";
import { UnionNode } from "./union_node.ts";

export interface ScoredOptions {
  readonly segment: SearchSegment;
  readonly scope: CompileScope;
  /** One of the two takes the hits. */
  readonly top: TopScores | null;
  readonly heap: SortHeap | null;
  readonly counter: HitCounter;
  readonly aggs: SegmentCollector | null;
  readonly minScore: number | undefined;
  /** Docs that pass `post_filter`; null: all. */
  readonly postBits: Uint32Array | null;
  /** Docs that may still be collected before `terminate_after` strikes. */
  readonly remaining: number;
}

export interface ScoredOutcome {
  readonly collected: number;
  /** -Infinity: none was looked at. */
  readonly maxScore: number;
}

/** The terms of a plain disjunction, if that is what the node is. */
function bestTerms(node: Node): readonly TermNode[] | undefined {
  if (node instanceof TermNode) return node.scorer === null ? undefined : [node];
  if (!(node instanceof UnionNode) || !node.isPlainSum) return undefined;
  const terms: TermNode[] = [];
  for (const child of node.children()) {
    if (!(child instanceof TermNode) || child.scorer === null) return undefined;
    terms.push(child);
  }
  return terms;
}

/**
 * Collects a segment's matches.
 *
 * @throws {DeadlinePassed} What was collected by then stays in `top`, `heap` and `counter`.
 */
export function searchScored(node: Node, options: ScoredOptions): ScoredOutcome {
  const { top, counter, aggs, minScore, postBits, remaining, segment } = options;
  const isPlain = aggs === null && minScore === undefined && postBits === null && remaining === Infinity;
  const terms = isPlain && top !== null ? bestTerms(node) : undefined;
  if (terms !== undefined && top !== null) {
    if (!counter.isDone) countUnion(terms, options);
    const { reader, live, ordinal } = segment;
    collectBest(terms, top, { ordinal, docCount: reader.docCount, live, deadline: options.scope.deadline });
    return { collected: 0, maxScore: -Infinity };
  }
  return searchAll(node, options);
}

/** Counts the live docs that have any of the terms, without scoring them. */
function countUnion(terms: readonly TermNode[], options: ScoredOptions): void {
  const { counter, segment, scope } = options;
  const { live, reader } = segment;
  if (live === null) {
    const most = Math.max(0, ...terms.map((term) => term.cost));
    if (terms.length === 1) {
      counter.total += most;
      return;
    }
    const before = counter.total;
    counter.total += most;
    // At least so many match: enough when they pass the limit.
    if (counter.isDone) return;
    counter.total = before;
  }
  const bits = newBits(reader.docCount);
  for (const term of terms) {
    scope.deadline.spend(term.cost);
    term.pourDocs(bits);
  }
  if (live !== null) andBits(bits, live);
  counter.total += countBits(bits);
}

/** Looks at every match. */
function searchAll(node: Node, options: ScoredOptions): ScoredOutcome {
  const { segment, scope, top, heap, counter, aggs, minScore, postBits } = options;
  const { live, ordinal } = segment;
  const batch = new Batch();
  const { docs, scores } = batch;
  let collected = 0;
  let maxScore = -Infinity;
  for (let n = node.next(batch); n > 0; n = node.next(batch)) {
    scope.deadline.spend(n);
    if (live !== null) n = keepBits(docs, scores, n, live);
    if (minScore !== undefined) n = keepScores(docs, scores, n, minScore);
    if (collected + n > options.remaining) n = options.remaining - collected;
    collected += n;
    aggs?.collect(docs, n);
    if (postBits !== null) n = keepBits(docs, scores, n, postBits);
    counter.total += n;
    if (top !== null) top.addAll(ordinal, docs, scores, n);
    else {
      for (let i = 0; i < n; i++) if (scores[i]! > maxScore) maxScore = scores[i]!;
      heap?.collect(docs, scores, n);
    }
    if (collected >= options.remaining) break;
    if (aggs === null && top !== null && counter.isDone) {
      if (node.maxScore <= top.threshold) break;
      if (top.threshold >= 0) node.dropUpTo(top.threshold);
    }
  }
  return { collected, maxScore };
}

function keepBits(docs: Uint32Array, scores: Float64Array, n: number, bits: Uint32Array): number {
  let kept = 0;
  for (let i = 0; i < n; i++) {
    const doc = docs[i]!;
    if (((bits[doc >>> 5]! >>> (doc & 31)) & 1) === 0) continue;
    docs[kept] = doc;
    scores[kept++] = scores[i]!;
  }
  return kept;
}

function keepScores(docs: Uint32Array, scores: Float64Array, n: number, least: number): number {
  let kept = 0;
  for (let i = 0; i < n; i++) {
    if (scores[i]! < least) continue;
    docs[kept] = docs[i]!;
    scores[kept++] = scores[i]!;
  }
  return kept;
}
