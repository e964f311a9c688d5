/**
 * External ids of documents: front-coded blocks in doc order, and a hash index from id to doc.
 * Spec: `docs/FORMAT.md`, "Id block", "Id hash index", "Tombstones".
 *
 * An id block holds ID_BLOCK_DOCS ids (fewer in the last). For each a token: the bytes that it shares with the id
 * before it and the bytes that follow, in the two halves of a byte (15: more, as a varint behind). Then the bytes
 * that follow, of all ids, as indexes into the segment's alphabet, bit-packed, lowest bit first; zero bits up to a
 * multiple of 4 bytes.
 *
 * The index: bucket of hash h is floor(h * buckets / 2^32). Each bucket's entries lie together, docs ascending;
 * `starts` says where. An entry is the hash's low bits above the doc id.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { CorruptionError } from "../base/errors.ts";
import { bitWidth } from "./bitpack.ts";
import { afterVarint, readVarint } from "./postings_bits.ts";
import { uuidFromBytes, uuidToBytes } from "./uuid_bytes.ts";

export const ID_BLOCK_DOCS = 32;
/** Entries of a bucket, on average. */
const BUCKET_ENTRIES = 16;
/** Hash bits kept in an entry, where there is room: 1 in 256 wrong entries is looked at. */
const FINGERPRINT_BITS = 8;

/** Shape of the ids and their index; in the directory of `segment.ids`. */
export interface IdsMeta {
  readonly docCount: number;
  /** Bytes that occur in ids, ascending; empty when they take 8 bits each anyway. */
  readonly alphabet: Uint8Array;
  readonly buckets: number;
  readonly docBits: number;
  readonly fingerprintBits: number;
  /** Bits of a bucket's start. */
  readonly startBits: number;
}

export function idsMeta(docCount: number, used: Uint8Array): IdsMeta {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => used[byte] !== 0);
  const docBits = docCount <= 1 ? 0 : bitWidth(docCount - 1);
  return {
    docCount,
    alphabet: all.length > 128 ? new Uint8Array(0) : all,
    buckets: Math.ceil(docCount / BUCKET_ENTRIES),
    docBits,
    fingerprintBits: Math.min(FINGERPRINT_BITS, 32 - docBits),
    startBits: bitWidth(docCount),
  };
}

/** Bits of a byte of an id. */
export function codeBitsOf({ alphabet }: IdsMeta): number {
  return alphabet.length === 0 ? 8 : Math.max(1, bitWidth(alphabet.length - 1));
}

export function encodeIdsMeta(meta: IdsMeta, out: ByteWriter): void {
  out.u32(meta.docCount);
  out.u32(meta.buckets);
  out.u8(meta.docBits);
  out.u8(meta.fingerprintBits);
  out.u8(meta.startBits);
  out.u8(meta.alphabet.length);
  out.append(meta.alphabet);
}

/** @throws {CorruptionError} Sizes contradict each other. */
export function decodeIdsMeta(reader: ByteReader): IdsMeta {
  const docCount = reader.u32();
  const buckets = reader.u32();
  const docBits = reader.u8();
  const fingerprintBits = reader.u8();
  const startBits = reader.u8();
  const alphabet = reader.take(reader.u8()).slice();
  if (docBits > 31 || docBits + fingerprintBits > 32 || startBits > 32 || (docCount > 0) !== (buckets > 0)) {
    throw new CorruptionError("Cannot decode ids: sizes contradict each other");
  }
  return { docCount, alphabet, buckets, docBits, fingerprintBits, startBits };
}

/** FNV-1a over the bytes, then MurmurHash3's finaliser, as an unsigned 32-bit integer. */
export function hashId(bytes: Uint8Array, start: number, end: number): number {
  let h = 0x811c9dc5;
  for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export function bucketOf(hash: number, buckets: number): number {
  return Math.floor((hash * buckets) / 0x1_0000_0000);
}

/** What an index entry holds, above `docBits` bits of doc. */
export function fingerprintOf(hash: number, bits: number): number {
  return bits === 0 ? 0 : (hash & ((1 << bits) - 1)) >>> 0;
}

/** Collects ids into blocks. */
export class IdBlockEncoder {
  readonly #codes = new Uint8Array(256);
  readonly #bits: number;
  readonly #tokens = new ByteWriter(256);
  readonly #packed = new ByteWriter(1024);
  #last = new Uint8Array(64);
  #lastLength = 0;
  #held = 0;
  #heldBits = 0;
  count = 0;

  constructor(meta: IdsMeta) {
    this.#bits = codeBitsOf(meta);
    for (let byte = 0; byte < 256; byte++) this.#codes[byte] = byte;
    for (let i = 0; i < meta.alphabet.length; i++) this.#codes[meta.alphabet[i]!] = i;
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > this.#last.length) {
      const grown = new Uint8Array(length * 2);
      grown.set(this.#last);
      this.#last = grown;
    }
    const last = this.#last;
    const most = Math.min(length, this.#lastLength);
    let shared = 0;
    while (shared < most && last[shared] === bytes[start + shared]) shared++;
    const rest = length - shared;
    this.#tokens.u8((Math.min(shared, 15) << 4) | Math.min(rest, 15));
    if (shared >= 15) this.#tokens.varint(shared - 15);
    if (rest >= 15) this.#tokens.varint(rest - 15);
    const out = this.#packed.reserve(rest + 1);
    let at = this.#packed.length;
    let held = this.#held;
    let heldBits = this.#heldBits;
    for (let i = shared; i < length; i++) {
      const byte = bytes[start + i]!;
      last[i] = byte;
      held |= this.#codes[byte]! << heldBits;
      heldBits += this.#bits;
      if (heldBits >= 8) {
        out[at++] = held;
        held >>>= 8;
        heldBits -= 8;
      }
    }
    this.#packed.advance(at - this.#packed.length);
    this.#held = held;
    this.#heldBits = heldBits;
    this.#lastLength = length;
    this.count++;
  }

  /** Appends the block and starts the next one. */
  finish(out: ByteWriter): void {
    if (this.#heldBits > 0) this.#packed.u8(this.#held);
    out.append(this.#tokens.bytes());
    out.append(this.#packed.bytes());
    out.align(4);
    this.#tokens.clear();
    this.#packed.clear();
    this.#held =
      this.#heldBits =
      this.#lastLength =
      this.count =
        0;
  }
}

/** Decodes ids out of blocks; reused from call to call. */
export class IdBlockDecoder {
  readonly #alphabet = new Uint8Array(256);
  readonly #bits: number;
  readonly #shared = new Uint32Array(ID_BLOCK_DOCS);
  readonly #rest = new Uint32Array(ID_BLOCK_DOCS);
  /** Ids that `decodeAll` found, one after another: id i ends at ends[i]. */
  all: Uint8Array = new Uint8Array(ID_BLOCK_DOCS * 32);
  readonly ends: Uint32Array = new Uint32Array(ID_BLOCK_DOCS);
  /** The id that `decode` found: [0, length) is used. */
  bytes = new Uint8Array(64);
  length = 0;

  constructor(meta: IdsMeta) {
    this.#bits = codeBitsOf(meta);
    for (let byte = 0; byte < 256; byte++) this.#alphabet[byte] = byte;
    this.#alphabet.set(meta.alphabet);
  }

  /** Decodes all `count` ids of a block into `all` and `ends`. */
  decodeAll(block: Uint8Array, count: number): void {
    const rests = this.#rest;
    const shareds = this.#shared;
    let at = 0;
    for (let i = 0; i < count; i++) {
      const token = block[at++]!;
      shareds[i] = token >>> 4;
      rests[i] = token & 15;
      if (token < 0xf0 && (token & 15) < 15) continue;
      if (shareds[i] === 15) {
        shareds[i] = 15 + readVarint(block, at);
        at = afterVarint();
      }
      if (rests[i] === 15) {
        rests[i] = 15 + readVarint(block, at);
        at = afterVarint();
      }
    }
    const bits = this.#bits;
    const mask = (1 << bits) - 1;
    const alphabet = this.#alphabet;
    let held = 0;
    let heldBits = 0;
    let start = 0;
    let previous = 0;
    for (let i = 0; i < count; i++) {
      const shared = shareds[i]!;
      const length = shared + rests[i]!;
      if (shared > previous || length > block.length * 8 + previous) {
        throw new CorruptionError("Cannot decode id block: lengths leave the block");
      }
      const from = start - previous;
      if (start + length > this.all.length) this.#growAll(start + length);
      const all = this.all;
      for (let k = 0; k < shared; k++) all[start + k] = all[from + k]!;
      for (let k = shared; k < length; k++) {
        if (heldBits < bits) {
          held |= block[at++]! << heldBits;
          heldBits += 8;
        }
        all[start + k] = alphabet[held & mask]!;
        held >>>= bits;
        heldBits -= bits;
      }
      previous = length;
      start += length;
      this.ends[i] = start;
    }
    if (at > block.length) throw new CorruptionError("Cannot decode id block: ids pass its end");
  }

  #growAll(length: number): void {
    const grown = new Uint8Array(length * 2);
    grown.set(this.all);
    this.all = grown;
  }

  /** Decodes id `which` of a block of `count` ids. */
  decode(block: Uint8Array, count: number, which: number): void {
    const reader = new ByteReader(block);
    for (let i = 0; i < count; i++) {
      const token = reader.u8();
      this.#shared[i] = token >>> 4 === 15 ? 15 + reader.varint() : token >>> 4;
      this.#rest[i] = (token & 15) === 15 ? 15 + reader.varint() : token & 15;
    }
    let at = reader.position;
    let held = 0;
    let heldBits = 0;
    const mask = (1 << this.#bits) - 1;
    let previous = 0;
    for (let i = 0; i <= which; i++) {
      const shared = this.#shared[i]!;
      const length = shared + this.#rest[i]!;
      if (shared > previous || length > block.length * 8 + previous) {
        throw new CorruptionError("Cannot decode id block: lengths leave the block");
      }
      if (length > this.bytes.length) this.#grow(length);
      for (let k = shared; k < length; k++) {
        if (heldBits < this.#bits) {
          held |= block[at++]! << heldBits;
          heldBits += 8;
        }
        this.bytes[k] = this.#alphabet[held & mask]!;
        held >>>= this.#bits;
        heldBits -= this.#bits;
      }
      previous = length;
    }
    this.length = previous;
  }

  #grow(length: number): void {
    const grown = new Uint8Array(length * 2);
    grown.set(this.bytes);
    this.bytes = grown;
  }
}

/** Deletes that a segment carries for one older segment. */
export interface TombstoneList {
  /** Number of the older segment. */
  readonly segment: number;
  readonly uuid: string;
  /** Ascending. */
  readonly docs: Uint32Array;
}

export function encodeTombstones(lists: readonly TombstoneList[]): Uint8Array {
  const out = new ByteWriter();
  out.varint(lists.length);
  for (const { segment, uuid, docs } of lists) {
    out.varint(segment);
    out.append(uuidToBytes(uuid));
    out.varint(docs.length);
    let next = 0;
    for (const doc of docs) {
      out.varint(doc - next);
      next = doc + 1;
    }
  }
  return out.toBytes();
}

/** @throws {CorruptionError} The bytes are not lists of ascending doc ids. */
export function decodeTombstones(bytes: Uint8Array): TombstoneList[] {
  const reader = new ByteReader(bytes);
  const lists: TombstoneList[] = [];
  const count = reader.varint();
  for (let i = 0; i < count; i++) {
    const segment = reader.varint();
    const uuid = uuidFromBytes(reader.take(16));
    const docCount = reader.varint();
    if (docCount > reader.remaining) {
      throw new CorruptionError(`Cannot decode tombstones: ${docCount} docs in ${reader.remaining} bytes`);
    }
    const docs = new Uint32Array(docCount);
    let next = 0;
    for (let d = 0; d < docCount; d++) {
      docs[d] = next + reader.varint();
      next = docs[d]! + 1;
    }
    lists.push({ segment, uuid, docs });
  }
  if (reader.remaining !== 0) throw new CorruptionError("Cannot decode tombstones: bytes left over");
  return lists;
}
