/**
 * Values that are not in the source as they are, built in a staged document's scratch bytes: text without its
 * escapes, addresses.
 *
 * @module
 */
import type { StagedDocument } from "../schema/staged.ts";

const BLANK = new Uint8Array(64);

/** Room for `size` more bytes of scratch. */
function roomInScratch(staged: StagedDocument, size: number): Uint8Array {
  const length = staged.scratchLength;
  if (length + size > staged.scratch.length) {
    staged.addScratch(size <= BLANK.length ? BLANK : new Uint8Array(size));
    staged.scratchLength = length;
  }
  return staged.scratch;
}

export function appendScratch(staged: StagedDocument, bytes: Uint8Array, start: number, end: number): void {
  const scratch = roomInScratch(staged, end - start);
  let to = staged.scratchLength;
  for (let i = start; i < end; i++) scratch[to++] = bytes[i]!;
  staged.scratchLength = to;
}

/** Puts an IPv4 address, mapped into IPv6, into scratch; returns where. */
export function appendIpv4(staged: StagedDocument, address: number): number {
  const scratch = roomInScratch(staged, 16);
  const at = staged.scratchLength;
  for (let i = 0; i < 10; i++) scratch[at + i] = 0;
  scratch[at + 10] = 0xff;
  scratch[at + 11] = 0xff;
  scratch[at + 12] = address >>> 24;
  scratch[at + 13] = address >>> 16;
  scratch[at + 14] = address >>> 8;
  scratch[at + 15] = address;
  staged.scratchLength = at + 16;
  return at;
}

/**
 * Appends what a JSON escape stands for, whose letter is at `at`, behind the backslash.
 *
 * @returns Position behind it; -1: no escape, or half a surrogate pair, which is no text.
 */
export function appendEscape(staged: StagedDocument, bytes: Uint8Array, at: number): number {
  const letter = bytes[at]!;
  if (letter !== 0x75) {
    const stands = SHORT_ESCAPES[letter]!;
    if (!(stands > 0)) return -1;
    appendPoint(staged, stands);
    return at + 1;
  }
  let point = hexUnit(bytes, at + 1);
  if (point < 0) return -1;
  at += 5;
  if (point >= 0xd800 && point <= 0xdfff) {
    if (point >= 0xdc00 || bytes[at] !== 0x5c || bytes[at + 1] !== 0x75) return -1;
    const low = hexUnit(bytes, at + 2);
    if (low < 0xdc00 || low > 0xdfff) return -1;
    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    at += 6;
  }
  appendPoint(staged, point);
  return at;
}

/** By the letter behind a backslash: the byte that the two stand for; 0: none. */
const SHORT_ESCAPES = new Uint8Array(256);
for (
  const [letter, byte] of [['"', 34], ["\\", 92], ["/", 47], ["b", 8], ["f", 12], ["n", 10], ["r", 13], [
    "t",
    9,
  ]] as const
) {
  SHORT_ESCAPES[letter.charCodeAt(0)] = byte;
}

function appendPoint(staged: StagedDocument, point: number): void {
  const scratch = roomInScratch(staged, 4);
  let to = staged.scratchLength;
  if (point < 0x80) {
    scratch[to++] = point;
  } else if (point < 0x800) {
    scratch[to++] = 0xc0 | (point >> 6);
    scratch[to++] = 0x80 | (point & 0x3f);
  } else if (point < 0x10000) {
    scratch[to++] = 0xe0 | (point >> 12);
    scratch[to++] = 0x80 | ((point >> 6) & 0x3f);
    scratch[to++] = 0x80 | (point & 0x3f);
  } else {
    scratch[to++] = 0xf0 | (point >> 18);
    scratch[to++] = 0x80 | ((point >> 12) & 0x3f);
    scratch[to++] = 0x80 | ((point >> 6) & 0x3f);
    scratch[to++] = 0x80 | (point & 0x3f);
  }
  staged.scratchLength = to;
}

/** Four hexadecimal digits as a number, or -1. */
function hexUnit(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i]!;
    let digit = byte - 48;
    if (!(digit >= 0 && digit <= 9)) {
      digit = (byte | 0x20) - 87;
      if (!(digit >= 10 && digit <= 15)) return -1;
    }
    value = value * 16 + digit;
  }
  return value;
}

/** Length of UTF-8 text in UTF-16 units. */
export function utf16Length(bytes: Uint8Array, start: number, end: number): number {
  let units = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}
