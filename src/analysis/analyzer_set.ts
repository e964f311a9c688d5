/**
 * The analyzers and normalizers that an index knows: built-in ones and those of its settings.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";
import type { Analyzer } from "./token.ts";

export class AnalyzerSet {
  /** @throws {RequestError} The settings name an unknown kind, or break its rules. */
  static fromSettings(_settings: unknown, _defaultAnalyzer: string): AnalyzerSet { return new AnalyzerSet(); }
  get(name: string): Analyzer { 
    const simple = (asciiRule: Analyzer["asciiRule"], re: RegExp): Analyzer => ({name, asciiRule, maxTokenLength: 255, positionIncrementGap: 100,
      analyze(text) { let p = 0; return [...text.matchAll(re)].map((m) => ({ term: m[0].toLowerCase(), position: p++, start: m.index, end: m.index + m[0].length })); }});
    if (name === "standard" || name === "default") return simple("standard", /[\p{L}\p{N}_]+/gu);
    if (name === "simple" || name === "stop" || name === "english") return simple("none", /\p{L}+/gu);
    if (name === "whitespace") return simple("none", /\S+/g);
    if (name === "keyword") return simple("none", /.+/gs);
    throw illegalArgument(`no analyzer ${name}`); }
  has(name: string): boolean { return ["standard", "default", "simple", "whitespace", "keyword", "stop", "english"].includes(name); }
  /** Full name behind `default`. */
  resolve(name: string): string { return name === "default" ? "standard" : name; }
  /** A normalizer by name; applies to whole keyword values. */
  normalizer(_name: string): (text: string) => string { return (text) => text.toLowerCase(); }
  hasNormalizer(name: string): boolean { return name === "lowercase"; }
}
