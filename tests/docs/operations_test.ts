import { assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));

/** First columns of a chapter's tables, in code quotes. */
function listed(chapter: string): string[] {
  const body = read("docs/operations.md").split(/^## /m).find((part) => part.startsWith(`${chapter}\n`)) ??
    "";
  return [...body.matchAll(/^\| `([a-z_]+)`/gm)].map(([, name]) => name!).sort();
}

Deno.test("docs/operations.md explains every metric that there is, and no other", () => {
  const names = read("src/native/metrics.ts").matchAll(/"(xerj_[a-z_]+)"/g);
  assertEquals(listed("Metrics"), [...names].map(([, name]) => name!).sort());
});

Deno.test("docs/operations.md explains every reason to refuse a start", () => {
  const type = /type RefusalCode =([\s\S]*?);/.exec(read("src/wal/refused.ts"))![1]!;
  const codes = [...type.matchAll(/"(\w+)"/g)].map(([, code]) => code!);
  assertEquals(listed("Errors at start"), codes.sort());
});

Deno.test("docs/API.md and docs/operations.md name configuration keys that exist", () => {
  const keys = new Set([...read("config.toml").matchAll(/^(?:# )?([a-z_]+) = /gm)].map(([, key]) => key!));
  for (const file of ["docs/API.md", "docs/operations.md", "README.md"]) {
    for (
      const [, key] of read(file).matchAll(
        /`((?:max|wal|flush|retain|scrub|memory|shutdown)_\w+?)(?<!_exception)`/g,
      )
    ) {
      // Keys of bodies and answers.
      const isOther = ["max_score", "wal_checkpoint", "wal_replayed", "memory_bytes", "flush_first"].includes(
        key!,
      );
      assertEquals(isOther || keys.has(key!), true, `${file}: ${key}`);
    }
  }
});

Deno.test("links between the documents lead somewhere", () => {
  const files = [
    "README.md",
    ...[...Deno.readDirSync(new URL("docs/", ROOT))].map(({ name }) => `docs/${name}`),
  ];
  for (const file of files) {
    for (const [, target, anchor] of read(file).matchAll(/\]\((?!https?:)([\w./-]*)(?:#([\w-]+))?\)/g)) {
      const url = target === "" ? new URL(file, ROOT) : new URL(target!, new URL(file, ROOT));
      const text = Deno.readTextFileSync(url);
      const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
        title!.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-")
      );
      assertEquals(anchor === undefined || anchors.includes(anchor), true, `${file}: ${target}#${anchor}`);
    }
  }
});

Deno.test("the keys that docs/operations.md calls without effect have none", () => {
  const code = sourcesBelow("src/").filter((path) => !path.startsWith("src/config/")).map(read).join("\n");
  const idle = ["maxOpenScrolls"];
  const used = idle.filter((property) => code.includes(property));
  assertEquals(used, [], "used now: docs/operations.md and README.md have to say so");
});

function sourcesBelow(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, ROOT))].flatMap(({ name, isDirectory }) =>
    isDirectory ? sourcesBelow(`${folder}${name}/`) : [`${folder}${name}`]
  );
}
