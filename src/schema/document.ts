/**
 * Documents into staged values, exactly: every JSON document, every error with its position, every field that the
 * mapping does not know yet. The fast parser hands over to this one, and is tested against it.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { inferObject, inferScalar, type NewMapping } from "./dynamic_fields.ts";
import { JsonFault, JsonScanner, JsonToken, TOKEN_NAMES } from "./json_scanner.ts";
import { invalidUtf8 } from "./json_text.ts";
import { childScope, join, type NewNode, reach, type Scope, updateJson } from "./document_scope.ts";
import type { Mapping, MappingJson, Node } from "./mapping.ts";
import { javaText } from "./mapping_error.ts";
import { KEYED_SUFFIX, makeField } from "./mapping_fields.ts";
import { parseNode } from "./mapping_tree.ts";
import { ValueError } from "./numbers.ts";
import { stageFlattened, stageNull, stageScalar } from "./stage_value.ts";
import type { StagedDocument } from "./staged.ts";
import type { Field } from "./types.ts";

/**
 * - `ok`: the staged document is whole.
 * - `mapping`: the document needs fields that the mapping lacks; merge `update`, log it, parse again. What is
 *   staged is rubbish.
 * - `error`: the document cannot be taken. What is staged is rubbish.
 */
export type ParseOutcome =
  | { readonly kind: "ok" }
  | { readonly kind: "mapping"; readonly update: MappingJson }
  | {
    readonly kind: "error";
    readonly type: string;
    readonly reason: string;
    readonly causedBy?: { readonly type: string; readonly reason: string };
  };

export interface ParseLimits {
  /** Deepest nesting of objects and arrays. */
  readonly maxDepth: number;
  /** External id, for error texts. */
  readonly id?: string;
}

/** Objects are walked by recursion; deeper ones are refused before the stack could overflow. */
const OBJECT_DEPTH_MAX = 1000;

/**
 * Parses bytes [start, end) of `source`. Resets `staged` first.
 *
 * @returns Never throws for what a document holds.
 */
export function parseDocument(
  mapping: Mapping,
  source: Uint8Array,
  start: number,
  end: number,
  staged: StagedDocument,
  limits: ParseLimits,
): ParseOutcome {
  staged.reset(source);
  return new DocumentParser(mapping, source, start, end, staged, limits).parse();
}

/** A document cannot be taken. */
class DocumentFault extends Error {
  override readonly name = "DocumentFault";

  constructor(
    readonly type: string,
    reason: string,
    readonly causedBy?: { readonly type: string; readonly reason: string },
  ) {
    super(reason);
  }
}

class DocumentParser {
  readonly #scanner: JsonScanner;
  readonly #context;
  readonly #root: Scope;
  /** Fields and objects that the document adds. */
  #added = 0;
  /** Whether the document's own object is over. */
  #closed = false;
  /** Whether copies are being made: `copy_to` is not followed twice. */
  #copying = false;

  constructor(
    private readonly mapping: Mapping,
    private readonly source: Uint8Array,
    private readonly from: number,
    private readonly to: number,
    private readonly staged: StagedDocument,
    private readonly limits: ParseLimits,
  ) {
    this.#scanner = new JsonScanner(source, from, to, Math.max(1, limits.maxDepth));
    const { analyzers } = mapping;
    this.#context = {
      scanner: this.#scanner,
      staged,
      normalizer: (name: string) => analyzers.normalizer(name),
    };
    this.#root = {
      path: "",
      name: "",
      parent: undefined,
      node: mapping.root,
      added: undefined,
      dynamic: mapping.dynamic,
    };
  }

  parse(): ParseOutcome {
    try {
      this.#document();
    } catch (error) {
      return this.#outcome(error);
    }
    const { added } = this.#root;
    if (!added) return { kind: "ok" };
    return { kind: "mapping", update: updateJson(added) as MappingJson };
  }

  #outcome(error: unknown): ParseOutcome {
    if (error instanceof DocumentFault) {
      const { type, message, causedBy } = error;
      return { kind: "error", type, reason: message, ...(causedBy ? { causedBy } : {}) };
    }
    if (error instanceof JsonFault) {
      const reason = `[${this.#place(error.at)}] ${error.message}`;
      const causedBy = {
        type: error.eof ? "x_content_e_o_f_exception" : "x_content_parse_exception",
        reason,
      };
      // Behind the whole document there is no token to blame.
      const where = this.#closed
        ? `[${this.#place(error.at)}]`
        : `[${this.#place(error.after >= 0 ? error.after : this.#scanner.start)}] failed to parse:`;
      return { kind: "error", type: "document_parsing_exception", reason: `${where} ${reason}`, causedBy };
    }
    if (error instanceof RequestError) {
      return {
        kind: "error",
        type: "document_parsing_exception",
        reason: `[${this.#here()}] failed to parse: ${error.message}`,
        causedBy: { type: error.type, reason: error.message },
      };
    }
    throw error;
  }

  #place(offset: number): string {
    const { line, column } = this.#scanner.position(offset);
    return `${line}:${column}`;
  }

  #here(): string {
    return this.#place(this.#scanner.start);
  }

  #document(): void {
    const scanner = this.#scanner;
    const bad = invalidUtf8(this.source, this.from, this.to);
    if (bad >= 0) {
      const byte = this.source[bad]!.toString(16);
      throw new JsonFault(`Invalid UTF-8 start byte 0x${byte}`, bad + 1);
    }
    if (scanner.next() !== JsonToken.ObjectStart) {
      throw new DocumentFault(
        "document_parsing_exception",
        `[${this.#here()}] Malformed content, must start with an object`,
      );
    }
    if (this.mapping.root.enabled) this.#object(this.#root, 1);
    else scanner.skip();
    this.#closed = true;
    const after = scanner.next();
    if (after !== JsonToken.End) {
      throw new DocumentFault(
        "illegal_argument_exception",
        `Malformed content, found extra data after parsing: ${TOKEN_NAMES[after]}`,
      );
    }
  }

  /** Stands on the object's start, ends on its end. */
  #object(scope: Scope, depth: number): void {
    const scanner = this.#scanner;
    if (depth > OBJECT_DEPTH_MAX) {
      throw new JsonFault(
        `Document nesting depth (${depth}) exceeds the maximum allowed (${OBJECT_DEPTH_MAX})`,
        scanner.end,
      );
    }
    const seen = new Set<string>();
    while (scanner.next() === JsonToken.Name) {
      const name = scanner.text();
      const nameStart = scanner.start;
      if (seen.has(name)) {
        throw new JsonFault(`Duplicate field '${name}'`, scanner.end, false, scanner.before);
      }
      seen.add(name);
      this.#member(scope, name, nameStart, depth);
    }
  }

  /** One name and its value; stands on the name, ends on the value's last token. */
  #member(scope: Scope, name: string, nameStart: number, depth: number): void {
    const scanner = this.#scanner;
    const plain = !name.includes(".");
    if (plain && name.trim() !== "") {
      scanner.next();
      if (scope.parent === undefined && name.startsWith("_") && METADATA_FIELDS.has(name)) {
        this.#metadataField(name);
      }
      this.#value(scope, name, depth);
      return;
    }
    const parts = this.#splitName(name, nameStart);
    scanner.next();
    let inner = scope;
    for (let i = 0; i < parts.length - 1; i++) {
      const next = this.#enter(inner, parts[i]!, nameStart);
      if (next === undefined) {
        scanner.skip();
        return;
      }
      if ("field" in next) {
        // A leaf where the dotted name wants an object.
        const shown = `{${parts.slice(i + 1).join(".")}=${javaText(scanner.readPreview())}}`;
        throw this.#fieldError(next.field, objectRefusal(next.field, this.#place(nameStart)), shown);
      }
      inner = next.scope;
    }
    this.#value(inner, parts[parts.length - 1]!, depth);
  }

  #splitName(name: string, nameStart: number): string[] {
    const place = `[${this.#place(nameStart)}]`;
    if (name !== "" && name.trim() === "") {
      throw new DocumentFault(
        "document_parsing_exception",
        `${place} Field name cannot contain only whitespace: [${name}]`,
      );
    }
    // Java's split drops empty parts at the end.
    const parts = name.replace(/\.+$/, "").split(".");
    for (const part of parts) {
      if (part.trim() !== "") continue;
      const reason = name === ""
        ? "field name cannot be an empty string"
        : part === ""
        ? `field name cannot contain only whitespace: ['${name}']`
        : `field name starting or ending with a [.] makes object resolution ambiguous: [${name}]`;
      throw new DocumentFault("document_parsing_exception", `${place} failed to parse: ${reason}`, {
        type: "illegal_argument_exception",
        reason,
      });
    }
    return parts;
  }

  #metadataField(name: string): never {
    const shown = javaText(this.#scanner.readPreview());
    const reason =
      `[${this.#here()}] Field [${name}] is a metadata field and cannot be added inside a document. ` +
      "Use the index API request parameters.";
    throw new DocumentFault(
      "document_parsing_exception",
      `[${this.#here()}] failed to parse field [${name}] of type [${name}]${this.#inDocument()}. ` +
        `Preview of field's value: '${shown}'`,
      { type: "document_parsing_exception", reason },
    );
  }

  #inDocument(): string {
    return this.limits.id === undefined ? "" : ` in document with id '${this.limits.id}'`;
  }

  /** The object `name` within `scope`, for a dotted name; undefined: leave the value out. */
  #enter(scope: Scope, name: string, nameStart: number): { scope: Scope } | { field: Field } | undefined {
    const path = join(scope.path, name);
    const node = scope.node?.children.get(name);
    if (node?.kind === "object") {
      return node.enabled ? { scope: childScope(scope, name, node, undefined) } : undefined;
    }
    if (node) return { field: this.mapping.field(path)! };
    const added = scope.added?.children.get(name);
    if (added?.kind === "object") return { scope: childScope(scope, name, undefined, added) };
    if (added) return { field: added.field };
    const made = this.#newObject(scope, name, nameStart);
    if (!made) return undefined;
    return made.kind === "leaf" ? { field: made.field } : { scope: childScope(scope, name, undefined, made) };
  }

  /** A value under its last name; stands on its first token, ends on its last. */
  #value(scope: Scope, name: string, depth: number): void {
    const node = scope.node?.children.get(name);
    if (node) this.#mapped(scope, name, node, depth);
    else this.#unmapped(scope, name, depth);
  }

  #mapped(scope: Scope, name: string, node: Node, depth: number): void {
    const scanner = this.#scanner;
    if (node.kind === "object") {
      if (!node.enabled) {
        scanner.skip();
        return;
      }
      const added = scope.added?.children.get(name);
      const child = childScope(scope, name, node, added?.kind === "object" ? added : undefined);
      this.#objects(child, name, depth);
      return;
    }
    if (node.kind === "alias") {
      throw new DocumentFault(
        "document_parsing_exception",
        `[${this.#here()}] Cannot write to a field alias [${node.path}].`,
      );
    }
    const field = this.mapping.field(node.path)!;
    this.#leaf(() => this.#stage(field));
  }

  /** Objects in any arrangement of arrays, for a mapped or newly made object. */
  #objects(scope: Scope, name: string, depth: number): void {
    const scanner = this.#scanner;
    if (scanner.token === JsonToken.ObjectStart) {
      this.#object(scope, depth + 1);
      return;
    }
    const refuse = (shown: string) =>
      new DocumentFault(
        "document_parsing_exception",
        `[${this.#here()}] object mapping for [${scope.path}] tried to parse field [${shown}] as object, but found a concrete value`,
      );
    if (scanner.token === JsonToken.Null) return;
    if (scanner.token !== JsonToken.ArrayStart) throw refuse(name);
    this.#elements(() => {
      if (scanner.token === JsonToken.ObjectStart) this.#object(scope, depth + 1);
      else if (scanner.token !== JsonToken.Null) throw refuse("null");
    });
  }

  /** Calls `each` for every element of an array, those of inner arrays included; ends on the outer array's end. */
  #elements(each: () => void): void {
    const scanner = this.#scanner;
    for (let open = 1; open > 0;) {
      const token = scanner.next();
      if (token === JsonToken.ArrayStart) open++;
      else if (token === JsonToken.ArrayEnd) open--;
      else each();
    }
  }

  #leaf(stage: () => void): void {
    if (this.#scanner.token === JsonToken.ArrayStart) this.#elements(stage);
    else stage();
  }

  /** Stages the current value for a mapped field, its multi-fields and what it is copied to. */
  #stage(field: Field): void {
    this.#stageFamily(field, field.multiFields.map((ordinal) => this.mapping.fields[ordinal]!));
  }

  #stageFamily(field: Field, multi: readonly Field[]): void {
    const scanner = this.#scanner;
    if (scanner.token === JsonToken.ObjectStart) {
      this.#stageObject(field);
      return;
    }
    this.#stageOne(field);
    for (const one of multi) this.#stageOne(one);
    if (field.copyTo.length > 0 && !this.#copying && scanner.token !== JsonToken.Null) this.#copy(field);
  }

  #stageOne(field: Field): void {
    if (this.#scanner.token === JsonToken.Null) {
      stageNull(this.staged, field);
      return;
    }
    const { count, scratchLength } = this.staged;
    try {
      stageScalar(this.#context, field);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      if (!field.ignoreMalformed) {
        throw this.#fieldError(field, error, javaText(this.#scanner.readPreview()));
      }
      this.staged.count = count;
      this.staged.scratchLength = scratchLength;
      this.staged.ignored.push(field.name);
    }
  }

  #stageObject(field: Field): void {
    const scanner = this.#scanner;
    if (field.type !== "flattened") {
      const error = objectRefusal(field, this.#here());
      const shown = javaText(scanner.readPreview());
      throw this.#fieldError(field, error, shown);
    }
    const keyed = this.mapping.fields.find((one) => one.name === field.name + KEYED_SUFFIX) ?? field;
    try {
      stageFlattened(this.#context, field, keyed);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      throw this.#fieldError(field, error, javaText(scanner.readPreview()));
    }
  }

  #fieldError(field: Field, error: ValueError, shown: string): DocumentFault {
    return new DocumentFault(
      "document_parsing_exception",
      `[${this.#here()}] failed to parse field [${field.name}] of type [${field.declaredType}]${this.#inDocument()}. ` +
        `Preview of field's value: '${shown}'`,
      { type: error.type, reason: error.message },
    );
  }

  #copy(field: Field): void {
    this.#copying = true;
    for (const target of field.copyTo) {
      const known = this.mapping.field(target);
      if (known) {
        this.#stage(known);
        continue;
      }
      const parts = target.split(".");
      let scope: Scope | undefined = this.#root;
      for (let i = 0; i < parts.length - 1 && scope; i++) {
        const next = this.#enter(scope, parts[i]!, this.#scanner.start);
        scope = next && "scope" in next ? next.scope : undefined;
      }
      if (scope) this.#newScalar(scope, parts[parts.length - 1]!);
    }
    this.#copying = false;
  }

  #unmapped(scope: Scope, name: string, depth: number): void {
    const scanner = this.#scanner;
    if (scope.dynamic === "false") {
      scanner.skip();
      return;
    }
    if (scope.dynamic === "strict") throw this.#strict(scope, name, scanner.start);
    if (scanner.token === JsonToken.ArrayStart) {
      this.#elements(() => this.#newValue(scope, name, depth));
    } else this.#newValue(scope, name, depth);
  }

  #strict(scope: Scope, name: string, at: number): DocumentFault {
    return new DocumentFault(
      "strict_dynamic_mapping_exception",
      `[${this.#place(at)}] mapping set to strict, dynamic introduction of [${name}] within [${
        scope.path === "" ? "_doc" : scope.path
      }] is not allowed`,
    );
  }

  /** One value, not an array, of a field that the mapping lacks. */
  #newValue(scope: Scope, name: string, depth: number): void {
    const scanner = this.#scanner;
    if (scanner.token === JsonToken.Null) return;
    if (scanner.token !== JsonToken.ObjectStart) {
      this.#newScalar(scope, name);
      return;
    }
    const known = scope.added?.children.get(name);
    if (known?.kind === "leaf" && known.field.type !== "flattened") {
      throw changedType(join(scope.path, name), known.json, "ObjectMapper");
    }
    const made = known ?? this.#newObject(scope, name, scanner.start);
    if (!made) scanner.skip();
    else if (made.kind === "leaf") this.#stageFamily(made.field, made.multi);
    else if (!made.enabled) scanner.skip();
    else this.#object(childScope(scope, name, undefined, made), depth + 1);
  }

  #newScalar(scope: Scope, name: string): void {
    if (scope.dynamic === "false") return;
    if (scope.dynamic === "strict") throw this.#strict(scope, name, this.#scanner.start);
    const path = join(scope.path, name);
    const json = inferScalar(this.mapping, this.#scanner, path, name);
    const known = scope.added?.children.get(name);
    if (known && (known.kind === "object" || known.json["type"] !== json["type"])) {
      throw changedType(
        path,
        known.kind === "object" ? { type: "ObjectMapper" } : known.json,
        String(json["type"]),
      );
    }
    const leaf = known ?? this.#addNode(scope, name, json);
    if (leaf.kind === "leaf") this.#stageFamily(leaf.field, leaf.multi);
  }

  /** Makes the object `name` in `scope`, or the leaf that a template makes of it; undefined: leave it out. */
  #newObject(scope: Scope, name: string, at: number): NewNode | undefined {
    if (scope.dynamic === "false") return undefined;
    if (scope.dynamic === "strict") throw this.#strict(scope, name, at);
    return this.#addNode(
      scope,
      name,
      inferObject(this.mapping, join(scope.path, name), name) ?? { type: "object" },
    );
  }

  #addNode(scope: Scope, name: string, json: NewMapping): NewNode {
    const { mapping } = this;
    const path = join(scope.path, name);
    const context = { analyzers: mapping.analyzers, maxDepth: mapping.limits.maxDepth ?? 20, warnings: [] };
    const node = parseNode(json, path, path.split(".").length + 1, context);
    const made = this.#describe(node, json);
    this.#added += made.kind === "leaf" ? 1 + made.multi.length : 1;
    if (mapping.fieldCount + this.#added > mapping.limits.maxFields) {
      const reason =
        `Limit of total fields [${mapping.limits.maxFields}] has been exceeded while adding new fields ` +
        `[${this.#added}]`;
      throw new RequestError(reason, { status: 400, type: "illegal_argument_exception" });
    }
    reach(scope).children.set(name, made);
    return made;
  }

  #describe(node: Node, json: NewMapping): NewNode {
    if (node.kind === "leaf") {
      const defaults = this.mapping.fieldDefaults;
      const multi = [...node.fields.values()].map((child) => makeField(child, 0, [], node.path, defaults));
      return { kind: "leaf", json, node, field: makeField(node, 0, [], "", defaults), multi };
    }
    const enabled = node.kind === "object" && node.enabled;
    return { kind: "object", json, enabled, children: new Map() };
  }
}

const METADATA_FIELDS = new Set([
  "_id",
  "_index",
  "_source",
  "_routing",
  "_type",
  "_version",
  "_seq_no",
  "_primary_term",
  "_field_names",
  "_ignored",
  "_nested_path",
  "_doc_count",
  "_tier",
  "_data_stream_timestamp",
]);

function objectRefusal(field: Field, place: string): ValueError {
  switch (field.type) {
    case "byte":
    case "short":
    case "integer":
    case "long":
    case "float":
    case "half_float":
    case "double":
    case "scaled_float":
    case "unsigned_long":
      return new ValueError("illegal_argument_exception", "Cannot parse object as number");
  }
  return new ValueError("illegal_state_exception", `Can't get text on a START_OBJECT at ${place}`);
}

function changedType(path: string, known: NewMapping, type: string): DocumentFault {
  return new DocumentFault(
    "illegal_argument_exception",
    `mapper [${path}] cannot be changed from type [${String(known["type"])}] to [${type}]`,
  );
}
