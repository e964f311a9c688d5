/**
 * 128 integers in four interleaved lanes, with a few large ones patched.
 *
 * Value i lies in row i / 4 of lane i % 4. A lane is a bit stream of 32 rows, width w each, least significant bit
 * first, in w words; word k of lane l is word 4 * k + l of the block. So a row of four values shares word offset,
 * shift and mask, and a block is 4 * w little-endian u32 words.
 *
 * Values that do not fit in w bits are exceptions: their high part (value >>> w, at most 255) is patched in from
 * (u8 index, u8 high) pairs, which the container of the block keeps.
 *
 * Watched by `bench/postings.ts`.
 *
 * @module
 */

/** Postings and positions of a full block. */
export const BLOCK_SIZE = 128;

/** Cost of one exception, in bits: what `chooseWidth` weighs against a wider block. */
const EXCEPTION_BITS = 16;

const histogram = new Uint8Array(33);

/**
 * The width at which `n` values (at most 128) take least room; values beyond it become exceptions.
 * With `patch` false there are none, and the width fits all.
 */
export function chooseWidth(values: Uint32Array, n: number, patch: boolean): number {
  let all = 0;
  for (let i = 0; i < n; i++) all |= values[i]!;
  const widest = 32 - Math.clz32(all);
  if (!patch || widest === 0) return widest;
  histogram.fill(0);
  for (let i = 0; i < n; i++) {
    const bits = 32 - Math.clz32(values[i]!);
    histogram[bits] = histogram[bits]! + 1;
  }
  let best = widest;
  let bestCost = n * widest;
  let exceptions = 0;
  // An exception holds 8 high bits, so the width cannot fall further below the widest value.
  for (let width = widest - 1; width >= 0 && width >= widest - 8; width--) {
    exceptions += histogram[width + 1]!;
    const cost = n * width + exceptions * EXCEPTION_BITS;
    if (cost < bestCost) {
      bestCost = cost;
      best = width;
    }
  }
  return best;
}

/** Packs the low `width` bits of values[0, 128) into words[at, at + 4 * width). */
export function packLanes(values: Uint32Array, width: number, words: Int32Array, at: number): void {
  if (width === 0) return;
  words.fill(0, at, at + 4 * width);
  const mask = width === 32 ? -1 : (1 << width) - 1;
  let bit = 0;
  for (let i = 0; i < BLOCK_SIZE; i += 4) {
    const shift = bit & 31;
    const k = at + ((bit >>> 5) << 2);
    const a = values[i]! & mask;
    const b = values[i + 1]! & mask;
    const c = values[i + 2]! & mask;
    const d = values[i + 3]! & mask;
    words[k] = words[k]! | (a << shift);
    words[k + 1] = words[k + 1]! | (b << shift);
    words[k + 2] = words[k + 2]! | (c << shift);
    words[k + 3] = words[k + 3]! | (d << shift);
    if (shift + width > 32) {
      const rest = 32 - shift;
      words[k + 4] = a >>> rest;
      words[k + 5] = b >>> rest;
      words[k + 6] = c >>> rest;
      words[k + 7] = d >>> rest;
    }
    bit += width;
  }
}

/** Unpacks words[at, at + 4 * width) into out[0, 128). The caller has checked that the words are there. */
export function unpackLanes(words: Int32Array, at: number, width: number, out: Uint32Array): void {
  if (width === 0) {
    out.fill(0, 0, BLOCK_SIZE);
    return;
  }
  const mask = width === 32 ? -1 : (1 << width) - 1;
  let shift = 0;
  let k = at;
  let w0 = words[k]!;
  let w1 = words[k + 1]!;
  let w2 = words[k + 2]!;
  let w3 = words[k + 3]!;
  for (let i = 0; i < BLOCK_SIZE; i += 4) {
    let a = w0 >>> shift;
    let b = w1 >>> shift;
    let c = w2 >>> shift;
    let d = w3 >>> shift;
    shift += width;
    if (shift >= 32) {
      shift -= 32;
      k += 4;
      if (i < BLOCK_SIZE - 4) {
        w0 = words[k]!;
        w1 = words[k + 1]!;
        w2 = words[k + 2]!;
        w3 = words[k + 3]!;
        if (shift > 0) {
          const low = width - shift;
          a |= w0 << low;
          b |= w1 << low;
          c |= w2 << low;
          d |= w3 << low;
        }
      }
    }
    out[i] = a & mask;
    out[i + 1] = b & mask;
    out[i + 2] = c & mask;
    out[i + 3] = d & mask;
  }
}
