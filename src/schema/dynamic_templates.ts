/**
 * Which mapping does a field get that no mapping names? Dynamic templates, tried in order, then what its first value
 * looks like.
 *
 * @module
 */
import { isObject, javaText, mappingError } from "./mapping_error.ts";

/** What a JSON value looks like to a template. */
export type MatchType = "object" | "string" | "long" | "double" | "boolean" | "date" | "binary";

export const MATCH_TYPES: readonly MatchType[] = [
  "object",
  "string",
  "long",
  "double",
  "boolean",
  "date",
  "binary",
];

/** Type that a template without `type` gives. */
const DEFAULT_TYPE: Readonly<Record<MatchType, string>> = {
  object: "object",
  string: "text",
  long: "long",
  double: "float",
  boolean: "boolean",
  date: "date",
  binary: "binary",
};

export interface DynamicTemplate {
  readonly name: string;
  /** As it was given, for `_mapping`. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly mapping: Readonly<Record<string, unknown>>;
  /** "*" and absent match all. */
  readonly types: readonly (MatchType | "*")[];
  readonly unmatchedTypes: readonly MatchType[];
  readonly match: readonly Pattern[];
  readonly unmatch: readonly Pattern[];
  readonly pathMatch: readonly Pattern[];
  readonly pathUnmatch: readonly Pattern[];
}

interface Pattern {
  readonly expression: RegExp;
}

const PRINT_ORDER = [
  "match",
  "path_match",
  "unmatch",
  "path_unmatch",
  "match_mapping_type",
  "unmatch_mapping_type",
  "match_pattern",
  "mapping",
];

const PARAMETERS = new Set([...PRINT_ORDER, "runtime"]);

/** Reads the `dynamic_templates` array. */
export function parseTemplates(json: unknown): readonly DynamicTemplate[] {
  const syntax = () => mappingError("Dynamic template syntax error. An array of named objects is expected.");
  if (!Array.isArray(json)) throw syntax();
  return json.map((item: unknown) => {
    if (!isObject(item)) throw syntax();
    const names = Object.keys(item);
    if (names.length !== 1) throw mappingError("A dynamic template must be defined with a name");
    const body = item[names[0]!];
    if (!isObject(body)) throw syntax();
    return parseTemplate(names[0]!, body);
  });
}

function parseTemplate(name: string, json: Readonly<Record<string, unknown>>): DynamicTemplate {
  for (const key of Object.keys(json)) {
    if (!PARAMETERS.has(key)) {
      throw mappingError(`Illegal dynamic template parameter: [${key}]`, "illegal_argument_exception");
    }
  }
  const mapping = json["mapping"] ?? json["runtime"];
  if (mapping === undefined) throw mappingError(`template [${name}] must have either mapping or runtime set`);
  if (!isObject(mapping)) {
    throw mappingError("Dynamic template syntax error. An array of named objects is expected.");
  }
  if (json["runtime"] !== undefined) {
    throw mappingError(`runtime in dynamic template [${name}] is not supported yet`);
  }
  const style = json["match_pattern"] ?? "simple";
  if (style !== "simple" && style !== "regex") {
    throw mappingError(`No matching pattern matched on [${javaText(style)}]`, "illegal_argument_exception");
  }
  const patterns = (key: string, regex: boolean): Pattern[] =>
    listOf(json[key]).map((text) => compile(text, regex, name));
  const types = listOf(json["match_mapping_type"]);
  const unmatchedTypes = listOf(json["unmatch_mapping_type"]);
  if (
    json["match"] === undefined && json["path_match"] === undefined && json["unmatch"] === undefined &&
    json["path_unmatch"] === undefined && types.length === 0 && unmatchedTypes.length === 0
  ) {
    throw mappingError(
      "template must have match, path_match or match_mapping_type set",
    );
  }
  for (const type of [...types, ...unmatchedTypes]) {
    if (type !== "*" && !MATCH_TYPES.includes(type as MatchType)) {
      throw mappingError(
        `No field type matched on [${type}], possible values are [${MATCH_TYPES.join(", ")}]`,
        "illegal_argument_exception",
      );
    }
  }
  const ordered: Record<string, unknown> = {};
  for (const key of PRINT_ORDER) if (json[key] !== undefined) ordered[key] = json[key];
  return {
    name,
    json: ordered,
    mapping,
    types: types as (MatchType | "*")[],
    unmatchedTypes: unmatchedTypes as MatchType[],
    match: patterns("match", style === "regex"),
    unmatch: patterns("unmatch", style === "regex"),
    pathMatch: patterns("path_match", style === "regex"),
    pathUnmatch: patterns("path_unmatch", style === "regex"),
  };
}

function listOf(value: unknown): string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value.map((item) => javaText(item)) : [javaText(value)];
}

function compile(text: string, regex: boolean, template: string): Pattern {
  if (!regex) return { expression: simplePattern(text) };
  try {
    return { expression: new RegExp(`^(?:${text})$`, "u") };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw mappingError(
      `Pattern [${text}] of type [regex] is invalid. Cannot create dynamic template [${template}].`,
    );
  }
}

/** `*` matches any run; nothing else is special. */
export function simplePattern(text: string): RegExp {
  const escaped = text.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join("[^]*")}$`, "u");
}

/** First template that takes the field; undefined when none does. */
export function findTemplate(
  templates: readonly DynamicTemplate[],
  path: string,
  name: string,
  type: MatchType,
): DynamicTemplate | undefined {
  const any = (patterns: readonly Pattern[], text: string) =>
    patterns.some((one) => one.expression.test(text));
  return templates.find((template) => {
    if (template.pathMatch.length > 0 && !any(template.pathMatch, path)) return false;
    if (template.match.length > 0 && !any(template.match, name)) return false;
    if (any(template.pathUnmatch, path) || any(template.unmatch, name)) return false;
    if (template.unmatchedTypes.includes(type)) return false;
    return template.types.length === 0 || template.types.includes("*") || template.types.includes(type);
  });
}

/** The mapping that a template gives a field: `{name}` and `{dynamic_type}` filled in. */
export function templateMapping(
  template: DynamicTemplate,
  name: string,
  type: MatchType,
): Record<string, unknown> {
  const fill = (value: unknown): unknown => {
    if (typeof value === "string") {
      return value.replaceAll("{name}", name).replaceAll("{dynamic_type}", DEFAULT_TYPE[type])
        .replaceAll("{dynamicType}", DEFAULT_TYPE[type]);
    }
    if (Array.isArray(value)) return value.map(fill);
    if (!isObject(value)) return value;
    const out: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) out[String(fill(key))] = fill(item);
    return out;
  };
  const mapping = fill(template.mapping) as Record<string, unknown>;
  return mapping["type"] === undefined ? { type: DEFAULT_TYPE[type], ...mapping } : mapping;
}
