/**
 * What each `wal_sync` costs in syncs, counted by strace from outside: `sync` at least one for each group of requests
 * that was acknowledged together, `batched` about one every `wal_batch_ms`, `async` none between rolls, flushes and
 * starts.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { ServerProcess } from "../support/server.ts";
import { delay, hasCommand, inServer, within } from "./support.ts";

const WINDOW_MS = 2000;
const BATCH_MS = 100;

/** Attaches to a running server, so that neither its start nor its end is counted. */
class Syncs {
  readonly #child: Deno.ChildProcess;
  readonly #trace: string;
  readonly #attached: Promise<void>;

  constructor(pid: number) {
    this.#trace = Deno.makeTempFileSync({ prefix: "xerj-strace-" });
    this.#child = new Deno.Command("strace", {
      args: ["-f", "-y", "-e", "trace=fdatasync,fsync", "-o", this.#trace, "-p", String(pid)],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#attached = this.#awaitAttached();
  }

  get attached(): Promise<void> {
    return within(this.#attached, 10_000, "strace did not attach");
  }

  /** Detaches. @returns Number of syncs of the log, and all others. */
  async stop(): Promise<{ readonly log: number; readonly other: string[] }> {
    this.#child.kill("SIGINT");
    await this.#child.status;
    // "123 fdatasync(12</data/logs/wal/wal-000002> <unfinished ...>" or "... = 0"; "resumed" is the second half.
    const calls = Deno.readTextFileSync(this.#trace).split("\n").filter((line) =>
      /\bf(data)?sync\(/.test(line)
    );
    Deno.removeSync(this.#trace);
    const isLog = (line: string) => line.includes("/wal/wal-");
    return { log: calls.filter(isLog).length, other: calls.filter((line) => !isLog(line)) };
  }

  #awaitAttached(): Promise<void> {
    return new Promise((resolve, reject) => {
      const read = async () => {
        const decoder = new TextDecoder();
        let text = "";
        for await (const chunk of this.#child.stderr) {
          text += decoder.decode(chunk, { stream: true });
          if (/ attached/.test(text)) resolve();
        }
        reject(new Error(`strace ended: ${text}`));
      };
      read();
    });
  }
}

async function write(server: ServerProcess, n: number): Promise<void> {
  const response = await fetch(`${server.es}/logs/_bulk`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: `{"index":{}}\n{"n":${n}}\n`,
  });
  assertEquals([response.status, (await response.json()).errors], [200, false]);
}

/** Counts syncs while `work` runs against a server that has its index and its log already. */
async function count<T>(
  policy: string,
  work: (server: ServerProcess) => Promise<T>,
): Promise<{ readonly syncs: number; readonly result: T }> {
  let outcome: { readonly syncs: number; readonly result: T } | undefined;
  const toml = `[storage]\nwal_sync = "${policy}"\nwal_batch_ms = ${BATCH_MS}\nflush_interval_secs = 3600\n`;
  await inServer({ toml }, async (server) => {
    await write(server, 0);
    await delay(3 * BATCH_MS); // So that the sync of that write is over.
    const syncs = new Syncs(server.pid);
    await syncs.attached;
    const result = await work(server);
    const { log, other } = await syncs.stop();
    assertEquals(other, [], "nothing rolled, flushed or started in the window");
    outcome = { syncs: log, result };
  });
  return outcome!;
}

/** Writes one after the other until the window is over. @returns How long that was, and how many. */
async function writeForAWhile(
  server: ServerProcess,
): Promise<{ readonly ms: number; readonly writes: number }> {
  const started = performance.now();
  let writes = 0;
  while (performance.now() - started < WINDOW_MS) {
    await write(server, ++writes);
    await delay(5);
  }
  return { ms: performance.now() - started, writes };
}

const ignore = !hasCommand("strace");
if (ignore) console.log("strace is not installed: syncs are not counted");

Deno.test({ name: "sync: one sync at least for every request that waits alone", ignore }, async () => {
  const { syncs, result: writes } = await count("sync", async (server) => {
    for (let n = 1; n <= 30; n++) await write(server, n);
    return 30;
  });
  console.log(`sync: ${writes} acknowledged one after the other, ${syncs} syncs of the log`);
  assert(syncs >= writes, `${syncs} syncs for ${writes} acknowledgements`);
});

Deno.test({ name: "sync: requests that come together share syncs", ignore }, async () => {
  const { syncs, result: writes } = await count("sync", async (server) => {
    await Promise.all(Array.from({ length: 200 }, (_, n) => write(server, n)));
    return 200;
  });
  console.log(`sync: ${writes} acknowledged together, ${syncs} syncs of the log`);
  assert(syncs >= 1 && syncs <= writes, `${syncs} syncs for ${writes} acknowledgements`);
});

Deno.test({ name: "batched: about one sync every wal_batch_ms, however many requests", ignore }, async () => {
  const { syncs, result: { ms, writes } } = await count("batched", writeForAWhile);
  console.log(`batched: ${writes} acknowledged in ${Math.round(ms)} ms, ${syncs} syncs of the log`);
  const expected = ms / BATCH_MS;
  assert(
    syncs <= expected + 2 && syncs >= expected / 3,
    `${syncs} syncs, about ${expected.toFixed(0)} expected`,
  );
});

Deno.test({ name: "async: no sync between rolls, flushes and starts", ignore }, async () => {
  const { syncs, result: { ms, writes } } = await count("async", writeForAWhile);
  console.log(`async: ${writes} acknowledged in ${Math.round(ms)} ms, ${syncs} syncs of the log`);
  assertEquals(syncs, 0);
});
