/**
 * What does an aggregation's field mean in the indices it runs over: which values, of which kind, printed how?
 *
 * @module
 */
import { illegalArgument, RequestError } from "../../base/errors.ts";
import { DateFormat, DEFAULT_DATE_FORMAT } from "../../schema/date_format.ts";
import { timeZone, UTC } from "../../schema/time_zone.ts";
import type { Field } from "../../schema/types.ts";
import { parseDateMath } from "../../schema/date_math.ts";
import { tryParseIp } from "../../schema/ip.ts";
import type { SearchContext, SearchTarget } from "../target.ts";
import type { FieldSpec, MissingValue } from "./node.ts";
import { utf8 } from "../../base/bytes.ts";
import { RAW, TEXT, type ValueFormat } from "./value_format.ts";

export type NumberType = "long" | "double" | "date" | "nanos" | "boolean" | "unsigned";

/** The kinds of fields that an aggregation takes. */
export type Accepts = "numbers" | "ip" | "any";

export interface FieldUse {
  readonly name: string;
  /** `unmapped`: no target has the field, and no `missing` stands in for it. */
  readonly kind: "unmapped" | "number" | "term";
  readonly numberType: NumberType;
  /** Of terms: 16-byte addresses rather than text. */
  readonly ip: boolean;
  readonly format: ValueFormat;
  /** Value of documents without one, read against the field's type. Numbers of dates are ms. */
  readonly missingNumber: number | undefined;
  readonly missingTerm: Uint8Array | undefined;
  /** Values come as floats: bounds that are compared with them are rounded to floats too. */
  readonly float: boolean;
}

/** Fields that are not in the mapping but have a column in every segment. */
const META_LONGS: ReadonlySet<string> = new Set(["_seq_no", "_version"]);

/**
 * Resolves a field over all targets. The first that maps it decides; long and double together make double.
 *
 * @param aggregation Its type, for error messages.
 * @throws {RequestError} 400: the field cannot be aggregated on, or not by this aggregation.
 */
export function resolveField(
  spec: FieldSpec,
  aggregation: string,
  options: { readonly accepts: Accepts; readonly context: SearchContext; readonly unmappedDates?: boolean },
): FieldUse {
  let kind: FieldUse["kind"] = "unmapped";
  let numberType: NumberType = "long";
  let first: Field | undefined;
  let ip = false;
  let float = false;
  for (const target of options.context.targets) {
    const found = fieldOf(spec.field, target);
    if (!found) continue;
    checkType(spec.field, found, aggregation, options.accepts, target);
    if (kind === "unmapped") {
      kind = found.kind;
      numberType = found.numberType;
      first = found.field;
      ip = found.field?.type === "ip";
      float = found.field?.type === "float" || found.field?.type === "half_float";
    } else if (kind !== found.kind || (kind === "term" && ip !== (found.field?.type === "ip"))) {
      throw typeMismatch(spec.field);
    } else if (kind === "number" && numberType !== found.numberType) {
      numberType = joinNumberTypes(numberType, found.numberType);
      float = false;
    }
  }
  if (kind === "unmapped" && spec.missing !== undefined) {
    return unmappedWithMissing(spec, options.accepts, options.unmappedDates === true, options.context);
  }
  const format = kind === "unmapped"
    ? unmappedFormat(spec, options.unmappedDates === true)
    : kind === "term"
    ? (ip ? { kind: "ip" } as const : TEXT)
    : numberFormat(spec, numberType, first);
  const missing = spec.missing;
  return {
    name: spec.field,
    kind,
    numberType,
    ip,
    format,
    float,
    missingNumber: missing !== undefined && kind === "number"
      ? parseNumber(missing, numberType, format, options.context.nowMs)
      : undefined,
    missingTerm: missing !== undefined && kind === "term" ? parseTerm(missing, ip) : undefined,
  };
}

/** What one target knows of a field: undefined when it has no such field. */
export function fieldOf(
  name: string,
  target: SearchTarget,
): { kind: "number" | "term"; numberType: NumberType; field: Field | undefined } | undefined {
  if (META_LONGS.has(name)) return { kind: "number", numberType: "long", field: undefined };
  if (name === "_index") return { kind: "term", numberType: "long", field: undefined };
  if (name === "_id") {
    throw illegalArgument(
      "Fielddata access on the _id field is disallowed, you can re-enable it by updating the dynamic cluster " +
        "setting: indices.id_field_data.enabled",
    );
  }
  const field = target.mapping.field(name);
  if (!field) return undefined;
  const kind = field.kind === "number" || field.kind === "wide" ? "number" : "term";
  return { kind, numberType: numberTypeOf(field), field };
}

function numberTypeOf(field: Field): NumberType {
  switch (field.type) {
    case "boolean":
      return "boolean";
    case "date":
      return "date";
    case "date_nanos":
      return "nanos";
    case "unsigned_long":
      return "unsigned";
    case "float":
    case "half_float":
    case "double":
    case "scaled_float":
      return "double";
    default:
      return "long";
  }
}

function joinNumberTypes(a: NumberType, b: NumberType): NumberType {
  if ((a === "date" || a === "nanos") && (b === "date" || b === "nanos")) return "date";
  return "double";
}

function checkType(
  name: string,
  found: { kind: "number" | "term"; field: Field | undefined },
  aggregation: string,
  accepts: Accepts,
  target: SearchTarget,
): void {
  const field = found.field;
  if (field?.kind === "text") {
    throw illegalArgument(
      `Fielddata is disabled on [${name}] in [${target.index}]. Text fields are not optimised for operations ` +
        "that require per-document field data like aggregations and sorting, so these operations are disabled " +
        `by default. Please use a keyword field instead. Alternatively, set fielddata=true on [${name}] in order ` +
        "to load field data by uninverting the inverted index. Note that this can use significant memory.",
    );
  }
  if (field && (!field.docValues || field.kind === "none")) {
    throw illegalArgument(
      `Can't load fielddata on [${name}] because fielddata is unsupported on fields of type ` +
        `[${field.declaredType}]. Use doc values instead.`,
    );
  }
  const fits = accepts === "any" || (accepts === "numbers" ? found.kind === "number" : field?.type === "ip");
  if (fits) return;
  throw illegalArgument(
    `Field [${name}] of type [${
      field?.declaredType ?? name
    }] is not supported for aggregation [${aggregation}]`,
  );
}

/** Two indices keep such different things under one name that their keys cannot be merged. */
export function typeMismatch(aggregation: string): RequestError {
  return illegalArgument(
    `Merging/Reducing the aggregations failed when computing the aggregation [${aggregation}] because the field ` +
      "you gave in the aggregation query existed as two different types in two different indices",
  );
}

function numberFormat(spec: FieldSpec, type: NumberType, field: Field | undefined): ValueFormat {
  if (type === "date" || type === "nanos") {
    const pattern = spec.format !== "" ? spec.format : field?.format || DEFAULT_DATE_FORMAT;
    DateFormat.of(pattern);
    return { kind: "date", pattern, zone: spec.timeZone };
  }
  if (type === "boolean") return { kind: "boolean" };
  return spec.format === "" ? RAW : { kind: "decimal", pattern: spec.format };
}

function unmappedFormat(spec: FieldSpec, dates: boolean): ValueFormat {
  if (dates) return { kind: "date", pattern: spec.format || DEFAULT_DATE_FORMAT, zone: spec.timeZone };
  return spec.format === "" ? RAW : { kind: "decimal", pattern: spec.format };
}

/** No target has the field: all documents take the `missing` value, whose type the aggregation decides. */
function unmappedWithMissing(
  spec: FieldSpec,
  accepts: Accepts,
  dates: boolean,
  context: SearchContext,
): FieldUse {
  const missing = spec.missing!;
  const base = { name: spec.field, ip: accepts === "ip", float: false };
  if (accepts === "numbers") {
    const numberType = dates ? "date" as const : "double" as const;
    const format = unmappedFormat(spec, dates);
    const missingNumber = parseNumber(missing, numberType, format, context.nowMs);
    return { ...base, kind: "number", numberType, format, missingNumber, missingTerm: undefined };
  }
  return {
    ...base,
    kind: "term",
    numberType: "long",
    format: base.ip ? { kind: "ip" } : TEXT,
    missingNumber: undefined,
    missingTerm: parseTerm(missing, base.ip),
  };
}

/** A number of a request, in the unit of a field's values. */
export function parseNumber(
  value: MissingValue,
  type: NumberType,
  format: ValueFormat,
  nowMs: number,
): number {
  if (type === "boolean" && (value === true || value === "true")) return 1;
  if (type === "boolean" && (value === false || value === "false")) return 0;
  if (format.kind === "date" && typeof value === "string") return parseDate(value, format, nowMs);
  const number = typeof value === "string" && value.trim() === "" ? NaN : Number(value);
  if (!Number.isFinite(number)) throw notANumber(value);
  return number;
}

/** A date of a request, with date math; ms since the epoch. */
export function parseDate(
  text: string,
  format: { readonly pattern: string; readonly zone: string },
  nowMs: number,
): number {
  const zone = format.zone === "" ? UTC : timeZone(format.zone);
  return parseDateMath(text, {
    format: DateFormat.of(format.pattern),
    nowMs,
    roundUp: false,
    timeZone: zone,
  }).ms;
}

export function notANumber(value: unknown): RequestError {
  return new RequestError(`For input string: "${value}"`, { status: 400, type: "number_format_exception" });
}

function parseTerm(value: MissingValue, ip: boolean): Uint8Array {
  if (!ip) return utf8(String(value));
  const address = tryParseIp(String(value));
  if (!address) throw illegalArgument(`'${value}' is not an IP string literal.`);
  return address;
}
