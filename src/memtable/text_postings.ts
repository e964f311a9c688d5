/**
 * Turns the log of a text column into postings: two passes over the log, counting, then placing.
 *
 * @module
 */
import type { InternTable } from "../base/intern.ts";
import type { TermCursor } from "../segment/input.ts";
import type { DocList } from "./doc_list.ts";
import { sortTerms } from "./sort_terms.ts";

/** Marks a log entry that moves the position instead of naming a term. */
export const STEP = 0x8000_0000;
/** What is added to a step so that it can be negative. */
export const STEP_ZERO = 0x4000_0000;

export interface TextLog {
  readonly table: InternTable;
  readonly entries: Uint32Array;
  readonly docs: DocList;
  /** End of each doc's entries, parallel to `docs`. */
  readonly ends: Uint32Array;
}

/** Postings of all terms, in term order. */
export interface InvertedText {
  /** Term number of each ordinal. */
  readonly ids: Uint32Array;
  /** By ordinal: where its postings end, and its positions. */
  readonly postingEnds: Uint32Array;
  readonly positionEnds: Uint32Array;
  /** Pairs (doc, frequency). */
  readonly postings: Uint32Array;
  /** Positions, or empty when the field has none. */
  readonly positions: Uint32Array;
}

/**
 * What is known of a term while inverting, side by side since terms come in no order: one cache line each.
 * - in the first pass: postings so far, occurrences so far, 1 + place of the last doc
 * - in the second: where the next posting goes, where the next position goes, 1 + place of the last doc
 */
const STATE_WORDS = 4;

export function invertText(
  log: TextLog,
  use: { readonly positions: boolean; readonly freqs: boolean },
): InvertedText {
  const { table } = log;
  const states = new Uint32Array(table.count * STATE_WORDS);
  countTerms(log, states);
  // A term of a text that was handed over to the analyzer half-way may be left without any posting.
  const ids = sortTerms(table).filter((id) => states[id * STATE_WORDS]! > 0);
  // From counts to where each term's postings begin, in term order.
  const postingEnds = new Uint32Array(ids.length);
  const positionEnds = new Uint32Array(ids.length);
  let postings = 0;
  let positions = 0;
  for (let ordinal = 0; ordinal < ids.length; ordinal++) {
    const state = ids[ordinal]! * STATE_WORDS;
    const docFreq = states[state]!;
    const termFreq = use.freqs ? states[state + 1]! : docFreq;
    states[state] = postings;
    states[state + 1] = positions;
    states[state + 2] = 0;
    postingEnds[ordinal] = postings += docFreq;
    positionEnds[ordinal] = positions += termFreq;
  }
  const out: InvertedText = {
    ids,
    postingEnds,
    positionEnds,
    postings: new Uint32Array(postings * 2),
    positions: new Uint32Array(use.positions && use.freqs ? positions : 0),
  };
  placeTerms(log, states, out);
  if (!use.freqs) { for (let i = 1; i < out.postings.length; i += 2) out.postings[i] = 1; }
  return out;
}

function countTerms({ entries, docs, ends }: TextLog, states: Uint32Array): void {
  let at = 0;
  for (let place = 1; place <= docs.length; place++) {
    for (const end = ends[place - 1]!; at < end; at++) {
      const id = entries[at]!;
      if (id >= STEP) continue;
      const state = id * STATE_WORDS;
      states[state + 1]!++;
      if (states[state + 2] === place) continue;
      states[state + 2] = place;
      states[state]!++;
    }
  }
}

function placeTerms({ entries, docs, ends }: TextLog, states: Uint32Array, out: InvertedText): void {
  const { postings, positions } = out;
  const withPositions = positions.length > 0;
  let at = 0;
  for (let place = 1; place <= docs.length; place++) {
    const doc = docs.at(place - 1);
    let position = 0;
    for (const end = ends[place - 1]!; at < end; at++) {
      const id = entries[at]!;
      if (id >= STEP) {
        position += id - STEP - STEP_ZERO;
        continue;
      }
      const state = id * STATE_WORDS;
      if (withPositions) positions[states[state + 1]!++] = position;
      position++;
      if (states[state + 2] === place) {
        postings[states[state]! * 2 - 1]!++;
        continue;
      }
      states[state + 2] = place;
      const posting = states[state]!++;
      postings[posting * 2] = doc;
      postings[posting * 2 + 1] = 1;
    }
  }
}

export function textTermCursor(table: InternTable, inverted: InvertedText): TermCursor {
  return new TextTermCursor(table, inverted);
}

class TextTermCursor implements TermCursor {
  readonly bytes: Uint8Array;
  start = 0;
  end = 0;
  docFreq = 0;
  totalTermFreq = 0;
  positions: Uint32Array = new Uint32Array(0);
  readonly #starts: Uint32Array;
  readonly #inverted: InvertedText;
  #ordinal = -1;
  /** Next posting of the current term, and its first position. */
  #posting = 0;
  #position = 0;

  constructor(table: InternTable, inverted: InvertedText) {
    this.bytes = table.pool;
    this.#starts = table.starts;
    this.#inverted = inverted;
  }

  next(): boolean {
    const { ids, postingEnds, positionEnds } = this.#inverted;
    const ordinal = ++this.#ordinal;
    if (ordinal >= ids.length) return false;
    const id = ids[ordinal]!;
    this.start = this.#starts[id]!;
    this.end = this.#starts[id + 1]!;
    this.#posting = ordinal === 0 ? 0 : postingEnds[ordinal - 1]!;
    this.#position = ordinal === 0 ? 0 : positionEnds[ordinal - 1]!;
    this.docFreq = postingEnds[ordinal]! - this.#posting;
    this.totalTermFreq = positionEnds[ordinal]! - this.#position;
    return true;
  }

  fillPostings(docs: Uint32Array, freqs: Uint32Array): number {
    const inverted = this.#inverted;
    const from = this.#posting;
    const n = Math.min(docs.length, inverted.postingEnds[this.#ordinal]! - from);
    let occurrences = 0;
    for (let i = 0; i < n; i++) {
      docs[i] = inverted.postings[(from + i) * 2]!;
      const freq = inverted.postings[(from + i) * 2 + 1]!;
      freqs[i] = freq;
      occurrences += freq;
    }
    this.#posting = from + n;
    if (inverted.positions.length > 0) {
      this.positions = inverted.positions.subarray(this.#position, this.#position + occurrences);
      this.#position += occurrences;
    }
    return n;
  }
}
