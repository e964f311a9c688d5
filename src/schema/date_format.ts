/**
 * How is a date written? Format lists such as `strict_date_optional_time||epoch_millis`, which a text is tried
 * against in order, and whose first one prints.
 *
 * @module
 */
import { illegalArgument, RequestError } from "../base/errors.ts";
import { DAY_MS, dayOfWeek, daysFromCivil, daysInMonth, isLeapYear, isoYearStart } from "./calendar.ts";
import {
  compilePattern,
  DateFields,
  DateSlot,
  isDigit,
  parseItems,
  type PatternItem,
} from "./date_pattern.ts";
import { type DateParts, printItems } from "./date_print.ts";
import { namedFormat } from "./date_names.ts";
import { type TimeZone, timeZone, UTC } from "./time_zone.ts";

export { type DateParts } from "./date_print.ts";

export const DEFAULT_DATE_FORMAT = "strict_date_optional_time||epoch_millis";
export const DEFAULT_NANOS_FORMAT = "strict_date_optional_time_nanos||epoch_millis";

/** One format of a list. */
interface OneFormat {
  /** Undefined: the text does not follow the format. */
  parse(text: string, zone: TimeZone, roundUp: boolean): DateParts | undefined;
  print(parts: DateParts, zone: TimeZone): string;
}

/** Formats are few; cleared when somebody sends very many. */
const cache = new Map<string, DateFormat>();
const CACHE_MAX = 1000;

export class DateFormat {
  readonly #formats: readonly OneFormat[];

  private constructor(readonly pattern: string, formats: readonly OneFormat[]) {
    this.#formats = formats;
  }

  /** @throws {RequestError} 400 `illegal_argument_exception`, "Invalid format: [x]: ..." */
  static of(pattern: string): DateFormat {
    const hit = cache.get(pattern);
    if (hit) return hit;
    if (pattern === "") throw illegalArgument("No date pattern provided");
    // A leading 8 once asked for java.time instead of Joda; it still comes with old mappings.
    const formats = (/^8[A-Za-z]/.test(pattern) ? pattern.slice(1) : pattern).split("||").map((one) => {
      if (one === "") {
        throw illegalArgument(`Cannot have empty element in multi date format pattern: ${pattern}`);
      }
      return makeFormat(one);
    });
    const format = new DateFormat(pattern, formats);
    if (cache.size >= CACHE_MAX) cache.clear();
    cache.set(pattern, format);
    return format;
  }

  /**
   * The instant that `text` names.
   *
   * @param zone Holds where the text names no zone.
   * @param roundUp Parts that the text leaves out take their last value instead of their first (time only).
   * @returns Undefined when no format of the list fits.
   */
  tryParse(text: string, zone: TimeZone = UTC, roundUp = false): DateParts | undefined {
    for (const format of this.#formats) {
      const parts = format.parse(text, zone, roundUp);
      if (parts) return parts;
    }
    return undefined;
  }

  /** @throws {RequestError} 400: "failed to parse date field [x] with format [y]". */
  parse(text: string, zone: TimeZone = UTC, roundUp = false): DateParts {
    const parts = this.tryParse(text, zone, roundUp);
    if (parts) return parts;
    if (text === "") throw illegalArgument("cannot parse empty date");
    throw new RequestError(`failed to parse date field [${text}] with format [${this.pattern}]`, {
      status: 400,
      type: "illegal_argument_exception",
      causedBy: {
        type: "date_time_parse_exception",
        reason: this.#formats.length > 1 || this.#formats[0] instanceof IsoFormat
          ? "Failed to parse with all enclosed parsers"
          : `Text '${text}' could not be parsed`,
      },
    });
  }

  /** Prints by the first format of the list. */
  print(ms: number, nanosOfMs = 0, zone: TimeZone = UTC): string {
    return this.#formats[0]!.print({ ms, nanosOfMs }, zone);
  }

  /** Prints nanoseconds since the epoch. */
  printNanos(nanos: bigint, zone: TimeZone = UTC): string {
    const { ms, nanosOfMs } = fromNanos(nanos);
    return this.print(ms, nanosOfMs, zone);
  }

  /** Whether the first format is a number since the epoch, which clients then read as one. */
  get isEpoch(): boolean {
    return this.#formats[0] instanceof EpochFormat;
  }
}

export function toNanos(parts: DateParts): bigint {
  return BigInt(parts.ms) * 1_000_000n + BigInt(parts.nanosOfMs);
}

export function fromNanos(nanos: bigint): DateParts {
  let ms = nanos / 1_000_000n;
  let rest = nanos % 1_000_000n;
  if (rest < 0n) {
    rest += 1_000_000n;
    ms -= 1n;
  }
  return { ms: Number(ms), nanosOfMs: Number(rest) };
}

function makeFormat(name: string): OneFormat {
  if (name === "epoch_millis") return new EpochFormat(1);
  if (name === "epoch_second") return new EpochFormat(1000);
  if (name === "strict_date_optional_time") return new IsoFormat(true, 3);
  if (name === "strict_date_optional_time_nanos") return new IsoFormat(true, 9);
  if (name === "date_optional_time") return new IsoFormat(false, 3);
  if (name === "iso8601") return new IsoFormat(true, 3);
  const named = namedFormat(name);
  if (named) return new PatternFormat(named.parse, named.print);
  try {
    const items = compilePattern(name);
    return new PatternFormat([items], items);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw new RequestError(`Invalid format: [${name}]: ${error.message}`, {
      status: 400,
      type: "illegal_argument_exception",
      causedBy: { type: "illegal_argument_exception", reason: error.message },
    });
  }
}

/** Milliseconds or seconds since the epoch, with decimals down to the nanosecond. */
class EpochFormat implements OneFormat {
  constructor(private readonly unitMs: 1 | 1000) {}

  parse(text: string, _zone: TimeZone, roundUp: boolean): DateParts | undefined {
    const match = /^(-?)(\d{1,19})(?:\.(\d*))?$/.exec(text);
    if (!match) return undefined;
    const digits = this.unitMs === 1 ? 6 : 9;
    const fraction = match[3] ?? "";
    if (fraction.length > digits) return undefined;
    let rest = Number(fraction.padEnd(digits, "0"));
    if (roundUp && fraction === "") rest = this.unitMs === 1 ? 999_999 : 999_999_999;
    const whole = Number(match[2]);
    if (whole > Number.MAX_SAFE_INTEGER / this.unitMs) return undefined;
    const nanos = BigInt(whole) * BigInt(this.unitMs) * 1_000_000n;
    // A round-up reaches towards the future, whatever the sign.
    const signed = match[1] !== "-"
      ? nanos + BigInt(rest)
      : roundUp && fraction === ""
      ? -nanos + BigInt(rest)
      : -nanos - BigInt(rest);
    return fromNanos(signed);
  }

  print(parts: DateParts): string {
    const nanos = toNanos(parts);
    const unit = BigInt(this.unitMs) * 1_000_000n;
    const size = nanos < 0n ? -nanos : nanos;
    const rest = size % unit;
    const digits = this.unitMs === 1 ? 6 : 9;
    const fraction = rest === 0n ? "" : `.${String(rest).padStart(digits, "0").replace(/0+$/, "")}`;
    return `${nanos < 0n ? "-" : ""}${size / unit}${fraction}`;
  }
}

const scratch = new DateFields();

/** `yyyy[-MM[-dd['T'HH[:mm[:ss[.SSS]]][offset]]]]`, the everyday format, by hand. */
class IsoFormat implements OneFormat {
  constructor(
    private readonly strict: boolean,
    private readonly fractionMax: 3 | 9,
  ) {}

  parse(text: string, zone: TimeZone, roundUp: boolean): DateParts | undefined {
    const fields = scratch;
    fields.reset();
    if (!this.#scan(text, fields)) return undefined;
    return resolve(fields, zone, roundUp);
  }

  #scan(text: string, fields: DateFields): boolean {
    const length = text.length;
    let at = 0;
    let sign = 1;
    const first = text.charCodeAt(0);
    if (first === 0x2d || first === 0x2b) {
      sign = first === 0x2d ? -1 : 1;
      at = 1;
    }
    let end = at;
    while (end < length && isDigit(text.charCodeAt(end))) end++;
    const digits = end - at;
    if (this.strict ? digits < 4 || digits > 9 || (digits > 4 && at === 0) : digits < 1 || digits > 9) {
      if (digits !== 0 || text[at] !== "T" || at !== 0) return false;
    }
    if (digits > 0) fields.values[DateSlot.Year] = sign * Number(text.slice(at, end));
    at = end;
    if (digits > 0 && text[at] === "-") {
      at = this.#two(text, at + 1, DateSlot.Month, fields);
      if (at < 0) return false;
      if (text[at] === "-") {
        at = this.#two(text, at + 1, DateSlot.Day, fields);
        if (at < 0) return false;
      }
    }
    if (at === length) return true;
    if (text[at] !== "T") return false;
    at++;
    if (at === length) return true;
    at = this.#two(text, at, DateSlot.Hour, fields);
    if (at < 0) return false;
    if (text[at] === ":") {
      at = this.#two(text, at + 1, DateSlot.Minute, fields);
      if (at < 0) return false;
      if (text[at] === ":") {
        at = this.#two(text, at + 1, DateSlot.Second, fields);
        if (at < 0) return false;
        if (text[at] === "." || text[at] === ",") {
          const from = ++at;
          while (at < length && at - from < 9 && isDigit(text.charCodeAt(at))) at++;
          if (at === from) return false;
          fields.values[DateSlot.Nano] = Number(text.slice(from, at).padEnd(9, "0"));
        }
      }
    }
    if (at === length) return true;
    if (text[at] === "Z") {
      fields.offsetMs = 0;
      return at + 1 === length;
    }
    const match = /^([+-])(\d{2})(?::?(\d{2})(?::?(\d{2}))?)?$/.exec(text.slice(at));
    if (match) {
      const hours = Number(match[2]);
      if (hours > 18 || Number(match[3] ?? 0) > 59) return false;
      const size = hours * 3_600_000 + Number(match[3] ?? 0) * 60_000 + Number(match[4] ?? 0) * 1000;
      fields.offsetMs = match[1] === "-" ? -size : size;
      return true;
    }
    if (!/^[A-Za-z]+(\/[A-Za-z_]+)*$/.test(text.slice(at))) return false;
    fields.zone = text.slice(at);
    return true;
  }

  #two(text: string, at: number, slot: number, fields: DateFields): number {
    const a = text.charCodeAt(at);
    if (!isDigit(a)) return -1;
    const b = text.charCodeAt(at + 1);
    if (isDigit(b)) {
      fields.values[slot] = (a - 0x30) * 10 + (b - 0x30);
      return at + 2;
    }
    if (this.strict) return -1;
    fields.values[slot] = a - 0x30;
    return at + 1;
  }

  print(parts: DateParts, zone: TimeZone): string {
    return printItems(this.fractionMax === 9 ? ISO_NANOS_PRINT : ISO_PRINT, parts, zone);
  }
}

const ISO_PRINT = compilePattern("yyyy-MM-dd'T'HH:mm:ss.SSSXXX");
const ISO_NANOS_PRINT: PatternItem[] = ISO_PRINT.map((item) =>
  item.kind === "fraction" ? { ...item, max: 9 } : item
);

class PatternFormat implements OneFormat {
  constructor(
    private readonly alternatives: readonly (readonly PatternItem[])[],
    private readonly printed: readonly PatternItem[],
  ) {}

  parse(text: string, zone: TimeZone, roundUp: boolean): DateParts | undefined {
    for (const items of this.alternatives) {
      scratch.reset();
      if (parseItems(items, text, 0, scratch) !== text.length) continue;
      const parts = resolve(scratch, zone, roundUp);
      if (parts) return parts;
    }
    return undefined;
  }

  print(parts: DateParts, zone: TimeZone): string {
    return printItems(this.printed, parts, zone);
  }
}

/** Puts fields together; undefined where they contradict the calendar. */
function resolve(
  fields: DateFields,
  zone: TimeZone,
  roundUp: boolean,
): DateParts | undefined {
  const days = resolveDays(fields);
  if (days === undefined) return undefined;
  let hour = fields.get(DateSlot.Hour, NaN);
  if (hour !== hour && fields.has(DateSlot.HourOfAmPm)) {
    const half = fields.get(DateSlot.HourOfAmPm, 0);
    if (half > 11) return undefined;
    hour = half + 12 * fields.get(DateSlot.AmPm, 0);
  }
  let nanoOfDay: number;
  if (fields.has(DateSlot.MilliOfDay)) nanoOfDay = fields.get(DateSlot.MilliOfDay, 0) * 1e6;
  else if (fields.has(DateSlot.NanoOfDay)) nanoOfDay = fields.get(DateSlot.NanoOfDay, 0);
  else {
    if (hour !== hour) hour = roundUp ? 23 : 0;
    const minute = fields.get(DateSlot.Minute, roundUp ? 59 : 0);
    const second = fields.get(DateSlot.Second, roundUp ? 59 : 0);
    const nano = fields.get(DateSlot.Nano, roundUp ? 999_999_999 : 0);
    if (hour > 23 || minute > 59 || second > 59 || nano > 999_999_999) return undefined;
    nanoOfDay = ((hour * 60 + minute) * 60 + second) * 1e9 + nano;
  }
  const localMs = days * DAY_MS + Math.floor(nanoOfDay / 1e6);
  const nanosOfMs = nanoOfDay % 1e6;
  if (fields.offsetMs === fields.offsetMs) return { ms: localMs - fields.offsetMs, nanosOfMs };
  let inZone = zone;
  if (fields.zone !== "") {
    try {
      inZone = timeZone(fields.zone);
    } catch (error) {
      if (error instanceof RequestError) return undefined;
      throw error;
    }
  }
  return { ms: inZone.toUtc(localMs), nanosOfMs };
}

function resolveDays(fields: DateFields): number | undefined {
  if (fields.has(DateSlot.WeekYear)) {
    const week = fields.get(DateSlot.Week, 1);
    const day = fields.get(DateSlot.DayOfWeek, 1);
    const weekYear = fields.get(DateSlot.WeekYear, 1970);
    if (week < 1 || week > 53 || day < 1 || day > 7) return undefined;
    const start = isoYearStart(weekYear) + (week - 1) * 7;
    if (week === 53 && start >= isoYearStart(weekYear + 1)) return undefined;
    return start + day - 1;
  }
  let year = fields.get(DateSlot.Year, 1970);
  if (fields.has(DateSlot.Era) && fields.get(DateSlot.Era, 1) === 0) year = 1 - year;
  if (fields.has(DateSlot.DayOfYear)) {
    const day = fields.get(DateSlot.DayOfYear, 1);
    if (day < 1 || day > (isLeapYear(year) ? 366 : 365)) return undefined;
    return daysFromCivil(year, 1, 1) + day - 1;
  }
  const quarter = fields.get(DateSlot.Quarter, NaN);
  const month = fields.get(DateSlot.Month, quarter === quarter ? quarter * 3 - 2 : 1);
  const day = fields.get(DateSlot.Day, 1);
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  const days = daysFromCivil(year, month, day);
  if (fields.has(DateSlot.DayOfWeek) && dayOfWeek(days) !== fields.get(DateSlot.DayOfWeek, 0)) {
    return undefined;
  }
  return days;
}
