/**
 * Whole values of one field in the memtable (keyword, ip, flattened): a number a distinct term, a number a value.
 *
 * @module
 */
import { InternTable } from "../base/intern.ts";
import type { OrdinalCursor, TermCursor, TermsInput } from "../segment/input.ts";
import { DocList } from "./doc_list.ts";
import { sortTerms } from "./sort_terms.ts";

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

  /** For the segment builder. Nothing may be added after; sorting happens when the first cursor is opened. */
  input(use: TermColumnUse): TermsInput {
    let ordered: OrderedTerms | undefined;
    const order = () => ordered ??= orderTerms(this.#table, this.#docs, this.#ids);
    return {
      kind: "terms",
      ...use,
      openTerms: () => termCursor(this.#table, this.#docs, order()),
      openOrdinals: () => ordinalCursor(this.#docs, order().ordinals),
    };
  }
}

interface OrderedTerms {
  /** Id of each ordinal. */
  readonly ids: Uint32Array;
  /** Ordinal of each value; parallel to the column's docs. Aliases the column's ids. */
  readonly ordinals: Uint32Array;
}

/** Sorts the dictionary, turns values from ids into ordinals in place, and drops repeats within a doc. */
function orderTerms(table: InternTable, docs: DocList, values: Uint32Array): OrderedTerms {
  const ids = sortTerms(table);
  const ranks = new Uint32Array(ids.length);
  for (let i = 0; i < ids.length; i++) ranks[ids[i]!] = i;
  const count = docs.length;
  for (let i = 0; i < count; i++) values[i] = ranks[values[i]!]!;
  if (docs.repeats) orderWithinDocs(docs, values);
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

/** Docs of each ordinal by counting sort: those of ordinal o are [ends[o - 1], ends[o]) of `docs`. */
function invert(
  docs: DocList,
  ordinals: Uint32Array,
  termCount: number,
): { docs: Uint32Array; ends: Uint32Array } {
  const count = docs.length;
  const ends = new Uint32Array(termCount + 1);
  for (let i = 0; i < count; i++) ends[ordinals[i]! + 1]!++;
  for (let o = 1; o <= termCount; o++) ends[o]! += ends[o - 1]!;
  const out = new Uint32Array(count);
  for (let i = 0; i < count; i++) out[ends[ordinals[i]!]!++] = docs.at(i);
  return { docs: out, ends };
}

function termCursor(table: InternTable, docs: DocList, { ids, ordinals }: OrderedTerms): TermCursor {
  return new WholeTermCursor(table, ids, invert(docs, ordinals, ids.length));
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

  constructor(table: InternTable, ids: Uint32Array, inverted: { docs: Uint32Array; ends: Uint32Array }) {
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
