/**
 * Date patterns in the letters of `java.time.format.DateTimeFormatter`, compiled into items that parse and print.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";

/** Slots of `DateFields.values`. */
export const DateSlot = {
  Year: 0,
  Month: 1,
  Day: 2,
  Hour: 3,
  Minute: 4,
  Second: 5,
  Nano: 6,
  DayOfYear: 7,
  WeekYear: 8,
  Week: 9,
  DayOfWeek: 10,
  /** 0 or 1. */
  AmPm: 11,
  /** 0 to 11, with `AmPm`. */
  HourOfAmPm: 12,
  Era: 13,
  MilliOfDay: 14,
  NanoOfDay: 15,
  Quarter: 16,
} as const;

const SLOTS = 17;

/** What a text said; NaN where it said nothing. */
export class DateFields {
  readonly values = new Float64Array(SLOTS).fill(NaN);
  /** Offset of the local time in milliseconds; NaN without one. */
  offsetMs = NaN;
  zone = "";

  reset(): void {
    this.values.fill(NaN);
    this.offsetMs = NaN;
    this.zone = "";
  }

  has(slot: number): boolean {
    const value = this.values[slot]!;
    return value === value;
  }

  get(slot: number, otherwise: number): number {
    const value = this.values[slot]!;
    return value === value ? value : otherwise;
  }

  copyFrom(other: DateFields): void {
    this.values.set(other.values);
    this.offsetMs = other.offsetMs;
    this.zone = other.zone;
  }
}

export type PatternItem =
  | { readonly kind: "literal"; readonly text: string }
  | {
    readonly kind: "number";
    readonly slot: number;
    readonly min: number;
    readonly max: number;
    /** Digits that fixed-width numbers right behind this one need. */
    readonly reserve: number;
    /** Years: a sign may come first, and must before more than `min` digits. */
    readonly signed: boolean;
    /** Added after reading: -1 for `k`, 2000 for `yy`. */
    readonly shift: "none" | "clock24" | "clock12" | "reduced";
  }
  | { readonly kind: "fraction"; readonly min: number; readonly max: number; readonly pad: number }
  | { readonly kind: "name"; readonly slot: number; readonly short: boolean }
  | {
    readonly kind: "offset";
    readonly colon: boolean;
    readonly minutes: "no" | "maybe" | "yes";
    readonly zero: string;
  }
  | { readonly kind: "zone"; readonly prefix: boolean }
  | { readonly kind: "optional"; readonly items: readonly PatternItem[] };

export const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
export const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/**
 * Compiles a pattern of letters.
 *
 * @param lenient Numbers may have fewer digits than letters.
 * @throws {RequestError} 400 with java.time's reason.
 */
export function compilePattern(pattern: string, lenient = false): PatternItem[] {
  const stack: PatternItem[][] = [[]];
  let i = 0;
  while (i < pattern.length) {
    const letter = pattern[i]!;
    if (/[A-Za-z]/.test(letter)) {
      let count = 1;
      while (pattern[i + count] === letter) count++;
      stack[stack.length - 1]!.push(letterItem(letter, count, lenient));
      i += count;
    } else if (letter === "'") {
      let text = "";
      let at = i + 1;
      for (;; at++) {
        if (at >= pattern.length) {
          throw illegalArgument(`Pattern ends with an incomplete string literal: ${pattern}`);
        }
        if (pattern[at] === "'") {
          if (pattern[at + 1] !== "'") break;
          at++;
        }
        text += pattern[at];
      }
      stack[stack.length - 1]!.push({ kind: "literal", text: text === "" ? "'" : text });
      i = at + 1;
    } else if (letter === "[") {
      stack.push([]);
      i++;
    } else if (letter === "]") {
      if (stack.length === 1) {
        throw illegalArgument("Pattern invalid as it contains ] without previous [");
      }
      const items = stack.pop()!;
      stack[stack.length - 1]!.push({ kind: "optional", items });
      i++;
    } else if (letter === "{" || letter === "}" || letter === "#") {
      throw illegalArgument(`Pattern includes reserved character: '${letter}'`);
    } else {
      stack[stack.length - 1]!.push({ kind: "literal", text: letter });
      i++;
    }
  }
  while (stack.length > 1) {
    const items = stack.pop()!;
    stack[stack.length - 1]!.push({ kind: "optional", items });
  }
  return withReserves(stack[0]!);
}

function withReserves(items: readonly PatternItem[]): PatternItem[] {
  const out: PatternItem[] = [];
  let following = 0;
  for (let i = items.length - 1; i >= 0; i--) {
    const item = items[i]!;
    if (item.kind === "number") {
      out.unshift({ ...item, reserve: following });
      following = item.min === item.max ? following + item.min : 0;
    } else {
      out.unshift(item.kind === "optional" ? { kind: "optional", items: withReserves(item.items) } : item);
      following = 0;
    }
  }
  return out;
}

function number(
  slot: number,
  min: number,
  max: number,
  more: { signed?: boolean; shift?: "none" | "clock24" | "clock12" | "reduced" } = {},
): PatternItem {
  const { signed = false, shift = "none" } = more;
  return { kind: "number", slot, min, max, reserve: 0, signed, shift };
}

function letterItem(letter: string, count: number, lenient: boolean): PatternItem {
  const min = lenient ? 1 : count;
  switch (letter) {
    case "y":
    case "u":
      if (count === 2) return number(DateSlot.Year, 2, 2, { shift: "reduced" });
      return number(DateSlot.Year, min, lenient ? 9 : 10, { signed: true });
    case "Y":
      if (count === 2) return number(DateSlot.WeekYear, 2, 2, { shift: "reduced" });
      return number(DateSlot.WeekYear, min, 10, { signed: true });
    case "M":
    case "L":
      if (count >= 3) return { kind: "name", slot: DateSlot.Month, short: count !== 4 };
      return twoDigits(DateSlot.Month, count, lenient);
    case "d":
      return twoDigits(DateSlot.Day, tooMany(letter, count, 2), lenient);
    case "H":
      return twoDigits(DateSlot.Hour, tooMany(letter, count, 2), lenient);
    case "k":
      return {
        ...twoDigits(DateSlot.Hour, tooMany(letter, count, 2), lenient),
        shift: "clock24",
      } as PatternItem;
    case "h":
      return {
        ...twoDigits(DateSlot.HourOfAmPm, tooMany(letter, count, 2), lenient),
        shift: "clock12",
      } as PatternItem;
    case "K":
      return twoDigits(DateSlot.HourOfAmPm, tooMany(letter, count, 2), lenient);
    case "m":
      return twoDigits(DateSlot.Minute, tooMany(letter, count, 2), lenient);
    case "s":
      return twoDigits(DateSlot.Second, tooMany(letter, count, 2), lenient);
    case "S":
      return {
        kind: "fraction",
        min: lenient ? 1 : tooMany(letter, count, 9),
        max: lenient ? 9 : count,
        pad: count,
      };
    case "n":
      return number(DateSlot.Nano, count, 19);
    case "A":
      return number(DateSlot.MilliOfDay, count, 19);
    case "N":
      return number(DateSlot.NanoOfDay, count, 19);
    case "D":
      if (count === 3 && !lenient) return number(DateSlot.DayOfYear, 3, 3);
      return number(DateSlot.DayOfYear, lenient ? 1 : tooMany(letter, count, 3), 3);
    case "w":
      return twoDigits(DateSlot.Week, tooMany(letter, count, 2), lenient);
    case "e":
    case "c":
    case "E":
      if (count >= 3 || letter === "E") return { kind: "name", slot: DateSlot.DayOfWeek, short: count !== 4 };
      return twoDigits(DateSlot.DayOfWeek, count, lenient);
    case "Q":
    case "q":
      return twoDigits(DateSlot.Quarter, count, lenient);
    case "a":
      return { kind: "name", slot: DateSlot.AmPm, short: true };
    case "G":
      return { kind: "name", slot: DateSlot.Era, short: true };
    case "X":
    case "x":
      tooMany(letter, count, 5);
      return {
        kind: "offset",
        colon: count === 3 || count === 5,
        minutes: count === 1 ? "maybe" : "yes",
        zero: letter === "X" ? "Z" : count === 1 ? "+00" : count === 3 || count === 5 ? "+00:00" : "+0000",
      };
    case "Z":
      if (count < 4) return { kind: "offset", colon: false, minutes: "yes", zero: "+0000" };
      if (count === 4) return { kind: "zone", prefix: true };
      tooMany(letter, count, 5);
      return { kind: "offset", colon: true, minutes: "yes", zero: "Z" };
    case "O":
      return { kind: "zone", prefix: true };
    case "z":
    case "v":
    case "V":
      return { kind: "zone", prefix: false };
  }
  throw illegalArgument(`Unknown pattern letter: ${letter}`);
}

function twoDigits(slot: number, count: number, lenient: boolean): PatternItem {
  if (lenient) return number(slot, 1, 2);
  return count === 2 ? number(slot, 2, 2) : number(slot, 1, 19);
}

function tooMany(letter: string, count: number, most: number): number {
  if (count > most) throw illegalArgument(`Too many pattern letters: ${letter}`);
  return count;
}

/** Parses `text` from `at`; the position behind what matched, or -1. Optional parts are taken when they match. */
export function parseItems(
  items: readonly PatternItem[],
  text: string,
  at: number,
  fields: DateFields,
): number {
  for (const item of items) {
    if (item.kind === "optional") {
      const before = new DateFields();
      before.copyFrom(fields);
      const next = parseItems(item.items, text, at, fields);
      if (next < 0) fields.copyFrom(before);
      else at = next;
    } else {
      at = parseItem(item, text, at, fields);
      if (at < 0) return -1;
    }
  }
  return at;
}

function parseItem(
  item: Exclude<PatternItem, { kind: "optional" }>,
  text: string,
  at: number,
  fields: DateFields,
): number {
  switch (item.kind) {
    case "literal":
      return text.startsWith(item.text, at) ? at + item.text.length : -1;
    case "number":
      return parseNumber(item, text, at, fields);
    case "fraction": {
      let end = at;
      while (end < text.length && end - at < item.max && isDigit(text.charCodeAt(end))) end++;
      if (end - at < item.min) return -1;
      fields.values[DateSlot.Nano] = Number(text.slice(at, end).padEnd(9, "0"));
      return end;
    }
    case "name":
      return parseName(item.slot, text, at, fields);
    case "offset":
      return parseOffset(item, text, at, fields);
    case "zone": {
      const match = /^[A-Za-z][A-Za-z0-9_+\-/:]*|^[+-]\d{2}(?::?\d{2})?/.exec(text.slice(at));
      if (!match) return -1;
      fields.zone = match[0];
      return at + match[0].length;
    }
  }
}

function parseNumber(
  item: Extract<PatternItem, { kind: "number" }>,
  text: string,
  at: number,
  fields: DateFields,
): number {
  let sign = 1;
  let max = item.max;
  if (item.signed) {
    const first = text.charCodeAt(at);
    if (first === 0x2b || first === 0x2d) {
      sign = first === 0x2d ? -1 : 1;
      at++;
    } else if (item.min >= 4) max = item.min;
  }
  let digits = 0;
  while (digits < max && isDigit(text.charCodeAt(at + digits))) digits++;
  if (item.reserve > 0 && item.min !== item.max) {
    let run = digits;
    while (isDigit(text.charCodeAt(at + run))) run++;
    digits = Math.max(item.min, Math.min(digits, run - item.reserve));
    if (digits > run) return -1;
  }
  if (digits < item.min || digits === 0) return -1;
  let value = Number(text.slice(at, at + digits));
  if (item.shift === "reduced") value += 2000;
  else if (item.shift === "clock24") value = value === 24 ? 0 : value;
  else if (item.shift === "clock12") value = value === 12 ? 0 : value;
  const known = fields.values[item.slot]!;
  if (known === known && known !== sign * value) return -1;
  fields.values[item.slot] = sign * value;
  return at + digits;
}

function parseName(slot: number, text: string, at: number, fields: DateFields): number {
  if (slot === DateSlot.AmPm || slot === DateSlot.Era) {
    const word = text.slice(at, at + 2).toUpperCase();
    const index = slot === DateSlot.AmPm ? ["AM", "PM"].indexOf(word) : ["BC", "AD"].indexOf(word);
    if (index < 0) return -1;
    fields.values[slot] = index;
    return at + 2;
  }
  const names = slot === DateSlot.Month ? MONTHS : WEEKDAYS;
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    for (const candidate of [name, name.slice(0, 3)]) {
      if (text.startsWith(candidate, at)) {
        fields.values[slot] = i + 1;
        return at + candidate.length;
      }
    }
  }
  return -1;
}

function parseOffset(
  item: Extract<PatternItem, { kind: "offset" }>,
  text: string,
  at: number,
  fields: DateFields,
): number {
  if (item.zero === "Z" && text[at] === "Z") {
    fields.offsetMs = 0;
    return at + 1;
  }
  const first = text[at];
  if (first !== "+" && first !== "-") return -1;
  const rest = text.slice(at + 1, at + 10);
  const match = (item.colon ? /^(\d{2}):(\d{2})(?::(\d{2}))?/ : /^(\d{2})(\d{2})(\d{2})?/).exec(rest) ??
    (item.minutes !== "yes" ? /^(\d{2})/.exec(rest) : null);
  if (!match) return -1;
  const hours = Number(match[1]);
  const minutes = Number(match[2] ?? 0);
  if (hours > 18 || minutes > 59) return -1;
  const size = hours * 3_600_000 + minutes * 60_000 + Number(match[3] ?? 0) * 1000;
  fields.offsetMs = first === "-" ? -size : size;
  return at + 1 + match[0].length;
}

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
