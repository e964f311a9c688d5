import { assert, assertEquals } from "@std/assert";
import { utf8 } from "../../src/base/bytes.ts";
import { STORED_BLOCK_BYTES, STORED_BLOCK_DOCS, StoredWriter } from "../../src/segment/stored.ts";
import { idsOf, openPlain } from "./segment_fixture.ts";
import { randomOf } from "./terms_random.ts";

function sourcesOf(lengths: readonly number[]): Uint8Array[] {
  const random = randomOf(lengths.length);
  return lengths.map((length, i) =>
    // Every third one does not compress.
    Uint8Array.from({ length }, (_, k) => i % 3 === 0 ? random.below(256) : (i + k) % 50 + 32)
  );
}

const CASES: Record<string, number[]> = {
  "small ones": Array.from({ length: 2000 }, (_, i) => 100 + i % 300),
  "empty ones": Array.from({ length: 2 * STORED_BLOCK_DOCS + 1 }, () => 0),
  "one larger than a block": [10, 5 * STORED_BLOCK_BYTES, 10, 40],
  "exactly a block": [STORED_BLOCK_BYTES, STORED_BLOCK_BYTES - 1, 1, 1, STORED_BLOCK_BYTES + 1],
};

for (const [name, lengths] of Object.entries(CASES)) {
  Deno.test(`sources come back as sent: ${name}`, () => {
    const sources = sourcesOf(lengths);
    const reader = openPlain({ fields: {}, ids: idsOf(sources.length), sources });
    const random = randomOf(1);
    sources.forEach((source, doc) => assertEquals(reader.source(doc), source));
    for (let round = 0; round < 200; round++) {
      const doc = random.below(sources.length);
      assertEquals(reader.source(doc), sources[doc]);
    }
  });

  Deno.test(`a writer reads back what it has taken: ${name}`, () => {
    const sources = sourcesOf(lengths);
    const writer = new StoredWriter();
    sources.forEach((source, doc) => {
      writer.add(source, 0, source.length);
      assertEquals(writer.source(doc), source);
      assertEquals(writer.source(doc >>> 1), sources[doc >>> 1]);
    });
    const blocks = writer.finish();
    assertEquals(blocks.reduce((sum, { docCount }) => sum + docCount, 0), sources.length);
    sources.forEach((source, doc) => assertEquals(writer.source(doc), source));
  });
}

Deno.test("blocks hold about 64 KiB", () => {
  const writer = new StoredWriter();
  const source = utf8(`{"message":"${"x".repeat(400)}"}`);
  for (let i = 0; i < 1000; i++) writer.add(source, 0, source.length);
  for (const { rawBytes } of writer.finish().slice(0, -1)) {
    assert(rawBytes > STORED_BLOCK_BYTES * 0.9 && rawBytes < STORED_BLOCK_BYTES * 1.1);
  }
});
