/**
 * Letter case and accents, code point by code point as Java and Lucene do it.
 *
 * @module
 */

/** Lower case without regard to context: a final sigma stays `σ`, and `İ` becomes `i`. */
export function lowerCase(text: string): string {
  if (!/[\u0130\u03a3]/.test(text)) return text.toLowerCase();
  let out = "";
  for (const char of text) out += char === "\u0130" ? "i" : char === "\u03a3" ? "\u03c3" : char.toLowerCase();
  return out;
}

/** Upper case of each code point that has one of its own: `ß` stays. */
export function upperCase(text: string): string {
  let out = "";
  for (const char of text) {
    const upper = char.toUpperCase();
    out += upper.length === char.length ? upper : char;
  }
  return out;
}

/** Letters that have no decomposition; the rest folds by theirs. */
const FOLDS: Readonly<Record<string, string>> = {
  "ß": "ss",
  "ẞ": "SS",
  "æ": "ae",
  "Æ": "AE",
  "ǽ": "ae",
  "Ǽ": "AE",
  "ø": "o",
  "Ø": "O",
  "đ": "d",
  "Đ": "D",
  "ð": "d",
  "Ð": "D",
  "ħ": "h",
  "Ħ": "H",
  "ı": "i",
  "ĸ": "q",
  "ł": "l",
  "Ł": "L",
  "ŋ": "n",
  "Ŋ": "N",
  "œ": "oe",
  "Œ": "OE",
  "ŧ": "t",
  "Ŧ": "T",
  "þ": "th",
  "Þ": "TH",
  "ſ": "s",
  "ƀ": "b",
  "Ɓ": "B",
  "ɓ": "b",
  "ƈ": "c",
  "Ƈ": "C",
  "Ɖ": "D",
  "Ɗ": "D",
  "ɖ": "d",
  "ɗ": "d",
  "ƒ": "f",
  "Ƒ": "F",
  "Ɠ": "G",
  "ɠ": "g",
  "Ɨ": "I",
  "ɨ": "i",
  "ƙ": "k",
  "Ƙ": "K",
  "ƚ": "l",
  "Ɲ": "N",
  "ɲ": "n",
  "ƞ": "n",
  "Ɵ": "O",
  "ɵ": "o",
  "ƥ": "p",
  "Ƥ": "P",
  "ƫ": "t",
  "ƭ": "t",
  "Ƭ": "T",
  "Ʈ": "T",
  "ʈ": "t",
  "Ʋ": "V",
  "ʋ": "v",
  "ƴ": "y",
  "Ƴ": "Y",
  "ƶ": "z",
  "Ƶ": "Z",
  "ȥ": "z",
  "Ȥ": "Z",
  "ǝ": "e",
  "Ǝ": "E",
  "ə": "a",
  "Ə": "A",
  "ɛ": "e",
  "Ɛ": "E",
  "ȷ": "j",
  "ɐ": "a",
  "ɑ": "a",
  "ʼn": "n",
  "ŉ": "n",
  "«": '"',
  "»": '"',
  "“": '"',
  "”": '"',
  "„": '"',
  "″": '"',
  "‶": '"',
  "❝": '"',
  "❞": '"',
  "‘": "'",
  "’": "'",
  "‚": "'",
  "‛": "'",
  "′": "'",
  "‵": "'",
  "‹": "'",
  "›": "'",
  "❛": "'",
  "❜": "'",
  "‐": "-",
  "‑": "-",
  "‒": "-",
  "–": "-",
  "—": "-",
  "⁻": "-",
  "₋": "-",
  "⁅": "[",
  "❲": "[",
  "⁆": "]",
  "❳": "]",
  "❨": "(",
  "❪": "(",
  "⁽": "(",
  "₍": "(",
  "❩": ")",
  "❫": ")",
  "⁾": ")",
  "₎": ")",
  "❬": "<",
  "❰": "<",
  "❭": ">",
  "❱": ">",
  "❴": "{",
  "❵": "}",
  "⁄": "/",
  "⁎": "*",
  "⁓": "~",
  "⁇": "??",
  "⁈": "?!",
  "⁉": "!?",
  "‼": "!!",
};

/** Compatibility forms that fold as well: super- and subscripts, enclosed, ligatures, full width. */
const COMPATIBLE =
  /[\u00aa\u00b2\u00b3\u00b9\u00ba\u0132\u0133\u01c4-\u01cc\u01f1-\u01f3\u2070-\u209c\u2460-\u24ea\ufb00-\ufb06\uff01-\uff5e]/;

const folded = new Map<string, string>();

/** ASCII for letters, digits and punctuation that resemble it; all else as it is. */
export function foldAscii(text: string): string {
  let plain = true;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) >= 0x80) {
      plain = false;
      break;
    }
  }
  if (plain) return text;
  let out = "";
  for (const char of text) out += char < "\x80" ? char : foldChar(char);
  return out;
}

function foldChar(char: string): string {
  const hit = folded.get(char);
  if (hit !== undefined) return hit;
  let result = FOLDS[char];
  if (result === undefined) {
    const parts = COMPATIBLE.test(char) ? char.normalize("NFKD") : char.normalize("NFD");
    // A mark on its own stays: only letters that carry one are folded.
    const base = parts.length > 1 || COMPATIBLE.test(char) ? parts.replace(/[\u0300-\u036f]/g, "") : char;
    const bare = [...base].map((part) => FOLDS[part] ?? part).join("");
    result = bare !== "" && !/[^\0-\x7f]/.test(bare) ? bare : char;
  }
  if (folded.size < 4096) folded.set(char, result);
  return result;
}
