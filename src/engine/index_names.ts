/**
 * Which names may an index have, and which indices does an expression mean? Elasticsearch's rules and words.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { utf8 } from "../base/bytes.ts";

const MAX_NAME_BYTES = 255;
const FORBIDDEN = ["\\", "/", "*", "?", '"', "<", ">", "|", " ", ","];

/** @throws {RequestError} 400 `invalid_index_name_exception`, before any path is made of the name. */
export function checkIndexName(name: string): void {
  const invalid = (reason: string) =>
    new RequestError(`Invalid index name [${name.slice(0, 300)}], ${reason}`, {
      status: 400,
      type: "invalid_index_name_exception",
      details: { index_uuid: "_na_", index: name.slice(0, 300) },
    });
  if (name === "") throw invalid("must not be empty");
  if (utf8(name).length > MAX_NAME_BYTES) {
    throw invalid(`index name is too long, (${utf8(name).length} > ${MAX_NAME_BYTES})`);
  }
  if (name === "." || name === "..") throw invalid("must not be '.' or '..'");
  for (const char of FORBIDDEN) {
    if (name.includes(char)) {
      const list = FORBIDDEN.map((forbidden) => `'${forbidden}'`).join(",");
      throw invalid(`must not contain the following characters [${list}]`);
    }
  }
  if (name.includes("#")) throw invalid("must not contain '#'");
  if (name.includes(":")) throw invalid("must not contain ':'");
  if (/^[_\-+]/.test(name)) throw invalid("must not start with '_', '-', or '+'");
  if (name !== name.toLowerCase()) throw invalid("must be lowercase");
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(name)) throw invalid("must not contain control characters");
  if (name === "cluster") throw invalid("the name is taken by the server's own folder");
}

export interface ExpandOptions {
  /** Missing names are skipped instead of being an error. */
  readonly ignoreUnavailable?: boolean;
  /** An expression that matches nothing is an empty list instead of an error. Default true. */
  readonly allowNoIndices?: boolean;
  /** Whether `*` stands for anything; default true. */
  readonly expandWildcards?: boolean;
}

/**
 * Expands `logs-*,-logs-old,alias` over the known names.
 *
 * @param known Index names; @param aliases alias -> index names.
 * @throws {RequestError} 404 `index_not_found_exception`.
 */
export function expandExpression(
  expression: string | undefined,
  { known, aliases, options = {} }: {
    readonly known: readonly string[];
    readonly aliases: ReadonlyMap<string, readonly string[]>;
    readonly options?: ExpandOptions;
  },
): string[] {
  const { ignoreUnavailable = false, allowNoIndices = true, expandWildcards = true } = options;
  const found = new Set<string>();
  const text = expression === undefined || expression === "" || expression === "_all" ? "*" : expression;
  let wild = false;
  for (const part of text.split(",")) {
    const exclude = part.startsWith("-") && wild;
    const name = exclude ? part.slice(1) : part;
    if (name.includes("*") || name === "_all") {
      wild = true;
      const matches = expandWildcards ? matching(name === "_all" ? "*" : name, known, aliases) : [];
      if (matches.length === 0 && !allowNoIndices) throw indexNotFound(name);
      for (const match of matches) exclude ? found.delete(match) : found.add(match);
      continue;
    }
    if (name.startsWith("_")) throw startsWithUnderscore(name);
    const names = known.includes(name) ? [name] : aliases.get(name);
    if (!names) {
      if (exclude || ignoreUnavailable) continue;
      throw indexNotFound(name);
    }
    for (const match of names) exclude ? found.delete(match) : found.add(match);
  }
  if (found.size === 0 && !allowNoIndices) throw indexNotFound(text);
  return [...found].sort();
}

/** Whether `name` fits a pattern in which `*` stands for any characters. Linear in the length of both. */
export function wildcardMatches(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let mark = 0;
  while (n < name.length) {
    if (p < pattern.length && pattern[p] === "*") {
      star = p++;
      mark = n;
    } else if (p < pattern.length && pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++mark;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

function matching(
  pattern: string,
  known: readonly string[],
  aliases: ReadonlyMap<string, readonly string[]>,
): string[] {
  const found = known.filter((name) => wildcardMatches(pattern, name));
  for (const [alias, names] of aliases) if (wildcardMatches(pattern, alias)) found.push(...names);
  return found;
}

function startsWithUnderscore(name: string): RequestError {
  return new RequestError(`Invalid index name [${name}], must not start with '_'.`, {
    status: 400,
    type: "invalid_index_name_exception",
    details: { index_uuid: "_na_", index: name },
  });
}

export function indexNotFound(name: string): RequestError {
  return new RequestError(`no such index [${name}]`, {
    status: 404,
    type: "index_not_found_exception",
    details: { "resource.type": "index_or_alias", "resource.id": name, index_uuid: "_na_", index: name },
  });
}
