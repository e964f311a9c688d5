import { assert, assertEquals, assertThrows } from "@std/assert";
import { concatBytes, utf8 } from "../../src/base/bytes.ts";
import { buildSegment, buildSegmentInto, buildSegmentNow } from "../../src/segment/builder.ts";
import { PAGE_BYTES } from "../../src/segment/file_view.ts";
import { finishIds } from "../../src/segment/ids_tail.ts";
import { openSegment } from "../../src/segment/open.ts";
import { MemorySink } from "../../src/segment/run_file.ts";
import { documentOf, plainOf } from "./segment_documents.ts";
import { dump, filesOf, idsOf, imageOf, inputOf, openPlain, UUID } from "./segment_fixture.ts";
import { randomOf } from "./terms_random.ts";

function inputWith(docCount: number) {
  const random = randomOf(docCount);
  return inputOf(plainOf(Array.from({ length: docCount }, (_, i) => documentOf(random, i))));
}

Deno.test("a segment in shared memory reads as one in plain memory", () => {
  const allocate = (size: number) => new Uint8Array(new SharedArrayBuffer(size));
  const shared = filesOf(buildSegmentNow(inputWith(700), { uuid: UUID, allocate }));
  assert(shared.seg.buffer instanceof SharedArrayBuffer);
  const ids = allocate(shared.ids.length);
  ids.set(shared.ids);
  const plain = filesOf(buildSegmentNow(inputWith(700), { uuid: UUID }));
  assertEquals(dump(openSegment(imageOf({ ...shared, ids }))), dump(openSegment(imageOf(plain))));
});

Deno.test("building in steps, at once or into sinks gives the same bytes", () => {
  const whole = filesOf(buildSegmentNow(inputWith(900), { uuid: UUID }));
  let steps = 0;
  const build = buildSegment(inputWith(900), { uuid: UUID });
  let step = build.next();
  for (; !step.done; step = build.next()) steps++;
  assert(steps > 20);
  assertEquals(filesOf(step.value), whole);
  const sinks = { seg: new MemorySink(), sidx: new MemorySink(), ids: new MemorySink() };
  const into = buildSegmentInto(inputWith(900), { uuid: UUID, sinks });
  let last = into.next();
  while (!last.done) last = into.next();
  const tail = finishIds(last.value, { tombstones: [], bornDead: null });
  assertEquals(concatBytes(sinks.seg.pieces), whole.seg);
  assertEquals(concatBytes(sinks.sidx.pieces), whole.sidx);
  assertEquals(concatBytes([...sinks.ids.pieces, tail]), whole.ids);
});

Deno.test("a segment without documents or fields opens", () => {
  const reader = openPlain({ fields: {}, ids: [] });
  assertEquals([reader.docCount, reader.columns.length, reader.findId(utf8("x"))], [0, 0, -1]);
  const fields = openPlain({
    fields: {
      n: { kind: "numbers", values: [] },
      w: { kind: "wides", values: [] },
      k: { kind: "terms", values: [] },
      t: { kind: "text", values: [] },
    },
    ids: [],
  });
  assertEquals(fields.numeric("n")!.min, undefined);
  assertEquals(fields.numeric("w")!.cursor().gather(new Uint32Array(0), 0), 0);
  assertEquals(fields.ordinals("k")!.termCount, 0);
});

Deno.test("fields of any name are kept apart", () => {
  const names = ["a", "a:values", "a:docs", "ö.ü", "_source", "ids", ""];
  const fields = Object.fromEntries(
    names.map((name, i) => [name, { kind: "numbers", values: [[i], [i * i]] } as const]),
  );
  const reader = openPlain({ fields, ids: ["1", "2"] });
  names.forEach((name, i) => {
    const cursor = reader.numeric(name)!.cursor();
    cursor.gather(Uint32Array.of(0, 1), 2);
    assertEquals([...cursor.values.slice(0, 2)], [i, i * i]);
  });
});

Deno.test("a reader says what each column is and costs", () => {
  const reader = openPlain({
    fields: {
      n: { kind: "numbers", type: "long", values: [[3], [], [3, 9]] },
      k: { kind: "terms", values: [["x"], ["x"], []] },
    },
    ids: idsOf(3),
  });
  const about = reader.columns.map(({ bytes: _, ...info }) => info);
  assertEquals(about, [
    { field: "n", type: "long", encoding: "for", values: 3, docs: 2 },
    { field: "k", type: "keyword", encoding: "ordinals", values: 2, docs: 2 },
    { field: "k", type: "keyword", encoding: "postings", values: 2, docs: 2 },
  ]);
  assertEquals([reader.numeric("n")!.sum, reader.numeric("n")!.min, reader.numeric("n")!.max], [15, 3, 9]);
});

Deno.test("files are pages of one checksum each, and small segments stay small", () => {
  const files = filesOf(buildSegmentNow(inputWith(1), { uuid: UUID }));
  assert(files.seg.length + files.sidx.length + files.ids.length < PAGE_BYTES / 2);
});

Deno.test("a cursor whose docs fall is our bug, not a segment", () => {
  const input = inputWith(3);
  const docs = [2, 1];
  const broken = {
    ...input,
    fields: [{
      kind: "numeric" as const,
      name: "n",
      type: "long",
      wide: false,
      open: () => {
        let at = 0;
        return { fill: (into: Uint32Array) => at === docs.length ? 0 : (into[0] = docs[at++]!, 1) };
      },
    }],
  };
  assertThrows(() => buildSegmentNow(broken, { uuid: UUID }), Error, "ascend");
});
