/**
 * How do a field's sorted terms become a dictionary and postings?
 *
 * One pass over the terms finds their alphabet (unless the input knows it), a second one encodes. Postings go straight into their run; what
 * belongs to the other runs (dictionary, positions) waits in memory, encoded.
 *
 * @module
 */
import { countBits, newBits, setDocs } from "../base/bitset.ts";
import { ByteWriter } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { FstBuilder } from "../format/fst.ts";
import { PostingsEncoder } from "../format/postings_list.ts";
import { BLOCK_SIZE } from "../format/postings_packed.ts";
import {
  BLOCK_SLACK_BYTES,
  codeBitsOf,
  sharedPrefix,
  TermBlockEncoder,
  TERMS_PER_BLOCK,
} from "../format/terms_block.ts";
import type { TermCursor, TermsInput, TextInput } from "./input.ts";
import { type LoadedNorms, loadNorms, writeNorms } from "./norms.ts";
import type { RunWriter, Scratch } from "./runs.ts";
import { layoutOf, type TermsMeta } from "./terms_meta.ts";

/** Work between two yields: so many postings, a few milliseconds of them. */
const YIELD_POSTINGS = 1 << 15;
/** What a term costs besides, in postings. */
const TERM_POSTINGS = 16;
/** A buffer is emptied into its run, or into a list of pieces, when it holds so much. */
const DRAIN_BYTES = 1 << 18;

/** So many bytes of waiting pieces stay in memory where there is a scratch place for more. */
const HELD_BYTES_MAX = 1 << 22;

/** Finished pieces of a run that has to wait for its turn. */
class Pieces {
  readonly #pieces: Uint8Array[] = [];
  readonly #makeScratch: (() => Scratch) | undefined;
  #scratch: Scratch | undefined;
  #heldBytes = 0;
  length = 0;

  constructor(makeScratch: (() => Scratch) | undefined) {
    this.#makeScratch = makeScratch;
  }

  /** Takes what `writer` holds. */
  take(writer: ByteWriter): void {
    const bytes = writer.toBytes();
    writer.clear();
    this.#pieces.push(bytes);
    this.length += bytes.length;
    this.#heldBytes += bytes.length;
    if (this.#makeScratch && this.#heldBytes >= HELD_BYTES_MAX) {
      this.#spill(this.#scratch ??= this.#makeScratch());
    }
  }

  write(name: string, out: RunWriter): void {
    if (this.length === 0) return;
    out.begin(name);
    if (this.#scratch) {
      for (const piece of this.#scratch.pieces()) out.append(piece);
      this.#scratch.close();
      this.#scratch = undefined;
    }
    for (const piece of this.#pieces) out.appendOwned(piece);
    out.end();
  }

  #spill(scratch: Scratch): void {
    for (const piece of this.#pieces) scratch.write(piece);
    this.#pieces.length = 0;
    this.#heldBytes = 0;
  }
}

/** Gathers a term's postings into whole blocks, however the cursor chops them. */
class BlockFiller {
  readonly docs: Uint32Array = new Uint32Array(BLOCK_SIZE);
  readonly freqs: Uint32Array = new Uint32Array(BLOCK_SIZE).fill(1);
  positions: Uint32Array = new Uint32Array(0);
  readonly #docs = new Uint32Array(BLOCK_SIZE);
  readonly #freqs = new Uint32Array(BLOCK_SIZE).fill(1);
  #gathered = new Uint32Array(1024);
  #at = 0;
  #held = 0;
  #positionsAt = 0;

  constructor(readonly withFreqs: boolean, readonly withPositions: boolean) {}

  /** Starts a term. */
  begin(): void {
    this.#at = this.#held = 0;
  }

  /** Fills the arrays with the next `want` postings of the cursor's term; returns how many there were. */
  fill(cursor: TermCursor, want: number): number {
    if (this.#at === this.#held) {
      const n = cursor.fillPostings(this.docs, this.freqs);
      if (n === want || n === 0) {
        this.positions = cursor.positions;
        return n;
      }
      this.#hold(n, this.docs, this.freqs);
    }
    let filled = 0;
    let gathered = 0;
    while (filled < want) {
      if (this.#at === this.#held) {
        const n = cursor.fillPostings(this.#docs, this.#freqs);
        if (n === 0) break;
        this.#hold(n, this.#docs, this.#freqs);
      }
      const n = Math.min(want - filled, this.#held - this.#at);
      let positions = 0;
      for (let i = 0; i < n; i++) {
        this.docs[filled + i] = this.#docs[this.#at + i]!;
        this.freqs[filled + i] = this.#freqs[this.#at + i]!;
        positions += this.#freqs[this.#at + i]!;
      }
      if (this.withPositions) {
        if (gathered + positions > this.#gathered.length) {
          const grown = new Uint32Array((gathered + positions) * 2);
          grown.set(this.#gathered.subarray(0, gathered));
          this.#gathered = grown;
        }
        const from = cursor.positions;
        for (let i = 0; i < positions; i++) this.#gathered[gathered++] = from[this.#positionsAt++]!;
      }
      this.#at += n;
      filled += n;
    }
    this.positions = this.#gathered;
    return filled;
  }

  #hold(n: number, docs: Uint32Array, freqs: Uint32Array): void {
    if (docs !== this.#docs) {
      this.#docs.set(docs);
      if (this.withFreqs) this.#freqs.set(freqs);
    }
    this.#at = 0;
    this.#held = n;
    this.#positionsAt = 0;
  }
}

/**
 * Writes the runs of a dictionary. Yields now and then, so that its thread can do other things.
 *
 * @param docCount Documents of the segment.
 * @param used By byte value: 1 where it may occur in a term; undefined: not known.
 * @returns What `openTerms` needs to read them back.
 */
export function* writeTerms(
  input: TermsInput | TextInput,
  out: RunWriter,
  docCount: number,
  used?: Uint8Array,
): Generator<void, TermsMeta> {
  const isText = input.kind === "text";
  const alphabet = alphabetOf(used ?? (yield* scanBytes(input.openTerms())));
  const loaded = isText ? loadNorms(input, docCount) : null;
  yield;
  const described: TermsMeta = {
    termCount: 0,
    segmentDocs: docCount,
    docCount: 0,
    sumDocFreq: 0,
    sumTotalTermFreq: 0,
    postings: isText || input.postings,
    freqs: isText,
    positions: isText && input.positions,
    alphabet: codeBitsOf(alphabet.length) === 8 ? "" : hex(alphabet),
    blocksBytes: 0,
    offsetBytes: 0,
    fstRoot: -1,
    norms: null,
  };
  const docs = described.postings && !isText ? newBits(docCount) : null;
  const meta = yield* writeRuns(input, described, isText && input.norms ? loaded : null, docs, out);
  return {
    ...meta,
    docCount: loaded ? loaded.nonEmptyCount : docs ? countBits(docs) : yield* countDocs(input as TermsInput),
    norms: isText && loaded ? writeNorms(input, loaded, out) : null,
  };
}

/** Statistics that a pass over the terms adds up. */
interface Totals {
  termCount: number;
  sumDocFreq: number;
  sumTotalTermFreq: number;
}

/** Writes postings, positions, dictionary and FST; `docs` gets the bit of each doc met. */
function* writeRuns(
  input: TermsInput | TextInput,
  meta: TermsMeta,
  loaded: LoadedNorms | null,
  docs: Uint32Array | null,
  out: RunWriter,
): Generator<void, TermsMeta> {
  const norms = loaded === null ? null : loaded.norms;
  const postings = new PostingsEncoder({ freqs: meta.freqs, positions: meta.positions, norms });
  const filler = new BlockFiller(meta.freqs, meta.positions);
  const dictionary = new DictionaryEncoder(meta, out.scratch);
  const positionPieces = new Pieces(out.scratch);
  const totals: Totals = { termCount: 0, sumDocFreq: 0, sumTotalTermFreq: 0 };
  const cursor = input.openTerms();
  let hasBegun = false;
  let work = 0;
  while (cursor.next()) {
    const { docFreq } = cursor;
    const totalTermFreq = meta.freqs ? cursor.totalTermFreq : docFreq;
    dictionary.beforeTerm(cursor, postings);
    if (meta.postings) encodeList(cursor, docFreq, totalTermFreq, filler, postings, docs);
    dictionary.add(cursor, docFreq, totalTermFreq, postings);
    totals.termCount++;
    totals.sumDocFreq += docFreq;
    totals.sumTotalTermFreq += totalTermFreq;
    if (postings.postings.length >= DRAIN_BYTES) {
      if (!hasBegun) out.begin(`${input.name}:postings`);
      hasBegun = true;
      drainPostings(postings, out);
    }
    if (postings.positions.length >= DRAIN_BYTES) drainPositions(postings, positionPieces);
    work += docFreq + TERM_POSTINGS;
    if (work >= YIELD_POSTINGS) {
      work = 0;
      yield;
    }
  }
  if (postings.postingsEnd > 0) {
    if (!hasBegun) out.begin(`${input.name}:postings`);
    drainPostings(postings, out);
    out.end();
  }
  drainPositions(postings, positionPieces);
  positionPieces.write(`${input.name}:positions`, out);
  return { ...meta, ...totals, ...dictionary.finish(input.name, out) };
}

function drainPostings(encoder: PostingsEncoder, out: RunWriter): void {
  out.append(encoder.postings.bytes());
  encoder.drainedPostings += encoder.postings.length;
  encoder.postings.clear();
}

function drainPositions(encoder: PostingsEncoder, pieces: Pieces): void {
  encoder.drainedPositions += encoder.positions.length;
  pieces.take(encoder.positions);
}

/** Encodes the current term's postings. */
function encodeList(
  cursor: TermCursor,
  docFreq: number,
  totalTermFreq: number,
  filler: BlockFiller,
  postings: PostingsEncoder,
  docs: Uint32Array | null,
): void {
  postings.begin(docFreq, totalTermFreq);
  filler.begin();
  for (let left = docFreq; left > 0;) {
    const n = filler.fill(cursor, Math.min(left, BLOCK_SIZE));
    assert(n > 0, "a term has as many postings as its docFreq");
    postings.block(filler.docs, filler.freqs, n, filler.positions);
    if (docs !== null) setDocs(docs, filler.docs, n);
    left -= n;
  }
  postings.finish();
}

/** Blocks of terms, their offsets, and the FST that finds them. */
class DictionaryEncoder {
  readonly #block: TermBlockEncoder;
  readonly #fst = new FstBuilder();
  readonly #buffer = new ByteWriter(DRAIN_BYTES);
  readonly #pieces: Pieces;
  readonly #offsets: number[] = [0];
  readonly #hasPostings: boolean;
  /** The last term, to shorten the first of the next block. */
  #last = new Uint8Array(64);
  #lastLength = -1;
  #postingsAt = 0;
  #positionsAt = 0;

  constructor(meta: TermsMeta, makeScratch: (() => Scratch) | undefined) {
    this.#pieces = new Pieces(makeScratch);
    this.#block = new TermBlockEncoder(layoutOf({ ...meta, termCount: 1 }));
    this.#hasPostings = meta.postings;
  }

  /** To be called before a term's postings are encoded: remembers where a block's begin. */
  beforeTerm(cursor: TermCursor, postings: PostingsEncoder): void {
    if (this.#block.count === TERMS_PER_BLOCK) this.#flush();
    if (this.#block.count > 0) return;
    const { bytes, start, end } = cursor;
    // The shortest key above all terms of the block before; the first block takes whatever is below, too.
    const length = this.#lastLength < 0
      ? 0
      : sharedPrefix(this.#last, 0, this.#lastLength, bytes, start, end) + 1;
    this.#fst.add(bytes.subarray(start, start + length));
    this.#postingsAt = postings.postingsEnd;
    this.#positionsAt = postings.positionsEnd;
  }

  add(cursor: TermCursor, docFreq: number, totalTermFreq: number, postings: PostingsEncoder): void {
    const { bytes, start, end } = cursor;
    const { inlineDocs, inlineFreqs } = postings;
    this.#block.add(bytes, start, end, {
      docFreq,
      totalTermFreq,
      inlineDocs,
      inlineFreqs,
      postingsBytes: this.#hasPostings ? postings.postingsBytes : 0,
      positionsBytes: this.#hasPostings ? postings.positionsBytes : 0,
    });
    if (this.#block.count < TERMS_PER_BLOCK) return;
    const length = end - start;
    if (length > this.#last.length) this.#last = new Uint8Array(length * 2);
    this.#last.set(bytes.subarray(start, end));
    this.#lastLength = length;
  }

  /** Writes the runs `<field>:dict` and `<field>:fst`. */
  finish(field: string, out: RunWriter): Pick<TermsMeta, "blocksBytes" | "offsetBytes" | "fstRoot"> {
    if (this.#block.count > 0) this.#flush();
    this.#pieces.take(this.#buffer);
    const blocksBytes = this.#pieces.length;
    if (blocksBytes === 0) return { blocksBytes: 0, offsetBytes: 0, fstRoot: -1 };
    let offsetBytes = 1;
    while (256 ** offsetBytes <= blocksBytes) offsetBytes++;
    for (const offset of this.#offsets) {
      for (let i = 0, rest = offset; i < offsetBytes; i++, rest = Math.floor(rest / 256)) {
        this.#buffer.u8(rest & 0xff);
      }
    }
    for (let i = 0; i < BLOCK_SLACK_BYTES; i++) this.#buffer.u8(0);
    this.#pieces.take(this.#buffer);
    this.#pieces.write(`${field}:dict`, out);
    const fst = this.#fst.finish();
    if (fst.bytes.length > 0) {
      out.begin(`${field}:fst`);
      out.append(fst.bytes);
      out.end();
    }
    return { blocksBytes, offsetBytes, fstRoot: fst.root };
  }

  #flush(): void {
    this.#block.flush(this.#buffer, this.#postingsAt, this.#positionsAt);
    this.#offsets.push(this.#pieces.length + this.#buffer.length);
    if (this.#buffer.length >= DRAIN_BYTES) this.#pieces.take(this.#buffer);
  }
}

/** By byte value: 1 where it occurs in a term. */
function* scanBytes(cursor: TermCursor): Generator<void, Uint8Array> {
  const used = new Uint8Array(256);
  let work = 0;
  while (cursor.next()) {
    markBytes(cursor.bytes, cursor.start, cursor.end, used);
    work += cursor.end - cursor.start + 4;
    if (work >= YIELD_POSTINGS * 16) {
      work = 0;
      yield;
    }
  }
  return used;
}

function alphabetOf(used: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => used[byte] !== 0);
}

function markBytes(bytes: Uint8Array, start: number, end: number, used: Uint8Array): void {
  for (let at = start; at < end; at++) used[bytes[at]!] = 1;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Docs of a field without postings, from its column. */
function* countDocs(input: TermsInput): Generator<void, number> {
  const docs = new Uint32Array(1024);
  const ordinals = new Uint32Array(1024);
  const cursor = input.openOrdinals();
  let count = 0;
  let last = -1;
  for (let n = cursor.fill(docs, ordinals); n > 0; n = cursor.fill(docs, ordinals)) {
    for (let i = 0; i < n; i++) {
      if (docs[i] !== last) count++;
      last = docs[i]!;
    }
    yield;
  }
  return count;
}
