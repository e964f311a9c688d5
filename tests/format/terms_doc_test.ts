import { assert, assertEquals } from "@std/assert";
import { examples } from "./examples_terms.ts";

/** The examples of dictionaries and postings, wherever in `docs/` they stand. */
function readExamples(): Map<string, { bytes: Uint8Array; expected: unknown }> {
  const found = new Map<string, { bytes: Uint8Array; expected: unknown }>();
  const pattern = /```hex name=(\S+)\n([^`]*)```\s+```json expected\n([^`]*)```/g;
  for (const file of ["FORMAT.md", "format_terms.md"]) {
    const path = new URL(`../../docs/${file}`, import.meta.url);
    let text = "";
    try {
      text = Deno.readTextFileSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    for (const [, name, hex, json] of text.matchAll(pattern)) {
      const bytes = Uint8Array.from(hex!.match(/[0-9a-f]{2}/g) ?? [], (pair) => parseInt(pair, 16));
      if (name! in examples) found.set(name!, { bytes, expected: JSON.parse(json!) });
    }
  }
  return found;
}

Deno.test("the documented dictionary and postings examples decode to what the text says", () => {
  const found = readExamples();
  for (const [name, decode] of Object.entries(examples)) {
    const example = found.get(name);
    assert(example, `example ${name} is documented`);
    assertEquals(decode(example!.bytes), example!.expected, name);
  }
});
