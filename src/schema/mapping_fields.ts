/**
 * The tree's leaves as the flat list of fields that everything else works with.
 *
 * @module
 */
import type { AnalyzerSet } from "../analysis/mod.ts";
import { illegalArgument, RequestError } from "../base/errors.ts";
import { DEFAULT_DATE_FORMAT, DEFAULT_NANOS_FORMAT } from "./date_format.ts";
import { KIN, type LeafNode, type Node, type ObjectNode } from "./mapping_tree.ts";
import { parseNullValue } from "./null_value.ts";
import type { ColumnKind, Field, FieldType } from "./types.ts";

/** Part of the name of the column that holds a flattened field's `key \0 value` terms. */
export const KEYED_SUFFIX = "._keyed";

const KINDS: Readonly<Record<FieldType, ColumnKind>> = {
  text: "text",
  keyword: "term",
  boolean: "number",
  byte: "number",
  short: "number",
  integer: "number",
  long: "number",
  unsigned_long: "wide",
  float: "number",
  half_float: "number",
  double: "number",
  scaled_float: "number",
  date: "number",
  date_nanos: "wide",
  ip: "term",
  binary: "none",
  flattened: "term",
};

export interface FieldDefaults {
  readonly analyzers: AnalyzerSet;
  /** `index.mapping.ignore_malformed`. */
  readonly ignoreMalformed: boolean;
  /** `index.mapping.coerce`. */
  readonly coerce: boolean;
}

/** What a mapping's tree amounts to. */
export interface FieldTable {
  /** By ordinal. */
  readonly fields: readonly Field[];
  /** By full path; `_keyed` parts are not in it. */
  readonly byName: ReadonlyMap<string, Field>;
  readonly aliases: ReadonlyMap<string, string>;
  readonly objects: ReadonlyMap<string, ObjectNode>;
  /** Leaves, multi-fields, aliases and objects: what the limit on fields counts. */
  readonly count: number;
}

/**
 * Numbers and describes all leaves.
 *
 * @param ordinals Numbers already given; new names get those behind them.
 */
export function buildFields(
  root: ObjectNode,
  ordinals: ReadonlyMap<string, number>,
  defaults: FieldDefaults,
): FieldTable {
  const fields: Field[] = new Array(ordinals.size);
  const byName = new Map<string, Field>();
  const aliases = new Map<string, string>();
  const objects = new Map<string, ObjectNode>();
  let next = ordinals.size;
  let count = 0;
  const number = (name: string): number => ordinals.get(name) ?? next++;
  const put = (field: Field): void => {
    fields[field.ordinal] = field;
  };
  const leaf = (node: LeafNode, parent: string): Field => {
    count++;
    const ordinal = number(node.path);
    const multi: Field[] = [];
    for (const child of node.fields.values()) multi.push(leaf(child, node.path));
    const field = makeField(node, ordinal, multi.map((one) => one.ordinal), parent, defaults);
    put(field);
    byName.set(field.name, field);
    if (field.type === "flattened") {
      const name = node.path + KEYED_SUFFIX;
      put({ ...field, ordinal: number(name), name, multiFields: [], parent: node.path });
    }
    return field;
  };
  const walk = (node: Node): void => {
    if (node.kind === "leaf") leaf(node, "");
    else if (node.kind === "alias") {
      count++;
      aliases.set(node.path, node.target);
    } else {
      if (node.path !== "") {
        count++;
        objects.set(node.path, node);
      }
      for (const child of node.children.values()) walk(child);
    }
  };
  walk(root);
  return { fields, byName, aliases, objects, count };
}

/** Describes one leaf. */
export function makeField(
  node: LeafNode,
  ordinal: number,
  multiFields: readonly number[],
  parent: string,
  defaults: FieldDefaults,
): Field {
  const type = (KIN[node.type] ?? node.type) as FieldType;
  const { parameters } = node;
  const flag = (name: string, otherwise: boolean): boolean => {
    const value = parameters.get(name);
    return typeof value === "boolean" ? value : otherwise;
  };
  const text = (name: string, otherwise: string): string => {
    const value = parameters.get(name);
    return typeof value === "string" ? value : otherwise;
  };
  const whole = (name: string, otherwise: number): number => {
    const value = parameters.get(name);
    return typeof value === "number" ? value : otherwise;
  };
  const isText = type === "text";
  const analyzer = isText ? defaults.analyzers.resolve(text("analyzer", "default")) : "";
  const options = text("index_options", isText ? "positions" : "docs");
  const docValues = type === "binary" ? flag("doc_values", false) : !isText && flag("doc_values", true);
  const nullValue = parameters.get("null_value");
  return {
    ordinal,
    name: node.path,
    type,
    kind: type === "binary" && docValues ? "term" : KINDS[type],
    indexed: type !== "binary" && flag("index", true),
    docValues,
    analyzer,
    searchAnalyzer: isText ? searchAnalyzer(parameters, analyzer, defaults.analyzers) : "",
    norms: isText && node.type !== "match_only_text" && flag("norms", true),
    positions: isText && (options === "positions" || options === "offsets"),
    freqs: isText && options !== "docs",
    ignoreAbove: type === "keyword" || type === "flattened"
      ? ignoreAbove(whole("ignore_above", 2147483647))
      : 2147483647,
    ignoreMalformed: flag("ignore_malformed", defaults.ignoreMalformed && takesMalformed(type)),
    nullValue: nullValue === undefined
      ? undefined
      : parseNullValue(node.type, node.path, nullValue, parameters).stored,
    copyTo: node.copyTo,
    scalingFactor: whole("scaling_factor", 1),
    format: type === "date"
      ? text("format", DEFAULT_DATE_FORMAT)
      : type === "date_nanos"
      ? text("format", DEFAULT_NANOS_FORMAT)
      : "",
    multiFields,
    declaredType: node.type,
    normalizer: type === "keyword" ? text("normalizer", "") : "",
    coerce: flag("coerce", defaults.coerce),
    positionIncrementGap: whole("position_increment_gap", 100),
    flattenedKey: "",
    depthLimit: whole("depth_limit", 20),
    parent,
    meta: (parameters.get("meta") ?? {}) as Readonly<Record<string, string>>,
  };
}

/** A negative `ignore_above` never lets anything pass in Lucene's terms; Elasticsearch takes it as given. */
function ignoreAbove(value: number): number {
  return value < 0 ? 2147483647 : value;
}

function takesMalformed(type: FieldType): boolean {
  return type !== "text" && type !== "keyword" && type !== "binary" && type !== "flattened";
}

function searchAnalyzer(
  parameters: ReadonlyMap<string, unknown>,
  analyzer: string,
  analyzers: AnalyzerSet,
): string {
  const given = parameters.get("search_analyzer");
  if (typeof given === "string") return analyzers.resolve(given);
  // An index may name an analyzer for all searches, which only fields without their own analyzer take.
  if (!parameters.has("analyzer") && analyzers.has("default_search")) return "default_search";
  return analyzer;
}

/** Checks what only the whole mapping can tell: limits, and that aliases and copies lead somewhere. */
export function checkTable(table: FieldTable, maxFields: number): void {
  if (table.count > maxFields) {
    throw illegalArgument(`Limit of total fields [${maxFields}] has been exceeded`);
  }
  for (const [name, target] of table.aliases) {
    const problem = target === name
      ? "an alias cannot refer to itself."
      : table.aliases.has(target)
      ? "an alias cannot refer to another alias."
      : !table.byName.has(target)
      ? "an alias must refer to an existing field in the mappings."
      : undefined;
    if (problem) {
      throw new RequestError(`Invalid [path] value [${target}] for field alias [${name}]: ${problem}`, {
        status: 400,
        type: "mapper_parsing_exception",
      });
    }
  }
  for (const field of table.fields) {
    for (const target of field.copyTo) {
      if (table.objects.has(target)) {
        throw illegalArgument(`Cannot copy to field [${target}] since it is mapped as an object`);
      }
      const to = table.byName.get(target);
      if (to && to.parent !== "") {
        throw illegalArgument(`[copy_to] may not be used to copy to a multi-field: [${target}]`);
      }
    }
  }
}
