/**
 * Tokens into tokens, each filter by its name in index settings.
 *
 * A filter that drops tokens leaves their positions empty; one that adds some puts them at existing positions.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import { foldAscii, lowerCase, upperCase } from "./letter_case.ts";
import { porter } from "./porter.ts";
import { porter2 } from "./porter2.ts";
import type { SettingsReader } from "./settings_reader.ts";
import { shingleFilter } from "./shingles.ts";
import { cachedStemmer } from "./stem_cache.ts";
import { ENGLISH_STOP_WORDS, parseStopWords } from "./stop_words.ts";
import { synonymFilter } from "./synonyms.ts";
import type { Token } from "./token.ts";
import { gramSizes } from "./tokenizers.ts";

export type TokenFilter = (tokens: Token[]) => Token[];

export interface FilterContext {
  /** What comes before the filter in its chain: synonyms are analysed with it. */
  readonly before: (text: string) => Token[];
  /** `index.max_ngram_diff`. */
  readonly maxNgramDiff: number;
  /** `index.max_shingle_diff`. */
  readonly maxShingleDiff: number;
}

/** Filters that work on single characters, and so may be part of a normalizer. */
export const NORMALIZING_FILTERS: ReadonlySet<string> = new Set([
  "lowercase",
  "uppercase",
  "asciifolding",
  "trim",
  "decimal_digit",
  "elision",
  "apostrophe",
  "pattern_replace",
]);

/** Makes a filter of the given kind; undefined: no such kind. */
export function makeFilter(
  kind: string,
  settings: SettingsReader,
  context: FilterContext,
): TokenFilter | undefined {
  switch (kind) {
    case "lowercase":
      return mapTerms(lowerCase);
    case "uppercase":
      return mapTerms(upperCase);
    case "asciifolding":
      return asciiFilter(settings.flag("preserve_original", false));
    case "stop":
      return stopFilter(settings);
    case "porter_stem":
      return stemWith(porter);
    case "porter2":
      return stemWith(porter2);
    case "snowball":
      return snowballFilter(settings);
    case "stemmer":
      return stemmerFilter(settings);
    case "english_possessive":
      return mapTerms(withoutPossessive);
    case "length": {
      const min = settings.whole("min", 0);
      const max = settings.whole("max", 2147483647);
      return (tokens) => tokens.filter(({ term }) => term.length >= min && term.length <= max);
    }
    case "trim":
      return mapTerms((term) => term.trim());
    case "truncate": {
      const length = settings.whole("length", 10);
      if (length <= 0) throw illegalArgument("length parameter must be a positive number");
      return mapTerms((term) => term.length > length ? term.slice(0, length) : term);
    }
    case "unique":
      return uniqueFilter(settings.flag("only_on_same_position", false));
    case "remove_duplicates":
      return uniqueFilter(true);
    case "reverse":
      return mapTerms((term) => [...term].reverse().join(""));
    case "limit": {
      const most = settings.whole("max_token_count", 1);
      return (tokens) => tokens.slice(0, most);
    }
    case "shingle":
      return shingleFilter(settings, context.maxShingleDiff);
    case "ngram":
    case "nGram":
      return ngramFilter(settings, context.maxNgramDiff);
    case "edge_ngram":
    case "edgeNGram":
      return edgeNgramFilter(settings);
    case "synonym":
    case "synonym_graph":
      return synonymFilter(settings, context.before);
    case "keyword_marker":
      return keywordMarker(settings);
    case "keyword_repeat":
      return (tokens) => tokens.flatMap((token) => [{ ...token, keyword: true }, token]);
    case "pattern_replace":
      return patternReplace(settings);
    case "apostrophe":
      return mapTerms((term) => term.replace(/['\u2019][^]*$/, ""));
    case "elision":
      return elisionFilter(settings);
    case "decimal_digit":
      return mapTerms((term) => term.replace(/\p{Nd}/gu, asciiDigit));
    case "fingerprint":
      return fingerprintFilter(settings);
    case "classic":
      return mapTerms((term) => withoutPossessive(term));
  }
  return undefined;
}

function mapTerms(change: (term: string) => string): TokenFilter {
  return (tokens) => {
    for (const token of tokens) token.term = change(token.term);
    return tokens;
  };
}

function stemWith(stemmer: (word: string) => string): TokenFilter {
  const stem = cachedStemmer(stemmer);
  return (tokens) => {
    for (const token of tokens) if (!token.keyword) token.term = stem(token.term);
    return tokens;
  };
}

function snowballFilter(settings: SettingsReader): TokenFilter {
  const language = settings.text("language", "English").toLowerCase();
  if (language === "english") return stemWith(porter2);
  if (language === "porter") return stemWith(porter);
  throw illegalArgument(`Snowball language [${language}] of filter [${settings.name}] is not supported yet`);
}

function stemmerFilter(settings: SettingsReader): TokenFilter {
  const language = settings.text("language", settings.text("name", "porter")).toLowerCase();
  switch (language) {
    case "english":
    case "porter":
      return stemWith(porter);
    case "porter2":
      return stemWith(porter2);
    case "possessive_english":
    case "possessiveenglish":
      return mapTerms(withoutPossessive);
  }
  throw illegalArgument(`Stemmer language [${language}] of filter [${settings.name}] is not supported yet`);
}

/** Drops a trailing `'s`. */
export function withoutPossessive(term: string): string {
  const n = term.length;
  if (n < 2 || (term.charCodeAt(n - 1) | 0x20) !== 0x73) return term;
  const quote = term.charCodeAt(n - 2);
  return quote === 0x27 || quote === 0x2019 || quote === 0xff07 ? term.slice(0, n - 2) : term;
}

function asciiFilter(keep: boolean): TokenFilter {
  if (!keep) return mapTerms(foldAscii);
  return (tokens) =>
    tokens.flatMap((token) => {
      const term = foldAscii(token.term);
      return term === token.term ? [token] : [{ ...token, term }, token];
    });
}

function stopFilter(settings: SettingsReader): TokenFilter {
  const words = parseStopWords(settings.raw("stopwords"), ENGLISH_STOP_WORDS);
  return dropWords(words, settings.flag("ignore_case", false));
}

/** Leaves out the given words. */
export function dropWords(words: readonly string[], ignoreCase = false): TokenFilter {
  const set = new Set(ignoreCase ? words.map(lowerCase) : words);
  return (tokens) => tokens.filter(({ term }) => !set.has(ignoreCase ? lowerCase(term) : term));
}

function uniqueFilter(samePosition: boolean): TokenFilter {
  return (tokens) => {
    const seen = new Set<string>();
    return tokens.filter((token) => {
      const key = samePosition ? `${token.position} ${token.term}` : token.term;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  };
}

function ngramFilter(settings: SettingsReader, maxDiff: number): TokenFilter {
  const { min, max } = gramSizes(settings);
  if (max - min > maxDiff) {
    throw illegalArgument(
      "The difference between max_gram and min_gram in NGram Tokenizer must be less than or equal to: " +
        `[${maxDiff}] but was [${
          max - min
        }]. This limit can be set by changing the [index.max_ngram_diff] index level setting.`,
    );
  }
  const keep = settings.flag("preserve_original", false);
  return (tokens) =>
    tokens.flatMap((token) => {
      const chars = [...token.term];
      const grams: Token[] = [];
      for (let from = 0; from < chars.length; from++) {
        for (let size = min; size <= max && from + size <= chars.length; size++) {
          grams.push({ ...token, term: chars.slice(from, from + size).join("") });
        }
      }
      if (keep && (chars.length < min || chars.length > max)) grams.push(token);
      return grams;
    });
}

function edgeNgramFilter(settings: SettingsReader): TokenFilter {
  const { min, max } = gramSizes(settings);
  const keep = settings.flag("preserve_original", false);
  const back = settings.text("side", "front") === "back";
  return (tokens) =>
    tokens.flatMap((token) => {
      const chars = [...token.term];
      const grams: Token[] = [];
      for (let size = min; size <= max && size <= chars.length; size++) {
        const part = back ? chars.slice(chars.length - size) : chars.slice(0, size);
        grams.push({ ...token, term: part.join("") });
      }
      if (keep && (chars.length < min || chars.length > max)) grams.push(token);
      return grams;
    });
}

function keywordMarker(settings: SettingsReader): TokenFilter {
  const ignoreCase = settings.flag("ignore_case", false);
  const given = settings.list("keywords");
  const hasPattern = settings.raw("keywords_pattern") !== undefined;
  if (given && hasPattern) {
    throw illegalArgument("cannot specify both `keywords_pattern` and `keywords` or `keywords_path`");
  }
  if (!given && !hasPattern) {
    throw illegalArgument(
      "keyword filter requires either `keywords`, `keywords_path`, or `keywords_pattern` to be configured",
    );
  }
  const words = new Set((given ?? []).map((word) => ignoreCase ? lowerCase(word) : word));
  const pattern = hasPattern ? settings.pattern("keywords_pattern", "") : undefined;
  const marked = (term: string): boolean => {
    if (pattern) return pattern.exec(term)?.[0].length === term.length;
    return words.has(ignoreCase ? lowerCase(term) : term);
  };
  return (tokens) => {
    for (const token of tokens) if (marked(token.term)) token.keyword = true;
    return tokens;
  };
}

function patternReplace(settings: SettingsReader): TokenFilter {
  if (settings.raw("pattern") === undefined) {
    throw illegalArgument(`pattern is missing for [${settings.name}] token filter of type 'pattern_replace'`);
  }
  const pattern = settings.pattern("pattern", "", settings.flag("all", true) ? "g" : "");
  const replacement = settings.text("replacement", "");
  return mapTerms((term) => term.replace(pattern, replacement));
}

const ARTICLES = ["l", "m", "t", "qu", "n", "s", "j", "d", "c", "jusqu", "quoiqu", "lorsqu", "puisqu"];

function elisionFilter(settings: SettingsReader): TokenFilter {
  const ignoreCase = settings.flag("articles_case", false);
  const articles = new Set(
    (settings.list("articles") ?? ARTICLES).map((one) => ignoreCase ? lowerCase(one) : one),
  );
  return mapTerms((term) => {
    const quote = term.search(/['\u2019]/);
    if (quote < 0) return term;
    const article = term.slice(0, quote);
    return articles.has(ignoreCase ? lowerCase(article) : article) ? term.slice(quote + 1) : term;
  });
}

/** Decimal digits of all scripts come in runs of ten that begin with zero. */
function asciiDigit(char: string): string {
  let zero = char.codePointAt(0)!;
  const own = zero;
  while (own - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
  return String((own - zero) % 10);
}

function fingerprintFilter(settings: SettingsReader): TokenFilter {
  const separator = settings.text("separator", " ");
  const longest = settings.whole("max_output_size", 255);
  return (tokens) => {
    if (tokens.length === 0) return tokens;
    const term = [...new Set(tokens.map((token) => token.term))].sort().join(separator);
    if (term.length > longest) return [];
    return [{ term, position: 0, start: 0, end: tokens[tokens.length - 1]!.end, type: "fingerprint" }];
  };
}
