/**
 * A query whose scores nobody needs, over one segment: its docs as a set, which aggregations, the count and the
 * sort then share.
 *
 * @module
 */
import { bitsToDocs, countBits, nextBit } from "../../base/bitset.ts";
import type { SegmentCollector } from "../aggs/mod.ts";
import type { SortHeap } from "../collect/sort_heap.ts";
import type { SortKey } from "../collect/sort_plan.ts";
import type { TopScores } from "../collect/top_scores.ts";
import { collectByZones } from "../collect/zone_sort.ts";
import type { SearchSegment } from "../target.ts";
import { type CompileScope, nodeBits } from "./compile.ts";
import type { HitCounter } from "./hit_counter.ts";
import { AllNode, Batch, BATCH_DOCS, type Node } from "./node.ts";
import { SetNode } from "./set_node.ts";
import { TermNode } from "./term_node.ts";
import { ZONE_VALUES, zonesOf } from "./zones.ts";

export interface SetOptions {
  readonly segment: SearchSegment;
  readonly scope: CompileScope;
  readonly top: TopScores | null;
  readonly heap: SortHeap | null;
  readonly sort: readonly SortKey[];
  readonly counter: HitCounter;
  readonly aggs: SegmentCollector | null;
  /** Score of every match. */
  readonly score: number;
  readonly postBits: Uint32Array | null;
  readonly remaining: number;
  /** Told of blocks that the sort read and left, for `_explain`. */
  readonly onSort: ((blocksRead: number, blocks: number) => void) | undefined;
}

/**
 * Collects a segment's matches. Returns how many were collected.
 *
 * @throws {DeadlinePassed} What was collected by then stays.
 */
export function searchSet(node: Node, options: SetOptions): number {
  const { segment, aggs, postBits, remaining, heap, top, counter } = options;
  const { live, liveCount, reader } = segment;
  if (aggs === null && postBits === null && remaining === Infinity) {
    if (heap === null && top !== null && firstDocs(node, top, options)) return 0;
    const few = heap === null ? -1 : fewDocs(node, heap, options);
    if (few >= 0) return few;
  }
  let bits: Uint32Array | null = null;
  let matched = liveCount;
  if (node instanceof AllNode) bits = live;
  else {
    bits = nodeBits(node, reader.docCount);
    if (live !== null) { for (let i = 0; i < bits.length; i++) bits[i]! &= live[i]!; }
    matched = -1;
  }
  if (remaining < reader.docCount) {
    bits = firstOf(bits, reader.docCount, remaining);
    matched = -1;
  }
  if (aggs !== null) {
    if (bits === live && remaining >= liveCount) aggs.all();
    else collectDocs(bits, reader.docCount, options, (docs, n) => aggs.collect(docs, n));
  }
  let collected = matched;
  if (postBits !== null) {
    if (collected < 0) collected = bits === null ? liveCount : countBits(bits);
    bits = bits === null ? postBits : intersection(bits, postBits);
    matched = -1;
  }
  if (matched < 0) matched = bits === null ? reader.docCount : countBits(bits);
  counter.total += matched;
  if (heap !== null) sortDocs(bits, matched, options);
  else if (top !== null) {
    const score = options.score;
    let doc = nextOf(bits, 0, reader.docCount);
    while (doc >= 0 && score > top.threshold) {
      top.add(segment.ordinal, doc, score);
      doc = nextOf(bits, doc + 1, reader.docCount);
    }
  }
  return collected < 0 ? matched : collected;
}

function nextOf(bits: Uint32Array | null, from: number, docCount: number): number {
  if (bits === null) return from < docCount ? from : -1;
  return nextBit(bits, from, docCount);
}

function intersection(a: Uint32Array, b: Uint32Array): Uint32Array {
  return a.map((word, i) => word & b[i]!);
}

/** The first `count` docs of a set. */
function firstOf(bits: Uint32Array | null, docCount: number, count: number): Uint32Array {
  const first = new Uint32Array((docCount + 31) >>> 5);
  let doc = -1;
  for (let i = 0; i < count; i++) {
    doc = nextOf(bits, doc + 1, docCount);
    if (doc < 0) break;
    first[doc >>> 5]! |= 1 << (doc & 31);
  }
  return first;
}

/**
 * All matches score the same, so that the first are the best: takes them and counts as far as asked, without
 * building the set. False: nothing was done.
 */
function firstDocs(node: Node, top: TopScores, options: SetOptions): boolean {
  const { counter, segment, scope } = options;
  const { live, liveCount, ordinal } = segment;
  let isCounted = counter.isDone;
  if (!isCounted) {
    if (node instanceof AllNode) counter.total += liveCount;
    else if (node instanceof TermNode && live === null) counter.total += node.cost;
    else if (node instanceof SetNode) return false;
    else isCounted = true;
    isCounted = !isCounted;
  }
  const batch = new Batch();
  const { docs } = batch;
  for (let n = node.next(batch); n > 0; n = node.next(batch)) {
    scope.deadline.spend(n);
    if (live !== null) n = keepLive(docs, n, live);
    if (!isCounted) counter.total += n;
    for (let i = 0; i < n && options.score > top.threshold; i++) top.add(ordinal, docs[i]!, options.score);
    if ((isCounted || counter.isDone) && !(options.score > top.threshold)) break;
  }
  return true;
}

function keepLive(docs: Uint32Array, n: number, live: Uint32Array): number {
  let kept = 0;
  for (let i = 0; i < n; i++) {
    const doc = docs[i]!;
    if (((live[doc >>> 5]! >>> (doc & 31)) & 1) !== 0) docs[kept++] = doc;
  }
  return kept;
}

/** Sets of less than one doc in so many are sorted doc by doc. */
const FEW = 64;

/** Few docs need neither a set nor zones. Returns how many there were; -1: nothing was done. */
function fewDocs(node: Node, heap: SortHeap, options: SetOptions): number {
  const { segment, counter, scope } = options;
  if (node instanceof SetNode || node.cost > segment.reader.docCount / FEW) return -1;
  let found = 0;
  const batch = new Batch();
  const scores = new Float64Array(BATCH_DOCS).fill(options.score);
  for (let n = node.next(batch); n > 0; n = node.next(batch)) {
    scope.deadline.spend(n);
    if (segment.live !== null) n = keepLive(batch.docs, n, segment.live);
    found += n;
    heap.collect(batch.docs, scores, n);
  }
  counter.total += found;
  return found;
}

/** Offers a set to the heap, by zones where the first key's column allows. */
function sortDocs(bits: Uint32Array | null, matched: number, options: SetOptions): void {
  const { segment, sort, scope } = options;
  const heap = options.heap!;
  const { reader } = segment;
  const first = sort[0]!;
  const column = first.kind === "number" && first.field !== "" ? reader.numeric(first.field) : undefined;
  const byZones = column !== undefined && column.shape === "dense" && !column.wide &&
    matched > ZONE_VALUES;
  if (byZones) {
    const zones = zonesOf(reader, (first as { readonly field: string }).field, column);
    const read = collectByZones(heap, {
      bits,
      docCount: reader.docCount,
      zones,
      descending: first.descending,
      score: options.score,
      deadline: scope.deadline,
    });
    options.onSort?.(read, zones.mins.length);
    return;
  }
  const scores = new Float64Array(BATCH_DOCS).fill(options.score);
  collectDocs(bits, reader.docCount, options, (docs, n) => heap.collect(docs, scores, n));
}

function collectDocs(
  bits: Uint32Array | null,
  docCount: number,
  options: SetOptions,
  take: (docs: Uint32Array, n: number) => void,
): void {
  const docs = new Uint32Array(BATCH_DOCS);
  for (let from = 0; from < docCount; from += BATCH_DOCS) {
    const to = Math.min(docCount, from + BATCH_DOCS);
    let n = to - from;
    if (bits === null) { for (let i = 0; i < n; i++) docs[i] = from + i; }
    else n = bitsToDocs(bits, from, to, docs);
    options.scope.deadline.spend(n);
    if (n > 0) take(docs, n);
  }
}
