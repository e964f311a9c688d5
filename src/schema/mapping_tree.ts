/**
 * A mapping as a tree of objects, leaves and aliases: how it is read from JSON.
 *
 * @module
 */
import type { AnalyzerSet } from "../analysis/mod.ts";
import { RequestError } from "../base/errors.ts";
import { DateFormat } from "./date_format.ts";
import { parametersOf, type ParameterSpec, UNSUPPORTED_TYPES } from "./field_parameters.ts";
import { isObject, javaClass, javaText, mappingError, parseBoolean } from "./mapping_error.ts";
import { parseNullValue } from "./null_value.ts";

export type Dynamic = "true" | "false" | "strict" | "runtime";

export interface ObjectNode {
  readonly kind: "object";
  /** Full path; "" is the root. */
  readonly path: string;
  /** Undefined: as its parent's. */
  readonly dynamic: Dynamic | undefined;
  readonly enabled: boolean;
  readonly children: ReadonlyMap<string, Node>;
}

export interface LeafNode {
  readonly kind: "leaf";
  readonly path: string;
  /** As declared. */
  readonly type: string;
  /** Parameters that differ from what holds without them. */
  readonly parameters: ReadonlyMap<string, unknown>;
  readonly copyTo: readonly string[];
  readonly fields: ReadonlyMap<string, LeafNode>;
}

export interface AliasNode {
  readonly kind: "alias";
  readonly path: string;
  readonly target: string;
}

export type Node = ObjectNode | LeafNode | AliasNode;

export interface TreeContext {
  readonly analyzers: AnalyzerSet;
  /** `index.mapping.depth.limit`. */
  readonly maxDepth: number;
  readonly warnings: string[];
}

/** Reads an object's `properties` and parameters. `extra`: keys that its caller reads itself. */
export function parseObject(
  json: Readonly<Record<string, unknown>>,
  path: string,
  context: TreeContext,
  extra: (key: string, value: unknown) => boolean = () => false,
): ObjectNode {
  let dynamic: Dynamic | undefined;
  let enabled = true;
  const children = new Map<string, Node>();
  const unsupported: string[] = [];
  for (const [key, value] of Object.entries(json)) {
    if (key === "dynamic") dynamic = parseDynamic(value, context);
    else if (key === "enabled") enabled = parseBoolean(value);
    else if (key === "properties") parseProperties(value, path, children, context);
    else if (key === "subobjects") {
      if (!parseBoolean(value)) {
        throw mappingError(`[subobjects] of [${path}] set to [false] is not supported yet`);
      }
    } else if (key === "type" && path !== "") continue;
    else if (!extra(key, value)) unsupported.push(`${key} : ${javaText(value)}`);
  }
  if (unsupported.length > 0) {
    const which = path === "" ? "Root mapping definition" : `Mapping definition for [${simpleName(path)}]`;
    throw mappingError(
      `${which} has unsupported parameters:  ${unsupported.map((entry) => `[${entry}]`).join(" ")}`,
    );
  }
  return { kind: "object", path, dynamic, enabled, children };
}

export function simpleName(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

function parseDynamic(value: unknown, context: TreeContext): Dynamic {
  if (value === "strict") return "strict";
  if (value === "runtime") {
    context.warnings.push("dynamic [runtime] is treated as [true]: runtime fields are not supported yet");
    return "runtime";
  }
  if (value === true || value === "true") return "true";
  if (value === false || value === "false") return "false";
  throw mappingError("Could not convert [dynamic.dynamic] to boolean", "illegal_argument_exception");
}

function parseProperties(json: unknown, path: string, into: Map<string, Node>, context: TreeContext): void {
  if (Array.isArray(json) && json.length === 0) return;
  if (!isObject(json)) throw mappingError("Expected map for property [properties]");
  for (const [name, value] of Object.entries(json)) {
    const parts = splitName(name);
    if (!isObject(value)) {
      if (Array.isArray(value) && value.length === 0) continue;
      throw mappingError(
        `Expected map for property [fields] on field [${name}] but got a class java.lang.String`,
      );
    }
    addChild(into, path, parts, 0, value, context);
  }
}

/** Splits a dotted name; every part must be there. */
function splitName(name: string): string[] {
  const parts = name.split(".");
  for (const part of parts) {
    if (part.trim() === "") {
      const reason = part === ""
        ? "field name cannot be an empty string"
        : `field name cannot contain only whitespace: ['${name}']`;
      throw mappingError(reason, "illegal_argument_exception");
    }
  }
  return parts;
}

function addChild(
  into: Map<string, Node>,
  parentPath: string,
  parts: readonly string[],
  at: number,
  json: Readonly<Record<string, unknown>>,
  context: TreeContext,
): void {
  const name = parts[at]!;
  const path = parentPath === "" ? name : `${parentPath}.${name}`;
  const depth = countDots(path) + 2;
  let node: Node;
  if (at < parts.length - 1) {
    checkDepth(depth, path, context);
    const children = new Map<string, Node>();
    addChild(children, path, parts, at + 1, json, context);
    node = { kind: "object", path, dynamic: undefined, enabled: true, children };
  } else node = parseNode(json, path, depth, context);
  const known = into.get(name);
  into.set(name, known ? joinTwice(known, node) : node);
}

function countDots(path: string): number {
  let count = 0;
  for (let i = path.indexOf("."); i >= 0; i = path.indexOf(".", i + 1)) count++;
  return count;
}

function checkDepth(depth: number, path: string, context: TreeContext): void {
  if (depth > context.maxDepth) {
    throw new RequestError(
      `Limit of mapping depth [${context.maxDepth}] has been exceeded due to object field [${path}]`,
      { status: 400, type: "illegal_argument_exception" },
    );
  }
}

/** One mapping may name an object twice: as `a` and in `a.b`. */
function joinTwice(known: Node, node: Node): Node {
  if (known.kind === "object" && node.kind === "object") {
    const children = new Map(known.children);
    for (const [name, child] of node.children) {
      const there = children.get(name);
      children.set(name, there ? joinTwice(there, child) : child);
    }
    return {
      ...known,
      dynamic: node.dynamic ?? known.dynamic,
      enabled: known.enabled && node.enabled,
      children,
    };
  }
  throw mappingError(
    `mapper [${node.path}] cannot be changed from type [${typeName(known)}] to [${typeName(node)}]`,
    "illegal_argument_exception",
  );
}

export function typeName(node: Node): string {
  return node.kind === "object" ? "ObjectMapper" : node.kind === "alias" ? "alias" : node.type;
}

/** Reads an object, an alias or a leaf. `depth` counts levels from the root's 1. */
export function parseNode(
  json: Readonly<Record<string, unknown>>,
  path: string,
  depth: number,
  context: TreeContext,
): Node {
  const type = json["type"];
  if (type === undefined) {
    const keys = Object.keys(json);
    if (json["properties"] === undefined && !(keys.length === 1 && keys[0] === "enabled")) {
      throw mappingError(`No type specified for field [${simpleName(path)}]`);
    }
  }
  if (type === undefined || type === "object") {
    checkDepth(depth, path, context);
    return parseObject(json, path, context);
  }
  if (type === "alias") return parseAlias(json, path);
  return parseLeaf(json, path, context);
}

function parseAlias(json: Readonly<Record<string, unknown>>, path: string): AliasNode {
  const target = json["path"];
  const name = simpleName(path);
  if (typeof target !== "string") {
    throw mappingError(`The [path] property must be specified for field [${name}].`);
  }
  for (const key of Object.keys(json)) {
    if (key !== "type" && key !== "path") {
      throw mappingError(
        `Mapping definition for [${name}] has unsupported parameters:  [${key} : ${javaText(json[key])}]`,
      );
    }
  }
  return { kind: "alias", path, target };
}

/** Reads a field with a type of its own. `parent`: path of the field that it is a multi-field of. */
export function parseLeaf(
  json: Readonly<Record<string, unknown>>,
  path: string,
  context: TreeContext,
  parent = "",
): LeafNode {
  const type = javaText(json["type"]);
  const name = simpleName(path);
  const specs = parametersOf(type);
  if (!specs) {
    if (UNSUPPORTED_TYPES.has(type)) {
      throw mappingError(`Type [${type}] declared on field [${name}] is not supported yet`);
    }
    throw mappingError(`No handler for type [${type}] declared on field [${name}]`);
  }
  const parameters = new Map<string, unknown>();
  let copyTo: readonly string[] = [];
  let fields: ReadonlyMap<string, LeafNode> = new Map();
  for (const [key, value] of Object.entries(json)) {
    if (key === "type") continue;
    if (key === "fields") {
      fields = parseMultiFields(value, path, parent, context);
      continue;
    }
    if (key === "copy_to") {
      copyTo = Array.isArray(value) ? value.map((item) => javaText(item)) : [javaText(value)];
      if (parent !== "" && copyTo.length > 0) {
        throw new RequestError(`[copy_to] may not be used to copy from a multi-field: [${path}]`, {
          status: 400,
          type: "illegal_argument_exception",
        });
      }
      continue;
    }
    const spec = specs.find((candidate) => candidate.name === key);
    if (!spec) throw mappingError(`unknown parameter [${key}] on mapper [${name}] of type [${type}]`);
    if (value === null) {
      if (spec.kind === "null") continue;
      throw mappingError(`[${key}] on mapper [${name}] of type [${type}] must not have a [null] value`);
    }
    const parsed = parseParameter(spec, value, name, context);
    if (parsed !== spec.otherwise) parameters.set(key, parsed);
  }
  checkLeaf(type, name, parameters);
  if (type === "constant_keyword" || type === "wildcard" || type === "match_only_text") {
    context.warnings.push(`field [${path}] of type [${type}] is stored as [${KIN[type]}]`);
  }
  const nullValue = parameters.get("null_value");
  if (nullValue !== undefined) {
    parameters.set("null_value", parseNullValue(type, name, nullValue, parameters).printed);
  }
  return { kind: "leaf", path, type, parameters, copyTo, fields };
}

/** Types that are kept as a near relative. */
export const KIN: Readonly<Record<string, string>> = {
  constant_keyword: "keyword",
  wildcard: "keyword",
  match_only_text: "text",
};

function checkLeaf(type: string, name: string, parameters: ReadonlyMap<string, unknown>): void {
  if (type === "scaled_float" && !parameters.has("scaling_factor")) {
    throw mappingError(
      `Field [${name}] misses required parameter [scaling_factor]`,
      "illegal_argument_exception",
    );
  }
  if (type === "text" && parameters.get("fielddata") === true && parameters.get("index") === false) {
    throw mappingError(
      `Cannot enable fielddata on a [text] field that is not indexed: [${name}]`,
      "illegal_argument_exception",
    );
  }
}

function parseMultiFields(
  json: unknown,
  path: string,
  parent: string,
  context: TreeContext,
): ReadonlyMap<string, LeafNode> {
  const name = simpleName(path);
  if (parent !== "") {
    throw mappingError(
      `Encountered a multi-field [${name}] which itself contains a multi-field. Defining chained multi-fields is not supported.`,
      "illegal_argument_exception",
    );
  }
  const fields = new Map<string, LeafNode>();
  if (Array.isArray(json) && json.length === 0) return fields;
  if (!isObject(json)) {
    throw mappingError(
      `expected map for property [fields] on field [${name}] but got a class java.lang.String`,
    );
  }
  for (const [key, value] of Object.entries(json)) {
    if (key.includes(".")) {
      throw mappingError(`Field name [${key}] which is a multi field of [${name}] cannot contain '.'`);
    }
    if (key === "") throw mappingError("field name cannot be an empty string", "illegal_argument_exception");
    if (!isObject(value)) {
      throw mappingError(`illegal field [${key}], only fields can be specified inside fields`);
    }
    const type = value["type"];
    if (type === undefined) throw mappingError(`no type specified for property [${key}]`);
    if (type === "object" || type === "nested" || type === "alias") {
      throw mappingError(`Type [${type}] cannot be used in multi field`);
    }
    fields.set(key, parseLeaf(value, `${path}.${key}`, context, path));
  }
  return fields;
}

function parseParameter(spec: ParameterSpec, value: unknown, field: string, context: TreeContext): unknown {
  switch (spec.kind) {
    case "boolean":
      return parseBoolean(value);
    case "integer": {
      const number = typeof value === "string" && /^[+-]?\d+$/.test(value) ? Number(value) : value;
      if (typeof number !== "number" || !Number.isFinite(number)) {
        throw mappingError(`For input string: "${javaText(value)}"`, "number_format_exception");
      }
      return Math.trunc(number);
    }
    case "scaling": {
      const number = Number(value);
      if (!(number > 0) || !Number.isFinite(number)) {
        throw mappingError(
          `[scaling_factor] must be a positive number, got [${javaText(value)}]`,
          "illegal_argument_exception",
        );
      }
      return number;
    }
    case "string":
      return javaText(value);
    case "choice": {
      const text = javaText(value);
      if (!spec.choices!.includes(text)) {
        throw mappingError(
          `Unknown value [${text}] for field [${spec.name}] - accepted values are [${
            spec.choices!.join(", ")
          }]`,
        );
      }
      return text;
    }
    case "analyzer": {
      const text = javaText(value);
      if (!context.analyzers.has(text)) {
        throw mappingError(
          `analyzer [${text}] has not been configured in mappings`,
          "illegal_argument_exception",
        );
      }
      return text;
    }
    case "normalizer": {
      const text = javaText(value);
      if (!context.analyzers.hasNormalizer(text)) {
        throw mappingError(`normalizer [${text}] not found for field [${field}]`);
      }
      return text;
    }
    case "meta":
      return parseMeta(value, field);
    case "format": {
      const text = javaText(value);
      try {
        DateFormat.of(text);
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        throw mappingError(
          `Error parsing [${spec.name}] on field [${field}]: ${error.message}`,
          "illegal_argument_exception",
        );
      }
      return text;
    }
    case "null":
    case "any":
      return value;
  }
}

function parseMeta(value: unknown, field: string): Readonly<Record<string, string>> | null {
  if (!isObject(value)) {
    throw mappingError(
      `[meta] must be an object, got ${javaClass(value)}[${javaText(value)}] for field [${field}]`,
    );
  }
  const keys = Object.keys(value).sort();
  if (keys.length > 5) {
    throw mappingError(`[meta] can't have more than 5 entries, but got ${keys.length} on field [${field}]`);
  }
  const sorted: Record<string, string> = {};
  for (const key of keys) {
    const item = value[key];
    if (key.length > 20) {
      throw mappingError(`[meta] keys can't be longer than 20 chars, but got [${key}] for field [${field}]`);
    }
    if (typeof item !== "string") {
      if (item === null) throw mappingError(`[meta] values can't be null (field [${field}])`);
      throw mappingError(
        `[meta] values can only be strings, but got ${javaClass(item)}[${
          javaText(item)
        }] for field [${field}]`,
      );
    }
    if (item.length > 50) {
      throw mappingError(
        `[meta] values can't be longer than 50 chars, but got [${item}] for field [${field}]`,
      );
    }
    sorted[key] = item;
  }
  return keys.length === 0 ? null : sorted;
}
