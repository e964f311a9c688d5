/**
 * Bit packing: n integers of one width, value i in bits [i * width, (i + 1) * width) of a sequence of little-endian
 * u32 words, lowest bit first.
 *
 * Widths beyond 32 (up to 64) are two planes: n words with the low 32 bits of each value, then the high parts,
 * packed at width - 32.
 *
 * Typed arrays lie directly over stored bytes, so hosts are little-endian; `assertLittleEndian` says so at start.
 *
 * @module
 */
import { assert } from "../base/errors.ts";

/** Values that are packed and unpacked at a time. */
export const BLOCK_VALUES = 128;

export function assertLittleEndian(): void {
  assert(new Uint8Array(Uint32Array.of(1).buffer)[0] === 1, "the machine is little-endian");
}

/** u32 words that n values take. */
export function packedWords(width: number, n: number): number {
  return width <= 32 ? Math.ceil((width * n) / 32) : n + Math.ceil(((width - 32) * n) / 32);
}

/** Bits that an integer in [0, 2^53] needs. */
export function bitWidth(value: number): number {
  return value < 0x1_0000_0000 ? 32 - Math.clz32(value) : 64 - Math.clz32(value / 0x1_0000_0000);
}

/** Packs values[0, n) at `words[at]`. Width 0 to 32; words there are overwritten. Returns the next free index. */
export function packBits(
  values: Uint32Array | Int32Array,
  n: number,
  width: number,
  words: Int32Array,
  at: number,
): number {
  if (width === 0) return at;
  let held = 0;
  let bits = 0;
  for (let i = 0; i < n; i++) {
    const value = values[i]!;
    held |= value << bits;
    bits += width;
    if (bits >= 32) {
      words[at++] = held;
      bits -= 32;
      // A shift by 32 would be a shift by 0.
      held = bits === 0 ? 0 : value >>> (width - bits);
    }
  }
  if (bits > 0) words[at++] = held;
  return at;
}

/** The value at index i of those packed at `words[at]`. Width 0 to 32. */
export function extractBits(words: Int32Array, at: number, width: number, i: number): number {
  if (width === 0) return 0;
  const bit = i * width;
  const k = at + (bit >>> 5);
  const shift = bit & 31;
  let value = words[k]! >>> shift;
  if (shift + width > 32) value |= words[k + 1]! << (32 - shift);
  return width === 32 ? value >>> 0 : value & ((1 << width) - 1);
}

/** Unpacks BLOCK_VALUES values of one width from `words[at]`. */
export type Unpack = (words: Int32Array, at: number, out: Uint32Array) => void;

/**
 * Unpackers by width, 0 to 32.
 *
 * Each is straight-line code for 32 values in a loop of four, made from the width on first use: 1,100 million
 * values a second, against 450 for one loop with a variable width. Watched by `bench/segment.ts`.
 */
const unpackers: (Unpack | undefined)[] = [(_words, _at, out) => {
  out.fill(0, 0, BLOCK_VALUES);
}];

export function unpackerOf(width: number): Unpack {
  return unpackers[width] ??= makeUnpacker(width);
}

/** Only integers from here go into the source text. */
function makeUnpacker(width: number): Unpack {
  assert(Number.isInteger(width) && width >= 1 && width <= 32, `packing width ${width} is 1 to 32`);
  const mask = width === 32 ? -1 : (1 << width) - 1;
  let body = "";
  for (let i = 0; i < 32; i++) {
    const bit = i * width;
    const k = bit >>> 5;
    const shift = bit & 31;
    let value = `words[at + ${k}] >>> ${shift}`;
    if (shift + width > 32) value = `(${value}) | (words[at + ${k + 1}] << ${32 - shift})`;
    body += `out[i + ${i}] = (${value}) & ${mask};\n`;
  }
  const source = `for (let i = 0; i < ${BLOCK_VALUES}; i += 32) {\n${body}at += ${width};\n}`;
  return new Function("words", "at", "out", source) as Unpack;
}

const scratch = new Int32Array(2 * BLOCK_VALUES);

/** Unpacks n values (at most BLOCK_VALUES) of width 0 to 32; reads no word behind them. out[n...] is undefined. */
export function unpackBits(words: Int32Array, at: number, width: number, n: number, out: Uint32Array): void {
  const unpack = unpackerOf(width);
  if (n === BLOCK_VALUES) return unpack(words, at, out);
  const count = packedWords(width, n);
  for (let i = 0; i < count; i++) scratch[i] = words[at + i]!;
  unpack(scratch, 0, out);
}
