/**
 * What every part of analysis speaks: tokens, and the analyzer that makes them.
 *
 * @module
 */

export interface Token {
  term: string;
  /** Position in the text: the first token's is 0 unless a filter dropped what came before; synonyms share one. */
  position: number;
  /** UTF-16 offset in the input where the token's text begins. */
  start: number;
  /** UTF-16 offset behind the token's text. */
  end: number;
  /** Positions that the token spans; absent: 1. Graph filters only. */
  positionLength?: number;
  /** Name of its kind, as `_analyze` shows; absent: `<ALPHANUM>` for the standard tokenizer, else `word`. */
  type?: string;
  /** Protected from stemming by a `keyword_marker`. */
  keyword?: boolean;
}

/**
 * Byte rule under which text that is pure ASCII may be tokenised by bytes, with the same terms and positions as
 * `analyze`: runs by the rule, A-Z lower-cased. `whitespace` and `keyword` keep the case. "none": always `analyze`.
 */
export type AsciiRule = "standard" | "simple" | "whitespace" | "keyword" | "none";

export interface Analyzer {
  readonly name: string;
  readonly asciiRule: AsciiRule;
  /** Longer tokens are split (UTF-16 units). */
  readonly maxTokenLength: number;
  /** Gap in positions between two values of one field. */
  readonly positionIncrementGap: number;
  analyze(text: string): Token[];
}
