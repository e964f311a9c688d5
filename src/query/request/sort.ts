/**
 * `sort` and `search_after`.
 *
 * @module
 */
import { causeOf, illegalArgument, parsingError, RequestError } from "../../base/errors.ts";
import { isObject, isScalar, notSupportedYet, tokenName } from "../queries/body.ts";
import type { Scalar } from "../queries/query.ts";
import type { FieldSortSpec, SortMode, SortSpec } from "./request.ts";

/** A name, an object, or a list of these. */
export function parseSort(value: unknown): SortSpec[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  const specs: SortSpec[] = [];
  for (const item of items) {
    if (typeof item === "string") specs.push(named(item, undefined));
    else if (isObject(item)) {
      for (const [field, options] of Object.entries(item)) specs.push(sortOf(field, options));
    } else {
      throw illegalArgument(
        "malformed sort format, within the sort array, an object, or an actual string are allowed",
      );
    }
  }
  // By score alone is what happens anyway, and then hits carry no sort values.
  const only = specs.length === 1 ? specs[0]! : undefined;
  return only?.kind === "score" && only.descending ? [] : specs;
}

/** The URL's form: `field:asc,other`. */
export function parseSortParam(text: string): SortSpec[] {
  return parseSort(
    text.split(",").map((part) => {
      const at = part.lastIndexOf(":");
      return at < 0 ? part : { [part.slice(0, at)]: part.slice(at + 1) };
    }),
  );
}

function named(field: string, descending: boolean | undefined): SortSpec {
  if (field === "_score") return { kind: "score", descending: descending ?? true };
  if (field === "_doc" || field === "_shard_doc") return { kind: "doc", descending: descending ?? false };
  if (field === "_geo_distance" || field === "_script") throw notSupportedYet(`Sorting by [${field}]`);
  return {
    kind: "field",
    field,
    descending: descending ?? false,
    missing: undefined,
    mode: undefined,
    unmappedType: undefined,
    format: undefined,
  };
}

function sortOf(field: string, options: unknown): SortSpec {
  if (isScalar(options)) return named(field, isDescending(String(options)));
  if (!isObject(options)) {
    throw parsingError(`[field_sort] unexpected token [${tokenName(options)}] after [${field}]`);
  }
  const plain = named(field, undefined);
  if (plain.kind !== "field") return metaSort(field, plain, options);
  const spec: { -readonly [key in keyof FieldSortSpec]: FieldSortSpec[key] } = { ...plain };
  for (const [key, value] of Object.entries(options)) {
    switch (key) {
      case "order":
        spec.descending = inside("field_sort", key, () => isDescending(String(value)));
        break;
      case "missing":
        spec.missing = isScalar(value) ? value : undefined;
        break;
      case "mode":
        spec.mode = inside("field_sort", key, () => modeOf(String(value)));
        break;
      case "unmapped_type":
        spec.unmappedType = String(value);
        break;
      case "format":
        spec.format = String(value);
        break;
      case "numeric_type":
        break;
      case "nested":
      case "nested_path":
      case "nested_filter":
        throw notSupportedYet("Sorting by nested documents");
      default:
        throw contentError(`[field_sort] unknown field [${key}]`);
    }
  }
  return spec;
}

function metaSort(field: string, plain: SortSpec, options: Readonly<Record<string, unknown>>): SortSpec {
  let descending = plain.descending;
  for (const [key, value] of Object.entries(options)) {
    if (key !== "order") throw contentError(`[${field}] unknown field [${key}]`);
    descending = inside(field, key, () => isDescending(String(value)));
  }
  return { ...plain, descending };
}

function isDescending(order: string): boolean {
  const lower = order.toLowerCase();
  if (lower === "asc") return false;
  if (lower === "desc") return true;
  throw illegalArgument(`No enum constant org.elasticsearch.search.sort.SortOrder.${order.toUpperCase()}`);
}

const MODES: ReadonlySet<string> = new Set(["min", "max", "sum", "avg", "median"]);

function modeOf(mode: string): SortMode {
  const lower = mode.toLowerCase();
  if (!MODES.has(lower)) throw illegalArgument(`Unknown SortMode [${mode}]`);
  return lower as SortMode;
}

function contentError(reason: string): RequestError {
  return new RequestError(reason, { status: 400, type: "x_content_parse_exception" });
}

/** Names the option that holds a bad value. */
function inside<T>(parser: string, key: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw new RequestError(`[${parser}] failed to parse field [${key}]`, {
      status: 400,
      type: "x_content_parse_exception",
      causedBy: causeOf(error),
    });
  }
}

export function parseSearchAfter(values: readonly unknown[]): (Scalar | null)[] {
  if (values.length === 0) throw illegalArgument("Values must contains at least one value.");
  return values.map((value) => {
    if (value === null || isScalar(value)) return value;
    throw parsingError(
      `Expected [VALUE_STRING] or [VALUE_NUMBER] or [VALUE_BOOLEAN] or [VALUE_NULL] but found [${
        tokenName(value)
      }] inside search_after.`,
    );
  });
}
