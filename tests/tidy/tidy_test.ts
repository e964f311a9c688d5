/**
 * The rules of the house, where a machine can tell: who imports whom, where the system is spoken to, how long a file may
 * be, what no file may contain.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { cycleIn, foldersOf, importsOf, ROOT, textFiles } from "./project.ts";

/**
 * What a folder of `src/` may import beside itself; `docs/ARCHITECTURE.md` says why. A folder that is not listed here
 * has to be added, with thought.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  os: ["base"],
  config: ["base"],
  format: ["base"],
  analysis: ["base"],
  schema: ["base", "analysis"],
  ingest: ["base", "analysis", "schema"],
  wal: ["base", "os", "format"],
  segment: ["base", "format", "schema"],
  memtable: ["base", "analysis", "schema", "ingest", "segment"],
  query: ["base", "analysis", "schema", "segment"],
  shard: [
    "base",
    "os",
    "config",
    "format",
    "analysis",
    "schema",
    "ingest",
    "wal",
    "segment",
    "memtable",
  ],
  objectstore: ["base", "os"],
  backup: ["base", "os", "format", "objectstore"],
  engine: [
    "base",
    "os",
    "config",
    "format",
    "analysis",
    "schema",
    "ingest",
    "wal",
    "segment",
    "memtable",
    "query",
    "shard",
  ],
  control: ["base", "os", "config", "format", "query", "engine", "objectstore", "backup"],
  http: ["base", "os", "config"],
  native: ["base", "schema", "query", "ingest", "engine", "control", "http"],
  es: ["base", "schema", "query", "ingest", "engine", "control", "http"],
  console: ["http"],
};

/** These come last, and may import all folders but those named. */
const MAY_NOT_IMPORT: Readonly<Record<string, readonly string[]>> = {
  workers: ["console", "cli"],
  cli: [],
};

/** Outside of `src/os/`, only these speak to the system. */
const MAY_SAY_DENO = ["main.ts", "src/http/listener.ts"];

const MAX_LINES = 600;

Deno.test("a folder imports only what its row of the table allows", async () => {
  const wrong: string[] = [];
  for (const { from, to } of await importsOf("src")) {
    const folder = from.split("/")[1]!;
    const other = to.split("/")[1]!;
    if (!to.startsWith("src/") || folder === other) continue;
    const allowed = MAY_IMPORT[folder];
    const forbidden = MAY_NOT_IMPORT[folder];
    const isRight = allowed ? allowed.includes(other) : forbidden !== undefined && !forbidden.includes(other);
    if (!isRight) wrong.push(`${from} imports ${to}`);
  }
  assertEquals(wrong, []);
});

Deno.test("the table of folders is an order: no two import each other, by any way round", () => {
  assertEquals(cycleIn(MAY_IMPORT), undefined);
});

Deno.test("every folder of src is in the table", () => {
  const known = [...Object.keys(MAY_IMPORT), ...Object.keys(MAY_NOT_IMPORT)];
  assertEquals(foldersOf("src").filter((folder) => !known.includes(folder)), []);
});

Deno.test("only os, the listener and main.ts speak to the system", () => {
  const files = textFiles().filter(({ path }) =>
    (path.startsWith("src/") || path === "main.ts") && path.endsWith(".ts") && !path.startsWith("src/os/") &&
    !MAY_SAY_DENO.includes(path)
  );
  const wrong = files.filter(({ text }) => /(?<![\w.])Deno\./.test(withoutComments(text)));
  assertEquals(wrong.map(({ path }) => path), []);
});

Deno.test("files have snake_case names and one idea's length", () => {
  const code = textFiles().filter(({ path }) => path.endsWith(".ts"));
  assertEquals(code.map(({ path }) => path).filter((path) => !/^[a-z0-9_/]+(\.d)?\.ts$/.test(path)), []);
  const long = code.filter(({ text }) => text.split("\n").length > MAX_LINES);
  assertEquals(long.map(({ path }) => path), []);
});

Deno.test("no marks of unfinished work, no enum, no check switched off", () => {
  const wrong: string[] = [];
  for (const { path, text } of textFiles()) {
    if (!path.endsWith(".ts") || path.startsWith("tests/tidy/")) continue;
    for (const [index, line] of text.split("\n").entries()) {
      const isWrong = /\b(TODO|FIXME|HACK)\b/.test(line) ||
        /^\s*(export )?(const )?enum \w/.test(line) || /@ts-(ignore|nocheck)/.test(line);
      if (isWrong) wrong.push(`${path}:${index + 1}: ${line.trim()}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("no file names a path of somebody's machine, or holds a key", () => {
  const patterns = [
    /(?<![\w.])\/(work|root|Users)\/\w/,
    /(?<![\w.])\/home\/(?!xerj\b)\w+/,
    /\/tmp\/xerj\//,
    /-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]/,
    /\bAKIA[0-9A-Z]{16}\b(?!EXAMPLE)/,
  ];
  const wrong: string[] = [];
  for (const { path, text } of textFiles()) {
    if (path.startsWith("tests/tidy/")) continue;
    for (const pattern of patterns) {
      const found = pattern.exec(text);
      if (found) wrong.push(`${path}: ${found[0]}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("every link between the project's documents leads somewhere", () => {
  const wrong: string[] = [];
  for (const { path, text } of textFiles()) {
    if (!path.endsWith(".md")) continue;
    const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) : "";
    const prose = text.replaceAll(/```[^]*?```/g, "");
    for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const [file, anchor] = target!.split("#");
      const url = new URL(file === "" ? path : folder + file, ROOT);
      if (!exists(url)) wrong.push(`${path}: ${target}`);
      else if (anchor !== undefined && url.pathname.endsWith(".md") && !anchorsOf(url).has(anchor)) {
        wrong.push(`${path}: ${target} (no such heading)`);
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("paths that documents put into backticks exist", () => {
  const wrong: string[] = [];
  for (const { path, text } of textFiles()) {
    if (!path.endsWith(".md")) continue;
    for (const [, named] of text.matchAll(/`((?:src|tests|scripts|docs|bench)\/[\w./-]+)`/g)) {
      if (!exists(new URL(named!, ROOT))) wrong.push(`${path}: ${named}`);
    }
  }
  assertEquals(wrong, []);
});

function withoutComments(code: string): string {
  return code.replaceAll(/\/\*[^]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
}

/** Headings as their links call them. */
function anchorsOf(url: URL): ReadonlySet<string> {
  const headings = Deno.readTextFileSync(url).matchAll(/^#+ +(.+)$/gm);
  return new Set(
    [...headings].map(([, heading]) =>
      heading!.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(/\s/g, "-")
    ),
  );
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
