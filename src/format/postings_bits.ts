/**
 * Bit streams, least significant bit first: how short runs of integers lie in dictionaries and postings tails.
 *
 * Value i of a stream of width w occupies bits [i * w, i * w + w); bit b of the stream is bit b % 8 of byte b / 8.
 * Widths are 0 to 32.
 *
 * @module
 */
import { assert, CorruptionError } from "../base/errors.ts";

/** Bits that a non-negative integer below 2^32 needs; 0 for 0. */
export function bitsOf(value: number): number {
  return 32 - Math.clz32(value);
}

/** Bytes that `bits` bits fill. */
export function bytesOfBits(bits: number): number {
  return Math.ceil(bits / 8);
}

/** Puts the low `width` bits of `value` at bit `bit` of zeroed bytes; callers leave 4 bytes of room behind. */
export function writeBits(bytes: Uint8Array, bit: number, width: number, value: number): void {
  let at = bit >>> 3;
  const shift = bit & 7;
  const end = shift + width;
  bytes[at] = bytes[at]! | (value << shift);
  let done = 8 - shift;
  while (shift + done < end) {
    bytes[++at] = value >>> done;
    done += 8;
  }
}

/** The `width` bits at bit `bit`. Callers make sure that 4 bytes follow the stream. */
export function readBits(bytes: Uint8Array, bit: number, width: number): number {
  if (width === 0) return 0;
  const at = bit >>> 3;
  const shift = bit & 7;
  let value = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>>
    shift;
  if (shift + width > 32) value |= bytes[at + 4]! << (32 - shift);
  return width === 32 ? value >>> 0 : value & ((1 << width) - 1);
}

/** The 32 bits at bit `bit`, as a signed integer. */
function readWord(bytes: Uint8Array, bit: number): number {
  const at = bit >>> 3;
  const shift = bit & 7;
  const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  return shift === 0 ? word : (word >>> shift) | (bytes[at + 4]! << (32 - shift));
}

/** Appends values[0, n) as a stream at `at` of zeroed bytes and returns the byte behind it. */
export function packStream(
  values: Uint32Array,
  n: number,
  width: number,
  bytes: Uint8Array,
  at: number,
): number {
  if (width <= 24) {
    let held = 0;
    let bits = 0;
    for (let i = 0; i < n; i++) {
      held |= values[i]! << bits;
      bits += width;
      while (bits >= 8) {
        bytes[at++] = held;
        held >>>= 8;
        bits -= 8;
      }
    }
    if (bits > 0) bytes[at++] = held;
    return at;
  }
  const stream = bytes.subarray(at);
  for (let i = 0; i < n; i++) writeBits(stream, i * width, width, values[i]!);
  return at + bytesOfBits(n * width);
}

/**
 * Reads n values of a stream at `at` into out[0, n) and returns the byte behind it.
 *
 * @throws {CorruptionError} The stream does not fit into `bytes`.
 */
export function unpackStream(
  bytes: Uint8Array,
  at: number,
  n: number,
  width: number,
  out: Uint32Array,
): number {
  const end = at + bytesOfBits(n * width);
  if (end > bytes.length || width > 32) {
    throw new CorruptionError(`Cannot decode bit stream: ${n} values of ${width} bits pass the end`);
  }
  if (width === 0) {
    out.fill(0, 0, n);
    return end;
  }
  if (width <= 24) {
    const mask = (1 << width) - 1;
    let held = 0;
    let bits = 0;
    for (let i = 0; i < n; i++) {
      while (bits < width) {
        held |= bytes[at++]! << bits;
        bits += 8;
      }
      out[i] = held & mask;
      held >>>= width;
      bits -= width;
    }
    return end;
  }
  // Past 24 bits a value and its shift can span five bytes: gather it bytewise.
  let bit = 0;
  for (let i = 0; i < n; i++) {
    let value = 0;
    for (let have = 0; have < width;) {
      const take = Math.min(8 - (bit & 7), width - have);
      const piece = (bytes[at + (bit >>> 3)]! >>> (bit & 7)) & ((1 << take) - 1);
      value |= piece << have;
      have += take;
      bit += take;
    }
    out[i] = value;
  }
  return end;
}

/** Second result of `readVarint`, so that it needs no object. */
let varintEnd = 0;

/** Byte behind the varint that `readVarint` read last. */
export function afterVarint(): number {
  return varintEnd;
}

/**
 * LEB128 of an integer up to 2^53 at `at`; `afterVarint()` is the byte behind it.
 *
 * @throws {CorruptionError} It passes the end, or is longer than 8 bytes.
 */
export function readVarint(bytes: Uint8Array, at: number): number {
  if (at < bytes.length) {
    const first = bytes[at]!;
    if (first < 0x80) {
      varintEnd = at + 1;
      return first;
    }
    let value = first & 0x7f;
    let scale = 128;
    for (let i = at + 1; i < bytes.length && i < at + 8; i++) {
      const byte = bytes[i]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        varintEnd = i + 1;
        return value;
      }
      scale *= 128;
    }
  }
  throw new CorruptionError("Cannot decode varint: it passes the end or is longer than 8 bytes");
}

/**
 * Appends a bit stream to bytes that grow: values of fixed width, and exp-Golomb codes.
 *
 * The exp-Golomb code of order k of value v: let h = (v >>> k) + 1 have e bits behind its highest one; then e zeros,
 * a one, the low e bits of h, the low k bits of v. Order 0 is Elias' gamma code of v + 1.
 */
export class BitWriter {
  #bytes = new Uint8Array(1024);
  #bits = 0;

  get bits(): number {
    return this.#bits;
  }

  /** What was written, up to a whole byte; valid until the next call. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, bytesOfBits(this.#bits));
  }

  clear(): void {
    this.#bytes.fill(0, 0, bytesOfBits(this.#bits));
    this.#bits = 0;
  }

  put(width: number, value: number): void {
    if (width === 0) return;
    this.#reserve((this.#bits >>> 3) + 8);
    writeBits(this.#bytes, this.#bits, width, value);
    this.#bits += width;
  }

  /** Puts `width` bits (at most 8) of codes[value] for each value in values[from, to). */
  putCodes(width: number, codes: Uint8Array, values: Uint8Array, from: number, to: number): void {
    if (width === 0) return;
    this.#reserve((this.#bits >>> 3) + (to - from) + 8);
    const bytes = this.#bytes;
    let at = this.#bits >>> 3;
    let count = this.#bits & 7;
    let held = bytes[at]!;
    for (let i = from; i < to; i++) {
      held |= codes[values[i]!]! << count;
      count += width;
      if (count < 8) continue;
      bytes[at++] = held;
      held >>>= 8;
      count -= 8;
    }
    if (count > 0) bytes[at] = held;
    this.#bits += (to - from) * width;
  }

  /** Exp-Golomb code of order k of 0 <= value < 2^31 - 1. */
  golomb(k: number, value: number): void {
    assert(value >= 0 && value < 0x7fff_ffff, "an exp-Golomb code holds 31 bits");
    const high = (value >>> k) + 1;
    const extra = 31 - Math.clz32(high);
    this.put(extra, 0);
    this.put(1, 1);
    this.put(extra, high ^ (1 << extra));
    this.put(k, value & ((1 << k) - 1));
  }
  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = new Uint8Array(size * 2);
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** Second result of `readGolomb`. */
let golombEnd = 0;

/** Bit behind the code that `readGolomb` read last. */
export function afterGolomb(): number {
  return golombEnd;
}

/**
 * Exp-Golomb code of order k at bit `bit`; `afterGolomb()` is the bit behind it.
 *
 * @throws {CorruptionError} More than 30 zeros, or it passes the end.
 */
export function readGolomb(bytes: Uint8Array, bit: number, k: number): number {
  if ((bit >>> 3) >= bytes.length) {
    throw new CorruptionError("Cannot decode exp-Golomb code: it passes the end");
  }
  const head = readWord(bytes, bit);
  const extra = 31 - Math.clz32(head & -head);
  const low = 2 * extra + 1;
  // 31 zeros and more (or 32: no one at all) would stand for a value beyond 2^31.
  if (extra < 0 || extra > 30) throw new CorruptionError("Cannot decode exp-Golomb code: it is too long");
  golombEnd = bit + low + k;
  if (low + k <= 32) {
    const high = ((head >>> 1 >>> extra) & ((1 << extra) - 1)) + (1 << extra) - 1;
    return (high << k) | ((head >>> low) & ((1 << k) - 1));
  }
  const high = (1 << extra) + readBits(bytes, bit + extra + 1, extra) - 1;
  return high * (1 << k) + readBits(bytes, bit + low, k);
}

/**
 * Reads n exp-Golomb codes of order 0 at bit `bit` into out[0, n); `afterGolomb()` is the bit behind them. Fast
 * where most values are 0.
 *
 * @throws {CorruptionError} As `readGolomb`.
 */
export function readGammas(bytes: Uint8Array, bit: number, n: number, out: Uint32Array): void {
  for (let i = 0; i < n;) {
    const zeros = ~readWord(bytes, bit);
    const ones = zeros === 0 ? 32 : 31 - Math.clz32(zeros & -zeros);
    if (ones === 0) {
      out[i++] = readGolomb(bytes, bit, 0);
      bit = golombEnd;
      continue;
    }
    const run = Math.min(ones, n - i);
    out.fill(0, i, i + run);
    i += run;
    bit += run;
  }
  golombEnd = bit;
}
