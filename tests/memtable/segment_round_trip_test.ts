import { assert, assertEquals } from "@std/assert";
import { AnalyzerSet } from "../../src/analysis/mod.ts";
import { concatBytes, utf8, utf8Text } from "../../src/base/bytes.ts";
import { FastParser } from "../../src/ingest/fast_document.ts";
import { Memtable } from "../../src/memtable/memtable.ts";
import { parseDocument } from "../../src/schema/document.ts";
import { Mapping } from "../../src/schema/mapping.ts";
import { StagedDocument } from "../../src/schema/staged.ts";
import { buildSegmentNow } from "../../src/segment/builder.ts";
import { type FileImage, PAGE_BYTES } from "../../src/segment/file_view.ts";
import { finishIds } from "../../src/segment/ids_tail.ts";
import { openSegment } from "../../src/segment/open.ts";
import type { SegmentReader } from "../../src/segment/reader.ts";
import { type Random, randomOf } from "../ingest/random.ts";
import { latin1, type ReadField, readInput, type ReadTerm } from "./read_input.ts";

const analyzers = AnalyzerSet.fromSettings({}, "standard");
const mapping = Mapping.parse({
  properties: {
    at: { type: "date" },
    level: { type: "keyword" },
    tags: { type: "keyword" },
    id: { type: "keyword" },
    size: { type: "long" },
    ratio: { type: "double" },
    ok: { type: "boolean" },
    from: { type: "ip" },
    message: { type: "text", fields: { raw: { type: "keyword", ignore_above: 40 } } },
    labels: { type: "flattened" },
  },
}, { maxFields: 100, analyzers });

const WORDS = "request completed in error timeout user order created node token backup é".split(" ");

function document(random: Random, i: number): string {
  const maybe = (text: string): string => random.below(4) === 0 ? "" : text;
  const words = Array.from({ length: random.below(12) }, () => random.pick(WORDS)).join(" ");
  const big = random.below(50) === 0 ? "9007199254740993" : String(random.below(5000));
  const members = [
    maybe(`"at":"2024-01-0${1 + random.below(9)}T00:00:${10 + random.below(50)}.000Z"`),
    `"level":"${random.pick(["info", "warn", "error"])}"`,
    maybe(`"tags":[${Array.from({ length: random.below(5) }, () => `"t${random.below(6)}"`)}]`),
    `"id":"${random.below(2 ** 31).toString(16)}${i}"`,
    maybe(`"size":${random.below(10) === 0 ? `[${big},${random.below(99)}]` : big}`),
    maybe(`"ratio":${random.below(1000) / 8}`),
    maybe(`"ok":${random.below(2) === 0}`),
    maybe(`"from":"10.0.${random.below(4)}.${random.below(256)}"`),
    maybe(`"message":${random.below(9) === 0 ? `["${words}","${words} again"]` : `"${words}"`}`),
    random.below(9) === 0 ? `"labels":{"env":"p${random.below(3)}","n":{"x":${random.below(9)}}}` : "",
  ];
  return `{${members.filter((member) => member !== "").join(",")}}`;
}

function image(bytes: Uint8Array, label: string): FileImage {
  return { bytes, verified: new Uint32Array(Math.ceil(bytes.length / PAGE_BYTES / 32)), label };
}

/** What a reader holds of a field, in the form of `readInput`. */
function readSegment(reader: SegmentReader, name: string, expected: ReadField): ReadField {
  const { kind, type } = expected;
  const docs = Uint32Array.from({ length: reader.docCount }, (_, doc) => doc);
  if (kind === "numeric") {
    const column = reader.numeric(name)!;
    const cursor = column.cursor();
    const numbers = new Map<number, (number | bigint)[]>();
    const n = cursor.gather(docs, docs.length);
    for (let i = 0; i < n; i++) {
      const doc = docs[cursor.owners[i]!]!;
      numbers.set(doc, [...numbers.get(doc) ?? [], column.wide ? cursor.wides[i]! : cursor.values[i]!]);
    }
    return { kind, type, numbers };
  }
  const dictionary = reader.terms(name)!;
  const text = kind === "text";
  const terms = new Map<string, ReadTerm>();
  for (const terms_ = dictionary.iterate(); terms_.next();) {
    const { entry } = terms_;
    const cursor = dictionary.postings(entry, { freqs: text, positions: text });
    const postings: number[][] = [];
    for (let doc = cursor.next(); postings.length < entry.docFreq; doc = cursor.next()) {
      postings.push(text ? [doc, cursor.freq, ...cursor.positions().subarray(0, cursor.freq)] : [doc]);
    }
    const { docFreq, totalTermFreq } = entry;
    terms.set(latin1(terms_.term), { docFreq, totalTermFreq, postings });
  }
  if (text) {
    const all = reader.norms(name)!;
    return { kind, type, terms, norms: new Map([...expected.norms!.keys()].map((doc) => [doc, all[doc]!])) };
  }
  const cursor = reader.ordinals(name)!.cursor();
  const names = [...terms.keys()];
  const values = new Map<number, string[]>();
  const n = cursor.gather(docs, docs.length);
  for (let i = 0; i < n; i++) {
    const doc = docs[cursor.owners[i]!]!;
    values.set(doc, [...values.get(doc) ?? [], names[cursor.ordinals[i]!]!]);
  }
  return { kind, type, values, terms };
}

Deno.test("a segment built from a frozen memtable tells what the memtable was told", () => {
  for (const [seed, docCount] of [[1, 1], [2, 130], [3, 1500]] as const) {
    const random = randomOf(seed);
    const memtable = new Memtable({ mapping, analyzers });
    const fast = new FastParser(mapping);
    const staged = new StagedDocument();
    const sources: string[] = [];
    for (let i = 0; i < docCount; i++) {
      const source = document(random, i);
      const bytes = utf8(source);
      if (!fast.parse(bytes, 0, bytes.length, staged)) {
        const outcome = parseDocument(mapping, bytes, 0, bytes.length, staged, { maxDepth: 20 });
        assertEquals(outcome.kind, "ok", JSON.stringify(outcome));
      }
      const id = utf8(`doc-${i}`);
      const doc = memtable.add(staged, id, 0, id.length, bytes, 0, bytes.length, i + 10, 1, i % 3 > 0);
      if (random.below(20) === 0) memtable.kill(doc);
      sources.push(source);
    }
    const input = memtable.freeze();
    const expected = readInput(input, 128);
    const built = buildSegmentNow(input, { uuid: "0b1e4b7a-8f5e-4c55-9d3b-0123456789ab" });
    const tail = finishIds(built.idsBody, { tombstones: [], bornDead: memtable.bornDead() });
    const reader = openSegment({
      seg: image(built.seg, "seg"),
      sidx: image(built.sidx, "sidx"),
      ids: image(concatBytes([built.idsBody.bytes, tail]), "ids"),
    });
    assertEquals(reader.docCount, docCount);
    assertEquals(reader.bornDead, memtable.bornDead());
    for (const [name, field] of expected.fields) assertEquals(readSegment(reader, name, field), field, name);
    for (let i = 0; i < docCount; i += 7) {
      assertEquals(utf8Text(reader.source(i)), sources[i]);
      assertEquals(reader.id(i), `doc-${i}`);
      assertEquals(reader.findId(utf8(`doc-${i}`)), i);
    }
    assert(expected.fields.size >= 4);
  }
});
