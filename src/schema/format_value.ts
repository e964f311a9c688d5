/**
 * Column values into what answers show: sort values, bucket keys, `docvalue_fields`.
 *
 * @module
 */
import { utf8Text } from "../base/bytes.ts";
import { Double, Float, type Json } from "../base/json.ts";
import { DateFormat, fromNanos } from "./date_format.ts";
import { formatIp } from "./ip.ts";
import { UNSIGNED_BIAS } from "./numbers.ts";
import { type TimeZone, UTC } from "./time_zone.ts";
import type { Field } from "./types.ts";

/** What a column or dictionary holds: a double, a wide integer, or a term's bytes. */
export type ColumnValue = number | bigint | Uint8Array;

/** The value in a hit's `sort`. */
export function sortValue(field: Field, value: ColumnValue): Json {
  switch (field.type) {
    case "float":
    case "half_float":
      return new Float(Number(value));
    case "double":
    case "scaled_float":
      return new Double(Number(value));
    case "unsigned_long":
      return BigInt(value as number | bigint) + UNSIGNED_BIAS;
  }
  return value instanceof Uint8Array ? termText(field, value) : value;
}

/** A bucket's `key`, and its `key_as_string` where it has one. */
export interface BucketKey {
  readonly key: Json;
  readonly keyAsString?: string;
}

/** @param format A date format or, for numbers, a pattern given with the aggregation; undefined: the field's own. */
export function bucketKey(
  field: Field,
  value: ColumnValue,
  options: { readonly format?: string | undefined; readonly timeZone?: TimeZone | undefined } = {},
): BucketKey {
  switch (field.type) {
    case "boolean":
      return { key: Number(value), keyAsString: Number(value) === 1 ? "true" : "false" };
    case "date":
    case "date_nanos": {
      // Buckets of date_nanos are keyed in milliseconds.
      const ms = field.type === "date" ? Number(value) : fromNanos(BigInt(value as bigint)).ms;
      const format = DateFormat.of(options.format ?? field.format);
      return { key: ms, keyAsString: format.print(ms, 0, options.timeZone ?? UTC) };
    }
    case "float":
    case "half_float":
    case "double":
    case "scaled_float":
      return { key: new Double(Number(value)) };
    case "unsigned_long":
      return { key: BigInt(value as number | bigint) + UNSIGNED_BIAS };
  }
  return { key: value instanceof Uint8Array ? termText(field, value) : value };
}

/** The value in `docvalue_fields`. */
export function docValue(
  field: Field,
  value: ColumnValue,
  options: { readonly format?: string | undefined; readonly timeZone?: TimeZone | undefined } = {},
): Json {
  switch (field.type) {
    case "boolean":
      return Number(value) === 1;
    case "date": {
      const format = DateFormat.of(options.format ?? field.format);
      return format.print(Number(value), 0, options.timeZone ?? UTC);
    }
    case "date_nanos": {
      const format = DateFormat.of(options.format ?? field.format);
      return format.printNanos(BigInt(value as bigint), options.timeZone ?? UTC);
    }
    case "float":
    case "half_float":
    case "double":
    case "scaled_float":
      return new Double(Number(value));
    case "unsigned_long":
      return BigInt(value as number | bigint) + UNSIGNED_BIAS;
  }
  return value instanceof Uint8Array ? termText(field, value) : value;
}

/** A term as text: an address, base64 of a binary, the value of a flattened key. */
export function termText(field: Field, term: Uint8Array): string {
  if (field.type === "ip") return formatIp(term);
  if (field.type === "binary") {
    let raw = "";
    for (const byte of term) raw += String.fromCharCode(byte);
    return btoa(raw);
  }
  if (field.flattenedKey !== "") {
    const zero = term.indexOf(0);
    return utf8Text(term.subarray(zero + 1));
  }
  return utf8Text(term);
}
