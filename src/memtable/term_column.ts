/**
 * Whole values of one field in the memtable (keyword, ip, flattened): a number a distinct term, a number a value.
 *
 * @module
 */
import { InternTable } from "../base/intern.ts";
import type { OrdinalCursor, TermCursor, TermsInput } from "../segment/input.ts";
import { DocList } from "./doc_list.ts";
import { sortTerms } from "./sort_terms.ts";
import { runSteps, usedBytes } from "./steps.ts";

/** What the builder may want of a term column; from `Field`. */
export interface TermColumnUse {
  readonly name: string;
  readonly type: string;
  readonly column: boolean;
  readonly postings: boolean;
}

export class TermColumn {
  readonly #docs = new DocList();
  readonly #table = new InternTable();
  /** Term of each value, in order of arrival. */
  #ids: Uint32Array = new Uint32Array(64);

  get length(): number {
    return this.#docs.length;
  }

  get sizeBytes(): number {
    return this.#table.sizeBytes + this.#docs.length * 4 + this.#docs.sizeBytes;
  }

  /** Adds the value that is bytes [start, end). */
  add(doc: number, bytes: Uint8Array, start: number, end: number): void {
    const id = this.#table.intern(bytes, start, end);
    const i = this.#docs.length;
    if (i === this.#ids.length) {
      const grown = new Uint32Array(i * 2);
      grown.set(this.#ids);
      this.#ids = grown;
    }
    this.#ids[i] = id;
    this.#docs.push(doc);
  }

  /** For the segment builder. Nothing may be added after; sorting happens when it prepares the field. */
  input(use: TermColumnUse): TermsInput {
    const table = this.#table;
    const docs = this.#docs;
    let ordered: OrderedTerms | undefined;
    let inverted: InvertedValues | undefined;
    const values = this.#ids;
    const order = () => ordered ??= runSteps(orderTerms(table, docs, values));
    return {
      kind: "terms",
      ...use,
      *prepare() {
        ordered ??= yield* orderTerms(table, docs, values);
        inverted ??= yield* invertValues(docs, ordered);
        return yield* usedBytes(table);
      },
      release: () => inverted = undefined,
      openTerms: () => {
        const { ids } = order();
        return new WholeTermCursor(table, ids, inverted ??= runSteps(invertValues(docs, order())));
      },
      openOrdinals: () => ordinalCursor(docs, order().ordinals),
    };
  }
}

interface OrderedTerms {
  /** Id of each ordinal. */
  readonly ids: Uint32Array;
  /** Ordinal of each value; parallel to the column's docs. Aliases the column's ids. */
  readonly ordinals: Uint32Array;
}

/** Values handled between two yields. */
const YIELD_VALUES = 1 << 16;

/** Sorts the dictionary, turns values from ids into ordinals in place, and drops repeats within a doc. */
function* orderTerms(
  table: InternTable,
  docs: DocList,
  values: Uint32Array,
): Generator<void, OrderedTerms> {
  const ids = yield* sortTerms(table);
  const ranks = new Uint32Array(ids.length);
  for (let i = 0; i < ids.length; i++) ranks[ids[i]!] = i;
  const count = docs.length;
  for (let from = 0; from < count; from += YIELD_VALUES) {
    yield;
    const to = Math.min(from + YIELD_VALUES, count);
    for (let i = from; i < to; i++) values[i] = ranks[values[i]!]!;
  }
  if (docs.repeats) orderWithinDocs(docs, values);
  yield;
  return { ids, ordinals: values };
}

function orderWithinDocs(docs: DocList, values: Uint32Array): void {
  const count = docs.length;
  const kept = new Uint32Array(count);
  let to = 0;
  for (let from = 0; from < count;) {
    const doc = docs.at(from);
    let end = from + 1;
    while (end < count && docs.at(end) === doc) end++;
    if (end - from > 1) values.subarray(from, end).sort();
    for (let i = from; i < end; i++) {
      if (i > from && values[i] === values[i - 1]) continue;
      // `to` never overtakes `i`, and what it overwrites has been read.
      kept[to] = doc;
      values[to++] = values[i]!;
    }
    from = end;
  }
  docs.replace(kept, to);
}

function ordinalCursor(docs: DocList, values: Uint32Array): OrdinalCursor {
  let at = 0;
  return {
    fill(outDocs: Uint32Array, ordinals: Uint32Array): number {
      const n = Math.min(outDocs.length, docs.length - at);
      docs.copy(at, n, outDocs);
      ordinals.set(values.subarray(at, at + n));
      at += n;
      return n;
    },
  };
}

/** Docs of ordinal o: [ends[o - 1], ends[o]) of `docs`. */
interface InvertedValues {
  readonly docs: Uint32Array;
  readonly ends: Uint32Array;
}

/** By counting sort. */
function* invertValues(
  docs: DocList,
  { ids, ordinals }: OrderedTerms,
): Generator<void, InvertedValues> {
  const count = docs.length;
  const ends = new Uint32Array(ids.length + 1);
  for (let from = 0; from < count; from += YIELD_VALUES) {
    countOrdinals(ordinals, from, Math.min(from + YIELD_VALUES, count), ends);
    yield;
  }
  for (let o = 1; o <= ids.length; o++) ends[o]! += ends[o - 1]!;
  const out = new Uint32Array(count);
  for (let from = 0; from < count; from += YIELD_VALUES) {
    placeDocs(docs, ordinals, from, Math.min(from + YIELD_VALUES, count), ends, out);
    yield;
  }
  return { docs: out, ends };
}

function countOrdinals(ordinals: Uint32Array, from: number, to: number, counts: Uint32Array): void {
  for (let i = from; i < to; i++) counts[ordinals[i]! + 1]!++;
}

function placeDocs(
  docs: DocList,
  ordinals: Uint32Array,
  from: number,
  to: number,
  next: Uint32Array,
  out: Uint32Array,
): void {
  for (let i = from; i < to; i++) out[next[ordinals[i]!]!++] = docs.at(i);
}

class WholeTermCursor implements TermCursor {
  readonly bytes: Uint8Array;
  start = 0;
  end = 0;
  docFreq = 0;
  totalTermFreq = 0;
  readonly positions: Uint32Array = new Uint32Array(0);
  #ordinal = -1;
  /** Next posting of the current term. */
  #at = 0;
  readonly #starts: Uint32Array;
  readonly #ids: Uint32Array;
  readonly #docs: Uint32Array;
  readonly #ends: Uint32Array;

  constructor(table: InternTable, ids: Uint32Array, inverted: InvertedValues) {
    this.bytes = table.pool;
    this.#starts = table.starts;
    this.#ids = ids;
    this.#docs = inverted.docs;
    this.#ends = inverted.ends;
  }

  next(): boolean {
    const ordinal = ++this.#ordinal;
    if (ordinal >= this.#ids.length) return false;
    const id = this.#ids[ordinal]!;
    this.start = this.#starts[id]!;
    this.end = this.#starts[id + 1]!;
    this.#at = ordinal === 0 ? 0 : this.#ends[ordinal - 1]!;
    this.docFreq = this.totalTermFreq = this.#ends[ordinal]! - this.#at;
    return true;
  }

  fillPostings(docs: Uint32Array): number {
    const from = this.#at;
    const n = Math.min(docs.length, this.#ends[this.#ordinal]! - from);
    for (let i = 0; i < n; i++) docs[i] = this.#docs[from + i]!;
    this.#at = from + n;
    return n;
  }
}
