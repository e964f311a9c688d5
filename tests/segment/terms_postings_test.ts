import { assert, assertEquals } from "@std/assert";
import { NORM_LENGTHS } from "../../src/base/norm.ts";
import { NO_MORE_DOCS, type PostingsCursor, type TermDictionary } from "../../src/segment/reader.ts";
import {
  type Model,
  type ModelTerm,
  randomModel,
  roundTrip,
  termsInput,
  textInput,
} from "./terms_fixture.ts";
import { randomOf } from "./terms_random.ts";

const DOC_COUNT = 20_000;
const SHAPES = [
  1,
  2,
  3,
  4,
  126,
  127,
  128,
  129,
  255,
  256,
  257,
  1000,
  3000,
  4095,
  4096,
  4097,
  8192,
  9000,
  15_600,
];

function term(i: number): Uint8Array {
  return new TextEncoder().encode(`term${i}`);
}

function textModel(seed: number): Model {
  return randomModel(randomOf(seed), DOC_COUNT, [...SHAPES, DOC_COUNT], term);
}

function open(dictionary: TermDictionary, of: ModelTerm, freqs = true, positions = false): PostingsCursor {
  const entry = dictionary.find(of.term)!;
  assertEquals(entry.docFreq, of.docs.length);
  return dictionary.postings(entry, { freqs, positions });
}

Deno.test("postings come back by next, with frequencies and positions, whatever the shape", () => {
  for (const chop of [128, 50]) {
    const model = textModel(chop);
    const { dictionary } = roundTrip(textInput(model, { chop }), DOC_COUNT);
    for (const of of model.terms) {
      const cursor = open(dictionary, of, true, true);
      assertEquals(cursor.doc, -1);
      of.docs.forEach((doc, i) => {
        assertEquals(cursor.next(), doc);
        const expected = of.positions[i]!;
        assertEquals(cursor.freq, expected.length);
        if (i % 3 === 0 || i > of.docs.length - 5) {
          assertEquals([...cursor.positions().subarray(0, cursor.freq)], expected);
        }
      });
      assertEquals(cursor.next(), NO_MORE_DOCS);
      assertEquals(cursor.next(), NO_MORE_DOCS);
    }
  }
});

Deno.test("advance gives what next would, with its frequency and positions", () => {
  const model = textModel(7);
  const { dictionary } = roundTrip(textInput(model), DOC_COUNT);
  const random = randomOf(8);
  for (const of of model.terms) {
    for (const step of [3, 40, 700, 6000]) {
      const cursor = open(dictionary, of, true, true);
      let target = 0;
      for (;;) {
        target = Math.max(target, cursor.doc) + 1 + random.below(step);
        const i = of.docs.findIndex((doc) => doc >= target);
        if (random.below(4) === 0) cursor.shallowAdvance(target);
        assertEquals(cursor.advance(target), i < 0 ? NO_MORE_DOCS : of.docs[i]);
        if (i < 0) break;
        if (random.below(2) === 0) assertEquals(cursor.freq, of.positions[i]!.length);
        if (random.below(3) === 0) {
          assertEquals([...cursor.positions().subarray(0, cursor.freq)], of.positions[i]!);
        }
        if (random.below(5) === 0 && i + 1 < of.docs.length) {
          assertEquals(cursor.next(), of.docs[i + 1]);
          target = of.docs[i + 1]!;
        }
      }
      assertEquals(cursor.next(), NO_MORE_DOCS);
    }
  }
});

Deno.test("nextBlock hands out all docs and frequencies, also behind an advance", () => {
  const model = textModel(9);
  const { dictionary } = roundTrip(textInput(model), DOC_COUNT);
  for (const of of model.terms) {
    for (const from of [0, 5000]) {
      const cursor = open(dictionary, of);
      const docs: number[] = [];
      const freqs: number[] = [];
      if (from > 0) {
        cursor.advance(from);
        if (cursor.doc !== NO_MORE_DOCS) {
          for (let i = cursor.blockDocs.indexOf(cursor.doc); i < cursor.blockLength; i++) {
            docs.push(cursor.blockDocs[i]!);
            freqs.push(cursor.blockFreqs[i]!);
          }
        }
      }
      for (let n = cursor.nextBlock(); n > 0; n = cursor.nextBlock()) {
        docs.push(...cursor.blockDocs.subarray(0, n));
        freqs.push(...cursor.blockFreqs.subarray(0, n));
      }
      const first = of.docs.findIndex((doc) => doc >= from);
      assertEquals(docs, first < 0 ? [] : of.docs.slice(first));
      assertEquals(freqs, first < 0 ? [] : of.positions.slice(first).map((each) => each.length));
      assertEquals(cursor.doc, NO_MORE_DOCS);
    }
  }
});

/** BM25's term part, by which impacts have to bound. */
function part(freq: number, norm: number): number {
  return freq / (freq + 1.2 * (0.25 + 0.75 * NORM_LENGTHS[norm]! / 20));
}

function bound(freqs: Uint32Array, norms: Uint8Array, count: number): number {
  let best = 0;
  for (let i = 0; i < count; i++) best = Math.max(best, part(freqs[i]!, norms[i]!));
  return best;
}

Deno.test("impacts bound every posting up to the shallow block's last doc", () => {
  for (const norms of [true, false]) {
    const model = textModel(11);
    const { dictionary } = roundTrip(textInput(model, { norms }), DOC_COUNT);
    for (const of of model.terms) {
      const most = open(dictionary, of, false).maxImpacts();
      const listBound = bound(most.freqs, most.norms, most.count);
      for (const step of [1, 60, 3000]) {
        const cursor = open(dictionary, of, step !== 60);
        for (let i = 0; i < of.docs.length; i += step) {
          const doc = of.docs[i]!;
          cursor.shallowAdvance(doc);
          assert(cursor.shallowLastDoc >= doc);
          assert(cursor.impactCount > 0);
          const score = part(of.positions[i]!.length, norms ? model.norms[doc]! : 1);
          const here = bound(cursor.impactFreqs, cursor.impactNorms, cursor.impactCount);
          assert(score <= here && here <= listBound);
        }
        cursor.shallowAdvance(of.docs.at(-1)! + 1);
        assertEquals(cursor.shallowLastDoc, NO_MORE_DOCS);
        assertEquals(cursor.impactCount, 0);
      }
    }
  }
});

Deno.test("a shallow block's last doc is the block's, and looking ahead does not move the cursor", () => {
  const model = textModel(12);
  const { dictionary } = roundTrip(textInput(model), DOC_COUNT);
  for (const of of model.terms) {
    const cursor = open(dictionary, of);
    of.docs.forEach((doc, i) => {
      assertEquals(cursor.next(), doc);
      if (i % 50 !== 0) return;
      const ahead = Math.min(of.docs.length - 1, i + (i % 5) * 700);
      cursor.shallowAdvance(of.docs[ahead]!);
      const last = Math.min(of.docs.length, (Math.floor(ahead / 128) + 1) * 128) - 1;
      // The shallow position only moves forward.
      assert(cursor.shallowLastDoc >= of.docs[last]!);
      assertEquals(cursor.doc, doc);
    });
  }
});

Deno.test("keyword lists: frequencies are 1, the impact is one of length 1", () => {
  const model = randomModel(randomOf(13), DOC_COUNT, SHAPES, term);
  const { dictionary } = roundTrip(termsInput(model, { chop: 100 }), DOC_COUNT);
  assertEquals(dictionary.hasFreqs, false);
  for (const of of model.terms) {
    const cursor = open(dictionary, of);
    cursor.shallowAdvance(0);
    assertEquals([cursor.impactFreqs[0], cursor.impactNorms[0], cursor.impactCount], [1, 1, 1]);
    const docs: number[] = [];
    for (let n = cursor.nextBlock(); n > 0; n = cursor.nextBlock()) {
      assert(cursor.blockFreqs.subarray(0, n).every((freq) => freq === 1));
      docs.push(...cursor.blockDocs.subarray(0, n));
    }
    assertEquals(docs, of.docs);
    assertEquals(open(dictionary, of).maxImpacts().count, 1);
  }
});

Deno.test("a field without positions keeps frequencies", () => {
  const model = textModel(14);
  const { dictionary, runs } = roundTrip(textInput(model, { positions: false }), DOC_COUNT);
  assertEquals(runs.run("f:positions"), undefined);
  for (const of of model.terms) {
    const cursor = open(dictionary, of);
    of.docs.forEach((doc, i) => {
      assertEquals(cursor.next(), doc);
      assertEquals(cursor.freq, of.positions[i]!.length);
    });
  }
});
