/**
 * Turns the log of a text column into postings: two passes over the log, counting, then placing; in steps.
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

/** Occurrences of all terms, in term order, and within a term in the order of the text. */
export interface InvertedText {
  /** Term number of each ordinal. */
  readonly ids: Uint32Array;
  /** By ordinal: where its occurrences end. */
  readonly ends: Uint32Array;
  /** Doc of each occurrence; with positions pairs (doc, position), so that placing one touches one cache line. */
  readonly occurrences: Uint32Array;
  /** Whether there are positions. */
  readonly positions: boolean;
  /** Whether frequencies count; else each is 1. */
  readonly freqs: boolean;
}

/** Tokens handled between two yields. */
const YIELD_TOKENS = 1 << 16;

export function* invertText(
  log: TextLog,
  use: { readonly positions: boolean; readonly freqs: boolean },
): Generator<void, InvertedText> {
  const { table, entries } = log;
  const positions = use.positions && use.freqs;
  // By term: first how often it occurs, then where its next occurrence goes.
  const places = new Uint32Array(table.count);
  for (let from = 0; from < entries.length; from += YIELD_TOKENS) {
    countTerms(entries, from, Math.min(from + YIELD_TOKENS, entries.length), places);
    yield;
  }
  const sorted = yield* sortTerms(table);
  // A term of a text that was handed over to the analyzer half-way may be left without any posting.
  const ids = sorted.filter((id) => places[id]! > 0);
  yield;
  const ends = new Uint32Array(ids.length);
  let total = 0;
  for (let ordinal = 0; ordinal < ids.length; ordinal++) {
    const id = ids[ordinal]!;
    const count = places[id]!;
    places[id] = total;
    ends[ordinal] = total += count;
  }
  yield;
  const occurrences = new Uint32Array(positions ? total * 2 : total);
  const { docs, ends: docEnds } = log;
  for (let value = 0; value < docs.length;) {
    const first = value === 0 ? 0 : docEnds[value - 1]!;
    let to = value + 1;
    while (to < docs.length && docEnds[to]! - first <= YIELD_TOKENS && to - value < YIELD_TOKENS) to++;
    if (positions) placePositions(log, value, to, places, occurrences);
    else placeDocs(log, value, to, places, occurrences);
    value = to;
    yield;
  }
  return { ids, ends, occurrences, positions, freqs: use.freqs };
}

function countTerms(entries: Uint32Array, from: number, to: number, counts: Uint32Array): void {
  for (let i = from; i < to; i++) {
    const id = entries[i]!;
    if (id < STEP) counts[id]!++;
  }
}

/** Places the occurrences in values [from, to) of the column. */
function placePositions(
  { entries, docs, ends }: TextLog,
  from: number,
  to: number,
  places: Uint32Array,
  out: Uint32Array,
): void {
  let at = from === 0 ? 0 : ends[from - 1]!;
  for (let value = from; value < to; value++) {
    const doc = docs.at(value);
    let position = 0;
    for (const end = ends[value]!; at < end; at++) {
      const id = entries[at]!;
      if (id >= STEP) {
        position += id - STEP - STEP_ZERO;
        continue;
      }
      const place = places[id]!++ * 2;
      out[place] = doc;
      out[place + 1] = position++;
    }
  }
}

function placeDocs(
  { entries, docs, ends }: TextLog,
  from: number,
  to: number,
  places: Uint32Array,
  out: Uint32Array,
): void {
  let at = from === 0 ? 0 : ends[from - 1]!;
  for (let value = from; value < to; value++) {
    const doc = docs.at(value);
    for (const end = ends[value]!; at < end; at++) {
      const id = entries[at]!;
      if (id < STEP) out[places[id]!++] = doc;
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
  positions: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #inverted: InvertedText;
  #ordinal = -1;
  /** Next occurrence of the current term. */
  #at = 0;

  constructor(table: InternTable, inverted: InvertedText) {
    this.bytes = table.pool;
    this.#starts = table.starts;
    this.#inverted = inverted;
    this.positions = new Uint32Array(inverted.positions ? 256 : 0);
  }

  next(): boolean {
    const { ids, ends, occurrences, positions, freqs } = this.#inverted;
    const ordinal = ++this.#ordinal;
    if (ordinal >= ids.length) return false;
    const id = ids[ordinal]!;
    this.start = this.#starts[id]!;
    this.end = this.#starts[id + 1]!;
    const from = ordinal === 0 ? 0 : ends[ordinal - 1]!;
    const to = ends[ordinal]!;
    this.#at = from;
    this.docFreq = distinctDocs(
      occurrences,
      positions ? from * 2 : from,
      positions ? to * 2 : to,
      positions ? 2 : 1,
    );
    this.totalTermFreq = freqs ? to - from : this.docFreq;
    return true;
  }

  fillPostings(docs: Uint32Array, freqs: Uint32Array): number {
    const { occurrences, positions, freqs: counted } = this.#inverted;
    const end = this.#inverted.ends[this.#ordinal]!;
    let at = this.#at;
    let n = 0;
    let held = 0;
    while (at < end && n < docs.length) {
      const from = at;
      if (positions) {
        const doc = occurrences[at * 2]!;
        while (at < end && occurrences[at * 2] === doc) at++;
        if (held + at - from > this.positions.length) this.#growPositions(held + at - from);
        const out = this.positions;
        for (let i = from; i < at; i++) out[held++] = occurrences[i * 2 + 1]!;
        docs[n] = doc;
      } else {
        const doc = occurrences[at]!;
        while (at < end && occurrences[at] === doc) at++;
        docs[n] = doc;
      }
      freqs[n++] = counted ? at - from : 1;
    }
    this.#at = at;
    return n;
  }

  #growPositions(size: number): void {
    const grown = new Uint32Array(size * 2);
    grown.set(this.positions);
    this.positions = grown;
  }
}

/** Number of runs of equal docs among every `stride`th of [from, to). */
function distinctDocs(occurrences: Uint32Array, from: number, to: number, stride: number): number {
  let count = 0;
  let last = -1;
  for (let at = from; at < to; at += stride) {
    const doc = occurrences[at]!;
    if (doc !== last) count++;
    last = doc;
  }
  return count;
}
