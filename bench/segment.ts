/**
 * One segment of a file's documents: how long it takes to build, what each run costs on disk, how fast columns are
 * read back.
 *
 *     deno run -A bench/segment.ts FILE.ndjson MAPPING.json [rounds]
 *
 * MAPPING.json is Elasticsearch's create body. Prints the best of the rounds, since other work on the machine only
 * ever slows one down.
 *
 * @module
 */
import { cpuUsage } from "node:process";
import { AnalyzerSet } from "../src/analysis/mod.ts";
import { AUTO_ID_BYTES, AutoIds } from "../src/ingest/auto_id.ts";
import { FastParser } from "../src/ingest/fast_document.ts";
import { NdjsonCutter } from "../src/ingest/ndjson.ts";
import { Memtable } from "../src/memtable/memtable.ts";
import { parseDocument } from "../src/schema/document.ts";
import { Mapping } from "../src/schema/mapping.ts";
import { StagedDocument } from "../src/schema/staged.ts";
import { buildSegment, type BuiltSegment } from "../src/segment/builder.ts";
import { type FileImage, PAGE_BYTES } from "../src/segment/file_view.ts";
import { finishIds } from "../src/segment/ids_tail.ts";
import type { SegmentInput } from "../src/segment/input.ts";
import { mergeInput } from "../src/segment/merge_input.ts";
import { openSegment, type StoredSegment } from "../src/segment/open.ts";

const [file, mappingFile, roundsText] = Deno.args;
if (!file || !mappingFile) {
  console.error("usage: segment.ts FILE.ndjson MAPPING.json [rounds]");
  Deno.exit(2);
}
const rounds = Number(roundsText ?? 3);
const UUID = "00000000-0000-4000-8000-000000000001";
const bytes = Deno.readFileSync(file);
const analyzers = AnalyzerSet.fromSettings({}, "standard");
const json = JSON.parse(Deno.readTextFileSync(mappingFile));
const mapping = Mapping.parse(json.mappings ?? json, { maxFields: 1000, analyzers });

function frozen(): SegmentInput {
  const memtable = new Memtable({ mapping, analyzers });
  const parser = new FastParser(mapping);
  const staged = new StagedDocument();
  const ids = new AutoIds({ nowMs: () => Date.now(), random: crypto.getRandomValues(new Uint8Array(6)) });
  const cutter = new NdjsonCutter({ lineBytesMax: 1 << 24 });
  cutter.push(bytes);
  for (let seqNo = 0; cutter.next(); seqNo++) {
    const { start, end } = cutter;
    if (!parser.parse(bytes, start, end, staged)) {
      const outcome = parseDocument(mapping, bytes, start, end, staged, { maxDepth: 20 });
      if (outcome.kind !== "ok") throw new Error(JSON.stringify(outcome));
    }
    ids.next();
    memtable.add(staged, ids.bytes, 0, AUTO_ID_BYTES, bytes, start, end, seqNo, 1, false);
  }
  return memtable.freeze();
}

interface Build {
  readonly built: BuiltSegment;
  readonly ms: number;
  /** Of all the process's threads: steadier than `ms` on a busy machine. */
  readonly cpuMs: number;
  readonly longestMs: number;
}

function build(input: SegmentInput): Build {
  const allocate = (sizeBytes: number) => new Uint8Array(new SharedArrayBuffer(sizeBytes));
  const steps = buildSegment(input, { uuid: UUID, allocate });
  const start = performance.now();
  const before = cpuUsage();
  let longestMs = 0;
  for (;;) {
    const from = performance.now();
    const step = steps.next();
    longestMs = Math.max(longestMs, performance.now() - from);
    if (!step.done) continue;
    const { user, system } = cpuUsage(before);
    return { built: step.value, ms: performance.now() - start, cpuMs: (user + system) / 1000, longestMs };
  }
}

function open(built: BuiltSegment): StoredSegment {
  const tail = finishIds(built.idsBody, { tombstones: [], bornDead: null });
  const ids = new Uint8Array(built.idsBody.bytes.length + tail.length);
  ids.set(built.idsBody.bytes);
  ids.set(tail, built.idsBody.bytes.length);
  const image = (bytes: Uint8Array, label: string): FileImage => ({
    bytes,
    label,
    verified: new Uint32Array(Math.ceil(bytes.length / PAGE_BYTES / 32)),
  });
  return openSegment({
    seg: image(built.seg, "seg"),
    sidx: image(built.sidx, "sidx"),
    ids: image(ids, "ids"),
  });
}

/** Best of some runs, in ms. */
function best(run: () => void, times = 10): number {
  let least = Infinity;
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

let last: BuiltSegment | undefined;
for (let round = 0; round < rounds; round++) {
  const input = frozen();
  const { built, ms, cpuMs, longestMs } = build(input);
  console.log(
    `build ${ms.toFixed(0)} ms, CPU ${cpuMs.toFixed(0)} ms, longest step ${longestMs.toFixed(1)} ms`,
  );
  last = built;
}
const reader = open(last!);
const { docCount } = reader;
const total = [...reader.runBytes.values()].reduce((sum, size) => sum + size, 0);
const sizes = new Map<string, string[]>();
for (const [name, size] of reader.runBytes) {
  const field = name.slice(0, name.lastIndexOf(":"));
  sizes.set(field, [
    ...sizes.get(field) ?? [],
    `${name.slice(name.lastIndexOf(":") + 1)} ${(size / docCount).toFixed(2)}`,
  ]);
}
console.log(`bytes a document (${docCount} documents):`);
for (const [field, runs] of sizes) console.log(`  ${field.padEnd(14)} ${runs.join(", ")}`);
for (const { field, encoding, bytes: size } of reader.columns) console.log(`  ${field} ${encoding} ${size}`);
console.log(`${total} bytes, ${(total / bytes.length).toFixed(4)} of ${bytes.length}`);

const docs = Uint32Array.from({ length: docCount }, (_, doc) => doc);
const some = docs.filter((doc) => doc % 10 === 0);
const bits = new Uint32Array(Math.ceil(docCount / 32));
const rate = (n: number, ms: number) => `${(n / ms / 1000).toFixed(0)} M/s`;
function gatherAll(cursor: { gather(docs: Uint32Array, n: number): number }, list: Uint32Array): void {
  for (let from = 0; from < list.length; from += 2048) {
    const part = list.subarray(from, from + 2048);
    cursor.gather(part, part.length);
  }
}
for (const { field, encoding } of reader.columns) {
  if (encoding === "postings" || encoding === "dictionary") continue;
  const numeric = reader.numeric(field);
  const column = numeric ?? reader.ordinals(field)!;
  const cursor = column.cursor();
  const all = best(() => gatherAll(cursor, docs));
  const tenth = best(() => gatherAll(cursor, some));
  const middle = numeric
    ? (Number(numeric.min) + Number(numeric.max)) / 2
    : reader.ordinals(field)!.termCount >> 1;
  const match = best(() => {
    column.matchRange(-1e18, middle, bits);
  });
  console.log(
    `  ${field.padEnd(12)} ${encoding.padEnd(10)} gather ${rate(docCount, all)}, every tenth ${
      rate(some.length, tenth)
    }, ` +
      `range ${rate(docCount, match)}`,
  );
}

const encoder = new TextEncoder();
const known = Array.from({ length: 10_000 }, (_, i) => encoder.encode(reader.id((i * 7919) % docCount)));
const unknown = known.map((id) => encoder.encode(`${new TextDecoder().decode(id)}x`));
console.log(
  `findId known ${(best(() => known.forEach((id) => reader.findId(id))) / 10).toFixed(2)} us, ` +
    `unknown ${(best(() => unknown.forEach((id) => reader.findId(id))) / 10).toFixed(2)} us`,
);
const merged = build(mergeInput([{ reader, live: null }]).input);
console.log(
  `merge of one ${merged.ms.toFixed(0)} ms, CPU ${merged.cpuMs.toFixed(0)} ms, longest step ${
    merged.longestMs.toFixed(1)
  } ms`,
);
