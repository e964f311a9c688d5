/**
 * Dictionary blocks: up to 32 terms in byte order, front-coded, each with where its postings lie.
 * Spec: `docs/FORMAT.md`, "Dictionary block".
 *
 * A block of n terms:
 *
 *      varint  lengthMin    shortest term
 *      varint  prefixMin    shortest of the prefixes that terms share with the one before; terms 1 to n - 1
 *      u8      lengthWidth
 *      u8      prefixWidth  with bit 7 set when every term occurs once: docFreqs and excess are left out
 *      varint  postingsAt   where the first list may begin; dictionaries with postings
 *      varint  positionsAt  where the first chunk begins; dictionaries with positions
 *      bits                 one stream (`postings_bits.ts`):
 *        lengths   n times lengthWidth bits: length - lengthMin
 *        prefixes  n - 1 times prefixWidth bits: prefix - prefixMin
 *        suffixes  the bytes behind the prefixes, term after term: codeBits bits each, positions in the
 *                  dictionary's alphabet
 *        docFreqs  n exp-Golomb codes of order 0: docFreq - 1
 *        excess    n exp-Golomb codes of order 0: totalTermFreq - docFreq; dictionaries with frequencies
 *        inline    for each term with docFreq <= 2 its docs, docBits bits each, and when docFreq is 2 and the excess
 *                  is not 0, an exp-Golomb code of order 0: first frequency - 1
 *        lists     for each other term an exp-Golomb code of order 3: bytes of the list
 *        chunks    n exp-Golomb codes of order 1: bytes of the positions; dictionaries with positions
 *
 * A list of 128 docs or more begins at the next multiple of 4 behind the list before.
 *
 * @module
 */
import type { ByteWriter } from "../base/bytes.ts";
import { CorruptionError } from "../base/errors.ts";
import {
  afterGolomb,
  afterVarint,
  bitsOf,
  BitWriter,
  readBits,
  readGammas,
  readGolomb,
  readVarint,
} from "./postings_bits.ts";
import { INLINE_DOCS_MAX } from "./postings_list.ts";
import { BLOCK_SIZE } from "./postings_packed.ts";

export const TERMS_PER_BLOCK = 32;
/** Longest term, in bytes. */
export const TERM_BYTES_MAX = 32766;
/** `readBits` looks this far past a stream: so many bytes lie behind the last block. */
export const BLOCK_SLACK_BYTES = 8;

/** Flag in the byte of prefixWidth. */
const UNIQUE = 0x80;

/** Bytes as their own codes. */
const BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);

/** What all blocks of a dictionary have in common. */
export interface TermBlockLayout {
  readonly postings: boolean;
  readonly freqs: boolean;
  readonly positions: boolean;
  /** Bits a doc id. */
  readonly docBits: number;
  /** The bytes that occur in terms, ascending; their positions are the codes. Zeros up to 256 entries. */
  readonly alphabet: Uint8Array;
  /** Bits a code; 8: bytes are their own codes. */
  readonly codeBits: number;
}

/** Bits a code for an alphabet of `size` bytes. */
export function codeBitsOf(size: number): number {
  return size <= 1 ? 0 : bitsOf(size - 1);
}

/** Length of the longest prefix that a[0, aLength) and b[bStart, bEnd) share. */
export function sharedPrefix(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const n = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < n; i++) if (a[aStart + i] !== b[bStart + i]) return i;
  return n;
}

/** A term's numbers, as the dictionary keeps them. */
export interface StoredTerm {
  readonly docFreq: number;
  readonly totalTermFreq: number;
  /** Postings of a term with docFreq up to INLINE_DOCS_MAX; ignored for others. */
  readonly inlineDocs: Uint32Array;
  readonly inlineFreqs: Uint32Array;
  /** Bytes of the list and of its positions, without padding before them. */
  readonly postingsBytes: number;
  readonly positionsBytes: number;
}

/** Collects up to 32 terms and writes them as a block. */
export class TermBlockEncoder {
  readonly #layout: TermBlockLayout;
  readonly #codes = new Uint8Array(256);
  #terms = new Uint8Array(4096);
  /** Term i is #terms[#starts[i], #starts[i + 1]). */
  readonly #starts = new Uint32Array(TERMS_PER_BLOCK + 1);
  readonly #prefixes = new Uint32Array(TERMS_PER_BLOCK);
  readonly #docFreqs = new Uint32Array(TERMS_PER_BLOCK);
  readonly #excesses = new Float64Array(TERMS_PER_BLOCK);
  readonly #inlineDocs = new Uint32Array(TERMS_PER_BLOCK * INLINE_DOCS_MAX);
  readonly #firstFreqs = new Uint32Array(TERMS_PER_BLOCK);
  readonly #listBytes = new Float64Array(TERMS_PER_BLOCK);
  readonly #chunkBytes = new Float64Array(TERMS_PER_BLOCK);
  readonly #bits = new BitWriter();
  /** Terms added since the last `flush`. */
  count = 0;

  constructor(layout: TermBlockLayout) {
    this.#layout = layout;
    // Entries behind the alphabet's last are 0: of equal bytes the first code counts.
    for (let code = layout.alphabet.length - 1; code >= 0; code--) this.#codes[layout.alphabet[code]!] = code;
  }

  /** Adds the term bytes[start, end), greater than the one before; there is room for 32. */
  add(bytes: Uint8Array, start: number, end: number, entry: StoredTerm): void {
    const i = this.count++;
    const at = this.#starts[i]!;
    const need = at + end - start;
    if (need > this.#terms.length) {
      const grown = new Uint8Array(need * 2);
      grown.set(this.#terms.subarray(0, at));
      this.#terms = grown;
    }
    const terms = this.#terms;
    this.#prefixes[i] = i === 0 ? 0 : sharedPrefix(terms, this.#starts[i - 1]!, at, bytes, start, end);
    for (let from = start, to = at; from < end; from++, to++) terms[to] = bytes[from]!;
    this.#starts[i + 1] = need;
    this.#docFreqs[i] = entry.docFreq;
    this.#excesses[i] = entry.totalTermFreq - entry.docFreq;
    this.#inlineDocs[2 * i] = entry.inlineDocs[0]!;
    this.#inlineDocs[2 * i + 1] = entry.inlineDocs[1]!;
    this.#firstFreqs[i] = entry.inlineFreqs[0]!;
    this.#listBytes[i] = entry.postingsBytes;
    this.#chunkBytes[i] = entry.positionsBytes;
  }

  /** Appends the block and starts the next; the arguments are the places before the first term's lists. */
  flush(out: ByteWriter, postingsAt: number, positionsAt: number): void {
    const n = this.count;
    const { postings, freqs, positions, docBits, codeBits } = this.#layout;
    const starts = this.#starts;
    let lengthMin = TERM_BYTES_MAX;
    let lengthMax = 0;
    let prefixMin = n === 1 ? 0 : TERM_BYTES_MAX;
    let prefixMax = 0;
    for (let i = 0; i < n; i++) {
      const length = starts[i + 1]! - starts[i]!;
      lengthMin = Math.min(lengthMin, length);
      lengthMax = Math.max(lengthMax, length);
      if (i === 0) continue;
      prefixMin = Math.min(prefixMin, this.#prefixes[i]!);
      prefixMax = Math.max(prefixMax, this.#prefixes[i]!);
    }
    const lengthWidth = bitsOf(lengthMax - lengthMin);
    const prefixWidth = n === 1 ? 0 : bitsOf(prefixMax - prefixMin);
    out.varint(lengthMin);
    out.varint(prefixMin);
    let isUnique = true;
    for (let i = 0; i < n; i++) {
      if (this.#docFreqs[i] !== 1 || this.#excesses[i] !== 0) isUnique = false;
    }
    out.u8(lengthWidth);
    out.u8(prefixWidth | (isUnique ? UNIQUE : 0));
    if (postings) out.varint(postingsAt);
    if (positions) out.varint(positionsAt);
    const bits = this.#bits;
    bits.clear();
    for (let i = 0; i < n; i++) bits.put(lengthWidth, starts[i + 1]! - starts[i]! - lengthMin);
    for (let i = 1; i < n; i++) bits.put(prefixWidth, this.#prefixes[i]! - prefixMin);
    for (let i = 0; i < n; i++) {
      const end = starts[i + 1]!;
      bits.putCodes(
        codeBits,
        codeBits === 8 ? BYTES : this.#codes,
        this.#terms,
        starts[i]! + this.#prefixes[i]!,
        end,
      );
    }
    if (!isUnique) {
      for (let i = 0; i < n; i++) bits.golomb(0, this.#docFreqs[i]! - 1);
      if (freqs) { for (let i = 0; i < n; i++) bits.golomb(0, this.#excesses[i]!); }
    }
    if (postings) {
      for (let i = 0; i < n; i++) {
        const docFreq = this.#docFreqs[i]!;
        if (docFreq > INLINE_DOCS_MAX) continue;
        for (let d = 0; d < docFreq; d++) bits.put(docBits, this.#inlineDocs[2 * i + d]!);
        if (freqs && docFreq === 2 && this.#excesses[i]! > 0) bits.golomb(0, this.#firstFreqs[i]! - 1);
      }
      for (let i = 0; i < n; i++) {
        if (this.#docFreqs[i]! > INLINE_DOCS_MAX) bits.golomb(3, this.#listBytes[i]!);
      }
    }
    if (positions) { for (let i = 0; i < n; i++) bits.golomb(1, this.#chunkBytes[i]!); }
    out.append(bits.bytes());
    this.count = 0;
  }
}

/** A block that was opened for reading; reused from block to block. */
export class TermBlock {
  /** Which block of the dictionary this is; -1: none. */
  index = -1;
  /** Terms in the block. */
  count = 0;
  bytes: Uint8Array = new Uint8Array(0);
  readonly lengths: Uint32Array = new Uint32Array(TERMS_PER_BLOCK);
  readonly prefixes: Uint32Array = new Uint32Array(TERMS_PER_BLOCK);
  /** Bit at which a term's suffix begins; [count] is the end. */
  readonly suffixes: Uint32Array = new Uint32Array(TERMS_PER_BLOCK + 1);
  /** Whether the arrays below are filled. */
  hasNumbers = false;
  readonly docFreqs: Uint32Array = new Uint32Array(TERMS_PER_BLOCK);
  readonly totalTermFreqs: Uint32Array = new Uint32Array(TERMS_PER_BLOCK);
  /** Bit at which a term's inlined docs begin, and the frequency of the first. */
  readonly inlineAt: Uint32Array = new Uint32Array(TERMS_PER_BLOCK);
  readonly firstFreqs: Uint32Array = new Uint32Array(TERMS_PER_BLOCK);
  /** Where a list lies in the postings run, and its bytes; 0 bytes where inlined. */
  readonly postingsAt: Float64Array = new Float64Array(TERMS_PER_BLOCK);
  readonly postingsBytes: Float64Array = new Float64Array(TERMS_PER_BLOCK);
  readonly positionsAt: Float64Array = new Float64Array(TERMS_PER_BLOCK);
  readonly positionsBytes: Float64Array = new Float64Array(TERMS_PER_BLOCK);

  #layout: TermBlockLayout | undefined;
  #end = 0;
  #firstPosting = 0;
  #firstPosition = 0;
  #isUnique = false;

  /**
   * Opens bytes[at, end), which holds `count` terms; the slack lies behind.
   *
   * @throws {CorruptionError} Prefixes exceed terms, or suffixes pass the end.
   */
  open(bytes: Uint8Array, at: number, end: number, count: number, layout: TermBlockLayout): void {
    this.index = -1;
    this.hasNumbers = false;
    this.#layout = layout;
    this.#end = end;
    this.bytes = bytes;
    this.count = count;
    const lengthMin = readVarint(bytes, at);
    at = afterVarint();
    const prefixMin = readVarint(bytes, at);
    at = afterVarint();
    const lengthWidth = bytes[at]!;
    const prefixWidth = bytes[at + 1]! & ~UNIQUE;
    this.#isUnique = (bytes[at + 1]! & UNIQUE) !== 0;
    at += 2;
    if (layout.postings) {
      this.#firstPosting = readVarint(bytes, at);
      at = afterVarint();
    }
    if (layout.positions) {
      this.#firstPosition = readVarint(bytes, at);
      at = afterVarint();
    }
    if (lengthWidth > 15 || prefixWidth > 15 || at > end) throw corruptBlock("widths");
    let lengthBit = at * 8;
    let prefixBit = lengthBit + count * lengthWidth;
    let suffixBit = prefixBit + (count - 1) * prefixWidth;
    const { lengths, prefixes, suffixes } = this;
    const codeBits = layout.codeBits;
    let before = 0;
    for (let i = 0; i < count; i++) {
      const length = lengthMin + readBits(bytes, lengthBit, lengthWidth);
      lengthBit += lengthWidth;
      let prefix = 0;
      if (i > 0) {
        prefix = prefixMin + readBits(bytes, prefixBit, prefixWidth);
        prefixBit += prefixWidth;
      }
      if (length > TERM_BYTES_MAX || prefix > before || prefix > length) throw corruptBlock("lengths");
      lengths[i] = length;
      prefixes[i] = prefix;
      suffixes[i] = suffixBit;
      suffixBit += (length - prefix) * codeBits;
      before = length;
    }
    suffixes[count] = suffixBit;
    if (suffixBit > end * 8) throw corruptBlock("suffixes");
  }

  /**
   * Number of terms below `target`: the first that is not, or `count`. `exact` tells whether that one equals it.
   */
  search(target: Uint8Array): number {
    const { lengths, prefixes, suffixes, bytes, count } = this;
    const { alphabet, codeBits } = this.#layout!;
    this.exact = false;
    // How much of the target the term before shares; it is below the target.
    let matched = 0;
    for (let i = 0; i < count; i++) {
      const prefix = prefixes[i]!;
      if (prefix > matched) continue;
      if (prefix < matched) return i;
      const length = lengths[i]!;
      const end = Math.min(length, target.length);
      let bit = suffixes[i]!;
      let at = prefix;
      let order = 0;
      if (codeBits === 8) {
        for (; at < end; at++, bit += 8) {
          order = (bytes[bit >>> 3]! | (bytes[(bit >>> 3) + 1]! << 8)) >>> (bit & 7) & 0xff;
          order -= target[at]!;
          if (order !== 0) break;
        }
      } else {
        const mask = (1 << codeBits) - 1;
        for (; at < end; at++, bit += codeBits) {
          const code = (bytes[bit >>> 3]! | (bytes[(bit >>> 3) + 1]! << 8)) >>> (bit & 7) & mask;
          order = alphabet[code]! - target[at]!;
          if (order !== 0) break;
        }
      }
      if (order > 0) return i;
      if (order === 0 && at === target.length) {
        this.exact = length === at;
        return i;
      }
      matched = at;
    }
    return count;
  }

  /** Whether the term that `search` returned last equals its target. */
  exact = false;

  /** Puts term i into `out`, which has room for it. */
  copyTerm(i: number, out: Uint8Array): void {
    // A term's bytes come from itself behind its prefix, and before that from the last terms that reach so far.
    let need = this.lengths[i]!;
    for (let j = i; need > 0; j--) {
      const prefix = this.prefixes[j]!;
      if (prefix >= need) continue;
      this.#copy(j, prefix, need, out);
      need = prefix;
    }
  }

  /** Puts term i into `out`, which holds term i - 1. */
  copySuffix(i: number, out: Uint8Array): void {
    this.#copy(i, this.prefixes[i]!, this.lengths[i]!, out);
  }

  /** Bytes [prefix of term i, end) of term i. */
  #copy(i: number, prefix: number, end: number, out: Uint8Array): void {
    const { bytes } = this;
    const { alphabet, codeBits } = this.#layout!;
    let bit = this.suffixes[i]!;
    const mask = (1 << codeBits) - 1;
    for (let at = prefix; at < end; at++, bit += codeBits) {
      const code = ((bytes[bit >>> 3]! | (bytes[(bit >>> 3) + 1]! << 8)) >>> (bit & 7)) & mask;
      out[at] = codeBits === 8 ? code : alphabet[code]!;
    }
  }

  /** Inlined doc d of term i, after `readNumbers`; 0 where there is none. */
  inlineDoc(i: number, d: number): number {
    const layout = this.#layout!;
    const docFreq = this.docFreqs[i]!;
    if (!layout.postings || d >= docFreq || docFreq > INLINE_DOCS_MAX) return 0;
    return readBits(this.bytes, this.inlineAt[i]! + d * layout.docBits, layout.docBits);
  }

  /**
   * Decodes the numbers of all terms.
   *
   * @throws {CorruptionError} They pass the end of the block, or a docFreq exceeds `docCount`.
   */
  readNumbers(docCount: number): void {
    if (this.hasNumbers) return;
    const layout = this.#layout!;
    const { bytes, count, docFreqs, totalTermFreqs } = this;
    let bit = this.suffixes[count]!;
    if (this.#isUnique) {
      docFreqs.fill(1, 0, count);
      totalTermFreqs.fill(1, 0, count);
    } else {
      readGammas(bytes, bit, count, docFreqs);
      bit = afterGolomb();
      if (layout.freqs) readGammas(bytes, bit, count, totalTermFreqs);
      else totalTermFreqs.fill(0, 0, count);
      if (layout.freqs) bit = afterGolomb();
      for (let i = 0; i < count; i++) {
        const docFreq = docFreqs[i]! + 1;
        if (docFreq > docCount && layout.postings) throw corruptBlock("docFreqs");
        docFreqs[i] = docFreq;
        totalTermFreqs[i] = totalTermFreqs[i]! + docFreq;
      }
    }
    if (layout.postings) {
      const docBits = layout.docBits;
      const { inlineAt, firstFreqs, postingsAt, postingsBytes } = this;
      for (let i = 0; i < count; i++) {
        const docFreq = docFreqs[i]!;
        inlineAt[i] = bit;
        if (docFreq > INLINE_DOCS_MAX) continue;
        bit += docFreq * docBits;
        const total = totalTermFreqs[i]!;
        firstFreqs[i] = docFreq === 1 ? total : 1;
        if (docFreq === 2 && total > 2) {
          firstFreqs[i] = readGolomb(bytes, bit, 0) + 1;
          bit = afterGolomb();
          if (firstFreqs[i]! >= total) throw corruptBlock("frequencies");
        }
      }
      let at = this.#firstPosting;
      for (let i = 0; i < count; i++) {
        postingsAt[i] = at;
        postingsBytes[i] = 0;
        const docFreq = docFreqs[i]!;
        if (docFreq <= INLINE_DOCS_MAX) continue;
        if (docFreq >= BLOCK_SIZE) postingsAt[i] = at = Math.ceil(at / 4) * 4;
        at += postingsBytes[i] = readGolomb(bytes, bit, 3);
        bit = afterGolomb();
      }
    }
    if (layout.positions) {
      let at = this.#firstPosition;
      for (let i = 0; i < count; i++) {
        this.positionsAt[i] = at;
        const size = readGolomb(bytes, bit, 1);
        bit = afterGolomb();
        this.positionsBytes[i] = size;
        at += size;
      }
    }
    if (bit > this.#end * 8) throw corruptBlock("numbers");
    this.hasNumbers = true;
  }
}

function corruptBlock(what: string): CorruptionError {
  return new CorruptionError(`Cannot decode dictionary block: its ${what} are impossible`);
}
