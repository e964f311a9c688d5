/**
 * Values in queries into what columns and dictionaries hold.
 *
 * @module
 */
import { utf8 } from "../base/bytes.ts";
import { illegalArgument, RequestError } from "../base/errors.ts";
import { parseDateMath } from "./date_math.ts";
import { DateFormat, toNanos } from "./date_format.ts";
import { parseCidr, parseIp } from "./ip.ts";
import { javaDouble } from "./json_scanner.ts";
import { javaText } from "./mapping_error.ts";
import {
  LONG_MAX,
  LONG_MIN,
  parseDecimal,
  parseJavaDouble,
  roundFloating,
  UNSIGNED_BIAS,
  UNSIGNED_LONG_MAX,
  ValueError,
  WHOLE_LIMITS,
  type WholeType,
  withArticle,
} from "./numbers.ts";
import { type TimeZone, UTC } from "./time_zone.ts";
import type { Field } from "./types.ts";

/**
 * Inclusive bounds of a numeric column, in both of its forms: which one to use is up to each segment's column
 * (`NumericColumn.wide`), since a `long` becomes wide only where it must.
 */
export interface NumberRange {
  /** For columns of doubles. Nothing matches when `low > high`. */
  readonly low: number;
  readonly high: number;
  /** For wide columns. */
  readonly lowWide: bigint;
  readonly highWide: bigint;
}

export interface RangeBounds {
  readonly gt?: unknown;
  readonly gte?: unknown;
  readonly lt?: unknown;
  readonly lte?: unknown;
}

export interface DateContext {
  readonly nowMs: number;
  /** Format of the bounds; default: the field's. */
  readonly format?: string | undefined;
  readonly timeZone?: TimeZone | undefined;
}

export const NOTHING: NumberRange = { low: 1, high: 0, lowWide: 1n, highWide: 0n };

/** Bounds that match exactly one value; `NOTHING` where the field cannot hold it. */
export function numberTerm(field: Field, value: unknown, dates: DateContext): NumberRange {
  if (field.type === "date" || field.type === "date_nanos") {
    return numberRange(field, { gte: value, lte: value }, dates);
  }
  return guarded(() => {
    const text = queryText(value);
    switch (field.type) {
      case "boolean": {
        const bit = parseQueryBoolean(text);
        return ofNumbers(bit, bit);
      }
      case "byte":
      case "short":
      case "integer": {
        const number = parseJavaDouble(text);
        if (!Number.isInteger(number)) return NOTHING;
        checkInteger(field.type, number, text);
        const [min, max] = WHOLE_LIMITS[field.type];
        return number < min || number > max ? NOTHING : ofNumbers(number + 0, number + 0);
      }
      case "long": {
        const decimal = wholeOf(text);
        checkLong(decimal.whole, text);
        // Text is cut off, as documents' is; a JSON number with a fraction matches nothing.
        if (decimal.fraction && typeof value !== "string") return NOTHING;
        return ofWides(decimal.whole, decimal.whole);
      }
      case "unsigned_long": {
        const decimal = wholeOf(text);
        if (decimal.fraction || decimal.whole < 0n || decimal.whole > UNSIGNED_LONG_MAX) return NOTHING;
        return ofWides(decimal.whole - UNSIGNED_BIAS, decimal.whole - UNSIGNED_BIAS);
      }
      case "float":
      case "half_float":
      case "double": {
        const number = roundFloating(parseJavaDouble(text), field.type);
        return ofNumbers(number, number);
      }
      case "scaled_float": {
        const scaled = Math.round(parseJavaDouble(text) * field.scalingFactor) / field.scalingFactor;
        return ofNumbers(scaled, scaled);
      }
    }
    throw illegalArgument(`Field [${field.name}] of type [${field.type}] holds no numbers`);
  });
}

/**
 * Bounds of a range query over a field of kind `number` or `wide`.
 *
 * @throws {RequestError} 400: a bound that the type cannot read.
 */
export function numberRange(field: Field, bounds: RangeBounds, dates: DateContext): NumberRange {
  return guarded(() => {
    switch (field.type) {
      case "boolean":
        return booleanRange(bounds);
      case "byte":
      case "short":
      case "integer":
      case "long":
        return longRange(field, bounds);
      case "unsigned_long":
        return unsignedRange(bounds);
      case "date":
      case "date_nanos":
        return dateRange(field, bounds, dates);
      case "float":
      case "half_float":
      case "double":
      case "scaled_float":
        return floatingRange(field, bounds);
    }
    throw illegalArgument(`Field [${field.name}] of type [${field.type}] does not support range queries`);
  });
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ValueError) throw new RequestError(error.message, { status: 400, type: error.type });
    throw error;
  }
}

/** A JSON value as Java's `toString` shows it to a type's parser. */
export function queryText(value: unknown): string {
  if (typeof value === "number") {
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : javaDouble(value);
  }
  return typeof value === "bigint" ? String(value) : javaText(value);
}

function ofNumbers(low: number, high: number): NumberRange {
  return { low, high, lowWide: wideCeil(low), highWide: wideFloor(high) };
}

function wideCeil(value: number): bigint {
  if (value === -Infinity) return LONG_MIN;
  if (value === Infinity) return LONG_MAX;
  return BigInt(Math.ceil(value));
}

function wideFloor(value: number): bigint {
  if (value === Infinity) return LONG_MAX;
  if (value === -Infinity) return LONG_MIN;
  return BigInt(Math.floor(value));
}

/** Columns of doubles hold whole numbers up to 2^53 only, where rounding a bound inwards changes nothing. */
function ofWides(low: bigint, high: bigint): NumberRange {
  if (low > high) return NOTHING;
  return { low: roundTowards(low, 1), high: roundTowards(high, -1), lowWide: low, highWide: high };
}

function roundTowards(value: bigint, direction: 1 | -1): number {
  const number = Number(value);
  const exact = BigInt(number);
  if (exact === value || (direction > 0 ? exact > value : exact < value)) return number;
  return direction > 0 ? nextUp(number) : nextDown(number);
}

function checkInteger(type: WholeType, number: number, text: string): void {
  const [min, max] = WHOLE_LIMITS.integer;
  // Bytes and shorts are queried as integers are.
  if (number < min || number > max) {
    throw illegalArgument(
      `Value [${text}] is out of range for ${withArticle(type === "integer" ? type : "integer")}`,
    );
  }
}

function checkLong(whole: bigint, text: string): void {
  if (whole < LONG_MIN || whole > LONG_MAX) {
    throw illegalArgument(`Value [${text}] is out of range for a long`);
  }
}

function wholeOf(text: string): { whole: bigint; fraction: boolean; negative: boolean } {
  const trimmed = text.trim();
  const decimal = parseDecimal(trimmed);
  if (!decimal) {
    throw new ValueError(
      "number_format_exception",
      trimmed === "" ? "empty String" : `For input string: "${text}"`,
    );
  }
  return { ...decimal, negative: trimmed.startsWith("-") };
}

/** First whole number at or above (past, if exclusive) a bound. */
function lowWhole(bounds: RangeBounds, least: bigint, check: (whole: bigint, text: string) => void): bigint {
  const exclusive = bounds.gt !== undefined && bounds.gt !== null;
  const bound = exclusive ? bounds.gt : bounds.gte;
  if (bound === undefined || bound === null) return least;
  const text = queryText(bound);
  const { whole, fraction, negative } = wholeOf(text);
  check(whole, text);
  if (fraction) return negative ? whole : whole + 1n;
  return exclusive ? whole + 1n : whole;
}

function highWhole(bounds: RangeBounds, most: bigint, check: (whole: bigint, text: string) => void): bigint {
  const exclusive = bounds.lt !== undefined && bounds.lt !== null;
  const bound = exclusive ? bounds.lt : bounds.lte;
  if (bound === undefined || bound === null) return most;
  const text = queryText(bound);
  const { whole, fraction, negative } = wholeOf(text);
  check(whole, text);
  if (fraction) return negative ? whole - 1n : whole;
  return exclusive ? whole - 1n : whole;
}

function longRange(field: Field, bounds: RangeBounds): NumberRange {
  const check = field.type === "long"
    ? checkLong
    : (whole: bigint, text: string) => checkInteger(field.type as WholeType, Number(whole), text);
  return ofWides(lowWhole(bounds, LONG_MIN, check), highWhole(bounds, LONG_MAX, check));
}

function unsignedRange(bounds: RangeBounds): NumberRange {
  const free = () => {};
  const low = lowWhole(bounds, 0n, free);
  const high = highWhole(bounds, UNSIGNED_LONG_MAX, free);
  if (low > UNSIGNED_LONG_MAX || high < 0n) return NOTHING;
  const clippedLow = low < 0n ? 0n : low;
  const clippedHigh = high > UNSIGNED_LONG_MAX ? UNSIGNED_LONG_MAX : high;
  return ofWides(clippedLow - UNSIGNED_BIAS, clippedHigh - UNSIGNED_BIAS);
}

function floatingRange(field: Field, bounds: RangeBounds): NumberRange {
  const read = (bound: unknown): number => {
    const value = parseJavaDouble(queryText(bound));
    if (field.type === "half_float") {
      roundFloating(value, field.type);
      return Math.fround(value);
    }
    return roundFloating(value, field.type === "float" ? "float" : "double");
  };
  let low = -Infinity;
  let high = Infinity;
  const factor = field.type === "scaled_float" ? field.scalingFactor : 0;
  const lowBound = bounds.gt ?? bounds.gte;
  if (lowBound !== undefined && lowBound !== null) {
    low = read(lowBound);
    const exclusive = bounds.gt !== undefined && bounds.gt !== null;
    if (factor > 0) low = Math.ceil(exclusive ? nextUp(low * factor) : low * factor) / factor;
    else if (exclusive) low = nextUp(low);
  }
  const highBound = bounds.lt ?? bounds.lte;
  if (highBound !== undefined && highBound !== null) {
    high = read(highBound);
    const exclusive = bounds.lt !== undefined && bounds.lt !== null;
    if (factor > 0) high = Math.floor(exclusive ? nextDown(high * factor) : high * factor) / factor;
    else if (exclusive) high = nextDown(high);
  }
  return ofNumbers(low, high);
}

function booleanRange(bounds: RangeBounds): NumberRange {
  const read = (value: unknown) => parseQueryBoolean(queryText(value));
  let low = 0;
  let high = 1;
  if (bounds.gt !== undefined && bounds.gt !== null) low = read(bounds.gt) + 1;
  else if (bounds.gte !== undefined && bounds.gte !== null) low = read(bounds.gte);
  if (bounds.lt !== undefined && bounds.lt !== null) high = read(bounds.lt) - 1;
  else if (bounds.lte !== undefined && bounds.lte !== null) high = read(bounds.lte);
  return ofNumbers(low, high);
}

function parseQueryBoolean(text: string): 0 | 1 {
  if (text === "true") return 1;
  if (text === "false") return 0;
  throw illegalArgument(`Can't parse boolean value [${text}], expected [true] or [false]`);
}

function dateRange(field: Field, bounds: RangeBounds, dates: DateContext): NumberRange {
  const format = DateFormat.of(dates.format ?? field.format);
  const timeZone = dates.timeZone ?? UTC;
  const nanos = field.type === "date_nanos";
  const read = (bound: unknown, roundUp: boolean): bigint => {
    const parts = parseDateMath(queryText(bound), { format, nowMs: dates.nowMs, roundUp, timeZone });
    return nanos ? toNanos(parts) : BigInt(parts.ms);
  };
  let low = nanos ? 0n : LONG_MIN;
  let high = LONG_MAX;
  if (bounds.gt !== undefined && bounds.gt !== null) low = read(bounds.gt, true) + 1n;
  else if (bounds.gte !== undefined && bounds.gte !== null) low = read(bounds.gte, false);
  if (bounds.lt !== undefined && bounds.lt !== null) high = read(bounds.lt, false) - 1n;
  else if (bounds.lte !== undefined && bounds.lte !== null) high = read(bounds.lte, true);
  return ofWides(low < LONG_MIN ? LONG_MIN : low, high > LONG_MAX ? LONG_MAX : high);
}

const floatBits = new Float64Array(1);
const longBits = new BigInt64Array(floatBits.buffer);

/** Least double above a finite one. */
export function nextUp(value: number): number {
  if (value === Infinity || Number.isNaN(value)) return value;
  if (value === 0) return Number.MIN_VALUE;
  floatBits[0] = value;
  longBits[0] = longBits[0]! + (value > 0 ? 1n : -1n);
  return floatBits[0]!;
}

/** Greatest double below a finite one. */
export function nextDown(value: number): number {
  return -nextUp(-value);
}

/** Inclusive bounds over a dictionary's byte order. */
export interface TermRange {
  readonly low: Uint8Array;
  readonly high: Uint8Array;
}

/** Bytes of a term query's value in a field of kind `term` (for `ip`: an address, or a block as a range). */
export function queryTerm(
  field: Field,
  value: unknown,
  normalize: (text: string) => string = (text) => text,
): Uint8Array | TermRange {
  const text = queryText(value);
  if (field.type === "ip") {
    return guarded(() => text.includes("/") ? parseCidr(text) : parseIp(text));
  }
  if (field.type === "binary") return guarded(() => utf8(text));
  return keyedTerm(field, field.normalizer === "" ? text : normalize(text));
}

/** A term's bytes; under a flattened field's key, `key \0 term`. */
export function keyedTerm(field: Field, text: string): Uint8Array {
  return utf8(field.flattenedKey === "" ? text : `${field.flattenedKey}\0${text}`);
}

/** Inclusive bounds of a range over addresses; undefined: nothing matches. */
export function ipRange(bounds: RangeBounds): TermRange | undefined {
  return guarded(() => {
    let low: Uint8Array = new Uint8Array(16);
    let high: Uint8Array = new Uint8Array(16).fill(0xff);
    if (bounds.gt !== undefined && bounds.gt !== null) {
      const above = step(parseIp(queryText(bounds.gt)), 1);
      if (!above) return undefined;
      low = above;
    } else if (bounds.gte !== undefined && bounds.gte !== null) low = parseIp(queryText(bounds.gte));
    if (bounds.lt !== undefined && bounds.lt !== null) {
      const below = step(parseIp(queryText(bounds.lt)), -1);
      if (!below) return undefined;
      high = below;
    } else if (bounds.lte !== undefined && bounds.lte !== null) high = parseIp(queryText(bounds.lte));
    return { low, high };
  });
}

/** The next or previous address; undefined past either end. */
function step(address: Uint8Array, by: 1 | -1): Uint8Array | undefined {
  const next = address.slice();
  for (let i = 15; i >= 0; i--) {
    const value = next[i]! + by;
    next[i] = value & 0xff;
    if (value >= 0 && value <= 255) return next;
  }
  return undefined;
}
