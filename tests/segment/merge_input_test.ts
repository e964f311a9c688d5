import { assert, assertEquals } from "@std/assert";
import { utf8 } from "../../src/base/bytes.ts";
import { buildSegmentNow } from "../../src/segment/builder.ts";
import { mergeInput } from "../../src/segment/merge_input.ts";
import { DROPPED, newDoc } from "../../src/segment/merge_parts.ts";
import { dump, filesOf, idsOf, imageOf, openInput, openPlain, UUID } from "./segment_fixture.ts";
import { openSegment } from "../../src/segment/open.ts";
import { documentOf, plainOf } from "./segment_documents.ts";
import { randomOf } from "./terms_random.ts";

Deno.test("merged segments equal one that was built from the live documents at once", () => {
  for (const sizes of [[1], [3, 1, 5], [400, 0, 700], [129, 128, 300, 7]]) {
    for (const oneDeadIn of [0, 4, 2]) {
      const random = randomOf(sizes.length * 10 + oneDeadIn);
      let made = 0;
      const groups = sizes.map((size) => Array.from({ length: size }, () => documentOf(random, made++)));
      const sources = groups.map((group) => {
        const live = new Uint32Array(Math.ceil(group.length / 32));
        group.forEach((_, doc) => {
          if (oneDeadIn === 0 || random.below(oneDeadIn) > 0) live[doc >>> 5]! |= 1 << (doc & 31);
        });
        return { reader: openPlain(plainOf(group)), live: oneDeadIn === 0 ? null : live };
      });
      const { input, docMaps } = mergeInput(sources);
      const kept = groups.flatMap((group, part) =>
        group.filter((_, doc) => newDoc(docMaps[part]!, doc) !== DROPPED)
      );
      assertEquals(input.docCount, kept.length);
      const merged = openInput(input);
      const expected = openPlain(plainOf(kept));
      assertEquals(dump(merged), dump(expected));
      for (const [part, { live }] of sources.entries()) {
        groups[part]!.forEach((_, doc) => {
          const to = newDoc(docMaps[part]!, doc);
          const alive = live === null || (live[doc >>> 5]! & (1 << (doc & 31))) !== 0;
          assertEquals(to !== DROPPED, alive);
          if (alive) assertEquals(merged.id(to), groups[part]![doc]!.id);
        });
      }
    }
  }
});

Deno.test("a merge of nothing is an empty segment", () => {
  const { input, docMaps } = mergeInput([]);
  const reader = openInput(input, {
    tombstones: [{ segment: 3, uuid: UUID, docs: Uint32Array.of(5) }],
    bornDead: null,
  });
  assertEquals([reader.docCount, docMaps, reader.findId(utf8("a"))], [0, [], -1]);
  assertEquals(reader.tombstones, [{ segment: 3, uuid: UUID, docs: Uint32Array.of(5) }]);
});

Deno.test("a numeric field that became wide in one segment is wide in the merged one", () => {
  const ids = idsOf(2);
  const narrow = openPlain({ fields: { n: { kind: "numbers", values: [[1], [-2]] } }, ids });
  const wide = openPlain({ fields: { n: { kind: "wides", values: [[2n ** 60n], [5n]] } }, ids });
  const column = openInput(mergeInput([{ reader: narrow, live: null }, { reader: wide, live: null }]).input)
    .numeric("n")!;
  const cursor = column.cursor();
  assertEquals(cursor.gather(Uint32Array.of(0, 1, 2, 3), 4), 4);
  assertEquals([...cursor.wides.slice(0, 4)], [1n, -2n, 2n ** 60n, 5n]);
});

Deno.test("a field that only some segments have is missing from the others' documents", () => {
  const first = openPlain({ fields: { a: { kind: "numbers", values: [[1], [2]] } }, ids: ["1", "2"] });
  const second = openPlain({
    fields: { b: { kind: "terms", values: [["x"], ["y"]] }, t: { kind: "text", values: [["x"], []] } },
    ids: ["3", "4"],
  });
  const merged = openInput(mergeInput([{ reader: first, live: null }, { reader: second, live: null }]).input);
  const docsOf = (field: string) => {
    const into = new Uint32Array(1);
    assert(merged.exists(field, into));
    return into[0];
  };
  assertEquals([docsOf("a"), docsOf("b"), docsOf("t")], [0b0011, 0b1100, 0b1100]);
  assertEquals(merged.exists("c", new Uint32Array(1)), false);
});

Deno.test("whole stored blocks are copied by a merge, small ones are joined", () => {
  const random = randomOf(5);
  const large = plainOf(Array.from({ length: 1500 }, (_, i) => documentOf(random, i)));
  const reader = openPlain(large);
  const copied = openInput(mergeInput([{ reader, live: null }]).input);
  assert(reader.stored.blockCount > 2);
  for (let b = 0; b < reader.stored.blockCount; b++) {
    assertEquals(copied.stored.block(b), reader.stored.block(b));
  }
  const small = Array.from({ length: 50 }, (_, i) => ({
    reader: openPlain(plainOf([documentOf(random, i)])),
    live: null,
  }));
  assertEquals(openInput(mergeInput(small).input).stored.blockCount, 1);
});

Deno.test("a merged segment's files are the same bytes each time", () => {
  const random = randomOf(6);
  const reader = openPlain(plainOf(Array.from({ length: 300 }, (_, i) => documentOf(random, i))));
  const files = () => filesOf(buildSegmentNow(mergeInput([{ reader, live: null }]).input, { uuid: UUID }));
  assertEquals(files(), files());
  openSegment(imageOf(files())).verify();
});
