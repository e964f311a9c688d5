/** The documentation of WAL, manifest and catalogue says what the code does: its examples decode, its offsets add up. */
import { assert, assertEquals } from "@std/assert";
import { examples } from "./examples_wal.ts";

function documentation(): string {
  let text = "";
  for (const file of ["FORMAT.md", "format_wal.md"]) {
    try {
      text += Deno.readTextFileSync(new URL(`../../docs/${file}`, import.meta.url));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return text;
}

Deno.test("the documented WAL, manifest and catalogue examples decode to what the text says", () => {
  const found = new Map<string, { bytes: Uint8Array; expected: unknown }>();
  for (
    const [, name, hex, json] of documentation().matchAll(
      /```hex name=(\S+)\n([^`]*)```\s+```json expected\n([^`]*)```/g,
    )
  ) {
    const bytes = Uint8Array.from(hex!.match(/[0-9a-f]{2}/g) ?? [], (pair) => parseInt(pair, 16));
    found.set(name!, { bytes, expected: JSON.parse(json!) });
  }
  for (const [name, decode] of Object.entries(examples)) {
    const example = found.get(name);
    assert(example, `example ${name} is documented`);
    assertEquals(decode(example!.bytes), example!.expected, name);
  }
});

function sizeOf(type: string): number | undefined {
  const match = /^u(8|16|32|64)(?:\[(\d+)\])?$/.exec(type);
  return match ? Number(match[1]) / 8 * Number(match[2] ?? 1) : undefined;
}

Deno.test("the offsets of the documented WAL tables add up", () => {
  let rows = 0;
  for (const heading of ["WAL head", "WAL header", "WAL record", "WAL operations"]) {
    const section = documentation().split(new RegExp(`^## ${heading}$`, "m"))[1]?.split(/^## /m)[0] ?? "";
    let next: number | undefined;
    for (const [, offset, type, name] of section.matchAll(/^\| (\d+) \| (\S+) \| (\S+) \|/gm)) {
      if (next !== undefined) assertEquals(Number(offset), next, `${heading}: ${name}`);
      const size = sizeOf(type!);
      next = size === undefined ? undefined : Number(offset) + size;
      rows++;
    }
  }
  assert(rows >= 30);
});
