/**
 * Patterns over whole terms: a nondeterministic automaton, made deterministic one state at a time while terms
 * are read. So matching is linear in the term whatever the pattern.
 *
 * Terms are UTF-8 and the automaton reads bytes; a fragment for a character is a chain of byte ranges.
 *
 * @module
 */
import { illegalArgument } from "../../base/errors.ts";

/** Most states of the nondeterministic and of the deterministic automaton. */
const STATES_MAX = 10_000;

/** A part under construction: enter at `start`, leave at `end`. */
export interface Fragment {
  readonly start: number;
  readonly end: number;
}

export class Automaton {
  // Edges of the nondeterministic automaton, by state: byte ranges, or free moves.
  readonly #lows: number[][] = [];
  readonly #highs: number[][] = [];
  readonly #targets: number[][] = [];
  readonly #free: number[][] = [];
  #start = 0;
  #final = 0;

  // The deterministic one so far: 256 entries a state, -1 where unknown. State 0 is dead.
  #table: Int32Array = new Int32Array(256 * 16).fill(-1);
  readonly #sets: number[][] = [];
  readonly #accepting: boolean[] = [];
  readonly #numbers = new Map<string, number>();
  #first = 0;

  state(): number {
    if (this.#free.length >= STATES_MAX) throw illegalArgument("The pattern is too complex");
    this.#lows.push([]);
    this.#highs.push([]);
    this.#targets.push([]);
    return this.#free.push([]) - 1;
  }

  /** Moves on any byte of [low, high]. */
  edge(from: number, low: number, high: number, to: number): void {
    this.#lows[from]!.push(low);
    this.#highs[from]!.push(high);
    this.#targets[from]!.push(to);
  }

  /** Moves without reading. */
  free(from: number, to: number): void {
    this.#free[from]!.push(to);
  }

  empty(): Fragment {
    const start = this.state();
    return { start, end: start };
  }

  concat(a: Fragment, b: Fragment): Fragment {
    this.free(a.end, b.start);
    return { start: a.start, end: b.end };
  }

  union(parts: readonly Fragment[]): Fragment {
    const start = this.state();
    const end = this.state();
    for (const part of parts) {
      this.free(start, part.start);
      this.free(part.end, end);
    }
    return { start, end };
  }

  optional(part: Fragment): Fragment {
    const start = this.state();
    const end = this.state();
    this.free(start, part.start);
    this.free(start, end);
    this.free(part.end, end);
    return { start, end };
  }

  star(part: Fragment): Fragment {
    const hub = this.state();
    this.free(hub, part.start);
    this.free(part.end, hub);
    return { start: hub, end: hub };
  }

  /** One character out of code point ranges. */
  characters(ranges: readonly (readonly [number, number])[]): Fragment {
    const start = this.state();
    const end = this.state();
    for (const [low, high] of ranges) this.#codePoints(start, end, low, high);
    return { start, end };
  }

  literal(text: string, caseInsensitive: boolean): Fragment {
    let whole = this.empty();
    for (const character of text) {
      whole = this.concat(whole, this.characters(rangesOf(character, caseInsensitive)));
    }
    return whole;
  }

  /** Any character. */
  any(): Fragment {
    return this.characters([[0, 0x10ffff]]);
  }

  anyText(): Fragment {
    return this.star(this.any());
  }

  /** Makes `whole` the language; nothing may be added afterwards. */
  finish(whole: Fragment): this {
    this.#start = whole.start;
    this.#final = whole.end;
    this.#number([]);
    this.#first = this.#number(this.#closure([this.#start]));
    return this;
  }

  accepts(term: Uint8Array): boolean {
    let state = this.#first;
    for (let i = 0; i < term.length; i++) {
      const next = this.#table[state * 256 + term[i]!]!;
      state = next >= 0 ? next : this.#step(state, term[i]!);
      if (state === 0) return false;
    }
    return this.#accepting[state]!;
  }

  /** Bytes that every accepted term begins with. */
  literalPrefix(): Uint8Array {
    const bytes: number[] = [];
    let state = this.#first;
    while (bytes.length < 256 && !this.#accepting[state]) {
      const only = this.#onlyByte(this.#sets[state]!);
      if (only < 0) break;
      bytes.push(only);
      state = this.#step(state, only);
    }
    return Uint8Array.from(bytes);
  }

  /** The one byte on which a set of states can move, or -1. */
  #onlyByte(set: readonly number[]): number {
    let only = -1;
    for (const state of set) {
      for (let i = 0; i < this.#lows[state]!.length; i++) {
        const low = this.#lows[state]![i]!;
        if (low !== this.#highs[state]![i] || (only >= 0 && only !== low)) return -1;
        only = low;
      }
    }
    return only;
  }

  #step(state: number, byte: number): number {
    const reached: number[] = [];
    for (const member of this.#sets[state]!) {
      const lows = this.#lows[member]!;
      for (let i = 0; i < lows.length; i++) {
        if (byte >= lows[i]! && byte <= this.#highs[member]![i]!) reached.push(this.#targets[member]![i]!);
      }
    }
    const next = this.#number(this.#closure(reached));
    this.#table[state * 256 + byte] = next;
    return next;
  }

  #closure(states: readonly number[]): number[] {
    const seen = new Set(states);
    const open = Array.from(seen);
    while (open.length > 0) {
      for (const next of this.#free[open.pop()!]!) {
        if (seen.has(next)) continue;
        seen.add(next);
        open.push(next);
      }
    }
    return Array.from(seen).sort((a, b) => a - b);
  }

  #number(set: number[]): number {
    const key = set.join(",");
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#sets.push(set) - 1;
    if (number >= STATES_MAX) throw illegalArgument("The pattern is too complex");
    this.#numbers.set(key, number);
    this.#accepting.push(set.includes(this.#final));
    if ((number + 1) * 256 > this.#table.length) {
      const grown = new Int32Array(this.#table.length * 2).fill(-1);
      grown.set(this.#table);
      this.#table = grown;
    }
    return number;
  }

  /** Edges for the UTF-8 of code points [low, high]. */
  #codePoints(start: number, end: number, low: number, high: number): void {
    for (const [first, last, length] of UTF8_LENGTHS) {
      const from = Math.max(low, first);
      const to = Math.min(high, last);
      if (from <= to) this.#byteRanges(start, end, encode(from, length), encode(to, length));
    }
  }

  /** Edges for byte strings of equal length between `low` and `high`, whose tails are continuation bytes. */
  #byteRanges(start: number, end: number, low: readonly number[], high: readonly number[]): void {
    if (low.length === 1) {
      this.edge(start, low[0]!, high[0]!, end);
      return;
    }
    const lowRest = low.slice(1);
    const highRest = high.slice(1);
    const least = lowRest.map(() => 0x80);
    const most = highRest.map(() => 0xbf);
    if (low[0] === high[0]) {
      const middle = this.state();
      this.edge(start, low[0]!, low[0]!, middle);
      this.#byteRanges(middle, end, lowRest, highRest);
      return;
    }
    let from = low[0]!;
    let to = high[0]!;
    if (lowRest.some((byte, i) => byte !== least[i])) {
      const middle = this.state();
      this.edge(start, from, from, middle);
      this.#byteRanges(middle, end, lowRest, most);
      from++;
    }
    if (highRest.some((byte, i) => byte !== most[i])) {
      const middle = this.state();
      this.edge(start, to, to, middle);
      this.#byteRanges(middle, end, least, highRest);
      to--;
    }
    if (from > to) return;
    const middle = this.state();
    this.edge(start, from, to, middle);
    this.#byteRanges(middle, end, least, most);
  }
}

const UTF8_LENGTHS: readonly (readonly [number, number, number])[] = [
  [0, 0x7f, 1],
  [0x80, 0x7ff, 2],
  [0x800, 0xffff, 3],
  [0x10000, 0x10ffff, 4],
];

function encode(point: number, length: number): number[] {
  if (length === 1) return [point];
  const bytes: number[] = [];
  for (let i = 1; i < length; i++) {
    bytes.unshift(0x80 | (point & 0x3f));
    point >>>= 6;
  }
  bytes.unshift(((0xf00 >>> length) & 0xff) | point);
  return bytes;
}

/** Code points that a character stands for. */
export function rangesOf(character: string, caseInsensitive: boolean): (readonly [number, number])[] {
  const forms = caseInsensitive ? [character, character.toLowerCase(), character.toUpperCase()] : [character];
  return forms.filter((form) => Array.from(form).length === 1).map((form) => {
    const point = form.codePointAt(0)!;
    return [point, point] as const;
  });
}
