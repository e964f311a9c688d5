/**
 * Real logs, as a newcomer would load them: no mapping, every line in, one search and one aggregation over each dataset
 * equal to what a loop over the lines counts; every live segment's files mapped read-only.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { gunzipSync } from "node:zlib";
import type { ServerProcess } from "../support/server.ts";
import { inServer } from "./support.ts";

const LOGS = new URL("../../../shared/data/logs/", import.meta.url);

interface Dataset {
  readonly name: string;
  /** Parsed lines. */
  readonly documents: readonly Record<string, unknown>[];
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function linesOf(path: string): string[] {
  const bytes = Deno.readFileSync(new URL(path, LOGS));
  const text = new TextDecoder().decode(path.endsWith(".gz") ? gunzipSync(bytes) : bytes);
  return text.split(/\r?\n/).filter((line) => line !== "");
}

function filesOf(folder: string, end: string): string[] {
  return [...Deno.readDirSync(new URL(folder, LOGS))].map(({ name }) => name).filter((name) =>
    name.endsWith(end)
  ).sort()
    .map((name) => `${folder}${name}`);
}

/** Documents of each NDJSON file by their `dataset`, or under the file's name. */
function* datasets(): Generator<Dataset> {
  for (const path of [...filesOf("", ".ndjson.gz"), ...filesOf("loghub/", ".ndjson.gz")]) {
    const bySet = new Map<string, Record<string, unknown>[]>();
    const file = path.replace(/^.*\//, "").replace(/\..*$/, "");
    for (const line of linesOf(path)) {
      const document = JSON.parse(line);
      const name = typeof document.dataset === "string" ? document.dataset : file;
      let documents = bySet.get(name);
      if (!documents) bySet.set(name, documents = []);
      documents.push(document);
    }
    for (const [name, documents] of bySet) yield { name: name.toLowerCase(), documents };
  }
  for (const path of filesOf("loghub/", ".log.gz")) {
    const name = path.replace(/^.*\/|_2k.*$/g, "");
    yield { name: `raw.${name.toLowerCase()}`, documents: linesOf(path).map((message) => ({ message })) };
  }
}

async function ingest({ native }: ServerProcess, { name, documents }: Dataset): Promise<void> {
  const body = documents.map((document) => JSON.stringify(document)).join("\n");
  const response = await fetch(`${native}/v1/indices/${name}/turbo-ingest?refresh=true`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body,
  });
  const answer = await response.json();
  assertEquals([response.status, answer.indexed, answer.errors], [200, documents.length, []], name);
}

interface Found {
  readonly total: number;
  readonly hits: readonly { readonly _source: Record<string, unknown> }[];
  readonly aggs?: {
    readonly values: {
      readonly buckets: readonly {
        readonly key: unknown;
        readonly key_as_string?: string;
        readonly doc_count: number;
      }[];
    };
    readonly count: { readonly value: number };
  };
}

async function search(server: ServerProcess, index: string, json: unknown): Promise<Found> {
  const { status, body } = await server.json(`/v1/indices/${index}/search`, { method: "POST", json });
  assertEquals(status, 200, JSON.stringify(body).slice(0, 500));
  return body as unknown as Found;
}

/** Characters that always end a word; others between letters may or may not. */
const SURE_END = /[\s,"()[\]{}=<>;!?|/\\@#$%^&*+~`]/;

/** Whether `word` is a word of `text`; undefined when that depends on finer rules than those here. */
function hasWord(text: string, word: string): boolean | undefined {
  const lower = text.toLowerCase();
  let found = false;
  for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + 1)) {
    const [before, after] = [lower[at - 1] ?? " ", lower[at + word.length] ?? " "];
    if (/[a-z0-9]/.test(before) || /[a-z0-9]/.test(after)) continue; // Part of a longer one.
    if (!SURE_END.test(before) || !SURE_END.test(after)) return undefined;
    found = true;
  }
  return found;
}

/** The commonest word that occurs between sure ends only, and in how many texts it is. */
function commonWord(texts: readonly string[]): { readonly word: string; readonly count: number } {
  const seen = new Map<string, number>();
  for (const text of texts.slice(0, 500)) {
    for (const word of new Set(text.toLowerCase().split(SURE_END))) {
      if (/^[a-z]{3,20}$/.test(word)) seen.set(word, (seen.get(word) ?? 0) + 1);
    }
  }
  for (const [word] of [...seen].sort((a, b) => b[1] - a[1])) {
    const matches = texts.map((text) => hasWord(text, word));
    if (!matches.includes(undefined)) return { word, count: matches.filter((match) => match).length };
  }
  throw new Error("no word is safe to count");
}

/** What of a document a keyword column holds: dynamic mapping ignores longer texts than 256 UTF-16 units. */
function columnValue(value: unknown): unknown {
  return typeof value === "string" && value.length > 256 ? undefined : value;
}

/** A field with one simple value in most documents and few different ones; the message when there is none. */
function groupingField({ documents }: Dataset): string {
  for (const field of Object.keys(documents[0]!)) {
    const values = documents.map((document) => document[field]).filter((value) =>
      value !== undefined && value !== null
    );
    const simple = values.every((value) => typeof value === "string" || typeof value === "boolean");
    const dates = values.some((value) => typeof value === "string" && /^\d{4}/.test(value));
    const distinct = new Set(values).size;
    if (simple && !dates && field !== "dataset" && distinct > 1 && distinct <= 100) return field;
  }
  return "message";
}

function countsOf(documents: Dataset["documents"], field: string): Map<unknown, number> {
  const counts = new Map<unknown, number>();
  for (const document of documents) {
    const value = columnValue(document[field]);
    if (value !== undefined && value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

async function checkSearch(server: ServerProcess, { name, documents }: Dataset): Promise<string> {
  const texts = documents.map(({ message }) => message).filter((text): text is string =>
    typeof text === "string"
  );
  if (texts.length === 0) return await checkRange(server, { name, documents });
  const { word, count } = commonWord(texts);
  const { total, hits } = await search(server, name, {
    query: { match: { message: word.toUpperCase() } },
    track_total_hits: true,
  });
  assertEquals(total, count, `${name}: match ${word}`);
  assertEquals(hits.length, Math.min(10, count));
  for (const { _source } of hits) assert(hasWord(_source["message"] as string, word));
  return `match ${word}: ${total}`;
}

/** A dataset without messages: half of its numbers in a range. */
async function checkRange(server: ServerProcess, { name, documents }: Dataset): Promise<string> {
  const field = Object.keys(documents[0]!).find((key) =>
    new Set(documents.map((document) => document[key])).size > 10 && typeof documents[0]![key] === "number"
  )!;
  const numbers = documents.map((document) => document[field] as number).sort((a, b) => a - b);
  const middle = numbers[numbers.length >> 1]!;
  const { total } = await search(server, name, {
    query: { range: { [field]: { lt: middle } } },
    track_total_hits: true,
  });
  assertEquals(total, numbers.filter((n) => n < middle).length, `${name}: ${field} < ${middle}`);
  return `${field} < ${middle}: ${total}`;
}

async function checkAggregation(server: ServerProcess, dataset: Dataset): Promise<string> {
  const { name, documents } = dataset;
  let field = groupingField(dataset);
  if (documents[0]![field] === undefined) field = Object.keys(documents[0]!)[0]!;
  const counts = countsOf(documents, field);
  const column = typeof [...counts.keys()][0] === "string" ? `${field}.keyword` : field;
  const { aggs } = await search(server, name, {
    size: 0,
    aggs: { values: { terms: { field: column, size: 1000 } }, count: { value_count: { field: column } } },
  });
  const expected = [...counts.values()].reduce((sum, count) => sum + count, 0);
  assertEquals(aggs!.count.value, expected, `${name}: value_count of ${column}`);
  const buckets = aggs!.values.buckets;
  assertEquals(buckets.length, Math.min(1000, counts.size), `${name}: buckets of ${column}`);
  for (const { key, key_as_string, doc_count } of buckets) {
    const value = key_as_string === undefined ? key : key_as_string === "true";
    assertEquals(doc_count, counts.get(value), `${name}: ${column} = ${key}`);
  }
  return `terms of ${column}: ${buckets.length} buckets over ${expected}`;
}

/** Every segment is on disk and its three files are mapped, shared and read-only. @returns How many files. */
async function checkMaps(server: ServerProcess, names: readonly string[]): Promise<number> {
  const maps = Deno.readTextFileSync(`/proc/${server.pid}/maps`).split("\n");
  let files = 0;
  for (const name of names) {
    const { body } = await server.json(`/v1/indices/${name}`);
    const { segments } = body as unknown as { segments: { name: string; in_memory: boolean }[] };
    assert(segments.length > 0, `${name} has segments`);
    for (const segment of segments) {
      assertEquals(segment.in_memory, false);
      for (const file of ["segment.seg", "segment.sidx", "segment.ids"]) {
        const path = `${server.dataDir}/${name}/${segment.name}/${file}`;
        const lines = maps.filter((line) => line.endsWith(` ${path}`));
        assert(lines.length > 0, `${path} is mapped`);
        for (const line of lines) assertEquals(line.split(" ")[1], "r--s", line);
        files++;
      }
    }
  }
  return files;
}

const ignore = !exists(LOGS);
if (ignore) console.log(`${LOGS.pathname} is not there: real logs are not loaded`);

Deno.test({
  name: "each dataset of real logs: every line in, a search, an aggregation, mapped read-only",
  ignore,
}, async () => {
  await inServer({}, async (server) => {
    const names: string[] = [];
    let total = 0;
    for (const dataset of datasets()) {
      const { name, documents } = dataset;
      await ingest(server, dataset);
      const searched = await checkSearch(server, dataset);
      const aggregated = await checkAggregation(server, dataset);
      console.log(`${name}: ${documents.length} lines; ${searched}; ${aggregated}`);
      names.push(name);
      total += documents.length;
    }
    assertEquals((await server.json("/v1/admin/flush", { method: "POST" })).status, 200);
    console.log(
      `${names.length} datasets, ${total} lines, ${await checkMaps(server, names)} files mapped r--s`,
    );
    const all = await server.json(`${server.es}/_count`);
    assertEquals(all.body["count"], total);
    assertEquals([...Deno.readDirSync(server.dataDir)].some(({ name }) => name === "cluster"), false);
  });
});
