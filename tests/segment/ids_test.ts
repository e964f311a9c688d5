import { assert, assertEquals } from "@std/assert";
import { utf8 } from "../../src/base/bytes.ts";
import { buildSegmentNow } from "../../src/segment/builder.ts";
import { finishIds } from "../../src/segment/ids_tail.ts";
import { openSegment } from "../../src/segment/open.ts";
import { filesOf, imageOf, inputOf, openPlain, UUID } from "./segment_fixture.ts";
import { type Random, randomOf } from "./terms_random.ts";

const MAKERS: Record<string, (random: Random, i: number) => string> = {
  "counted": (_, i) => String(i),
  "sorted with a long prefix": (_, i) => `tenant-42/stream-7/${String(i).padStart(12, "0")}`,
  "random hex": (random) => Array.from({ length: 32 }, () => random.below(16).toString(16)).join(""),
  "uuid": (random) => "xxxxxxxx-xxxx".replace(/x/g, () => random.below(16).toString(16)),
  "beyond ASCII": (random, i) => `größe-${String.fromCodePoint(0x1f600 + random.below(50))}-${i}`,
  "one letter, differing lengths": (_, i) => "a".repeat(i % 512 + 1) + (i >= 512 ? "b" : ""),
  "of any length": (random, i) => `${i}`.padEnd(1 + random.below(500), "xyzzy"),
};

for (const [name, make] of Object.entries(MAKERS)) {
  Deno.test(`ids are found and come back: ${name}`, () => {
    for (const count of [1, 2, 31, 32, 33, 1000]) {
      const random = randomOf(count);
      const ids = Array.from({ length: count }, (_, i) => make(random, i));
      const reader = openPlain({ fields: {}, ids });
      const cursor = reader.ids.cursor();
      ids.forEach((id, doc) => {
        assertEquals(reader.id(doc), id);
        assertEquals(ids[reader.findId(utf8(id))], id);
        assert(cursor.next());
        assertEquals(cursor.bytes.slice(cursor.start, cursor.end), utf8(id));
        assertEquals(reader.findId(utf8(`${id}?`)), -1);
        assertEquals(reader.findId(utf8(id.slice(0, -1))), ids.lastIndexOf(id.slice(0, -1)));
      });
      assertEquals(cursor.next(), false);
    }
  });
}

Deno.test("of documents with one id the latest is found", () => {
  const ids = Array.from({ length: 300 }, (_, i) => `id-${i % 100}`);
  const reader = openPlain({ fields: {}, ids });
  for (let i = 0; i < 100; i++) assertEquals(reader.findId(utf8(`id-${i}`)), 200 + i);
});

Deno.test("random base64 ids of 20 characters cost at most 20.5 bytes each, index and all", () => {
  const random = randomOf(9);
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const ids = Array.from(
    { length: 20_000 },
    () => Array.from({ length: 20 }, () => digits[random.below(64)]).join(""),
  );
  const built = buildSegmentNow(inputOf({ fields: {}, ids }), { uuid: UUID });
  assert(built.idsBody.bytes.length / ids.length < 20.5, `${built.idsBody.bytes.length / ids.length}`);
});

Deno.test("tombstones and born-dead bits are appended to a finished body and come back", () => {
  const built = buildSegmentNow(inputOf({ fields: {}, ids: ["a", "b", "c"] }), { uuid: UUID });
  const body = built.idsBody.bytes.slice();
  const other = "00000000-0000-4000-8000-000000000001";
  const parts = {
    tombstones: [
      { segment: 1, uuid: other, docs: Uint32Array.of(0, 1, 2, 1_000_000) },
      { segment: 2 ** 40, uuid: UUID, docs: new Uint32Array(0) },
    ],
    bornDead: Uint32Array.of(0b010),
  };
  const reader = openSegment(imageOf(filesOf(built, parts)));
  assertEquals(reader.tombstones, parts.tombstones);
  assertEquals(reader.bornDead, parts.bornDead);
  assertEquals(reader.findId(utf8("b")), 1);
  // The body is only appended to, and may be finished more than once.
  assertEquals(built.idsBody.bytes, body);
  assertEquals(finishIds(built.idsBody, parts), finishIds(built.idsBody, parts));
  const plain = openSegment(imageOf(filesOf(built)));
  assertEquals([plain.tombstones, plain.bornDead], [[], null]);
});
