/**
 * How fast is a backup to S3, and the restore of it, beside `rclone` and `aws s3 cp` of the same files to the same server?
 * What does it cost in memory, and what do ingest and search feel of it?
 *
 * `deno run -A bench/backup.ts [--mb 1024] [executable]`
 *
 * @module
 */
import { startS3Server } from "../tests/support/s3_server.ts";
import { type ServerProcess, startServer } from "../tests/support/server.ts";
import { directoryBytes, memoryOf, quantiles } from "./measure.ts";

const INDEX = "bulky";
const TOML =
  "[storage]\nflush_interval_secs = 3600\nflush_size_mb = 64\ndisk_reserve_mb = 0\nscrub_mb_per_sec = 0\n" +
  "[merge]\nmin_segments = 1000\n";
const DOCUMENT_BYTES = 16 * 1024;
const MIB = 1024 * 1024;

function flag(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(Deno.args[at + 1]);
}

function executable(): string | undefined {
  const last = Deno.args.at(-1);
  return last === undefined || last.startsWith("--") || /^\d+$/.test(last) ? undefined : last;
}

async function send(url: string, method: string, body?: string, type = "application/json") {
  const response = await fetch(url, { method, ...(body ? { body, headers: { "content-type": type } } : {}) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${text}`);
  return JSON.parse(text);
}

/** Documents of incompressible text, which is stored and not indexed. */
async function fill(server: ServerProcess, megabytes: number): Promise<void> {
  const properties = { n: { type: "long" }, text: { type: "keyword", index: false, doc_values: false } };
  await send(`${server.es}/${INDEX}`, "PUT", JSON.stringify({ mappings: { properties } }));
  const random = new Uint8Array(DOCUMENT_BYTES * 3 / 4);
  const batch = 256;
  for (let n = 0; n * DOCUMENT_BYTES < megabytes * MIB; n += batch) {
    const lines: string[] = [];
    for (let i = 0; i < batch; i++) {
      crypto.getRandomValues(random);
      lines.push('{"index":{}}', `{"n":${n + i},"text":"${random.toBase64()}"}`);
    }
    await send(`${server.es}/${INDEX}/_bulk`, "POST", lines.join("\n") + "\n", "application/x-ndjson");
  }
  await send(`${server.native}/v1/admin/flush`, "POST");
}

/** Searches and writes, one after the other, until told to stop; ms of each. */
async function clients(server: ServerProcess, stop: { now: boolean }) {
  const write: number[] = [];
  const search: number[] = [];
  const timed = async (into: number[], call: () => Promise<unknown>) => {
    const started = performance.now();
    await call();
    into.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const lines = Array.from({ length: 50 }, (_, i) => `{"index":{}}\n{"n":${i}}\n`).join("");
  await Promise.all([
    (async () => {
      while (!stop.now) {
        await timed(write, () => send(`${server.es}/side/_bulk`, "POST", lines, "application/x-ndjson"));
      }
    })(),
    (async () => {
      const query = JSON.stringify({
        query: { range: { n: { gte: 100, lt: 2000 } } },
        sort: [{ n: "desc" }],
        size: 5,
      });
      while (!stop.now) await timed(search, () => send(`${server.es}/${INDEX}/_search`, "POST", query));
    })(),
  ]);
  return { write: quantiles(write), search: quantiles(search) };
}

/** Highest RssAnon until told to stop. */
async function watchMemory(pid: number, stop: { now: boolean }): Promise<number> {
  let peak = 0;
  while (!stop.now) {
    peak = Math.max(peak, memoryOf(pid).anonymous);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return peak;
}

/** What others have written is on disk: nobody pays for it. */
async function settle(): Promise<void> {
  await new Deno.Command("sync").output();
}

async function timedCommand(command: string, args: string[], env: Record<string, string>): Promise<number> {
  if (command !== "sync") await settle();
  const started = performance.now();
  const { success, stderr } = await new Deno.Command(command, { args, env, stdout: "null", stderr: "piped" })
    .output();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
  return performance.now() - started;
}

function has(command: string): boolean {
  return new Deno.Command("sh", { args: ["-c", `command -v ${command}`], stdout: "null" }).outputSync()
    .success;
}

const rate = (bytes: number, ms: number) => `${(bytes / MIB / (ms / 1000)).toFixed(0)} MiB/s`;

const megabytes = flag("mb", 1024);
const binary = executable();
const s3 = await startS3Server();
const server = await startServer({ toml: TOML, ...(binary === undefined ? {} : { binary }) });
const scratch = Deno.makeTempDirSync({ prefix: "xerj-bench-" });
try {
  await fill(server, megabytes);
  // The same files, as of one instant, for the other tools.
  await send(`${server.native}/v1/admin/snapshot`, "POST", '{"name":"same"}');
  const folder = `${server.dataDir}/_snapshots/same/${INDEX}`;
  const bytes = directoryBytes(folder);
  console.log(`${(bytes / MIB).toFixed(0)} MiB in ${[...Deno.readDirSync(folder)].length - 2} segments`);
  await new Promise((resolve) => setTimeout(resolve, 3000));

  const quiet = { now: false };
  const without = clients(server, quiet);
  await new Promise((resolve) => setTimeout(resolve, 8000));
  quiet.now = true;
  const before = await without;

  const credentials = {
    endpoint: s3.endpoint,
    access_key: s3.accessKey,
    secret_key: s3.secretKey,
    region: s3.region,
  };
  const target = (prefix: string) => ({ destination: `s3://${s3.bucket}/${prefix}`, credentials });
  // The first one starts a thread, and probes the store.
  await send(
    `${server.native}/v1/admin/backup`,
    "POST",
    JSON.stringify({ ...target("warm"), indices: "side" }),
  );

  const idle = memoryOf(server.pid).anonymous;
  const backUp = async (prefix: string, busy: boolean) => {
    await settle();
    const stop = { now: false };
    const memory = watchMemory(server.pid, stop);
    const beside = busy ? clients(server, stop) : undefined;
    const started = performance.now();
    const made = await send(
      `${server.native}/v1/admin/backup`,
      "POST",
      JSON.stringify({ ...target(prefix), indices: INDEX }),
    );
    const ms = performance.now() - started;
    stop.now = true;
    return { ms, sent: made.bytes as number, peak: await memory, beside: await beside };
  };
  const alone = await backUp("alone", false);
  const busy = await backUp("busy", true);

  await settle();
  const stop = { now: false };
  const memory = watchMemory(server.pid, stop);
  const started = performance.now();
  await send(
    `${server.native}/v1/admin/restore`,
    "POST",
    JSON.stringify({ ...target("alone"), rename_pattern: "(.*)", rename_replacement: "back-$1" }),
  );
  const restoreMs = performance.now() - started;
  stop.now = true;
  const restorePeak = await memory;

  const env = {
    AWS_ACCESS_KEY_ID: s3.accessKey,
    AWS_SECRET_ACCESS_KEY: s3.secretKey,
    AWS_DEFAULT_REGION: s3.region,
    // rclone refuses a bundle that another tool may need; this server has no TLS.
    AWS_CA_BUNDLE: "",
    RCLONE_CONFIG_S3_TYPE: "s3",
    RCLONE_CONFIG_S3_PROVIDER: "Other",
    RCLONE_CONFIG_S3_ENDPOINT: s3.endpoint,
    RCLONE_CONFIG_S3_ACCESS_KEY_ID: s3.accessKey,
    RCLONE_CONFIG_S3_SECRET_ACCESS_KEY: s3.secretKey,
  };
  console.log("                       up                   down");
  const line = (name: string, up: number, down: number) =>
    console.log(
      `${name.padEnd(14)} ${rate(bytes, up).padStart(12)} ${(up / 1000).toFixed(1).padStart(6)} s ` +
        `${rate(bytes, down).padStart(12)} ${(down / 1000).toFixed(1).padStart(6)} s`,
    );
  line("xerj", alone.ms, restoreMs);
  // A restore is on disk when it ends; what the others bring is on its way there.
  const ratios = (
    name: string,
    ms: { readonly up: number; readonly down: number; readonly synced: number },
  ) =>
    `ratio to ${name}: up ${(ms.up / alone.ms).toFixed(2)}, down ${(ms.down / restoreMs).toFixed(2)}, ` +
    `down until it is on disk ${(ms.synced / restoreMs).toFixed(2)}`;
  if (has("rclone")) {
    const up = await timedCommand("rclone", ["copy", folder, `s3:${s3.bucket}/rclone`], env);
    const down = await timedCommand("rclone", ["copy", `s3:${s3.bucket}/rclone`, `${scratch}/rclone`], env);
    const synced = down + await timedCommand("sync", ["-f", `${scratch}/rclone`], env);
    line("rclone copy", up, down);
    console.log(ratios("rclone", { up, down, synced }));
  }
  if (has("aws")) {
    const args = ["s3", "cp", "--recursive", "--no-progress", "--endpoint-url", s3.endpoint];
    const up = await timedCommand("aws", [...args, folder, `s3://${s3.bucket}/aws`], env);
    const down = await timedCommand("aws", [...args, `s3://${s3.bucket}/aws`, `${scratch}/aws`], env);
    const synced = down + await timedCommand("sync", ["-f", `${scratch}/aws`], env);
    line("aws s3 cp", up, down);
    console.log(ratios("aws s3 cp", { up, down, synced }));
  }
  const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`;
  console.log(
    `RssAnon: before ${mib(idle)}, at most ${mib(alone.peak)} in a backup, ${mib(restorePeak)} in a restore`,
  );
  const p99 = (name: "write" | "search") =>
    `${name} p99 ${before[name].p99.toFixed(1)} ms without, ${
      busy.beside![name].p99.toFixed(1)
    } ms beside a backup ` +
    `(${rate(busy.sent, busy.ms)})`;
  console.log(p99("write"));
  console.log(p99("search"));
} finally {
  await server.kill();
  server.remove();
  await s3.stop();
  Deno.removeSync(scratch, { recursive: true });
}
