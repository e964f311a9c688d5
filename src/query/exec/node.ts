/**
 * The executable form of a plan over one segment: nodes that hand out or test docs a batch at a time, so that
 * every inner loop runs over typed arrays.
 *
 * A node is used in one of two ways, never both: as a source (`next`), or as a test of docs that somebody else
 * found (`probe`). Docs only ascend, over all calls.
 *
 * Scores are doubles that hold floats: each node rounds what it hands out, as Lucene's scorers do.
 *
 * @module
 */
import { NO_MORE_DOCS } from "../../segment/reader.ts";

/** Most docs of a batch, and docs of a window. */
export const BATCH_DOCS = 2048;

/** Docs on their way through the nodes: parallel arrays. */
export class Batch {
  readonly docs: Uint32Array = new Uint32Array(BATCH_DOCS);
  readonly scores: Float64Array = new Float64Array(BATCH_DOCS);
}

export abstract class Node {
  /** For `_explain`. */
  abstract readonly label: string;
  /** At least as many docs as the node can match, dead ones included. */
  abstract readonly cost: number;

  /** Docs handed out or found to match so far. */
  rows = 0;
  /** Time spent in the node and below it, while it has a clock. */
  spentMs = 0;
  /** For `_explain`: what to take the time by. */
  clock: (() => number) | null = null;

  /**
   * Fills the next matching docs, and their scores where the node was compiled for scores. Returns how many; 0
   * only at the end.
   */
  next(batch: Batch): number {
    const startedMs = this.clock === null ? 0 : this.clock();
    const n = this.fill(batch);
    this.rows += n;
    if (this.clock !== null) this.spentMs += this.clock() - startedMs;
    return n;
  }

  /**
   * Tests docs[0..n), ascending: hits[i] = 1 where docs[i] matches, else 0, and scores[i] its score where it
   * does (elsewhere undefined). Returns how many match.
   */
  probe(docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number {
    const startedMs = this.clock === null ? 0 : this.clock();
    const found = this.test(docs, n, hits, scores);
    this.rows += found;
    if (this.clock !== null) this.spentMs += this.clock() - startedMs;
    return found;
  }

  /** What `next` does. */
  protected abstract fill(batch: Batch): number;

  /** What `probe` does. */
  protected abstract test(docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number;

  /**
   * Tells a node before its first `probe` that about `docs` docs will be tested, so that it can choose between
   * testing each and finding all of its own. Sources are not prepared.
   */
  prepare(_docs: number): void {}

  /** From now on docs that score no more may be left out. Sources only. */
  dropUpTo(_score: number): void {}

  /** Largest score of any doc; Infinity: unknown. */
  get maxScore(): number {
    return Infinity;
  }

  children(): readonly Node[] {
    return [];
  }

  /** Further facts for `_explain`, such as blocks read. */
  facts(): Readonly<Record<string, number>> {
    return {};
  }
}

/** Keeps those docs that have a hit. Returns how many. */
export function keepHits(docs: Uint32Array, scores: Float64Array, hits: Uint8Array, n: number): number {
  let kept = 0;
  for (let i = 0; i < n; i++) {
    if (hits[i] === 0) continue;
    docs[kept] = docs[i]!;
    scores[kept++] = scores[i]!;
  }
  return kept;
}

/** Every doc of the segment. */
export class AllNode extends Node {
  readonly label = "all";
  readonly cost: number;
  readonly #score: number;
  #next = 0;

  constructor(docCount: number, score: number) {
    super();
    this.cost = docCount;
    this.#score = score;
  }

  protected fill(batch: Batch): number {
    const n = Math.min(BATCH_DOCS, this.cost - this.#next);
    const docs = batch.docs;
    for (let i = 0; i < n; i++) docs[i] = this.#next + i;
    batch.scores.fill(this.#score, 0, n);
    this.#next += n;
    return n;
  }

  protected test(_docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number {
    hits.fill(1, 0, n);
    scores.fill(this.#score, 0, n);
    return n;
  }

  override get maxScore(): number {
    return this.#score;
  }
}

/** No doc. */
export class EmptyNode extends Node {
  readonly label = "none";
  readonly cost = 0;

  protected fill(): number {
    return 0;
  }

  protected test(_docs: Uint32Array, n: number, hits: Uint8Array): number {
    hits.fill(0, 0, n);
    return 0;
  }

  override get maxScore(): number {
    return 0;
  }
}

/** Docs that are listed, ascending. */
export class ListNode extends Node {
  readonly cost: number;
  readonly #docs: Uint32Array;
  readonly #score: number;
  #at = 0;

  constructor(readonly label: string, docs: Uint32Array, score: number) {
    super();
    this.cost = docs.length;
    this.#docs = docs;
    this.#score = score;
  }

  protected fill(batch: Batch): number {
    const n = Math.min(BATCH_DOCS, this.#docs.length - this.#at);
    batch.docs.set(this.#docs.subarray(this.#at, this.#at + n));
    batch.scores.fill(this.#score, 0, n);
    this.#at += n;
    return n;
  }

  protected test(docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number {
    let found = 0;
    for (let i = 0; i < n; i++) {
      while ((this.#docs[this.#at] ?? NO_MORE_DOCS) < docs[i]!) this.#at++;
      const hit = this.#docs[this.#at] === docs[i] ? 1 : 0;
      hits[i] = hit;
      found += hit;
    }
    scores.fill(this.#score, 0, n);
    return found;
  }

  override get maxScore(): number {
    return this.#score;
  }
}
