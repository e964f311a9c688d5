/**
 * The best docs of a disjunction of terms, without scoring those that cannot be among them.
 *
 * Docs are worked off in windows. In each, the impacts of the terms' blocks bound what a term can add. Terms whose
 * bounds together stay below the threshold are not essential: a doc that has only those is never looked at, and
 * they are asked only for docs that could still make it. Blocks of essential terms whose bound, with everything the
 * others could add, stays below it are not even decoded.
 *
 * Source: Turtle and Flood, "Query evaluation: strategies and optimizations" (1995), with the block bounds of Ding
 * and Suel, "Faster top-k document retrieval using block-max indexes" (2011).
 *
 * @module
 */
import { NO_MORE_DOCS } from "../../segment/reader.ts";
import type { TopScores } from "../collect/top_scores.ts";
import type { Deadline } from "./deadline.ts";
import { BATCH_DOCS } from "./node.ts";
import { maxImpactScore, type TermNode } from "./term_node.ts";

const fround = Math.fround;
const WORDS = BATCH_DOCS / 32;

/** Bounds are sums of doubles, scores are rounded to float: what is this close to the threshold is scored. */
const SLACK = 1 + 1e-6;

/** Docs of a window while `top` has room and so no threshold. */
const FIRST_WINDOW = 256;

/** Blocks of one term that overlap a window of BATCH_DOCS: they hold 128 docs each, but for the edges. */
const BLOCKS_MAX = BATCH_DOCS / 128 + 3;

class Term {
  readonly node: TermNode;
  /** Most that the term adds to a doc of the window. */
  bound = 0;
  /** Last doc and bound of each block that overlaps the window. */
  readonly ends = new Uint32Array(BLOCKS_MAX);
  readonly bounds = new Float64Array(BLOCKS_MAX);
  blocks = 0;
  /** Bound of the shallow block, once worked out. */
  #shallowBound = 0;
  #shallowEnd = -1;

  constructor(node: TermNode) {
    this.node = node;
  }

  /** Bounds over [base, end). */
  look(base: number, end: number): void {
    const { walk, scorer } = this.node;
    const cursor = walk.cursor;
    let target = base;
    this.blocks = 0;
    this.bound = 0;
    do {
      cursor.shallowAdvance(target);
      const last = cursor.shallowLastDoc;
      if (last === NO_MORE_DOCS) break;
      if (last !== this.#shallowEnd) {
        this.#shallowEnd = last;
        this.#shallowBound = maxImpactScore(
          cursor.impactFreqs,
          cursor.impactNorms,
          cursor.impactCount,
          scorer!,
        );
      }
      const bound = this.#shallowBound;
      this.ends[this.blocks] = last;
      this.bounds[this.blocks++] = bound;
      if (bound > this.bound) this.bound = bound;
      target = last + 1;
    } while (target < end);
  }

  /** Last doc up to which the bounds hold. */
  get boundedTo(): number {
    const last = this.node.walk.cursor.shallowLastDoc;
    return last === NO_MORE_DOCS ? NO_MORE_DOCS : this.ends[this.blocks - 1]!;
  }
}

/**
 * Adds to `top` the best live docs of a segment that have any of the terms. Docs that do not enter `top` may be
 * skipped: nothing is counted here.
 *
 * @param terms Scored terms, as sources that nobody has moved.
 */
export function collectBest(
  terms: readonly TermNode[],
  top: TopScores,
  segment: {
    readonly ordinal: number;
    readonly docCount: number;
    readonly live: Uint32Array | null;
    readonly deadline: Deadline;
  },
): void {
  const { docCount, live, ordinal, deadline } = segment;
  const all = terms.map((node) => new Term(node));
  const sums = new Float64Array(BATCH_DOCS);
  const seen = new Uint32Array(WORDS);
  const docs = new Uint32Array(BATCH_DOCS);
  const scores = new Float64Array(BATCH_DOCS);
  let base = 0;
  while (base < docCount) {
    deadline.spend(BATCH_DOCS);
    const end = Math.min(docCount, base + (top.threshold < 0 ? FIRST_WINDOW : BATCH_DOCS));
    let total = 0;
    let boundedTo = NO_MORE_DOCS;
    for (const term of all) {
      term.look(base, end);
      total += term.bound;
      boundedTo = Math.min(boundedTo, term.boundedTo);
    }
    if (total * SLACK <= top.threshold) {
      base = boundedTo === NO_MORE_DOCS ? docCount : boundedTo + 1;
      continue;
    }
    all.sort((a, b) => a.bound - b.bound);
    let optional = 0;
    let optionalBound = 0;
    while (optional < all.length - 1 && (optionalBound + all[optional]!.bound) * SLACK <= top.threshold) {
      optionalBound += all[optional++]!.bound;
    }
    for (let i = optional; i < all.length; i++) {
      const term = all[i]!;
      pour(term, base, end, total - term.bound, top.threshold, sums, seen);
    }
    let n = readOut(base, optionalBound, top.threshold, sums, seen, docs, scores);
    let left = optionalBound;
    for (let i = optional - 1; i >= 0 && n > 0; i--) {
      const term = all[i]!;
      left -= term.bound;
      addScores(term.node, docs, scores, n);
      n = keepAbove(docs, scores, n, left, top.threshold);
    }
    for (let i = 0; i < n; i++) {
      const doc = docs[i]!;
      if (live !== null && ((live[doc >>> 5]! >>> (doc & 31)) & 1) === 0) continue;
      const score = fround(scores[i]!);
      if (score > top.threshold) top.add(ordinal, doc, score);
    }
    base = end;
  }
}

/** Accumulates a term's scores over the window, but for blocks that cannot matter. */
function pour(
  term: Term,
  base: number,
  end: number,
  others: number,
  threshold: number,
  sums: Float64Array,
  seen: Uint32Array,
): void {
  const { walk, scorer, norms } = term.node;
  const { weight, normInverse } = scorer!;
  let from = base;
  for (let b = 0; b < term.blocks; b++) {
    const last = term.ends[b]!;
    const start = from;
    from = last + 1;
    if ((term.bounds[b]! + others) * SLACK <= threshold) continue;
    if (!walk.seek(start)) return;
    const docs = walk.docs;
    const freqs = walk.freqs;
    const length = walk.length;
    let i = walk.index;
    for (; i < length; i++) {
      const doc = docs[i]!;
      if (doc >= end) break;
      const inverse = norms === null ? normInverse[1]! : normInverse[norms[doc]!]!;
      const at = doc - base;
      sums[at]! += fround(weight - fround(weight / fround(1 + fround(freqs[i]! * inverse))));
      seen[at >>> 5]! |= 1 << (at & 31);
    }
    term.node.rows += i - walk.index;
    walk.index = i;
  }
}

/** Takes the docs out of the window that can still make it, and clears it. */
function readOut(
  base: number,
  optionalBound: number,
  threshold: number,
  sums: Float64Array,
  seen: Uint32Array,
  docs: Uint32Array,
  scores: Float64Array,
): number {
  let n = 0;
  for (let w = 0; w < WORDS; w++) {
    let word = seen[w]!;
    if (word === 0) continue;
    seen[w] = 0;
    while (word !== 0) {
      const low = word & -word;
      word ^= low;
      const at = (w << 5) + 31 - Math.clz32(low);
      const sum = sums[at]!;
      sums[at] = 0;
      if ((sum + optionalBound) * SLACK <= threshold) continue;
      docs[n] = base + at;
      scores[n++] = sum;
    }
  }
  return n;
}

function addScores(node: TermNode, docs: Uint32Array, scores: Float64Array, n: number): void {
  const { walk, norms } = node;
  const { weight, normInverse } = node.scorer!;
  for (let i = 0; i < n; i++) {
    const doc = docs[i]!;
    if (!walk.seek(doc)) return;
    if (walk.index >= walk.length || walk.docs[walk.index] !== doc) continue;
    const inverse = norms === null ? normInverse[1]! : normInverse[norms[doc]!]!;
    scores[i]! += fround(weight - fround(weight / fround(1 + fround(walk.freqs[walk.index]! * inverse))));
  }
}

function keepAbove(
  docs: Uint32Array,
  scores: Float64Array,
  n: number,
  left: number,
  threshold: number,
): number {
  let kept = 0;
  for (let i = 0; i < n; i++) {
    if ((scores[i]! + left) * SLACK <= threshold) continue;
    docs[kept] = docs[i]!;
    scores[kept++] = scores[i]!;
  }
  return kept;
}
