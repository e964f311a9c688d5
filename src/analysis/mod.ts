/**
 * How does text become terms?
 *
 * @module
 */
export { type Analyzer, type AsciiRule, type Token } from "./token.ts";
export { AnalyzerSet } from "./analyzer_set.ts";
export { asciiTokens } from "./ascii.ts";
