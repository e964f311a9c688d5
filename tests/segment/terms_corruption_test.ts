import { assert } from "@std/assert";
import { CorruptionError } from "../../src/base/errors.ts";
import { NO_MORE_DOCS } from "../../src/segment/reader.ts";
import { parseTermsMeta } from "../../src/segment/terms_meta.ts";
import { openTerms } from "../../src/segment/terms_reader.ts";
import { type Model, randomModel, roundTrip, textInput, type Written } from "./terms_fixture.ts";
import { type Random, randomOf } from "./terms_random.ts";

const DOC_COUNT = 20_000;

function model(): Model {
  const docFreqs = [1, 2, 3, 100, 128, 700, 5000, 9000, ...Array(90).fill(1), ...Array(20).fill(30)];
  return randomModel(
    randomOf(1),
    DOC_COUNT,
    docFreqs,
    (i) => new TextEncoder().encode(`t${i * 7919 % 1000}`),
  );
}

/** Reads all there is, in every way, without looking at what comes. */
function readAll(written: Written, terms: Model["terms"], random: Random): void {
  const dictionary = openTerms("f", written.meta, written.runs);
  const iterator = dictionary.iterate();
  while (iterator.next()) assert(iterator.entry.docFreq > 0);
  for (let look = 0; look < 12; look++) {
    const entry = dictionary.find(terms[look < 8 ? random.below(terms.length) : 0]!.term);
    if (!entry) continue;
    dictionary.lowerBound(dictionary.term(entry.ordinal).slice(0, 2));
    const cursor = dictionary.postings(entry, { freqs: true, positions: true });
    let steps = 0;
    for (let doc = cursor.next(); doc !== NO_MORE_DOCS; doc = cursor.advance(doc + 1 + random.below(300))) {
      // However wrong, docs ascend and end.
      assert(++steps <= DOC_COUNT);
      cursor.shallowAdvance(doc);
      if (steps % 7 === 0) cursor.positions();
    }
    cursor.maxImpacts();
    const blocks = dictionary.postings(entry, { freqs: true, positions: false });
    for (let n = blocks.nextBlock(); n > 0; n = blocks.nextBlock()) assert(++steps <= 2 * DOC_COUNT);
  }
}

Deno.test("flipped bytes behind the door's back end in answers or a CorruptionError, never in a hang", () => {
  const { terms } = model();
  const written = roundTrip(textInput(model()), DOC_COUNT);
  const random = randomOf(2);
  let refused = 0;
  readAll(written, terms, random);
  for (const run of written.runs.runs.values()) {
    for (let round = 0; round < 150; round++) {
      const at = random.below(run.length);
      const before = run.bytes[at]!;
      run.bytes[at] = before ^ (1 + random.below(255));
      try {
        readAll(written, terms, random);
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error;
        refused++;
      }
      run.bytes[at] = before;
    }
  }
  assert(refused > 100, `${refused} were noticed`);
  readAll(written, terms, random);
});

Deno.test("a truncated or missing run is a CorruptionError", () => {
  const { terms } = model();
  for (const part of ["dict", "fst", "postings", "positions"]) {
    for (const keep of [0, 0.5]) {
      const written = roundTrip(textInput(model()), DOC_COUNT);
      const run = written.runs.runs.get(`f:${part}`)!;
      written.runs.runs.delete(run.name);
      if (keep > 0) {
        written.runs.begin(run.name);
        written.runs.append(run.bytes.subarray(0, Math.floor(run.length * keep)));
        written.runs.end();
      }
      let caught: unknown;
      try {
        const random = randomOf(3);
        for (let i = 0; i < 20; i++) readAll(written, terms, random);
      } catch (error) {
        caught = error;
      }
      assert(caught instanceof CorruptionError, `${part} kept ${keep}: ${caught}`);
    }
  }
});

Deno.test("a directory that describes no dictionary is a CorruptionError", () => {
  const { meta } = roundTrip(textInput(model()), DOC_COUNT);
  parseTermsMeta(JSON.parse(JSON.stringify(meta)));
  const bad: unknown[] = [
    null,
    7,
    {},
    { ...meta, termCount: -1 },
    { ...meta, docCount: DOC_COUNT + 1 },
    { ...meta, alphabet: "zz" },
    { ...meta, offsetBytes: 9 },
    { ...meta, norms: { kind: "other" } },
    { ...meta, freqs: 1 },
  ];
  for (const json of bad) {
    let caught: unknown;
    try {
      parseTermsMeta(json);
    } catch (error) {
      caught = error;
    }
    assert(caught instanceof CorruptionError, JSON.stringify(json));
  }
});
