import { assert, assertEquals, assertThrows } from "@std/assert";
import { AnalyzerSet } from "../../src/analysis/mod.ts";
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { lengthToNorm } from "../../src/base/norm.ts";
import { Memtable } from "../../src/memtable/memtable.ts";
import { Mapping } from "../../src/schema/mapping.ts";
import { StagedDocument } from "../../src/schema/staged.ts";
import { type Random, randomOf } from "../ingest/random.ts";
import { latin1, type ReadField, readInput, type ReadTerm } from "./read_input.ts";

const LIMITS = { maxFields: 1000 };
const analyzers = AnalyzerSet.fromSettings({}, "standard");
const mapping = Mapping.parse({
  properties: {
    n: { type: "long" },
    d: { type: "double" },
    u: { type: "unsigned_long" },
    k: { type: "keyword" },
    nodv: { type: "keyword", doc_values: false },
    ip: { type: "ip" },
    t: { type: "text", analyzer: "standard" },
    docs_only: { type: "text", index_options: "docs", norms: false },
    off: { type: "keyword", index: false, doc_values: false },
  },
}, LIMITS);
const ordinal = (name: string): number => mapping.field(name)!.ordinal;

/** What the memtable should hold, the slow way. */
class Model {
  readonly numbers = new Map<string, Map<number, (number | bigint)[]>>();
  readonly terms = new Map<string, Map<number, string[]>>();
  readonly texts = new Map<string, Map<number, string[]>>();

  add<V>(to: Map<string, Map<number, V[]>>, field: string, doc: number, value: V): void {
    const docs = to.get(field) ?? new Map<number, V[]>();
    to.set(field, docs);
    docs.set(doc, [...docs.get(doc) ?? [], value]);
  }
}

const WORDS = ["alpha", "Beta", "gamma_1", "é", "10.5", "don't", "x", "ALPHA", "日本", "a:b", "_", ""];

/** Stages a document's values in random order, many fields several times; tells the model. */
function stageRandom(
  random: Random,
  staged: StagedDocument,
  model: Model,
  doc: number,
  source: Uint8Array,
): void {
  staged.reset(source);
  const count = random.below(14);
  for (let i = 0; i < count; i++) {
    switch (random.below(8)) {
      case 0: {
        const wide = random.below(40) === 0;
        const value = wide ? 2n ** 60n + BigInt(random.below(1000)) : random.below(2000) - 1000;
        if (typeof value === "bigint") staged.wide(ordinal("n"), value);
        else staged.number(ordinal("n"), value);
        model.add(model.numbers, "n", doc, value);
        break;
      }
      case 1: {
        const value = random.next() * 100 - 50;
        staged.number(ordinal("d"), value);
        model.add(model.numbers, "d", doc, value);
        break;
      }
      case 2: {
        const value = BigInt(random.below(1e9)) - 2n ** 62n;
        staged.wide(ordinal("u"), value);
        model.add(model.numbers, "u", doc, value);
        break;
      }
      case 3: {
        // A range of the source itself.
        const start = random.below(source.length);
        const end = start + random.below(Math.min(4, source.length - start) + 1);
        const field = random.pick(["k", "nodv", "off"]);
        staged.sourceTerm(ordinal(field), start, end);
        model.add(model.terms, field, doc, latin1(source.subarray(start, end)));
        break;
      }
      case 4: {
        const bytes = utf8(random.pick(WORDS));
        staged.scratchTerm(ordinal("k"), bytes);
        model.add(model.terms, "k", doc, latin1(bytes));
        break;
      }
      case 5: {
        const bytes = Uint8Array.from({ length: 16 }, () => random.below(3));
        staged.scratchTerm(ordinal("ip"), bytes);
        model.add(model.terms, "ip", doc, latin1(bytes));
        break;
      }
      default: {
        const text = Array.from({ length: random.below(9) }, () => random.pick(WORDS)).join(
          random.pick([" ", ", "]),
        );
        const field = random.pick(["t", "t", "docs_only"]);
        staged.scratchText(ordinal(field), utf8(text));
        model.add(model.texts, field, doc, text);
      }
    }
  }
}

function compareNumbers(a: number | bigint, b: number | bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function expectedNumbers(docs: Map<number, (number | bigint)[]>): Map<number, (number | bigint)[]> {
  const wide = [...docs.values()].some((list) => list.some((value) => typeof value === "bigint"));
  return new Map([...docs].map(([doc, list]) => [
    doc,
    list.map((value) => wide ? BigInt(value) : value).sort(compareNumbers),
  ]));
}

function expectedTerms(docs: Map<number, string[]>): Pick<ReadField, "values" | "terms"> {
  const values = new Map<number, string[]>();
  const postings = new Map<string, number[][]>();
  for (const [doc, list] of docs) {
    const distinct = [...new Set(list)].sort(byCodeUnit);
    values.set(doc, distinct);
    for (const term of distinct) postings.set(term, [...postings.get(term) ?? [], [doc]]);
  }
  const terms = new Map<string, ReadTerm>();
  for (const term of [...postings.keys()].sort(byCodeUnit)) {
    const list = postings.get(term)!;
    terms.set(term, { docFreq: list.length, totalTermFreq: list.length, postings: list });
  }
  return { values, terms };
}

/** Code units of latin-1 text are its bytes. */
function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function expectedText(
  docs: Map<number, string[]>,
  use: { freqs: boolean },
): Pick<ReadField, "terms" | "norms"> {
  const norms = new Map<number, number>();
  const found = new Map<string, Map<number, number[]>>();
  const analyzer = analyzers.get("standard");
  for (const [doc, texts] of docs) {
    let position = -1;
    let length = 0;
    texts.forEach((text, i) => {
      const base = i === 0 ? 0 : position + 101;
      if (i > 0) position += 100;
      for (const token of analyzer.analyze(text)) {
        position = base + token.position;
        length++;
        const term = latin1(utf8(token.term));
        const byDoc = found.get(term) ?? new Map<number, number[]>();
        found.set(term, byDoc);
        byDoc.set(doc, [...byDoc.get(doc) ?? [], position]);
      }
    });
    norms.set(doc, lengthToNorm(length));
  }
  const terms = new Map<string, ReadTerm>();
  for (const term of [...found.keys()].sort(byCodeUnit)) {
    const postings = [...found.get(term)!].map(([doc, at]) => use.freqs ? [doc, at.length, ...at] : [doc, 1]);
    const totalTermFreq = postings.reduce((sum, posting) => sum + posting[1]!, 0);
    terms.set(term, { docFreq: postings.length, totalTermFreq, postings });
  }
  return { terms, norms };
}

Deno.test("a frozen memtable tells what was put into it", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = randomOf(seed);
    const memtable = new Memtable({ mapping, analyzers });
    const staged = new StagedDocument();
    const model = new Model();
    const ids: string[] = [];
    const docCount = seed === 1 ? 0 : 1 + random.below(400);
    for (let doc = 0; doc < docCount; doc++) {
      const source = utf8(`{"doc":${doc},"x":"${"abcab".slice(random.below(5))}"}`);
      stageRandom(random, staged, model, doc, source);
      const id = utf8(`id-${random.below(1000)}-${doc}`);
      ids.push(utf8Text(id));
      const added = memtable.add(
        staged,
        id,
        0,
        id.length,
        source,
        0,
        source.length,
        doc * 2,
        1,
        random.below(2) === 0,
      );
      assertEquals(added, doc);
    }
    const input = memtable.freeze();
    for (const room of [128, 3]) {
      const read = readInput(input, room);
      assertEquals(read.ids, ids);
      const names = [...model.numbers.keys(), ...model.terms.keys(), ...model.texts.keys()];
      const expected = new Set(names.filter((name) => name !== "off"));
      if (docCount > 0) expected.add("_seq_no").add("_version");
      assertEquals(new Set(read.fields.keys()), expected);
      for (const [name, docs] of model.numbers) {
        assertEquals(read.fields.get(name)!.numbers, expectedNumbers(docs));
      }
      for (const [name, docs] of model.terms) {
        if (name === "off") continue;
        const { values, terms } = read.fields.get(name)!;
        const model = expectedTerms(docs);
        assertEquals(terms, model.terms);
        assertEquals([...terms!.keys()], [...model.terms!.keys()], "order of terms");
        assertEquals(values, model.values);
      }
      for (const [name, docs] of model.texts) {
        const { terms, norms } = read.fields.get(name)!;
        const model = expectedText(docs, { freqs: name === "t" });
        assertEquals(terms, model.terms);
        assertEquals([...terms!.keys()], [...model.terms!.keys()], "order of terms");
        assertEquals(norms, model.norms);
      }
    }
  }
});

Deno.test("what the builder may write follows the mapping", () => {
  const memtable = new Memtable({ mapping, analyzers });
  const staged = new StagedDocument();
  staged.reset(utf8("ab"));
  staged.sourceTerm(ordinal("nodv"), 0, 1);
  staged.sourceTerm(ordinal("k"), 0, 1);
  staged.sourceTerm(ordinal("ip"), 0, 1);
  staged.sourceText(ordinal("docs_only"), 0, 2);
  staged.number(ordinal("u"), 5);
  staged.ignored.push("some.field");
  memtable.add(staged, utf8("1"), 0, 1, utf8("{}"), 0, 2, 9, 3, true);
  const uses = memtable.freeze().fields.map((field) =>
    field.kind === "terms"
      ? `${field.name} ${field.type} column=${field.column} postings=${field.postings}`
      : field.kind === "text"
      ? `${field.name} positions=${field.positions} norms=${field.norms}`
      : `${field.name} ${field.type} wide=${field.wide}`
  );
  assertEquals(uses.sort(), [
    "_ignored keyword column=true postings=true",
    "_seq_no long wide=false",
    "_version long wide=false",
    "docs_only positions=false norms=false",
    "ip ip column=true postings=true",
    "k keyword column=true postings=true",
    "nodv keyword column=false postings=true",
    "u unsigned_long wide=true",
  ]);
});

Deno.test("gets by id see the latest write; dead docs stay, as such", () => {
  const memtable = new Memtable({ mapping, analyzers });
  const staged = new StagedDocument();
  staged.reset(utf8(""));
  const put = (id: string, source: string, seqNo: number, track = true): number => {
    const bytes = utf8(`<${id}>`);
    const body = utf8(`..${source}`);
    return memtable.add(staged, bytes, 1, bytes.length - 1, body, 2, body.length, seqNo, seqNo + 1, track);
  };
  const find = (id: string): number => memtable.find(utf8(id), 0, utf8(id).length);
  const a = put("a", '{"v":1}', 0);
  put("auto", '{"v":2}', 1, false);
  assertEquals(memtable.bornDead(), null);
  memtable.kill(a);
  const again = put("a", '{"v":3}', 2);
  put("b", '{"v":4}', 3);
  const auto = find("auto"); // Gets its entry now.
  assertEquals([memtable.entryDoc(auto), memtable.entrySeqNo(auto), memtable.entryVersion(auto)], [1, 1, 1]);
  assertEquals(find("zzz"), -1);
  const entry = find("a");
  assertEquals([memtable.entryDoc(entry), memtable.entrySeqNo(entry), memtable.entryVersion(entry)], [
    again,
    2,
    3,
  ]);
  assertEquals(utf8Text(memtable.source(again)), '{"v":3}');
  const doc = memtable.entryDoc(find("b"));
  memtable.kill(doc);
  memtable.kill(doc);
  memtable.addTombstone(utf8("b"), 0, 1, 4, 5);
  memtable.addTombstone(utf8("never here"), 0, 10, 5, 6);
  assertEquals([memtable.entryDoc(find("b")), memtable.entryVersion(find("b"))], [-1, 5]);
  assertEquals([memtable.entryDoc(find("never here")), memtable.entrySeqNo(find("never here"))], [-1, 5]);
  assertEquals([memtable.docCount, memtable.liveCount, memtable.entryCount], [4, 2, 4]);
  assertEquals(memtable.bornDead(), Uint32Array.of(0b1001));
  assertEquals([0, 1, 2, 3].map((doc) => utf8Text(memtable.docId(doc))), ["a", "auto", "a", "b"]);
  assertEquals(readInput(memtable.freeze(), 128).ids, ["a", "auto", "a", "b"]);
  // A writer answers gets until the segment is published.
  assertEquals(find("a"), entry);
  assertEquals(utf8Text(memtable.source(0)), '{"v":1}');
  assertThrows(() => put("c", "{}", 6), Error, "frozen");
});

Deno.test("sources of old and new blocks are found, and memory is accounted for", () => {
  const memtable = new Memtable({ mapping, analyzers });
  const staged = new StagedDocument();
  const source = (i: number): string => `{"i":${i},"pad":"${"p".repeat(i % 700)}"}`;
  let last = memtable.sizeBytes;
  for (let i = 0; i < 3000; i++) {
    const bytes = utf8(source(i));
    staged.reset(bytes);
    staged.sourceTerm(ordinal("k"), 0, 6);
    const id = utf8(String(i));
    memtable.add(staged, id, 0, id.length, bytes, 0, bytes.length, i, 1, true);
    if (i % 1000 === 999) {
      assert(memtable.sizeBytes > last);
      last = memtable.sizeBytes;
    }
  }
  const random = randomOf(5);
  for (let i = 0; i < 200; i++) {
    const doc = random.below(3000);
    assertEquals(utf8Text(memtable.source(doc)), source(doc));
  }
  const { stored } = memtable.freeze();
  assertEquals([...stored.blocks].reduce((sum, block) => sum + block.docCount, 0), 3000);
});

Deno.test("a mapping may gain fields while documents come", () => {
  const memtable = new Memtable({ mapping, analyzers });
  const staged = new StagedDocument();
  staged.reset(utf8("{}"));
  memtable.add(staged, utf8("0"), 0, 1, utf8("{}"), 0, 2, 0, 1, true);
  const wider = mapping.merge({ properties: { late: { type: "keyword" } } });
  memtable.setMapping(wider);
  staged.reset(utf8("late"));
  staged.sourceTerm(wider.field("late")!.ordinal, 0, 4);
  memtable.add(staged, utf8("1"), 0, 1, utf8("{}"), 0, 2, 1, 1, true);
  const { values } = readInput(memtable.freeze(), 128).fields.get("late")!;
  assertEquals(values, new Map([[1, ["late"]]]));
});
