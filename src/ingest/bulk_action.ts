/**
 * One action line of a `_bulk` body: `{"index":{"_index":"logs","_id":"1"}}`.
 *
 * Reads tokens as Elasticsearch's parser does, no further than the metadata object's end, so that the same lines pass
 * and the same ones fail.
 *
 * @module
 */
import { EMPTY_BYTES, utf8, utf8Text } from "../base/bytes.ts";
import { illegalArgument, type RequestError } from "../base/errors.ts";
import { JsonLine, type ScalarKind } from "./json_line.ts";

export type BulkActionKind = "index" | "create" | "update" | "delete";
export type VersionType = "internal" | "external" | "external_gte";

export interface BulkActionOptions {
  /** Whether lines may name an index (`rest.action.multi.allow_explicit_index`). Default true. */
  readonly explicitIndex?: boolean;
}

/** What an action line says. Reused from line to line. */
export class BulkAction {
  kind: BulkActionKind = "index";
  /** Line in the body, from 1. */
  line = 0;
  index: string | undefined = undefined;
  /** The id is bytes [idStart, idEnd) of `idBytes` (the body, or a copy without escapes); idStart -1: none given. */
  idBytes: Uint8Array = EMPTY_BYTES;
  idStart = -1;
  idEnd = -1;
  routing: string | undefined = undefined;
  pipeline: string | undefined = undefined;
  /** -1: not given. */
  ifSeqNo = -1;
  ifPrimaryTerm = -1;
  /** Undefined: not given. */
  version: number | undefined = undefined;
  versionType: VersionType = "internal";
  retryOnConflict = 0;
  requireAlias: boolean | undefined = undefined;
  requireDataStream: boolean | undefined = undefined;
  listExecutedPipelines: boolean | undefined = undefined;
  /** `_source` of the line, parsed: what an update's answer shall show. */
  source: unknown = undefined;
  /** `dynamic_templates` of the line, parsed. */
  dynamicTemplates: unknown = undefined;

  /** The id as text, or undefined. */
  get id(): string | undefined {
    return this.idStart < 0 ? undefined : utf8Text(this.idBytes.subarray(this.idStart, this.idEnd));
  }

  reset(kind: BulkActionKind, line: number): void {
    this.kind = kind;
    this.line = line;
    this.idStart = -1;
    this.idEnd = -1;
    this.index = undefined;
    this.routing = undefined;
    this.pipeline = undefined;
    this.ifSeqNo = -1;
    this.ifPrimaryTerm = -1;
    this.version = undefined;
    this.versionType = "internal";
    this.retryOnConflict = 0;
    this.requireAlias = undefined;
    this.requireDataStream = undefined;
    this.listExecutedPipelines = undefined;
    this.source = undefined;
    this.dynamicTemplates = undefined;
  }
}

/** Names of the metadata object's members, the commonest first. */
const PARAMETERS: readonly string[] = [
  "_id",
  "_index",
  "routing",
  "pipeline",
  "if_seq_no",
  "if_primary_term",
  "version",
  "version_type",
  "op_type",
  "retry_on_conflict",
  "require_alias",
  "require_data_stream",
  "list_executed_pipelines",
  "_source",
  "dynamic_templates",
];

/** Parses the action lines of one body. */
export class BulkActionParser {
  readonly #json = new JsonLine();
  readonly #explicitIndex: boolean;
  #line = 0;
  /** The index named last: most lines name the same one. */
  #index = "";
  #indexBytes: Uint8Array = EMPTY_BYTES;

  constructor(options: BulkActionOptions) {
    this.#explicitIndex = options.explicitIndex ?? true;
  }

  /**
   * Reads the action line in bytes [start, end) into `action`. False: the line is blank.
   *
   * @param line Its number, for messages.
   * @throws {RequestError} 400.
   */
  parse(bytes: Uint8Array, start: number, end: number, line: number, action: BulkAction): boolean {
    const json = this.#json;
    json.reset(bytes, start, end);
    this.#line = line;
    const first = json.next();
    if (first < 0) return false;
    if (first !== 0x7b) throw this.#malformed(`expected START_OBJECT but found [${this.#tokenName(first)}]`);
    json.at++;
    const second = json.next();
    if (second === 0x7d) throw this.#malformed("expected FIELD_NAME but found [END_OBJECT]");
    json.name(second);
    const kind = actionKind(json);
    if (kind === undefined) {
      const found = json.text();
      throw this.#malformed(`expected field [create], [delete], [index] or [update] but found [${found}]`);
    }
    action.reset(kind, line);
    const third = json.afterColon();
    if (third !== 0x7b) {
      throw this.#malformed(`expected START_OBJECT or END_OBJECT but found [${this.#tokenName(third)}]`);
    }
    json.at++;
    this.#parameters(action);
    if (action.kind === "update") checkUpdate(action);
    if (action.kind === "delete" && action.dynamicTemplates !== undefined) {
      throw illegalArgument(`Delete request in line [${line}] does not accept dynamic_templates`);
    }
    return true;
  }

  /** The members of the metadata object, up to its closing brace. */
  #parameters(action: BulkAction): void {
    const json = this.#json;
    let byte = json.next();
    if (byte === 0x7d) return;
    let seen = 0;
    for (;;) {
      json.name(byte);
      const known = PARAMETERS.findIndex((name) => json.is(name));
      const name = known < 0 ? json.text() : PARAMETERS[known]!;
      const bit = 1 << (known + 1);
      if (known >= 0 && (seen & bit) !== 0) throw json.error(`Duplicate field '${name}'`);
      seen |= bit;
      byte = json.afterColon();
      if (byte === 0x7b || byte === 0x5b) this.#structure(name, byte, action);
      else this.#scalar(name, json.scalar(byte), action);
      byte = json.next();
      if (byte === 0x7d) return;
      if (byte !== 0x2c) throw json.unexpected(byte, "comma to separate Object entries");
      json.at++;
      byte = json.next();
    }
  }

  #structure(name: string, byte: number, action: BulkAction): void {
    if (byte === 0x7b && name === "_source") action.source = this.#json.structure();
    else if (byte === 0x7b && name === "dynamic_templates") action.dynamicTemplates = this.#json.structure();
    else {
      const found = byte === 0x7b ? "START_OBJECT" : "START_ARRAY";
      throw this.#malformed(`expected a simple value for field [${name}] but found [${found}]`);
    }
  }

  #scalar(name: string, kind: ScalarKind, action: BulkAction): void {
    if (kind === "null") return;
    const json = this.#json;
    switch (name) {
      case "_index":
        if (!this.#explicitIndex) throw illegalArgument("explicit index in bulk is not allowed");
        action.index = this.#indexName();
        break;
      case "_id":
        this.#id(action);
        break;
      case "routing":
        action.routing = json.text();
        break;
      case "op_type":
        // Elasticsearch heeds it beside "index" only.
        if (action.kind === "index" && json.text() === "create") action.kind = "create";
        break;
      case "version":
        action.version = this.#wholeNumber(kind);
        break;
      case "version_type":
        action.versionType = versionType(json.text());
        break;
      case "if_seq_no":
        action.ifSeqNo = this.#wholeNumber(kind);
        if (action.ifSeqNo < 0) {
          throw illegalArgument(`sequence numbers must be non negative. got [${action.ifSeqNo}].`);
        }
        break;
      case "if_primary_term":
        action.ifPrimaryTerm = this.#wholeNumber(kind);
        if (action.ifPrimaryTerm < 0) {
          throw illegalArgument(`primary term must be non negative. got [${action.ifPrimaryTerm}]`);
        }
        break;
      case "retry_on_conflict":
        action.retryOnConflict = this.#wholeNumber(kind);
        break;
      case "pipeline":
        action.pipeline = json.text();
        break;
      case "_source":
        action.source = kind === "boolean" ? json.is("true") : json.text();
        break;
      case "require_alias":
        action.requireAlias = this.#truth(kind);
        break;
      case "require_data_stream":
        action.requireDataStream = this.#truth(kind);
        break;
      case "list_executed_pipelines":
        action.listExecutedPipelines = this.#truth(kind);
        break;
      default:
        throw illegalArgument(`Action/metadata line [${this.#line}] contains an unknown parameter [${name}]`);
    }
  }

  #id(action: BulkAction): void {
    const json = this.#json;
    if (!json.escaped) {
      action.idBytes = json.bytes;
      action.idStart = json.tokenStart;
      action.idEnd = json.tokenEnd;
      return;
    }
    const id = json.text();
    // Bytes of half a pair would be another id's.
    if (!id.isWellFormed()) throw json.error("Invalid surrogate pair in [_id]");
    action.idBytes = utf8(id);
    action.idStart = 0;
    action.idEnd = action.idBytes.length;
  }

  #indexName(): string {
    const { bytes, tokenStart, tokenEnd, escaped } = this.#json;
    const last = this.#indexBytes;
    const length = tokenEnd - tokenStart;
    if (!escaped && length === last.length) {
      let i = 0;
      while (i < length && bytes[tokenStart + i] === last[i]) i++;
      if (i === length) return this.#index;
    }
    this.#index = this.#json.text();
    this.#indexBytes = escaped ? EMPTY_BYTES : bytes.slice(tokenStart, tokenEnd);
    return this.#index;
  }

  #wholeNumber(kind: ScalarKind): number {
    const text = this.#json.text();
    const value = kind === "boolean" || text.trim() === "" ? NaN : Number(text);
    if (!Number.isFinite(value)) throw illegalArgument(`For input string: "${text}"`);
    const whole = Math.trunc(value);
    if (!Number.isSafeInteger(whole)) throw illegalArgument(`Value [${text}] is out of range for a long`);
    return whole;
  }

  #truth(kind: ScalarKind): boolean {
    const json = this.#json;
    if (kind === "number") throw json.error("Current token (VALUE_NUMBER_INT) not of boolean type");
    if (json.is("true")) return true;
    if (json.is("false")) return false;
    throw illegalArgument(`Failed to parse value [${json.text()}] as only [true] or [false] are allowed.`);
  }

  /** Elasticsearch's name of the token that begins with `byte`, which must be a whole one. */
  #tokenName(byte: number): string {
    if (byte === 0x7b) return "START_OBJECT";
    if (byte === 0x5b) return "START_ARRAY";
    return `VALUE_${this.#json.scalar(byte).toUpperCase()}`;
  }

  #malformed(reason: string): RequestError {
    return illegalArgument(`Malformed action/metadata line [${this.#line}], ${reason}`);
  }
}

function actionKind(json: JsonLine): BulkActionKind | undefined {
  if (json.is("index")) return "index";
  if (json.is("create")) return "create";
  if (json.is("delete")) return "delete";
  if (json.is("update")) return "update";
  return undefined;
}

function checkUpdate(action: BulkAction): void {
  if (action.version !== undefined || action.versionType !== "internal") {
    throw illegalArgument(
      "Update requests do not support versioning. Please use `if_seq_no` and `if_primary_term` instead",
    );
  }
  if (action.requireDataStream === true) {
    throw illegalArgument(
      "Update requests do not support the `require_data_stream` flag, " +
        "as data streams do not support update operations",
    );
  }
  if (action.dynamicTemplates !== undefined) {
    throw illegalArgument(`Update request in line [${action.line}] does not accept dynamic_templates`);
  }
}

function versionType(text: string): VersionType {
  switch (text) {
    case "internal":
    case "external":
    case "external_gte":
      return text;
    case "external_gt":
      return "external";
    default:
      throw illegalArgument(`No version type match [${text}]`);
  }
}
