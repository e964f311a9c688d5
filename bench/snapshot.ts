/**
 * What does a hard-linked snapshot cost? `deno run -A bench/snapshot.ts [executable]`
 *
 * Milliseconds and bytes of one at 1 and at 100 segments, and the longest stall of a write meanwhile, beside the longest
 * without a snapshot: one client writes single documents all the time.
 *
 * @module
 */
import { type ServerProcess, startServer } from "../tests/support/server.ts";
import { quantiles } from "./measure.ts";

const ROUNDS = 20;
const INDEX = "measured";
/** Nothing is merged or flushed by itself. */
const TOML = "[storage]\nflush_interval_secs = 86400\n[merge]\nmin_segments = 1000\n";

async function send(
  url: string,
  method: string,
  body?: string,
  type = "application/json",
): Promise<Response> {
  const response = await fetch(url, { method, ...(body ? { body, headers: { "content-type": type } } : {}) });
  if (!response.ok) throw new Error(`${method} ${url}: ${await response.text()}`);
  return response;
}

async function addSegment(server: ServerProcess, number: number): Promise<void> {
  const lines: string[] = [];
  for (let i = 0; i < 1000; i++) {
    lines.push('{"index":{}}', `{"n":${number * 1000 + i},"text":"some words of document ${i}"}`);
  }
  const body = lines.join("\n") + "\n";
  await (await send(`${server.es}/${INDEX}/_bulk`, "POST", body, "application/x-ndjson")).body?.cancel();
  await (await send(`${server.native}/v1/admin/flush`, "POST")).body?.cancel();
}

/** Writes one document after the other until told to stop. @returns How long each took, ms. */
async function writeOn(server: ServerProcess, stop: { now: boolean }): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; !stop.now; i++) {
    const started = performance.now();
    const path = `${server.native}/v1/indices/${INDEX}/docs/w${i % 100}`;
    await (await send(path, "PUT", `{"n":${i}}`)).body?.cancel();
    times.push(performance.now() - started);
  }
  return times;
}

function usedBytes(path: string): number {
  const { stdout } = new Deno.Command("du", { args: ["-s", "--block-size=1", path] }).outputSync();
  return Number(new TextDecoder().decode(stdout).split("\t")[0]);
}

async function measure(server: ServerProcess, segments: number): Promise<void> {
  const stop = { now: false };
  const quiet = writeOn(server, stop);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  stop.now = true;
  const without = await quiet;
  const busy = { now: false };
  const writing = writeOn(server, busy);
  const [asked, inside]: [number[], number[]] = [[], []];
  const before = usedBytes(server.dataDir);
  for (let i = 0; i < ROUNDS; i++) {
    const started = performance.now();
    const answer = await send(`${server.native}/v1/admin/snapshot`, "POST", `{"name":"s${i}"}`);
    inside.push((await answer.json()).duration_ms);
    asked.push(performance.now() - started);
  }
  busy.now = true;
  const withSnapshots = await writing;
  // `du` counts a linked file once: what is more than before is folders, records and the log that writes have added.
  const more = usedBytes(server.dataDir) - before;
  const { snapshots } = await (await send(`${server.native}/v1/admin/snapshot`, "GET")).json();
  for (const { snapshot } of snapshots) {
    await (await send(`${server.native}/v1/admin/snapshot/${snapshot}`, "DELETE")).body?.cancel();
  }
  const longest = (times: number[]) => times.reduce((a, b) => Math.max(a, b), 0).toFixed(1);
  const { p50, p99 } = quantiles(inside);
  console.log(
    `${String(segments).padStart(3)} segments: ${p50.toFixed(1)} ms (p99 ${
      p99.toFixed(1)
    }; asked over HTTP ` +
      `${quantiles(asked).p50.toFixed(1)}), ${
        (more / ROUNDS / 1024).toFixed(0)
      } KiB of disk each, bytes linked ` +
      `${snapshots[0].bytes}, own ${snapshots[0].unique_bytes}`,
  );
  console.log(
    `              longest write ${longest(withSnapshots)} ms while ${ROUNDS} were made (p50 ` +
      `${quantiles(withSnapshots).p50.toFixed(2)}, ${withSnapshots.length} writes), ${
        longest(without)
      } ms without ` +
      `(p50 ${quantiles(without).p50.toFixed(2)})`,
  );
}

const binary = Deno.args[0];
const server = await startServer({ toml: TOML, ...(binary === undefined ? {} : { binary }) });
try {
  await addSegment(server, 0);
  await measure(server, 1);
  for (let i = 1; i < 100; i++) await addSegment(server, i);
  await measure(server, 100);
} finally {
  await server.stop();
}
