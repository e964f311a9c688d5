/**
 * Which docs have a value, and which one: ranks of docs, docs of ranks, and the values that a rank owns.
 *
 * These keep a position, so each cursor opens its own.
 *
 * @module
 */
import { popcount, setRange } from "../base/bitset.ts";
import { CorruptionError } from "../base/errors.ts";
import { BLOCK_VALUES } from "../format/bitpack.ts";
import { type ColumnRecord, Presence } from "../format/column_record.ts";
import { GROUP_DOCS, GROUP_WORDS, presenceBitmapBytes, ranksBefore } from "../format/presence_bitmap.ts";
import type { Run } from "./runs.ts";
import { Sequence } from "./sequence_reader.ts";

export interface PresenceReader {
  /** Docs with a value before `doc`, or -1 when it has none. Fastest when docs ascend. */
  rank(doc: number): number;
  /** The docs of ranks [rank, rank + n), n at most 128, into docs[0, n). Fastest when ranks ascend. */
  docs(rank: number, n: number, docs: Uint32Array): void;
  /** Sets the bit of every doc that has a value. */
  mark(into: Uint32Array): void;
}

/** Opens a column's presence as often as wanted. */
export function presenceOpener(
  record: ColumnRecord,
  parts: {
    readonly docs: ColumnRecord | undefined;
    readonly run: Run | undefined;
    readonly zones: Run | undefined;
  },
  docCount: number,
): () => PresenceReader {
  if (record.presence === Presence.All) return () => new AllDocs(docCount);
  if (record.presence === Presence.Bitmap) {
    const { run } = parts;
    if (!run || run.length !== presenceBitmapBytes(docCount)) {
      throw new CorruptionError(`Cannot open segment: presence bitmap is ${run?.length ?? 0} bytes`);
    }
    return () => new BitmapDocs(run, docCount);
  }
  if (!parts.docs) throw new CorruptionError("Cannot open segment: a column's docs are not described");
  const sequence = new Sequence(parts.docs, parts.run, parts.zones);
  return () => new ListedDocs(sequence);
}

class AllDocs implements PresenceReader {
  readonly #docCount: number;

  constructor(docCount: number) {
    this.#docCount = docCount;
  }

  rank(doc: number): number {
    return doc;
  }

  docs(rank: number, n: number, docs: Uint32Array): void {
    for (let i = 0; i < n; i++) docs[i] = rank + i;
  }

  mark(into: Uint32Array): void {
    setRange(into, 0, this.#docCount);
  }
}

class BitmapDocs implements PresenceReader {
  readonly #run: Run;
  readonly #words: Uint32Array;
  readonly #docCount: number;
  readonly #groups: number;
  #touchedGroup = -1;
  /** Where `docs` goes on: the rank and the first doc that may have it. */
  #nextRank = 0;
  #nextDoc = 0;
  /** Where `rank` was last: a word of docs, its bits, and the docs with a value before it. */
  #rankWord = -1;
  #rankBits = 0;
  #rankBefore = 0;

  constructor(run: Run, docCount: number) {
    this.#run = run;
    this.#words = new Uint32Array(run.bytes.buffer, run.bytes.byteOffset, run.length >>> 2);
    this.#docCount = docCount;
    this.#groups = Math.ceil(docCount / GROUP_DOCS);
  }

  rank(doc: number): number {
    const word = doc >>> 5;
    if (word !== this.#rankWord) this.#seekWord(doc);
    const bits = this.#rankBits;
    const bit = 1 << (doc & 31);
    return (bits & bit) === 0 ? -1 : this.#rankBefore + popcount(bits & (bit - 1));
  }

  docs(rank: number, n: number, docs: Uint32Array): void {
    if (rank !== this.#nextRank) this.#seek(rank);
    let filled = 0;
    let doc = this.#nextDoc;
    while (filled < n) {
      if (doc >= this.#docCount) {
        throw new CorruptionError("Cannot read segment: presence bitmap has too few docs");
      }
      this.#touch(doc >>> 9);
      const word = this.#words[(doc >>> 9) * GROUP_WORDS + 1 + ((doc & 511) >>> 5)]!;
      let rest = (word >>> (doc & 31)) << (doc & 31);
      const base = doc & ~31;
      doc = base + 32;
      while (rest !== 0) {
        const low = rest & -rest;
        const next = base + 31 - Math.clz32(low);
        docs[filled++] = next;
        rest ^= low;
        if (filled === n) {
          doc = next + 1;
          break;
        }
      }
    }
    this.#nextRank = rank + n;
    this.#nextDoc = doc;
  }

  mark(into: Uint32Array): void {
    this.#run.touch(0, this.#run.length);
    for (let g = 0; g < this.#groups; g++) {
      const words = Math.min(16, into.length - g * 16);
      for (let w = 0; w < words; w++) into[g * 16 + w]! |= this.#words[g * GROUP_WORDS + 1 + w]!;
    }
  }

  #seekWord(doc: number): void {
    const word = doc >>> 5;
    const at = (doc >>> 9) * GROUP_WORDS + 1 + (word & 15);
    if (word === this.#rankWord + 1 && (word & 15) !== 0) {
      this.#rankBefore += popcount(this.#rankBits);
    } else {
      this.#touch(doc >>> 9);
      this.#rankBefore = ranksBefore(this.#words, doc);
    }
    this.#rankWord = word;
    this.#rankBits = this.#words[at]!;
  }

  #seek(rank: number): void {
    let low = 0;
    let high = this.#groups - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      this.#touch(middle);
      if (this.#words[middle * GROUP_WORDS]! <= rank) low = middle;
      else high = middle - 1;
    }
    this.#touch(low);
    let before = this.#words[low * GROUP_WORDS]!;
    let doc = low * GROUP_DOCS;
    for (; before < rank; doc++) {
      if (doc >= this.#docCount) {
        throw new CorruptionError("Cannot read segment: presence bitmap has too few docs");
      }
      const word = this.#words[low * GROUP_WORDS + 1 + ((doc & 511) >>> 5)]!;
      before += (word >>> (doc & 31)) & 1;
    }
    this.#nextRank = rank;
    this.#nextDoc = doc;
  }

  #touch(group: number): void {
    if (group === this.#touchedGroup) return;
    this.#run.touch(group * GROUP_WORDS * 4, GROUP_WORDS * 4);
    this.#touchedGroup = group;
  }
}

/** A block of a sequence, decoded and kept. */
export class BlockCache {
  readonly values: Float64Array = new Float64Array(BLOCK_VALUES);
  block = -1;
  length = 0;

  constructor(readonly sequence: Sequence) {}

  load(block: number): void {
    if (block === this.block) return;
    this.length = this.sequence.decodeValues(block, this.values, 0);
    this.block = block;
  }

  /** Position of the last value <= `limit` of an ascending sequence, or -1. Leaves its block loaded. */
  lastAtMost(limit: number): number {
    const { sequence } = this;
    let low = -1;
    let high = sequence.blockCount - 1;
    if (this.block >= 0 && this.values[0]! <= limit) {
      // Ascending callers mostly stay here or go to the next block.
      low = this.block;
      if (limit <= this.values[this.length - 1]!) high = low;
    }
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (sequence.toValue(sequence.unitMin(middle)) <= limit) low = middle;
      else high = middle - 1;
    }
    if (low < 0) return -1;
    this.load(low);
    let from = 0;
    let to = this.length - 1;
    while (from < to) {
      const middle = (from + to + 1) >>> 1;
      if (this.values[middle]! <= limit) from = middle;
      else to = middle - 1;
    }
    return low * BLOCK_VALUES + from;
  }
}

class ListedDocs implements PresenceReader {
  readonly #cache: BlockCache;

  constructor(sequence: Sequence) {
    this.#cache = new BlockCache(sequence);
  }

  rank(doc: number): number {
    const rank = this.#cache.lastAtMost(doc);
    return rank >= 0 && this.#cache.values[rank & (BLOCK_VALUES - 1)] === doc ? rank : -1;
  }

  docs(rank: number, n: number, docs: Uint32Array): void {
    const cache = this.#cache;
    for (let i = 0; i < n; i++) {
      cache.load((rank + i) >>> 7);
      docs[i] = cache.values[(rank + i) & 127]!;
    }
  }

  mark(into: Uint32Array): void {
    const cache = this.#cache;
    for (let block = 0; block < cache.sequence.blockCount; block++) {
      cache.load(block);
      for (let i = 0; i < cache.length; i++) into[cache.values[i]! >>> 5]! |= 1 << (cache.values[i]! & 31);
    }
  }
}

/** Where each rank's values start, for columns with several values a doc. */
export class Starts {
  readonly #cache: BlockCache;
  readonly #ranks: number;
  readonly #valueCount: number;

  constructor(sequence: Sequence, valueCount: number) {
    this.#cache = new BlockCache(sequence);
    this.#ranks = sequence.record.valueCount;
    this.#valueCount = valueCount;
  }

  start(rank: number): number {
    if (rank >= this.#ranks) return this.#valueCount;
    this.#cache.load(rank >>> 7);
    return this.#cache.values[rank & 127]!;
  }

  /** The rank that owns a value. */
  rankOf(value: number): number {
    return this.#cache.lastAtMost(value);
  }
}
