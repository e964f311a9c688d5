/**
 * The original Porter stemmer, with Lucene's two departures (`bli`, `logi`).
 *
 * Source: Martin Porter, "An algorithm for suffix stripping", Program 14 (1980).
 *
 * @module
 */

const STEP_2: readonly (readonly [string, string])[] = [
  ["ational", "ate"],
  ["ization", "ize"],
  ["iveness", "ive"],
  ["fulness", "ful"],
  ["ousness", "ous"],
  ["tional", "tion"],
  ["biliti", "ble"],
  ["entli", "ent"],
  ["ousli", "ous"],
  ["ation", "ate"],
  ["alism", "al"],
  ["aliti", "al"],
  ["iviti", "ive"],
  ["enci", "ence"],
  ["anci", "ance"],
  ["izer", "ize"],
  ["alli", "al"],
  ["ator", "ate"],
  ["logi", "log"],
  ["bli", "ble"],
  ["eli", "e"],
];

const STEP_3: readonly (readonly [string, string])[] = [
  ["icate", "ic"],
  ["ative", ""],
  ["alize", "al"],
  ["iciti", "ic"],
  ["ical", "ic"],
  ["ness", ""],
  ["ful", ""],
];

const STEP_4: readonly string[] = [
  "ement",
  "ance",
  "ence",
  "able",
  "ible",
  "ment",
  "ant",
  "ent",
  "ion",
  "ism",
  "ate",
  "iti",
  "ous",
  "ive",
  "ize",
  "al",
  "er",
  "ic",
  "ou",
];

function isConsonant(word: string, at: number): boolean {
  const letter = word[at]!;
  if ("aeiou".includes(letter)) return false;
  return letter !== "y" || at === 0 || !isConsonant(word, at - 1);
}

/** Number of vowel-consonant sequences in the first `length` letters. */
function measure(word: string, length: number): number {
  let count = 0;
  let vowel = false;
  for (let i = 0; i < length; i++) {
    if (!isConsonant(word, i)) vowel = true;
    else if (vowel) {
      count++;
      vowel = false;
    }
  }
  return count;
}

function hasVowel(word: string, length: number): boolean {
  for (let i = 0; i < length; i++) if (!isConsonant(word, i)) return true;
  return false;
}

function doubleConsonant(word: string): boolean {
  const n = word.length;
  return n > 1 && word[n - 1] === word[n - 2] && isConsonant(word, n - 1);
}

function endsCvc(word: string): boolean {
  const n = word.length;
  return n > 2 && isConsonant(word, n - 1) && !isConsonant(word, n - 2) && isConsonant(word, n - 3) &&
    !"wxy".includes(word[n - 1]!);
}

/** The stem of a lower-case word. */
export function porter(word: string): string {
  if (word.length <= 2) return word;
  let stem = step1(word);
  stem = replaceSuffix(stem, STEP_2);
  stem = replaceSuffix(stem, STEP_3);
  stem = step4(stem);
  return step5(stem);
}

function step1(word: string): string {
  let stem = word;
  if (stem.endsWith("s")) {
    if (stem.endsWith("sses") || stem.endsWith("ies")) stem = stem.slice(0, -2);
    else if (!stem.endsWith("ss")) stem = stem.slice(0, -1);
  }
  if (stem.endsWith("eed")) {
    if (measure(stem, stem.length - 3) > 0) stem = stem.slice(0, -1);
  } else {
    const cut = stem.endsWith("ed") ? 2 : stem.endsWith("ing") ? 3 : 0;
    if (cut > 0 && hasVowel(stem, stem.length - cut)) {
      stem = stem.slice(0, -cut);
      if (/(at|bl|iz)$/.test(stem)) stem += "e";
      else if (doubleConsonant(stem)) {
        if (!/[lsz]$/.test(stem)) stem = stem.slice(0, -1);
      } else if (measure(stem, stem.length) === 1 && endsCvc(stem)) stem += "e";
    }
  }
  if (stem.endsWith("y") && hasVowel(stem, stem.length - 1)) stem = stem.slice(0, -1) + "i";
  return stem;
}

function replaceSuffix(word: string, suffixes: readonly (readonly [string, string])[]): string {
  for (const [suffix, replacement] of suffixes) {
    if (!word.endsWith(suffix)) continue;
    const at = word.length - suffix.length;
    return measure(word, at) > 0 ? word.slice(0, at) + replacement : word;
  }
  return word;
}

function step4(word: string): string {
  for (const suffix of STEP_4) {
    if (!word.endsWith(suffix)) continue;
    const at = word.length - suffix.length;
    if (suffix === "ion" && word[at - 1] !== "s" && word[at - 1] !== "t") continue;
    return measure(word, at) > 1 ? word.slice(0, at) : word;
  }
  return word;
}

function step5(word: string): string {
  let stem = word;
  if (stem.endsWith("e")) {
    const size = measure(stem, stem.length - 1);
    if (size > 1 || (size === 1 && !endsCvc(stem.slice(0, -1)))) stem = stem.slice(0, -1);
  }
  if (stem.endsWith("ll") && measure(stem, stem.length - 1) > 1) stem = stem.slice(0, -1);
  return stem;
}
