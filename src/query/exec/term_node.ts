/**
 * Docs of one term.
 *
 * @module
 */
import type { PostingsCursor } from "../../segment/reader.ts";
import { type Bm25, bm25Score } from "../plan/bm25.ts";
import { type Batch, BATCH_DOCS, Node } from "./node.ts";
import { firstAtLeast, PostingsWalk } from "./postings_walk.ts";

const fround = Math.fround;

/** Docs of a postings block. */
export const POSTINGS_BLOCK = 128;

/** Blocks that `next` gathers into one batch at most. */
const BLOCKS_AT_ONCE = 8;

/**
 * Adds to scores[at + i] one term's BM25 score of docs[i], or sets it.
 *
 * Shapes: `docs`, `freqs` are parallel, [0, n) is used. `norms` is indexed by doc id; null: 1 throughout. Watched
 * by the bench "match top 10".
 */
export function scorePostings(
  docs: Uint32Array,
  freqs: Uint32Array,
  n: number,
  norms: Uint8Array | null,
  weight: number,
  normInverse: Float32Array,
  scores: Float64Array,
  at: number,
): void {
  if (norms === null) {
    const inverse = normInverse[1]!;
    for (let i = 0; i < n; i++) {
      scores[at + i] = fround(weight - fround(weight / fround(1 + fround(freqs[i]! * inverse))));
    }
    return;
  }
  for (let i = 0; i < n; i++) {
    const inverse = normInverse[norms[docs[i]!]!]!;
    scores[at + i] = fround(weight - fround(weight / fround(1 + fround(freqs[i]! * inverse))));
  }
}

/** Largest score among impacts. */
export function maxImpactScore(
  freqs: Uint32Array,
  norms: Uint8Array,
  count: number,
  scorer: Bm25,
): number {
  const { weight, normInverse } = scorer;
  let best = 0;
  for (let i = 0; i < count; i++) {
    const scaled = fround(freqs[i]! * normInverse[norms[i]!]!);
    const score = fround(weight - fround(weight / fround(1 + scaled)));
    if (score > best) best = score;
  }
  return best;
}

export class TermNode extends Node {
  readonly cost: number;
  readonly walk: PostingsWalk;
  readonly scorer: Bm25 | null;
  readonly norms: Uint8Array | null;
  readonly #constant: number;
  readonly #reopen: () => PostingsCursor;
  #maxScore = -1;

  /**
   * @param options.scorer Null: each doc scores `score`.
   * @param options.norms By doc id; null: the field has none.
   */
  constructor(
    readonly label: string,
    cursor: PostingsCursor,
    options: {
      readonly scorer: Bm25 | null;
      readonly norms: Uint8Array | null;
      readonly score: number;
      /** Opens a second cursor on the same docs, for counting. */
      readonly reopen: () => PostingsCursor;
    },
  ) {
    super();
    this.cost = cursor.docFreq;
    this.walk = new PostingsWalk(cursor);
    this.scorer = options.scorer;
    this.norms = options.norms;
    this.#constant = options.score;
    this.#reopen = options.reopen;
  }

  protected fill(batch: Batch): number {
    const walk = this.walk;
    const { docs, scores } = batch;
    let n = 0;
    for (let blocks = 0; blocks < BLOCKS_AT_ONCE && n + POSTINGS_BLOCK <= BATCH_DOCS; blocks++) {
      if (walk.index >= walk.length && !walk.load()) break;
      const count = walk.length - walk.index;
      const blockDocs = walk.index === 0 ? walk.docs : walk.docs.subarray(walk.index, walk.length);
      for (let i = 0; i < count; i++) docs[n + i] = blockDocs[i]!;
      if (this.scorer !== null) {
        const { weight, normInverse } = this.scorer;
        const blockFreqs = walk.index === 0 ? walk.freqs : walk.freqs.subarray(walk.index, walk.length);
        scorePostings(blockDocs, blockFreqs, count, this.norms, weight, normInverse, scores, n);
      }
      n += count;
      walk.index = walk.length;
    }
    if (this.scorer === null) scores.fill(this.#constant, 0, n);
    return n;
  }

  protected test(docs: Uint32Array, n: number, hits: Uint8Array, scores: Float64Array): number {
    const walk = this.walk;
    const scorer = this.scorer;
    let found = 0;
    let blockDocs = walk.docs;
    let lastDoc = walk.lastDoc;
    let index = walk.index;
    for (let i = 0; i < n; i++) {
      const target = docs[i]!;
      if (target > lastDoc) {
        walk.index = index;
        if (!walk.seek(target)) {
          hits.fill(0, i, n);
          index = walk.index;
          break;
        }
        blockDocs = walk.docs;
        lastDoc = walk.lastDoc;
        index = walk.index;
      } else if (blockDocs[index]! < target) {
        index = firstAtLeast(blockDocs, index + 1, walk.length, target);
      }
      if (blockDocs[index] !== target) {
        hits[i] = 0;
        continue;
      }
      hits[i] = 1;
      found++;
      if (scorer !== null) {
        const norm = this.norms === null ? 1 : this.norms[target]!;
        scores[i] = bm25Score(scorer, walk.freqs[index]!, norm);
      }
    }
    walk.index = index;
    if (scorer === null) scores.fill(this.#constant, 0, n);
    return found;
  }

  /** Sets the bits of all docs of the term; leaves the node as it is. */
  pourDocs(into: Uint32Array): void {
    const cursor = this.#reopen();
    for (let n = cursor.nextBlock(); n > 0; n = cursor.nextBlock()) {
      const docs = cursor.blockDocs;
      for (let i = 0; i < n; i++) {
        const doc = docs[i]!;
        into[doc >>> 5]! |= 1 << (doc & 31);
      }
    }
  }

  override get maxScore(): number {
    if (this.scorer === null) return this.#constant;
    if (this.#maxScore < 0) {
      const { freqs, norms, count } = this.walk.cursor.maxImpacts();
      this.#maxScore = maxImpactScore(freqs, norms, count, this.scorer);
    }
    return this.#maxScore;
  }

  override facts(): Readonly<Record<string, number>> {
    const blocks = Math.ceil(this.cost / POSTINGS_BLOCK);
    const read = this.walk.blocksRead;
    return { blocks_read: read, blocks_skipped: Math.max(0, blocks - read) };
  }
}
