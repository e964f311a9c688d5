/**
 * Dictionaries and postings of several segments as one: a k-way merge of terms, each with the postings of its live
 * documents, part after part.
 *
 * @module
 */
import { compareBytes } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { INLINE_DOCS_MAX } from "../format/postings_list.ts";
import type { NormCursor, TermCursor } from "./input.ts";
import { DROPPED, liveDocs, type MergePart } from "./merge_parts.ts";
import { StoredTermEntry } from "./postings_reader.ts";
import type { PostingsCursor, TermDictionary, TermEntry, TermIterator } from "./reader.ts";

/** What of the postings the merged field keeps. */
export interface TermsWant {
  readonly postings: boolean;
  readonly freqs: boolean;
  readonly positions: boolean;
}

/** A part's terms, at its current one. */
interface Source {
  readonly index: number;
  readonly part: MergePart;
  readonly dictionary: TermDictionary;
  readonly iterator: TermIterator;
  /** Where the iterator stands; looked at often, so asked for once. */
  term: Uint8Array;
  /** Live docs of each ordinal, where documents died; undefined: as the entry says. */
  readonly liveCounts: LiveCounts | undefined;
}

/** Live docs and occurrences of one term. */
type LiveCounts = (entry: TermEntry) => { readonly docs: number; readonly occurrences: number };

/** New ordinal of each old one, for each part; DROPPED for terms without a live document. */
export function mergeOrdinalMaps(parts: readonly MergePart[], field: string): Uint32Array[] {
  const maps = parts.map(({ reader }) => new Uint32Array(reader.terms(field)?.termCount ?? 0).fill(DROPPED));
  const cursor = new MergedTerms(parts, field, { postings: false, freqs: false, positions: false });
  for (let ordinal = 0; cursor.next(); ordinal++) {
    for (const { index, iterator } of cursor.current) maps[index]![iterator.entry.ordinal] = ordinal;
  }
  return maps;
}

const NO_DOCS = new Uint32Array(0);

/** Terms of a field that have a live document. */
export class MergedTerms implements TermCursor {
  bytes: Uint8Array = new Uint8Array(64);
  readonly start = 0;
  end = 0;
  docFreq = 0;
  totalTermFreq = 0;
  positions: Uint32Array = new Uint32Array(1024);
  /** Sources that stand on the current term, in part order. */
  current: Source[] = [];
  readonly #want: TermsWant;
  /** Binary heap by (term, part). */
  readonly #heap: Source[] = [];
  /** Of `current`: the one whose postings are read, and its cursor. */
  #source = 0;
  #cursor: PostingsCursor | undefined;
  /** The block that postings come from: the cursor's, or `#inline`. */
  #blockDocs: Uint32Array = NO_DOCS;
  #blockAt = 0;
  #blockLength = 0;
  /** Docs that lie in the dictionary itself: most terms of a field of ids have one. */
  readonly #inline = new Uint32Array(INLINE_DOCS_MAX);

  constructor(parts: readonly MergePart[], field: string, want: TermsWant) {
    this.#want = want;
    parts.forEach((part, index) => {
      const dictionary = part.reader.terms(field);
      if (!dictionary) return;
      const iterator = dictionary.iterate();
      if (!iterator.next()) return;
      const liveCounts = part.live === null ? undefined : liveCountsOf(part, field, dictionary);
      push(this.#heap, { index, part, dictionary, iterator, term: iterator.term, liveCounts });
    });
  }

  next(): boolean {
    do {
      for (const source of this.current) {
        if (!source.iterator.next()) continue;
        source.term = source.iterator.term;
        push(this.#heap, source);
      }
      this.current = [];
      const first = pop(this.#heap);
      if (!first) return false;
      this.#setTerm(first.term);
      this.#take(first);
      while (this.#heap.length > 0 && this.#isTerm(this.#heap[0]!.term)) {
        this.#take(pop(this.#heap)!);
      }
    } while (this.docFreq === 0);
    this.#source = -1;
    this.#cursor = undefined;
    this.#blockAt = this.#blockLength = 0;
    return true;
  }

  fillPostings(docs: Uint32Array, freqs: Uint32Array): number {
    return this.#want.positions ? this.#fillWithPositions(docs, freqs) : this.#fillBlocks(docs, freqs);
  }

  #fillBlocks(docs: Uint32Array, freqs: Uint32Array): number {
    let filled = 0;
    while (filled < docs.length) {
      if (this.#blockAt === this.#blockLength) {
        if (!this.#cursor) {
          if (!this.#openNext()) break;
          continue;
        }
        this.#blockLength = this.#cursor.nextBlock();
        this.#blockAt = 0;
        this.#blockDocs = this.#cursor.blockDocs;
        if (this.#blockLength === 0) this.#cursor = undefined;
        continue;
      }
      const { docMap } = this.current[this.#source]!.part;
      const blockDocs = this.#blockDocs;
      const blockFreqs = this.#want.freqs ? this.#cursor!.blockFreqs : undefined;
      while (this.#blockAt < this.#blockLength && filled < docs.length) {
        const doc = docMap[blockDocs[this.#blockAt]!]!;
        if (doc !== DROPPED) {
          docs[filled] = doc;
          freqs[filled++] = blockFreqs ? blockFreqs[this.#blockAt]! : 1;
        }
        this.#blockAt++;
      }
    }
    return filled;
  }

  #fillWithPositions(docs: Uint32Array, freqs: Uint32Array): number {
    let filled = 0;
    let places = 0;
    while (filled < docs.length) {
      if (!this.#cursor && !this.#openNext()) break;
      const { docMap } = this.current[this.#source]!.part;
      const cursor = this.#cursor!;
      const old = cursor.next();
      if (old >= docMap.length) {
        this.#cursor = undefined;
        continue;
      }
      const doc = docMap[old]!;
      if (doc === DROPPED) continue;
      const { freq } = cursor;
      docs[filled] = doc;
      freqs[filled++] = freq;
      if (places + freq > this.positions.length) this.#growPositions(places + freq);
      const from = cursor.positions();
      for (let i = 0; i < freq; i++) this.positions[places + i] = from[i]!;
      places += freq;
    }
    return filled;
  }

  #openNext(): boolean {
    if (++this.#source >= this.current.length) {
      this.#source = this.current.length;
      return false;
    }
    const { dictionary, iterator } = this.current[this.#source]!;
    const { entry } = iterator;
    if (!this.#want.freqs && entry instanceof StoredTermEntry && entry.docFreq <= INLINE_DOCS_MAX) {
      this.#inline[0] = entry.firstDoc;
      this.#inline[1] = entry.secondDoc;
      this.#blockDocs = this.#inline;
      this.#blockAt = 0;
      this.#blockLength = entry.docFreq;
      return true;
    }
    this.#cursor = dictionary.postings(iterator.entry, this.#want);
    this.#blockAt = this.#blockLength = 0;
    return true;
  }

  #take(source: Source): void {
    const { entry } = source.iterator;
    if (this.current.length === 0) this.docFreq = this.totalTermFreq = 0;
    this.current.push(source);
    if (!source.liveCounts) {
      this.docFreq += entry.docFreq;
      this.totalTermFreq += this.#want.freqs ? entry.totalTermFreq : entry.docFreq;
      return;
    }
    const { docs, occurrences } = source.liveCounts(entry);
    this.docFreq += docs;
    this.totalTermFreq += this.#want.freqs ? occurrences : docs;
  }

  #setTerm(term: Uint8Array): void {
    if (term.length > this.bytes.length) this.bytes = new Uint8Array(term.length * 2);
    this.bytes.set(term);
    this.end = term.length;
  }

  #isTerm(term: Uint8Array): boolean {
    if (term.length !== this.end) return false;
    for (let i = 0; i < term.length; i++) if (term[i] !== this.bytes[i]) return false;
    return true;
  }

  #growPositions(size: number): void {
    const grown = new Uint32Array(size * 2);
    grown.set(this.positions);
    this.positions = grown;
  }
}

/** Where documents died: a column tells how many live ones hold each ordinal, else the postings do. */
function liveCountsOf(part: MergePart, field: string, dictionary: TermDictionary): LiveCounts {
  const ordinals = part.reader.ordinals(field);
  if (ordinals) {
    const counts = new Uint32Array(dictionary.termCount);
    const cursor = ordinals.cursor();
    const docs = new Uint32Array(1024);
    for (let from = 0; from < part.reader.docCount; from += 1024) {
      const n = liveDocs(part, from, Math.min(from + 1024, part.reader.docCount), docs);
      const pairs = cursor.gather(docs, n);
      for (let i = 0; i < pairs; i++) counts[cursor.ordinals[i]!]!++;
    }
    return ({ ordinal }) => ({ docs: counts[ordinal]!, occurrences: counts[ordinal]! });
  }
  assert(dictionary.hasPostings, "a dictionary without postings has a column");
  return (entry) => {
    const cursor = dictionary.postings(entry, { freqs: dictionary.hasFreqs, positions: false });
    let docs = 0;
    let occurrences = 0;
    for (let n = cursor.nextBlock(); n > 0; n = cursor.nextBlock()) {
      for (let i = 0; i < n; i++) {
        if (part.docMap[cursor.blockDocs[i]!] === DROPPED) continue;
        docs++;
        occurrences += dictionary.hasFreqs ? cursor.blockFreqs[i]! : 1;
      }
    }
    return { docs, occurrences };
  };
}

function before(a: Source, b: Source): boolean {
  const order = compareBytes(a.term, b.term);
  return order < 0 || (order === 0 && a.index < b.index);
}

function push(heap: Source[], source: Source): void {
  let at = heap.length;
  heap.push(source);
  while (at > 0) {
    const parent = (at - 1) >>> 1;
    if (!before(source, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = source;
}

function pop(heap: Source[]): Source | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return top;
}

/** Live docs that have a text field, with their norms; 0 for parts that keep none. */
export function mergedNorms(parts: readonly MergePart[], field: string): NormCursor {
  let index = -1;
  let doc = 0;
  let present = new Uint32Array(0);
  let norms: Uint8Array | undefined;
  return {
    fill(docs, into) {
      let filled = 0;
      while (filled < docs.length) {
        const part = parts[index];
        if (!part || doc >= part.reader.docCount) {
          if (index + 1 >= parts.length) break;
          const { reader } = parts[++index]!;
          doc = 0;
          present = new Uint32Array(Math.ceil(reader.docCount / 32));
          reader.exists(field, present);
          norms = reader.norms(field);
          continue;
        }
        const isPresent = (present[doc >>> 5]! & (1 << (doc & 31))) !== 0;
        if (isPresent && part.docMap[doc] !== DROPPED) {
          docs[filled] = part.docMap[doc]!;
          into[filled++] = norms ? norms[doc]! : 0;
        }
        doc++;
      }
      return filled;
    },
  };
}
