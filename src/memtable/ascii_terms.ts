/**
 * How do ASCII bytes become terms without becoming a string first? One pass that finds tokens, lower-cases
 * and interns them.
 *
 * Each function appends the terms' numbers to a `TermLog` and returns true; or returns false (with some terms
 * appended, which the caller takes back) when the text is not ASCII or has a token longer than `maxTokenBytes`: then
 * it is the analyzer's. A test holds them equal to `Analyzer.analyze`.
 *
 * Bench: `bench/ingest_core.ts`.
 *
 * @module
 */
import type { AsciiRule } from "../analysis/mod.ts";
import type { InternTable } from "../base/intern.ts";

/** Terms of a field in the order of the text, as numbers in `table`. */
export interface TermLog {
  readonly table: InternTable;
  entries: Uint32Array;
  length: number;
}

export type AsciiTokenizer = (
  log: TermLog,
  bytes: Uint8Array,
  start: number,
  end: number,
  maxTokenBytes: number,
) => boolean;

/** The tokenizer of a rule; undefined: texts of it always need the analyzer. */
export function asciiTokenizer(rule: AsciiRule): AsciiTokenizer | undefined {
  switch (rule) {
    case "standard":
      return standardTerms;
    case "simple":
      return simpleTerms;
    case "whitespace":
      return whitespaceTerms;
    case "keyword":
      return keywordTerm;
    default:
      return undefined;
  }
}

/** In the tables below: a byte that only the analyzer understands. */
const FOREIGN = 255;

/** By byte: 0 outside of tokens, else the byte that stands for it in a term. */
function foldTable(fold: (byte: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => byte >= 0x80 ? FOREIGN : fold(byte));
}

const isLetter = (byte: number) => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;
const isSpace = (byte: number) =>
  byte === 0x20 || (byte >= 0x09 && byte <= 0x0d) || (byte >= 0x1c && byte <= 0x1f);

const LETTERS = foldTable((byte) => isLetter(byte) ? byte | 0x20 : 0);
const NOT_SPACE = foldTable((byte) => isSpace(byte) || byte === 0 ? 0 : byte);
const WORD = foldTable((byte) => isLetter(byte) ? byte | 0x20 : isDigit(byte) || byte === 0x5f ? byte : 0);

/** Kinds of bytes for the word boundary rules of UAX #29: what joins two letters, two digits, or both. */
const Joint = { None: 0, Letters: 1, Digits: 2, Both: 3 } as const;
const JOINTS: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  return char === ":"
    ? Joint.Letters
    : char === "," || char === ";"
    ? Joint.Digits
    : char === "." || char === "'"
    ? Joint.Both
    : Joint.None;
});
/** Which joints a byte may stand beside. */
const SIDES: Uint8Array = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte < 0x80 && isLetter(byte) ? Joint.Letters : isDigit(byte) ? Joint.Digits : Joint.None,
);

/**
 * UAX #29 words over ASCII, as Lucene's StandardTokenizer finds them: runs of letters, digits and underscores (not of
 * underscores alone), joined by `.` or `'` between two letters or two digits, `:` between letters, `,` or `;` between
 * digits.
 */
function standardTerms(
  log: TermLog,
  bytes: Uint8Array,
  start: number,
  end: number,
  maxTokenBytes: number,
): boolean {
  const { table, entries } = log;
  table.reserve(end - start);
  let length = log.length;
  let at = start;
  while (at < end) {
    let byte = WORD[bytes[at]!]!;
    if (byte === 0) {
      at++;
      continue;
    }
    // Most tokens are short and without joints: their bytes as two words, four in each.
    const from = at;
    let low = 0;
    let high = 0;
    let shift = 0;
    do {
      low |= byte << shift;
      shift += 8;
      byte = ++at < end ? WORD[bytes[at]!]! : 0;
    } while (byte !== 0 && shift < 32);
    if (byte !== 0) {
      shift = 0;
      do {
        high |= byte << shift;
        shift += 8;
        byte = ++at < end ? WORD[bytes[at]!]! : 0;
      } while (byte !== 0 && shift < 32);
    }
    if (byte === 0 && at - from <= maxTokenBytes && (low & 0xff) !== 0x5f && !goesOn(bytes, at, end)) {
      if (((low | high) & 0x8080_8080) !== 0) return false;
      entries[length++] = table.internShort(at - from, low, high);
      continue;
    }
    at = standardToken(table, bytes, from, end, maxTokenBytes);
    if (at < 0) return false;
    if (tokenBytes > 0) entries[length++] = table.internTail(tokenBytes);
  }
  log.length = length;
  return true;
}

/** Whether the non-word byte at `at` joins what stands on its sides. */
function goesOn(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 1 >= end) return false;
  const joint = JOINTS[bytes[at]!]!;
  return joint !== 0 && (joint & SIDES[bytes[at - 1]!]! & SIDES[bytes[at + 1]!]!) !== 0;
}

/** Length of the token that `standardToken` read; 0: underscores alone, which are none. */
let tokenBytes = 0;

/** Puts the token that begins at `at` behind the table's strings; returns where it ends, -1: the analyzer's. */
function standardToken(
  table: InternTable,
  bytes: Uint8Array,
  at: number,
  end: number,
  maxTokenBytes: number,
): number {
  const { pool } = table;
  const from = table.poolLength;
  let to = from;
  let marks = 0;
  let byte = WORD[bytes[at]!]!;
  for (;;) {
    if (byte === FOREIGN) return -1;
    pool[to++] = byte;
    if (byte === 0x5f) marks++;
    if (++at >= end) break;
    byte = WORD[bytes[at]!]!;
    if (byte !== 0) continue;
    if (!goesOn(bytes, at, end)) break;
    byte = bytes[at]!;
  }
  if (to - from > maxTokenBytes) return -1;
  tokenBytes = marks === to - from ? 0 : to - from;
  return at;
}

function simpleTerms(
  log: TermLog,
  bytes: Uint8Array,
  start: number,
  end: number,
  maxTokenBytes: number,
): boolean {
  return runTerms(log, bytes, start, end, maxTokenBytes, LETTERS);
}

function whitespaceTerms(
  log: TermLog,
  bytes: Uint8Array,
  start: number,
  end: number,
  maxTokenBytes: number,
): boolean {
  return runTerms(log, bytes, start, end, maxTokenBytes, NOT_SPACE);
}

/** Runs of bytes that `fold` keeps. */
function runTerms(
  log: TermLog,
  bytes: Uint8Array,
  start: number,
  end: number,
  maxTokenBytes: number,
  fold: Uint8Array,
): boolean {
  const { table, entries } = log;
  const pool = table.reserve(end - start);
  let length = log.length;
  for (let at = start; at < end;) {
    let byte = fold[bytes[at]!]!;
    if (byte === 0) {
      // A zero byte is no token byte in the tables, yet no white space either.
      if (bytes[at] === 0 && fold === NOT_SPACE) return false;
      at++;
      continue;
    }
    const from = table.poolLength;
    let to = from;
    while (byte !== 0) {
      if (byte === FOREIGN) return false;
      pool[to++] = byte;
      byte = ++at < end ? fold[bytes[at]!]! : 0;
    }
    if (to - from > maxTokenBytes) return false;
    entries[length++] = table.internTail(to - from);
  }
  log.length = length;
  return true;
}

/** The whole text as one term, case kept. What an empty one is, the analyzer knows. */
function keywordTerm(
  log: TermLog,
  bytes: Uint8Array,
  start: number,
  end: number,
  maxTokenBytes: number,
): boolean {
  if (end === start || end - start > maxTokenBytes) return false;
  for (let i = start; i < end; i++) if (bytes[i]! >= 0x80) return false;
  log.entries[log.length++] = log.table.intern(bytes, start, end);
  return true;
}
