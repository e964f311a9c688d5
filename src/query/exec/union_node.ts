/**
 * Disjunction: children pour their docs into a window of accumulators, which is then read out in doc order.
 *
 * @module
 */
import type { Deadline } from "./deadline.ts";
import { Batch, BATCH_DOCS, Node } from "./node.ts";

const fround = Math.fround;

/** How the scores of several matching children become one. */
export type Combine =
  | { readonly kind: "sum" }
  /** The greatest, and `tieBreaker` times the others. */
  | { readonly kind: "max"; readonly tieBreaker: number };

/** A child's batch, read up to `at`. */
interface Feed {
  readonly node: Node;
  readonly batch: Batch;
  n: number;
  at: number;
}

export class UnionNode extends Node {
  readonly label: string;
  readonly cost: number;
  readonly #nodes: readonly Node[];
  readonly #minimum: number;
  readonly #combine: Combine;
  readonly #deadline: Deadline;
  #feeds: Feed[] | null = null;
  // By doc minus the window's base.
  readonly #sums = new Float64Array(BATCH_DOCS);
  readonly #best = new Float64Array(BATCH_DOCS);
  readonly #counts = new Uint16Array(BATCH_DOCS);
  readonly #hits = new Uint8Array(BATCH_DOCS);
  readonly #scores = new Float64Array(BATCH_DOCS);

  /** @param options.minimum How many children must match, at least 1. */
  constructor(
    nodes: readonly Node[],
    options: { readonly minimum: number; readonly combine: Combine; readonly deadline: Deadline },
  ) {
    super();
    this.#nodes = nodes;
    this.#minimum = options.minimum;
    this.#combine = options.combine;
    this.#deadline = options.deadline;
    this.label = options.combine.kind === "sum" ? "or" : "dis_max";
    this.cost = nodes.reduce((sum, node) => sum + node.cost, 0);
  }

  /** Whether any child suffices and scores are added up. */
  get isPlainSum(): boolean {
    return this.#minimum === 1 && this.#combine.kind === "sum";
  }

  protected fill(batch: Batch): number {
    const feeds = this.#feeds ??= this.#nodes.map((node) => ({ node, batch: new Batch(), n: 0, at: 0 }));
    for (;;) {
      let base = -1;
      for (const feed of feeds) {
        if (feed.at >= feed.n && !refill(feed)) continue;
        const doc = feed.batch.docs[feed.at]!;
        if (base < 0 || doc < base) base = doc;
      }
      if (base < 0) return 0;
      const end = base + BATCH_DOCS;
      this.#counts.fill(0);
      this.#sums.fill(0);
      if (this.#combine.kind === "max") this.#best.fill(0);
      for (const feed of feeds) {
        while (feed.at < feed.n || refill(feed)) {
          this.#pour(feed, base, end);
          if (feed.at < feed.n) break;
        }
      }
      this.#deadline.spend(BATCH_DOCS);
      const n = this.#readOut(base, batch);
      if (n > 0) return n;
    }
  }

  /** Takes the feed's docs below `end`. */
  #pour(feed: Feed, base: number, end: number): void {
    const { docs, scores } = feed.batch;
    const counts = this.#counts;
    const sums = this.#sums;
    const n = feed.n;
    let at = feed.at;
    if (this.#combine.kind === "sum") {
      for (; at < n; at++) {
        const doc = docs[at]!;
        if (doc >= end) break;
        counts[doc - base]!++;
        sums[doc - base]! += scores[at]!;
      }
    } else {
      const best = this.#best;
      for (; at < n; at++) {
        const doc = docs[at]!;
        if (doc >= end) break;
        const i = doc - base;
        const score = scores[at]!;
        counts[i]!++;
        sums[i]! += score;
        if (score > best[i]!) best[i] = score;
      }
    }
    feed.at = at;
  }

  #readOut(base: number, batch: Batch): number {
    const { docs, scores } = batch;
    const counts = this.#counts;
    const minimum = this.#minimum;
    const sums = this.#sums;
    let n = 0;
    if (this.#combine.kind === "sum") {
      for (let i = 0; i < BATCH_DOCS; i++) {
        if (counts[i]! < minimum) continue;
        docs[n] = base + i;
        scores[n++] = fround(sums[i]!);
      }
      return n;
    }
    for (let i = 0; i < BATCH_DOCS; i++) {
      if (counts[i]! < minimum) continue;
      docs[n] = base + i;
      scores[n++] = this.#maximum(this.#best[i]!, sums[i]!);
    }
    return n;
  }

  #maximum(best: number, sum: number): number {
    const tieBreaker = this.#combine.kind === "max" ? this.#combine.tieBreaker : 0;
    return fround(best + (sum - best) * tieBreaker);
  }

  override prepare(docs: number): void {
    for (const node of this.#nodes) node.prepare(docs);
  }

  protected test(docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number {
    const sums = this.#sums;
    const best = this.#best;
    const counts = this.#counts;
    counts.fill(0, 0, n);
    sums.fill(0, 0, n);
    best.fill(0, 0, n);
    for (const node of this.#nodes) {
      if (node.probe(docs, n, this.#hits, this.#scores) === 0) continue;
      for (let i = 0; i < n; i++) {
        if (this.#hits[i] === 0) continue;
        const score = this.#scores[i]!;
        counts[i]!++;
        sums[i]! += score;
        if (score > best[i]!) best[i] = score;
      }
    }
    const isSum = this.#combine.kind === "sum";
    let found = 0;
    for (let i = 0; i < n; i++) {
      const hit = counts[i]! >= this.#minimum ? 1 : 0;
      hits[i] = hit;
      found += hit;
      scores[i] = isSum ? fround(sums[i]!) : this.#maximum(best[i]!, sums[i]!);
    }
    return found;
  }

  override get maxScore(): number {
    let sum = 0;
    for (const node of this.#nodes) sum += node.maxScore;
    return sum;
  }

  override children(): readonly Node[] {
    return this.#nodes;
  }
}

function refill(feed: Feed): boolean {
  if (feed.n < 0) return false;
  feed.n = feed.node.next(feed.batch);
  feed.at = 0;
  if (feed.n > 0) return true;
  feed.n = -1;
  return false;
}
