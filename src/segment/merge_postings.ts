/**
 * Reads a term's whole list, block after block, for merges: docs, frequencies and positions of up to 128 docs at a
 * time in arrays that are kept from list to list. What a search wants besides (skipping, impacts, single positions) is
 * `postings_reader.ts`'s.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { decodeFullDocs, decodeFullFreqs, decodeTail } from "../format/postings_block.ts";
import {
  GROUP_BLOCKS,
  GROUP_ENTRY_BYTES,
  groupCount,
  GroupSkips,
  INLINE_DOCS_MAX,
} from "../format/postings_list.ts";
import { BLOCK_SIZE } from "../format/postings_packed.ts";
import { decodePositionBlock, decodePositionTail } from "../format/postings_positions.ts";
import type { TermBlock } from "../format/terms_block.ts";
import type { WordRun } from "./positions_reader.ts";
import type { PostingsSource } from "./postings_reader.ts";

const GROUP_DOCS = GROUP_BLOCKS * BLOCK_SIZE;

export class ListReader {
  readonly docs: Uint32Array = new Uint32Array(BLOCK_SIZE);
  /** All 1 where frequencies are not wanted. */
  readonly freqs: Uint32Array = new Uint32Array(BLOCK_SIZE).fill(1);
  /** Of the block's docs, one doc after another, ascending within each: [0, sum of freqs) is used. */
  positions: Uint32Array = new Uint32Array(1024);

  readonly #source: PostingsSource;
  readonly #wantFreqs: boolean;
  readonly #wantPositions: boolean;
  readonly #group = new GroupSkips();
  readonly #deltas = new Uint32Array(BLOCK_SIZE);
  // The list that is open.
  #docFreq = 0;
  #storesFreqs = false;
  #postingsAt = 0;
  #postingsBytes = 0;
  #positionsAt = 0;
  #positionsBytes = 0;
  #first = 0;
  #second = 0;
  #firstFreq = 0;
  #totalTermFreq = 0;
  /** Docs that were read. */
  #done = 0;
  #last = -1;
  /** Where the next group begins, and its positions. */
  #groupAt = 0;
  #groupPositionsAt = 0;

  constructor(source: PostingsSource, want: { readonly freqs: boolean; readonly positions: boolean }) {
    this.#source = source;
    this.#wantPositions = want.positions && source.hasPositions;
    this.#wantFreqs = source.hasFreqs && (want.freqs || this.#wantPositions);
  }

  /** Opens the list of term `i` of a block whose numbers were read. @throws {CorruptionError} */
  open(block: TermBlock, i: number): void {
    const docFreq = block.docFreqs[i]!;
    this.#docFreq = docFreq;
    this.#totalTermFreq = block.totalTermFreqs[i]!;
    this.#storesFreqs = this.#source.hasFreqs && this.#totalTermFreq > docFreq;
    this.#done = 0;
    if (this.#wantPositions) {
      this.#positionsAt = block.positionsAt[i]!;
      this.#positionsBytes = block.positionsBytes[i]!;
    }
    if (docFreq <= INLINE_DOCS_MAX) {
      this.#first = block.inlineDoc(i, 0);
      this.#second = block.inlineDoc(i, 1);
      this.#firstFreq = block.firstFreqs[i]!;
      return;
    }
    this.#last = -1;
    this.#postingsAt = block.postingsAt[i]!;
    this.#postingsBytes = block.postingsBytes[i]!;
    this.#groupAt = 0;
    this.#groupPositionsAt = 0;
  }

  /** Reads the next block into the arrays. @returns Docs in it, 0 behind the last. @throws {CorruptionError} */
  next(): number {
    const left = this.#docFreq - this.#done;
    if (left === 0) return 0;
    if (this.#docFreq <= INLINE_DOCS_MAX) return this.#readInline();
    return this.#docFreq < BLOCK_SIZE ? this.#readShort() : this.#readLong(Math.min(left, BLOCK_SIZE));
  }

  #readInline(): number {
    const n = this.#docFreq;
    const { segmentDocs } = this.#source;
    this.docs[0] = this.#first;
    this.docs[1] = this.#second;
    if (
      this.#first >= segmentDocs || (n === 2 && (this.#second >= segmentDocs || this.#second <= this.#first))
    ) {
      throw this.#corrupt(`docs ${this.#first}, ${this.#second}`);
    }
    if (this.#wantFreqs) {
      this.freqs[0] = n === 1 ? this.#totalTermFreq : this.#firstFreq;
      this.freqs[1] = this.#totalTermFreq - this.#firstFreq;
    }
    this.#done = n;
    if (this.#wantPositions) {
      this.#readPositions(n, this.#positionsAt, this.#positionsAt + this.#positionsBytes);
    }
    return n;
  }

  #readShort(): number {
    const n = this.#docFreq;
    const { run } = this.#run();
    const end = this.#postingsAt + this.#postingsBytes;
    run.touch(this.#postingsAt, this.#postingsBytes);
    const freqs = this.#storesFreqs && this.#wantFreqs ? this.freqs : undefined;
    if (decodeTail(run.bytes, this.#postingsAt, n, -1, this.docs, freqs) > end) {
      throw this.#corrupt("docs pass the end of the list");
    }
    if (!freqs) this.freqs.fill(1, 0, n);
    if (this.docs[n - 1]! >= this.#source.segmentDocs) {
      throw this.#corrupt("docs pass the end of the segment");
    }
    this.#done = n;
    if (this.#wantPositions) {
      this.#readPositions(n, this.#positionsAt, this.#positionsAt + this.#positionsBytes);
    }
    return n;
  }

  #readLong(n: number): number {
    const { words, run } = this.#run();
    const inGroup = this.#done % GROUP_DOCS;
    if (inGroup === 0) this.#readGroup();
    const group = this.#group;
    const b = inGroup / BLOCK_SIZE;
    const freqs = this.#storesFreqs && this.#wantFreqs ? this.freqs : undefined;
    if (n === BLOCK_SIZE) {
      decodeFullDocs(words, group.starts[b]! / 4, this.#last, this.docs);
      if (freqs) decodeFullFreqs(words, group.starts[b]! / 4, freqs);
    } else decodeTail(run.bytes, group.starts[b]!, n, this.#last, this.docs, freqs);
    if (!freqs) this.freqs.fill(1, 0, n);
    this.#last = group.lastDocs[b]!;
    if (this.docs[n - 1] !== this.#last) throw this.#corrupt(`a block ends at doc ${this.docs[n - 1]}`);
    this.#done += n;
    if (this.#wantPositions) {
      this.#readPositions(
        n,
        b === 0 ? group.positionsAt : group.positionEnds[b - 1]!,
        group.positionEnds[b]!,
      );
    }
    return n;
  }

  #readGroup(): void {
    const source = this.#source;
    const { run } = this.#run();
    const groups = groupCount(this.#docFreq);
    const index = this.#done / GROUP_DOCS;
    const start = this.#groupAt;
    const positionsStart = this.#groupPositionsAt;
    let end = this.#postingsBytes;
    if (groups > 1) {
      const entries = this.#postingsBytes - groups * GROUP_ENTRY_BYTES;
      if (entries < 0) throw this.#corrupt("group entries pass the start of the list");
      const at = this.#postingsAt + entries + index * GROUP_ENTRY_BYTES;
      run.touch(at, GROUP_ENTRY_BYTES);
      end = u48(run.bytes, at + 4);
      this.#groupPositionsAt = u48(run.bytes, at + 10);
    }
    if (start >= end || end > this.#postingsBytes) throw this.#corrupt(`group ${index} passes the list`);
    this.#groupAt = end;
    run.touch(this.#postingsAt + start, end - start);
    this.#group.read(
      run.bytes,
      this.#postingsAt + start,
      this.#postingsAt + end,
      Math.min(GROUP_DOCS, this.#docFreq - this.#done),
      {
        freqs: source.hasFreqs,
        positions: source.hasPositions,
        previous: this.#last,
        positionsAt: this.#positionsAt + positionsStart,
        docCount: source.segmentDocs,
      },
    );
  }

  /** Reads the chunk bytes [start, end) of the positions run. */
  #readPositions(n: number, start: number, end: number): void {
    const positions = this.#source.positions;
    if (positions === undefined) throw this.#corrupt("the positions run is missing");
    const { run, words } = positions;
    const { freqs } = this;
    let total = 0;
    for (let i = 0; i < n; i++) total += freqs[i]!;
    const rest = total % BLOCK_SIZE;
    const whole = (total - rest) / BLOCK_SIZE;
    // Each whole block takes a word at least: a corrupt frequency must not make room for billions of positions.
    if (whole * 4 > end - start) throw this.#corrupt(`${total} positions in ${end - start} bytes`);
    if (total > this.positions.length) this.positions = new Uint32Array(total * 2);
    run.touch(start, end - start);
    let at = 0;
    let word = Math.ceil(start / 4);
    for (let b = 0; b < whole; b++) {
      word = decodePositionBlock(words, word, this.#deltas);
      copyInts(this.#deltas, BLOCK_SIZE, this.positions, at);
      at += BLOCK_SIZE;
    }
    if (whole > 0 && word * 4 > end) throw this.#corrupt("a block of positions passes its chunk");
    if (rest > 0) {
      decodePositionTail(run.bytes, whole === 0 ? start : word * 4, rest, this.#deltas);
      copyInts(this.#deltas, rest, this.positions, at);
    }
    addUp(freqs, n, this.positions);
  }

  #run(): WordRun {
    const { postings } = this.#source;
    if (postings === undefined) throw this.#corrupt("the postings run is missing");
    return postings;
  }

  #corrupt(what: string): CorruptionError {
    return new CorruptionError(`Cannot decode postings of [${this.#source.field}]: ${what}`);
  }
}

function copyInts(from: Uint32Array, n: number, to: Uint32Array, at: number): void {
  for (let i = 0; i < n; i++) to[at + i] = from[i]!;
}

/** Deltas within each doc become positions, in place. */
function addUp(freqs: Uint32Array, n: number, positions: Uint32Array): void {
  let at = 0;
  for (let i = 0; i < n; i++) {
    let position = 0;
    for (let left = freqs[i]!; left > 0; left--) {
      position += positions[at]!;
      positions[at++] = position;
    }
  }
}

function u48(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = 5; i >= 0; i--) value = value * 256 + bytes[at + i]!;
  return value;
}
