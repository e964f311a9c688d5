/**
 * Which fields does an index have?
 *
 * A `Mapping` is immutable; additive changes make a new one, in which every field keeps its ordinal.
 *
 * @module
 */
import { AnalyzerSet } from "../analysis/mod.ts";
import { illegalArgument, RequestError } from "../base/errors.ts";
import { Double, Float, type Json } from "../base/json.ts";
import { DateFormat, DEFAULT_DATE_FORMAT } from "./date_format.ts";
import { type DynamicTemplate, MATCH_TYPES, parseTemplates, templateMapping } from "./dynamic_templates.ts";
import { parametersOf } from "./field_parameters.ts";
import { isObject, javaText, mappingError, parseBoolean } from "./mapping_error.ts";
import {
  buildFields,
  checkTable,
  type FieldDefaults,
  type FieldTable,
  KEYED_SUFFIX,
} from "./mapping_fields.ts";
import { mergeObject, sameValue } from "./mapping_merge.ts";
import {
  type Dynamic,
  type LeafNode,
  type Node,
  type ObjectNode,
  parseNode,
  parseObject,
  type TreeContext,
} from "./mapping_tree.ts";
import type { Field } from "./types.ts";

export type { Dynamic, DynamicTemplate, ObjectNode };
export type { LeafNode, Node } from "./mapping_tree.ts";

/** JSON in the shape of Elasticsearch's mappings: `{dynamic?, properties: {...}}`. */
export type MappingJson = { readonly [key: string]: Json | undefined };

export interface MappingLimits {
  /** `index.mapping.total_fields.limit`. */
  readonly maxFields: number;
  /** `index.mapping.depth.limit`; default 20. */
  readonly maxDepth?: number;
  /** Where analyzers and normalizers are looked up; default: the built-in ones. */
  readonly analyzers?: AnalyzerSet;
  /** `index.mapping.ignore_malformed`; default false. */
  readonly ignoreMalformed?: boolean;
  /** `index.mapping.coerce`; default true. */
  readonly coerce?: boolean;
}

/** Formats that a text is tried against where `date_detection` is on. */
const DYNAMIC_DATE_FORMATS = [DEFAULT_DATE_FORMAT, "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis"];

/** Root-level settings that were given; absent ones have their default. */
interface RootSettings {
  readonly dateDetection?: boolean;
  readonly numericDetection?: boolean;
  readonly dateFormats?: readonly string[];
  readonly templates?: readonly DynamicTemplate[];
  /** `_meta`, `_source`, `_routing` and their like, as given. */
  readonly metadata: ReadonlyMap<string, unknown>;
}

const METADATA = new Set([
  "_meta",
  "_source",
  "_routing",
  "_field_names",
  "_data_stream_timestamp",
  "_tier",
  "_size",
  "_doc_count",
]);

/** An immutable version of an index's fields. */
export class Mapping {
  readonly #root: ObjectNode;
  readonly #settings: RootSettings;
  readonly #table: FieldTable;
  /** A `Field` per `labels.key` asked for; few, since queries name them. */
  readonly #keyed = new Map<string, Field>();

  private constructor(
    /** Grows with each change. */
    readonly version: number,
    root: ObjectNode,
    settings: RootSettings,
    table: FieldTable,
    readonly limits: MappingLimits,
    readonly analyzers: AnalyzerSet,
    /** Of the parse or merge that made this mapping, such as `dynamic: runtime` treated as `true`. */
    readonly warnings: readonly string[],
  ) {
    this.#root = root;
    this.#settings = settings;
    this.#table = table;
  }

  /** A mapping without fields, to which documents add theirs. */
  static empty(limits: MappingLimits): Mapping {
    return Mapping.parse({}, limits);
  }

  /**
   * Reads a mapping in Elasticsearch's shape.
   *
   * @throws {RequestError} 400 `mapper_parsing_exception` or `illegal_argument_exception`, worded as there.
   */
  static parse(json: unknown, limits: MappingLimits, version = 1): Mapping {
    return Mapping.#build(json, limits, version, new Map());
  }

  /** Reads what `toStored` gave. */
  static fromStored(stored: unknown, limits: MappingLimits): Mapping {
    if (!isObject(stored) || !Array.isArray(stored["fields"])) {
      throw illegalArgument("Cannot read a stored mapping: not an object with [fields]");
    }
    const ordinals = new Map<string, number>();
    for (const name of stored["fields"] as unknown[]) ordinals.set(String(name), ordinals.size);
    // Limits may have been lowered since: what is stored stays readable.
    const open = { ...limits, maxFields: Infinity, maxDepth: 1000 };
    const mapping = Mapping.#build(stored["mapping"], open, Number(stored["version"]), ordinals);
    return new Mapping(
      mapping.version,
      mapping.#root,
      mapping.#settings,
      mapping.#table,
      limits,
      mapping.analyzers,
      mapping.warnings,
    );
  }

  static #build(
    json: unknown,
    limits: MappingLimits,
    version: number,
    ordinals: ReadonlyMap<string, number>,
  ): Mapping {
    const { root, settings, warnings, analyzers } = readTree(json, limits);
    const table = buildFields(root, ordinals, defaultsOf(limits, analyzers));
    checkTable(table, limits.maxFields);
    return new Mapping(version, root, settings, table, limits, analyzers, warnings);
  }

  /**
   * Adds what `update` has; the same object when that is nothing new.
   *
   * @throws {RequestError} 400 where it contradicts what is there, or breaks a limit.
   */
  merge(update: unknown): Mapping {
    const read = readTree(update, { ...this.limits, analyzers: this.analyzers });
    const root = mergeObject(this.#root, read.root, true);
    const settings = mergeSettings(this.#settings, read.settings);
    if (root === this.#root && settings === this.#settings) return this;
    const ordinals = new Map<string, number>();
    for (const field of this.#table.fields) ordinals.set(field.name, field.ordinal);
    const table = buildFields(root, ordinals, defaultsOf(this.limits, this.analyzers));
    checkTable(table, this.limits.maxFields);
    return new Mapping(this.version + 1, root, settings, table, this.limits, this.analyzers, read.warnings);
  }

  /** By ordinal; `_keyed` parts of flattened fields included. */
  get fields(): readonly Field[] {
    return this.#table.fields;
  }

  /**
   * The field behind a full dotted path: leaves, multi-fields, aliases, and keys of flattened fields (see
   * `Field.flattenedKey`).
   */
  field(name: string): Field | undefined {
    const known = this.#table.byName.get(name);
    if (known) return known;
    const target = this.#table.aliases.get(name);
    if (target !== undefined) return this.#table.byName.get(target);
    return this.#flattenedKey(name);
  }

  #flattenedKey(name: string): Field | undefined {
    const hit = this.#keyed.get(name);
    if (hit) return hit;
    for (let dot = name.indexOf("."); dot > 0; dot = name.indexOf(".", dot + 1)) {
      const root = this.#table.byName.get(name.slice(0, dot));
      if (root?.type !== "flattened") continue;
      const keyed = this.#table.fields.find((field) => field.name === root.name + KEYED_SUFFIX)!;
      const field: Field = { ...keyed, flattenedKey: name.slice(dot + 1) };
      if (this.#keyed.size >= 1000) this.#keyed.clear();
      this.#keyed.set(name, field);
      return field;
    }
    return undefined;
  }

  /** Full path that an alias stands for, or undefined. */
  aliasTarget(name: string): string | undefined {
    return this.#table.aliases.get(name);
  }

  isObject(path: string): boolean {
    return this.#table.objects.has(path);
  }

  /** Full paths of the objects, the root not among them. */
  objectPaths(): readonly string[] {
    return [...this.#table.objects.keys()];
  }

  /** Full paths of leaves, multi-fields and aliases, sorted; `_keyed` parts not. */
  names(): readonly string[] {
    return [...this.#table.byName.keys(), ...this.#table.aliases.keys()].sort();
  }

  /** What `index.mapping.total_fields.limit` counts. */
  get fieldCount(): number {
    return this.#table.count;
  }

  /** The root of the tree, which the document parser walks. */
  get root(): ObjectNode {
    return this.#root;
  }

  get dynamic(): Dynamic {
    return this.#root.dynamic ?? "true";
  }

  get dateDetection(): boolean {
    return this.#settings.dateDetection ?? true;
  }

  get numericDetection(): boolean {
    return this.#settings.numericDetection ?? false;
  }

  get dynamicDateFormats(): readonly string[] {
    return this.#settings.dateFormats ?? DYNAMIC_DATE_FORMATS;
  }

  get dynamicTemplates(): readonly DynamicTemplate[] {
    return this.#settings.templates ?? [];
  }

  /** A root-level key such as `_meta`, `_source` or `_routing`, as it was given. */
  metadata(name: string): unknown {
    return this.#settings.metadata.get(name);
  }

  /** For describing fields that a document is about to add. */
  get fieldDefaults(): FieldDefaults {
    return defaultsOf(this.limits, this.analyzers);
  }

  /** As `GET _mapping` prints it; for `renderJson`, since doubles are boxed. */
  toJson(): MappingJson {
    const out: Record<string, Json | undefined> = {};
    const { dateDetection, numericDetection, dateFormats, templates, metadata } = this.#settings;
    if (this.#root.dynamic !== undefined) out["dynamic"] = this.#root.dynamic;
    if (!this.#root.enabled) out["enabled"] = false;
    for (const name of [...metadata.keys()].sort()) out[name] = metadata.get(name) as Json;
    if (dateFormats !== undefined) out["dynamic_date_formats"] = dateFormats;
    if (templates !== undefined && templates.length > 0) {
      out["dynamic_templates"] = templates.map((one) => ({ [one.name]: one.json as Json }));
    }
    if (dateDetection !== undefined) out["date_detection"] = dateDetection;
    if (numericDetection !== undefined) out["numeric_detection"] = numericDetection;
    if (this.#root.children.size > 0) out["properties"] = childrenJson(this.#root.children);
    return out;
  }

  /** For the log and the catalog: plain JSON that keeps ordinals and version. */
  toStored(): MappingJson {
    return {
      version: this.version,
      mapping: plain(this.toJson()),
      fields: this.#table.fields.map((field) => field.name),
    };
  }
}

function defaultsOf(limits: MappingLimits, analyzers: AnalyzerSet): FieldDefaults {
  return { analyzers, ignoreMalformed: limits.ignoreMalformed ?? false, coerce: limits.coerce ?? true };
}

const MAX_DEPTH_DEFAULT = 20;

let builtIn: AnalyzerSet | undefined;

function readTree(
  json: unknown,
  limits: MappingLimits,
): { root: ObjectNode; settings: RootSettings; warnings: string[]; analyzers: AnalyzerSet } {
  const analyzers = limits.analyzers ?? (builtIn ??= AnalyzerSet.fromSettings({}, "standard"));
  const warnings: string[] = [];
  const context: TreeContext = { analyzers, maxDepth: limits.maxDepth ?? MAX_DEPTH_DEFAULT, warnings };
  if (json !== undefined && json !== null && !isObject(json)) {
    throw mappingError("mappings must be an object");
  }
  if (json && "_doc" in json && Object.keys(json).length === 1) {
    throw illegalArgument(
      "The mapping definition cannot be nested under a type [_doc] unless include_type_name is set to true.",
    );
  }
  const settings: { -readonly [key in keyof RootSettings]: RootSettings[key] } & {
    metadata: Map<string, unknown>;
  } = {
    metadata: new Map(),
  };
  const root = parseObject(json ?? {}, "", context, (key, value) => {
    if (key === "date_detection") settings.dateDetection = parseBoolean(value);
    else if (key === "numeric_detection") settings.numericDetection = parseBoolean(value);
    else if (key === "dynamic_templates") settings.templates = parseTemplates(value);
    else if (key === "dynamic_date_formats" || key === "date_formats") {
      settings.dateFormats = parseDateFormats(value);
    } else if (key === "runtime") {
      if (!isObject(value) || Object.keys(value).length > 0) {
        throw mappingError("[runtime] fields are not supported yet");
      }
    } else if (METADATA.has(key)) settings.metadata.set(key, value);
    else return false;
    return true;
  });
  for (const template of settings.templates ?? []) checkTemplate(template, { ...context, warnings: [] });
  return { root, settings, warnings, analyzers };
}

/** A template must make a mapping for at least one type of value that it takes. */
function checkTemplate(template: DynamicTemplate, context: TreeContext): void {
  const types = template.types.length === 0 || template.types.includes("*")
    ? MATCH_TYPES
    : MATCH_TYPES.filter((type) => template.types.includes(type));
  for (const type of types) {
    try {
      parseNode(templateMapping(template, "__dynamic__", type), "__dynamic__", 2, context);
      return;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
    }
  }
  throw mappingError(
    `dynamic template [${template.name}] has invalid content [${
      JSON.stringify(template.json)
    }], attempted to ` +
      `validate it with the following match_mapping_type: [${types.join(", ")}]`,
    "illegal_argument_exception",
  );
}

function parseDateFormats(value: unknown): readonly string[] {
  const formats = Array.isArray(value) ? value.map((item) => javaText(item)) : [javaText(value)];
  if (formats.length === 1 && formats[0] === "none") return [];
  for (const format of formats) {
    if (format.startsWith("epoch_")) {
      throw mappingError(`Epoch [${format}] is not supported as dynamic date format`);
    }
    DateFormat.of(format);
  }
  return formats;
}

function mergeSettings(known: RootSettings, update: RootSettings): RootSettings {
  let templates = known.templates;
  if (update.templates) {
    const merged = [...(known.templates ?? [])];
    for (const template of update.templates) {
      const at = merged.findIndex((one) => one.name === template.name);
      if (at < 0) merged.push(template);
      else merged[at] = template;
    }
    templates = update.templates.length === 0 ? [] : merged;
  }
  const metadata = new Map(known.metadata);
  for (const [name, value] of update.metadata) {
    if (name === "_source" && known.metadata.has(name) && !sameValue(known.metadata.get(name), value)) {
      throw illegalArgument("Mapper for [_source] conflicts with existing mapper");
    }
    metadata.set(name, value);
  }
  const merged: RootSettings = {
    ...known,
    ...update,
    ...(templates ? { templates } : {}),
    metadata,
  };
  return sameSettings(known, merged) ? known : merged;
}

function sameSettings(a: RootSettings, b: RootSettings): boolean {
  const shape = (one: RootSettings) =>
    JSON.stringify([
      one.dateDetection,
      one.numericDetection,
      one.dateFormats,
      one.templates?.map((template) => [template.name, template.json]),
      [...one.metadata],
    ]);
  return shape(a) === shape(b);
}

function childrenJson(children: ReadonlyMap<string, Node>): Json {
  const out: Record<string, Json> = {};
  for (const name of [...children.keys()].sort()) out[name] = nodeJson(children.get(name)!);
  return out;
}

function nodeJson(node: Node): Json {
  if (node.kind === "alias") return { type: "alias", path: node.target };
  if (node.kind === "leaf") return leafJson(node);
  const out: Record<string, Json> = {};
  if (node.children.size === 0) out["type"] = "object";
  if (node.dynamic !== undefined) out["dynamic"] = node.dynamic;
  if (!node.enabled) out["enabled"] = false;
  if (node.children.size > 0) out["properties"] = childrenJson(node.children);
  return out;
}

function leafJson(node: LeafNode): Json {
  const out: Record<string, Json> = { type: node.type };
  if (node.fields.size > 0) out["fields"] = childrenJson(node.fields);
  for (const spec of parametersOf(node.type)!) {
    if (node.parameters.has(spec.name)) out[spec.name] = node.parameters.get(spec.name) as Json;
  }
  if (node.copyTo.length > 0) out["copy_to"] = node.copyTo;
  return out;
}

/** Boxed doubles become numbers, 64-bit integers text: what JSON.stringify can write and `parse` reads back. */
function plain(value: Json | undefined): Json | undefined {
  if (value instanceof Double || value instanceof Float) return value.value;
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map((item: Json) => plain(item) ?? null);
  if (typeof value !== "object" || value === null) return value;
  const out: Record<string, Json | undefined> = {};
  for (const [key, item] of Object.entries(value as Record<string, Json | undefined>)) out[key] = plain(item);
  return out;
}
