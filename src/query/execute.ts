/**
 * Runs a search over the segments of a request, or over some of them: what a searcher thread does with its share.
 *
 * @module
 */
import { andBits } from "../base/bitset.ts";
import { AggExecution, type AggPartial } from "./aggs/mod.ts";
import { type Candidate, SortHeap } from "./collect/sort_heap.ts";
import { planSort, type SortKey } from "./collect/sort_plan.ts";
import { compareSortValues, type RawSortValue } from "./collect/sort_value.ts";
import { TopScores } from "./collect/top_scores.ts";
import { compile, type CompileScope, nodeBits } from "./exec/compile.ts";
import { constantScore } from "./exec/constant.ts";
import { Deadline, DeadlinePassed } from "./exec/deadline.ts";
import { HitCounter } from "./exec/hit_counter.ts";
import { MemoryBudget } from "./exec/memory.ts";
import { AllNode, type Node } from "./exec/node.ts";
import { searchScored } from "./exec/scored_search.ts";
import { searchSet } from "./exec/set_search.ts";
import type { Plan } from "./plan/plan.ts";
import { Planner } from "./plan/planner.ts";
import { checkResultWindow } from "./request/parse.ts";
import type { SearchRequest } from "./request/request.ts";
import type { SearchContext, SearchSegment, SearchTarget } from "./target.ts";

/** What one thread found: plain values, to be posted and reduced with others. */
export interface SearchPartial {
  /** Best first; at most from + size. */
  readonly candidates: readonly Candidate[];
  /** Docs counted, exactly unless it exceeds `trackTotalHits`. */
  readonly total: number;
  /** -Infinity: no doc was scored. */
  readonly maxScore: number;
  readonly aggs: AggPartial | undefined;
  readonly timedOut: boolean;
  readonly terminatedEarly: boolean;
}

export interface ShareOptions {
  /** Ordinals of the segments to search; undefined: all. Statistics are always over all. */
  readonly segments?: ReadonlySet<number>;
  /** By `monotonicMs`: when the request began, for its own timeout. Default: now. */
  readonly startedMs?: number;
  /** Watches the search, for `_explain`. */
  readonly trace?: SearchTrace;
}

/** Told of each segment's nodes before and after they run. */
export interface SearchTrace {
  begin(target: SearchTarget, segment: SearchSegment, node: Node): void;
  /** The sort read so many of so many blocks. */
  sorted(blocksRead: number, blocks: number): void;
  end(): void;
}

/**
 * Searches.
 *
 * @throws {RequestError} The request does not fit the mapping or a limit. A passed deadline is no error: the partial
 * says `timedOut` and holds what was found by then.
 */
export function searchShare(
  request: SearchRequest,
  context: SearchContext,
  options: ShareOptions = {},
): SearchPartial {
  checkResultWindow(request, context.limits.maxResultWindow);
  return new Share(request, context, options).run();
}

class Share {
  readonly #request: SearchRequest;
  readonly #context: SearchContext;
  readonly #options: ShareOptions;
  readonly #k: number;
  readonly #deadline: Deadline;
  readonly #memory: MemoryBudget;
  readonly #counter: HitCounter;
  readonly #top: TopScores | null;
  readonly #aggs: AggExecution | null;
  #best: Candidate[] = [];
  #maxScore = -Infinity;
  #terminatedEarly = false;
  /** Docs before the target's first segment, over all targets. */
  #docBase = 0;

  constructor(request: SearchRequest, context: SearchContext, options: ShareOptions) {
    this.#request = request;
    this.#context = context;
    this.#options = options;
    this.#k = this.#usefulHits();
    const started = options.startedMs ?? context.monotonicMs();
    const deadlineMs = Math.min(context.deadlineMs, started + request.timeoutMs);
    this.#deadline = new Deadline(deadlineMs, context.monotonicMs);
    this.#memory = new MemoryBudget(context.limits.memoryBytes);
    this.#counter = new HitCounter(request.trackTotalHits);
    this.#top = request.sort.length === 0 ? new TopScores(this.#k) : null;
    this.#aggs = request.aggs === undefined
      ? null
      : new AggExecution(request.aggs, context, { shared: options.segments !== undefined });
  }

  /** Hits that can come out at all: asking for 10,000 of 50 docs must not cost arrays of 10,000. */
  #usefulHits(): number {
    if (this.#request.size === 0) return 0;
    let docs = 0;
    for (const target of this.#context.targets) {
      for (const { liveCount } of target.segments) docs += liveCount;
    }
    return Math.min(docs, this.#request.from + this.#request.size);
  }

  run(): SearchPartial {
    let timedOut = false;
    try {
      for (const target of this.#context.targets) this.#searchTarget(target);
    } catch (error) {
      if (!(error instanceof DeadlinePassed)) throw error;
      timedOut = true;
    }
    const top = this.#top;
    if (top !== null) {
      this.#best = top.take().map((hit) => ({ ...hit, values: [] }));
      if (this.#best.length > 0) this.#maxScore = this.#best[0]!.score;
    }
    return {
      candidates: this.#best,
      total: this.#counter.total,
      maxScore: this.#maxScore,
      aggs: this.#aggs?.partial(),
      timedOut,
      terminatedEarly: this.#terminatedEarly,
    };
  }

  #searchTarget(target: SearchTarget): void {
    const request = this.#request;
    const planner = new Planner(target, this.#context);
    const sort = planSort(request.sort, target, this.#context.nowMs);
    const readsScores = request.minScore !== undefined || (this.#k > 0 &&
      (this.#top !== null || request.trackScores || sort.some((key) => key.kind === "score")));
    const plan = planner.plan(request.query, 1, readsScores);
    const postPlan = request.postFilter === undefined
      ? undefined
      : planner.plan(request.postFilter, 1, false);
    const after = request.searchAfter?.map((value, i) => sort[i]!.parse(value));
    let remaining = request.terminateAfter > 0 ? request.terminateAfter : Infinity;
    for (const segment of target.segments) {
      const isOurs = this.#options.segments === undefined || this.#options.segments.has(segment.ordinal);
      if (isOurs && remaining > 0) {
        const collected = this.#searchSegment({
          target,
          segment,
          plan,
          postPlan,
          sort,
          after,
          readsScores,
          remaining,
        });
        if (request.terminateAfter > 0) {
          remaining -= collected;
          if (remaining <= 0) this.#terminatedEarly = true;
        }
      }
      this.#docBase += segment.reader.docCount;
    }
  }

  /** Returns how many docs were collected. */
  #searchSegment(work: {
    readonly target: SearchTarget;
    readonly segment: SearchSegment;
    readonly plan: Plan;
    readonly postPlan: Plan | undefined;
    readonly sort: readonly SortKey[];
    readonly after: readonly RawSortValue[] | undefined;
    readonly readsScores: boolean;
    readonly remaining: number;
  }): number {
    const { target, segment, plan, postPlan, sort, remaining } = work;
    const { reader } = segment;
    this.#deadline.check();
    const mayMatch = plan.kind !== "none" && segment.liveCount > 0;
    if (!mayMatch && this.#aggs?.needsEverySegment !== true) return 0;
    const aggs = this.#aggs?.segment(target, segment) ?? null;
    if (!mayMatch) return 0;
    const flat = work.readsScores ? constantScore(plan) : 0;
    const scope: CompileScope = {
      reader,
      scored: flat === undefined,
      deadline: this.#deadline,
      memory: this.#memory,
    };
    const postBits = this.#postBits(postPlan, segment, scope);
    const { minScore } = this.#request;
    if (flat !== undefined && minScore !== undefined && flat < minScore) return 0;
    const heap = this.#openHeap(work);
    const node = compile(plan, scope);
    const common = {
      segment,
      scope,
      top: this.#top,
      heap,
      counter: this.#counter,
      aggs,
      postBits,
      remaining,
    };
    const { trace } = this.#options;
    trace?.begin(target, segment, node);
    let collected = 0;
    try {
      if (flat === undefined) {
        const outcome = searchScored(node, { ...common, minScore });
        collected = outcome.collected;
        if (heap !== null && this.#request.trackScores) {
          this.#maxScore = Math.max(this.#maxScore, outcome.maxScore);
        }
      } else {
        collected = searchSet(node, {
          ...common,
          sort,
          score: flat,
          onSort: trace === undefined ? undefined : (read, blocks) => trace.sorted(read, blocks),
        });
        if (heap !== null && collected > 0 && this.#request.trackScores) {
          this.#maxScore = Math.max(this.#maxScore, flat);
        }
      }
    } finally {
      // Also what was found when the deadline passed.
      if (heap !== null) this.#mergeHeap(heap, segment, sort, flat);
      trace?.end();
    }
    return collected;
  }

  #openHeap(work: {
    readonly segment: SearchSegment;
    readonly sort: readonly SortKey[];
    readonly after: readonly RawSortValue[] | undefined;
  }): SortHeap | null {
    if (this.#top !== null) return null;
    const { segment, sort, after } = work;
    const k = Math.min(this.#k, segment.reader.docCount);
    this.#memory.take(k * 8 * (sort.length + 3));
    const heap = new SortHeap(sort, segment.reader, { k, after, docBase: this.#docBase });
    const first = sort[0]!;
    const last = this.#best.length === this.#k ? this.#best[this.#k - 1] : undefined;
    const value = last?.values[0];
    // Doubles compare the same in every segment; ordinals and halves of integers do not.
    const isNarrow = first.kind !== "number" || segment.reader.numeric(first.field)?.wide === false;
    if (first.kind !== "term" && isNarrow && typeof value === "number") {
      heap.bound = first.descending ? -value : value;
    }
    return heap;
  }

  #mergeHeap(
    heap: SortHeap,
    segment: SearchSegment,
    sort: readonly SortKey[],
    flat: number | undefined,
  ): void {
    let found: Candidate[] = heap.take(segment.ordinal);
    if (flat !== undefined) found = found.map((candidate) => ({ ...candidate, score: flat }));
    this.#best = mergeCandidates([this.#best, found], sort, this.#k);
    this.#memory.give(Math.min(this.#k, segment.reader.docCount) * 8 * (sort.length + 3));
  }

  #postBits(plan: Plan | undefined, segment: SearchSegment, scope: CompileScope): Uint32Array | null {
    if (plan === undefined) return null;
    const node = compile(plan, { ...scope, scored: false });
    if (node instanceof AllNode) return null;
    const bits = nodeBits(node, segment.reader.docCount);
    if (segment.live !== null) andBits(bits, segment.live);
    return bits;
  }
}

/** Joins lists that are each in order, keeping the best k. Of equals the earlier list's come first. */
export function mergeCandidates(
  lists: readonly (readonly Candidate[])[],
  sort: readonly { readonly descending: boolean; readonly missingFirst: boolean }[],
  k: number,
): Candidate[] {
  const some = lists.filter((list) => list.length > 0);
  if (some.length === 0) return [];
  if (some.length === 1) return some[0]!.slice(0, k);
  return some.reduce((a, b) => mergeTwo(a, b, sort, k)) as Candidate[];
}

function mergeTwo(
  a: readonly Candidate[],
  b: readonly Candidate[],
  sort: readonly { readonly descending: boolean; readonly missingFirst: boolean }[],
  k: number,
): Candidate[] {
  const merged: Candidate[] = [];
  let i = 0;
  let j = 0;
  while (merged.length < k && (i < a.length || j < b.length)) {
    if (j >= b.length || (i < a.length && compareCandidates(a[i]!, b[j]!, sort) <= 0)) merged.push(a[i++]!);
    else merged.push(b[j++]!);
  }
  return merged;
}

function compareCandidates(
  a: Candidate,
  b: Candidate,
  sort: readonly { readonly descending: boolean; readonly missingFirst: boolean }[],
): number {
  if (sort.length === 0 && a.score !== b.score) return b.score - a.score;
  for (let key = 0; key < sort.length; key++) {
    const order = compareSortValues(a.values[key]!, b.values[key]!, sort[key]!);
    if (order !== 0) return order;
  }
  return a.segment !== b.segment ? a.segment - b.segment : a.doc - b.doc;
}
