/**
 * Field lengths in one byte: exact up to 39, then four significant bits.
 *
 * Source: Lucene's `SmallFloat.intToByte4` and `byte4ToInt`, since BM25 scores depend on the rounding.
 *
 * @module
 */

const NUM_FREE_VALUES = 255 - longToInt4(0x7fff_ffff);

function longToInt4(value: number): number {
  const bits = 32 - Math.clz32(value);
  if (bits < 4) return value;
  const shift = bits - 4;
  const encoded = (value >>> shift) & 0x07;
  return encoded | ((shift + 1) << 3);
}

function int4ToLong(value: number): number {
  const bits = value & 0x07;
  const shift = (value >>> 3) - 1;
  return shift === -1 ? bits : (bits | 0x08) * 2 ** shift;
}

/** Norm byte of a field that has `length` terms. */
export function lengthToNorm(length: number): number {
  return length < NUM_FREE_VALUES ? length : NUM_FREE_VALUES + longToInt4(length - NUM_FREE_VALUES);
}

/** Length that a norm byte stands for; index by the byte. */
export const NORM_LENGTHS: Float64Array = Float64Array.from(
  { length: 256 },
  (_, byte) => byte < NUM_FREE_VALUES ? byte : NUM_FREE_VALUES + int4ToLong(byte - NUM_FREE_VALUES),
);
