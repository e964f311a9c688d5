/**
 * Numbers printed by a pattern such as `0.000`, `#,##0.00` or `$0.0K`: the part of Java's `DecimalFormat` that
 * the `format` parameter of aggregations uses.
 *
 * @module
 */
import { illegalArgument } from "../../base/errors.ts";

interface Pattern {
  readonly prefix: string;
  readonly suffix: string;
  readonly minWhole: number;
  readonly minFraction: number;
  readonly maxFraction: number;
  /** Digits in a group; 0: no grouping. */
  readonly group: number;
  /** 100 for percent, 1000 for per mille. */
  readonly scale: number;
}

const cache = new Map<string, Pattern>();
const CACHE_MAX = 1000;

/** @throws {RequestError} 400: the pattern is malformed. */
export function formatDecimal(pattern: string, value: number): string {
  let parsed = cache.get(pattern);
  if (!parsed) {
    parsed = parsePattern(pattern);
    if (cache.size >= CACHE_MAX) cache.clear();
    cache.set(pattern, parsed);
  }
  if (Number.isNaN(value)) return "NaN";
  const negative = value < 0 || Object.is(value, -0);
  const sign = negative ? "-" : "";
  const size = Math.abs(value) * parsed.scale;
  if (!Number.isFinite(size)) return `${sign}${parsed.prefix}∞${parsed.suffix}`;
  const rounded = roundHalfEven(size, parsed.maxFraction);
  let [whole, fraction = ""] = rounded.split(".") as [string, string?];
  whole = whole.replace(/^0+/, "").padStart(parsed.minWhole, "0");
  fraction = fraction.replace(/0+$/, "").padEnd(parsed.minFraction, "0");
  if (whole === "" && fraction === "") whole = "0";
  if (parsed.group > 0) whole = grouped(whole, parsed.group);
  return `${sign}${parsed.prefix}${whole}${fraction === "" ? "" : `.${fraction}`}${parsed.suffix}`;
}

/** Decimal digits of `size` with `digits` decimals, ties to the even digit, by its shortest decimal form. */
function roundHalfEven(size: number, digits: number): string {
  const plain = plainText(size);
  const dot = plain.indexOf(".");
  if (dot < 0 || plain.length - dot - 1 <= digits) return plain;
  const kept = plain.slice(0, dot) + plain.slice(dot + 1, dot + 1 + digits);
  const rest = plain.slice(dot + 1 + digits);
  let number = BigInt(kept === "" ? "0" : kept);
  const half = rest[0]! > "5" || (rest[0] === "5" && /[1-9]/.test(rest.slice(1)));
  const tie = rest[0] === "5" && !half;
  if (half || (tie && number % 2n === 1n)) number += 1n;
  const text = String(number).padStart(digits + 1, "0");
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** Shortest digits without an exponent. */
function plainText(size: number): string {
  const text = String(size);
  const at = text.indexOf("e");
  if (at < 0) return text;
  const exponent = Number(text.slice(at + 1));
  const [whole, fraction = ""] = text.slice(0, at).split(".") as [string, string?];
  if (exponent >= 0) return whole + fraction.padEnd(exponent, "0");
  return `0.${"0".repeat(-exponent - 1)}${whole}${fraction}`;
}

function grouped(whole: string, group: number): string {
  const parts: string[] = [];
  for (let end = whole.length; end > 0; end -= group) {
    parts.unshift(whole.slice(Math.max(0, end - group), end));
  }
  return parts.join(",");
}

function parsePattern(pattern: string): Pattern {
  const positive = pattern.split(";")[0]!;
  const match = /^([^#0,.]*)([#,]*[0,]*)(?:\.(0*)(#*))?([^#0,.]*)$/.exec(positive);
  if (!match) throw illegalArgument(`Malformed pattern "${pattern}"`);
  const [, prefix, whole, zeros, hashes, suffix] = match;
  const affixes = prefix! + suffix!;
  const comma = whole!.lastIndexOf(",");
  return {
    prefix: prefix!.replaceAll("'", ""),
    suffix: suffix!.replaceAll("'", ""),
    minWhole: (whole!.match(/0/g) ?? []).length,
    minFraction: zeros?.length ?? 0,
    maxFraction: (zeros?.length ?? 0) + (hashes?.length ?? 0),
    group: comma < 0 ? 0 : whole!.length - comma - 1,
    scale: affixes.includes("%") ? 100 : affixes.includes("‰") ? 1000 : 1,
  };
}
