/**
 * The body of `_mget`.
 *
 * @module
 */
import { illegalArgument, parsingError, RequestError } from "../base/errors.ts";
import { tokenName } from "../query/queries/body.ts";
import type { SourceSpec } from "../query/request/request.ts";
import { parseSource } from "../query/request/source.ts";
import { validations } from "./validation.ts";

export interface WantedDocument {
  readonly index: string;
  readonly id: string;
  readonly source: SourceSpec;
  readonly routing: string | undefined;
  /** The version that it must have. */
  readonly version: number | undefined;
}

/** A document as far as the body says. */
type Entry = { -readonly [K in keyof WantedDocument]: WantedDocument[K] | undefined };

/** `{"docs": [...]}` or `{"ids": [...]}`. @param source What the URL says. @throws {RequestError} 400 */
export function parseMultiGet(
  body: Readonly<Record<string, unknown>>,
  defaultIndex: string | undefined,
  source: SourceSpec | undefined,
): WantedDocument[] {
  const blank: Entry = {
    index: defaultIndex,
    id: undefined,
    source: source ?? { kind: "all" },
    routing: undefined,
    version: undefined,
  };
  const entries = Object.entries(body).flatMap(([key, value]) => {
    if (!Array.isArray(value)) {
      throw parsingError(`unexpected token [${tokenName(value)}], expected [FIELD_NAME] or [START_ARRAY]`);
    }
    if (key === "docs") return value.map((doc) => documentOf(doc, blank));
    if (key === "ids") return value.map((id) => ({ ...blank, id: idOf(id) }));
    throw parsingError(`unknown key [${key}] for a START_ARRAY, expected [docs] or [ids]`);
  });
  if (entries.length === 0) throw validations(["no documents to get"]);
  const problems = entries.flatMap(({ index, id }, i) => [
    ...(index === undefined ? [`index is missing for doc ${i}`] : []),
    ...(id === undefined ? [`id is missing for doc ${i}`] : []),
  ]);
  if (problems.length > 0) throw validations(problems);
  return entries as WantedDocument[];
}

function idOf(id: unknown): string {
  if (typeof id === "object") throw illegalArgument("ids array element should only contain ids");
  return String(id);
}

/** No field is stored apart from the source; versions are compared in one way. */
const IGNORED = ["stored_fields", "version_type", "_version_type"];

function documentOf(value: unknown, blank: Entry): Entry {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw illegalArgument("docs array element should include an object");
  }
  const entry = { ...blank };
  for (const [key, inner] of Object.entries(value)) {
    if (key === "_index") entry.index = String(inner);
    else if (key === "_id") entry.id = inner === null ? undefined : String(inner);
    else if (key === "routing") entry.routing = String(inner);
    else if (key === "_source") entry.source = parseSource(inner);
    else if (key === "version") entry.version = Number(inner);
    else if (!IGNORED.includes(key)) {
      throw new RequestError(`failed to parse multi get request. unknown field [${key}]`, {
        status: 400,
        type: "parse_exception",
      });
    }
  }
  return entry;
}
