/**
 * Copies of a server at work for as long as one likes, and what they hold.
 *
 * `deno run -A tests/copies/soak.ts --minutes 20 --ops 5000 [--zero-minutes 10] [--ids 300000] [--judges 2]
 * [--binary dist/xerj]`
 *
 * First with `retain_superseded_secs = 60`: every copy must open and hold all that was acknowledged before it began.
 * Then with 0: copies may be refused, never wrong. Then 1% more documents, and what rsync sends of them.
 *
 * @module
 */
import { mulberry32 } from "../crash/kill_cycles.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { INDEX, Load } from "./load.ts";
import { runLoops, type Tally } from "./loops.ts";
import { Model } from "./model.ts";
import { COPY_TOOLS, hasCommand, remove, run } from "./tools.ts";

interface SoakOptions {
  readonly minutes: number;
  readonly zeroMinutes: number;
  readonly operationsPerSecond: number;
  readonly ids: number;
  readonly seed: number;
  readonly judges: number;
  readonly binary?: string;
}

function toml(retainSecs: number): string {
  return `[storage]\nretain_superseded_secs = ${retainSecs}\nwal_max_size_mb = 16\nflush_size_mb = 4\n` +
    "flush_interval_secs = 10\n[merge]\nmin_segments = 2\n";
}

async function soak(options: SoakOptions): Promise<boolean> {
  const scratch = Deno.makeTempDirSync({ prefix: "xerj-soak-" });
  const started = performance.now();
  const log = (line: string) =>
    console.log(`${((performance.now() - started) / 1000).toFixed(1)} s  ${line}`);
  const server = await startServer({
    toml: toml(60),
    ...(options.binary === undefined ? {} : { binary: options.binary }),
  });
  const model = new Model(options.ids);
  let fine = true;
  try {
    const create = await server.json(`/v1/indices/${INDEX}`, {
      method: "PUT",
      json: { schema: { v: "long", k: "long", text: "text" } },
    });
    if (create.status !== 201) throw new Error(JSON.stringify(create.body));
    const { operationsPerSecond, binary } = options;
    const load = new Load(server, model, { operationsPerSecond, random: mulberry32(options.seed) });
    const phase = async (minutes: number, retainMs: number): Promise<ReadonlyMap<string, Tally>> => {
      const startedMs = performance.now();
      const untilMs = startedMs + minutes * 60_000;
      const before = model.acknowledged;
      const loops = runLoops(tools(), {
        server,
        model,
        scratch,
        untilMs,
        retainMs,
        judges: options.judges,
        log,
        ...(binary ? { binary } : {}),
      });
      const tallies = await Promise.race([loops, load.failed.then(() => undefined)]);
      const seconds = (performance.now() - startedMs) / 1000;
      log(
        `${((model.acknowledged - before) / seconds).toFixed(0)} operations/s acknowledged, over ${
          seconds.toFixed(0)
        } s`,
      );
      return tallies!;
    };
    const kept = await phase(options.minutes, 60_000);
    report(`retain_superseded_secs = 60, ${options.minutes} minutes`, kept);
    fine = [...kept.values()].every((tally) => isRight(tally) && tally.refused === 0);
    if (options.zeroMinutes > 0) {
      Deno.writeTextFileSync(server.configPath, toml(0));
      server.child.kill("SIGHUP");
      const released = await phase(options.zeroMinutes, 0);
      report(`retain_superseded_secs = 0, ${options.zeroMinutes} minutes`, released);
      fine = fine && [...released.values()].every(isRight);
    }
    await load.stop();
    log(`longest bulk ${load.longestMs.toFixed(0)} ms`);
    await increment(server, options.ids, scratch);
  } finally {
    await server.kill();
    server.remove();
    remove(scratch);
  }
  return fine;
}

function tools() {
  return COPY_TOOLS.filter(({ name, needs }) => {
    if (needs.every(hasCommand)) return true;
    console.log(`without ${name}: ${needs.join(", ")} is not installed`);
    return false;
  });
}

function isRight({ missing, resurrected, stale, wrongCounts }: Tally): boolean {
  return missing + resurrected + stale + wrongCounts === 0;
}

function report(title: string, tallies: ReadonlyMap<string, Tally>): void {
  console.log(`\n${title}`);
  console.log(
    "tool             copies  refused  too slow  missing  resurrected  stale  wrong counts  longest s",
  );
  let copies = 0;
  for (const [name, tally] of tallies) {
    copies += tally.copies;
    const columns = [
      tally.copies,
      tally.refused,
      tally.late,
      tally.missing,
      tally.resurrected,
      tally.stale,
      tally.wrongCounts,
    ];
    const widths = [7, 9, 10, 9, 13, 7, 14];
    const text = columns.map((value, i) => String(value).padStart(widths[i]!)).join("");
    console.log(`${name.padEnd(16)}${text}${(tally.longestMs / 1000).toFixed(1).padStart(11)}`);
  }
  console.log(`${copies} copies`);
  const reasons = new Set([...tallies.values()].flatMap(({ reasons }) => reasons));
  for (const reason of [...reasons].slice(0, 10)) console.log(`  ${reason}`);
  console.log();
}

/** What rsync sends once 1% more documents are there. */
async function increment(server: ServerProcess, ids: number, scratch: string): Promise<void> {
  if (!hasCommand("rsync")) return;
  await (await fetch(`${server.native}/v1/admin/flush`, { method: "POST" })).body?.cancel();
  const to = `${scratch}/increment`;
  const sync = () => run(`rsync -aH --delete --stats ${server.dataDir}/ ${to}/`);
  Deno.mkdirSync(to);
  sync();
  const lines: string[] = [];
  for (let i = 0; i < ids / 100; i++) {
    lines.push(`{"index":{"_id":"more-${i}"}}`, `{"v":${i},"k":${i},"text":"one more of them ${i}"}`);
  }
  const body = lines.join("\n") + "\n";
  const headers = { "content-type": "application/x-ndjson" };
  const response = await fetch(`${server.es}/${INDEX}/_bulk`, { method: "POST", headers, body });
  await response.body?.cancel();
  console.log(`rsync --stats after ${Math.round(ids / 100)} more documents (${body.length} bytes of bulk):`);
  console.log(sync().split("\n").filter((line) => /^(Number of|Total)/.test(line)).join("\n"));
}

function flag(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(Deno.args[at + 1]);
}

if (import.meta.main) {
  const binary = Deno.args.indexOf("--binary");
  const seed = flag("seed", Date.now() % 1_000_000);
  console.log(`seed ${seed}`);
  const fine = await soak({
    minutes: flag("minutes", 20),
    zeroMinutes: flag("zero-minutes", 10),
    operationsPerSecond: flag("ops", 5000),
    ids: flag("ids", 300_000),
    seed,
    judges: flag("judges", 2),
    ...(binary < 0 ? {} : { binary: Deno.args[binary + 1]! }),
  });
  console.log(fine ? "nothing missing, nothing wrong" : "WRONG");
  Deno.exit(fine ? 0 : 1);
}
