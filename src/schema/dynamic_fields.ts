/**
 * What mapping does a new field get, going by its first value?
 *
 * @module
 */
import { DateFormat } from "./date_format.ts";
import { findTemplate, type MatchType, templateMapping } from "./dynamic_templates.ts";
import { type JsonScanner, JsonToken } from "./json_scanner.ts";
import type { Mapping } from "./mapping.ts";
import { LONG_MAX, LONG_MIN, parseDecimal } from "./numbers.ts";

export type NewMapping = Readonly<Record<string, unknown>>;

/** Text longer than this is not tried as a date or number. */
const DETECT_LENGTH_MAX = 64;

/** The mapping for the scanner's current scalar (not null), found at `path`. */
export function inferScalar(mapping: Mapping, scanner: JsonScanner, path: string, name: string): NewMapping {
  switch (scanner.token) {
    case JsonToken.True:
    case JsonToken.False:
      return template(mapping, path, name, "boolean") ?? { type: "boolean" };
    case JsonToken.Number:
      return inferNumber(mapping, path, name, scanner.integer);
  }
  const text = scanner.text();
  if (text.length > 0 && text.length <= DETECT_LENGTH_MAX) {
    const whole = isLong(text);
    const decimal = whole || isDouble(text);
    if (mapping.numericDetection && decimal) return inferNumber(mapping, path, name, whole);
    if (!decimal && mapping.dateDetection) {
      for (const format of mapping.dynamicDateFormats) {
        if (DateFormat.of(format).tryParse(text)) return inferDate(mapping, path, name, format);
      }
    }
  }
  return template(mapping, path, name, "string") ??
    { type: "text", fields: { keyword: { type: "keyword", ignore_above: 256 } } };
}

/** The mapping for an object found at `path`; undefined: a plain object. */
export function inferObject(mapping: Mapping, path: string, name: string): NewMapping | undefined {
  return template(mapping, path, name, "object");
}

function template(mapping: Mapping, path: string, name: string, type: MatchType): NewMapping | undefined {
  if (mapping.dynamicTemplates.length === 0) return undefined;
  const found = findTemplate(mapping.dynamicTemplates, path, name, type);
  return found && templateMapping(found, name, type);
}

function inferNumber(mapping: Mapping, path: string, name: string, whole: boolean): NewMapping {
  return template(mapping, path, name, whole ? "long" : "double") ?? { type: whole ? "long" : "float" };
}

function inferDate(mapping: Mapping, path: string, name: string, format: string): NewMapping {
  const found = template(mapping, path, name, "date");
  if (!found) return { type: "date", format };
  return found["type"] === "date" && found["format"] === undefined ? { ...found, format } : found;
}

function isLong(text: string): boolean {
  if (!/^[+-]?\d+$/.test(text)) return false;
  const value = parseDecimal(text)!.whole;
  return value >= LONG_MIN && value <= LONG_MAX;
}

/** As Java's `Double.parseDouble` has it. */
function isDouble(text: string): boolean {
  return /^[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?)$/.test(text.trim());
}
