/**
 * A live directory, copied by real tools while documents pour in, flushes and merges run: every copy opens and holds
 * every write acknowledged before it began. Half a minute of it; `soak.ts` goes on for as long as one likes.
 */
import { assertEquals } from "@std/assert";
import { mulberry32 } from "../crash/kill_cycles.ts";
import { startServer } from "../support/server.ts";
import { INDEX, Load } from "./load.ts";
import { runLoops } from "./loops.ts";
import { Model } from "./model.ts";
import { COPY_TOOLS, hasCommand, remove } from "./tools.ts";

const SECONDS = Number(Deno.env.get("XERJ_COPIES_SECONDS") ?? 30);
const TOML = "[storage]\nretain_superseded_secs = 20\nwal_max_size_mb = 1\nflush_size_mb = 1\n" +
  "flush_interval_secs = 2\n[merge]\nmin_segments = 2\n";

Deno.test("copies made by rsync, tar and cp of a server at work hold all that was acknowledged", async () => {
  const tools = COPY_TOOLS.filter(({ name, needs }) => {
    const isThere = needs.every(hasCommand);
    if (!isThere) console.log(`without ${name}: ${needs.join(", ")} is not installed`);
    return isThere;
  });
  const scratch = Deno.makeTempDirSync({ prefix: "xerj-copies-" });
  const server = await startServer({ toml: TOML });
  const model = new Model(20_000);
  try {
    const create = await server.json(`/v1/indices/${INDEX}`, {
      method: "PUT",
      json: { shards: 2, schema: { v: "long", k: "long", text: "text" } },
    });
    assertEquals(create.status, 201);
    const load = new Load(server, model, { operationsPerSecond: 1500, random: mulberry32(1) });
    try {
      const untilMs = performance.now() + SECONDS * 1000;
      const tallies = await Promise.race([
        runLoops(tools, { server, model, scratch, untilMs, retainMs: 20_000 }),
        load.failed.then(() => undefined),
      ]);
      for (const [name, tally] of tallies!) {
        const { missing, resurrected, stale, wrongCounts, refused, reasons, copies } = tally;
        assertEquals(
          { missing, resurrected, stale, wrongCounts, refused, reasons },
          { missing: 0, resurrected: 0, stale: 0, wrongCounts: 0, refused: 0, reasons: [] },
          name,
        );
        assertEquals(copies > 0, true, `${name} made copies`);
      }
    } finally {
      await load.stop();
    }
  } finally {
    await server.kill();
    server.remove();
    remove(scratch);
  }
});
