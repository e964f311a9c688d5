/**
 * How does a value print as a key, or as `key_as_string` and `value_as_string`?
 *
 * @module
 */
import { utf8, utf8Text } from "../../base/bytes.ts";
import { doubleText } from "../../base/json.ts";
import { DateFormat } from "../../schema/date_format.ts";
import { timeZone, UTC } from "../../schema/time_zone.ts";
import { formatIp } from "../../schema/ip.ts";
import { formatDecimal } from "./decimal_format.ts";

/** Plain, so that it travels with partial results. */
export type ValueFormat =
  /** Numbers print as they are. */
  | { readonly kind: "raw" }
  | { readonly kind: "date"; readonly pattern: string; readonly zone: string }
  | { readonly kind: "boolean" }
  | { readonly kind: "decimal"; readonly pattern: string }
  /** UTF-8 terms. */
  | { readonly kind: "text" }
  /** 16 bytes. */
  | { readonly kind: "ip" };

export const RAW: ValueFormat = { kind: "raw" };
export const TEXT: ValueFormat = { kind: "text" };

/** Text of a number, or undefined when the format adds nothing to the number. */
export function numberText(format: ValueFormat, value: number): string | undefined {
  switch (format.kind) {
    case "date": {
      const zone = format.zone === "" ? UTC : timeZone(format.zone);
      return DateFormat.of(format.pattern).print(javaLong(value), 0, zone);
    }
    case "boolean":
      return value === 0 ? "false" : "true";
    case "decimal":
      return formatDecimal(format.pattern, value);
    default:
      return undefined;
  }
}

/** As `numberText`, but a number without a format prints as a Java double. */
export function doubleOrText(format: ValueFormat, value: number): string {
  return numberText(format, value) ?? unquoted(doubleText(value));
}

function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1) : text;
}

/** A cast of a double to a long: towards zero, NaN is 0. Beyond what `Date` prints the edge is good enough. */
function javaLong(value: number): number {
  if (Number.isNaN(value)) return 0;
  return Math.max(-9223372036854775808, Math.min(9223372036854775807, Math.trunc(value)));
}

/** Text of a term given as byte string. */
export function termText(format: ValueFormat, bytes: string): string {
  if (format.kind === "ip" && bytes.length === 16) return formatIp(bytesOf(bytes));
  for (let i = 0; i < bytes.length; i++) if (bytes.charCodeAt(i) >= 0x80) return utf8Text(bytesOf(bytes));
  return bytes;
}

/** Longest call of `fromCharCode.apply`; longer terms go in pieces. */
const PIECE = 4096;

/** A byte string: one char a byte, so that comparing strings compares bytes. */
export function byteString(bytes: Uint8Array): string {
  if (bytes.length <= PIECE) return String.fromCharCode.apply(null, bytes as unknown as number[]);
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + PIECE) as unknown as number[]);
  }
  return text;
}

export function byteStringOfText(text: string): string {
  return byteString(utf8(text));
}

export function bytesOf(byteString: string): Uint8Array {
  const bytes = new Uint8Array(byteString.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = byteString.charCodeAt(i);
  return bytes;
}
