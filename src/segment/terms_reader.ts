/**
 * Which terms does a field have, and where does each one's list lie? Look-ups in the blocks that
 * `format/terms_block.ts` describes, found by the FST.
 *
 * The last block opened is kept, so neighbours cost no second look.
 *
 * @module
 */
import { EMPTY_BYTES } from "../base/bytes.ts";
import { CorruptionError } from "../base/errors.ts";
import { fstFloor } from "../format/fst.ts";
import {
  BLOCK_SLACK_BYTES,
  TERM_BYTES_MAX,
  TermBlock,
  type TermBlockLayout,
  TERMS_PER_BLOCK,
} from "../format/terms_block.ts";
import { openNorms } from "./norms.ts";
import { wordRun } from "./positions_reader.ts";
import { type PostingsSource, StoredPostings, StoredTermEntry } from "./postings_reader.ts";
import type { PostingsCursor, TermDictionary, TermEntry, TermIterator } from "./reader.ts";
import type { Run, RunView } from "./runs.ts";
import { blocksOf, layoutOf, type TermsMeta } from "./terms_meta.ts";

/**
 * Bits of a block are counted from the start of a window of the run, so that they stay below 2^31. A block has at
 * most 32 terms of 32766 bytes: it fits behind any multiple of half a window.
 */
const WINDOW_BYTES = 1 << 27;

/**
 * Opens a field's dictionary over its runs; reads nothing yet.
 *
 * @throws {CorruptionError} A run is missing.
 */
export function openTerms(field: string, meta: TermsMeta, view: RunView): StoredTerms {
  return new StoredTerms(field, meta, view);
}

/** A dictionary over its runs. Besides look-ups it shows merges what they walk: `blocks`, `lists`. */
export class StoredTerms implements TermDictionary {
  readonly termCount: number;
  readonly docCount: number;
  readonly sumDocFreq: number;
  readonly sumTotalTermFreq: number;
  readonly hasPostings: boolean;
  readonly hasFreqs: boolean;
  readonly hasPositions: boolean;

  readonly #field: string;
  readonly #meta: TermsMeta;
  readonly blocks: TermBlocks;
  readonly lists: PostingsSource;
  #term: Uint8Array = new Uint8Array(64);

  constructor(field: string, meta: TermsMeta, view: RunView) {
    this.#field = field;
    this.#meta = meta;
    this.termCount = meta.termCount;
    this.docCount = meta.docCount;
    this.sumDocFreq = meta.sumDocFreq;
    this.sumTotalTermFreq = meta.sumTotalTermFreq;
    this.hasPostings = meta.postings;
    this.hasFreqs = meta.freqs;
    this.hasPositions = meta.positions;
    this.blocks = new TermBlocks(field, meta, view);
    const postings = view.run(`${field}:postings`);
    const positions = view.run(`${field}:positions`);
    let norms: Uint8Array | undefined;
    this.lists = {
      field,
      segmentDocs: meta.segmentDocs,
      hasFreqs: meta.freqs,
      hasPositions: meta.positions,
      postings: postings && wordRun(postings),
      positions: positions && wordRun(positions),
      norms: () => norms ??= meta.norms ? openNorms(field, meta.norms, meta.segmentDocs, view) : undefined,
    };
  }

  find(term: Uint8Array): TermEntry | undefined {
    if (this.termCount === 0) return undefined;
    const index = this.blocks.floor(term);
    const block = this.blocks.open(index);
    const i = block.search(term);
    return block.exact ? this.blocks.entry(block, i) : undefined;
  }

  term(ordinal: number): Uint8Array {
    const block = this.blocks.open(this.#blockOf(ordinal));
    const i = ordinal % TERMS_PER_BLOCK;
    const length = block.lengths[i]!;
    if (length > this.#term.length) this.#term = new Uint8Array(Math.min(TERM_BYTES_MAX, length * 2));
    block.copyTerm(i, this.#term);
    return this.#term.subarray(0, length);
  }

  lowerBound(term: Uint8Array): number {
    if (this.termCount === 0) return 0;
    const index = this.blocks.floor(term);
    return index * TERMS_PER_BLOCK + this.blocks.open(index).search(term);
  }

  iterate(from?: Uint8Array): TermIterator {
    const start = from === undefined ? 0 : this.lowerBound(from);
    return new StoredTermIterator(this.blocks, start, this.termCount);
  }

  postings(
    entry: TermEntry,
    want: { readonly freqs: boolean; readonly positions: boolean },
  ): PostingsCursor {
    if (!this.hasPostings) throw new Error(`Assertion failed: field [${this.#field}] has no postings`);
    const stored = entry instanceof StoredTermEntry ? entry : this.#entryOf(entry.ordinal);
    return new StoredPostings(this.lists, stored, want);
  }

  #entryOf(ordinal: number): StoredTermEntry {
    const block = this.blocks.open(this.#blockOf(ordinal));
    return this.blocks.entry(block, ordinal % TERMS_PER_BLOCK);
  }

  #blockOf(ordinal: number): number {
    if (!(ordinal >= 0 && ordinal < this.termCount)) {
      // Ordinals come from a column: one beyond the dictionary means that the two disagree.
      throw new CorruptionError(
        `Cannot read term ${ordinal} of [${this.#field}]: there are ${this.#meta.termCount}`,
      );
    }
    return Math.floor(ordinal / TERMS_PER_BLOCK);
  }
}

/** The blocks of one dictionary. */
export class TermBlocks {
  readonly layout: TermBlockLayout;
  readonly #field: string;
  readonly #meta: TermsMeta;
  readonly #count: number;
  readonly #dict: Run | undefined;
  readonly #fst: Run | undefined;
  #cached: TermBlock | undefined;
  #fstBytes: Uint8Array | undefined;
  #window: Uint8Array = EMPTY_BYTES;
  #windowStart = -1;

  constructor(field: string, meta: TermsMeta, view: RunView) {
    this.#field = field;
    this.#meta = meta;
    this.#count = blocksOf(meta);
    this.layout = layoutOf(meta);
    this.#dict = view.run(`${field}:dict`);
    this.#fst = view.run(`${field}:fst`);
    const need = meta.blocksBytes + (this.#count + 1) * meta.offsetBytes + BLOCK_SLACK_BYTES;
    if (this.#count > 0 && (this.#dict === undefined || this.#dict.length < need)) {
      throw new CorruptionError(
        `Cannot open dictionary of [${field}]: ${this.#dict?.length ?? 0} of ${need} bytes`,
      );
    }
    if (this.#count > 1 && this.#fst === undefined) {
      throw new CorruptionError(`Cannot open dictionary of [${field}]: its FST is missing`);
    }
  }

  /** Block that holds `term` if any does; 0 when it is below all. */
  floor(term: Uint8Array): number {
    if (this.#count === 1) return 0;
    const fst = this.#fst!;
    const bytes = this.#fstBytes ??= fst.view(0, fst.length);
    return Math.max(0, fstFloor(bytes, this.#meta.fstRoot, this.#count, term));
  }

  /** The block, valid until the next call. */
  open(index: number): TermBlock {
    const block = this.#cached ??= new TermBlock();
    if (block.index !== index) this.openInto(block, index);
    return block;
  }

  openInto(block: TermBlock, index: number): void {
    const dict = this.#dict!;
    const { blocksBytes, offsetBytes, termCount } = this.#meta;
    const entry = blocksBytes + index * offsetBytes;
    dict.touch(entry, 2 * offsetBytes);
    const start = readOffset(dict.bytes, entry, offsetBytes);
    const end = readOffset(dict.bytes, entry + offsetBytes, offsetBytes);
    if (start >= end || end > blocksBytes) {
      throw new CorruptionError(
        `Cannot open dictionary of [${this.#field}]: block ${index} is [${start}, ${end})`,
      );
    }
    dict.touch(start, end - start + BLOCK_SLACK_BYTES);
    const windowStart = start - start % (WINDOW_BYTES / 2);
    if (windowStart !== this.#windowStart) {
      this.#window = dict.bytes.subarray(windowStart, windowStart + WINDOW_BYTES);
      this.#windowStart = windowStart;
    }
    const count = Math.min(TERMS_PER_BLOCK, termCount - index * TERMS_PER_BLOCK);
    block.open(this.#window, start - windowStart, end - windowStart, count, this.layout);
    block.index = index;
  }

  entry(block: TermBlock, i: number): StoredTermEntry {
    const { segmentDocs } = this.#meta;
    block.readNumbers(segmentDocs);
    const docFreq = block.docFreqs[i]!;
    const first = block.inlineDoc(i, 0);
    const second = block.inlineDoc(i, 1);
    if (
      first >= segmentDocs || second >= segmentDocs ||
      (docFreq === 2 && second <= first && this.layout.postings)
    ) {
      throw new CorruptionError(`Cannot decode dictionary of [${this.#field}]: docs ${first}, ${second}`);
    }
    return new StoredTermEntry(
      block.index * TERMS_PER_BLOCK + i,
      docFreq,
      block.totalTermFreqs[i]!,
      block.postingsAt[i]!,
      block.postingsBytes[i]!,
      block.positionsAt[i]!,
      block.positionsBytes[i]!,
      first,
      second,
      block.firstFreqs[i]!,
    );
  }
}

function readOffset(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!;
  return value;
}

class StoredTermIterator implements TermIterator {
  readonly #blocks: TermBlocks;
  readonly #count: number;
  /** Own block: look-ups between two steps leave it alone. */
  readonly #block = new TermBlock();
  #ordinal: number;
  #bytes = new Uint8Array(64);
  #length = 0;
  #entry: StoredTermEntry | undefined;

  constructor(blocks: TermBlocks, start: number, count: number) {
    this.#blocks = blocks;
    this.#count = count;
    this.#ordinal = start - 1;
  }

  next(): boolean {
    if (this.#ordinal + 1 >= this.#count) {
      this.#ordinal = this.#count;
      return false;
    }
    const ordinal = ++this.#ordinal;
    this.#entry = undefined;
    const block = this.#block;
    const i = ordinal % TERMS_PER_BLOCK;
    const index = (ordinal - i) / TERMS_PER_BLOCK;
    const isEntered = block.index !== index;
    if (isEntered) this.#blocks.openInto(block, index);
    const length = block.lengths[i]!;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(TERM_BYTES_MAX, length * 2));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    // Behind its neighbour a term needs no more than its own suffix.
    if (isEntered) block.copyTerm(i, this.#bytes);
    else block.copySuffix(i, this.#bytes);
    this.#length = length;
    return true;
  }

  get term(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  get entry(): TermEntry {
    return this.#entry ??= this.#blocks.entry(this.#block, this.#ordinal % TERMS_PER_BLOCK);
  }
}
