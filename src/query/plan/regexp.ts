/**
 * Lucene's regular expressions over whole terms: `|`, `?`, `*`, `+`, `{n,m}`, classes, groups, `.`, `@` any text,
 * `#` nothing, `"..."` as it is, `<n-m>` numbers. Complement and intersection (`~`, `&`) are not there.
 *
 * @module
 */
import { notSupportedYet } from "../queries/body.ts";
import { Automaton, type Fragment, rangesOf } from "./automaton.ts";
import { queryShardError } from "./terms.ts";

/** Largest n of `{n}` and most numbers in `<n-m>`. */
const REPEAT_MAX = 1000;

type Range = readonly [number, number];

/** @throws {RequestError} The pattern does not follow the grammar. */
export function regexpAutomaton(pattern: string, caseInsensitive: boolean): Automaton {
  const parser = new RegexpParser(pattern, caseInsensitive);
  return parser.parse();
}

class RegexpParser {
  readonly #automaton = new Automaton();
  readonly #characters: readonly string[];
  readonly #caseInsensitive: boolean;
  #at = 0;

  constructor(pattern: string, caseInsensitive: boolean) {
    this.#characters = Array.from(pattern);
    this.#caseInsensitive = caseInsensitive;
  }

  parse(): Automaton {
    const whole = this.#characters.length === 0 ? this.#automaton.empty() : this.#union();
    if (this.#at < this.#characters.length) throw this.#error("end-of-string expected");
    return this.#automaton.finish(whole);
  }

  #error(reason: string): Error {
    return queryShardError(`failed to create query: ${reason} at position ${this.#at}`);
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #next(): string {
    const character = this.#peek();
    if (character === undefined) throw this.#error("unexpected end-of-string");
    this.#at++;
    return character;
  }

  #union(): Fragment {
    const parts = [this.#concat()];
    while (this.#take("|")) parts.push(this.#concat());
    return parts.length === 1 ? parts[0]! : this.#automaton.union(parts);
  }

  #concat(): Fragment {
    let whole = this.#repeat();
    while (this.#at < this.#characters.length && !"|)".includes(this.#peek()!)) {
      if (this.#peek() === "&") throw notSupportedYet("The operator [&] of the query [regexp]");
      whole = this.#automaton.concat(whole, this.#repeat());
    }
    return whole;
  }

  #repeat(): Fragment {
    const start = this.#at;
    let part = this.#simple();
    for (;;) {
      if (this.#take("?")) part = this.#automaton.optional(part);
      else if (this.#take("*")) part = this.#automaton.star(part);
      else if (this.#take("+")) part = this.#automaton.concat(part, this.#automaton.star(this.#again(start)));
      else if (this.#take("{")) part = this.#counted(start);
      else return part;
    }
  }

  /** Builds once more what stands at `start`, with the operators applied so far left out. */
  #again(start: number): Fragment {
    const end = this.#at;
    this.#at = start;
    const part = this.#simple();
    this.#at = end;
    return part;
  }

  #counted(start: number): Fragment {
    const least = this.#integer();
    let most: number | undefined = least;
    if (this.#take(",")) most = this.#peek() === "}" ? undefined : this.#integer();
    if (!this.#take("}")) throw this.#error("expected '}'");
    if (least > REPEAT_MAX || (most !== undefined && (most > REPEAT_MAX || most < least))) {
      throw this.#error("illegal repetition range");
    }
    const automaton = this.#automaton;
    let whole = automaton.empty();
    for (let i = 0; i < least; i++) whole = automaton.concat(whole, this.#again(start));
    if (most === undefined) return automaton.concat(whole, automaton.star(this.#again(start)));
    for (let i = least; i < most; i++) {
      whole = automaton.concat(whole, automaton.optional(this.#again(start)));
    }
    return whole;
  }

  #integer(): number {
    let digits = "";
    while (/^[0-9]$/.test(this.#peek() ?? "")) digits += this.#next();
    if (digits === "") throw this.#error("integer expected");
    return Number(digits);
  }

  #simple(): Fragment {
    const automaton = this.#automaton;
    const character = this.#next();
    switch (character) {
      case ".":
        return automaton.any();
      case "@":
        return automaton.anyText();
      case "#":
        return automaton.union([]);
      case "~":
        throw notSupportedYet("The operator [~] of the query [regexp]");
      case "(":
        return this.#group();
      case "[":
        return automaton.characters(this.#characterClass());
      case '"':
        return this.#quoted();
      case "<":
        return this.#interval();
      case "\\":
        return this.#escaped();
      default:
        return automaton.literal(character, this.#caseInsensitive);
    }
  }

  #group(): Fragment {
    if (this.#take(")")) return this.#automaton.empty();
    const part = this.#union();
    if (!this.#take(")")) throw this.#error("expected ')'");
    return part;
  }

  #quoted(): Fragment {
    let text = "";
    while (this.#peek() !== '"') text += this.#next();
    this.#at++;
    return this.#automaton.literal(text, this.#caseInsensitive);
  }

  #escaped(): Fragment {
    const character = this.#next();
    const ranges = CLASSES[character];
    return ranges === undefined
      ? this.#automaton.literal(character, this.#caseInsensitive)
      : this.#automaton.characters(ranges);
  }

  #interval(): Fragment {
    let text = "";
    while (this.#peek() !== ">") text += this.#next();
    this.#at++;
    const bounds = /^(\d+)-(\d+)$/.exec(text);
    if (bounds === null) throw this.#error("interval syntax error");
    const low = Math.min(Number(bounds[1]), Number(bounds[2]));
    const high = Math.max(Number(bounds[1]), Number(bounds[2]));
    if (high - low >= REPEAT_MAX) throw this.#error("interval too large");
    const digits = bounds[1]!.length === bounds[2]!.length ? bounds[1]!.length : 0;
    const parts: Fragment[] = [];
    for (let number = low; number <= high; number++) {
      parts.push(this.#automaton.literal(String(number).padStart(digits, "0"), false));
    }
    return this.#automaton.union(parts);
  }

  #characterClass(): readonly Range[] {
    const isNegated = this.#take("^");
    const ranges: Range[] = [];
    do {
      if (this.#peek() === undefined) throw this.#error("expected ']'");
      ranges.push(...this.#classItem());
    } while (this.#peek() !== undefined && this.#peek() !== "]");
    if (!this.#take("]")) throw this.#error("expected ']'");
    return isNegated ? complement(ranges) : ranges;
  }

  #classItem(): readonly Range[] {
    let character = this.#next();
    if (character === "\\") {
      character = this.#next();
      const ranges = CLASSES[character];
      if (ranges !== undefined) return ranges;
    }
    if (this.#peek() !== "-" || this.#characters[this.#at + 1] === "]") {
      return rangesOf(character, this.#caseInsensitive);
    }
    this.#at++;
    let last = this.#next();
    if (last === "\\") last = this.#next();
    const low = character.codePointAt(0)!;
    const high = last.codePointAt(0)!;
    if (low > high) throw this.#error("illegal character range");
    return [[low, high]];
  }
}

const DIGITS: readonly Range[] = [[0x30, 0x39]];
const SPACES: readonly Range[] = [[9, 10], [13, 13], [32, 32]];
const WORDS: readonly Range[] = [[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];

const CLASSES: Readonly<Record<string, readonly Range[]>> = {
  d: DIGITS,
  D: complement(DIGITS),
  s: SPACES,
  S: complement(SPACES),
  w: WORDS,
  W: complement(WORDS),
};

function complement(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const rest: Range[] = [];
  let next = 0;
  for (const [low, high] of sorted) {
    if (low > next) rest.push([next, low - 1]);
    next = Math.max(next, high + 1);
  }
  if (next <= 0x10ffff) rest.push([next, 0x10ffff]);
  return rest;
}
