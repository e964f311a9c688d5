/**
 * The `null_value` of a field: what a document's null stands for.
 *
 * @module
 */
import { Double, Float } from "../base/json.ts";
import { RequestError } from "../base/errors.ts";
import { DateFormat, DEFAULT_DATE_FORMAT, DEFAULT_NANOS_FORMAT, toNanos } from "./date_format.ts";
import { parseIp } from "./ip.ts";
import { javaText, mappingError } from "./mapping_error.ts";
import {
  parseJavaDouble,
  parseLongText,
  parseUnsignedText,
  parseWholeText,
  roundFloating,
  roundScaled,
  UNSIGNED_BIAS,
  ValueError,
} from "./numbers.ts";

export interface NullValue {
  /** As `_mapping` prints it: plain JSON, or `Double` and `Float` where the fraction shows. */
  readonly printed: unknown;
  /** As the field's column holds it: number, bigint, string (terms) or 16 bytes (ip). */
  readonly stored: unknown;
}

export function parseNullValue(
  type: string,
  field: string,
  given: unknown,
  parameters: ReadonlyMap<string, unknown>,
): NullValue {
  const text = given instanceof Double || given instanceof Float ? String(given.value) : javaText(given);
  try {
    return parse(type, text, parameters);
  } catch (error) {
    if (error instanceof ValueError) {
      if (type === "ip") {
        throw mappingError(`Error parsing [null_value] on field [${field}]: ${error.message}`);
      }
      throw mappingError(error.message, error.type);
    }
    if (error instanceof RequestError && (type === "date" || type === "date_nanos")) {
      throw mappingError(`Error parsing [null_value] on field [${field}]: ${error.message}`);
    }
    throw error;
  }
}

function parse(type: string, text: string, parameters: ReadonlyMap<string, unknown>): NullValue {
  switch (type) {
    case "byte":
    case "short":
    case "integer": {
      const value = parseWholeText(text, type, true);
      return { printed: value, stored: value };
    }
    case "long": {
      const wide = parseLongText(text, true);
      const value = Number.isSafeInteger(Number(wide)) ? Number(wide) : wide;
      return { printed: value, stored: value };
    }
    case "unsigned_long": {
      const wide = parseUnsignedText(text);
      return {
        printed: Number.isSafeInteger(Number(wide)) ? Number(wide) : wide,
        stored: wide - UNSIGNED_BIAS,
      };
    }
    case "float":
    case "half_float": {
      const value = roundFloating(parseJavaDouble(text), type);
      return { printed: new Float(value), stored: value };
    }
    case "double": {
      const value = roundFloating(parseJavaDouble(text), type);
      return { printed: new Double(value), stored: value };
    }
    case "scaled_float": {
      const value = parseJavaDouble(text);
      return {
        printed: new Double(value),
        stored: roundScaled(value, Number(parameters.get("scaling_factor"))),
      };
    }
    case "boolean": {
      if (text !== "true" && text !== "false") {
        throw new ValueError(
          "illegal_argument_exception",
          `Failed to parse value [${text}] as only [true] or [false] are allowed.`,
        );
      }
      return { printed: text === "true", stored: text === "true" ? 1 : 0 };
    }
    case "date":
    case "date_nanos": {
      const nanos = type === "date_nanos";
      const format = parameters.get("format") ?? (nanos ? DEFAULT_NANOS_FORMAT : DEFAULT_DATE_FORMAT);
      const parts = DateFormat.of(String(format)).parse(text);
      return { printed: text, stored: nanos ? toNanos(parts) : parts.ms };
    }
    case "ip":
      return { printed: text, stored: parseIp(text) };
    default:
      return { printed: text, stored: text };
  }
}
