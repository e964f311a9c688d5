/**
 * What a merge copies, shifts or skips in whole blocks is what it would have made document by document: deaths lie at the
 * borders of everything that is a block somewhere (ids 32, values and postings 128, groups 4096, stored sources).
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { compareBytes, utf8 } from "../../src/base/bytes.ts";
import { CorruptionError } from "../../src/base/errors.ts";
import { mergeInput, type MergeSource } from "../../src/segment/merge_input.ts";
import { DROPPED, newDoc } from "../../src/segment/merge_parts.ts";
import type { StoredSegment } from "../../src/segment/open.ts";
import { documentOf, plainOf } from "./segment_documents.ts";
import { dump, idsOf, openInput, openPlain, type PlainSegment } from "./segment_fixture.ts";
import { randomOf } from "./terms_random.ts";

type Document = ReturnType<typeof documentOf>;

/** A text now and then is one word many times: positions in several blocks. */
function documentsOf(seed: number, first: number, size: number): Document[] {
  const random = randomOf(seed);
  return Array.from({ length: size }, (_, i) => {
    const document = documentOf(random, first + i);
    return i % 500 === 7 ? { ...document, message: new Array(300).fill("w0") } : document;
  });
}

function bitsOf(size: number, isAlive: (doc: number) => boolean): Uint32Array {
  const live = new Uint32Array(Math.ceil(size / 32));
  for (let doc = 0; doc < size; doc++) if (isAlive(doc)) live[doc >>> 5]! |= 1 << (doc & 31);
  return live;
}

const sizes = [5200, 260, 33, 1];
const groups = sizes.map((size, i) =>
  documentsOf(i + 1, sizes.slice(0, i).reduce((sum, n) => sum + n, 0), size)
);
const readers = groups.map((group) => openPlain(plainOf(group)));

const DEATHS: Readonly<Record<string, (doc: number, part: number) => boolean>> = {
  "none, as bits": () => false,
  "first and last of each 128": (doc) => doc % 128 === 0 || doc % 128 === 127,
  "last of each 32, in one segment only": (doc, part) => part === 1 && doc % 32 === 31,
  "a block of 128": (doc) => doc >= 128 && doc < 256,
  "a whole group of postings": (doc) => doc < 4096,
  "all but the last": (doc, part) => doc < sizes[part]! - 1,
  "a whole segment": (_, part) => part === 0,
  "the first document": (doc, part) => part === 0 && doc === 0,
};

Deno.test("without deaths a merge equals a build from all documents", () => {
  const merged = openInput(mergeInput(readers.map((reader) => ({ reader, live: null }))).input);
  assertEquals(dump(merged), dump(openPlain(plainOf(groups.flat()))));
});

for (const [name, isDead] of Object.entries(DEATHS)) {
  Deno.test(`a merge equals a build from the live documents: dead are ${name}`, () => {
    const sources = readers.map((reader, part): MergeSource => ({
      reader,
      live: bitsOf(reader.docCount, (doc) => !isDead(doc, part)),
    }));
    const kept = groups.flatMap((group, part) => group.filter((_, doc) => !isDead(doc, part)));
    const { input, docMaps } = mergeInput(sources);
    assertEquals(input.docCount, kept.length);
    assertEquals(dump(openInput(input)), dump(openPlain(plainOf(kept))));
    const places = docMaps.flatMap((map, part) =>
      groups[part]!.map((_, doc) => newDoc(map, doc)).filter((doc) => doc !== DROPPED)
    );
    assertEquals(places, kept.map((_, doc) => doc));
  });
}

Deno.test("ordinals asked for before, while or after terms are read are the same", () => {
  const sources = readers.map((reader) => ({ reader, live: bitsOf(reader.docCount, (doc) => doc % 3 > 0) }));
  const ordinalsOf = (readTerms: number) => {
    const field = mergeInput(sources).input.fields.find(({ name }) => name === "tags")!;
    if (field.kind !== "terms") throw new Error("tags are terms");
    const terms = field.openTerms();
    for (let i = 0; i < readTerms && terms.next(); i++);
    const docs = new Uint32Array(100_000);
    const ordinals = new Uint32Array(100_000);
    const cursor = field.openOrdinals();
    let filled = 0;
    for (let n = 1; n > 0; filled += n) n = cursor.fill(docs.subarray(filled), ordinals.subarray(filled));
    return [filled, docs, ordinals];
  };
  const expected = ordinalsOf(0);
  assertEquals(ordinalsOf(5), expected);
  assertEquals(ordinalsOf(Infinity), expected);
});

Deno.test("terms that are prefixes of each other, empty or not text come in byte order", () => {
  const random = randomOf(11);
  const letters = ["\0", "a", "b", "é", "\u{10ffff}"];
  const wordOf = () => Array.from({ length: random.below(9) }, () => letters[random.below(5)]!).join("");
  const parts = Array.from({ length: 5 }, () => Array.from({ length: 300 }, () => [wordOf()]));
  const plain = (values: string[][]): PlainSegment => ({
    fields: { key: { kind: "terms", values } },
    ids: idsOf(values.length),
  });
  const merged = openInput(
    mergeInput(parts.map((values) => ({ reader: openPlain(plain(values)), live: null }))).input,
  );
  const expected = [...new Set(parts.flat(2))].map((word) => utf8(word)).sort(compareBytes);
  const iterator = merged.terms("key")!.iterate();
  for (const term of expected) {
    assert(iterator.next());
    assertEquals(iterator.term.slice(), term);
  }
  assertEquals(iterator.next(), false);
});

Deno.test("ids of any length and byte come through a merge", () => {
  const random = randomOf(12);
  const idOf = (i: number) => `${"x".repeat(random.below(40))}${["", "é", "\0"][i % 3]}${i}`;
  const parts = [100, 31, 33].map((size, part) =>
    Array.from({ length: size }, (_, i) => idOf(part * 1000 + i))
  );
  const merged = openInput(
    mergeInput(parts.map((ids) => ({ reader: openPlain({ fields: {}, ids }), live: null }))).input,
  );
  const ids = parts.flat();
  assertEquals(ids.map((_, doc) => merged.id(doc)), ids);
  assertEquals(ids.map((id) => merged.findId(utf8(id))), ids.map((_, doc) => doc));
});

Deno.test("stored blocks are recompressed at the seams of segments only", () => {
  const random = randomOf(13);
  const segment = (): StoredSegment =>
    openPlain(plainOf(Array.from({ length: 2500 }, (_, i) => documentOf(random, i))));
  const inputs = [segment(), segment(), segment()];
  const bytesOf = (reader: StoredSegment) =>
    Array.from({ length: reader.stored.blockCount }, (_, b) => String(reader.stored.block(b).bytes));
  const merged = openInput(mergeInput(inputs.map((reader) => ({ reader, live: null }))).input);
  const made = bytesOf(merged);
  const before = new Set(inputs.flatMap(bytesOf));
  assert(before.size > 9, `${before.size} blocks`);
  const kept = made.filter((bytes) => before.has(bytes)).length;
  // Of each seam: the block that ends a segment, and the one behind it.
  assert(kept >= before.size - 4, `${kept} of ${before.size} were copied`);
  assert(made.length <= before.size + 1, `${made.length} blocks of ${before.size}`);
  let doc = 0;
  for (const reader of inputs) {
    for (let d = 0; d < reader.docCount; d++) {
      assertEquals(merged.source(doc++).slice(), reader.source(d).slice());
    }
  }
});

Deno.test("a list that is not as it was written is a CorruptionError, never a hang", () => {
  const reader = readers[0]!;
  const random = randomOf(14);
  const run = (reader.terms("message") as unknown as { lists: { postings: { run: { bytes: Uint8Array } } } })
    .lists.postings.run.bytes;
  let found = 0;
  for (let i = 0; i < 40; i++) {
    const at = random.below(run.length);
    const was = run[at]!;
    run[at] = was ^ (1 << random.below(8));
    const field = mergeInput([{ reader, live: null }]).input.fields.find(({ name }) => name === "message")!;
    if (field.kind !== "text") throw new Error("messages are text");
    const terms = field.openTerms();
    const docs = new Uint32Array(128);
    try {
      while (terms.next()) while (terms.fillPostings(docs, new Uint32Array(128)) > 0);
    } catch (error) {
      assert(error instanceof CorruptionError, String(error));
      found++;
    } finally {
      run[at] = was;
    }
  }
  assert(found > 0);
});
