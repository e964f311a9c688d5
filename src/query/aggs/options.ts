/**
 * Reading the parameters of one aggregation, with Elasticsearch's words for what is wrong with them.
 *
 * @module
 */
import { illegalArgument, RequestError } from "../../base/errors.ts";
import { isObject, isScalar, type JsonObject, notSupportedYet, tokenName } from "../queries/body.ts";
import { didYouMean } from "../queries/names.ts";
import type { BucketOrder, FieldSpec, MissingValue } from "./node.ts";

/** 400 `x_content_parse_exception`. */
export function xContentError(reason: string, cause?: { type: string; reason: string }): RequestError {
  return new RequestError(reason, { status: 400, type: "x_content_parse_exception", causedBy: cause });
}

/** The body of an aggregation; remembers what was read, so that the rest can be refused. */
export class Options {
  readonly #body: JsonObject;
  readonly #read = new Set<string>();

  constructor(
    /** Type of the aggregation. */
    readonly type: string,
    /** Its name in the request. */
    readonly name: string,
    body: JsonObject,
  ) {
    this.#body = body;
  }

  /** The raw value; undefined when absent or null. */
  raw(key: string): unknown {
    this.#read.add(key);
    return this.#body[key] ?? undefined;
  }

  has(key: string): boolean {
    this.#read.add(key);
    return this.#body[key] !== undefined && this.#body[key] !== null;
  }

  text(key: string): string | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === "string") return value;
    throw this.wrongToken(key, value);
  }

  number(key: string): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value === "number") return value;
    if (typeof value === "bigint") return Number(value);
    if (typeof value !== "string") throw this.wrongToken(key, value);
    const number = value.trim() === "" ? NaN : Number(value);
    if (Number.isNaN(number)) {
      throw this.failed(key, "number_format_exception", `For input string: "${value}"`);
    }
    return number;
  }

  integer(key: string): number | undefined {
    const value = this.number(key);
    return value === undefined ? undefined : Math.trunc(value);
  }

  boolean(key: string): boolean | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === "boolean") return value;
    if (value === "true") return true;
    if (value === "false") return false;
    if (!isScalar(value)) throw this.wrongToken(key, value);
    throw this.failed(
      key,
      "illegal_argument_exception",
      `Failed to parse value [${String(value)}] as only [true] or [false] are allowed.`,
    );
  }

  object(key: string): JsonObject | undefined {
    const value = this.raw(key);
    if (value === undefined || isObject(value)) return value;
    throw this.wrongToken(key, value);
  }

  array(key: string): readonly unknown[] | undefined {
    const value = this.raw(key);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.wrongToken(key, value);
  }

  /** @throws {RequestError} A parameter that nobody asked for. */
  finish(): void {
    for (const key in this.#body) {
      if (this.#read.has(key)) continue;
      throw xContentError(`[${this.type}] unknown field [${key}]${didYouMean(key, this.#read)}`);
    }
  }

  wrongToken(key: string, value: unknown): RequestError {
    return xContentError(`[${this.type}] ${key} doesn't support values of type: ${tokenName(value)}`);
  }

  failed(key: string, type: string, reason: string): RequestError {
    return xContentError(`[${this.type}] failed to parse field [${key}]`, { type, reason });
  }

  /** For values that an own parser refuses with `illegal_argument_exception`. */
  checked<T>(key: string, parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      throw this.failed(key, error.type, error.message);
    }
  }
}

/** `field`, `missing`, `format`, `time_zone`. @throws {RequestError} There is no field. */
export function fieldSpec(options: Options): FieldSpec {
  if (options.has("script")) throw notSupportedYet(`[script] of the aggregation [${options.type}]`);
  const field = options.text("field");
  if (field === undefined) {
    throw illegalArgument("Required one of fields [field, script], but none were specified. ");
  }
  const missing = options.raw("missing");
  if (missing !== undefined && !isScalar(missing)) throw options.wrongToken("missing", missing);
  const zone = options.raw("time_zone");
  if (zone !== undefined && !isScalar(zone)) throw options.wrongToken("time_zone", zone);
  // A number is an offset in hours.
  const timeZone = zone === undefined ? "" : typeof zone === "number" ? offsetText(zone) : String(zone);
  return {
    field,
    missing: typeof missing === "bigint" ? String(missing) : missing as MissingValue | undefined,
    format: options.text("format") ?? "",
    timeZone,
  };
}

function offsetText(hours: number): string {
  return `${hours < 0 ? "-" : "+"}${String(Math.abs(Math.trunc(hours))).padStart(2, "0")}:00`;
}

/** `order`: an object, or an array of them. */
export function parseOrder(options: Options, byDefault: BucketOrder): readonly BucketOrder[] {
  const value = options.raw("order");
  if (value === undefined) return [byDefault];
  const list = Array.isArray(value) ? value : [value];
  const entries = list.flatMap((one) => {
    if (!isObject(one)) throw options.wrongToken("order", one);
    return Object.entries(one);
  });
  if (entries.length === 0) {
    throw options.failed("order", "parsing_exception", "Must specify at least one field for [order]");
  }
  return entries.map(([path, value]) => {
    const direction = String(value).toLowerCase();
    if (direction !== "asc" && direction !== "desc") {
      throw options.failed("order", "parsing_exception", `Unknown order direction [${String(value)}]`);
    }
    const by = path === "_count" ? "count" : path === "_key" ? "key" : "path";
    return { by, path, ascending: direction === "asc" };
  });
}

const UNIT_MS: Readonly<Record<string, number>> = {
  nanos: 1e-6,
  micros: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * A duration such as `30s` or `1.5h` in ms.
 *
 * @param setting What Elasticsearch calls the parameter in its messages.
 */
export function parseDuration(text: string, setting: string): number {
  const trimmed = text.trim();
  const match = /^([+-]?\d+(?:\.\d+)?)\s*(nanos|micros|ms|s|m|h|d|H|D|S|MS)$/.exec(trimmed);
  const unit = match ? UNIT_MS[match[2]!.toLowerCase()] : undefined;
  if (!match || unit === undefined) {
    if (trimmed === "0" || trimmed === "-1") return Number(trimmed);
    if (/(nanos|micros|ms|s|m|h|d)$/i.test(trimmed) && !/M$/.test(trimmed)) {
      throw illegalArgument(`failed to parse [${text}]`);
    }
    throw illegalArgument(
      `failed to parse setting [${setting}] with value [${text}] as a time value: unit is missing or unrecognized`,
    );
  }
  return Math.trunc(Number(match[1]) * unit);
}
