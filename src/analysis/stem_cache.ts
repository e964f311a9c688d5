/**
 * Stems of words seen lately: text repeats its words, and a stem takes some microseconds.
 *
 * @module
 */

/** Words kept per stemmer; all are forgotten when there are more. */
const WORDS_MAX = 16384;

/** The same stemmer with a memory. */
export function cachedStemmer(stem: (word: string) => string): (word: string) => string {
  const known = new Map<string, string>();
  return (word) => {
    let result = known.get(word);
    if (result === undefined) {
      result = stem(word);
      if (known.size >= WORDS_MAX) known.clear();
      known.set(word, result);
    }
    return result;
  };
}
