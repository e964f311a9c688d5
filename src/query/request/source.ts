/**
 * `_source`, `fields` and `docvalue_fields`.
 *
 * @module
 */
import { parsingError, RequestError } from "../../base/errors.ts";
import { isObject, isScalar, tokenName } from "../queries/body.ts";
import type { FieldSpec, SourceSpec } from "./request.ts";

export function parseSource(value: unknown): SourceSpec {
  if (typeof value === "boolean") return { kind: value ? "all" : "none" };
  if (typeof value === "string") return filterOf([value], []);
  if (Array.isArray(value)) return filterOf(patterns(value, "_source"), []);
  if (!isObject(value)) {
    throw parsingError(
      `Expected one of [VALUE_BOOLEAN, VALUE_STRING, START_ARRAY, START_OBJECT] but found [${
        tokenName(value)
      }]`,
    );
  }
  let includes: string[] = [];
  let excludes: string[] = [];
  for (const [key, inner] of Object.entries(value)) {
    const isInclude = key === "includes" || key === "include";
    const isExclude = key === "excludes" || key === "exclude";
    if ((!isInclude && !isExclude) || (!Array.isArray(inner) && typeof inner !== "string")) {
      throw parsingError(`Unknown key for a ${tokenName(inner)} in [${key}].`);
    }
    const list = Array.isArray(inner) ? patterns(inner, key) : [inner];
    if (isInclude) includes = list;
    else excludes = list;
  }
  return filterOf(includes, excludes);
}

function filterOf(includes: readonly string[], excludes: readonly string[]): SourceSpec {
  return includes.length + excludes.length === 0 ? { kind: "all" } : { kind: "filter", includes, excludes };
}

function patterns(values: readonly unknown[], key: string): string[] {
  return values.map((value) => {
    if (isScalar(value)) return String(value);
    throw parsingError(`Unknown key for a ${tokenName(value)} in [${key}].`);
  });
}

/** The URL's forms: `_source`, `_source_includes`, `_source_excludes`. */
export function parseSourceParams(params: { get(name: string): string | null }): SourceSpec | undefined {
  const plain = params.get("_source");
  const list = (name: string) => params.get(name)?.split(",").filter((part) => part !== "") ?? [];
  let includes = [...list("_source_includes"), ...list("_source_include")];
  const excludes = [...list("_source_excludes"), ...list("_source_exclude")];
  if (plain !== null) {
    if (plain === "false") return { kind: "none" };
    if (plain !== "true" && plain !== "") includes = plain.split(",").concat(includes);
  }
  if (includes.length + excludes.length > 0) return { kind: "filter", includes, excludes };
  return plain === null ? undefined : { kind: "all" };
}

export function parseFields(values: readonly unknown[]): FieldSpec[] {
  return values.map((value) => {
    if (isScalar(value)) return { field: String(value), format: undefined };
    if (!isObject(value)) {
      throw parsingError(`Expected [VALUE_STRING] or [START_OBJECT] but found [${tokenName(value)}]`);
    }
    let field: string | undefined;
    let format: string | undefined;
    for (const [key, inner] of Object.entries(value)) {
      if (key === "field") field = String(inner);
      else if (key === "format") format = inner === null ? undefined : String(inner);
      else if (key !== "include_unmapped") {
        throw new RequestError(`[fetch_field_and_format] unknown field [${key}]`, {
          status: 400,
          type: "x_content_parse_exception",
        });
      }
    }
    if (field === undefined) {
      throw new RequestError("Required [field]", { status: 400, type: "illegal_argument_exception" });
    }
    return { field, format: format === "use_field_mapping" ? undefined : format };
  });
}
