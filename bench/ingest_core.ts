/**
 * The ingest path of one thread: framing, parsing, adding, freezing, by stage.
 *
 *     deno run -A bench/ingest_core.ts FILE.ndjson MAPPING.json [rounds]
 *
 * MAPPING.json is Elasticsearch's create body. The body lies in shared memory, as it does in the server. Prints the
 * best of the rounds, since other work on the machine only ever slows one down.
 *
 * @module
 */
import { AnalyzerSet } from "../src/analysis/mod.ts";
import { AUTO_ID_BYTES, AutoIds } from "../src/ingest/auto_id.ts";
import { FastParser } from "../src/ingest/fast_document.ts";
import { NdjsonCutter } from "../src/ingest/ndjson.ts";
import { Memtable } from "../src/memtable/memtable.ts";
import { parseDocument } from "../src/schema/document.ts";
import { Mapping } from "../src/schema/mapping.ts";
import { StagedDocument } from "../src/schema/staged.ts";
import type { SegmentInput } from "../src/segment/input.ts";
import { StoredWriter } from "../src/segment/stored.ts";

const [file, mappingFile, roundsText] = Deno.args;
if (!file || !mappingFile) {
  console.error("usage: ingest_core.ts FILE.ndjson MAPPING.json [rounds]");
  Deno.exit(2);
}
const rounds = Number(roundsText ?? 5);
const onDisk = Deno.readFileSync(file);
const bytes = new Uint8Array(new SharedArrayBuffer(onDisk.length));
bytes.set(onDisk);
const analyzers = AnalyzerSet.fromSettings({}, "standard");
const json = JSON.parse(Deno.readTextFileSync(mappingFile));
const mapping = Mapping.parse(json.mappings ?? json, { maxFields: 1000, analyzers });
const staged = new StagedDocument();

function eachLine(visit: (start: number, end: number) => void): number {
  const cutter = new NdjsonCutter({ lineBytesMax: 1 << 24 });
  cutter.push(bytes);
  let count = 0;
  while (cutter.next()) {
    visit(cutter.start, cutter.end);
    count++;
  }
  return count;
}

function fill(memtable: Memtable, trackIds: boolean): number {
  const parser = new FastParser(mapping);
  const ids = new AutoIds({ nowMs: () => Date.now(), random: crypto.getRandomValues(new Uint8Array(6)) });
  let seqNo = 0;
  return eachLine((start, end) => {
    if (!parser.parse(bytes, start, end, staged)) {
      const outcome = parseDocument(mapping, bytes, start, end, staged, { maxDepth: 20 });
      if (outcome.kind !== "ok") throw new Error(JSON.stringify(outcome));
    }
    ids.next();
    memtable.add(staged, ids.bytes, 0, AUTO_ID_BYTES, bytes, start, end, seqNo++, 1, trackIds);
  });
}

/** Reads all that a builder reads, once. */
function drain(input: SegmentInput): void {
  const docs = new Uint32Array(128);
  const freqs = new Uint32Array(128);
  const numbers = new Float64Array(128);
  const wides = new BigInt64Array(128);
  for (const field of input.fields) {
    if (field.kind === "numeric") {
      const cursor = field.open();
      while (cursor.fill(docs, field.wide ? wides : numbers) > 0);
      continue;
    }
    const terms = field.openTerms();
    while (terms.next()) while (terms.fillPostings(docs, freqs) > 0);
    if (field.kind === "terms") {
      const cursor = field.openOrdinals();
      while (cursor.fill(docs, freqs) > 0);
    }
  }
}

const best = new Map<string, number>();
let documents = 0;
let sizeBytes = 0;

function stage<T>(name: string, work: () => T): T {
  const start = performance.now();
  const result = work();
  best.set(name, Math.min(best.get(name) ?? Infinity, performance.now() - start));
  return result;
}

for (let round = 0; round < rounds; round++) {
  documents = stage("frame", () => eachLine(() => {}));
  stage("frame + parse", () => {
    const parser = new FastParser(mapping);
    let taken = 0;
    eachLine((start, end) => {
      if (parser.parse(bytes, start, end, staged)) taken++;
    });
    if (round === 0) console.log(`${taken} of ${documents} documents by the fast parser`);
  });
  stage("stored compression", () => {
    const stored = new StoredWriter();
    eachLine((start, end) => void stored.add(bytes, start, end));
    stored.finish();
  });
  const tracked = new Memtable({ mapping, analyzers });
  stage("frame + parse + add, ids tracked", () => fill(tracked, true));
  const memtable = new Memtable({ mapping, analyzers });
  stage("frame + parse + add", () => fill(memtable, false));
  sizeBytes = memtable.sizeBytes;
  stage("freeze, and read every cursor once", () => drain(memtable.freeze()));
}

console.log(`${documents} documents, ${(bytes.length / 1e6).toFixed(1)} MB, best of ${rounds}`);
for (const [name, ms] of best) {
  const rate = Math.round(documents / ms * 1000).toLocaleString("en");
  console.log(`${name.padEnd(36)} ${ms.toFixed(0).padStart(6)} ms ${rate.padStart(12)} documents/s`);
}
console.log(`memtable: ${(sizeBytes / 1e6).toFixed(1)} MB`);
