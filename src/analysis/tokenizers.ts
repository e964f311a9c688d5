/**
 * Text into tokens, each tokenizer by its name in index settings.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import { lowerCase } from "./letter_case.ts";
import type { SettingsReader } from "./settings_reader.ts";
import type { Token } from "./token.ts";
import { standardTokens } from "./word_break.ts";

export type Tokenizer = (text: string) => Token[];

export const TOKEN_LENGTH_DEFAULT = 255;

/** Makes a tokenizer of the given kind; undefined: no such kind. */
export function makeTokenizer(
  kind: string,
  settings: SettingsReader,
  maxNgramDiff: number,
): Tokenizer | undefined {
  switch (kind) {
    case "standard":
    case "classic": {
      const longest = maxTokenLength(settings);
      return (text) => standardTokens(text, longest);
    }
    case "whitespace": {
      const longest = maxTokenLength(settings);
      return (text) => runTokens(text, (code) => !isJavaBlank(code), longest);
    }
    case "letter":
      return letterTokens;
    case "lowercase":
      return (text) => {
        const tokens = letterTokens(text);
        for (const token of tokens) token.term = lowerCase(token.term);
        return tokens;
      };
    case "keyword":
      return keywordTokens;
    case "pattern":
      return patternTokenizer(settings);
    case "simple_pattern": {
      const pattern = settings.pattern("pattern", "(?!)", "g");
      return (text) => matchTokens(text, pattern, 0);
    }
    case "simple_pattern_split": {
      const pattern = settings.pattern("pattern", "(?!)", "g");
      return (text) => splitTokens(text, pattern);
    }
    case "ngram":
    case "nGram":
      return ngramTokenizer(settings, maxNgramDiff);
    case "edge_ngram":
    case "edgeNGram":
      return edgeNgramTokenizer(settings);
    case "path_hierarchy":
    case "PathHierarchy":
      return pathTokenizer(settings);
    case "char_group":
      return charGroupTokenizer(settings);
    case "uax_url_email": {
      const longest = maxTokenLength(settings);
      return (text) => urlTokens(text, longest);
    }
  }
  return undefined;
}

function maxTokenLength(settings: SettingsReader): number {
  const longest = settings.whole("max_token_length", TOKEN_LENGTH_DEFAULT);
  if (longest <= 0) throw illegalArgument("maxTokenLength must be greater than zero");
  return longest;
}

/** Java's `Character.isWhitespace`: no-break spaces are none. */
function isJavaBlank(code: number): boolean {
  if (code < 0x80) return code === 0x20 || (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x1f);
  return code === 0x1680 || (code >= 0x2000 && code <= 0x200a && code !== 0x2007) || code === 0x2028 ||
    code === 0x2029 || code === 0x205f || code === 0x3000;
}

export function isLetter(code: number): boolean {
  if (code < 0x80) return (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;
  return /\p{L}/u.test(String.fromCodePoint(code));
}

/** Runs of characters that `keep` takes, cut at `longest` UTF-16 units. */
function runTokens(text: string, keep: (code: number) => boolean, longest: number): Token[] {
  const tokens: Token[] = [];
  const length = text.length;
  for (let at = 0; at < length;) {
    const start = at;
    while (at < length && at - start < longest) {
      const unit = text.charCodeAt(at);
      const code = unit >= 0xd800 && unit <= 0xdbff ? text.codePointAt(at)! : unit;
      if (!keep(code)) break;
      at += code > 0xffff ? 2 : 1;
    }
    if (at > start) {
      tokens.push({ term: text.slice(start, at), position: tokens.length, start, end: at, type: "word" });
    } else {
      const unit = text.charCodeAt(at);
      at += unit >= 0xd800 && unit <= 0xdbff && at + 1 < length ? 2 : 1;
    }
  }
  return tokens;
}

export function letterTokens(text: string): Token[] {
  return runTokens(text, isLetter, TOKEN_LENGTH_DEFAULT);
}

export function whitespaceTokens(text: string): Token[] {
  return runTokens(text, (code) => !isJavaBlank(code), TOKEN_LENGTH_DEFAULT);
}

/** The whole text as one token, also when it is empty. */
export function keywordTokens(text: string): Token[] {
  return [{ term: text, position: 0, start: 0, end: text.length, type: "word" }];
}

function patternTokenizer(settings: SettingsReader): Tokenizer {
  const pattern = settings.pattern("pattern", "\\W+", "g");
  const group = settings.whole("group", -1);
  return group < 0 ? (text) => splitTokens(text, pattern) : (text) => matchTokens(text, pattern, group);
}

/** What lies between matches. */
export function splitTokens(text: string, pattern: RegExp): Token[] {
  const tokens: Token[] = [];
  let from = 0;
  const push = (start: number, end: number) => {
    if (end > start) {
      tokens.push({ term: text.slice(start, end), position: tokens.length, start, end, type: "word" });
    }
  };
  for (const match of text.matchAll(pattern)) {
    push(from, match.index);
    from = match.index + match[0].length;
  }
  push(from, text.length);
  return tokens;
}

/** The matches themselves, or a group of them. */
function matchTokens(text: string, pattern: RegExp, group: number): Token[] {
  const tokens: Token[] = [];
  for (const match of text.matchAll(pattern)) {
    const term = match[group] ?? "";
    if (term === "") continue;
    const start = match.index + Math.max(0, match[0].indexOf(term));
    tokens.push({ term, position: tokens.length, start, end: start + term.length, type: "word" });
  }
  return tokens;
}

/** Whether a code point is of the kinds that `token_chars` lists; all are when it lists none. */
function tokenChars(settings: SettingsReader): (char: string) => boolean {
  const kinds = settings.list("token_chars") ?? [];
  if (kinds.length === 0) return () => true;
  const tests = kinds.map((kind): (char: string) => boolean => {
    switch (kind) {
      case "letter":
        return (char) => /\p{L}/u.test(char);
      case "digit":
        return (char) => /\p{Nd}/u.test(char);
      case "whitespace":
        return (char) => isJavaBlank(char.codePointAt(0)!);
      case "punctuation":
        return (char) => /\p{P}/u.test(char);
      case "symbol":
        return (char) => /\p{S}/u.test(char);
      case "custom": {
        const own = settings.text("custom_token_chars", "");
        return (char) => own.includes(char);
      }
    }
    throw illegalArgument(
      `Unknown token type: '${kind}', must be one of [letter, digit, whitespace, punctuation, symbol, custom]`,
    );
  });
  return (char) => tests.some((test) => test(char));
}

/** Offsets of the code points of a run, and its end. */
function* charRuns(text: string, keep: (char: string) => boolean): Generator<number[]> {
  let offsets: number[] = [];
  let at = 0;
  for (const char of text) {
    if (keep(char)) offsets.push(at);
    else if (offsets.length > 0) {
      yield [...offsets, at];
      offsets = [];
    }
    at += char.length;
  }
  if (offsets.length > 0) yield [...offsets, at];
}

/** Reads and checks `min_gram` and `max_gram`. */
export function gramSizes(settings: SettingsReader): { min: number; max: number } {
  const min = settings.whole("min_gram", 1);
  const max = settings.whole("max_gram", 2);
  if (min < 1) throw illegalArgument("minGram must be greater than zero");
  if (min > max) throw illegalArgument("minGram must not be greater than maxGram");
  return { min, max };
}

function ngramTokenizer(settings: SettingsReader, maxDiff: number): Tokenizer {
  const { min, max } = gramSizes(settings);
  if (max - min > maxDiff) {
    throw illegalArgument(
      "The difference between max_gram and min_gram in NGram Tokenizer must be less than or equal to: " +
        `[${maxDiff}] but was [${
          max - min
        }]. This limit can be set by changing the [index.max_ngram_diff] index level setting.`,
    );
  }
  const keep = tokenChars(settings);
  return (text) => {
    const tokens: Token[] = [];
    for (const offsets of charRuns(text, keep)) {
      const count = offsets.length - 1;
      for (let from = 0; from < count; from++) {
        for (let size = min; size <= max && from + size <= count; size++) {
          const start = offsets[from]!;
          const end = offsets[from + size]!;
          tokens.push({ term: text.slice(start, end), position: tokens.length, start, end, type: "word" });
        }
      }
    }
    return tokens;
  };
}

function edgeNgramTokenizer(settings: SettingsReader): Tokenizer {
  const { min, max } = gramSizes(settings);
  const keep = tokenChars(settings);
  return (text) => {
    const tokens: Token[] = [];
    for (const offsets of charRuns(text, keep)) {
      const start = offsets[0]!;
      for (let size = min; size <= max && size < offsets.length; size++) {
        const end = offsets[size]!;
        tokens.push({ term: text.slice(start, end), position: tokens.length, start, end, type: "word" });
      }
    }
    return tokens;
  };
}

function pathTokenizer(settings: SettingsReader): Tokenizer {
  const delimiter = settings.text("delimiter", "/");
  if (delimiter.length !== 1) throw illegalArgument("delimiter must be a one char value");
  const replacement = settings.text("replacement", delimiter);
  if (replacement.length !== 1) throw illegalArgument("replacement must be a one char value");
  const reverse = settings.flag("reverse", false);
  const skip = settings.whole("skip", 0);
  return (text) => {
    const cuts: number[] = [];
    for (let i = 0; i < text.length; i++) if (text[i] === delimiter) cuts.push(i);
    const spans: [number, number][] = [];
    if (reverse) {
      const starts = [0, ...cuts.map((cut) => cut + 1)].filter((start) => start < text.length);
      const ends = [...cuts.map((cut) => cut + 1), text.length];
      const end = skip === 0 ? text.length : ends[ends.length - 1 - skip] ?? 0;
      for (const start of starts) if (start < end) spans.push([start, end]);
    } else {
      const start = skip === 0
        ? 0
        : text[0] === delimiter
        ? cuts[skip] ?? text.length
        : cuts[skip - 1] ?? text.length;
      for (const end of [...cuts, text.length]) if (end > start) spans.push([start, end]);
    }
    return spans.map(([start, end]) => ({
      term: text.slice(start, end).replaceAll(delimiter, replacement),
      position: 0,
      start,
      end,
      type: "word",
    }));
  };
}

function charGroupTokenizer(settings: SettingsReader): Tokenizer {
  const longest = maxTokenLength(settings);
  const tests = (settings.list("tokenize_on_chars") ?? []).map((entry): (char: string) => boolean => {
    switch (entry) {
      case "whitespace":
        return (char) => isJavaBlank(char.codePointAt(0)!);
      case "letter":
        return (char) => /\p{L}/u.test(char);
      case "digit":
        return (char) => /\p{Nd}/u.test(char);
      case "punctuation":
        return (char) => /\p{P}/u.test(char);
      case "symbol":
        return (char) => /\p{S}/u.test(char);
    }
    const char = entry === "\\n" ? "\n" : entry === "\\t" ? "\t" : entry === "\\r" ? "\r" : entry;
    return (one) => one === char;
  });
  return (text) =>
    runTokens(text, (code) => {
      const char = String.fromCodePoint(code);
      return !tests.some((test) => test(char));
    }, longest);
}

const URL_OR_EMAIL =
  /(?:(?:https?|ftp|file):\/\/[^\s<>"'(){}|\\^`[\]]*[^\s<>"'(){}|\\^`[\].,;:!?])|(?:[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+)|(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+(?:com|org|net|edu|gov|mil|int|info|io|dev|app|eu|de|uk|fr|it|es|nl|ru|cn|jp|us|ca|au|ch|at|be|se|no|fi|dk|pl|cz)(?::\d+)?(?:\/[^\s<>"'(){}|\\^`[\]]*[^\s<>"'(){}|\\^`[\].,;:!?])?(?![A-Za-z0-9-]))/g;

/** As the standard tokenizer, but web and mail addresses are tokens of their own. */
function urlTokens(text: string, longest: number): Token[] {
  const tokens: Token[] = [];
  let from = 0;
  const words = (start: number, end: number) => {
    for (const token of standardTokens(text.slice(start, end), longest)) {
      token.start += start;
      token.end += start;
      token.position = tokens.length;
      tokens.push(token);
    }
  };
  for (const match of text.matchAll(URL_OR_EMAIL)) {
    if (match[0].length > longest) continue;
    words(from, match.index);
    const end = match.index + match[0].length;
    const type = match[0].includes("@") && !match[0].includes("://") ? "<EMAIL>" : "<URL>";
    tokens.push({ term: match[0], position: tokens.length, start: match.index, end, type });
    from = end;
  }
  words(from, text.length);
  return tokens;
}
