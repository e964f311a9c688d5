import { assert, assertEquals } from "@std/assert";
import { compareBytes, utf8 } from "../../src/base/bytes.ts";
import { markPresent, openNorms } from "../../src/segment/norms.ts";
import type { Written } from "./terms_fixture.ts";
import { type Model, randomModel, roundTrip, sortTerms, termsInput, textInput } from "./terms_fixture.ts";
import { type Random, randomOf } from "./terms_random.ts";

const DOC_COUNT = 1000;

function randomBytes(random: Random, length: number, symbols: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(symbols));
}

/** Makers of terms, each with its own trouble. */
const MAKERS: Record<string, (random: Random, i: number) => Uint8Array> = {
  "binary bytes, the empty term among them": (random) => randomBytes(random, random.below(6), 256),
  "one letter, differing lengths": (_, i) => new Uint8Array(i).fill(0x61),
  "random hex": (random) => utf8(Array.from({ length: 32 }, () => random.below(16).toString(16)).join("")),
  "long shared prefixes": (random, i) => utf8(`/var/log/${"deep/".repeat(i % 7)}${random.below(100000)}`),
  "addresses": (random) => {
    const bytes = new Uint8Array(16);
    bytes.set([0xff, 0xff], 10);
    bytes.set(randomBytes(random, 4, 256), 12);
    return bytes;
  },
  "five symbols": (random) => randomBytes(random, 1 + random.below(12), 5),
  "up to the longest term": (random, i) => {
    const bytes = new Uint8Array(i % 50 === 0 ? 32766 : random.below(300)).fill(0x78);
    return Uint8Array.from([
      ...bytes.subarray(0, -3),
      ...randomBytes(random, Math.min(3, bytes.length), 256),
    ]);
  },
};

function modelOf(name: string, seed: number, count: number): Model {
  const random = randomOf(seed);
  const docFreqs = Array.from(
    { length: count },
    () => random.below(9) === 0 ? 1 + random.below(900) : 1 + random.below(3),
  );
  return randomModel(random, DOC_COUNT, docFreqs, (i) => MAKERS[name]!(random, i));
}

/** Compares every way in with the model. */
function checkDictionary(model: Model, { dictionary }: Written, random: Random): void {
  const { terms } = model;
  assertEquals(dictionary.termCount, terms.length);
  assertEquals(dictionary.sumDocFreq, terms.reduce((sum, term) => sum + term.docs.length, 0));
  const all = dictionary.iterate();
  terms.forEach((term, ordinal) => {
    assert(all.next());
    assertEquals(all.term, term.term);
    assertEquals(all.entry.ordinal, ordinal);
    assertEquals(all.entry.docFreq, term.docs.length);
  });
  assertEquals(all.next(), false);
  assertEquals(all.next(), false);
  for (let look = 0; look < 400; look++) {
    const ordinal = random.below(terms.length);
    const { term, docs } = terms[ordinal]!;
    const entry = dictionary.find(term)!;
    assertEquals(entry.ordinal, ordinal);
    assertEquals(dictionary.term(ordinal), term);
    const cursor = dictionary.postings(entry, { freqs: false, positions: false });
    assertEquals(cursor.next(), docs[0]);
    // An entry copied into a plain object serves as well.
    assertEquals(dictionary.postings({ ...entry }, { freqs: false, positions: false }).docFreq, docs.length);
    const near = nearby(random, term);
    const bound = terms.findIndex((other) => compareBytes(other.term, near) >= 0);
    assertEquals(dictionary.lowerBound(near), bound < 0 ? terms.length : bound);
    const isThere = bound >= 0 && compareBytes(terms[bound]!.term, near) === 0;
    assertEquals(dictionary.find(near)?.ordinal, isThere ? bound : undefined);
    const from = dictionary.iterate(near);
    assertEquals(from.next(), bound >= 0);
    if (bound >= 0) assertEquals(from.term, terms[bound]!.term);
  }
}

/** A term or something close to it. */
function nearby(random: Random, term: Uint8Array): Uint8Array {
  const kind = random.below(4);
  if (kind === 0) return Uint8Array.from([...term, random.below(256)]);
  if (kind === 1) return term.slice(0, random.below(term.length + 1));
  const near = term.slice();
  if (near.length > 0) near[random.below(near.length)] = random.below(256);
  return near;
}

for (const name of Object.keys(MAKERS)) {
  Deno.test(`a dictionary gives back its terms: ${name}`, () => {
    for (const count of [1, 31, 32, 33, 400]) {
      const model = modelOf(name, count, count);
      checkDictionary(model, roundTrip(termsInput(model), DOC_COUNT), randomOf(count));
    }
    const model = modelOf(name, 3, 200);
    checkDictionary(model, roundTrip(textInput(model), DOC_COUNT), randomOf(5));
  });
}

Deno.test("a dictionary without terms finds nothing", () => {
  const { dictionary, runs } = roundTrip(termsInput({ docCount: 5, terms: [], norms: new Uint8Array(5) }), 5);
  assertEquals(runs.runs.size, 0);
  assertEquals(dictionary.find(utf8("a")), undefined);
  assertEquals(dictionary.lowerBound(utf8("a")), 0);
  assertEquals(dictionary.iterate().next(), false);
  assertEquals([dictionary.termCount, dictionary.docCount], [0, 0]);
});

Deno.test("random hex ids cost at most 18 bytes a term, addresses at most 8", () => {
  const random = randomOf(1);
  const ids = new Map<string, number>();
  while (ids.size < 20_000) {
    ids.set(Array.from({ length: 32 }, () => random.below(16).toString(16)).join(""), ids.size);
  }
  const hexModel: Model = {
    docCount: ids.size,
    terms: sortTerms([...ids].map(([id, doc]) => ({ term: utf8(id), docs: [doc], positions: [[]] }))),
    norms: new Uint8Array(0),
  };
  const hex = roundTrip(termsInput(hexModel), ids.size);
  // One doc each: it lies in the dictionary.
  assertEquals([...hex.runs.runs.keys()].sort(), ["f:dict", "f:fst"]);
  assert((hex.runs.sizeBytes("dict") + hex.runs.sizeBytes("fst")) / ids.size < 18);
  const ips = randomModel(randomOf(2), 20_000, Array(20_000).fill(1), () => MAKERS["addresses"]!(random, 0));
  const ip = roundTrip(termsInput(ips), 20_000);
  assert((ip.runs.sizeBytes("dict") + ip.runs.sizeBytes("fst")) / ips.terms.length < 8);
});

Deno.test("statistics count docs once, and only those with a term", () => {
  const terms = sortTerms([
    { term: utf8("a"), docs: [0, 2, 4], positions: [[0, 3], [1], [0]] },
    { term: utf8("b"), docs: [2, 7], positions: [[0], [5, 6, 7]] },
  ]);
  const model: Model = { docCount: 10, terms, norms: Uint8Array.of(2, 0, 2, 0, 1, 0, 0, 3, 0, 0) };
  const text =
    roundTrip(textInput(model, { present: (doc) => model.norms[doc] !== 0 || doc === 9 }), 10).dictionary;
  assertEquals([text.docCount, text.sumDocFreq, text.sumTotalTermFreq], [4, 5, 8]);
  const keyword = roundTrip(termsInput(model), 10).dictionary;
  assertEquals([keyword.docCount, keyword.sumDocFreq, keyword.sumTotalTermFreq], [4, 5, 5]);
  const { dictionary, runs } = roundTrip(termsInput(model, { postings: false }), 10);
  assertEquals([dictionary.docCount, dictionary.hasPostings], [4, false]);
  assertEquals(dictionary.find(utf8("b"))!.docFreq, 2);
  assertEquals([...runs.runs.keys()], ["f:dict"]);
});

Deno.test("norms and presence come back, whichever form they take", () => {
  const terms = [{ term: utf8("a"), docs: [0, 2], positions: [[0], [0]] }];
  const cases: [string, number[], boolean[], boolean, string[]][] = [
    ["mixed", [1, 0, 9, 0], [true, false, true, false], true, ["f:norms"]],
    ["constant", [4, 4, 4, 4], [true, true, true, true], true, []],
    ["empty text", [1, 0, 9, 0], [true, false, true, true], true, ["f:norms", "f:presence"]],
    ["norms off", [1, 0, 9, 0], [true, false, true, false], false, ["f:presence"]],
    ["norms off, all present", [1, 2, 9, 5], [true, true, true, true], false, []],
  ];
  for (const [name, norms, present, on, wanted] of cases) {
    const model: Model = { docCount: 4, terms, norms: Uint8Array.from(norms) };
    const { meta, runs } = roundTrip(textInput(model, { norms: on, present: (doc) => present[doc]! }), 4);
    const kept = [...runs.runs.keys()].filter((run) => run === "f:norms" || run === "f:presence");
    assertEquals(kept, wanted, name);
    const read = openNorms("f", meta.norms!, 4, runs);
    assertEquals(read === undefined ? undefined : [...read], on ? norms : undefined, name);
    const bits = new Uint32Array(1);
    markPresent("f", meta.norms!, 4, runs, bits);
    assertEquals(present.map((_, doc) => (bits[0]! >>> doc & 1) === 1), present, name);
    assertEquals(meta.norms!.present, present.filter((each) => each).length, name);
  }
});

Deno.test("a look-up touches a small part of a large dictionary", () => {
  const model = modelOf("random hex", 4, 20_000);
  const { dictionary, runs } = roundTrip(termsInput(model), DOC_COUNT);
  dictionary.find(model.terms[7]!.term);
  assert(runs.run("f:dict")!.touchedBytes < 1500);
});
