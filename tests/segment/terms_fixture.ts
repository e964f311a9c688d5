/**
 * Runs in memory, terms from plain maps, and the seeded models that the tests of dictionaries compare with.
 */
import { assertEquals } from "@std/assert";
import { compareBytes, concatBytes } from "../../src/base/bytes.ts";
import { CorruptionError } from "../../src/base/errors.ts";
import type { TermCursor, TermsInput, TextInput } from "../../src/segment/input.ts";
import type { TermDictionary } from "../../src/segment/reader.ts";
import type { Run, RunRange, RunView, RunWriter } from "../../src/segment/runs.ts";
import type { TermsMeta } from "../../src/segment/terms_meta.ts";
import { openTerms } from "../../src/segment/terms_reader.ts";
import { writeTerms } from "../../src/segment/terms_writer.ts";
import type { Random } from "./terms_random.ts";

/** One run over plain bytes: checks ranges, counts what is touched. */
class MemoryRun implements Run {
  touchedBytes = 0;

  constructor(readonly name: string, readonly bytes: Uint8Array) {}

  get length(): number {
    return this.bytes.length;
  }

  touch(offset: number, length: number): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.length)) {
      throw new CorruptionError(`Cannot read: ${length} bytes at ${offset} of ${this.name} (${this.length})`);
    }
    this.touchedBytes += length;
  }

  view(offset: number, length: number): Uint8Array {
    this.touch(offset, length);
    return this.bytes.subarray(offset, offset + length);
  }
}

/** Both ends of a set of runs. */
export class MemoryRuns implements RunWriter, RunView {
  readonly runs = new Map<string, MemoryRun>();
  #name = "";
  #pieces: Uint8Array[] = [];

  begin(name: string): void {
    assertEquals(this.#name, "", "one run at a time");
    assertEquals(this.runs.has(name), false, "names are unique");
    this.#name = name;
  }

  append(bytes: Uint8Array): void {
    this.#pieces.push(bytes.slice());
  }

  appendOwned(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
  }

  get length(): number {
    return this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
  }

  end(): RunRange {
    const bytes = concatBytes(this.#pieces);
    this.runs.set(this.#name, new MemoryRun(this.#name, bytes));
    this.#name = "";
    this.#pieces = [];
    return { offset: 0, length: bytes.length };
  }

  run(name: string): MemoryRun | undefined {
    return this.runs.get(name);
  }

  sizeBytes(part: string): number {
    let sum = 0;
    for (const run of this.runs.values()) if (run.name.endsWith(`:${part}`)) sum += run.length;
    return sum;
  }
}

/** A term's postings, in the plainest form. */
export interface ModelTerm {
  readonly term: Uint8Array;
  readonly docs: number[];
  /** Positions by doc; their number is the frequency. Empty where the field has neither. */
  readonly positions: number[][];
}

export interface Model {
  readonly docCount: number;
  /** In byte order. */
  readonly terms: readonly ModelTerm[];
  readonly norms: Uint8Array;
}

export function sortTerms(terms: ModelTerm[]): ModelTerm[] {
  return terms.sort((a, b) => compareBytes(a.term, b.term));
}

class ModelCursor implements TermCursor {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  docFreq = 0;
  totalTermFreq = 0;
  positions: Uint32Array = new Uint32Array(0);
  #index = -1;
  #at = 0;

  /** @param chop Postings handed over at a time. */
  constructor(readonly model: Model, readonly isText: boolean, readonly chop: number) {}

  next(): boolean {
    const term = this.model.terms[++this.#index];
    if (!term) return false;
    // Terms lie somewhere inside of a larger buffer, as real ones do.
    this.start = this.#index % 3;
    this.end = this.start + term.term.length;
    this.bytes = new Uint8Array(this.end + 2).fill(0x5a);
    this.bytes.set(term.term, this.start);
    this.docFreq = term.docs.length;
    this.totalTermFreq = this.isText
      ? term.positions.reduce((sum, of) => sum + of.length, 0)
      : term.docs.length;
    this.#at = 0;
    return true;
  }

  fillPostings(docs: Uint32Array, freqs: Uint32Array): number {
    const term = this.model.terms[this.#index]!;
    const n = Math.min(this.chop, term.docs.length - this.#at, docs.length);
    const positions: number[] = [];
    for (let i = 0; i < n; i++) {
      docs[i] = term.docs[this.#at + i]!;
      if (!this.isText) continue;
      const of = term.positions[this.#at + i]!;
      freqs[i] = of.length;
      positions.push(...of);
    }
    this.positions = Uint32Array.from(positions);
    this.#at += n;
    return n;
  }
}

export function textInput(
  model: Model,
  options: { positions?: boolean; norms?: boolean; chop?: number; present?: (doc: number) => boolean } = {},
): TextInput {
  const { positions = true, norms = true, chop = 128, present } = options;
  return {
    kind: "text",
    name: "f",
    type: "text",
    positions,
    norms,
    openTerms: () => new ModelCursor(model, true, chop),
    openNorms: () => {
      let doc = 0;
      return {
        fill(docs, values) {
          let n = 0;
          for (; doc < model.docCount && n < docs.length; doc++) {
            if (present ? !present(doc) : model.norms[doc] === 0) continue;
            docs[n] = doc;
            values[n++] = model.norms[doc]!;
          }
          return n;
        },
      };
    },
  };
}

export function termsInput(model: Model, options: { postings?: boolean; chop?: number } = {}): TermsInput {
  const { postings = true, chop = 128 } = options;
  return {
    kind: "terms",
    name: "f",
    type: "keyword",
    column: true,
    postings,
    openTerms: () => new ModelCursor(model, false, chop),
    openOrdinals: () => {
      const pairs: [number, number][] = [];
      model.terms.forEach((term, ordinal) => term.docs.forEach((doc) => pairs.push([doc, ordinal])));
      pairs.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      let at = 0;
      return {
        fill(docs, ordinals) {
          const n = Math.min(docs.length, pairs.length - at);
          for (let i = 0; i < n; i++, at++) [docs[i], ordinals[i]] = pairs[at] as [number, number];
          return n;
        },
      };
    },
  };
}

export interface Written {
  readonly runs: MemoryRuns;
  readonly meta: TermsMeta;
  readonly dictionary: TermDictionary;
}

/** Writes and opens; the meta goes through JSON, as it does in a directory. */
export function roundTrip(input: TermsInput | TextInput, docCount: number): Written {
  const runs = new MemoryRuns();
  const writing = writeTerms(input, runs, docCount);
  let step = writing.next();
  while (!step.done) step = writing.next();
  const meta = JSON.parse(JSON.stringify(step.value)) as TermsMeta;
  return { runs, meta, dictionary: openTerms("f", meta, runs) };
}

/** `count` different ascending docs below docCount, by one of several shapes. */
export function randomDocs(random: Random, count: number, docCount: number): number[] {
  const docs = new Set<number>();
  const shape = random.below(3);
  if (shape === 0 || count * 2 > docCount) {
    // Dense: all but a few of a range.
    const skip = docCount - count;
    let left = skip;
    for (let doc = 0; doc < docCount && docs.size < count; doc++) {
      if (left > 0 && random.below(docCount - doc) < left) left--;
      else docs.add(doc);
    }
  } else if (shape === 1) {
    while (docs.size < count) docs.add(random.below(docCount));
  } else {
    while (docs.size < count) {
      let doc = random.below(docCount);
      for (let run = random.below(60); run >= 0 && doc < docCount && docs.size < count; run--) {
        docs.add(doc++);
      }
    }
  }
  return [...docs].sort((a, b) => a - b);
}

export function randomPositions(random: Random): number[] {
  const freq = random.below(20) === 0 ? 1 + random.below(400) : 1 + random.below(3);
  const positions: number[] = [];
  let position = random.below(50);
  for (let i = 0; i < freq; i++) {
    positions.push(position);
    position += random.below(30) === 0 ? random.below(1 << 20) : random.below(9);
  }
  return positions;
}

/** Terms with the given numbers of docs, of random bytes. */
export function randomModel(
  random: Random,
  docCount: number,
  docFreqs: readonly number[],
  term: (i: number) => Uint8Array,
): Model {
  const byKey = new Map<string, ModelTerm>();
  docFreqs.forEach((docFreq, i) => {
    const docs = randomDocs(random, docFreq, docCount);
    const bytes = term(i);
    byKey.set(bytes.join(), { term: bytes, docs, positions: docs.map(() => randomPositions(random)) });
  });
  const norms = Uint8Array.from({ length: docCount }, () => 1 + random.below(60));
  return { docCount, terms: sortTerms([...byKey.values()]), norms };
}
