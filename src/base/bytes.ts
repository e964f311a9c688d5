/**
 * A growable little-endian byte buffer, its reader, and comparisons of byte strings.
 *
 * @module
 */
import { CorruptionError } from "./errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const EMPTY_BYTES = new Uint8Array(0);

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

export function utf8Text(bytes: Uint8Array): string {
  // TextDecoder refuses views of shared memory: copy at the edge.
  return decoder.decode(bytes.buffer instanceof SharedArrayBuffer ? bytes.slice() : bytes);
}

/** As `utf8Text`, but throws a `TypeError` when the bytes are not UTF-8. */
export function utf8TextStrict(bytes: Uint8Array): string {
  return strictDecoder.decode(bytes.buffer instanceof SharedArrayBuffer ? bytes.slice() : bytes);
}

/** Order of unsigned bytes, a prefix before what it begins: the order of every dictionary. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = a[i]! - b[i]!;
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function concatBytes(pieces: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const piece of pieces) size += piece.length;
  const out = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** Appends little-endian values; grows by doubling. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacityBytes = 1024) {
    this.#bytes = new Uint8Array(Math.max(16, capacityBytes));
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** View of what was written; valid until the next append. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** Makes room for `size` more bytes and returns the whole backing store; use with `length` and `advance`. */
  reserve(size: number): Uint8Array {
    const need = this.#length + size;
    if (need > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(need, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return this.#bytes;
  }

  /** Counts `size` bytes that the caller put behind `length` after `reserve`. */
  advance(size: number): void {
    this.#length += size;
  }

  /** Forgets what was written behind `length` bytes. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  u8(value: number): void {
    this.reserve(1);
    this.#bytes[this.#length++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.#view.setUint16(this.#length, value, true);
    this.#length += 2;
  }

  u32(value: number): void {
    this.reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  /** A non-negative integer up to 2^53. */
  u64(value: number): void {
    this.reserve(8);
    this.#view.setUint32(this.#length, value >>> 0, true);
    this.#view.setUint32(this.#length + 4, Math.floor(value / 0x1_0000_0000), true);
    this.#length += 8;
  }

  i64(value: bigint): void {
    this.reserve(8);
    this.#view.setBigInt64(this.#length, value, true);
    this.#length += 8;
  }

  f64(value: number): void {
    this.reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** LEB128 of a non-negative integer up to 2^53. */
  varint(value: number): void {
    const bytes = this.reserve(8);
    let at = this.#length;
    while (value >= 0x8000_0000) {
      bytes[at++] = (value % 128) | 0x80;
      value = Math.floor(value / 128);
    }
    while (value >= 0x80) {
      bytes[at++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    bytes[at++] = value;
    this.#length = at;
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Length as varint, then the bytes. */
  lengthPrefixed(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.append(bytes);
  }

  text(value: string): void {
    this.lengthPrefixed(encoder.encode(value));
  }

  /** Zero bytes up to the next multiple of `alignment`. */
  align(alignment: number): void {
    const rest = this.#length % alignment;
    if (rest === 0) return;
    this.reserve(alignment);
    this.#bytes.fill(0, this.#length, this.#length + alignment - rest);
    this.#length += alignment - rest;
  }

  setU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }
}

/** Reads what `ByteWriter` writes. Every read past the end is a `CorruptionError`. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  seek(at: number): void {
    this.#at = at;
  }

  u8(): number {
    this.#need(1);
    return this.#bytes[this.#at++]!;
  }

  u16(): number {
    this.#need(2);
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2, true);
  }

  u32(): number {
    this.#need(4);
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  /** @throws {CorruptionError} The value exceeds 2^53. */
  u64(): number {
    this.#need(8);
    const low = this.#view.getUint32(this.#at, true);
    const high = this.#view.getUint32(this.#at + 4, true);
    if (high > 0x20_0000) {
      throw new CorruptionError("Cannot decode u64: value exceeds 2^53", { offset: this.#at });
    }
    this.#at += 8;
    return high * 0x1_0000_0000 + low;
  }

  i64(): bigint {
    this.#need(8);
    this.#at += 8;
    return this.#view.getBigInt64(this.#at - 8, true);
  }

  f64(): number {
    this.#need(8);
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8, true);
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new CorruptionError("Cannot decode varint: longer than 8 bytes", { offset: this.#at });
  }

  /** A view, not a copy. */
  take(size: number): Uint8Array {
    this.#need(size);
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  lengthPrefixed(): Uint8Array {
    return this.take(this.varint());
  }

  text(): string {
    return utf8Text(this.lengthPrefixed());
  }

  #need(size: number): void {
    if (this.#at + size > this.#bytes.length) {
      throw new CorruptionError(
        `Cannot decode: ${size} bytes wanted, ${this.#bytes.length - this.#at} left`,
        {
          offset: this.#at,
        },
      );
    }
  }
}
