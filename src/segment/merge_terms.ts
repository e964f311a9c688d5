/**
 * Dictionaries and postings of several segments as one: a k-way merge of terms, each with the postings of its live
 * documents, part after part.
 *
 * One pass per field: the terms that it hands out tell the new ordinals, too. Watched by `bench/merge_build.ts`.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { TERM_BYTES_MAX, TermBlock, TERMS_PER_BLOCK } from "../format/terms_block.ts";
import type { TermCursor } from "./input.ts";
import { DROPPED, liveDocs, type MergePart } from "./merge_parts.ts";
import { ListReader } from "./merge_postings.ts";
import type { StoredTerms } from "./terms_reader.ts";
import { parseTermsMeta } from "./terms_meta.ts";

/** What of the postings the merged field keeps. */
export interface TermsWant {
  readonly postings: boolean;
  readonly freqs: boolean;
  readonly positions: boolean;
}

/** New ordinal of each old one, for each part; DROPPED for terms without a live document. */
export type OrdinalMaps = readonly Uint32Array[];

export function newOrdinalMaps(parts: readonly MergePart[], field: string): OrdinalMaps {
  return parts.map(({ reader }) => new Uint32Array(reader.terms(field)?.termCount ?? 0).fill(DROPPED));
}

/** Reads the terms for nothing but their order. */
export function mergeOrdinalMaps(parts: readonly MergePart[], field: string): OrdinalMaps {
  const maps = newOrdinalMaps(parts, field);
  const cursor = new MergedTerms(parts, field, { postings: false, freqs: false, positions: false }, maps);
  while (cursor.next());
  return maps;
}

/** By byte value: 1 where it may occur in a term of the field, as the parts' alphabets say. */
export function usedBytes(parts: readonly MergePart[], field: string): Uint8Array {
  const used = new Uint8Array(256);
  for (const { reader } of parts) {
    const entry = reader.fields.find(({ name }) => name === field);
    if (entry?.terms === undefined) continue;
    const { alphabet, termCount } = parseTermsMeta(entry.terms);
    if (alphabet === "" && termCount > 0) used.fill(1);
    for (const hex of alphabet.match(/../g) ?? []) used[parseInt(hex, 16)] = 1;
  }
  return used;
}

/** A part's terms, one after another; its lists, where wanted. */
class Source {
  /** The term is [0, length). */
  term: Uint8Array = new Uint8Array(64);
  length = 0;
  /** Its first six bytes as a number, zeros behind a shorter one: most comparisons need no more. */
  head = 0;
  ordinal = -1;
  /** Where the current term lies in its block; the block's numbers are read. */
  at = 0;
  readonly block = new TermBlock();
  /** Live docs of each ordinal, for dictionaries without postings; undefined: as the entries say, or the lists. */
  readonly counts: Uint32Array | undefined;
  readonly lists: ListReader;
  /** Reads docs and frequencies ahead where documents died. */
  readonly counting: ListReader | undefined;
  readonly #dictionary: StoredTerms;
  readonly #segmentDocs: number;

  constructor(
    readonly index: number,
    readonly part: MergePart,
    field: string,
    dictionary: StoredTerms,
    want: TermsWant,
  ) {
    this.#dictionary = dictionary;
    this.#segmentDocs = part.reader.docCount;
    this.lists = new ListReader(dictionary.lists, want);
    if (part.docMap.docs === null) return;
    if (dictionary.hasPostings) {
      this.counting = new ListReader(dictionary.lists, { freqs: want.freqs, positions: false });
    } else this.counts = liveCountsOf(part, field, dictionary);
  }

  next(): boolean {
    const ordinal = ++this.ordinal;
    if (ordinal >= this.#dictionary.termCount) return false;
    const { block } = this;
    const at = this.at = ordinal & (TERMS_PER_BLOCK - 1);
    if (at === 0) {
      this.#dictionary.blocks.openInto(block, ordinal / TERMS_PER_BLOCK);
      block.readNumbers(this.#segmentDocs);
    }
    const length = block.lengths[at]!;
    if (length > this.term.length) this.#grow(length);
    // The first of a block has no prefix: it is its own suffix.
    block.copySuffix(at, this.term);
    this.length = length;
    this.head = headOf(this.term, length);
    return true;
  }

  #grow(length: number): void {
    const grown = new Uint8Array(Math.min(TERM_BYTES_MAX, length * 2));
    grown.set(this.term);
    this.term = grown;
  }
}

const NO_POSITIONS = new Uint32Array(0);

/** Terms of a field that have a live document. */
export class MergedTerms implements TermCursor {
  bytes: Uint8Array = new Uint8Array(64);
  readonly start = 0;
  end = 0;
  docFreq = 0;
  totalTermFreq = 0;
  positions: Uint32Array = NO_POSITIONS;
  /** Whether the last term was passed: the ordinal maps are whole then. */
  done = false;
  readonly #want: TermsWant;
  readonly #maps: OrdinalMaps | undefined;
  /** Sources that have terms, by (term, part). The first `#current` of them stand on the current term. */
  readonly #order: Source[] = [];
  #current = 0;
  #ordinal = -1;
  /** Of the current sources: the one whose list is read. */
  #source = -1;
  #list: ListReader | undefined;
  /** Of the list's block: what is handed out, and how many positions went with it. */
  #blockAt = 0;
  #blockLength = 0;
  #blockPositionsAt = 0;

  /** @param maps Filled in as the terms go by. */
  constructor(parts: readonly MergePart[], field: string, want: TermsWant, maps?: OrdinalMaps) {
    this.#want = want;
    this.#maps = maps;
    if (want.positions) this.positions = new Uint32Array(1024);
    parts.forEach((part, index) => {
      const dictionary = part.reader.terms(field);
      if (!dictionary || dictionary.termCount === 0) return;
      this.#order.unshift(new Source(index, part, field, dictionary, want));
      this.#order[0]!.next();
      sink(this.#order, 0);
    });
  }

  next(): boolean {
    do {
      this.#advance();
      if (this.#order.length === 0) {
        this.done = true;
        return false;
      }
      this.#take();
    } while (this.docFreq === 0);
    if (this.#maps) this.#note(++this.#ordinal);
    this.#source = -1;
    this.#list = undefined;
    this.#blockAt = this.#blockLength = 0;
    return true;
  }

  fillPostings(docs: Uint32Array, freqs: Uint32Array): number {
    let filled = 0;
    let places = 0;
    while (filled < docs.length) {
      if (this.#blockAt === this.#blockLength && !this.#nextBlock()) break;
      const list = this.#list!;
      const { base, docs: map } = this.#order[this.#source]!.part.docMap;
      const from = this.#blockAt;
      const n = Math.min(docs.length - filled, this.#blockLength - from);
      this.#blockAt += n;
      if (map === null) {
        const count = moveDocs(list, from, n, base, docs, freqs, filled);
        filled += n;
        if (!this.#want.positions) continue;
        if (places + count > this.positions.length) this.#growPositions(places + count);
        copyPositions(list.positions, this.#blockPositionsAt, count, this.positions, places);
        this.#blockPositionsAt += count;
        places += count;
      } else {
        for (let i = from; i < from + n; i++) {
          const doc = map[list.docs[i]!]!;
          const freq = list.freqs[i]!;
          if (doc !== DROPPED) {
            docs[filled] = doc;
            freqs[filled++] = freq;
            if (this.#want.positions) {
              if (places + freq > this.positions.length) this.#growPositions(places + freq);
              copyPositions(list.positions, this.#blockPositionsAt, freq, this.positions, places);
              places += freq;
            }
          }
          this.#blockPositionsAt += freq;
        }
      }
    }
    return filled;
  }

  /** Reads the next block of the current sources' lists; false behind the last. */
  #nextBlock(): boolean {
    for (;;) {
      if (this.#list) {
        const n = this.#list.next();
        if (n > 0) {
          this.#blockAt = 0;
          this.#blockLength = n;
          this.#blockPositionsAt = 0;
          return true;
        }
        this.#list = undefined;
      }
      this.#blockAt = this.#blockLength = 0;
      if (this.#source + 1 >= this.#current) return false;
      const { lists, block, at } = this.#order[++this.#source]!;
      lists.open(block, at);
      this.#list = lists;
    }
  }

  /** Moves the current sources to their next terms, and to where these belong. */
  #advance(): void {
    const order = this.#order;
    // From the last on: those behind are in order by then.
    for (let i = this.#current - 1; i >= 0; i--) {
      if (order[i]!.next()) sink(order, i);
      else order.splice(i, 1);
    }
    this.#current = 0;
  }

  /** Makes the first source's term the current one, with all that stand on it. */
  #take(): void {
    const order = this.#order;
    const first = order[0]!;
    const { length } = first;
    if (length > this.bytes.length) this.bytes = new Uint8Array(Math.min(TERM_BYTES_MAX, length * 2));
    copyBytes(first.term, length, this.bytes);
    this.end = length;
    let current = 1;
    while (current < order.length && isEqual(order[current]!, first)) current++;
    this.#current = current;
    this.docFreq = this.totalTermFreq = 0;
    for (let i = 0; i < current; i++) this.#count(order[i]!);
  }

  #count(source: Source): void {
    const { block, at, part } = source;
    const docFreq = block.docFreqs[at]!;
    const map = part.docMap.docs;
    if (map === null) {
      this.docFreq += docFreq;
      this.totalTermFreq += this.#want.freqs ? block.totalTermFreqs[at]! : docFreq;
      return;
    }
    if (source.counts) {
      this.docFreq += source.counts[source.ordinal]!;
      this.totalTermFreq += source.counts[source.ordinal]!;
      return;
    }
    const list = source.counting!;
    list.open(block, at);
    for (let n = list.next(); n > 0; n = list.next()) {
      for (let i = 0; i < n; i++) {
        if (map[list.docs[i]!] === DROPPED) continue;
        this.docFreq++;
        this.totalTermFreq += this.#want.freqs ? list.freqs[i]! : 1;
      }
    }
  }

  #note(ordinal: number): void {
    for (let i = 0; i < this.#current; i++) {
      const source = this.#order[i]!;
      this.#maps![source.index]![source.ordinal] = ordinal;
    }
  }

  #growPositions(size: number): void {
    const grown = new Uint32Array(size * 2);
    grown.set(this.positions);
    this.positions = grown;
  }
}

/** Returns the sum of the frequencies moved. */
function moveDocs(
  list: ListReader,
  from: number,
  n: number,
  base: number,
  docs: Uint32Array,
  freqs: Uint32Array,
  to: number,
): number {
  const { docs: fromDocs, freqs: fromFreqs } = list;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    const freq = fromFreqs[from + i]!;
    docs[to + i] = fromDocs[from + i]! + base;
    freqs[to + i] = freq;
    sum += freq;
  }
  return sum;
}

function copyPositions(from: Uint32Array, at: number, n: number, to: Uint32Array, toAt: number): void {
  for (let i = 0; i < n; i++) to[toAt + i] = from[at + i]!;
}

function copyBytes(from: Uint8Array, n: number, to: Uint8Array): void {
  for (let i = 0; i < n; i++) to[i] = from[i]!;
}

/** Where documents died and there are no postings, the column tells how many live ones hold each ordinal. */
function liveCountsOf(part: MergePart, field: string, dictionary: StoredTerms): Uint32Array {
  const column = part.reader.ordinals(field);
  assert(column, "a dictionary without postings has a column");
  const counts = new Uint32Array(dictionary.termCount);
  const cursor = column.cursor();
  const docs = new Uint32Array(1024);
  for (let from = 0; from < part.reader.docCount; from += 1024) {
    const n = liveDocs(part, from, Math.min(from + 1024, part.reader.docCount), docs);
    const pairs = cursor.gather(docs, n);
    for (let i = 0; i < pairs; i++) counts[cursor.ordinals[i]!]!++;
  }
  return counts;
}

function headOf(term: Uint8Array, length: number): number {
  if (length >= 6) {
    return ((term[0]! << 16) | (term[1]! << 8) | term[2]!) * 0x100_0000 +
      ((term[3]! << 16) | (term[4]! << 8) | term[5]!);
  }
  let head = 0;
  for (let i = 0; i < 6; i++) head = head * 256 + (i < length ? term[i]! : 0);
  return head;
}

/** Whether `a` comes first: by term, then by part. */
function isBefore(a: Source, b: Source): boolean {
  if (a.head !== b.head) return a.head < b.head;
  const x = a.term;
  const y = b.term;
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const order = x[i]! - y[i]!;
    if (order !== 0) return order < 0;
  }
  return a.length === b.length ? a.index < b.index : a.length < b.length;
}

function isEqual(a: Source, b: Source): boolean {
  if (a.length !== b.length || a.head !== b.head) return false;
  const x = a.term;
  const y = b.term;
  // Neighbours share beginnings more often than ends.
  for (let i = a.length - 1; i >= 0; i--) if (x[i] !== y[i]) return false;
  return true;
}

/** Moves order[from], behind which all are in order, to where it belongs. */
function sink(order: Source[], from: number): void {
  const source = order[from]!;
  let low = from + 1;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(order[middle]!, source)) low = middle + 1;
    else high = middle;
  }
  for (let i = from + 1; i < low; i++) order[i - 1] = order[i]!;
  order[low - 1] = source;
}
