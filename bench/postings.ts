/**
 * Postings in memory: bits a posting and how fast they are written, decoded in bulk, stepped through and skipped.
 *
 * `deno run -A bench/postings.ts`; figures are millions a second, the best of eight rounds.
 */
import { concatBytes, utf8 } from "../src/base/bytes.ts";
import type { TermCursor, TextInput } from "../src/segment/input.ts";
import { NO_MORE_DOCS } from "../src/segment/reader.ts";
import type { Run, RunRange, RunView, RunWriter } from "../src/segment/runs.ts";
import { openTerms } from "../src/segment/terms_reader.ts";
import { writeTerms } from "../src/segment/terms_writer.ts";

const DOC_COUNT = 1_000_000;
const ROUNDS = 8;

/** Runs in plain memory; nothing is verified. */
class MemoryRuns implements RunWriter, RunView {
  readonly #runs = new Map<string, Run>();
  #name = "";
  #pieces: Uint8Array[] = [];
  length = 0;

  begin(name: string): void {
    this.#name = name;
    this.#pieces = [];
    this.length = 0;
  }

  append(bytes: Uint8Array): void {
    this.appendOwned(bytes.slice());
  }

  appendOwned(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.length += bytes.length;
  }

  end(): RunRange {
    const bytes = concatBytes(this.#pieces);
    this.#runs.set(this.#name, {
      name: this.#name,
      length: bytes.length,
      bytes,
      touchedBytes: 0,
      touch: () => {},
      view: (offset, length) => bytes.subarray(offset, offset + length),
    });
    return { offset: 0, length: bytes.length };
  }

  run(name: string): Run | undefined {
    return this.#runs.get(name);
  }
}

/** One term in about DOC_COUNT / gap docs. */
function randomTerm(gap: number, freqMax: number): { docs: Uint32Array; freqs: Uint32Array; total: number } {
  const docs: number[] = [];
  const freqs: number[] = [];
  let total = 0;
  for (let doc = 0; doc < DOC_COUNT; doc += 1 + Math.floor(-Math.log(1 - Math.random()) * (gap - 1))) {
    const freq = 1 + Math.floor(Math.random() ** 3 * freqMax);
    docs.push(doc);
    freqs.push(freq);
    total += freq;
  }
  return { docs: Uint32Array.from(docs), freqs: Uint32Array.from(freqs), total };
}

function inputOf(term: ReturnType<typeof randomTerm>): TextInput {
  const openTerms = (): TermCursor => {
    let terms = 0;
    let at = 0;
    const positions = new Uint32Array(128 * 8);
    return {
      bytes: utf8("a"),
      start: 0,
      end: 1,
      docFreq: term.docs.length,
      totalTermFreq: term.total,
      positions,
      next: () => terms++ === 0,
      fillPostings(docs, freqs) {
        const n = Math.min(128, term.docs.length - at);
        for (let i = 0, p = 0; i < n; i++, at++) {
          docs[i] = term.docs[at]!;
          freqs[i] = term.freqs[at]!;
          for (let k = 0; k < freqs[i]!; k++) positions[p++] = k * 7 + (i & 7);
        }
        return n;
      },
    };
  };
  const openNorms: TextInput["openNorms"] = () => {
    let doc = 0;
    return {
      fill(docs, norms) {
        const n = Math.min(docs.length, DOC_COUNT - doc);
        for (let i = 0; i < n; i++, doc++) {
          docs[i] = doc;
          norms[i] = 10 + (doc & 15);
        }
        return n;
      },
    };
  };
  return { kind: "text", name: "f", type: "text", positions: true, norms: true, openTerms, openNorms };
}

/** Millions a second of what `work` counts, in the best round. */
function best(work: () => number): string {
  let millions = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    const count = work();
    millions = Math.max(millions, count / (performance.now() - start) / 1000);
  }
  return millions.toFixed(1).padStart(7);
}

console.log(
  "   gap freq bits/doc bits/pos   write   docs  +freqs   next  positions  advance(+50)  shallow blocks",
);
for (const [gap, freqMax] of [[1, 1], [1.3, 1], [2.5, 1], [10, 1], [10, 3], [100, 3]] as const) {
  const term = randomTerm(gap, freqMax);
  let runs = new MemoryRuns();
  const write = () => {
    runs = new MemoryRuns();
    const writing = writeTerms(inputOf(term), runs, DOC_COUNT);
    for (let step = writing.next();; step = writing.next()) if (step.done) return step.value;
  };
  const written = best(() => {
    write();
    return term.docs.length;
  });
  const dictionary = openTerms("f", write(), runs);
  const entry = dictionary.find(utf8("a"))!;
  const open = (freqs: boolean, positions = false) => dictionary.postings(entry, { freqs, positions });
  const blocks = (freqs: boolean) => () => {
    const cursor = open(freqs);
    let count = 0;
    for (let n = cursor.nextBlock(); n > 0; n = cursor.nextBlock()) count += n;
    return count;
  };
  const steps = () => {
    const cursor = open(false);
    let count = 0;
    for (let doc = cursor.next(); doc !== NO_MORE_DOCS; doc = cursor.next()) count++;
    return count;
  };
  const positions = () => {
    const cursor = open(true, true);
    let count = 0;
    for (let doc = cursor.next(); doc !== NO_MORE_DOCS; doc = cursor.next()) {
      cursor.positions();
      count += cursor.freq;
    }
    return count;
  };
  const advances = () => {
    const cursor = open(false);
    let count = 0;
    for (let doc = cursor.advance(0); doc !== NO_MORE_DOCS; doc = cursor.advance(doc + 50)) count++;
    return count;
  };
  const shallow = () => {
    const cursor = open(true);
    let count = 0;
    for (let doc = 0; doc < DOC_COUNT; doc = cursor.shallowLastDoc + 1, count++) cursor.shallowAdvance(doc);
    return count;
  };
  console.log(
    String(gap).padStart(6),
    String(freqMax).padStart(4),
    (runs.run("f:postings")!.length * 8 / term.docs.length).toFixed(2).padStart(8),
    (runs.run("f:positions")!.length * 8 / term.total).toFixed(2).padStart(8),
    written,
    best(blocks(false)),
    best(blocks(true)),
    best(steps),
    best(positions),
    best(advances),
    best(shallow),
  );
}
