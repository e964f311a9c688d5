/**
 * One term's postings: blocks of 128 docs in groups of 32, with what it takes to skip them.
 * Spec: `docs/FORMAT.md`, "Postings list".
 *
 * Which form a list has follows from the term's docFreq, which the dictionary holds:
 *
 * - up to INLINE_DOCS_MAX: docs and frequencies lie in the dictionary; no bytes here
 * - below 128: one tail (`postings_block.ts`), not aligned
 * - from 128 on: groups, the first 4-byte aligned in the run; when there are several, followed by the impacts of
 *   the whole list (text only) and by one entry of GROUP_ENTRY_BYTES a group:
 *
 *      0  u32    lastDoc
 *      4  u48    end of the group, from the start of the list
 *     10  u48    end of its positions, from the start of the term's positions
 *
 * A group is a header and its blocks. The header has, per block: varint (lastDoc - last doc before - docs in the
 * block), varint words (not for a tail), varint bytes of positions (fields with positions), varint length of the
 * impacts and the impacts (`postings_impacts.ts`; text). Zeros up to a multiple of 4, then the blocks.
 *
 * Frequencies are left out where totalTermFreq equals docFreq. Blocks of positions (`postings_positions.ts`) lie
 * in a run of their own, one chunk a block of docs, in the same order.
 *
 * @module
 */
import { ByteWriter } from "../base/bytes.ts";
import { assert, CorruptionError } from "../base/errors.ts";
import { afterVarint, readVarint } from "./postings_bits.ts";
import { encodeFullBlock, encodeTail } from "./postings_block.ts";
import { encodeImpacts, ImpactCollector, IMPACTS_MAX } from "./postings_impacts.ts";
import { BLOCK_SIZE } from "./postings_packed.ts";
import { encodePositionBlock, encodePositionTail } from "./postings_positions.ts";

/** A term in no more docs than this keeps them in the dictionary. */
export const INLINE_DOCS_MAX = 2;
export const GROUP_BLOCKS = 32;
export const GROUP_ENTRY_BYTES = 16;

/** Blocks of a list of `docFreq` docs. */
export function blockCount(docFreq: number): number {
  return Math.ceil(docFreq / BLOCK_SIZE);
}

/** Groups of a list of `docFreq` docs. */
export function groupCount(docFreq: number): number {
  return Math.ceil(docFreq / (BLOCK_SIZE * GROUP_BLOCKS));
}

export interface PostingsEncoderOptions {
  /** Whether postings carry frequencies and impacts (text). */
  readonly freqs: boolean;
  readonly positions: boolean;
  /** Norm byte by doc, for the impacts; null: 1 throughout. */
  readonly norms: Uint8Array | null;
}

/**
 * Encodes the postings of one term after another.
 *
 * `postings` and `positions` hold what is not drained yet; whoever drains them tells by `drained...`, since lists
 * are aligned by their place in the run.
 */
export class PostingsEncoder {
  readonly postings: ByteWriter = new ByteWriter(1 << 16);
  readonly positions: ByteWriter = new ByteWriter(1 << 16);
  /** Bytes taken out of the writers, so that offsets go on. */
  drainedPostings = 0;
  drainedPositions = 0;
  /** Docs and frequencies of the last list, where these stay in the dictionary: [0, docFreq). */
  readonly inlineDocs: Uint32Array = new Uint32Array(INLINE_DOCS_MAX);
  readonly inlineFreqs: Uint32Array = new Uint32Array(INLINE_DOCS_MAX);
  /** Bytes of the last list in either run, without the padding before it. */
  postingsBytes = 0;
  positionsBytes = 0;

  readonly #withFreqs: boolean;
  readonly #withPositions: boolean;
  readonly #norms: Uint8Array | null;
  readonly #deltas = new Uint32Array(BLOCK_SIZE);
  readonly #blocks = new ByteWriter(1 << 14);
  readonly #impacts = new ByteWriter(1 << 12);
  readonly #blockImpacts = new ImpactCollector();
  readonly #listImpacts = new ImpactCollector();
  readonly #impactFreqs = new Uint32Array(IMPACTS_MAX);
  readonly #impactNorms = new Uint8Array(IMPACTS_MAX);
  // Per block of the group that fills up.
  readonly #lastDocs = new Uint32Array(GROUP_BLOCKS);
  readonly #words = new Uint32Array(GROUP_BLOCKS);
  readonly #chunkBytes = new Float64Array(GROUP_BLOCKS);
  readonly #impactEnds = new Uint32Array(GROUP_BLOCKS);
  readonly #groupEntries = new ByteWriter(1 << 10);

  #docFreq = 0;
  #storesFreqs = false;
  #remaining = 0;
  #previous = -1;
  #groupPrevious = -1;
  #groupLength = 0;
  #tailDocs = 0;
  #listStart = 0;
  #positionsStart = 0;

  constructor(options: PostingsEncoderOptions) {
    this.#withFreqs = options.freqs;
    this.#withPositions = options.positions;
    this.#norms = options.norms;
  }

  /** Place in the postings run behind the last list. */
  get postingsEnd(): number {
    return this.drainedPostings + this.postings.length;
  }

  get positionsEnd(): number {
    return this.drainedPositions + this.positions.length;
  }

  /** Starts a list; its blocks follow, each full but the last. */
  begin(docFreq: number, totalTermFreq: number): void {
    assert(docFreq > 0 && totalTermFreq >= docFreq, "a term has postings");
    if (docFreq >= BLOCK_SIZE) padTo4(this.postings, this.drainedPostings);
    this.#docFreq = docFreq;
    this.#storesFreqs = this.#withFreqs && totalTermFreq > docFreq;
    this.#remaining = docFreq;
    this.#previous = -1;
    this.#groupPrevious = -1;
    this.#listStart = this.postingsEnd;
    this.#positionsStart = this.positionsEnd;
  }

  /**
   * Encodes the next n docs: 128, or all that remain. `positions` has theirs, one doc after another.
   */
  block(docs: Uint32Array, freqs: Uint32Array, n: number, positions: Uint32Array): void {
    assert(n === Math.min(BLOCK_SIZE, this.#remaining), "blocks are full but for the last");
    this.#remaining -= n;
    const chunkStart = this.positionsEnd;
    if (this.#withPositions) this.#encodeChunk(freqs, n, positions);
    if (this.#docFreq <= INLINE_DOCS_MAX) {
      for (let i = 0; i < n; i++) {
        this.inlineDocs[i] = docs[i]!;
        this.inlineFreqs[i] = freqs[i]!;
      }
    } else if (this.#docFreq < BLOCK_SIZE) {
      encodeTail(docs, freqs, n, -1, this.#storesFreqs, this.postings);
    } else {
      this.#longBlock(docs, freqs, n, this.positionsEnd - chunkStart);
    }
  }

  /** Ends the list; see `postingsBytes`, `positionsBytes`, `inlineDocs`. */
  finish(): void {
    assert(this.#remaining === 0, "as many postings as docFreq says");
    if (this.#docFreq >= BLOCK_SIZE) {
      if (this.#groupLength > 0) this.#endGroup();
      if (groupCount(this.#docFreq) > 1) {
        if (this.#withFreqs) {
          const count = this.#listImpacts.take(this.#impactFreqs, this.#impactNorms);
          encodeImpacts(this.#impactFreqs, this.#impactNorms, count, this.postings);
        }
        this.postings.append(this.#groupEntries.bytes());
      } else if (this.#withFreqs) {
        this.#listImpacts.take(this.#impactFreqs, this.#impactNorms);
      }
      this.#groupEntries.clear();
    }
    this.postingsBytes = this.postingsEnd - this.#listStart;
    this.positionsBytes = this.positionsEnd - this.#positionsStart;
  }

  #encodeChunk(freqs: Uint32Array, n: number, positions: Uint32Array): void {
    const deltas = this.#deltas;
    let read = 0;
    let held = 0;
    let aligned = false;
    for (let i = 0; i < n; i++) {
      let before = 0;
      for (let left = freqs[i]!; left > 0; left--) {
        const position = positions[read++]!;
        deltas[held++] = position - before;
        before = position;
        if (held === BLOCK_SIZE) {
          if (!aligned) padTo4(this.positions, this.drainedPositions);
          aligned = true;
          encodePositionBlock(deltas, this.positions);
          held = 0;
        }
      }
    }
    encodePositionTail(deltas, held, this.positions);
  }

  #longBlock(docs: Uint32Array, freqs: Uint32Array, n: number, chunkBytes: number): void {
    const g = this.#groupLength++;
    if (n === BLOCK_SIZE) {
      this.#words[g] = encodeFullBlock(docs, freqs, this.#previous, this.#storesFreqs, this.#blocks);
      this.#tailDocs = 0;
    } else {
      encodeTail(docs, freqs, n, this.#previous, this.#storesFreqs, this.#blocks);
      this.#tailDocs = n;
    }
    this.#previous = docs[n - 1]!;
    this.#lastDocs[g] = this.#previous;
    this.#chunkBytes[g] = chunkBytes;
    if (this.#withFreqs) {
      this.#blockImpacts.addAll(docs, freqs, n, this.#norms);
      const count = this.#blockImpacts.take(this.#impactFreqs, this.#impactNorms);
      encodeImpacts(this.#impactFreqs, this.#impactNorms, count, this.#impacts);
      for (let i = 0; i < count; i++) this.#listImpacts.add(this.#impactFreqs[i]!, this.#impactNorms[i]!);
    }
    this.#impactEnds[g] = this.#impacts.length;
    if (this.#groupLength === GROUP_BLOCKS) this.#endGroup();
  }

  #endGroup(): void {
    const out = this.postings;
    let before = this.#groupPrevious;
    let impactsAt = 0;
    for (let g = 0; g < this.#groupLength; g++) {
      const isTail = this.#tailDocs > 0 && g === this.#groupLength - 1;
      const last = this.#lastDocs[g]!;
      out.varint(last - before - (isTail ? this.#tailDocs : BLOCK_SIZE));
      if (!isTail) out.varint(this.#words[g]!);
      if (this.#withPositions) out.varint(this.#chunkBytes[g]!);
      if (this.#withFreqs) {
        out.lengthPrefixed(this.#impacts.bytes().subarray(impactsAt, this.#impactEnds[g]!));
      }
      impactsAt = this.#impactEnds[g]!;
      before = last;
    }
    padTo4(out, this.drainedPostings);
    out.append(this.#blocks.bytes());
    // Blocks are whole words; only the last tail may leave the alignment, and no group follows it.
    this.#blocks.clear();
    this.#impacts.clear();
    const entries = this.#groupEntries;
    entries.u32(before);
    u48(entries, this.postingsEnd - this.#listStart);
    u48(entries, this.positionsEnd - this.#positionsStart);
    this.#groupPrevious = before;
    this.#groupLength = 0;
  }
}

function u48(out: ByteWriter, value: number): void {
  out.u32(value >>> 0);
  out.u16(Math.floor(value / 0x1_0000_0000));
}

/** Zeros up to the next place in the run that is a multiple of 4. */
function padTo4(out: ByteWriter, drained: number): void {
  while (((drained + out.length) & 3) !== 0) out.u8(0);
}

/** What the header of a group says of its blocks; reused from group to group. */
export class GroupSkips {
  /** Which group of its list this is; -1: none yet. */
  index = -1;
  /** Blocks in the group. */
  length = 0;
  /** Last doc before the group. */
  previous = -1;
  /** Place of the positions of the group's first block. */
  positionsAt = 0;
  readonly lastDocs: Uint32Array = new Uint32Array(GROUP_BLOCKS);
  /** Place of each block in the postings run, in bytes. */
  readonly starts: Float64Array = new Float64Array(GROUP_BLOCKS);
  /** Place behind each block's positions in their run. */
  readonly positionEnds: Float64Array = new Float64Array(GROUP_BLOCKS);
  /** Place of each block's impacts in the postings run. */
  readonly impacts: Float64Array = new Float64Array(GROUP_BLOCKS);

  /**
   * Reads the header at bytes[at].
   *
   * @param docs Docs in the group.
   * @throws {CorruptionError} The header or its blocks pass `end`, or docs exceed `docCount`.
   */
  read(
    bytes: Uint8Array,
    at: number,
    end: number,
    docs: number,
    options: {
      readonly freqs: boolean;
      readonly positions: boolean;
      readonly previous: number;
      readonly positionsAt: number;
      readonly docCount: number;
    },
  ): void {
    const { freqs, positions } = options;
    this.index = -1;
    this.length = blockCount(docs);
    this.previous = options.previous;
    this.positionsAt = options.positionsAt;
    let last = options.previous;
    let positionsAt = options.positionsAt;
    let words = 0;
    for (let g = 0; g < this.length; g++) {
      const blockDocs = Math.min(BLOCK_SIZE, docs - g * BLOCK_SIZE);
      last += readVarint(bytes, at) + blockDocs;
      at = afterVarint();
      this.lastDocs[g] = last;
      this.starts[g] = words * 4;
      if (blockDocs === BLOCK_SIZE) {
        words += readVarint(bytes, at);
        at = afterVarint();
      }
      if (positions) {
        positionsAt += readVarint(bytes, at);
        at = afterVarint();
      }
      this.positionEnds[g] = positionsAt;
      if (freqs) {
        const size = readVarint(bytes, at);
        this.impacts[g] = afterVarint();
        at = this.impacts[g]! + size;
      }
    }
    at += -at & 3;
    if (at + words * 4 > end || last >= options.docCount) {
      throw new CorruptionError(
        `Cannot decode postings group: ends at ${
          at + words * 4
        } of ${end}, doc ${last} of ${options.docCount}`,
      );
    }
    for (let g = 0; g < this.length; g++) this.starts[g] = this.starts[g]! + at;
  }
}
