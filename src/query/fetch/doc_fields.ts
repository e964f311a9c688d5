/**
 * `fields` and `docvalue_fields` of a hit: values out of the source, read by the mapping, or out of columns.
 *
 * @module
 */
import { utf8Text } from "../../base/bytes.ts";
import { illegalArgument, RequestError } from "../../base/errors.ts";
import { Double, Float, type Json } from "../../base/json.ts";
import type { Field } from "../../schema/types.ts";
import {
  DateFormat,
  docValue,
  formatIp,
  numberTerm,
  timeZone,
  tryParseIp,
  UNSIGNED_BIAS,
} from "../../schema/values.ts";
import type { SegmentReader } from "../../segment/reader.ts";
import { formatDecimal } from "../aggs/decimal_format.ts";
import type { FieldSpec } from "../request/request.ts";
import type { SearchTarget } from "../target.ts";
import { matches } from "./source_filter.ts";

type Fields = { [name: string]: Json };

/** Adds the values that columns hold, ascending. */
export function addDocvalueFields(
  specs: readonly FieldSpec[],
  target: SearchTarget,
  reader: SegmentReader,
  doc: number,
  into: Fields,
): void {
  for (const { name, field, format } of resolve(specs, target)) {
    if (field.kind === "text") {
      throw illegalArgument(
        `Fielddata is disabled on [${field.name}] in [${target.index}]. Text fields are not optimised for operations that ` +
          "require per-document field data like aggregations and sorting, so these operations are disabled by default. " +
          `Please use a keyword field instead. Alternatively, set fielddata=true on [${field.name}] in order to load field ` +
          "data by uninverting the inverted index. Note that this can use significant memory.",
      );
    }
    // The keys of a flattened field share one column.
    if (field.flattenedKey !== "") continue;
    const values = columnValues(field, format, reader, doc);
    if (values.length > 0) into[name] = values;
  }
}

function columnValues(
  field: Field,
  format: string | undefined,
  reader: SegmentReader,
  doc: number,
): Json[] {
  const docs = Uint32Array.of(doc);
  if (field.kind === "term") {
    const column = reader.ordinals(field.name);
    if (column === undefined) return [];
    const cursor = column.cursor();
    const n = cursor.gather(docs, 1);
    return Array.from(
      cursor.ordinals.slice(0, n),
      (ordinal) => docValue(field, column.dictionary.term(ordinal).slice()),
    );
  }
  const column = reader.numeric(field.name);
  if (column === undefined) return [];
  const cursor = column.cursor();
  const n = cursor.gather(docs, 1);
  const values: (number | bigint)[] = column.wide
    ? Array.from(cursor.wides.slice(0, n))
    : Array.from(cursor.values.slice(0, n));
  return values.map((value) => numberValue(field, value, format));
}

function numberValue(field: Field, value: number | bigint, format: string | undefined): Json {
  const isDate = field.type === "date" || field.type === "date_nanos";
  if (format !== undefined && !isDate && field.type !== "boolean") {
    return formatDecimal(format, Number(value));
  }
  return docValue(field, value, { format });
}

/** Adds the values that the source holds, in its order, as the mapping reads them. */
export function addSourceFields(
  specs: readonly FieldSpec[],
  target: SearchTarget,
  source: unknown,
  into: Fields,
): void {
  for (const { name, field, format } of resolve(specs, target)) {
    const values: Json[] = [];
    for (const path of sourcePaths(field, target)) {
      gather(source, path.split("."), 0, (value) => {
        const shown = sourceValue(field, value ?? field.nullValue, format);
        if (shown !== undefined) values.push(shown);
      });
    }
    if (values.length > 0) into[name] = values;
  }
}

/** Where in a source a field's values are: its own path, and those of the fields that are copied to it. */
function sourcePaths(field: Field, target: SearchTarget): string[] {
  if (field.parent !== "") return [field.parent];
  const copied = target.mapping.fields.filter(({ copyTo }) => copyTo.includes(field.name));
  return [field.name, ...copied.map(({ name }) => name)];
}

interface Resolved {
  /** As asked for: an alias keeps its name. */
  readonly name: string;
  readonly field: Field;
  readonly format: string | undefined;
}

/** Mapped fields behind names and patterns; a later spec of the same field wins. */
function resolve(specs: readonly FieldSpec[], target: SearchTarget): Iterable<Resolved> {
  const found = new Map<string, Resolved>();
  for (const { field: pattern, format } of specs) {
    const names = pattern.includes("*")
      ? target.mapping.names().filter((name) => matches(pattern, name))
      : [pattern];
    for (const name of names) {
      const field = target.mapping.field(name);
      if (field === undefined) continue;
      const isDate = field.type === "date" || field.type === "date_nanos";
      if (format !== undefined && !isDate && (field.kind === "term" || field.kind === "text")) {
        throw illegalArgument(
          `error fetching [${name}]: Field [${name}] of type [${field.type}] doesn't support formats.`,
        );
      }
      found.set(name, { name, field, format });
    }
  }
  return found.values();
}

/** Calls `take` for each leaf under a path; keys may hold dots themselves. */
function gather(node: unknown, path: readonly string[], at: number, take: (value: unknown) => void): void {
  if (Array.isArray(node)) {
    for (const item of node) gather(item, path, at, take);
    return;
  }
  if (at === path.length) {
    if (node !== undefined) take(node);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  const object = node as Readonly<Record<string, unknown>>;
  let key = "";
  for (let end = at; end < path.length; end++) {
    key = end === at ? path[end]! : `${key}.${path[end]!}`;
    if (Object.hasOwn(object, key)) gather(object[key], path, end + 1, take);
  }
}

/** A source value as the field's type shows it; undefined: the type cannot read it. */
function sourceValue(field: Field, value: unknown, format: string | undefined): Json | undefined {
  if (value === null || value === undefined) return undefined;
  if (field.type === "flattened") return value as Json;
  if (typeof value === "object") return undefined;
  switch (field.type) {
    case "text":
      return String(value);
    case "keyword":
      return String(value).length > field.ignoreAbove ? undefined : String(value);
    case "ip": {
      const address = tryParseIp(String(value));
      return address === undefined ? undefined : formatIp(address);
    }
    case "boolean":
      return value === true || value === "true";
    case "date":
    case "date_nanos":
      return dateValue(field, value, format);
    case "binary":
      return String(value);
    default: {
      const isCoerced = WHOLE_TYPES.includes(field.type) && typeof value === "number";
      const range = numberOf(field, isCoerced ? Math.trunc(value) : value);
      if (range === undefined) return undefined;
      if (range.low > range.high && range.lowWide > range.highWide) return undefined;
      return wholeOrDouble(field, range);
    }
  }
}

const WHOLE_TYPES: readonly string[] = ["byte", "short", "integer", "long", "unsigned_long"];

/** Undefined: no number, which only documents of a field with `ignore_malformed` hold. */
function numberOf(field: Field, value: Parameters<typeof numberTerm>[1]) {
  try {
    return numberTerm(field, value, { nowMs: 0 });
  } catch (error) {
    if (error instanceof RequestError && error.status === 400) return undefined;
    throw error;
  }
}

function wholeOrDouble(field: Field, range: { readonly low: number; readonly lowWide: bigint }): Json {
  switch (field.type) {
    case "float":
    case "half_float":
      return new Float(range.low);
    case "double":
    case "scaled_float":
      return new Double(range.low);
    case "unsigned_long":
      return range.lowWide + UNSIGNED_BIAS;
    case "long":
      return range.lowWide;
    default:
      return range.low;
  }
}

function dateValue(field: Field, value: unknown, format: string | undefined): Json | undefined {
  const parts = DateFormat.of(field.format).tryParse(String(value), timeZone("UTC"));
  if (parts === undefined) return undefined;
  return DateFormat.of(format ?? field.format).print(parts.ms, parts.nanosOfMs);
}

/** A source as JSON values; integers beyond 2^53 as bigint. */
export function parseSourceJson(bytes: Uint8Array): unknown {
  const text = utf8Text(bytes);
  const revive = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
    const written = context?.source;
    return written !== undefined && /^-?\d+$/.test(written) ? BigInt(written) : value;
  };
  return JSON.parse(text, revive as (this: unknown, key: string, value: unknown) => unknown);
}
