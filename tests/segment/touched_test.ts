import { assert, assertEquals } from "@std/assert";
import { utf8 } from "../../src/base/bytes.ts";
import { documentOf, plainOf } from "./segment_documents.ts";
import { idsOf, openPlain } from "./segment_fixture.ts";
import { randomOf } from "./terms_random.ts";

function openRandom(docCount: number) {
  const random = randomOf(docCount);
  return openPlain(plainOf(Array.from({ length: docCount }, (_, i) => documentOf(random, i))));
}

Deno.test("opening a segment touches no run", () => {
  assertEquals([...openRandom(1000).touched], []);
});

Deno.test("counting a keyword column's ordinals touches no other run", () => {
  const reader = openRandom(3000);
  const column = reader.ordinals("host")!;
  const cursor = column.cursor();
  const counts = new Uint32Array(column.termCount);
  for (let from = 0; from < 3000; from += 500) {
    const n = cursor.gather(Uint32Array.from({ length: 500 }, (_, i) => from + i), 500);
    for (let i = 0; i < n; i++) counts[cursor.ordinals[i]!]!++;
  }
  assertEquals([...reader.touched.keys()].sort(), ["host:ordinals", "host:zones"]);
  // Before anything is deleted the summary says the same, and costs even less.
  assertEquals(column.counts(), counts);
  assertEquals(reader.touched.get("host:counts"), 4 * column.termCount);
});

Deno.test("a look-up by id touches no column", () => {
  const reader = openRandom(3000);
  for (let doc = 0; doc < 3000; doc += 100) assertEquals(reader.findId(utf8(reader.id(doc))), doc);
  assertEquals(reader.findId(utf8("nobody")), -1);
  assert([...reader.touched.keys()].every((name) => name.startsWith("ids:")));
});

Deno.test("a source touches one block", () => {
  const reader = openRandom(1500);
  reader.source(700);
  assertEquals([...reader.touched.keys()].sort(), ["_source:blocks", "_source:index"]);
  assert(reader.stored.blockCount > 2);
  assert(reader.touched.get("_source:blocks")! < reader.runBytes.get("_source:blocks")! / 2);
  const before = reader.touched.get("_source:blocks");
  reader.source(701);
  assertEquals(reader.touched.get("_source:blocks"), before);
});

Deno.test("a point look-up on a million sorted values reads under 1% of the column's bytes", () => {
  const random = randomOf(3);
  let at = 1_700_000_000_000;
  const count = 1_000_000;
  const sorted = Array.from({ length: count }, () => [at += random.below(2000)]);
  const reader = openPlain({ fields: { t: { kind: "numbers", values: sorted } }, ids: idsOf(count) });
  const column = reader.numeric("t")!;
  const size = reader.columns[0]!.bytes;
  const into = new Uint32Array(Math.ceil(count / 32));
  const target = sorted[345_678]![0]!;
  const { blocks, skipped, whole } = column.matchRange(target, target, into);
  assertEquals([blocks, whole], [7813, 0]);
  assert(skipped >= 7811);
  assert((into[345_678 >>> 5]! & (1 << (345_678 & 31))) !== 0);
  const touched = [...reader.touched.values()].reduce((sum, bytes) => sum + bytes, 0);
  assert(touched < size / 100, `${touched} of ${size} bytes`);
});

Deno.test("a range over sorted values decodes the blocks at its ends only", () => {
  const count = 50_000;
  const random = randomOf(4);
  const values = Array.from({ length: count }, (_, i) => [i * 100 + random.below(100)]);
  const reader = openPlain({ fields: { n: { kind: "numbers", values } }, ids: idsOf(count) });
  const column = reader.numeric("n")!;
  const into = new Uint32Array(Math.ceil(count / 32));
  const { blocks, skipped, whole } = column.matchRange(1_000_050, 3_999_950, into);
  assert(blocks - skipped - whole <= 2, `${blocks} blocks, ${skipped} skipped, ${whole} whole`);
  assert(whole > 200);
});
