/**
 * `deno task demo`: a server, a few hundred thousand log lines, searches and aggregations, a kill -9, and proof that
 * nothing is gone. Under a minute.
 *
 * @module
 */
import { type ServerProcess, startServer } from "../tests/support/server.ts";
import { LOG_SCHEMA, logLines } from "./demo_logs.ts";

const DOCS = Number(Deno.env.get("XERJ_DEMO_DOCS") ?? 300_000);
const INDEX = "logs";
const KEEP = Deno.args.includes("--keep");
const color = Deno.stdout.isTerminal() && !Deno.noColor;
const bold = (text: string) => color ? `\x1b[1m${text}\x1b[0m` : text;
const dim = (text: string) => color ? `\x1b[2m${text}\x1b[0m` : text;
const number = (value: number) => value.toLocaleString("en-US");

await main();

async function main(): Promise<void> {
  const dataDir = Deno.makeTempDirSync({ prefix: "xerj-demo-" });
  let server: ServerProcess | undefined;
  try {
    title("1. Start a server");
    const started = performance.now();
    server = await startServer({ dataDir, auth: true });
    say(
      `ready after ${
        Math.round(performance.now() - started)
      } ms on ${server.native} (native) and ${server.es} (Elasticsearch)`,
    );
    say(`data directory ${dataDir}, its administrator's key in admin.key`);
    await call(server, "PUT", `/v1/indices/${INDEX}`, { schema: LOG_SCHEMA });

    title(`2. Ingest ${number(DOCS)} log lines`);
    await ingest(server);

    title("3. Ask");
    await searches(server);

    title("4. Pull the plug: kill -9");
    const before = await count(server);
    // Written and acknowledged, but neither flushed nor refreshed: only the log has it.
    await call(server, "PUT", `/v1/indices/${INDEX}/docs/last-words`, {
      message: "written just before the kill",
      level: "info",
    });
    await server.kill();
    say(
      `killed process ${server.pid} with ${
        number(before)
      } documents, and one more acknowledged a moment before`,
    );
    const { configPath } = server;
    const again = performance.now();
    server = await startServer({ dataDir, auth: true });
    Deno.removeSync(configPath);
    const after = await count(server);
    say(`restarted in ${Math.round(performance.now() - again)} ms: ${number(after)} documents`);
    const found = await call(server, "GET", `/v1/indices/${INDEX}/docs/last-words`);
    say(`the last write is there: ${JSON.stringify(found["_source"])}`);
    if (after !== before + 1) throw new Error(`expected ${before + 1} documents, found ${after}`);

    title("5. How to go on");
    say(`start one that stays:    ./scripts/deno task dev`);
    say(`ingest your own logs:    curl -H "Content-Type: application/x-ndjson" -T logs.ndjson \\`);
    say(`                              -X POST http://127.0.0.1:8080/v1/indices/mylogs/turbo-ingest`);
    say(`build the executable:    ./scripts/deno task compile   (then dist/xerj --help)`);
    say(`read on:                 README.md, docs/operations.md, docs/API.md`);
    if (KEEP) {
      say(`\nthe server goes on at ${server.native}; its key is in ${dataDir}/admin.key; end it with ctrl-c`);
      await server.exited;
    }
  } finally {
    if (server) {
      await server.stop();
    }
    Deno.removeSync(dataDir, { recursive: true });
  }
}

async function ingest(server: ServerProcess): Promise<void> {
  const started = performance.now();
  let sent = 0;
  let bytes = 0;
  const encoder = new TextEncoder();
  const batch = 2_000;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent >= DOCS) return controller.close();
      const to = Math.min(DOCS, sent + batch);
      const piece = encoder.encode(logLines(sent, to, DOCS));
      sent = to;
      bytes += piece.length;
      controller.enqueue(piece);
      progress(sent, bytes, started);
    },
  });
  const response = await fetch(`${server.native}/v1/indices/${INDEX}/turbo-ingest?refresh=true`, {
    method: "POST",
    headers: { authorization: `ApiKey ${server.key()}`, "content-type": "application/x-ndjson" },
    body: stream,
  });
  const answer = await response.json();
  const seconds = (performance.now() - started) / 1000;
  clearLine();
  say(
    `${number(answer.indexed)} documents, ${(bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(1)} s: ` +
      bold(
        `${number(Math.round(answer.indexed / seconds))} docs/s, ${(bytes / 1e6 / seconds).toFixed(1)} MB/s`,
      ) +
      `, ${answer.errors.length} errors (this script's own generating included)`,
  );
  const flushed = performance.now();
  const { segments_written } = await call(server, "POST", "/v1/admin/flush") as { segments_written: number };
  const { size_bytes } = await call(server, "GET", `/v1/indices/${INDEX}`) as { size_bytes: number };
  say(
    `flushed ${segments_written} segment(s) in ${Math.round(performance.now() - flushed)} ms: ` +
      `${(size_bytes / 1e6).toFixed(1)} MB on disk, ${
        (size_bytes / bytes).toFixed(2)
      } of the raw lines, sources and all columns included`,
  );
}

async function searches(server: ServerProcess): Promise<void> {
  const errors = await timed(server, "the newest errors that speak of a gateway timeout", {
    query: {
      bool: { must: [{ match: { message: "gateway timeout" } }], filter: [{ term: { level: "error" } }] },
    },
    sort: [{ "@timestamp": "desc" }],
    size: 3,
  });
  for (const { _source: { "@timestamp": time, service, message } } of errors.hits) {
    say(`   ${dim(time)} ${service.padEnd(10)} ${message}`);
  }
  const phrase = await timed(server, 'best matches of the phrase "circuit breaker open"', {
    query: { match_phrase: { message: "circuit breaker open" } },
    size: 2,
  });
  for (const { _score, _source } of phrase.hits) say(`   ${dim(_score.toFixed(3))} ${_source.message}`);
  const hours = await timed(server, "errors by hour: when did it break?", {
    size: 0,
    query: { term: { level: "error" } },
    aggs: { by: { date_histogram: { field: "@timestamp", fixed_interval: "1h" } } },
  });
  bars(
    hours.aggs.by.buckets.map((
      { key_as_string, doc_count }: { key_as_string: string; doc_count: number },
    ) => [
      key_as_string.slice(11, 16),
      doc_count,
    ]),
  );
  const services = await timed(server, "who is slow: 99th percentile of latency by service", {
    size: 0,
    aggs: {
      by: {
        terms: { field: "service", order: { "slow.99": "desc" }, size: 4 },
        aggs: { slow: { percentiles: { field: "latency_ms", percents: [99] } } },
      },
    },
  });
  for (const { key, doc_count, slow } of services.aggs.by.buckets) {
    say(
      `   ${key.padEnd(10)} ${Math.round(slow.values["99.0"]).toString().padStart(6)} ms   ${
        dim(`${number(doc_count)} lines`)
      }`,
    );
  }
}

// The answers' shapes are those of docs/API.md; this script reads a few of their keys.
// deno-lint-ignore no-explicit-any
async function timed(server: ServerProcess, what: string, body: unknown): Promise<any> {
  const path = `/v1/indices/${INDEX}/search`;
  await call(server, "POST", path, body);
  const started = performance.now();
  const answer = await call(server, "POST", path, body);
  const ms = performance.now() - started;
  const atLeast = answer["total_relation"] === "gte" ? "more than " : "";
  say(`${bold(what)}: ${atLeast}${number(answer["total"] as number)} lines match, ${ms.toFixed(1)} ms`);
  return answer;
}

async function count(server: ServerProcess): Promise<number> {
  await call(server, "POST", `/v1/indices/${INDEX}/refresh`);
  const answer = await call(server, "POST", `/v1/indices/${INDEX}/search`, {
    size: 0,
    track_total_hits: true,
  });
  return answer["total"] as number;
}

async function call(
  server: ServerProcess,
  method: string,
  path: string,
  json?: unknown,
): Promise<Record<string, unknown>> {
  const { status, body } = await server.json(path, {
    method,
    headers: { authorization: `ApiKey ${server.key()}` },
    ...(json === undefined ? {} : { json }),
  });
  if (status >= 400) throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

function progress(done: number, bytes: number, started: number): void {
  if (!Deno.stdout.isTerminal() && done % 100_000 !== 0) return;
  const seconds = (performance.now() - started) / 1000;
  const share = done / DOCS;
  const width = 30;
  const filled = Math.round(share * width);
  const eta = seconds / share - seconds;
  const line =
    `   [${"#".repeat(filled)}${".".repeat(width - filled)}] ${(share * 100).toFixed(0).padStart(3)}%  ` +
    `${number(Math.round(done / seconds))} docs/s  ${(bytes / 1e6 / seconds).toFixed(1)} MB/s  ETA ${
      eta.toFixed(0)
    } s`;
  clearLine();
  Deno.stdout.writeSync(new TextEncoder().encode(Deno.stdout.isTerminal() ? line : `${line}\n`));
}

function clearLine(): void {
  if (Deno.stdout.isTerminal()) Deno.stdout.writeSync(new TextEncoder().encode("\r\x1b[K"));
}

function bars(rows: readonly (readonly [string, number])[]): void {
  const most = Math.max(1, ...rows.map(([, value]) => value));
  for (const [label, value] of rows) {
    say(
      `   ${dim(label)} ${"█".repeat(Math.max(value > 0 ? 1 : 0, Math.round(value / most * 40)))} ${
        number(value)
      }`,
    );
  }
}

function title(text: string): void {
  console.log(`\n${bold(text)}`);
}

function say(text: string): void {
  console.log(`   ${text}`);
}
