/**
 * Text and JSON numbers into the values of numeric fields, with Elasticsearch's limits, rounding and wording.
 *
 * @module
 */
import { floatText } from "../base/json.ts";

/** A value cannot be taken. `type` is what `caused_by` shows. Thrown within `schema/` and turned into an outcome there. */
export class ValueError extends Error {
  override readonly name = "ValueError";

  constructor(readonly type: string, reason: string) {
    super(reason);
  }
}

export function badArgument(reason: string): ValueError {
  return new ValueError("illegal_argument_exception", reason);
}

export const LONG_MIN = -(2n ** 63n);
export const LONG_MAX = 2n ** 63n - 1n;
export const UNSIGNED_LONG_MAX = 2n ** 64n - 1n;
/** `unsigned_long` columns hold value - 2^63, so that signed order is value order. */
export const UNSIGNED_BIAS = 2n ** 63n;

/** Whole-number types that fit a double. */
export const WHOLE_LIMITS: Readonly<Record<"byte" | "short" | "integer", readonly [number, number]>> = {
  byte: [-128, 127],
  short: [-32768, 32767],
  integer: [-2147483648, 2147483647],
};

export type WholeType = keyof typeof WHOLE_LIMITS;

/** "a byte", "a short", "an integer", "a long": as errors say it. */
export function withArticle(type: string): string {
  return type === "integer" || type === "unsigned_long" ? `an ${type}` : `a ${type}`;
}

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

/** An exact decimal: whole part cut off towards zero, and whether anything was cut off. */
export interface Decimal {
  readonly whole: bigint;
  readonly fraction: boolean;
}

/** Longest exponent that is expanded; larger ones are beyond every whole type anyway. */
const EXPONENT_MAX = 400;

/** Reads a decimal number exactly; undefined when `text` is none. Huge ones come back as +-2^70. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = DECIMAL.exec(text);
  if (!match) return undefined;
  const wholeDigits = match[2]!;
  const fractionDigits = match[3] ?? "";
  if (wholeDigits === "" && fractionDigits === "") return undefined;
  const negative = match[1] === "-";
  const exponent = Number(match[4] ?? 0);
  let digits = wholeDigits + fractionDigits;
  let point = wholeDigits.length + exponent;
  const leading = digits.length - digits.replace(/^0+/, "").length;
  if (leading === digits.length) return { whole: 0n, fraction: false };
  digits = digits.slice(leading);
  point -= leading;
  if (point <= 0) return { whole: 0n, fraction: true };
  if (point > EXPONENT_MAX) return { whole: negative ? -(2n ** 70n) : 2n ** 70n, fraction: false };
  const kept = digits.slice(0, point).padEnd(point, "0");
  const whole = BigInt(kept);
  return { whole: negative ? -whole : whole, fraction: /[1-9]/.test(digits.slice(point)) };
}

/** Java's `Double.parseDouble`: surrounding blanks and a type suffix are fine. */
export function parseJavaDouble(text: string): number {
  const trimmed = text.trim();
  const match = /^([+-]?)(?:(NaN|Infinity)|((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[dDfF]?)$/.exec(trimmed);
  if (!match) {
    throw new ValueError(
      "number_format_exception",
      trimmed === "" ? "empty String" : `For input string: "${text}"`,
    );
  }
  if (match[2] === "NaN") return NaN;
  const size = match[2] ? Infinity : Number(match[3]);
  return match[1] === "-" ? -size : size;
}

/**
 * A `byte`, `short` or `integer` from text.
 *
 * @param coerce Fractions are cut off; else an error.
 */
export function parseWholeText(text: string, type: WholeType, coerce: boolean): number {
  const value = parseJavaDouble(text);
  const [min, max] = WHOLE_LIMITS[type];
  const cut = Math.trunc(value);
  if (!(cut >= min && cut <= max)) {
    throw badArgument(`Value [${text}] is out of range for ${withArticle(type)}`);
  }
  if (cut !== value && !coerce) throw badArgument(`Value [${text}] has a decimal part`);
  return cut + 0;
}

/** A `long` from text, exactly. */
export function parseLongText(text: string, coerce: boolean): bigint {
  const decimal = parseDecimal(text);
  if (!decimal) throw badArgument(`For input string: "${text}"`);
  if (decimal.whole < LONG_MIN || decimal.whole > LONG_MAX) {
    throw badArgument(`Value [${text}] is out of range for a long`);
  }
  if (decimal.fraction && !coerce) throw badArgument(`Value [${text}] has a decimal part`);
  return decimal.whole;
}

/** An `unsigned_long` from text: 0 to 2^64 - 1. Fractions of zero are fine. */
export function parseUnsignedText(text: string): bigint {
  const decimal = parseDecimal(text);
  if (!decimal || decimal.fraction) throw badArgument(`For input string: "${text}"`);
  if (decimal.whole < 0n || decimal.whole > UNSIGNED_LONG_MAX) {
    throw badArgument(`Value [${text}] is out of range for unsigned long`);
  }
  return decimal.whole;
}

/** Rounds a finite double as the floating type stores it; throws when that is infinite. */
export function roundFloating(value: number, type: "float" | "half_float" | "double"): number {
  if (type === "double") {
    if (!Number.isFinite(value)) throw notFinite(type, javaDoubleName(value));
    return value;
  }
  const single = Math.fround(value);
  const rounded = type === "float" ? single : roundHalf(single);
  if (!Number.isFinite(rounded)) {
    throw notFinite(type, Number.isFinite(single) ? floatText(single) : javaDoubleName(single));
  }
  return rounded;
}

function notFinite(type: string, shown: string): ValueError {
  return badArgument(`[${type}] supports only finite values, but got [${shown}]`);
}

function javaDoubleName(value: number): string {
  return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

/** Nearest number that has a half-precision form, ties to even; infinite from 65520 on. */
export function roundHalf(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const size = Math.abs(value);
  if (size >= 65520) return value > 0 ? Infinity : -Infinity;
  // 10 bits of mantissa; below 2^-14 the step stays 2^-24.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  let step = 2 ** (exponent - 10);
  // log2 may be off by one just below a power of two.
  if (size >= 2 ** (exponent + 1)) step *= 2;
  const scaled = size / step;
  let whole = Math.floor(scaled);
  const rest = scaled - whole;
  if (rest > 0.5 || (rest === 0.5 && whole % 2 === 1)) whole++;
  return Math.sign(value) * whole * step;
}

/** Java's `Math.round`: halves towards positive infinity. */
export function javaRound(value: number): number {
  const floor = Math.floor(value);
  return value - floor >= 0.5 ? floor + 1 : floor;
}

/** A `scaled_float` as it is kept: the double nearest to a multiple of 1 / factor. */
export function roundScaled(value: number, factor: number): number {
  if (!Number.isFinite(value)) {
    throw badArgument(`[scaled_float] only supports finite values, but got [${javaDoubleName(value)}]`);
  }
  return javaRound(value * factor) / factor + 0;
}
