/**
 * How does text become terms?
 *
 * @module
 */
export { type Analyzer, type AsciiRule, type Token } from "./token.ts";
export { AnalyzerSet } from "./analyzer_set.ts";
export {
  ASCII_CLASSES,
  asciiBlankTokens,
  AsciiClass,
  asciiLetterTokens,
  asciiTokens,
  MAX_TOKEN_LENGTH,
} from "./ascii.ts";
export { foldAscii, lowerCase, upperCase } from "./letter_case.ts";
export { porter } from "./porter.ts";
export { porter2 } from "./porter2.ts";
export { ENGLISH_STOP_WORDS } from "./stop_words.ts";
