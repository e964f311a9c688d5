/**
 * Snapshots of a real server at work: each holds what was acknowledged before it, also when the server is killed with
 * one under way.
 */
import { assertEquals } from "@std/assert";
import { mulberry32 } from "../crash/kill_cycles.ts";
import { startServer } from "../support/server.ts";
import { INDEX, Load } from "./load.ts";
import { Model } from "./model.ts";
import { judgeCopy } from "./opened_copy.ts";
import { remove } from "./tools.ts";

const TOML = "[storage]\nretain_superseded_secs = 1\nwal_max_size_mb = 1\nflush_size_mb = 1\n" +
  "flush_interval_secs = 1\n[merge]\nmin_segments = 2\n";
const RIGHT = { missing: 0, resurrected: 0, stale: 0, wrongCounts: 0, examples: [] };

async function judged(path: string, model: Model, floor: ReturnType<Model["floor"]>): Promise<void> {
  const outcome = await judgeCopy(path, { ids: model.ids, floor, ceiling: model.ceiling(), write: true });
  if (outcome.kind === "refused") throw new Error(`${path} was refused: ${outcome.reason}`);
  const { documents: _, ...verdict } = outcome.verdict;
  assertEquals(verdict, RIGHT, path);
}

Deno.test("snapshots of a server at work open and hold all that was acknowledged", async () => {
  const server = await startServer({ toml: TOML });
  const model = new Model(5000);
  try {
    await server.json(`/v1/indices/${INDEX}`, {
      method: "PUT",
      json: { shards: 2, schema: { v: "long", k: "long", text: "text" } },
    });
    const load = new Load(server, model, { operationsPerSecond: 1000, random: mulberry32(3) });
    try {
      const floors: ReturnType<Model["floor"]>[] = [];
      for (let i = 0; i < 4; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        floors.push(model.floor());
        const made = await server.json("/v1/admin/snapshot", { method: "POST", json: { name: `s${i}` } });
        assertEquals(made.status, 201, JSON.stringify(made.body));
      }
      // By now much of what they link has been released by the server.
      for (const [i, floor] of floors.entries()) {
        await judged(`${server.dataDir}/_snapshots/s${i}`, model, floor);
      }
      const { body } = await server.json("/v1/admin/snapshot");
      const listed = body["snapshots"] as unknown as { snapshot: string }[];
      assertEquals(listed.map(({ snapshot }) => snapshot), ["s0", "s1", "s2", "s3"]);
      const remove = async (name: string) =>
        assertEquals((await server.json(`/v1/admin/snapshot/${name}`, { method: "DELETE" })).status, 200);
      for (const name of ["s1", "s2", "s3"]) await remove(name);
      // Flushes and merges go on, so that sooner or later the first one alone links what it links.
      const deadline = AbortSignal.timeout(60_000);
      for (;;) {
        const { body } = await server.json("/v1/admin/snapshot/s0");
        if (Number(body["unique_bytes"]) > 1000) break;
        deadline.throwIfAborted();
        await server.json("/v1/admin/flush", { method: "POST" });
      }
      await remove("s0");
      assertEquals((await server.json("/v1/admin/snapshot/s0")).status, 404);
    } finally {
      await load.stop();
    }
  } finally {
    await server.kill();
    server.remove();
  }
});

Deno.test("kill -9 while a snapshot is made: it is whole or gone, and the server starts", async () => {
  const random = mulberry32(4);
  const dataDir = Deno.makeTempDirSync({ prefix: "xerj-snapshots-" });
  const model = new Model(500);
  const acknowledged = new Map<string, ReturnType<Model["floor"]>>();
  try {
    for (let cycle = 0; cycle < 6; cycle++) {
      const server = await startServer({ dataDir, toml: TOML });
      const leftovers = [...Deno.readDirSync(dataDir)].some(({ name }) => name === "_snapshots")
        ? [...Deno.readDirSync(`${dataDir}/_snapshots`)].filter(({ name }) => name.includes("."))
        : [];
      assertEquals(leftovers, []);
      const load = new Load(server, model, { operationsPerSecond: 200, random });
      await new Promise((resolve) => setTimeout(resolve, 600));
      await load.stop();
      const floor = model.floor();
      const asked = server.json("/v1/admin/snapshot", { method: "POST", json: { name: `s${cycle}` } }).then(
        ({ status }) => void (status === 201 && acknowledged.set(`s${cycle}`, floor)),
        (error) => {
          if (!(error instanceof TypeError)) throw error; // It was killed.
        },
      );
      await new Promise((resolve) => setTimeout(resolve, random() * 40));
      await server.kill();
      await asked;
      Deno.removeSync(server.configPath);
    }
    const names = [...Deno.readDirSync(`${dataDir}/_snapshots`)].map(({ name }) => name);
    for (const [name, floor] of acknowledged) {
      assertEquals(names.includes(name), true, `${name} was acknowledged`);
      await judged(`${dataDir}/_snapshots/${name}`, model, floor);
    }
  } finally {
    remove(dataDir);
  }
});
