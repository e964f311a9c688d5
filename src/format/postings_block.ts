/**
 * Blocks of one postings list: 128 docs with their frequencies, or the fewer that a list ends with.
 * Spec: `docs/FORMAT.md`, "Postings block".
 *
 * A full block, 4-byte aligned:
 *
 *      0  u8     docWidth    bits a gap (0 to 31), or 0x80: the docs are a bitmap
 *      1  u8     docExtra    exceptions among the gaps, or words of the bitmap
 *      2  u8     freqWidth   bits a frequency (0 to 31)
 *      3  u8     freqExtra   exceptions among the frequencies
 *      4  u32[]  docs        4 * docWidth words in lanes (`postings_packed.ts`), or the bitmap
 *         u32[]  freqs       4 * freqWidth words in lanes
 *         u8[]   exceptions  (index, high) pairs of the docs, then of the freqs; zeros up to a multiple of 4
 *
 * A gap is doc - previous - 1, where the doc before the first is the last doc of the block before, or -1. Bit b of
 * the bitmap stands for doc previous + 1 + b. A frequency is stored less 1.
 *
 * A tail of 1 to 127 docs is bytes without alignment: u8 of docWidth | min(freqWidth, 7) << 5, u8 freqWidth if
 * that was 7, then gaps and frequencies as bit streams (`postings_bits.ts`), each from a new byte on.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import type { ByteWriter } from "../base/bytes.ts";
import { bitsOf, bytesOfBits, packStream, unpackStream } from "./postings_bits.ts";
import { BLOCK_SIZE, chooseWidth, packLanes, unpackLanes } from "./postings_packed.ts";

const BITMAP = 0x80;
/** Words of the largest block: header, two times 31 bits, two times 128 exceptions. */
const BLOCK_WORDS_MAX = 1 + 2 * 4 * 32 + 128;
/** A bitmap is taken only when smaller than lanes, which bounds its words by theirs. */
const BITMAP_WORDS_MAX = 124;

const gaps = new Uint32Array(BLOCK_SIZE);
const lessOne = new Uint32Array(BLOCK_SIZE);
const words = new Int32Array(BLOCK_WORDS_MAX);
const wordBytes = new Uint8Array(words.buffer);

function countExceptions(values: Uint32Array, width: number): number {
  let count = 0;
  for (let i = 0; i < BLOCK_SIZE; i++) if (values[i]! >>> width !== 0) count++;
  return count;
}

function putExceptions(values: Uint32Array, width: number, at: number): number {
  for (let i = 0; i < BLOCK_SIZE; i++) {
    const high = values[i]! >>> width;
    if (high === 0) continue;
    wordBytes[at++] = i;
    wordBytes[at++] = high;
  }
  return at;
}

/**
 * Appends a full block and returns its words.
 *
 * @param previous The doc before docs[0], -1 at the start of a list.
 * @param withFreqs False: frequencies are all 1 and not stored (freqWidth 0).
 */
export function encodeFullBlock(
  docs: Uint32Array,
  freqs: Uint32Array,
  previous: number,
  withFreqs: boolean,
  out: ByteWriter,
): number {
  let before = previous;
  for (let i = 0; i < BLOCK_SIZE; i++) {
    gaps[i] = docs[i]! - before - 1;
    before = docs[i]!;
  }
  let docWidth = chooseWidth(gaps, BLOCK_SIZE, true);
  let docExtra = countExceptions(gaps, docWidth);
  const bitmapWords = Math.ceil((docs[BLOCK_SIZE - 1]! - previous) / 32);
  const isBitmap = bitmapWords < docWidth * 4 + Math.ceil(docExtra / 2);
  let freqWidth = 0;
  let freqExtra = 0;
  if (withFreqs) {
    for (let i = 0; i < BLOCK_SIZE; i++) lessOne[i] = freqs[i]! - 1;
    freqWidth = chooseWidth(lessOne, BLOCK_SIZE, true);
    freqExtra = countExceptions(lessOne, freqWidth);
  }
  let at = 1;
  if (isBitmap) {
    words.fill(0, 1, 1 + bitmapWords);
    for (let i = 0; i < BLOCK_SIZE; i++) {
      const bit = docs[i]! - previous - 1;
      const word = 1 + (bit >>> 5);
      words[word] = words[word]! | (1 << (bit & 31));
    }
    docExtra = bitmapWords;
    at += bitmapWords;
  } else {
    packLanes(gaps, docWidth, words, at);
    at += 4 * docWidth;
  }
  packLanes(lessOne, freqWidth, words, at);
  at += 4 * freqWidth;
  let byte = at * 4;
  if (!isBitmap && docExtra > 0) byte = putExceptions(gaps, docWidth, byte);
  if (freqExtra > 0) byte = putExceptions(lessOne, freqWidth, byte);
  while ((byte & 3) !== 0) wordBytes[byte++] = 0;
  if (isBitmap) docWidth = BITMAP;
  words[0] = docWidth | (docExtra << 8) | (freqWidth << 16) | (freqExtra << 24);
  out.append(wordBytes.subarray(0, byte));
  return byte >>> 2;
}

/** Patches `count` values from the (index, high) pairs that follow pair `first` of those at block[at]. */
export function applyExceptions(
  block: Int32Array,
  at: number,
  first: number,
  count: number,
  width: number,
  out: Uint32Array,
): void {
  for (let i = first; i < first + count; i++) {
    const pair = block[at + (i >>> 1)]! >>> ((i & 1) << 4);
    const index = pair & 0x7f;
    out[index] = out[index]! | (((pair >>> 8) & 0xff) << width);
  }
}

/**
 * Words of the full block whose header is block[at].
 *
 * @throws {CorruptionError} The header is impossible, or the block passes the end.
 */
export function fullBlockWords(block: Int32Array, at: number): number {
  if (at >= block.length) throw new CorruptionError("Cannot decode postings block: it passes the end");
  const header = block[at]!;
  const docWidth = header & 0xff;
  const docExtra = (header >>> 8) & 0xff;
  const freqWidth = (header >>> 16) & 0xff;
  const freqExtra = header >>> 24;
  const isBitmap = docWidth === BITMAP;
  if (
    (isBitmap ? docExtra > BITMAP_WORDS_MAX : docWidth > 31 || docExtra > BLOCK_SIZE) || freqWidth > 31 ||
    freqExtra > BLOCK_SIZE
  ) {
    throw new CorruptionError(`Cannot decode postings block: header is 0x${(header >>> 0).toString(16)}`);
  }
  const pairs = (isBitmap ? 0 : docExtra) + freqExtra;
  const size = 1 + (isBitmap ? docExtra : 4 * docWidth) + 4 * freqWidth + ((pairs + 1) >>> 1);
  if (at + size > block.length) {
    throw new CorruptionError("Cannot decode postings block: it passes the end");
  }
  return size;
}

/**
 * Decodes the docs of the full block at block[at] into docs[0, 128).
 *
 * @throws {CorruptionError} As `fullBlockWords`, or a bitmap has other than 128 bits.
 */
export function decodeFullDocs(block: Int32Array, at: number, previous: number, docs: Uint32Array): void {
  fullBlockWords(block, at);
  const header = block[at]!;
  const docWidth = header & 0xff;
  const docExtra = (header >>> 8) & 0xff;
  if (docWidth === BITMAP) {
    decodeBitmap(block, at + 1, docExtra, previous + 1, docs);
    return;
  }
  unpackLanes(block, at + 1, docWidth, docs);
  if (docExtra > 0) {
    const freqWidth = (header >>> 16) & 0xff;
    applyExceptions(block, at + 1 + 4 * docWidth + 4 * freqWidth, 0, docExtra, docWidth, docs);
  }
  let doc = previous;
  for (let i = 0; i < BLOCK_SIZE; i++) {
    doc = (doc + docs[i]! + 1) | 0;
    docs[i] = doc;
  }
}

function decodeBitmap(
  block: Int32Array,
  at: number,
  wordCount: number,
  first: number,
  docs: Uint32Array,
): void {
  let n = 0;
  for (let i = 0; i < wordCount; i++) {
    let word = block[at + i]!;
    const base = first + i * 32 + 31;
    while (word !== 0) {
      const lowest = word & -word;
      docs[n++ & 127] = base - Math.clz32(lowest);
      word ^= lowest;
    }
  }
  if (n !== BLOCK_SIZE) {
    throw new CorruptionError(`Cannot decode postings block: bitmap of ${n} docs, not ${BLOCK_SIZE}`);
  }
}

/** Decodes the frequencies of the full block at block[at], whose docs `decodeFullDocs` has read. */
export function decodeFullFreqs(block: Int32Array, at: number, freqs: Uint32Array): void {
  const header = block[at]!;
  const docWidth = header & 0xff;
  const docExtra = (header >>> 8) & 0xff;
  const freqWidth = (header >>> 16) & 0xff;
  const freqExtra = header >>> 24;
  if (freqWidth === 0 && freqExtra === 0) {
    freqs.fill(1, 0, BLOCK_SIZE);
    return;
  }
  const isBitmap = docWidth === BITMAP;
  const start = at + 1 + (isBitmap ? docExtra : 4 * docWidth);
  unpackLanes(block, start, freqWidth, freqs);
  if (freqExtra > 0) {
    applyExceptions(block, start + 4 * freqWidth, isBitmap ? 0 : docExtra, freqExtra, freqWidth, freqs);
  }
  for (let i = 0; i < BLOCK_SIZE; i++) freqs[i] = freqs[i]! + 1;
}

/** Appends a tail of n docs (1 to 127); arguments as for `encodeFullBlock`. */
export function encodeTail(
  docs: Uint32Array,
  freqs: Uint32Array,
  n: number,
  previous: number,
  withFreqs: boolean,
  out: ByteWriter,
): void {
  let before = previous;
  for (let i = 0; i < n; i++) {
    gaps[i] = docs[i]! - before - 1;
    before = docs[i]!;
  }
  const docWidth = chooseWidth(gaps, n, false);
  let freqWidth = 0;
  if (withFreqs) {
    for (let i = 0; i < n; i++) lessOne[i] = freqs[i]! - 1;
    freqWidth = chooseWidth(lessOne, n, false);
  }
  out.u8(docWidth | (Math.min(freqWidth, 7) << 5));
  if (freqWidth >= 7) out.u8(freqWidth);
  appendStream(gaps, n, docWidth, out);
  appendStream(lessOne, n, freqWidth, out);
}

/** Appends values[0, n) as a bit stream of `width`. */
export function appendStream(values: Uint32Array, n: number, width: number, out: ByteWriter): void {
  const size = bytesOfBits(n * width);
  const bytes = out.reserve(size + 8);
  const at = out.length;
  bytes.fill(0, at, at + size + 8);
  packStream(values, n, width, bytes, at);
  out.advance(size);
}

/**
 * Decodes a tail of n docs at `at`. With `freqs` the frequencies, too.
 *
 * @throws {CorruptionError} It passes the end.
 */
export function decodeTail(
  bytes: Uint8Array,
  at: number,
  n: number,
  previous: number,
  docs: Uint32Array,
  freqs: Uint32Array | undefined,
): number {
  if (at >= bytes.length) throw new CorruptionError("Cannot decode postings tail: it passes the end");
  const header = bytes[at++]!;
  const docWidth = header & 31;
  let freqWidth = header >>> 5;
  if (freqWidth === 7) {
    freqWidth = bytes[at++] ?? 0xff;
    if (freqWidth > 31) {
      throw new CorruptionError(`Cannot decode postings tail: ${freqWidth} bits a frequency`);
    }
  }
  at = unpackStream(bytes, at, n, docWidth, docs);
  let doc = previous;
  for (let i = 0; i < n; i++) {
    doc = (doc + docs[i]! + 1) | 0;
    docs[i] = doc;
  }
  if (freqs === undefined) return at + bytesOfBits(n * freqWidth);
  at = unpackStream(bytes, at, n, freqWidth, freqs);
  for (let i = 0; i < n; i++) freqs[i] = freqs[i]! + 1;
  return at;
}

/** Width of the widest of values[0, n). */
export function widthOf(values: Uint32Array, n: number): number {
  let all = 0;
  for (let i = 0; i < n; i++) all |= values[i]!;
  return bitsOf(all);
}
