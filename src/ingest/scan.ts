/**
 * Which bytes are a number, a date, an address, a piece of UTF-8? Free functions over bytes that the fast document
 * parser is made of. Each takes a position and returns the one behind what it read, or -1: "not this, or not surely
 * this": then the exact parser decides.
 *
 * Values come back through `scanned`, a typed array, so that no number is boxed. Single-threaded use.
 *
 * None looks at an end: bytes behind a document's own may be read (never used). The parser compares the final
 * position with the document's end.
 *
 * Bench: `bench/ingest_core.ts`.
 *
 * @module
 */

/** [0]: the value that the last scan read. [1]: of a date, the nanoseconds within its last millisecond. */
export const scanned: Float64Array = new Float64Array(2);

/** Class of a byte within a JSON string. */
export const StringByte = { Plain: 0, Quote: 1, Backslash: 2, Control: 3, NonAscii: 4 } as const;

/** `StringByte` of each byte. */
export const STRING_BYTES: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === 0x22) return StringByte.Quote;
  if (byte === 0x5c) return StringByte.Backslash;
  if (byte < 0x20) return StringByte.Control;
  return byte < 0x80 ? StringByte.Plain : StringByte.NonAscii;
});

/** Powers of ten that a double holds exactly. */
const POWERS_OF_TEN: Float64Array = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

const EXACT_LIMIT = 2 ** 53;

/** Skips JSON white space. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  for (;;) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
}

/** The sequence of a code point beyond ASCII that begins at `at`, per RFC 3629: no surrogates, no overlong forms. */
export function scanUtf8Sequence(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  const second = bytes[at + 1]!;
  if (lead < 0xe0) return lead >= 0xc2 && (second & 0xc0) === 0x80 ? at + 2 : -1;
  const third = bytes[at + 2]!;
  if ((second & 0xc0) !== 0x80 || (third & 0xc0) !== 0x80) return -1;
  if (lead < 0xf0) {
    if (lead === 0xe0 && second < 0xa0) return -1;
    if (lead === 0xed && second > 0x9f) return -1;
    return at + 3;
  }
  if ((bytes[at + 3]! & 0xc0) !== 0x80) return -1;
  if (lead > 0xf4 || (lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second > 0x8f)) return -1;
  return at + 4;
}

/** A JSON number that is a whole one, written as such, below 2^53; -0 is left to the exact parser. */
export function scanInteger(bytes: Uint8Array, at: number): number {
  let negative = false;
  if (bytes[at] === 0x2d) {
    negative = true;
    at++;
  }
  let digit = bytes[at]! - 48;
  if (!(digit >= 0 && digit <= 9)) return -1;
  at++;
  let value = digit;
  if (digit !== 0) {
    for (;;) {
      digit = bytes[at]! - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
      at++;
    }
  } else if (negative) return -1;
  // Past 2^53 sums round, but never back below it.
  if (value >= EXACT_LIMIT || !endsValue(bytes[at]!)) return -1;
  scanned[0] = negative ? -value : value;
  return at;
}

/** Any JSON number, as the double nearest to it. -0 and what overflows are left to the exact parser. */
export function scanDouble(bytes: Uint8Array, at: number): number {
  const from = at;
  let negative = false;
  if (bytes[at] === 0x2d) {
    negative = true;
    at++;
  }
  let digit = bytes[at]! - 48;
  if (!(digit >= 0 && digit <= 9)) return -1;
  at++;
  let mantissa = digit;
  if (digit !== 0) {
    for (;;) {
      digit = bytes[at]! - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      mantissa = mantissa * 10 + digit;
      at++;
    }
  }
  let decimals = 0;
  if (bytes[at] === 0x2e) {
    at++;
    const first = at;
    for (;;) {
      digit = bytes[at]! - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      mantissa = mantissa * 10 + digit;
      at++;
    }
    decimals = at - first;
    if (decimals === 0) return -1;
  }
  const byte = bytes[at]!;
  let value: number;
  if (mantissa < EXACT_LIMIT && decimals <= 22 && byte !== 0x65 && byte !== 0x45) {
    // Both exact, so that the one division rounds correctly (Clinger's fast path).
    value = decimals === 0 ? mantissa : mantissa / POWERS_OF_TEN[decimals]!;
    if (negative) value = -value;
  } else {
    if (byte === 0x65 || byte === 0x45) {
      at = scanExponent(bytes, at + 1);
      if (at < 0) return -1;
    }
    value = Number(asciiText(bytes, from, at));
    if (!Number.isFinite(value)) return -1;
  }
  if ((value === 0 && negative) || !endsValue(bytes[at]!)) return -1;
  scanned[0] = value;
  return at;
}

function scanExponent(bytes: Uint8Array, at: number): number {
  if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
  const first = at;
  while (isDigit(bytes[at]!)) at++;
  return at === first ? -1 : at;
}

/** `true` or `false`; which, its length tells. */
export function scanBoolean(bytes: Uint8Array, at: number): number {
  if (bytes[at] === 0x74) {
    return bytes[at + 1] === 0x72 && bytes[at + 2] === 0x75 && bytes[at + 3] === 0x65 ? at + 4 : -1;
  }
  return bytes[at] === 0x66 && bytes[at + 1] === 0x61 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x73 &&
      bytes[at + 4] === 0x65
    ? at + 5
    : -1;
}

/** Whether a byte may stand behind a number: white space, comma, closing bracket or brace. */
function endsValue(byte: number): boolean {
  return byte === 0x2c || byte === 0x7d || byte === 0x5d || byte === 0x20 || byte === 0x0a || byte === 0x0d ||
    byte === 0x09;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function asciiText(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

/** Two digits as a number, or a negative one. */
function pair(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]! - 48;
  const ones = bytes[at + 1]! - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1000;
}

const DAYS_BEFORE_MONTH = Int32Array.of(0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334);
const MONTH_DAYS = Int32Array.of(0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31);

/**
 * `YYYY-MM-DD"T"HH:mm:ss`, then nothing or `.` and 1 to 9 digits, then nothing, `Z` or an offset such as `+02:00`, and
 * the closing quote; `at` is behind the opening one. Years 0001 to 9999, Gregorian throughout. The value is ms since
 * the epoch; returns the position of the closing quote.
 */
export function scanIsoDate(bytes: Uint8Array, at: number): number {
  const year = pair(bytes, at) * 100 + pair(bytes, at + 2);
  const month = pair(bytes, at + 5);
  const day = pair(bytes, at + 8);
  const hour = pair(bytes, at + 11);
  const minute = pair(bytes, at + 14);
  const second = pair(bytes, at + 17);
  if (
    bytes[at + 4] !== 0x2d || bytes[at + 7] !== 0x2d || bytes[at + 10] !== 0x54 || bytes[at + 13] !== 0x3a ||
    bytes[at + 16] !== 0x3a
  ) return -1;
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > MONTH_DAYS[month]!) return -1;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return -1;
  const leap = (year & 3) === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (month === 2 && day === 29 && !leap) return -1;
  at += 19;
  let nanos = 0;
  if (bytes[at] === 0x2e) {
    let unit = 100_000_000;
    const first = ++at;
    for (; unit >= 1; at++) {
      const digit = bytes[at]! - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      nanos += digit * unit;
      unit = (unit / 10) | 0;
    }
    if (at === first) return -1;
  }
  let offsetMinutes = 0;
  const sign = bytes[at];
  if (sign === 0x5a) {
    at++;
  } else if (sign === 0x2b || sign === 0x2d) {
    const hours = pair(bytes, at + 1);
    const minutes = pair(bytes, at + 4);
    if (bytes[at + 3] !== 0x3a || hours < 0 || hours > 17 || minutes < 0 || minutes > 59) return -1;
    offsetMinutes = hours * 60 + minutes;
    if (sign === 0x2d) offsetMinutes = -offsetMinutes;
    at += 6;
  }
  if (bytes[at] !== 0x22) return -1;
  const before = year - 1;
  const days = before * 365 + (before >> 2) - ((before / 100) | 0) + ((before / 400) | 0) +
    DAYS_BEFORE_MONTH[month]! + (leap && month > 2 ? 1 : 0) + day - 1 - DAYS_TO_EPOCH;
  const ms = (nanos / 1_000_000) | 0;
  scanned[0] = days * 86_400_000 + (hour * 3600 + (minute - offsetMinutes) * 60 + second) * 1000 + ms;
  scanned[1] = nanos - ms * 1_000_000;
  return at;
}

/** Days from 0001-01-01 to 1970-01-01. */
const DAYS_TO_EPOCH = 719_162;

/**
 * Four decimal numbers to 255 without leading zeros, joined by dots, then the closing quote; `at` is behind the
 * opening one. The value is the address as an unsigned 32-bit number; returns the position of the closing quote.
 */
export function scanIpv4(bytes: Uint8Array, at: number): number {
  let address = 0;
  for (let part = 0; part < 4; part++) {
    let digit = bytes[at]! - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    let value = digit;
    at++;
    if (digit !== 0) {
      for (;;) {
        digit = bytes[at]! - 48;
        if (!(digit >= 0 && digit <= 9)) break;
        value = value * 10 + digit;
        if (value > 255) return -1;
        at++;
      }
    }
    if (bytes[at] !== (part === 3 ? 0x22 : 0x2e)) return -1;
    at++;
    address = address * 256 + value;
  }
  scanned[0] = address;
  return at - 1;
}
