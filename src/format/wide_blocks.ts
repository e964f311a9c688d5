/**
 * Blocks of up to 128 signed 64-bit integers whose column spans more than 2^53: residuals above the block's
 * minimum, which is in its zone, packed at 0 to 64 bits. Spec: `docs/FORMAT.md`, "Wide block".
 *
 * @module
 */
import type { ByteWriter } from "../base/bytes.ts";
import { BLOCK_VALUES, packBits, unpackBits } from "./bitpack.ts";

const low = new Uint32Array(BLOCK_VALUES);
const high = new Uint32Array(BLOCK_VALUES);
const words = new Int32Array(2 * BLOCK_VALUES + 2);
const wordBytes = new Uint8Array(words.buffer);

/** Appends values[0, n), then zero bytes up to a multiple of 8. */
export function encodeWideBlock(
  values: BigInt64Array,
  n: number,
  { min, width }: { readonly min: bigint; readonly width: number },
  out: ByteWriter,
): void {
  for (let i = 0; i < n; i++) {
    const r = BigInt.asUintN(64, values[i]! - min);
    low[i] = Number(r & 0xffff_ffffn);
    high[i] = Number(r >> 32n);
  }
  let end = packBits(low, n, Math.min(width, 32), words, 0);
  if (width > 32) end = packBits(high, n, width - 32, words, end);
  if ((end & 1) !== 0) words[end++] = 0;
  out.append(wordBytes.subarray(0, end * 4));
}

/** Decodes the block of n values at `words[at]` into out[to, to + n). */
export function decodeWideBlock(
  words: Int32Array,
  place: { readonly at: number; readonly width: number; readonly n: number; readonly min: bigint },
  out: BigInt64Array,
  to: number,
): void {
  const { at, width, n, min } = place;
  unpackBits(words, at, Math.min(width, 32), n, low);
  if (width > 32) unpackBits(words, at + n, width - 32, n, high);
  else high.fill(0);
  // 64-bit sums in 32-bit halves: a bigint a value would be an allocation a value.
  const halves = new Int32Array(out.buffer, out.byteOffset, out.length * 2);
  const minLow = Number(BigInt.asUintN(32, min));
  const minHigh = Number(BigInt.asIntN(32, min >> 32n));
  for (let i = 0; i < n; i++) {
    const sum = minLow + low[i]!;
    halves[2 * (to + i)] = sum | 0;
    halves[2 * (to + i) + 1] = (minHigh + high[i]! + (sum >= 0x1_0000_0000 ? 1 : 0)) | 0;
  }
}
