/**
 * `?filter_path`: shows parts of a JSON answer, the values' bytes untouched.
 *
 * Patterns are paths of names joined by dots (`\.` is a dot in a name), `*` any characters within a name, `**` any
 * names. Arrays have no name: patterns go through them. What is empty then is not shown; where nothing is left, the
 * answer is `{}` or `[]`.
 *
 * @module
 */
import { ByteWriter, utf8Text } from "../base/bytes.ts";
import { endOfString, isBlank, skipBlanks } from "./pretty.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c, COLON = 0x3a;
const OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d, OPEN_ARRAY = 0x5b, CLOSE_ARRAY = 0x5d;

type Pattern = readonly string[];

/** Filters `json`, which must be valid. `filterPath` is the parameter's value; blank ones change nothing. */
export function filterJson(json: Uint8Array, filterPath: string): Uint8Array {
  const includes: Pattern[] = [];
  const excludes: Pattern[] = [];
  for (const part of filterPath.split(",").map((text) => text.trim())) {
    if (part.startsWith("-")) excludes.push(namesOf(part.slice(1)));
    else if (part !== "") includes.push(namesOf(part));
  }
  if (includes.length + excludes.length === 0) return json;
  const filter = new Filter(json);
  const states = includes.map((names) => ({ names, at: 0 }));
  if (
    !filter.value(includes.length === 0 ? undefined : states, excludes.map((names) => ({ names, at: 0 })))
  ) {
    return json[skipBlanks(json, 0)] === OPEN_ARRAY ? EMPTY_ARRAY : EMPTY_OBJECT;
  }
  return filter.bytes();
}

const EMPTY_ARRAY = new Uint8Array([OPEN_ARRAY, CLOSE_ARRAY]);
const EMPTY_OBJECT = new Uint8Array([OPEN_OBJECT, CLOSE_OBJECT]);

function namesOf(pattern: string): Pattern {
  return pattern.split(/(?<!\\)\./).map((name) => name.replaceAll("\\.", "."));
}

/** A pattern of which `at` names are matched. */
interface State {
  readonly names: Pattern;
  readonly at: number;
}

/** What is left of the patterns below `name`; "whole": one of them ends there. */
function step(states: readonly State[], name: string): State[] | "whole" {
  const next: State[] = [];
  for (const { names, at } of states) {
    for (let from = at;; from++) {
      if (names[from] === "**") {
        next.push({ names, at: from });
        if (from === names.length - 1) return "whole";
        continue;
      }
      if (nameMatches(names[from]!, name)) {
        if (from === names.length - 1) return "whole";
        next.push({ names, at: from + 1 });
      }
      break;
    }
  }
  return next;
}

function nameMatches(pattern: string, name: string): boolean {
  if (!pattern.includes("*")) return pattern === name;
  const [first, ...rest] = pattern.split("*");
  if (!name.startsWith(first!)) return false;
  let at = first!.length;
  const last = rest.pop()!;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

class Filter {
  readonly #json: Uint8Array;
  readonly #out: ByteWriter;
  #at: number;

  constructor(json: Uint8Array) {
    this.#json = json;
    this.#out = new ByteWriter(Math.min(json.length, 1 << 16));
    this.#at = skipBlanks(json, 0);
  }

  bytes(): Uint8Array {
    return this.#out.bytes();
  }

  /**
   * Copies what stays of the value at hand and moves behind it.
   *
   * @param includes Undefined: all of it stays that is not excluded. @returns Whether anything was written.
   */
  value(includes: readonly State[] | undefined, excludes: readonly State[]): boolean {
    const byte = this.#json[this.#at]!;
    if (includes === undefined && excludes.length === 0) {
      const start = this.#at;
      this.#skip();
      let end = this.#at;
      while (isBlank(this.#json[end - 1]!)) end--;
      this.#out.append(this.#json.subarray(start, end));
      return true;
    }
    if (byte === OPEN_OBJECT) return this.#members(OPEN_OBJECT, includes, excludes);
    if (byte === OPEN_ARRAY) return this.#members(OPEN_ARRAY, includes, excludes);
    if (includes !== undefined) {
      this.#skip();
      return false;
    }
    return this.value(undefined, []);
  }

  #members(open: number, includes: readonly State[] | undefined, excludes: readonly State[]): boolean {
    const json = this.#json;
    const out = this.#out;
    const isObject = open === OPEN_OBJECT;
    const close = isObject ? CLOSE_OBJECT : CLOSE_ARRAY;
    const start = out.length;
    out.u8(open);
    let written = 0;
    this.#at = skipBlanks(json, this.#at + 1);
    while (json[this.#at] !== close) {
      const before = out.length;
      if (written > 0) out.u8(COMMA);
      if (isObject ? this.#member(includes, excludes) : this.value(includes, excludes)) written++;
      else out.truncate(before);
      this.#at = skipBlanks(json, this.#at);
      if (json[this.#at] === COMMA) this.#at = skipBlanks(json, this.#at + 1);
    }
    this.#at++;
    if (written === 0) {
      out.truncate(start);
      return false;
    }
    out.u8(close);
    return true;
  }

  #member(includes: readonly State[] | undefined, excludes: readonly State[]): boolean {
    const json = this.#json;
    const nameStart = this.#at;
    const nameEnd = endOfString(json, nameStart);
    const text = json.subarray(nameStart, nameEnd);
    const name = text.includes(BACKSLASH)
      ? JSON.parse(utf8Text(text)) as string
      : utf8Text(text.subarray(1, -1));
    this.#at = skipBlanks(json, skipBlanks(json, nameEnd) + 1);
    const dropped = excludes.length === 0 ? [] : step(excludes, name);
    const kept = includes === undefined ? "whole" : step(includes, name);
    if (dropped === "whole" || kept.length === 0) {
      this.#skip();
      return false;
    }
    this.#out.append(text);
    this.#out.u8(COLON);
    return this.value(kept === "whole" ? undefined : kept, dropped);
  }

  /** Moves behind the value at hand. */
  #skip(): void {
    const json = this.#json;
    let depth = 0;
    for (; this.#at < json.length; this.#at++) {
      const byte = json[this.#at]!;
      if (byte === QUOTE) this.#at = endOfString(json, this.#at) - 1;
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
      else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        if (depth === 0) return;
        depth--;
      } else if (byte === COMMA && depth === 0) return;
    }
  }
}
