/**
 * The project's files and imports, for tests of its own rules.
 *
 * @module
 */

export const ROOT = new URL("../../", import.meta.url);

const SKIPPED = new Set([".git", "node_modules", "dist", "data", ".cache", "coverage"]);
const TEXT = /\.(ts|js|mjs|json|md|toml|sh|yaml|yml|html|css|service)$|^(scripts\/deno|\.ci\/run|LICENSE)$/;

/** Paths are relative to the root, with slashes. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** Every text file, but fixtures, which are data. */
export function textFiles(): readonly TextFile[] {
  return [...walk("")].filter((path) =>
    TEXT.test(path) && !path.includes("/fixtures/") && path !== "deno.lock"
  )
    .map((path) => ({ path, text: Deno.readTextFileSync(new URL(path, ROOT)) }));
}

export function foldersOf(path: string): readonly string[] {
  return [...Deno.readDirSync(new URL(`${path}/`, ROOT))].filter((entry) => entry.isDirectory)
    .map((entry) => entry.name);
}

export interface Import {
  readonly from: string;
  readonly to: string;
}

/** All imports of the files below a folder, type imports included, as Deno resolves them. */
export async function importsOf(folder: string): Promise<readonly Import[]> {
  const files = [...walk(`${folder}/`)].filter((path) => path.endsWith(".ts"));
  const program = `${
    files.map((path) => `import ${JSON.stringify(new URL(path, ROOT).href)};`).join("\n")
  }\n`;
  const entry = Deno.makeTempFileSync({ suffix: ".ts" });
  try {
    Deno.writeTextFileSync(entry, program);
    const config = new URL("deno.json", ROOT).pathname;
    const command = new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", config, "--no-lock", entry],
      cwd: ROOT,
      stderr: "piped",
    });
    const { success, stdout, stderr } = await command.output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return readGraph(JSON.parse(new TextDecoder().decode(stdout)), folder);
  } finally {
    Deno.removeSync(entry);
  }
}

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
    }[];
  }[];
}

function readGraph({ modules }: Graph, folder: string): Import[] {
  const local = (specifier: string | undefined): string | undefined =>
    specifier?.startsWith(ROOT.href) ? specifier.slice(ROOT.href.length) : undefined;
  const imports: Import[] = [];
  for (const { specifier, dependencies = [] } of modules) {
    const from = local(specifier);
    if (!from?.startsWith(`${folder}/`)) continue;
    for (const { code, type } of dependencies) {
      const to = local(code?.specifier ?? type?.specifier);
      if (to !== undefined) imports.push({ from, to });
    }
  }
  return imports;
}

/** Names along a cycle in a table of who depends on whom; undefined when it is an order. */
export function cycleIn(table: Readonly<Record<string, readonly string[]>>): readonly string[] | undefined {
  const done = new Set<string>();
  const visit = (name: string, trail: readonly string[]): readonly string[] | undefined => {
    if (trail.includes(name)) return [...trail, name];
    if (done.has(name)) return undefined;
    for (const next of table[name] ?? []) {
      const cycle = visit(next, [...trail, name]);
      if (cycle) return cycle;
    }
    done.add(name);
    return undefined;
  };
  for (const name of Object.keys(table)) {
    const cycle = visit(name, []);
    if (cycle) return cycle;
  }
  return undefined;
}

function* walk(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(new URL(folder === "" ? "." : folder, ROOT))) {
    if (SKIPPED.has(entry.name)) continue;
    if (entry.isDirectory) yield* walk(`${folder}${entry.name}/`);
    else if (entry.isFile) yield folder + entry.name;
  }
}
