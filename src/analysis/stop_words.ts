/**
 * Words too common to search for.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";

/** Lucene's English list. */
export const ENGLISH_STOP_WORDS: readonly string[] = [
  "a",
  "an",
  "and",
  "are",
  "as",
  "at",
  "be",
  "but",
  "by",
  "for",
  "if",
  "in",
  "into",
  "is",
  "it",
  "no",
  "not",
  "of",
  "on",
  "or",
  "such",
  "that",
  "the",
  "their",
  "then",
  "there",
  "these",
  "they",
  "this",
  "to",
  "was",
  "will",
  "with",
];

/** A `stopwords` setting: a list, a comma-separated text, or `_english_`, `_none_`. */
export function parseStopWords(value: unknown, otherwise: readonly string[]): readonly string[] {
  if (value === undefined || value === null) return otherwise;
  const given = Array.isArray(value)
    ? value.map(String)
    : String(value).split(",").map((word) => word.trim());
  const words: string[] = [];
  for (const word of given) {
    if (word === "_english_") words.push(...ENGLISH_STOP_WORDS);
    else if (word === "_none_" || word === "") continue;
    else if (/^_[a-z_]+_$/.test(word)) throw illegalArgument(`stop words [${word}] are not supported yet`);
    else words.push(word);
  }
  return words;
}
