/**
 * Where are the lines of a stream of NDJSON that arrives in pieces?
 *
 * A line that lies within a piece is a range of it; one that spans pieces is put together in a buffer of its own, up
 * to a limit. Lines end with `\n` or `\r\n`; the last one may do without. Blank lines are passed over, and counted.
 *
 * @module
 */
import { EMPTY_BYTES } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";

export interface NdjsonCutterOptions {
  /** A longer line is reported, not kept. Unit: bytes, without the line end. */
  readonly lineBytesMax: number;
}

/**
 * Push a piece, call `next` until it says false, push the next piece; after the last one call `finish`, then `next` once
 * more.
 */
export class NdjsonCutter {
  /** The line that the last `next` found: bytes [start, end). Valid until the next call of anything. */
  bytes: Uint8Array = EMPTY_BYTES;
  start = 0;
  end = 0;
  /** Its number, from 1. */
  line = 0;
  /** Whether it exceeds the limit; then `start` equals `end`. */
  tooLong = false;
  readonly #lineBytesMax: number;
  #piece: Uint8Array = EMPTY_BYTES;
  #at = 0;
  #ended = false;
  /** Beginning of a line whose end has not come. */
  #carry: Uint8Array = new Uint8Array(1024);
  #carryLength = 0;
  /** Whether the line that is coming in has exceeded the limit, so that the rest of it is dropped. */
  #overflow = false;
  #lines = 0;

  constructor(options: NdjsonCutterOptions) {
    this.#lineBytesMax = options.lineBytesMax;
  }

  /** Takes the next piece; it must not change before the following `push` or `finish`. */
  push(piece: Uint8Array): void {
    assert(this.#at === this.#piece.length && !this.#ended, "all lines of the last piece were taken");
    this.#piece = piece;
    this.#at = 0;
  }

  /** Says that no piece follows. */
  finish(): void {
    assert(this.#at === this.#piece.length, "all lines of the last piece were taken");
    this.#piece = EMPTY_BYTES;
    this.#at = 0;
    this.#ended = true;
  }

  /** Moves to the next line that is not blank; false when a further piece is needed, or at the end. */
  next(): boolean {
    const piece = this.#piece;
    while (this.#at < piece.length) {
      const start = this.#at;
      const newline = piece.indexOf(0x0a, start);
      if (newline < 0) {
        this.#keep(start, piece.length);
        this.#at = piece.length;
        return false;
      }
      this.#at = newline + 1;
      this.#lines++;
      if (this.#carryLength === 0 && !this.#overflow) {
        if (this.#offer(piece, start, newline)) return true;
        continue;
      }
      this.#keep(start, newline);
      if (this.#offerCarry()) return true;
    }
    if (!this.#ended || (this.#carryLength === 0 && !this.#overflow)) return false;
    this.#lines++;
    return this.#offerCarry();
  }

  #offerCarry(): boolean {
    const length = this.#carryLength;
    this.#carryLength = 0;
    if (!this.#overflow) return this.#offer(this.#carry, 0, length);
    this.#overflow = false;
    return this.#offerTooLong();
  }

  #offer(bytes: Uint8Array, start: number, end: number): boolean {
    if (end > start && bytes[end - 1] === 0x0d) end--;
    if (end - start > this.#lineBytesMax) return this.#offerTooLong();
    if (isBlank(bytes, start, end)) return false;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.line = this.#lines;
    this.tooLong = false;
    return true;
  }

  #offerTooLong(): boolean {
    this.bytes = EMPTY_BYTES;
    this.start = this.end = 0;
    this.line = this.#lines;
    this.tooLong = true;
    return true;
  }

  /** Keeps bytes of a line whose end is elsewhere, or none if that makes it too long (one byte may be its `\r`). */
  #keep(start: number, end: number): void {
    if (this.#overflow) return;
    const need = this.#carryLength + end - start;
    if (need > this.#lineBytesMax + 1) {
      this.#overflow = true;
      this.#carryLength = 0;
      if (this.#carry.length > 1 << 20) this.#carry = new Uint8Array(1024);
      return;
    }
    if (need > this.#carry.length) {
      const grown = new Uint8Array(Math.max(need, this.#carry.length * 2));
      grown.set(this.#carry.subarray(0, this.#carryLength));
      this.#carry = grown;
    }
    this.#carry.set(this.#piece.subarray(start, end), this.#carryLength);
    this.#carryLength = need;
  }
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  }
  return true;
}
