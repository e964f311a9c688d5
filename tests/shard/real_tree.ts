/**
 * Temporary directories on a real disk, and what is in them.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { chanceFrom, TestNode } from "./store_fixture.ts";

/** Runs `test` with a directory of its own. */
export async function inTemporaryDirectory(test: (path: string) => void | Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "xerj-test-" });
  try {
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

export function realNode(seed = 1): TestNode {
  return new TestNode(realFileSystem(), chanceFrom(seed));
}

/** Every path below `root` with the SHA-256 of its bytes; folders end with a slash. */
export function treeOf(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (path: string) => {
    for (
      const { name, isDirectory } of [...Deno.readDirSync(path)].sort((a, b) => (a.name < b.name ? -1 : 1))
    ) {
      const child = `${path}/${name}`;
      if (isDirectory) {
        found[`${child.slice(root.length + 1)}/`] = "";
        visit(child);
      } else {
        found[child.slice(root.length + 1)] = createHash("sha256").update(Deno.readFileSync(child)).digest(
          "hex",
        );
      }
    }
  };
  visit(root);
  return found;
}

/** Copies a tree, or links its files. */
export function copyFiles(
  from: string,
  to: string,
  { link = false }: { readonly link?: boolean } = {},
): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFiles(`${from}/${name}`, `${to}/${name}`, { link });
    else if (link) Deno.linkSync(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

export function flipByte(path: string, offset: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[offset]! ^= 0x10;
  Deno.writeFileSync(path, bytes);
}

export function appendBytes(path: string, bytes: Uint8Array): void {
  Deno.writeFileSync(path, bytes, { append: true });
}
