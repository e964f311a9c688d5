/**
 * What a sort means for one shard: which column each key reads, what stands in for a missing value, how values
 * print.
 *
 * @module
 */
import { utf8 } from "../../base/bytes.ts";
import { illegalArgument, RequestError } from "../../base/errors.ts";
import { Float, type Json } from "../../base/json.ts";
import type { Field, FieldType } from "../../schema/types.ts";
import { DateFormat, LONG_MAX, LONG_MIN, parseDateMath, sortValue, tryParseIp } from "../../schema/values.ts";
import { formatDecimal } from "../aggs/decimal_format.ts";
import type { Scalar } from "../queries/query.ts";
import type { FieldSortSpec, SortMode, SortSpec } from "../request/request.ts";
import { keyPrefix, queryShardError } from "../plan/terms.ts";
import type { SearchTarget } from "../target.ts";
import type { RawSortValue } from "./sort_value.ts";

export type SortKey = ScoreKey | DocKey | NumberKey | TermKey;

interface KeyBase {
  readonly descending: boolean;
  /** Where nulls go; only term keys have any. */
  readonly missingFirst: boolean;
  /** How a value prints in a hit's `sort`. */
  readonly render: (value: RawSortValue) => Json;
  /** A value of `search_after`. */
  readonly parse: (value: Scalar | null) => RawSortValue;
}

export interface ScoreKey extends KeyBase {
  readonly kind: "score";
}

export interface DocKey extends KeyBase {
  readonly kind: "doc";
}

export interface NumberKey extends KeyBase {
  readonly kind: "number";
  /** Column's name; "": no document has a value. */
  readonly field: string;
  readonly mode: SortMode;
  /** Averages and medians are rounded. */
  readonly whole: boolean;
  /** Value of a doc without one. */
  readonly missing: number | bigint;
}

export interface TermKey extends KeyBase {
  readonly kind: "term";
  readonly field: string;
  readonly mode: "min" | "max";
  /** Value of a doc without one; undefined: null. */
  readonly missing: Uint8Array | undefined;
  /** Only terms that begin so count: one key of a flattened field. */
  readonly prefix: Uint8Array;
}

/** @throws {RequestError} A field cannot be sorted by. */
export function planSort(specs: readonly SortSpec[], target: SearchTarget, nowMs: number): SortKey[] {
  return specs.map((spec) => {
    switch (spec.kind) {
      case "score":
        return {
          kind: "score",
          descending: spec.descending,
          missingFirst: false,
          render: (value) => new Float(Number(value)),
          parse: (value) => numberAfter("_score", value),
        };
      case "doc":
        return {
          kind: "doc",
          descending: spec.descending,
          missingFirst: false,
          render: (value) => Number(value),
          parse: (value) => numberAfter("_doc", value),
        };
      case "field":
        return fieldKey(spec, target, nowMs);
    }
  });
}

const WHOLE_TYPES: ReadonlySet<FieldType> = new Set<FieldType>([
  "boolean",
  "byte",
  "short",
  "integer",
  "long",
  "unsigned_long",
  "date",
  "date_nanos",
]);

function fieldKey(spec: FieldSortSpec, target: SearchTarget, nowMs: number): SortKey {
  if (spec.field === "_id") {
    throw illegalArgument(
      "Fielddata access on the _id field is disallowed, you can re-enable it by updating the dynamic cluster setting: indices.id_field_data.enabled",
    );
  }
  const field = target.mapping.field(spec.field);
  if (field === undefined) {
    if (spec.field === "_seq_no" || spec.field === "_version") return metaKey(spec);
    if (spec.unmappedType === undefined) {
      throw queryShardError(`No mapping found for [${spec.field}] in order to sort on`);
    }
    return unmappedKey(spec, spec.unmappedType);
  }
  if (field.kind === "text") {
    throw illegalArgument(
      `Fielddata is disabled on [${field.name}] in [${target.index}]. Text fields are not optimised for operations that ` +
        "require per-document field data like aggregations and sorting, so these operations are disabled by default. " +
        `Please use a keyword field instead. Alternatively, set fielddata=true on [${field.name}] in order to load field ` +
        "data by uninverting the inverted index. Note that this can use significant memory.",
    );
  }
  if (!field.docValues || field.kind === "none") {
    throw illegalArgument(
      `Can't load fielddata on [${spec.field}] because fielddata is unsupported on fields of type [${field.type}]. Use doc values instead.`,
    );
  }
  if (field.kind === "term") return termKey(spec, field);
  return numberKey(spec, field, nowMs);
}

function numberKey(spec: FieldSortSpec, field: Field, nowMs: number): NumberKey {
  const whole = WHOLE_TYPES.has(field.type);
  const missingFirst = spec.missing === "_first";
  const isDefault = spec.missing === undefined || spec.missing === "_last" || missingFirst;
  const parse = (value: Scalar | null) => valueAfter(field, spec, value, nowMs);
  return {
    kind: "number",
    field: field.name,
    descending: spec.descending,
    missingFirst,
    mode: spec.mode ?? (spec.descending ? "max" : "min"),
    whole,
    missing: isDefault
      ? extreme(field.type, missingFirst === spec.descending)
      : missingNumber(field, spec.missing!, nowMs),
    render: numberRenderer(field, spec.format),
    parse,
  };
}

/** What a doc without a value sorts as: beyond all others. */
function extreme(type: FieldType, greatest: boolean): number | bigint {
  if (!WHOLE_TYPES.has(type)) return greatest ? Infinity : -Infinity;
  // Dates in nanoseconds begin with the epoch.
  return greatest ? LONG_MAX : type === "date_nanos" ? 0n : LONG_MIN;
}

function missingNumber(field: Field, value: Scalar, nowMs: number): number | bigint {
  if (field.type === "date" || field.type === "date_nanos") {
    const parts = parseDateMath(String(value), { format: field.format, nowMs, roundUp: false });
    return field.type === "date" ? parts.ms : BigInt(parts.ms) * 1_000_000n + BigInt(parts.nanosOfMs);
  }
  if (field.type === "boolean") return value === true || value === "true" ? 1 : 0;
  const number = Number(value);
  if (Number.isNaN(number) || String(value).trim() === "") {
    throw new RequestError(`For input string: "${String(value)}"`, {
      status: 400,
      type: "number_format_exception",
    });
  }
  if (field.type === "unsigned_long") return BigInt(value) - (1n << 63n);
  return typeof value === "bigint" ? value : number;
}

function numberRenderer(field: Field, format: string | undefined): (value: RawSortValue) => Json {
  if (format === undefined) return (value) => sortValue(field, value as number | bigint);
  if (field.type === "date") {
    const dates = DateFormat.of(format);
    return (value) => dates.print(Number(value));
  }
  if (field.type === "date_nanos") {
    const dates = DateFormat.of(format);
    return (value) => dates.printNanos(BigInt(value as number | bigint));
  }
  return (value) => formatDecimal(format, Number(value));
}

function valueAfter(
  field: Field,
  spec: FieldSortSpec,
  value: Scalar | null,
  nowMs: number,
): RawSortValue {
  if (value === null) return extreme(field.type, (spec.missing === "_first") === spec.descending);
  if (field.type === "boolean") {
    if (typeof value === "boolean") return value ? 1 : 0;
    if (value === "true" || value === "false") return value === "true" ? 1 : 0;
  }
  if (typeof value === "boolean") throw badAfter(spec.field);
  const isDate = field.type === "date" || field.type === "date_nanos";
  if (isDate && (typeof value === "string" && !/^[+-]?\d{5,}$/.test(value) || spec.format !== undefined)) {
    const format = spec.format ?? field.format;
    const parts = parseDateMath(String(value), { format, nowMs, roundUp: false });
    return field.type === "date" ? parts.ms : BigInt(parts.ms) * 1_000_000n + BigInt(parts.nanosOfMs);
  }
  if (!WHOLE_TYPES.has(field.type)) return numberAfter(spec.field, value);
  const whole = wholeAfter(spec.field, value);
  return field.type === "unsigned_long" ? BigInt(whole) - (1n << 63n) : whole;
}

function badAfter(field: string): RequestError {
  return illegalArgument(`Failed to parse search_after value for field [${field}].`);
}

function numberAfter(field: string, value: Scalar | null): number {
  if (typeof value === "number") return value;
  const number = value === null || typeof value === "boolean" || value === "" ? NaN : Number(value);
  if (Number.isNaN(number)) throw badAfter(field);
  return number;
}

/** Exact where the request was; a JSON number that lost its last digits stands for the extreme it came from. */
function wholeAfter(field: string, value: Scalar): number | bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "string" && /^[+-]?\d+$/.test(value)) {
    const whole = BigInt(value);
    return Number.isSafeInteger(Number(whole)) ? Number(whole) : whole;
  }
  const number = numberAfter(field, value);
  if (number >= 2 ** 63) return LONG_MAX;
  if (number <= -(2 ** 63)) return LONG_MIN;
  return Math.trunc(number);
}

function metaKey(spec: FieldSortSpec): NumberKey {
  return {
    kind: "number",
    field: spec.field,
    descending: spec.descending,
    missingFirst: false,
    mode: "min",
    whole: true,
    missing: extreme("long", !spec.descending),
    render: (value) => value as number | bigint,
    parse: (value) => numberAfter(spec.field, value),
  };
}

function unmappedKey(spec: FieldSortSpec, type: string): SortKey {
  const missingFirst = spec.missing === "_first";
  if (type === "keyword" || type === "ip" || type === "text" || type === "wildcard") {
    return {
      kind: "term",
      field: "",
      descending: spec.descending,
      missingFirst,
      mode: "min",
      missing: undefined,
      prefix: new Uint8Array(0),
      render: () => null,
      parse: (value) => (value === null ? null : utf8(String(value))),
    };
  }
  const missing = extreme(type as FieldType, missingFirst === spec.descending);
  return {
    kind: "number",
    field: "",
    descending: spec.descending,
    missingFirst,
    mode: "min",
    whole: WHOLE_TYPES.has(type as FieldType),
    missing,
    render: (value) => value as number | bigint,
    parse: (value) => (value === null ? missing : wholeAfter(spec.field, value)),
  };
}

function termKey(spec: FieldSortSpec, field: Field): TermKey {
  if (spec.mode === "sum" || spec.mode === "avg" || spec.mode === "median") {
    throw queryShardError("we only support AVG, MEDIAN and SUM on number based fields");
  }
  const isDefault = spec.missing === undefined || spec.missing === "_last" || spec.missing === "_first";
  const bytes = (value: Scalar) => {
    if (field.type === "ip") {
      const address = tryParseIp(String(value));
      if (address === undefined) throw illegalArgument(`'${String(value)}' is not an IP string literal.`);
      return address;
    }
    return utf8(field.flattenedKey === "" ? String(value) : `${field.flattenedKey}\0${String(value)}`);
  };
  return {
    kind: "term",
    field: field.name,
    descending: spec.descending,
    missingFirst: spec.missing === "_first",
    mode: spec.mode ?? (spec.descending ? "max" : "min"),
    missing: isDefault ? undefined : bytes(spec.missing!),
    prefix: keyPrefix(field),
    render: (value) => (value === null ? null : sortValue(field, value as Uint8Array)),
    parse: (value) => (value === null ? null : bytes(value)),
  };
}
