/**
 * Date math: `now-1d/d`, `2020-01-02||+1M/M`.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { addLocal, type CalendarUnit, floorLocal } from "./calendar.ts";
import { DateFormat, type DateParts } from "./date_format.ts";
import { type TimeZone, UTC } from "./time_zone.ts";

export interface DateMathOptions {
  readonly format: DateFormat | string;
  /** What `now` means, in milliseconds since the epoch. */
  readonly nowMs: number;
  /** For upper bounds that include, and lower ones that exclude: the last instant of what is named. */
  readonly roundUp: boolean;
  /** Holds where the text names no zone, and for rounding. `now` itself is the same everywhere. */
  readonly timeZone?: TimeZone;
}

const UNITS: Readonly<Record<string, CalendarUnit>> = {
  y: "y",
  M: "M",
  w: "w",
  d: "d",
  h: "h",
  H: "h",
  m: "m",
  s: "s",
};

/**
 * The instant of an expression.
 *
 * @throws {RequestError} 400 `parse_exception`, worded as Elasticsearch words it.
 */
export function parseDateMath(expression: string, options: DateMathOptions): DateParts {
  const zone = options.timeZone ?? UTC;
  if (expression.startsWith("now")) {
    return applyMath({ ms: options.nowMs, nanosOfMs: 0 }, expression.slice(3), zone, options.roundUp);
  }
  const bar = expression.indexOf("||");
  const format = typeof options.format === "string" ? DateFormat.of(options.format) : options.format;
  if (bar < 0) return parseAnchor(expression, format, zone, options.roundUp);
  // What the math rounds and adds to is the start of what is named.
  const math = expression.slice(bar + 2);
  const anchor = parseAnchor(expression.slice(0, bar), format, zone, options.roundUp && math === "");
  return applyMath(anchor, math, zone, options.roundUp);
}

/** Whether the answer depends on the clock: such queries are not cached. */
export function usesNow(expression: string): boolean {
  return expression.startsWith("now");
}

function parseAnchor(text: string, format: DateFormat, zone: TimeZone, roundUp: boolean): DateParts {
  const parts = format.tryParse(text, zone, roundUp);
  if (parts) return parts;
  if (text === "") throw parseException("cannot parse empty datetime");
  const reason = `failed to parse date field [${text}] with format [${format.pattern}]`;
  throw parseException(`${reason}: [${reason}]`);
}

function parseException(reason: string): RequestError {
  return new RequestError(reason, { status: 400, type: "parse_exception" });
}

function applyMath(start: DateParts, math: string, zone: TimeZone, roundUp: boolean): DateParts {
  let ms = start.ms;
  let nanosOfMs = start.nanosOfMs;
  for (let i = 0; i < math.length;) {
    const operator = math[i++]!;
    const round = operator === "/";
    if (!round && operator !== "+" && operator !== "-") {
      throw parseException(`operator not supported for date math [${math}]`);
    }
    if (i >= math.length) throw parseException(`truncated date math [${math}]`);
    const from = i;
    while (i < math.length && math[i]! >= "0" && math[i]! <= "9") i++;
    let count = 1;
    if (i > from) {
      count = Number(math.slice(from, i));
      if (i >= math.length) throw parseException(`truncated date math [${math}]`);
    }
    if (round && count !== 1) {
      throw parseException(`rounding \`/\` can only be used on single unit types [${math}]`);
    }
    const unit = UNITS[math[i++]!];
    if (unit === undefined) {
      throw parseException(`unit [${math[i - 1]}] not supported for date math [${math}]`);
    }
    if (round) {
      ms = roundDown(ms, unit, zone);
      nanosOfMs = 0;
      if (roundUp) {
        ms = add(ms, unit, 1, zone) - 1;
        nanosOfMs = 999_999;
      }
    } else ms = add(ms, unit, operator === "-" ? -count : count, zone);
  }
  return { ms, nanosOfMs };
}

/** Start of the calendar unit that an instant lies in, in a zone. */
export function roundDown(utcMs: number, unit: CalendarUnit, zone: TimeZone): number {
  const local = floorLocal(utcMs + zone.offsetMs(utcMs), unit);
  if (unit === "s" || unit === "m" || unit === "h") {
    // Stay within the same offset: an hour that comes twice has two starts.
    const start = local - zone.offsetMs(utcMs);
    return zone.offsetMs(start) === zone.offsetMs(utcMs) ? start : Math.min(zone.toUtc(local), utcMs);
  }
  return zone.toUtc(local);
}

/** An instant moved by calendar units in a zone; hours and less are exact lengths. */
export function add(utcMs: number, unit: CalendarUnit, count: number, zone: TimeZone): number {
  if (unit === "s" || unit === "m" || unit === "h") return addLocal(utcMs, unit, count);
  return zone.toUtc(addLocal(utcMs + zone.offsetMs(utcMs), unit, count));
}
