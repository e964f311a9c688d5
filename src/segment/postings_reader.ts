/**
 * Which docs hold a term, how often and where? Cursors over the lists that `format/postings_list.ts` describes.
 *
 * A cursor holds one decoded block. It skips by the headers of groups (32 blocks) and, in lists of several groups,
 * by the entries behind them; frequencies are decoded when asked for, positions from the block of 128 that holds
 * the doc's first one.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { decodeFullDocs, decodeFullFreqs, decodeTail } from "../format/postings_block.ts";
import { decodeImpacts, ImpactCollector, IMPACTS_MAX } from "../format/postings_impacts.ts";
import {
  blockCount,
  GROUP_BLOCKS,
  GROUP_ENTRY_BYTES,
  groupCount,
  GroupSkips,
  INLINE_DOCS_MAX,
} from "../format/postings_list.ts";
import { BLOCK_SIZE } from "../format/postings_packed.ts";
import { PositionReader, type WordRun } from "./positions_reader.ts";
import { NO_MORE_DOCS, type PostingsCursor, type TermEntry } from "./reader.ts";

const GROUP_DOCS = GROUP_BLOCKS * BLOCK_SIZE;
const ONES: Uint32Array = new Uint32Array(BLOCK_SIZE).fill(1);
const NO_IMPACT_FREQS: Uint32Array = Uint32Array.of(1);
const NO_IMPACT_NORMS: Uint8Array = Uint8Array.of(1);

/** What the lists of a dictionary share. */
export interface PostingsSource {
  readonly field: string;
  /** Documents of the segment. */
  readonly segmentDocs: number;
  readonly hasFreqs: boolean;
  readonly hasPositions: boolean;
  readonly postings: WordRun | undefined;
  readonly positions: WordRun | undefined;
  /** Norm bytes by doc; undefined when every norm counts as 1. */
  readonly norms: () => Uint8Array | undefined;
}

/** A term's entry with the places of its lists. */
export class StoredTermEntry implements TermEntry {
  constructor(
    readonly ordinal: number,
    readonly docFreq: number,
    readonly totalTermFreq: number,
    readonly postingsAt: number,
    readonly postingsBytes: number,
    readonly positionsAt: number,
    readonly positionsBytes: number,
    /** Docs and the first one's frequency when docFreq is at most INLINE_DOCS_MAX. */
    readonly firstDoc: number,
    readonly secondDoc: number,
    readonly firstFreq: number,
  ) {}
}

function corruptList(source: PostingsSource, what: string): CorruptionError {
  return new CorruptionError(`Cannot decode postings of [${source.field}]: ${what}`);
}

/**
 * Index of the first of docs[from, n) that is not below `target`, which one of them is. A few steps, then halving:
 * most advances are short.
 */
function seekInBlock(docs: Uint32Array, from: number, n: number, target: number): number {
  let at = from;
  const near = Math.min(n, from + 8);
  while (at < near && docs[at]! < target) at++;
  if (at < near || at === n) return at;
  let end = n;
  while (at < end) {
    const middle = (at + end) >>> 1;
    if (docs[middle]! < target) at = middle + 1;
    else end = middle;
  }
  return at;
}

export class StoredPostings implements PostingsCursor {
  readonly docFreq: number;
  doc = -1;
  blockLength = 0;
  readonly blockDocs: Uint32Array;
  shallowLastDoc = -1;
  impactFreqs: Uint32Array = NO_IMPACT_FREQS;
  impactNorms: Uint8Array = NO_IMPACT_NORMS;
  impactCount = 1;

  readonly #source: PostingsSource;
  readonly #entry: StoredTermEntry;
  /** Frequencies are stored, and wanted for themselves or to find positions. */
  readonly #withFreqs: boolean;
  readonly #freqs: Uint32Array;
  #freqsReady = true;
  readonly #blocks: number;
  /** A list in groups; else it is one block, decoded from the start. */
  readonly #isLong: boolean;
  /** Current block; -1 before the first, #blocks behind the last. */
  #block = -1;
  /** Index of `doc` in the block. */
  #at = -1;
  /** Last doc of the current block. */
  #lastDoc = -1;
  /** Header of the current block's group; null in short lists. */
  #group: GroupSkips | null = null;
  /** Header of the shallow block's group; may be the same. */
  #shallowGroup: GroupSkips | null = null;
  #shallowBlock = -1;
  #positions: PositionReader | null = null;

  constructor(
    source: PostingsSource,
    entry: StoredTermEntry,
    want: { readonly freqs: boolean; readonly positions: boolean },
  ) {
    this.#source = source;
    this.#entry = entry;
    this.docFreq = entry.docFreq;
    this.#isLong = entry.docFreq >= BLOCK_SIZE;
    this.#blocks = blockCount(entry.docFreq);
    this.#withFreqs = source.hasFreqs && entry.totalTermFreq > entry.docFreq &&
      (want.freqs || want.positions);
    this.blockDocs = new Uint32Array(this.#isLong ? BLOCK_SIZE : entry.docFreq);
    this.#freqs = this.#withFreqs ? new Uint32Array(this.blockDocs.length) : ONES;
    if (want.positions && source.hasPositions) {
      if (source.positions === undefined) throw corruptList(source, "the positions run is missing");
      this.#positions = new PositionReader(source.positions);
    }
    if (this.#isLong) {
      const postings = this.#run();
      const groups = groupCount(entry.docFreq);
      if (groups > 1) {
        const size = groups * GROUP_ENTRY_BYTES;
        if (entry.postingsBytes < size) throw corruptList(source, "group entries pass the start of the list");
        postings.run.touch(entry.postingsAt + entry.postingsBytes - size, size);
      }
    } else {
      this.#readShort();
    }
  }

  get freq(): number {
    if (!this.#freqsReady) this.#readFreqs();
    return this.#freqs[this.#at]!;
  }

  get blockFreqs(): Uint32Array {
    if (!this.#freqsReady) this.#readFreqs();
    return this.#freqs;
  }

  next(): number {
    const at = ++this.#at;
    if (at < this.blockLength) return this.doc = this.blockDocs[at]!;
    this.#load(this.#block + 1);
    return this.doc;
  }

  advance(target: number): number {
    if (target > this.#lastDoc) {
      const block = this.#seek(target);
      this.#load(block);
      if (this.doc >= target) return this.doc;
    } else if (this.blockLength === 0) {
      return this.doc;
    }
    const at = seekInBlock(this.blockDocs, this.#at + 1, this.blockLength, target);
    this.#at = at;
    return this.doc = this.blockDocs[at]!;
  }

  nextBlock(): number {
    this.#load(this.#block + 1);
    if (!this.#freqsReady) this.#readFreqs();
    return this.blockLength;
  }

  positions(): Uint32Array {
    const reader = this.#positions;
    if (reader === null) {
      throw new Error("Assertion failed: positions were asked for when the cursor was opened");
    }
    if (!this.#freqsReady) this.#readFreqs();
    if (reader.block !== this.#block) {
      const entry = this.#entry;
      const group = this.#group;
      let start = entry.positionsAt;
      let end = start + entry.positionsBytes;
      if (group !== null) {
        const b = this.#block & (GROUP_BLOCKS - 1);
        start = b === 0 ? group.positionsAt : group.positionEnds[b - 1]!;
        end = group.positionEnds[b]!;
      }
      reader.open(this.#block, start, end, this.#freqs, this.blockLength);
    }
    return reader.read(this.#freqs, this.#at);
  }

  shallowAdvance(target: number): void {
    if (target <= this.shallowLastDoc) return;
    if (!this.#isLong) {
      const last = this.blockDocs[this.blockDocs.length - 1]!;
      if (target > last) this.#endShallow();
      else if (this.#shallowBlock < 0) {
        this.#shallowBlock = 0;
        this.shallowLastDoc = last;
        this.#shortImpacts();
      }
      return;
    }
    let group = this.#shallowGroup ?? this.#group;
    const index = this.#findGroup(target, group === null ? 0 : group.index);
    if (index < 0) {
      this.#endShallow();
      return;
    }
    if (group === null || group.index !== index) {
      const current = this.#group;
      if (current !== null && current.index === index) {
        group = current;
      } else {
        if (group === null || group === current) group = new GroupSkips();
        this.#readGroup(group, index);
      }
    }
    this.#shallowGroup = group;
    const b = findBlock(group, target);
    this.#shallowBlock = index * GROUP_BLOCKS + b;
    this.shallowLastDoc = group.lastDocs[b]!;
    if (!this.#source.hasFreqs) return;
    this.#ownImpacts();
    const bytes = this.#run().run.bytes;
    this.impactCount = decodeImpacts(bytes, group.impacts[b]!, this.impactFreqs, this.impactNorms);
  }

  maxImpacts(): { readonly freqs: Uint32Array; readonly norms: Uint8Array; readonly count: number } {
    const source = this.#source;
    if (!source.hasFreqs) return { freqs: NO_IMPACT_FREQS, norms: NO_IMPACT_NORMS, count: 1 };
    const freqs = new Uint32Array(IMPACTS_MAX);
    const norms = new Uint8Array(IMPACTS_MAX);
    if (!this.#isLong) {
      return { freqs, norms, count: this.#collectShort(freqs, norms) };
    }
    const groups = groupCount(this.docFreq);
    const { bytes } = this.#run().run;
    if (groups > 1) {
      const at = this.#entry.postingsAt + this.#groupEnd(groups - 1);
      const end = this.#entry.postingsAt + this.#entry.postingsBytes - groups * GROUP_ENTRY_BYTES;
      if (at > end) throw corruptList(source, "groups pass the end of the list");
      this.#run().run.touch(at, end - at);
      return { freqs, norms, count: decodeImpacts(bytes, at, freqs, norms) };
    }
    const group = this.#group ?? this.#shallowGroup ?? this.#readGroup(new GroupSkips(), 0);
    const collector = new ImpactCollector();
    for (let b = 0; b < group.length; b++) {
      const count = decodeImpacts(bytes, group.impacts[b]!, freqs, norms);
      for (let i = 0; i < count; i++) collector.add(freqs[i]!, norms[i]!);
    }
    return { freqs, norms, count: collector.take(freqs, norms) };
  }

  #run(): WordRun {
    const postings = this.#source.postings;
    if (postings === undefined) throw corruptList(this.#source, "the postings run is missing");
    return postings;
  }

  /** Decodes the only block of a short list. */
  #readShort(): void {
    const entry = this.#entry;
    const { docFreq } = entry;
    const docs = this.blockDocs;
    if (docFreq <= INLINE_DOCS_MAX) {
      docs[0] = entry.firstDoc;
      if (docFreq > 1) docs[1] = entry.secondDoc;
      if (!this.#withFreqs) return;
      this.#freqs[0] = entry.firstFreq;
      if (docFreq > 1) this.#freqs[1] = entry.totalTermFreq - entry.firstFreq;
      return;
    }
    const { run } = this.#run();
    run.touch(entry.postingsAt, entry.postingsBytes);
    const storesFreqs = this.#source.hasFreqs && entry.totalTermFreq > docFreq;
    const freqs = this.#withFreqs ? this.#freqs : undefined;
    const end = decodeTail(run.bytes, entry.postingsAt, docFreq, -1, docs, storesFreqs ? freqs : undefined);
    if (end > entry.postingsAt + entry.postingsBytes || docs[docFreq - 1]! >= this.#source.segmentDocs) {
      throw corruptList(this.#source, "docs pass the end of the list or of the segment");
    }
  }

  /** Makes `block` the current one and stands on its first doc, or behind the end. */
  #load(block: number): void {
    if (block >= this.#blocks) {
      this.#block = this.#blocks;
      this.doc = NO_MORE_DOCS;
      this.#lastDoc = NO_MORE_DOCS;
      this.blockLength = 0;
      this.#at = -1;
      this.#freqsReady = true;
      return;
    }
    if (!this.#isLong) {
      this.#stand(block, this.docFreq, this.blockDocs[this.docFreq - 1]!);
      return;
    }
    const { words, run } = this.#run();
    const group = this.#groupOf(block);
    const b = block & (GROUP_BLOCKS - 1);
    const previous = b === 0 ? group.previous : group.lastDocs[b - 1]!;
    const n = Math.min(BLOCK_SIZE, this.docFreq - block * BLOCK_SIZE);
    if (n === BLOCK_SIZE) {
      decodeFullDocs(words, group.starts[b]! / 4, previous, this.blockDocs);
      this.#freqsReady = !this.#withFreqs;
    } else {
      const freqs = this.#withFreqs ? this.#freqs : undefined;
      decodeTail(run.bytes, group.starts[b]!, n, previous, this.blockDocs, freqs);
      this.#freqsReady = true;
    }
    if (this.blockDocs[n - 1] !== group.lastDocs[b]) {
      throw corruptList(this.#source, `block ${block} ends at doc ${this.blockDocs[n - 1]}`);
    }
    this.#stand(block, n, group.lastDocs[b]!);
  }

  #stand(block: number, n: number, lastDoc: number): void {
    this.#block = block;
    this.#lastDoc = lastDoc;
    this.blockLength = n;
    this.#at = 0;
    this.doc = this.blockDocs[0]!;
  }

  #readFreqs(): void {
    const start = this.#group!.starts[this.#block & (GROUP_BLOCKS - 1)]!;
    decodeFullFreqs(this.#run().words, start / 4, this.#freqs);
    this.#freqsReady = true;
  }

  /** First block behind the current one that may hold a doc from `target` on; #blocks: none. */
  #seek(target: number): number {
    if (!this.#isLong) {
      return this.#block < 0 && target <= this.blockDocs[this.docFreq - 1]! ? 0 : this.#blocks;
    }
    const group = this.#group;
    const index = this.#findGroup(target, group === null ? 0 : group.index);
    if (index < 0) return this.#blocks;
    return index * GROUP_BLOCKS + findBlock(this.#groupOf(index * GROUP_BLOCKS), target);
  }

  /** First group from `from` on whose last doc is not below `target`; -1: none. */
  #findGroup(target: number, from: number): number {
    const groups = groupCount(this.docFreq);
    if (groups === 1) {
      const group = this.#group ?? this.#shallowGroup ?? (this.#group = this.#readGroup(new GroupSkips(), 0));
      return target <= group.lastDocs[group.length - 1]! ? 0 : -1;
    }
    let low = from;
    // Mostly it is this one or the next.
    for (let i = 0; i < 2; i++, low++) {
      if (low >= groups) return -1;
      if (this.#groupLast(low) >= target) return low;
    }
    let high = groups;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#groupLast(middle) < target) low = middle + 1;
      else high = middle;
    }
    return low < groups ? low : -1;
  }

  /** Header of the group that holds `block`, as the current one. */
  #groupOf(block: number): GroupSkips {
    const index = Math.floor(block / GROUP_BLOCKS);
    const current = this.#group;
    if (current !== null && current.index === index) return current;
    const shallow = this.#shallowGroup;
    if (shallow !== null && shallow.index === index) return this.#group = shallow;
    return this.#group = this.#readGroup(
      current === null || current === shallow ? new GroupSkips() : current,
      index,
    );
  }

  #readGroup(group: GroupSkips, index: number): GroupSkips {
    const { postingsAt, postingsBytes, positionsAt, docFreq } = this.#entry;
    const source = this.#source;
    const isOnly = groupCount(docFreq) === 1;
    const start = index === 0 ? 0 : this.#groupEnd(index - 1);
    const end = isOnly ? postingsBytes : this.#groupEnd(index);
    if (start >= end || end > postingsBytes) throw corruptList(source, `group ${index} passes the list`);
    const { run } = this.#run();
    run.touch(postingsAt + start, end - start);
    group.read(
      run.bytes,
      postingsAt + start,
      postingsAt + end,
      Math.min(GROUP_DOCS, docFreq - index * GROUP_DOCS),
      {
        freqs: source.hasFreqs,
        positions: source.hasPositions,
        previous: index === 0 ? -1 : this.#groupLast(index - 1),
        positionsAt: positionsAt + (index === 0 ? 0 : this.#groupPositionsEnd(index - 1)),
        docCount: source.segmentDocs,
      },
    );
    group.index = index;
    return group;
  }

  #groupField(index: number, offset: number, size: number): number {
    const { postingsAt, postingsBytes, docFreq } = this.#entry;
    const { run } = this.#run();
    const { bytes } = run;
    const entries = postingsAt + postingsBytes - groupCount(docFreq) * GROUP_ENTRY_BYTES;
    const at = entries + index * GROUP_ENTRY_BYTES + offset;
    // Long ago, for a list that is read to its end: where pages come and go, they are asked for again.
    run.touch(at, size);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!;
    return value;
  }

  #groupLast(index: number): number {
    return this.#groupField(index, 0, 4);
  }

  #groupEnd(index: number): number {
    return this.#groupField(index, 4, 6);
  }

  #groupPositionsEnd(index: number): number {
    return this.#groupField(index, 10, 6);
  }

  #endShallow(): void {
    this.#shallowBlock = this.#blocks;
    this.shallowLastDoc = NO_MORE_DOCS;
    this.impactCount = 0;
  }

  #ownImpacts(): void {
    if (this.impactFreqs !== NO_IMPACT_FREQS) return;
    this.impactFreqs = new Uint32Array(IMPACTS_MAX);
    this.impactNorms = new Uint8Array(IMPACTS_MAX);
  }

  #shortImpacts(): void {
    if (!this.#source.hasFreqs) return;
    this.#ownImpacts();
    this.impactCount = this.#collectShort(this.impactFreqs, this.impactNorms);
  }

  /** Impacts of a short list are not stored: its docs are decoded, and their norms at hand. */
  #collectShort(freqs: Uint32Array, norms: Uint8Array): number {
    const collector = new ImpactCollector();
    let of = this.#freqs;
    if (!this.#withFreqs && this.#entry.totalTermFreq > this.docFreq) {
      // Opened without frequencies; a bound must not count on it.
      of = new StoredPostings(this.#source, this.#entry, { freqs: true, positions: false }).#freqs;
    }
    collector.addAll(this.blockDocs, of, this.docFreq, this.#source.norms() ?? null);
    return collector.take(freqs, norms);
  }
}

/** First block of the group whose last doc is not below `target`, which one of them is. */
function findBlock(group: GroupSkips, target: number): number {
  const { lastDocs } = group;
  let low = 0;
  let high = group.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lastDocs[middle]! < target) low = middle + 1;
    else high = middle;
  }
  return low;
}
