/**
 * Writes `src/analysis/word_break_table.ts`: the class of every code point for the standard tokenizer.
 *
 *     deno run --allow-write=src/analysis scripts/generate_word_break.ts
 *
 * Classes follow UAX #29's Word_Break property, derived from the properties that regular expressions know, with
 * what Lucene's StandardTokenizer tells apart besides: ideographs, Hiragana, Hangul, the scripts of Southeast Asia
 * (Line_Break=Complex_Context) and emoji.
 */
const CLASS = {
  letter: 1,
  numeric: 2,
  extendNumLet: 3,
  midLetter: 4,
  midNum: 5,
  midNumLet: 6,
  singleQuote: 7,
  doubleQuote: 8,
  hebrew: 9,
  katakana: 10,
  hangul: 11,
  han: 12,
  hiragana: 13,
  complex: 14,
  extend: 15,
  zwj: 16,
  regional: 17,
  emoji: 18,
  modifier: 19,
  complexMark: 20,
} as const;

const MID_LETTER = /[:\u00b7\u0387\u055f\u05f4\u2027\ufe13\ufe55\uff1a]/u;
const MID_NUM = /[,;\u037e\u0589\u060c\u060d\u066c\u07f8\u2044\ufe10\ufe14\ufe50\ufe54\uff0c\uff1b]/u;
const MID_NUM_LET = /[.\u2018\u2019\u2024\ufe52\uff07\uff0e]/u;
const KATAKANA = /[\p{Script=Katakana}\u3031-\u3035\u309b\u309c\u30a0\u30fc\uff70]/u;
const EXTRA_LETTERS =
  /[\u02c2-\u02c5\u02d2-\u02d7\u02de\u02df\u02e5-\u02eb\u02ed\u02ef-\u02ff\u055a-\u055c\u055e\u058a\u05f3\ua708-\ua716\ua720\ua721\ua789\ua78a\uab5b]/u;
const COMPLEX =
  /[\p{Script=Thai}\p{Script=Lao}\p{Script=Myanmar}\p{Script=Khmer}\p{Script=Tai_Le}\p{Script=New_Tai_Lue}\p{Script=Tai_Tham}\p{Script=Tai_Viet}\p{Script=Ahom}]/u;

function classOf(codePoint: number): number {
  if (codePoint >= 0xd800 && codePoint <= 0xdfff) return 0;
  const char = String.fromCodePoint(codePoint);
  if (char === "'") return CLASS.singleQuote;
  if (char === '"') return CLASS.doubleQuote;
  if (codePoint === 0x200d) return CLASS.zwj;
  if (codePoint === 0x200b) return 0;
  if (MID_LETTER.test(char)) return CLASS.midLetter;
  if (MID_NUM.test(char)) return CLASS.midNum;
  if (MID_NUM_LET.test(char)) return CLASS.midNumLet;
  if (/\p{Regional_Indicator}/u.test(char)) return CLASS.regional;
  if (/\p{Emoji_Modifier}/u.test(char)) return CLASS.modifier;
  // Marks of the complex scripts extend what is before them, or begin a run; digits do neither.
  if (COMPLEX.test(char) && /[\p{L}\p{M}]/u.test(char)) {
    return /\p{M}/u.test(char) ? CLASS.complexMark : CLASS.complex;
  }
  if (/[\p{Grapheme_Extend}\p{Mc}\p{Cf}]/u.test(char)) return CLASS.extend;
  if (KATAKANA.test(char)) return CLASS.katakana;
  if (/\p{Script=Hebrew}/u.test(char) && /\p{Lo}/u.test(char)) return CLASS.hebrew;
  if (/\p{Script=Han}/u.test(char) && /\p{Ideographic}/u.test(char)) return CLASS.han;
  if (/\p{Script=Hiragana}/u.test(char) && !/\p{Emoji}/u.test(char)) return CLASS.hiragana;
  if (/\p{Nd}/u.test(char) || codePoint === 0x066b) return CLASS.numeric;
  if (/\p{Pc}/u.test(char) || codePoint === 0x202f) return CLASS.extendNumLet;
  if (/\p{Script=Hangul}/u.test(char) && /\p{Alphabetic}/u.test(char)) return CLASS.hangul;
  if (/\p{Emoji}/u.test(char)) return CLASS.emoji;
  if ((/\p{Alphabetic}/u.test(char) || EXTRA_LETTERS.test(char)) && !/\p{Ideographic}/u.test(char)) {
    return CLASS.letter;
  }
  return 0;
}

/** Runs of one class, as `gap length class` in base 36: gap from the last run's end, class as a letter. */
const runs: string[] = [];
let last = 0;
for (let at = 0x80; at < 0x11_0000;) {
  const kind = classOf(at);
  let end = at + 1;
  while (end < 0x11_0000 && classOf(end) === kind) end++;
  if (kind !== 0) {
    runs.push(`${(at - last).toString(36)},${(end - at).toString(36)}${String.fromCharCode(64 + kind)}`);
    last = end;
  }
  at = end;
}

const lines: string[] = [];
let line = "";
for (const run of runs) {
  if (line.length + run.length > 96) {
    lines.push(line);
    line = "";
  }
  line += run;
}
lines.push(line);

const text = `/**
 * Code point classes of the standard tokenizer. Written by \`scripts/generate_word_break.ts\`; not by hand.
 *
 * A sequence of \`gap,length\` in base 36 and a capital letter: the class, A = 1. Gaps count from the end of the run
 * before; code points in no run have class 0. ASCII is not in it.
 *
 * @module
 */
export const WORD_BREAK_RUNS = ${lines.map((one) => `"${one}"`).join(" +\n  ")};
`;
await Deno.writeTextFile(new URL("../src/analysis/word_break_table.ts", import.meta.url), text);
