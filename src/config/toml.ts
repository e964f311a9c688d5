/**
 * TOML into names, values and lines.
 *
 * @module
 */
import { parse } from "@std/toml";
import { ConfigError, type ConfigProblem } from "./error.ts";

/** One `key = value` of a file. */
export interface Setting {
  /** "storage.wal_batch_ms"; a key outside of any section has no dot. */
  readonly name: string;
  readonly value: unknown;
  /** From 1; 0 when it could not be found. */
  readonly line: number;
}

/** @throws {ConfigError} The text is not TOML, or sets a key twice. */
export function parseToml(text: string, source: string): readonly Setting[] {
  const { lines, problems } = locate(text);
  let tree: unknown;
  try {
    tree = parse(text);
  } catch (error) {
    throw new ConfigError(source, problems.length > 0 ? problems : [syntaxProblem(error, text)]);
  }
  if (problems.length > 0) throw new ConfigError(source, problems);
  const settings: Setting[] = [];
  flatten(tree as Record<string, unknown>, "", (name, value) => {
    settings.push({
      name,
      value,
      line: lines.get(name) ?? lines.get(name.slice(0, name.lastIndexOf("."))) ??
        lines.get(name.split(".")[0]!) ?? 0,
    });
  });
  return settings;
}

/**
 * The parser's message begins "Parse error on line 3, column 4: ". The line may be the one where it gave up, after
 * blank ones.
 */
function syntaxProblem(error: unknown, text: string): ConfigProblem {
  const message = error instanceof Error ? error.message : String(error);
  const match = /^Parse error on line (\d+), column \d+: ([^]*)$/.exec(message);
  if (!match) return { line: 0, reason: `not TOML: ${message}` };
  const lines = text.split("\n");
  let line = Math.min(Number(match[1]), lines.length);
  while (line > 1 && lines[line - 1]!.trim() === "") line--;
  return { line, reason: `not TOML: ${match[2]!.replaceAll(/\s*\n\s*/g, "")}` };
}

function flatten(
  table: Record<string, unknown>,
  prefix: string,
  found: (name: string, value: unknown) => void,
): void {
  for (const [key, value] of Object.entries(table)) {
    const name = prefix + key;
    const isTable = typeof value === "object" && value !== null && !Array.isArray(value) &&
      !(value instanceof Date);
    const isSection = isTable && mayBeSection(name) && Object.keys(value).length > 0;
    // A section without keys is passed on as it is: its name may be wrong.
    if (isSection) flatten(value as Record<string, unknown>, `${name}.`, found);
    else found(name, value);
  }
}

/** Sections stand at the top, but for those of `backup`. */
function mayBeSection(name: string): boolean {
  return !name.includes(".") || /^backup\.(continuous|repositories(\.[^.]*)?)$/.test(name);
}

/**
 * Finds the line of each section and key, and keys set twice (the parser lets the last one win). Reads `[section]`
 * and `key =` at the start of lines, which is all that this configuration needs; multi-line strings are skipped.
 */
function locate(text: string): { lines: ReadonlyMap<string, number>; problems: readonly ConfigProblem[] } {
  const lines = new Map<string, number>();
  const problems: ConfigProblem[] = [];
  const note = (name: string, line: number, what: string): void => {
    const first = lines.get(name);
    if (first === undefined) lines.set(name, line);
    else problems.push({ line, reason: `${what} is set twice; the first is on line ${first}` });
  };
  let section = "";
  let closing: string | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    if (closing !== undefined) {
      if (line.includes(closing)) closing = undefined;
      continue;
    }
    const header = /^\s*\[\s*([\w.-]+)\s*\]/.exec(line);
    if (header) {
      section = header[1]!;
      note(section, index + 1, `[${section}]`);
      continue;
    }
    const key = /^\s*("[^"]*"|'[^']*'|[\w-]+)(\s*\.\s*([\w-]+))?\s*=(.*)$/.exec(line);
    if (!key) continue;
    const name = key[1]!.replace(/^["']|["']$/g, "") + (key[3] === undefined ? "" : `.${key[3]}`);
    note(section === "" ? name : `${section}.${name}`, index + 1, name);
    const opening = /^\s*("""|''')/.exec(key[4]!)?.[1];
    if (opening !== undefined && key[4]!.split(opening).length === 2) closing = opening;
  }
  return { lines, problems };
}
