/**
 * One thread that merges: documents and bytes a second, and the memory that it takes.
 *
 *     deno run -A bench/merge_build.ts [--docs 200000] [--segments 8] [--rounds 3] [--dead 0] [--body 0] [--gb 0]
 *
 * Segments of the generated logs are built, written and merged into one. `--dead 20`: one document in 20 died.
 * `--body 8000`: documents have so many bytes of random text besides, and few fields that are indexed. `--gb 4`: then the
 * result, listed as often as it takes to make so many gigabytes of segments (at most 100), is merged again. CPU seconds
 * are the process's: steadier than the clock on a busy machine.
 *
 * @module
 */
import { cpuUsage, pid } from "node:process";
import { systemClock } from "../src/os/clock.ts";
import { pause, sleep } from "../src/os/pause.ts";
import { realFileSystem } from "../src/os/real_fs.ts";
import { newBucket, TokenBucket } from "../src/os/token_bucket.ts";
import { finishIds } from "../src/segment/ids_tail.ts";
import { buildMerge } from "../src/shard/merge_build.ts";
import { MergeControl, type MergeJobInput } from "../src/shard/merge_job.ts";
import { loadCorpus, withBodies } from "./corpus.ts";
import { LogSegments } from "./log_segments.ts";
import { memoryOf } from "./measure.ts";

const MIB = 1024 * 1024;
/** As many inputs as one merge has at most. */
const INPUTS_MAX = 100;
const SAMPLE_MS = 20;
const NO_TAIL = { tombstones: [], bornDead: null };

const logs = await loadCorpus(option("docs", 200_000));
if (!logs) {
  console.log("skipped: the shared log generator is not there (../shared/data/gen_logs.mjs)");
  Deno.exit(0);
}
const corpus = option("body", 0) > 0 ? withBodies(logs, option("body", 0)) : logs;
const directory = Deno.makeTempDirSync({ prefix: "xerj-merge-" });
try {
  const inputs = makeSegments(option("segments", 8));
  let made: MergeJobInput | undefined;
  for (let round = 0; round < option("rounds", 3); round++) {
    if (made) Deno.removeSync(made.path, { recursive: true });
    made = await measure(inputs, "merged");
  }
  const bytes = option("gb", 0) * 1e9;
  if (made && bytes > 0) {
    const times = Math.min(INPUTS_MAX, Math.ceil(bytes / made.sizeBytes));
    await measure(Array.from({ length: times }, () => made), "large");
  }
} finally {
  Deno.removeSync(directory, { recursive: true });
}
// The channel behind `pause` keeps a process alive.
Deno.exit(0);

async function measure(inputs: readonly MergeJobInput[], name: string): Promise<MergeJobInput> {
  const clock = systemClock();
  const environment = {
    fs: realFileSystem(),
    clock,
    bucket: new TokenBucket(newBucket(0), clock),
    pause,
    sleep,
  };
  const path = `${directory}/${name}`;
  Deno.mkdirSync(path);
  const uuid = crypto.randomUUID();
  const before = memoryOf(pid).anonymous;
  let peak = before;
  const sampling = setInterval(() => peak = Math.max(peak, memoryOf(pid).anonymous), SAMPLE_MS);
  const started = performance.now();
  const cpu = cpuUsage();
  const { built } = await buildMerge(environment, {
    id: name,
    index: "logs",
    shard: 0,
    uuid,
    stagedPath: path,
    inputs,
    control: new MergeControl().words,
  });
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = cpuUsage(cpu);
  clearInterval(sampling);
  const cpuSeconds = (user + system) / 1e6;
  const docs = inputs.reduce((sum, { docCount }) => sum + docCount, 0);
  const sizeBytes = inputs.reduce((sum, input) => sum + input.sizeBytes, 0);
  const moved = (built.bytesRead + built.bytesWritten) / MIB;
  console.log(
    `${docs} documents, ${inputs.length} segments of ${(sizeBytes / MIB).toFixed(0)} MiB: ` +
      `${(docs / seconds).toFixed(0)} documents/s (${(docs / cpuSeconds).toFixed(0)} a CPU second), ` +
      `${(moved / seconds).toFixed(1)} MiB/s read and written, ` +
      `RssAnon ${(before / MIB).toFixed(0)} MiB before, ${(peak / MIB).toFixed(0)} MiB at most`,
  );
  const { ids, idsBytes } = built;
  Deno.writeFileSync(`${path}/segment.ids`, finishIds(ids, NO_TAIL), { append: true });
  const written = built.seg.sizeBytes + built.sidx.sizeBytes + idsBytes;
  return { path, uuid, docCount: built.docCount, sizeBytes: written, live: null };
}

function makeSegments(count: number): MergeJobInput[] {
  const segments = new LogSegments(corpus);
  return Array.from({ length: count }, (_, n): MergeJobInput => {
    const { uuid, docCount, seg, sidx, ids } = segments.next(Math.ceil(corpus.docs / count));
    const path = `${directory}/${n}`;
    Deno.mkdirSync(path);
    Deno.writeFileSync(`${path}/segment.seg`, seg);
    Deno.writeFileSync(`${path}/segment.sidx`, sidx);
    Deno.writeFileSync(`${path}/segment.ids`, ids);
    const sizeBytes = seg.length + sidx.length + ids.length;
    return { path, uuid, docCount, sizeBytes, live: liveOf(docCount) };
  });
}

/** Every so many-th document died, but not in step with any block. */
function liveOf(docCount: number): Uint32Array | null {
  const oneIn = option("dead", 0);
  if (oneIn === 0) return null;
  const live = new Uint32Array(Math.ceil(docCount / 32));
  for (let doc = 0; doc < docCount; doc++) {
    if ((Math.imul(doc, 0x9e3779b1) >>> 8) % oneIn !== 0) live[doc >>> 5]! |= 1 << (doc & 31);
  }
  return live;
}

function option(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(Deno.args[at + 1]);
}
