/**
 * Positions of one postings block: a chunk that can be entered at any block of 128 positions.
 * Spec: `docs/FORMAT.md`, "Positions chunk".
 *
 * Positions are stored as deltas within a doc, the first one as it is; docs follow each other without marks, since
 * their frequencies tell how many each has. Of `sum of frequencies` positions, each whole 128 make a block:
 *
 *      0  u8     width       bits a delta (0 to 31)
 *      1  u8     exceptions  (index, high) pairs
 *      2  u16    zero
 *      4  u32[]  deltas      4 * width words in lanes (`postings_packed.ts`)
 *         u8[]   exceptions  zeros up to a multiple of 4
 *
 * Blocks come first, the first 4-byte aligned in the run. The 0 to 127 deltas behind them: up to VARINTS_MAX as
 * varints; more as u8 width and a bit stream.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import type { ByteWriter } from "../base/bytes.ts";
import { afterVarint, readVarint, unpackStream } from "./postings_bits.ts";
import { appendStream, applyExceptions, widthOf } from "./postings_block.ts";
import { BLOCK_SIZE, chooseWidth, packLanes, unpackLanes } from "./postings_packed.ts";

/** Longest remainder that is stored as varints. */
const VARINTS_MAX = 4;

const words = new Int32Array(1 + 4 * 32 + 64);
const wordBytes = new Uint8Array(words.buffer);

/** Appends deltas[0, 128) as a block; the writer stands on an aligned place. */
export function encodePositionBlock(deltas: Uint32Array, out: ByteWriter): void {
  const width = chooseWidth(deltas, BLOCK_SIZE, true);
  packLanes(deltas, width, words, 1);
  let byte = 4 + 16 * width;
  let exceptions = 0;
  for (let i = 0; i < BLOCK_SIZE; i++) {
    const high = deltas[i]! >>> width;
    if (high === 0) continue;
    wordBytes[byte++] = i;
    wordBytes[byte++] = high;
    exceptions++;
  }
  while ((byte & 3) !== 0) wordBytes[byte++] = 0;
  words[0] = width | (exceptions << 8);
  out.append(wordBytes.subarray(0, byte));
}

/** Appends the remainder deltas[0, n), n < 128. */
export function encodePositionTail(deltas: Uint32Array, n: number, out: ByteWriter): void {
  if (n <= VARINTS_MAX) {
    for (let i = 0; i < n; i++) out.varint(deltas[i]!);
    return;
  }
  const width = widthOf(deltas, n);
  out.u8(width);
  appendStream(deltas, n, width, out);
}

/**
 * Words of the position block at block[at].
 *
 * @throws {CorruptionError} The header is impossible, or the block passes the end.
 */
export function positionBlockWords(block: Int32Array, at: number): number {
  if (at >= block.length) throw new CorruptionError("Cannot decode position block: it passes the end");
  const header = block[at]!;
  const width = header & 0xff;
  const exceptions = header >>> 8;
  const size = 1 + 4 * width + ((exceptions + 1) >>> 1);
  if (width > 31 || exceptions > BLOCK_SIZE || at + size > block.length) {
    throw new CorruptionError(`Cannot decode position block: header is 0x${(header >>> 0).toString(16)}`);
  }
  return size;
}

/** Decodes the position block at block[at] into deltas[0, 128); returns the word behind it. */
export function decodePositionBlock(block: Int32Array, at: number, deltas: Uint32Array): number {
  const end = at + positionBlockWords(block, at);
  const width = block[at]! & 0xff;
  const exceptions = block[at]! >>> 8;
  unpackLanes(block, at + 1, width, deltas);
  applyExceptions(block, at + 1 + 4 * width, 0, exceptions, width, deltas);
  return end;
}

/** Decodes the remainder of n deltas at bytes[at]. */
export function decodePositionTail(bytes: Uint8Array, at: number, n: number, deltas: Uint32Array): void {
  if (n <= VARINTS_MAX) {
    for (let i = 0; i < n; i++) {
      const delta = readVarint(bytes, at);
      if (delta > 0x7fff_ffff) throw new CorruptionError("Cannot decode positions: delta exceeds 2^31");
      deltas[i] = delta;
      at = afterVarint();
    }
    return;
  }
  if (at >= bytes.length) throw new CorruptionError("Cannot decode positions: they pass the end");
  const width = bytes[at]!;
  unpackStream(bytes, at + 1, n, width, deltas);
}
