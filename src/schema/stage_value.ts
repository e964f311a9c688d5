/**
 * One JSON scalar into one field: the value that its column or postings get.
 *
 * @module
 */
import { utf8 } from "../base/bytes.ts";
import { RequestError } from "../base/errors.ts";
import { DateFormat, toNanos } from "./date_format.ts";
import { parseIp } from "./ip.ts";
import { type JsonScanner, JsonToken } from "./json_scanner.ts";
import {
  badArgument,
  LONG_MAX,
  LONG_MIN,
  parseDecimal,
  parseJavaDouble,
  parseLongText,
  parseUnsignedText,
  parseWholeText,
  roundFloating,
  roundScaled,
  UNSIGNED_BIAS,
  UNSIGNED_LONG_MAX,
  ValueError,
  WHOLE_LIMITS,
  type WholeType,
} from "./numbers.ts";
import { type StagedDocument, StagedKind } from "./staged.ts";
import type { Field } from "./types.ts";

/** Longest term that an inverted index takes, in bytes. */
export const TERM_BYTES_MAX = 32766;

/** Nanoseconds in a signed 64-bit integer end here. */
const NANOS_MAX = LONG_MAX;

export interface StageContext {
  readonly scanner: JsonScanner;
  readonly staged: StagedDocument;
  readonly normalizer: (name: string) => (text: string) => string;
}

/**
 * Stages the scanner's current scalar, not null, for `field`.
 *
 * @throws {ValueError} The value does not fit the type.
 */
export function stageScalar(context: StageContext, field: Field): void {
  switch (field.type) {
    case "text":
      stageText(context, field);
      return;
    case "keyword":
      stageKeyword(context, field);
      return;
    case "boolean":
      stageBoolean(context, field);
      return;
    case "byte":
    case "short":
    case "integer":
      stageWhole(context, field, field.type);
      return;
    case "long":
      stageLong(context, field);
      return;
    case "unsigned_long":
      stageUnsigned(context, field);
      return;
    case "float":
    case "half_float":
    case "double":
    case "scaled_float":
      stageFloating(context, field);
      return;
    case "date":
    case "date_nanos":
      stageDate(context, field);
      return;
    case "ip":
      context.staged.scratchTerm(field.ordinal, parseIp(context.scanner.text()));
      return;
    case "binary":
      stageBinary(context, field);
      return;
    case "flattened":
      throw new ValueError(
        "parsing_exception",
        `Failed to parse object: expecting token of type [START_OBJECT] but found [${
          scalarName(context.scanner)
        }]`,
      );
  }
}

/** Stages what null stands for in `field`, which is nothing unless it has a `null_value`. */
export function stageNull(staged: StagedDocument, field: Field): void {
  const value = field.nullValue;
  if (value === undefined) return;
  if (typeof value === "number") staged.number(field.ordinal, value);
  else if (typeof value === "bigint") staged.wide(field.ordinal, value);
  else if (value instanceof Uint8Array) staged.scratchTerm(field.ordinal, value);
  else staged.scratchTerm(field.ordinal, utf8(String(value)));
}

function scalarName(scanner: JsonScanner): string {
  return scanner.token === JsonToken.String
    ? "VALUE_STRING"
    : scanner.token === JsonToken.Number
    ? "VALUE_NUMBER"
    : "VALUE_BOOLEAN";
}

function at(scanner: JsonScanner, offset: number, reason: string): ValueError {
  const { line, column } = scanner.position(offset);
  return new ValueError("x_content_parse_exception", `[${line}:${column}] ${reason}`);
}

function stageText({ scanner, staged }: StageContext, field: Field): void {
  if (scanner.token === JsonToken.String && !scanner.escaped) {
    staged.sourceText(field.ordinal, scanner.start + 1, scanner.end - 1);
  } else staged.scratchText(field.ordinal, utf8(scanner.text()));
}

function stageKeyword(context: StageContext, field: Field): void {
  const { scanner, staged } = context;
  const isString = scanner.token === JsonToken.String;
  const size = scanner.end - scanner.start;
  if (
    field.normalizer === "" && size <= field.ignoreAbove && size <= TERM_BYTES_MAX &&
    !(isString && scanner.escaped)
  ) {
    if (isString) staged.sourceTerm(field.ordinal, scanner.start + 1, scanner.end - 1);
    else staged.sourceTerm(field.ordinal, scanner.start, scanner.end);
    return;
  }
  const text = scanner.text();
  if (text.length > field.ignoreAbove) {
    staged.ignored.push(field.name);
    return;
  }
  const bytes = utf8(field.normalizer === "" ? text : context.normalizer(field.normalizer)(text));
  checkTermLength(bytes, field);
  staged.scratchTerm(field.ordinal, bytes);
}

function checkTermLength(bytes: Uint8Array, field: Field): void {
  if (bytes.length <= TERM_BYTES_MAX || !field.indexed && !field.docValues) return;
  throw badArgument(
    `Document contains at least one immense term in field="${field.name}" (whose UTF8 encoding is longer than the ` +
      `max length ${TERM_BYTES_MAX}), all of which were skipped. Please correct the analyzer to not produce such ` +
      `terms. The prefix of the first immense term is: '[${
        [...new Int8Array(bytes.slice(0, 30))].join(", ")
      }]...'`,
  );
}

function stageBoolean({ scanner, staged }: StageContext, field: Field): void {
  switch (scanner.token) {
    case JsonToken.True:
      return staged.number(field.ordinal, 1);
    case JsonToken.False:
      return staged.number(field.ordinal, 0);
    case JsonToken.Number:
      throw at(
        scanner,
        scanner.end,
        `Current token (${scanner.integer ? "VALUE_NUMBER_INT" : "VALUE_NUMBER_FLOAT"}) not of boolean type`,
      );
  }
  const text = scanner.text();
  if (text !== "true" && text !== "false" && text !== "") {
    throw badArgument(`Failed to parse value [${text}] as only [true] or [false] are allowed.`);
  }
  staged.number(field.ordinal, text === "true" ? 1 : 0);
}

/**
 * What numbers have in common: booleans are refused, "" stands for null, text needs `coerce`.
 *
 * @returns The text of a string, "" when it was empty; undefined: the token is a number.
 */
function numericText({ scanner, staged }: StageContext, field: Field, name: string): string | undefined {
  if (scanner.token === JsonToken.Number) return undefined;
  if (scanner.token !== JsonToken.String) {
    const shown = scanner.token === JsonToken.True ? "VALUE_TRUE" : "VALUE_FALSE";
    throw at(
      scanner,
      scanner.end,
      `Current token (${shown}) not numeric, can not use numeric value accessors`,
    );
  }
  const text = scanner.text();
  if (!field.coerce) throw badArgument(`${name} value passed as String`);
  if (text === "") stageNull(staged, field);
  return text;
}

const JAVA_NAMES: Readonly<Record<string, string>> = {
  byte: "Integer",
  short: "Short",
  integer: "Integer",
  long: "Long",
  float: "Float",
  half_float: "Float",
  double: "Double",
  scaled_float: "Double",
  unsigned_long: "Long",
};

function stageWhole(context: StageContext, field: Field, type: WholeType): void {
  const text = numericText(context, field, JAVA_NAMES[type]!);
  if (text !== undefined) {
    if (text !== "") context.staged.number(field.ordinal, parseWholeText(text, type, field.coerce));
    return;
  }
  const { scanner } = context;
  const shown = scanner.text();
  const value = Number(shown);
  const cut = Math.trunc(value);
  if (cut !== value && !field.coerce) {
    throw badArgument(`${shown} cannot be converted to ${JAVA_NAMES[type]} without data loss`);
  }
  // A byte is read as an int first, and only then found too large.
  const [min, max] = WHOLE_LIMITS[type === "byte" ? "integer" : type];
  if (!(cut >= min && cut <= max)) {
    const kind = type === "short" ? "Java short" : "int (-2147483648 - 2147483647)";
    throw at(scanner, scanner.end, `Numeric value (${shown}) out of range of ${kind}`);
  }
  if (type === "byte" && (cut < -128 || cut > 127)) {
    throw badArgument(`Value [${cut}] is out of range for a byte`);
  }
  context.staged.number(field.ordinal, cut + 0);
}

function stageLong(context: StageContext, field: Field): void {
  const text = numericText(context, field, JAVA_NAMES["long"]!);
  if (text !== undefined) {
    if (text !== "") stageWide(context.staged, field, parseLongText(text, field.coerce));
    return;
  }
  const { scanner, staged } = context;
  const shown = scanner.text();
  if (scanner.integer && shown.length <= 15) {
    staged.number(field.ordinal, Number(shown) + 0);
    return;
  }
  const decimal = parseDecimal(shown)!;
  if (decimal.fraction && !field.coerce) {
    throw badArgument(`${shown} cannot be converted to Long without data loss`);
  }
  if (decimal.whole < LONG_MIN || decimal.whole > LONG_MAX) {
    throw at(
      scanner,
      scanner.end,
      `Numeric value (${shown}) out of range of long (${LONG_MIN} - ${LONG_MAX})`,
    );
  }
  stageWide(staged, field, decimal.whole);
}

/** A long goes as a double where that is exact. */
function stageWide(staged: StagedDocument, field: Field, value: bigint): void {
  const number = Number(value);
  if (Number.isSafeInteger(number)) staged.number(field.ordinal, number);
  else staged.wide(field.ordinal, value);
}

function stageUnsigned({ scanner, staged }: StageContext, field: Field): void {
  if (scanner.token === JsonToken.True || scanner.token === JsonToken.False) {
    throw badArgument(`For input string: "${scanner.text()}"`);
  }
  const text = scanner.text();
  if (text === "") return stageNull(staged, field);
  const value = parseUnsignedText(text);
  if (value > UNSIGNED_LONG_MAX) throw badArgument(`Value [${text}] is out of range for unsigned long`);
  staged.wide(field.ordinal, value - UNSIGNED_BIAS);
}

function stageFloating(context: StageContext, field: Field): void {
  const text = numericText(context, field, JAVA_NAMES[field.type]!);
  if (text === "") return;
  const value = text === undefined ? Number(context.scanner.text()) : parseJavaDouble(text);
  const rounded = field.type === "scaled_float"
    ? roundScaled(value, field.scalingFactor)
    : roundFloating(value, field.type as "float" | "half_float" | "double");
  context.staged.number(field.ordinal, rounded);
}

function stageDate({ scanner, staged }: StageContext, field: Field): void {
  const text = scanner.text();
  const format = DateFormat.of(field.format);
  const parts = format.tryParse(text);
  if (!parts) {
    try {
      format.parse(text);
    } catch (error) {
      if (error instanceof RequestError) throw badArgument(error.message);
      throw error;
    }
    throw badArgument(`failed to parse date field [${text}] with format [${field.format}]`);
  }
  if (field.type === "date") staged.number(field.ordinal, parts.ms);
  else {
    const nanos = toNanos(parts);
    if (nanos < 0n) {
      throw badArgument(
        `date[${
          javaInstant(parts.ms, parts.nanosOfMs)
        }] is before the epoch in 1970 and cannot be stored in nanosecond resolution`,
      );
    }
    if (nanos > NANOS_MAX) {
      throw badArgument(
        `date[${
          javaInstant(parts.ms, parts.nanosOfMs)
        }] is after 2262-04-11T23:47:16.854775807 and cannot be stored in nanosecond resolution`,
      );
    }
    staged.wide(field.ordinal, nanos);
  }
}

/** An instant as Java's `Instant.toString`: no more decimals than needed, in threes. */
function javaInstant(ms: number, nanosOfMs: number): string {
  const text = DateFormat.of("strict_date_optional_time_nanos").print(ms, nanosOfMs);
  return text.replace(/\.000Z$/, "Z");
}

function stageBinary({ scanner, staged }: StageContext, field: Field): void {
  if (!field.docValues) return;
  if (scanner.token !== JsonToken.String) {
    throw at(
      scanner,
      scanner.end,
      `Current token (${
        scalarName(scanner)
      }) not VALUE_STRING or VALUE_EMBEDDED_OBJECT, can not access as binary`,
    );
  }
  staged.scratchTerm(field.ordinal, decodeBase64(scanner.text(), scanner));
}

function decodeBase64(text: string, scanner: JsonScanner): Uint8Array {
  const tight = text.replace(/[ \t\r\n]/g, "");
  const bad = /[^A-Za-z0-9+/=]/.exec(tight);
  const prefix = "Failed to decode VALUE_STRING as base64 (MIME-NO-LINEFEEDS)";
  if (bad) {
    const code = bad[0].charCodeAt(0).toString(16);
    throw at(
      scanner,
      scanner.end,
      `${prefix}: Illegal character '${bad[0]}' (code 0x${code}) in base64 content`,
    );
  }
  if (tight.length % 4 !== 0 || !/^[^=]*={0,2}$/.test(tight)) {
    throw at(
      scanner,
      scanner.end,
      `${prefix}: Unexpected end of base64-encoded String: base64 variant 'MIME-NO-LINEFEEDS' expects padding ` +
        "(one or more '=' characters) at the end.",
    );
  }
  const raw = atob(tight);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

/**
 * Stages the object that the scanner stands on for a flattened field: each leaf value as a term of `root`, and as
 * `key \0 value` of `keyed`. Ends on the object's last token. Without recursion.
 */
export function stageFlattened(context: StageContext, root: Field, keyed: Field): void {
  const { scanner, staged } = context;
  // Names that lead to the current place; null marks an array, which adds no name.
  const path: (string | null)[] = [];
  let prefix = "";
  let name = "";
  const rename = (): void => {
    prefix = path.filter((part) => part !== null).join(".");
  };
  let levels = 1;
  for (;;) {
    switch (scanner.next()) {
      case JsonToken.Name:
        name = scanner.text();
        if (name.includes("\0")) {
          scanner.next();
          throw badArgument(
            `Keys in [flattened] fields cannot contain the reserved character \\0. Offending key: [${name}].`,
          );
        }
        continue;
      case JsonToken.ObjectStart:
        if (++levels > root.depthLimit) {
          throw badArgument(
            `The provided [flattened] field [${root.name}] exceeds the maximum depth limit of [${root.depthLimit}].`,
          );
        }
        path.push(name);
        rename();
        continue;
      case JsonToken.ArrayStart:
        path.push(null);
        continue;
      case JsonToken.ArrayEnd:
        path.pop();
        continue;
      case JsonToken.ObjectEnd:
        if (--levels === 0) return;
        name = path.pop() ?? "";
        rename();
        continue;
      case JsonToken.Null:
        if (root.nullValue === undefined) continue;
        stageKeyed(staged, root, keyed, prefix === "" ? name : `${prefix}.${name}`, String(root.nullValue));
        continue;
    }
    stageKeyed(staged, root, keyed, prefix === "" ? name : `${prefix}.${name}`, scanner.text());
  }
}

function stageKeyed(staged: StagedDocument, root: Field, keyed: Field, key: string, value: string): void {
  if (value.length > root.ignoreAbove) {
    staged.ignored.push(root.name);
    return;
  }
  const bytes = utf8(`${key}\0${value}`);
  if (bytes.length > TERM_BYTES_MAX) {
    throw badArgument(
      `Flattened field [${root.name}] contains one immense field whose keyed encoding is longer than the allowed max ` +
        `length of ${TERM_BYTES_MAX} bytes. Key length: ${utf8(key).length}, value length: ${
          utf8(value).length
        } for key ` +
        `starting with [${key.slice(0, 50)}]`,
    );
  }
  const start = staged.addScratch(bytes);
  const end = start + bytes.length;
  staged.scratchRange(keyed.ordinal, StagedKind.ScratchTerm, start, end);
  staged.scratchRange(root.ordinal, StagedKind.ScratchTerm, start + utf8(key).length + 1, end);
}
