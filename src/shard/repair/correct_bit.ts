/**
 * Which bit has turned over? A CRC-32 tells not only that bytes have changed but, where it was one bit, which: each
 * position leaves a difference of its own. Whether it was one bit, the SHA-256 of the whole file proves: nothing is
 * believed without it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { ByteReader } from "../../base/bytes.ts";
import { crc32 } from "../../base/crc.ts";
import { FOOTER_BYTES, SEGMENT_MAGIC } from "../../format/container.ts";
import type { ManifestFile } from "../../format/manifest.ts";
import { isSealed } from "./sealed_bit.ts";
import type { FileSystem, OpenFile } from "../../os/fs.ts";
import { PAGE_BYTES } from "../../segment/file_view.ts";

/** A bit that is not what it was. */
export interface TurnedBit {
  readonly offset: number;
  /** 0 is the lowest. */
  readonly bit: number;
}

/** More places than that are no stray bits. */
const MAX_BITS = 64;
const PIECE_BYTES = 64 * PAGE_BYTES;

/**
 * The bits of a segment's file that have to be turned back, at most one under each checksum.
 *
 * @returns Undefined: that is not what is wrong with it. Empty: nothing is.
 * @throws {IoError}
 */
export function turnedBits(fs: FileSystem, path: string, expected: ManifestFile): TurnedBit[] | undefined {
  const file = fs.openRead(path);
  try {
    if (file.size() !== expected.sizeBytes || expected.sizeBytes < 2 * FOOTER_BYTES) return undefined;
    const bits = candidates(file, expected.sizeBytes);
    return bits && digestWith(file, expected.sizeBytes, bits) === expected.sha256 ? bits : undefined;
  } finally {
    file.close();
  }
}

function candidates(file: OpenFile, sizeBytes: number): TurnedBit[] | undefined {
  const footerAt = sizeBytes - FOOTER_BYTES;
  const footer = read(file, footerAt, FOOTER_BYTES);
  const bits: TurnedBit[] = [];
  const inFooter = bitOfFooter(footer);
  if (inFooter === undefined) return undefined;
  if (inFooter) {
    bits.push({ offset: footerAt + inFooter.offset, bit: inFooter.bit });
    footer[inFooter.offset]! ^= 1 << inFooter.bit;
  }
  const reader = new ByteReader(footer);
  const bodyBytes = reader.u32() + reader.u32() * 0x1_0000_0000;
  const [tableCrc, directoryCrc, directoryBytes] = [reader.u32(), reader.u32(), reader.u32()];
  const tableBytes = Math.ceil(bodyBytes / PAGE_BYTES) * 4;
  if (bodyBytes + tableBytes + directoryBytes !== footerAt) return undefined;
  const check = (bytes: Uint8Array, at: number, stored: number): boolean => {
    const actual = crc32(bytes);
    if (actual === stored) return true;
    const found = bitBehind(bytes.length, (actual ^ stored) >>> 0);
    if (!found || bits.length >= MAX_BITS) return false;
    bits.push({ offset: at + found.offset, bit: found.bit });
    bytes[found.offset]! ^= 1 << found.bit;
    return true;
  };
  const table = read(file, bodyBytes, tableBytes);
  if (!check(table, bodyBytes, tableCrc)) return undefined;
  if (!check(read(file, bodyBytes + tableBytes, directoryBytes), bodyBytes + tableBytes, directoryCrc)) {
    return undefined;
  }
  const pageCrcs = new DataView(table.buffer, table.byteOffset, tableBytes);
  for (let at = 0, page = 0; at < bodyBytes; at += PAGE_BYTES, page++) {
    const bytes = read(file, at, Math.min(PAGE_BYTES, bodyBytes - at));
    if (!check(bytes, at, pageCrcs.getUint32(page * 4, true))) return undefined;
  }
  return bits;
}

/** @returns Null: the footer is right. Undefined: more than a bit of it is wrong. */
function bitOfFooter(footer: Uint8Array): TurnedBit | null | undefined {
  const isRight = () =>
    new ByteReader(footer, FOOTER_BYTES - 4).u32() === crc32(footer.subarray(0, FOOTER_BYTES - 4)) &&
    SEGMENT_MAGIC.every((byte, i) => footer[FOOTER_BYTES - 12 + i] === byte);
  if (isRight()) return null;
  for (let offset = 0; offset < FOOTER_BYTES; offset++) {
    for (let bit = 0; bit < 8; bit++) {
      footer[offset]! ^= 1 << bit;
      const found = isRight();
      footer[offset]! ^= 1 << bit;
      if (found) return { offset, bit };
    }
  }
  return undefined;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

/**
 * The one bit of `length` bytes whose turning changes their CRC-32 by `difference`. CRCs are linear: a bit's share
 * depends on its distance from the end alone, and no two within 2^32 bits are alike.
 */
export function bitBehind(length: number, difference: number): TurnedBit | undefined {
  const shares = Uint32Array.from({ length: 8 }, (_, bit) => CRC_TABLE[1 << bit]!);
  for (let offset = length - 1; offset >= 0; offset--) {
    for (let bit = 0; bit < 8; bit++) {
      const share = shares[bit]!;
      if (share === difference) return { offset, bit };
      shares[bit] = CRC_TABLE[share & 0xff]! ^ (share >>> 8);
    }
  }
  return undefined;
}

/** Pieces of a file with bits turned. */
export function* piecesWith(
  file: OpenFile,
  sizeBytes: number,
  bits: readonly TurnedBit[],
): Generator<Uint8Array> {
  for (let at = 0; at < sizeBytes; at += PIECE_BYTES) {
    const bytes = read(file, at, Math.min(PIECE_BYTES, sizeBytes - at));
    for (const { offset, bit } of bits) {
      if (offset >= at && offset < at + bytes.length) bytes[offset - at]! ^= 1 << bit;
    }
    yield bytes;
  }
}

function digestWith(file: OpenFile, sizeBytes: number, bits: readonly TurnedBit[]): string {
  const hash = createHash("sha256");
  for (const piece of piecesWith(file, sizeBytes, bits)) hash.update(piece);
  return hash.digest("hex");
}

function read(file: OpenFile, at: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  return bytes.subarray(0, file.readAt(bytes, at));
}

/** The same for a sealed document, which holds its own digest: every bit is tried. */
export function turnedBitOfSealed(bytes: Uint8Array): TurnedBit | undefined {
  if (bytes.length * bytes.length * 8 > MAX_TRIED_BYTES) return undefined;
  for (let offset = 0; offset < bytes.length; offset++) {
    for (let bit = 0; bit < 8; bit++) {
      bytes[offset]! ^= 1 << bit;
      const found = isSealed(bytes);
      bytes[offset]! ^= 1 << bit;
      if (found) return { offset, bit };
    }
  }
  return undefined;
}

/** Bytes hashed to try every bit of a document: about half a minute. */
const MAX_TRIED_BYTES = 10e9;
