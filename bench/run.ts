/**
 * `deno task bench`: xerj beside SQLite FTS5 and Elasticsearch, same documents, same questions, same run.
 *
 *     deno task bench [--docs 200000] [--bulk 5000] [--binary dist/xerj] [--no-elasticsearch]
 *
 * @module
 */
import { startServer } from "../tests/support/server.ts";
import { bulkBodies, type Corpus, loadCorpus, QUESTIONS } from "./corpus.ts";
import { count, ingest, request, search } from "./http_peer.ts";
import { directoryBytes, memoryOf, type Quantiles, timeCalls } from "./measure.ts";
import { startElasticsearch } from "./peer_elasticsearch.ts";
import { runSqlite } from "./peer_sqlite.ts";

const VARIANTS = [
  { action: "index", ids: false, clients: 1 },
  { action: "index", ids: false, clients: 2 },
  { action: "index", ids: true, clients: 2 },
  { action: "create", ids: true, clients: 2 },
] as const;

interface Row {
  readonly name: string;
  readonly docsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly bulk: Quantiles | undefined;
  readonly diskRatio: number | undefined;
  readonly anonymousBytes: number | undefined;
  readonly searches: Readonly<Record<string, Quantiles>> | undefined;
}

const options = parse(Deno.args);
const corpus = await loadCorpus(options.docs);
if (!corpus) {
  console.log("skipped: the shared log generator is not there (../shared/data/gen_logs.mjs)");
  Deno.exit(0);
}
const rawBytes = corpus.lines.length;
console.log(
  `${corpus.docs} documents, ${(rawBytes / 1e6).toFixed(1)} MB of NDJSON, bulks of ${options.bulk}\n`,
);
const rows: Row[] = [];
const sqlite = await runSqlite(corpus, options.bulk);
rows.push(row("SQLite FTS5, 6 indexes, in process", sqlite.seconds, {
  diskRatio: sqlite.bytes / rawBytes,
  searches: sqlite.searches,
}));
const health = await benchXerj(corpus);
if (options.elasticsearch) await benchElasticsearch(corpus);
printTable(rows);
printRatios(rows, health);

async function benchXerj(corpus: Corpus): Promise<Quantiles> {
  const toml = `[storage]\nwal_sync = "batched"\nretain_superseded_secs = 0\nflush_interval_secs = 3600\n`;
  let health: Quantiles | undefined;
  for (const { action, ids, clients } of VARIANTS) {
    const server = await startServer({ toml, ...(options.binary ? { binary: options.binary } : {}) });
    try {
      const bodies = bulkBodies(corpus, { size: options.bulk, action, ids });
      const { seconds, bulk } = await ingest(server.es, "logs", { corpus, bodies, clients });
      const found = await count(server.es, "logs");
      if (found !== corpus.docs) throw new Error(`${found} documents, not ${corpus.docs}`);
      const name = `xerj _bulk ${action}${ids ? " with ids" : ""}, ${clients} client${
        clients > 1 ? "s" : ""
      }`;
      if (action !== "index" || ids || clients > 1) {
        rows.push(row(name, seconds, { bulk }));
        continue;
      }
      await request("POST", `${server.native}/v1/admin/flush`);
      // Released at the next look, a second later: what is superseded is retained for 0 seconds.
      await new Promise((resolve) => setTimeout(resolve, 2500));
      const diskRatio = directoryBytes(server.dataDir) / rawBytes;
      const searches = await search(server.es, "logs");
      health = await timeCalls(() => request("GET", `${server.native}/v1/health`), 2000);
      const { anonymous } = memoryOf(server.pid);
      rows.push(row(name, seconds, { bulk, diskRatio, searches, anonymousBytes: anonymous }));
    } finally {
      await server.stop();
    }
  }
  return health!;
}

async function benchElasticsearch(corpus: Corpus): Promise<void> {
  const peer = await startElasticsearch("2g");
  if (!peer) {
    console.log("skipped Elasticsearch: Java, Maven or ../shared/peers/elasticsearch is not there\n");
    return;
  }
  try {
    for (const clients of [1, 2]) {
      const bodies = bulkBodies(corpus, { size: options.bulk, action: "index", ids: false });
      const { seconds, bulk } = await ingest(peer.origin, "logs", { corpus, bodies, clients });
      const name = `Elasticsearch 8.13, heap 2g, ${clients} client${clients > 1 ? "s" : ""}`;
      if (clients === 1) {
        rows.push(row(name, seconds, { bulk }));
        continue;
      }
      await count(peer.origin, "logs");
      await request("POST", `${peer.origin}/logs/_flush`);
      const stats = JSON.parse(await request("GET", `${peer.origin}/logs/_stats/store`));
      const searches = await search(peer.origin, "logs");
      rows.push(
        row(name, seconds, { bulk, diskRatio: stats._all.total.store.size_in_bytes / rawBytes, searches }),
      );
    }
  } finally {
    await peer.stop();
  }
}

function row(name: string, seconds: number, rest: Partial<Omit<Row, "name">>): Row {
  return {
    name,
    docsPerSecond: options.docs / seconds,
    megabytesPerSecond: rawBytes / 1e6 / seconds,
    bulk: undefined,
    diskRatio: undefined,
    anonymousBytes: undefined,
    searches: undefined,
    ...rest,
  };
}

function printTable(rows: readonly Row[]): void {
  const ms = (value: Quantiles | undefined, part: "p50" | "p99" = "p50") =>
    value ? value[part].toFixed(2) : "";
  const header = [
    "",
    "docs/s",
    "MB/s",
    "bulk p50",
    "bulk p99",
    "disk/raw",
    "RssAnon MB",
    ...Object.keys(QUESTIONS),
  ];
  const lines = rows.map((one) => [
    one.name,
    Math.round(one.docsPerSecond).toLocaleString("en-US"),
    one.megabytesPerSecond.toFixed(1),
    ms(one.bulk),
    ms(one.bulk, "p99"),
    one.diskRatio?.toFixed(3) ?? "",
    one.anonymousBytes === undefined ? "" : (one.anonymousBytes / 1e6).toFixed(0),
    ...Object.keys(QUESTIONS).map((name) => ms(one.searches?.[name])),
  ]);
  const widths = header.map((_, i) => Math.max(...[header, ...lines].map((cells) => cells[i]!.length)));
  for (const cells of [header, ...lines]) {
    console.log(
      cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  "),
    );
  }
  console.log("(times in ms; searches are p50 over HTTP with one connection, SQLite's in process)\n");
}

function printRatios(rows: readonly Row[], health: Quantiles): void {
  const base = rows[0]!.docsPerSecond;
  for (const one of rows.slice(1)) {
    console.log(`${one.name}: ingest ${(one.docsPerSecond / base).toFixed(2)} times SQLite`);
  }
  console.log(`GET /v1/health: p50 ${health.p50.toFixed(3)} ms`);
  const searched = rows.find(({ name, searches }) => name.startsWith("xerj") && searches);
  for (const [name, { p50 }] of Object.entries(searched?.searches ?? {})) {
    console.log(`${name}: p50 ${p50.toFixed(3)} ms, ${(p50 / health.p50).toFixed(1)} times health`);
  }
}

function parse(args: readonly string[]) {
  const value = (name: string) => {
    const at = args.indexOf(name);
    return at < 0 ? undefined : args[at + 1];
  };
  return {
    docs: Number(value("--docs") ?? 200_000),
    bulk: Number(value("--bulk") ?? 5000),
    binary: value("--binary"),
    elasticsearch: !args.includes("--no-elasticsearch"),
  };
}
