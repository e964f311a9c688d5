import { assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));

Deno.test("docs/dependencies.md has every package of deno.json, in its version", () => {
  const { imports } = JSON.parse(read("deno.json")) as { imports: Record<string, string> };
  const used = Object.values(imports).map((target) =>
    /^npm:(@?[^@]+)@([^/]+)/.exec(target)!.slice(1, 3).join(" ")
  );
  const table = read("docs/dependencies.md").split("\nTo build")[0]!;
  const listed = [...table.matchAll(/^\| `([^`]+)` \| ([\d.]+) \|/gm)].map(([, name, version]) =>
    `${name} ${version}`
  );
  assertEquals(listed.sort(), [...new Set(used)].sort());
});

Deno.test("the packages of scripts that docs/dependencies.md names are those that the scripts name", () => {
  const text = read("docs/dependencies.md").split("\nTo build")[1]!;
  const scripts = read("scripts/deno") + read("scripts/compile.ts");
  for (const [, name, version] of text.matchAll(/^\| `([^`]+)` \| ([\d.]+) \|/gm)) {
    assertEquals(scripts.includes(name!) && scripts.includes(version!), true, name);
  }
});
