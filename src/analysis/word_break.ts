/**
 * The standard tokenizer: words by UAX #29, as Lucene's StandardTokenizer cuts them.
 *
 * Beyond the annex: an ideograph or a Hiragana letter is a token of its own, a run in a script of Southeast Asia one
 * token, an emoji sequence one token; what is left without letter or digit is none.
 *
 * @module
 */
import type { Token } from "./token.ts";
import { WORD_BREAK_RUNS } from "./word_break_table.ts";

/** Classes of code points; the table's letters count from A = 1. */
const Letter = 1;
const Numeric = 2;
const ExtendNumLet = 3;
const MidLetter = 4;
const MidNum = 5;
const MidNumLet = 6;
const SingleQuote = 7;
const DoubleQuote = 8;
const Hebrew = 9;
const Katakana = 10;
const Hangul = 11;
const Han = 12;
const Hiragana = 13;
const Complex = 14;
const Extend = 15;
const Joiner = 16;
const Regional = 17;
const Emoji = 18;
const Modifier = 19;
/** A mark of a complex script: extends what is before it, else begins a run. */
const ComplexMark = 20;

interface FarRun {
  readonly from: number;
  readonly end: number;
  readonly kind: number;
}

/** The table covers the first two planes; runs beyond them (ideographs, tags, variation selectors) are few. */
const PLANES = 0x2_0000;
const { table: classes, far } = buildClasses();

function buildClasses(): { table: Uint8Array; far: FarRun[] } {
  const table = new Uint8Array(PLANES);
  for (let i = 0x30; i <= 0x39; i++) table[i] = Numeric;
  for (let i = 0x41; i <= 0x5a; i++) table[i] = table[i + 32] = Letter;
  table[0x5f] = ExtendNumLet;
  table[0x3a] = MidLetter;
  table[0x2c] = table[0x3b] = MidNum;
  table[0x2e] = MidNumLet;
  table[0x27] = SingleQuote;
  table[0x22] = DoubleQuote;
  const far: FarRun[] = [];
  let at = 0;
  for (const run of WORD_BREAK_RUNS.matchAll(/([0-9a-z]+),([0-9a-z]+)([A-Z])/g)) {
    at += parseInt(run[1]!, 36);
    const end = at + parseInt(run[2]!, 36);
    const kind = run[3]!.charCodeAt(0) - 64;
    if (at < PLANES) table.fill(kind, at, Math.min(end, PLANES));
    if (end > PLANES) far.push({ from: at, end, kind });
    at = end;
  }
  return { table, far };
}

/** Class of the code point at `at`, which may be a surrogate pair. */
function classAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit < 0xd800 || unit > 0xdfff) return classes[unit]!;
  const codePoint = text.codePointAt(at)!;
  if (codePoint < PLANES) return classes[codePoint]!;
  for (const run of far) if (codePoint >= run.from && codePoint < run.end) return run.kind;
  return 0;
}

/** UTF-16 units of the code point at `at`. */
function widthAt(text: string, at: number, end: number): number {
  const unit = text.charCodeAt(at);
  if (unit < 0xd800 || unit > 0xdbff || at + 1 >= end) return 1;
  const next = text.charCodeAt(at + 1);
  return next >= 0xdc00 && next <= 0xdfff ? 2 : 1;
}

function isExtend(kind: number): boolean {
  return kind === Extend || kind === Joiner || kind === Modifier || kind === ComplexMark;
}

/** Passes over marks, format characters and joiners that belong to what is before them. */
function skipExtend(text: string, at: number, end: number): number {
  while (at < end) {
    if (text.charCodeAt(at) < 0x80) return at;
    if (!isExtend(classAt(text, at))) return at;
    at += widthAt(text, at, end);
  }
  return at;
}

const TYPES = {
  alphanum: "<ALPHANUM>",
  num: "<NUM>",
  complex: "<SOUTHEAST_ASIAN>",
  han: "<IDEOGRAPHIC>",
  hiragana: "<HIRAGANA>",
  katakana: "<KATAKANA>",
  hangul: "<HANGUL>",
  emoji: "<EMOJI>",
} as const;

/** Kinds of characters that a word holds, as bits. */
const HAS_LETTER = 1;
const HAS_NUMERIC = 2;
const HAS_KATAKANA = 4;
const HAS_HANGUL = 8;
const HAS_UNDERSCORE = 16;
const HAS_JOINER = 32;
/** The kinds that make a word of it. */
const SUBSTANCE = HAS_LETTER | HAS_NUMERIC | HAS_KATAKANA | HAS_HANGUL;

/** Where the last match of this module ended, and its type: spares an object a token. */
let matchEnd = 0;
let matchType: string = TYPES.alphanum;

/**
 * Tokens of a text, terms as they stand in it.
 *
 * @param maxLength Longest token in UTF-16 units; a longer one is cut there, as if the text ended.
 */
export function standardTokens(text: string, maxLength: number): Token[] {
  const tokens: Token[] = [];
  const length = text.length;
  let position = 0;
  for (let at = 0; at < length;) {
    const unit = text.charCodeAt(at);
    // ASCII blanks and most punctuation begin nothing.
    if (unit < 0x80 && classes[unit] === 0 && unit !== 0x23 && unit !== 0x2a) {
      at++;
      continue;
    }
    if (!matchToken(text, at, cutAt(text, at + maxLength))) {
      at += widthAt(text, at, length);
      continue;
    }
    tokens.push({
      term: text.slice(at, matchEnd),
      position: position++,
      start: at,
      end: matchEnd,
      type: matchType,
    });
    at = matchEnd;
  }
  return tokens;
}

/** Where a text cut at `end` ends: not between the halves of a surrogate pair. */
function cutAt(text: string, end: number): number {
  if (end >= text.length) return text.length;
  const unit = text.charCodeAt(end);
  return unit >= 0xdc00 && unit <= 0xdfff ? end - 1 : end;
}

/** Longest token that begins at `at`; false when none does. */
function matchToken(text: string, at: number, end: number): boolean {
  const kind = classAt(text, at);
  switch (kind) {
    case Letter:
    case Numeric:
    case ExtendNumLet:
    case Hebrew:
    case Katakana:
    case Hangul:
      if (kind === Numeric && isAsciiDigit(text.charCodeAt(at)) && matchKeycap(text, at, end)) return true;
      return matchWord(text, at, end);
    case Han:
      return single(text, at, end, TYPES.han);
    case Hiragana:
      return single(text, at, end, TYPES.hiragana);
    case Complex:
    case ComplexMark:
      return matchComplex(text, at, end);
    case Emoji:
    case Modifier:
      return matchEmoji(text, at, end);
    case Joiner:
      return at + 1 < end && classAt(text, at + 1) === Emoji && matchEmoji(text, at + 1, end);
    case Regional:
      return matchFlag(text, at, end);
  }
  const unit = text.charCodeAt(at);
  return (unit === 0x23 || unit === 0x2a) && matchKeycap(text, at, end);
}

function single(text: string, at: number, end: number, type: string): boolean {
  matchEnd = skipExtend(text, at + widthAt(text, at, end), end);
  matchType = type;
  return true;
}

function matchComplex(text: string, at: number, end: number): boolean {
  for (let kind = Complex; kind === Complex || kind === ComplexMark;) {
    at = skipExtend(text, at + widthAt(text, at, end), end);
    kind = at < end ? classAt(text, at) : 0;
  }
  matchEnd = at;
  matchType = TYPES.complex;
  return true;
}

/**
 * A digit, `#` or `*` with a combining keycap. A digit may begin a longer word all the same; when both are as long,
 * it is the emoji.
 */
function matchKeycap(text: string, at: number, end: number): boolean {
  let keycapEnd = -1;
  for (let next = at + 1; next < end; next += widthAt(text, next, end)) {
    const unit = text.charCodeAt(next);
    if (unit < 0x80 || !isExtend(classAt(text, next))) break;
    if (unit === 0xfe0f && keycapEnd > 0) break;
    if (unit === 0x20e3 || keycapEnd > 0) keycapEnd = next + widthAt(text, next, end);
  }
  if (keycapEnd < 0) return false;
  if (isAsciiDigit(text.charCodeAt(at)) && matchWord(text, at, end) && matchEnd > keycapEnd) return true;
  matchEnd = keycapEnd;
  matchType = TYPES.emoji;
  return true;
}

function isAsciiDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

function matchFlag(text: string, at: number, end: number): boolean {
  const second = skipExtend(text, at + 2, end);
  if (second + 1 >= end || classAt(text, second) !== Regional) return false;
  matchEnd = skipExtend(text, second + 2, end);
  matchType = TYPES.emoji;
  return true;
}

/**
 * Emoji with modifiers and tags, several of them joined by zero-width joiners; a joiner may also come first. The
 * emoji selector ends one: only a joiner may follow it.
 */
function matchEmoji(text: string, at: number, end: number): boolean {
  const lone = classAt(text, at) === Modifier;
  for (;;) {
    at += widthAt(text, at, end);
    let joined = false;
    while (at < end) {
      const kind = classAt(text, at);
      if (!isExtend(kind)) break;
      if (lone && text.charCodeAt(at) === 0xfe0f) break;
      joined = kind === Joiner;
      const selector = text.charCodeAt(at) === 0xfe0f;
      at += widthAt(text, at, end);
      if (selector) {
        joined = at + 1 < end && classAt(text, at) === Joiner && classAt(text, at + 1) === Emoji;
        if (joined) at++;
        break;
      }
    }
    if (!joined || at >= end || classAt(text, at) !== Emoji) break;
  }
  matchEnd = at;
  matchType = TYPES.emoji;
  return true;
}

/** Letters, digits and `_` joined by the rules WB5 to WB13. */
function matchWord(text: string, at: number, end: number): boolean {
  let next = at;
  let previous = 0;
  let holds = 0;
  while (next < end) {
    const unit = text.charCodeAt(next);
    const kind = unit < 0x80 ? classes[unit]! : classAt(text, next);
    switch (kind) {
      case Letter:
      case Hebrew:
      case Hangul:
      case Numeric:
        if (previous === Katakana) return finishWord(next, holds);
        holds |= kind === Numeric ? HAS_NUMERIC : kind === Hangul ? HAS_HANGUL : HAS_LETTER;
        break;
      case Katakana:
        if (previous !== 0 && previous !== Katakana && previous !== ExtendNumLet) {
          return finishWord(next, holds);
        }
        holds |= HAS_KATAKANA;
        break;
      case ExtendNumLet:
        holds |= HAS_UNDERSCORE;
        break;
      default: {
        const joined = joinEnd(text, next, end, previous, kind);
        if (joined < 0) return finishWord(next, holds);
        holds |= HAS_JOINER;
        next = joined;
        continue;
      }
    }
    previous = kind;
    next += unit < 0x80 ? 1 : widthAt(text, next, end);
    if (next < end && text.charCodeAt(next) >= 0x80) next = skipExtend(text, next, end);
  }
  return finishWord(next, holds);
}

/** Where the joiner of class `kind` ends if it joins what is before with what is behind, else -1. */
function joinEnd(text: string, at: number, end: number, previous: number, kind: number): number {
  if (kind < MidLetter || kind > DoubleQuote || previous === 0) return -1;
  const behind = skipExtend(text, at + widthAt(text, at, end), end);
  const next = behind < end ? classAt(text, behind) : 0;
  const nextLetter = next === Letter || next === Hebrew || next === Hangul;
  const letter = previous === Letter || previous === Hebrew || previous === Hangul;
  switch (kind) {
    case MidLetter:
      return letter && nextLetter ? behind : -1;
    case MidNum:
      return previous === Numeric && next === Numeric ? behind : -1;
    case MidNumLet:
      return (letter && nextLetter) || (previous === Numeric && next === Numeric) ? behind : -1;
    case SingleQuote:
      if ((letter && nextLetter) || (previous === Numeric && next === Numeric)) return behind;
      return previous === Hebrew ? behind : -1;
    default:
      return previous === Hebrew && next === Hebrew ? behind : -1;
  }
}

function finishWord(end: number, holds: number): boolean {
  if ((holds & SUBSTANCE) === 0) return false;
  matchEnd = end;
  if ((holds & SUBSTANCE) === HAS_NUMERIC) matchType = TYPES.num;
  else if (holds === HAS_KATAKANA) matchType = TYPES.katakana;
  else if (holds === HAS_HANGUL) matchType = TYPES.hangul;
  else matchType = TYPES.alphanum;
  return true;
}
