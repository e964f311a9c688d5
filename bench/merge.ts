/**
 * What merges read and write under `[merge] io_rate_mb_per_sec`, and what memory they take.
 *
 *     deno run -A bench/merge.ts [--docs 400000] [--body 0] [--rates 10,50,100,0] [--binary dist/xerj]
 *
 * One directory of small segments is made, and copied for each rate; a server over the copy merges it into one segment
 * while nothing else happens. Read and written is what the kernel counts: rchar + wchar of `/proc/<pid>/io`. `--body`:
 * documents have so many bytes of random text besides, and two fields that are indexed instead of all: merging is then
 * copying, and no processor limits it below the rates.
 *
 * @module
 */
import { startServer } from "../tests/support/server.ts";
import { bulkBodies, loadCorpus, withBodies } from "./corpus.ts";
import { ingest } from "./http_peer.ts";
import { directoryBytes, memoryOf } from "./measure.ts";

const MIB = 1024 * 1024;
/** How often the counters are read. */
const SAMPLE_MS = 100;
const WINDOW_MS = 5000;

interface Options {
  readonly docs: number;
  readonly bodyBytes: number;
  readonly rates: readonly number[];
  readonly binary: string | undefined;
}

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
  readonly anonymousBytes: number;
}

const options = parse(Deno.args);
const logs = await loadCorpus(options.docs);
if (!logs) {
  console.log("skipped: the shared log generator is not there (../shared/data/gen_logs.mjs)");
  Deno.exit(0);
}
const corpus = options.bodyBytes > 0 ? withBodies(logs, options.bodyBytes) : logs;
const source = Deno.makeTempDirSync({ prefix: "xerj-merge-" });
try {
  const server = await start(source, 0);
  const bodies = bulkBodies(corpus, {
    size: options.bodyBytes > 0 ? 500 : 5000,
    action: "index",
    ids: false,
  });
  await ingest(server.es, "logs", { corpus, bodies, clients: 1 });
  await server.json("/v1/admin/flush", { method: "POST" });
  const { body } = await server.json("/v1/indices/logs");
  await server.stop();
  const { segment_count, size_bytes } = body as unknown as { segment_count: number; size_bytes: number };
  console.log(
    `${options.docs} documents, ${segment_count} segments of ${
      (size_bytes / MIB).toFixed(0)
    } MiB together, ` +
      `${(directoryBytes(source) / MIB).toFixed(0)} MiB on disk\n`,
  );
  console.log(
    "MiB/s set | took s | read+written MiB | MiB/s, all | MiB/s over 5 s: least, most | RssAnon before, peak MiB",
  );
  for (const rate of options.rates) await measure(rate);
} finally {
  Deno.removeSync(source, { recursive: true });
}

async function measure(rate: number): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "xerj-merge-" });
  try {
    await new Deno.Command("cp", { args: ["-a", `${source}/.`, directory] }).output();
    const server = await start(directory, rate);
    try {
      const before = sampleOf(server.pid);
      const samples = [before];
      const merged = server.json("/v1/indices/logs/merge", { method: "POST", json: { max_num_segments: 1 } });
      let done = false;
      merged.finally(() => done = true);
      while (!done) {
        await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
        samples.push(sampleOf(server.pid));
      }
      const { status, body } = await merged;
      if (status !== 200) throw new Error(`the merge failed: ${JSON.stringify(body)}`);
      print(rate, samples);
    } finally {
      await server.stop();
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function print(rate: number, samples: readonly Sample[]): void {
  const first = samples[0]!;
  const last = samples.at(-1)!;
  const seconds = (last.atMs - first.atMs) / 1000;
  const windows: number[] = [];
  for (const from of samples) {
    const to = samples.find(({ atMs }) => atMs >= from.atMs + WINDOW_MS);
    if (to) windows.push((to.bytes - from.bytes) / MIB / ((to.atMs - from.atMs) / 1000));
  }
  const bytes = (last.bytes - first.bytes) / MIB;
  const peak = Math.max(...samples.map(({ anonymousBytes }) => anonymousBytes));
  const window = windows.length === 0
    ? "-"
    : `${Math.min(...windows).toFixed(1)}, ${Math.max(...windows).toFixed(1)}`;
  console.log(
    `${String(rate).padStart(9)} | ${seconds.toFixed(1).padStart(6)} | ${bytes.toFixed(0).padStart(16)} | ` +
      `${(bytes / seconds).toFixed(1).padStart(10)} | ${window.padStart(27)} | ` +
      `${(first.anonymousBytes / MIB).toFixed(0)}, ${(peak / MIB).toFixed(0)}`,
  );
}

function sampleOf(pid: number): Sample {
  const io = Deno.readTextFileSync(`/proc/${pid}/io`);
  const count = (name: string) => Number(new RegExp(`^${name}: (\\d+)`, "m").exec(io)![1]);
  return {
    atMs: performance.now(),
    bytes: count("rchar") + count("wchar"),
    anonymousBytes: memoryOf(pid).anonymous,
  };
}

function start(dataDir: string, rate: number) {
  return startServer({
    dataDir,
    toml: `[storage]\nflush_size_mb = 16\nretain_superseded_secs = 0\n` +
      `[merge]\nmin_segments = 1000\nio_rate_mb_per_sec = ${rate}\n`,
    ...(options.binary === undefined ? {} : { binary: options.binary }),
  });
}

function parse(args: readonly string[]): Options {
  const value = (name: string) => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? undefined : args[at + 1];
  };
  return {
    docs: Number(value("docs") ?? 400_000),
    bodyBytes: Number(value("body") ?? 0),
    rates: (value("rates") ?? "10,50,100,0").split(",").map(Number),
    binary: value("binary"),
  };
}
