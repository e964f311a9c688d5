/**
 * `_source` filtering over the bytes as sent: what stays keeps its bytes, what goes is skipped unread.
 *
 * @module
 */
import { ByteWriter, utf8Text } from "../../base/bytes.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** What the patterns say of a path. */
interface Verdict {
  /** The path itself, and so everything below it, is asked for. */
  readonly included: boolean;
  /** Something below it may be. */
  readonly mayInclude: boolean;
  readonly excluded: boolean;
}

/**
 * Patterns of dotted paths; a pattern also means what is below it.
 *
 * Elasticsearch has two filters and takes the second when an exclusion has a `*`. The first reads paths name by name
 * (`*` within one name, `**` any names) and leaves out objects that exclusions emptied; the second reads them as
 * texts (`*` any text, dots included) and shows what was emptied. So does this one.
 */
export class SourceFilter {
  readonly #includes: readonly string[];
  readonly #excludes: readonly string[];
  /** The second way. */
  readonly #asTexts: boolean;
  /** Sources of one index repeat their paths. */
  readonly #verdicts = new Map<string, Verdict>();
  readonly #out = new ByteWriter(1024);

  constructor(includes: readonly string[], excludes: readonly string[]) {
    this.#includes = includes;
    this.#excludes = excludes;
    this.#asTexts = excludes.some((pattern) => pattern.includes("*"));
  }

  /** A filtered copy of a JSON object. */
  apply(source: Uint8Array): Uint8Array {
    this.#out.clear();
    const scan = new Scan(source);
    scan.at = scan.space(0);
    if (source[scan.at] !== OPEN_OBJECT) return source.slice();
    if (!this.#object(scan, "", this.#includes.length === 0)) this.#text("{}");
    return this.#out.toBytes();
  }

  /**
   * Copies the object at the scan, or nothing of it when nothing stays.
   *
   * @param included Whether the object is asked for as a whole, but for exclusions.
   * @returns Whether anything was written.
   */
  #object(scan: Scan, path: string, included: boolean): boolean {
    const out = this.#out;
    let isEmpty = true;
    scan.at = scan.space(scan.at + 1);
    while (scan.bytes[scan.at] !== CLOSE_OBJECT) {
      const keyFrom = scan.at;
      const key = scan.string();
      const keyTo = scan.at;
      scan.at = scan.space(scan.space(scan.at) + 1);
      const mark = out.length;
      out.append(isEmpty ? OPENING : SEPARATOR);
      out.append(scan.bytes.subarray(keyFrom, keyTo));
      out.append(COLON_BYTES);
      if (this.#value(scan, path === "" ? key : `${path}.${key}`, included)) isEmpty = false;
      else this.#cut(mark);
      scan.at = scan.space(scan.at);
      if (scan.bytes[scan.at] === COMMA) scan.at = scan.space(scan.at + 1);
    }
    scan.at++;
    if (isEmpty) return false;
    out.u8(CLOSE_OBJECT);
    return true;
  }

  /** Copies the value at the scan as far as it stays; false: nothing was written. */
  #value(scan: Scan, path: string, parentIncluded: boolean): boolean {
    const verdict = this.#verdict(path);
    const included = parentIncluded || verdict.included;
    const from = scan.at;
    if (verdict.excluded || (!included && !verdict.mayInclude)) {
      scan.skip();
      return false;
    }
    const first = scan.bytes[from];
    if (first === OPEN_OBJECT) {
      const wasEmpty = scan.bytes[scan.space(from + 1)] === CLOSE_OBJECT;
      if (this.#object(scan, path, included)) return true;
      const isShown = included && (wasEmpty || this.#asTexts);
      if (isShown) this.#text("{}");
      return isShown;
    }
    if (first === OPEN_ARRAY) return this.#array(scan, path, included);
    scan.skip();
    if (!included) return false;
    this.#out.append(scan.bytes.subarray(from, scan.at));
    return true;
  }

  #array(scan: Scan, path: string, included: boolean): boolean {
    const out = this.#out;
    let isEmpty = true;
    let hasItems = false;
    const start = out.length;
    scan.at = scan.space(scan.at + 1);
    while (scan.bytes[scan.at] !== CLOSE_ARRAY) {
      hasItems = true;
      const mark = out.length;
      out.u8(isEmpty ? OPEN_ARRAY : COMMA);
      const first = scan.bytes[scan.at];
      let kept: boolean;
      if (first === OPEN_OBJECT) {
        kept = this.#object(scan, path, included);
      } else if (first === OPEN_ARRAY) kept = this.#array(scan, path, included);
      else {
        const from = scan.at;
        scan.skip();
        kept = included;
        if (kept) out.append(scan.bytes.subarray(from, scan.at));
      }
      if (kept) isEmpty = false;
      else this.#cut(mark);
      scan.at = scan.space(scan.at);
      if (scan.bytes[scan.at] === COMMA) scan.at = scan.space(scan.at + 1);
    }
    scan.at++;
    if (!isEmpty) {
      out.u8(CLOSE_ARRAY);
      return true;
    }
    this.#cut(start);
    if (!included || (hasItems && !this.#asTexts)) return false;
    this.#text("[]");
    return true;
  }

  #verdict(path: string): Verdict {
    const known = this.#verdicts.get(path);
    if (known !== undefined) return known;
    const verdict = this.#asTexts ? this.#judgeText(path) : this.#judgeNames(path);
    if (this.#verdicts.size < 10_000) this.#verdicts.set(path, verdict);
    return verdict;
  }

  #judgeText(path: string): Verdict {
    return {
      included: this.#includes.length === 0 || this.#includes.some((pattern) => matches(pattern, path)),
      mayInclude: this.#includes.some((pattern) => mayMatchBelow(pattern, `${path}.`)),
      excluded: this.#excludes.some((pattern) => matches(pattern, path)),
    };
  }

  #judgeNames(path: string): Verdict {
    const names = path.split(".");
    let included = this.#includes.length === 0;
    let mayInclude = false;
    for (const pattern of this.#includes) {
      const fit = fitNames(pattern.split("."), 0, names, 0);
      if (fit === "whole") included = true;
      if (fit === "part") mayInclude = true;
    }
    const excluded = this.#excludes.some((pattern) => path === pattern || path.startsWith(`${pattern}.`));
    return { included, mayInclude, excluded };
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#out.u8(text.charCodeAt(i));
  }

  #cut(length: number): void {
    this.#out.advance(length - this.#out.length);
  }
}

const OPENING = Uint8Array.of(OPEN_OBJECT);
const SEPARATOR = Uint8Array.of(COMMA);
const COLON_BYTES = Uint8Array.of(COLON);

/** Whether a wildcard pattern fits a whole text. */
export function matches(pattern: string, text: string): boolean {
  const parts = pattern.split("*");
  if (parts.length === 1) return pattern === text;
  const first = parts[0]!;
  const last = parts[parts.length - 1]!;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) {
    return false;
  }
  let at = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** `whole`: the pattern means the path or something above it; `part`: it may mean something below. */
function fitNames(
  pattern: readonly string[],
  p: number,
  names: readonly string[],
  n: number,
): "whole" | "part" | "none" {
  if (p === pattern.length) return "whole";
  if (pattern[p] === "**") {
    if (p + 1 === pattern.length) return "whole";
    let best: "part" | "none" = "part";
    for (let i = n; i < names.length; i++) {
      const fit = fitNames(pattern, p + 1, names, i);
      if (fit === "whole") return fit;
      if (fit === "part") best = fit;
    }
    return best;
  }
  if (n === names.length) return "part";
  return matches(pattern[p]!, names[n]!) ? fitNames(pattern, p + 1, names, n + 1) : "none";
}

/** Whether a pattern can fit a text that begins with `prefix`. */
function mayMatchBelow(pattern: string, prefix: string): boolean {
  const star = pattern.indexOf("*");
  if (star < 0) return pattern.startsWith(prefix);
  const head = pattern.slice(0, star);
  return head.length >= prefix.length ? head.startsWith(prefix) : prefix.startsWith(head);
}

/** A place in valid JSON. */
class Scan {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}

  /** First place from `at` on that is no white space. */
  space(at: number): number {
    const bytes = this.bytes;
    while (at < bytes.length && bytes[at]! <= 0x20) at++;
    return at;
  }

  /** Reads the string here. */
  string(): string {
    const from = this.at;
    const hasEscape = this.#skipString();
    const raw = utf8Text(this.bytes.subarray(from, this.at));
    return hasEscape ? JSON.parse(raw) as string : raw.slice(1, -1);
  }

  /** Goes behind the value here. */
  skip(): void {
    const bytes = this.bytes;
    let depth = 0;
    do {
      const byte = bytes[this.at]!;
      if (byte === QUOTE) this.#skipString();
      else {
        if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
        else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--;
        this.at++;
        if (depth === 0 && byte !== CLOSE_OBJECT && byte !== CLOSE_ARRAY) this.#skipScalar();
      }
    } while (depth > 0 && this.at < bytes.length);
  }

  #skipScalar(): void {
    const bytes = this.bytes;
    while (this.at < bytes.length) {
      const byte = bytes[this.at]!;
      if (byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || byte <= 0x20) return;
      this.at++;
    }
  }

  /** Returns whether the string has escapes. */
  #skipString(): boolean {
    const bytes = this.bytes;
    let hasEscape = false;
    let at = this.at + 1;
    for (; at < bytes.length && bytes[at] !== QUOTE; at++) {
      if (bytes[at] === BACKSLASH) {
        hasEscape = true;
        at++;
      }
    }
    this.at = at + 1;
    return hasEscape;
  }
}
