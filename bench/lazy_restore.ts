/**
 * How soon does a lazily restored server answer, beside how long all of it takes to download, over a slow line?
 *
 * `deno run -A bench/lazy_restore.ts [--mb 2048] [--mb-per-sec 20] [executable]`
 *
 * @module
 */
import { xerj } from "../tests/support/command.ts";
import { FaultProxy } from "../tests/support/fault_proxy.ts";
import { startS3Server } from "../tests/support/s3_server.ts";
import { type ServerProcess, startServer } from "../tests/support/server.ts";
import { directoryBytes } from "./measure.ts";

const INDEX = "bulky";
const TOML =
  "[storage]\nflush_interval_secs = 3600\nflush_size_mb = 256\ndisk_reserve_mb = 0\nscrub_mb_per_sec = 0\n" +
  "[merge]\nmin_segments = 1000\n";
const DOCUMENT_BYTES = 16 * 1024;
const MB = 1_000_000;

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

/** Documents with numbers, words and incompressible text. */
async function fill(server: ServerProcess, megabytes: number): Promise<void> {
  const properties = {
    n: { type: "long" },
    word: { type: "keyword" },
    text: { type: "text" },
    bulk: { type: "binary" },
  };
  await send(`${server.es}/${INDEX}`, "PUT", JSON.stringify({ mappings: { properties } }));
  const random = new Uint8Array(DOCUMENT_BYTES * 3 / 4);
  const batch = 256;
  for (let n = 0; n * random.length < megabytes * MB; n += batch) {
    const lines: string[] = [];
    for (let i = n; i < n + batch; i++) {
      crypto.getRandomValues(random);
      const bulk = random.toBase64();
      lines.push(
        `{"index":{"_id":"${i}"}}`,
        `{"n":${i},"word":"w${i % 1000}","text":"the ${i % 97} of ${i}","bulk":"${bulk}"}`,
      );
    }
    await send(`${server.es}/${INDEX}/_bulk`, "POST", lines.join("\n") + "\n", "application/x-ndjson");
  }
  await send(`${server.native}/v1/admin/flush`, "POST");
}

/** An answer that anybody can hold against the original's. */
async function ask(server: ServerProcess, body: unknown): Promise<string> {
  const { hits, aggregations } = await send(`${server.es}/${INDEX}/_search`, "POST", JSON.stringify(body));
  return JSON.stringify({ hits, aggregations });
}

const FIRST = { query: { term: { word: "w123" } }, sort: [{ n: "asc" }], size: 3, _source: ["n", "text"] };
const OTHERS = [
  { query: { match: { text: "42" } }, sort: [{ n: "desc" }], size: 10, _source: ["n"] },
  {
    size: 0,
    aggs: {
      words: { terms: { field: "word", size: 5, order: { _key: "asc" } } },
      sum: { sum: { field: "n" } },
    },
  },
];

const megabytes = flag("mb", 2048);
const rate = flag("mb-per-sec", 20) * MB;
const binary = executable();
const options = { toml: TOML, ...(binary === undefined ? {} : { binary }) };
const s3 = await startS3Server();
const proxy = new FaultProxy({ target: s3.endpoint, secretKey: s3.secretKey });
const folder = Deno.makeTempDirSync({ prefix: "xerj-lazy-" });
const env = { AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey };
const from = ["restore", "--from", `s3://${s3.bucket}/b`, "--endpoint", proxy.endpoint];
const seconds = (since: number) => (performance.now() - since) / 1000;
try {
  const original = await startServer(options);
  await fill(original, megabytes);
  const [first, ...others] = await Promise.all([FIRST, ...OTHERS].map((body) => ask(original, body)));
  const credentials = { endpoint: s3.endpoint, access_key: s3.accessKey, secret_key: s3.secretKey };
  const destination = `s3://${s3.bucket}/b`;
  await send(`${original.native}/v1/admin/backup`, "POST", JSON.stringify({ destination, credentials }));
  await original.stop();
  proxy.bytesPerSecond = rate;

  const dataDir = `${folder}/lazy`;
  const began = performance.now();
  const { code, stderr } = await xerj([...from, "--lazy", "--data-dir", dataDir], env);
  if (code !== 0) throw new Error(stderr);
  const restored = seconds(began);
  const server = await startServer({ ...options, dataDir, env });
  const ready = seconds(began);
  const isRight = await ask(server, FIRST) === first;
  const answered = seconds(began);
  const fetched = proxy.counts.receivedBytes;
  console.log(
    `--lazy: ${restored.toFixed(1)} s for the command, ready after ${
      ready.toFixed(1)
    } s, first answer after ` +
      `${answered.toFixed(1)} s (${isRight ? "right" : "WRONG"}), ${
        (fetched / MB).toFixed(1)
      } MB fetched by then`,
  );
  for (const [i, body] of OTHERS.entries()) {
    const asked = performance.now();
    const right = await ask(server, body) === others[i];
    console.log(
      `  ${JSON.stringify(body).slice(0, 60)}...: ${seconds(asked).toFixed(1)} s (${
        right ? "right" : "WRONG"
      })`,
    );
  }
  for (;;) {
    const text = await (await fetch(`${server.native}/v1/metrics`)).text();
    if (/^xerj_hydrating_bytes 0$/m.test(text)) break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  console.log(
    `  all there after ${seconds(began).toFixed(1)} s: ${
      (directoryBytes(`${dataDir}/${INDEX}`) / MB).toFixed(0)
    } MB`,
  );
  await server.stop();
  Deno.removeSync(dataDir, { recursive: true });

  const downloaded = performance.now();
  const eager = `${folder}/eager`;
  const whole = await xerj([...from, "--data-dir", eager], env);
  if (whole.code !== 0) throw new Error(whole.stderr);
  console.log(
    `download: ${seconds(downloaded).toFixed(1)} s for ${(directoryBytes(eager) / MB).toFixed(0)} MB at ` +
      `${(rate / MB).toFixed(0)} MB/s`,
  );
} finally {
  await proxy.stop();
  await s3.stop();
  Deno.removeSync(folder, { recursive: true });
}
