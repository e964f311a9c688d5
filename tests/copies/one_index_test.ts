/**
 * One index is taken out of a server at work with `tar`, and put back beside itself under another name, while
 * documents go on coming in.
 */
import { assert, assertEquals } from "@std/assert";
import { mulberry32 } from "../crash/kill_cycles.ts";
import { startServer } from "../support/server.ts";
import { INDEX, Load } from "./load.ts";
import { judge, Model } from "./model.ts";
import { readAll } from "./opened_copy.ts";
import { remove, run } from "./tools.ts";

const ROUNDS = 4;
const TOML = "[storage]\nwal_max_size_mb = 1\nflush_size_mb = 1\nflush_interval_secs = 2\n" +
  "retain_superseded_secs = 60\n[merge]\nmin_segments = 2\n";

for (const shards of [1, 3]) {
  Deno.test(`tar of one index of ${shards} shards, attached beside it under ingest`, async () => {
    const scratch = Deno.makeTempDirSync({ prefix: "xerj-one-index-" });
    const server = await startServer({ toml: TOML });
    const model = new Model(5000);
    try {
      const schema = { v: "long", k: "long", text: "text" };
      await server.json(`/v1/indices/${INDEX}`, { method: "PUT", json: { shards, schema } });
      const load = new Load(server, model, { operationsPerSecond: 1000, random: mulberry32(shards) });
      try {
        for (let round = 1; round <= ROUNDS; round++) {
          await new Promise((resolve) => setTimeout(resolve, 1000));
          const floor = model.floor();
          const { code } = await new Deno.Command("tar", {
            args: ["-C", server.dataDir, "-cf", `${scratch}/one.tar`, INDEX],
            stderr: "null",
          }).output();
          assert(code <= 1, `tar answers ${code}`); // 1: a file changed while it was read.
          const ceiling = model.ceiling();
          // Under a name that nothing has: unpacked aside, moved in whole.
          run(`mkdir ${scratch}/out && tar -C ${scratch}/out -xf ${scratch}/one.tar`);
          run(`mv ${scratch}/out/${INDEX} ${server.dataDir}/folder-${round} && rmdir ${scratch}/out`);
          const taken = await server.json(`/v1/indices/folder-${round}/_attach?rename=${INDEX}`, {
            method: "POST",
          });
          assertEquals(taken.status, 400, "a live index has that name");
          const before = model.acknowledged;
          const attached = await server.json(`/v1/indices/folder-${round}/_attach?rename=again-${round}`, {
            method: "POST",
          });
          assertEquals(attached.status, 200, JSON.stringify(attached.body));
          const { found, wrongCounts } = await readAll(server, model.ids, `again-${round}`);
          const { documents, ...verdict } = judge(found, floor, ceiling);
          assertEquals({ ...verdict, wrongCounts }, {
            missing: 0,
            resurrected: 0,
            stale: 0,
            examples: [],
            wrongCounts: 0,
          });
          assertEquals(attached.body["docs"], documents);
          // What is written to one is not in the other.
          const probe = await server.json(`/v1/indices/again-${round}/docs/probe`, {
            method: "PUT",
            json: { v: 1, k: 0, text: "probe" },
          });
          assertEquals(probe.status, 201, JSON.stringify(probe.body));
          assertEquals((await server.json(`/v1/indices/${INDEX}/docs/probe`)).status, 404);
          console.log(
            `attached ${documents} documents of ${floor.operations} operations; ` +
              `${model.acknowledged - before} operations were acknowledged meanwhile`,
          );
        }
        assert(model.acknowledged > 0);
      } finally {
        await load.stop();
      }
      const live = model.floor();
      const { found, wrongCounts } = await readAll(server, model.ids);
      const { missing, resurrected, stale, examples } = judge(found, live, model.ceiling());
      assertEquals({ missing, resurrected, stale, wrongCounts, examples }, {
        missing: 0,
        resurrected: 0,
        stale: 0,
        wrongCounts: 0,
        examples: [],
      });
    } finally {
      await server.kill();
      server.remove();
      remove(scratch);
    }
  });
}
