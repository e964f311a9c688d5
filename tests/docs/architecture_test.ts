import { assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);
const text = Deno.readTextFileSync(new URL("docs/ARCHITECTURE.md", ROOT));

function exists(path: string): boolean {
  try {
    Deno.statSync(new URL(path, ROOT));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("docs/ARCHITECTURE.md can be read in one go, and names files that exist", () => {
  assertEquals(text.split("\n").length < 300, true);
  const paths = [...text.matchAll(/`((?:src|tests|bench|docs)\/[\w./]*)`/g)].map(([, path]) => path!);
  assertEquals(paths.filter((path) => !exists(path)), []);
});

Deno.test("docs/ARCHITECTURE.md has every folder of src", () => {
  const rows = text.split("\n").filter((line) => line.startsWith("| `")).join("\n");
  const folders = [...Deno.readDirSync(new URL("src/", ROOT))].filter(({ isDirectory }) => isDirectory);
  for (const { name } of folders) {
    const isEmpty = [...Deno.readDirSync(new URL(`src/${name}/`, ROOT))].length === 0;
    assertEquals(isEmpty || rows.includes(`\`${name}\``), true, name);
  }
});
