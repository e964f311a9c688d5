/**
 * A snapshot that the file system makes of the live directory holds all that was acknowledged before it. Needs root,
 * loop devices and btrfs.
 */
import { assertEquals } from "@std/assert";
import { mulberry32 } from "../crash/kill_cycles.ts";
import { startServer } from "../support/server.ts";
import { INDEX, Load } from "./load.ts";
import { Model } from "./model.ts";
import { judgeCopy } from "./opened_copy.ts";
import { hasCommand, remove, run } from "./tools.ts";

const SNAPSHOTS = 3;
const TOML = "[storage]\nwal_max_size_mb = 1\nflush_size_mb = 1\nflush_interval_secs = 2\n" +
  "retain_superseded_secs = 1\n[merge]\nmin_segments = 2\n";

/** Mounts a new btrfs of a file's; undefined with a message where that cannot be done. */
function mountBtrfs(scratch: string): string | undefined {
  const missing = ["mkfs.btrfs", "btrfs", "losetup", "mount"].filter((name) => !hasCommand(name));
  if (missing.length > 0 || Deno.uid() !== 0) {
    console.log(`without btrfs: ${missing.length > 0 ? `${missing.join(", ")} not installed` : "not root"}`);
    return undefined;
  }
  const mount = `${scratch}/btrfs`;
  Deno.mkdirSync(mount);
  try {
    run(
      `truncate -s 1G ${scratch}/disk && mkfs.btrfs -q ${scratch}/disk && mount -o loop ${scratch}/disk ${mount}`,
    );
  } catch (error) {
    console.log(`without btrfs: ${(error as Error).message.trim().split("\n").at(-1)}`);
    return undefined;
  }
  return mount;
}

Deno.test("btrfs snapshots of the live directory open and hold all that was acknowledged", async () => {
  const scratch = Deno.makeTempDirSync({ prefix: "xerj-btrfs-" });
  const mount = mountBtrfs(scratch);
  try {
    if (mount === undefined) return;
    run(`btrfs -q subvolume create ${mount}/data`);
    const server = await startServer({ dataDir: `${mount}/data`, toml: TOML });
    const model = new Model(5000);
    try {
      await server.json(`/v1/indices/${INDEX}`, {
        method: "PUT",
        json: { shards: 2, schema: { v: "long", k: "long", text: "text" } },
      });
      const load = new Load(server, model, { operationsPerSecond: 1000, random: mulberry32(2) });
      const made: {
        name: string;
        floor: ReturnType<Model["floor"]>;
        ceiling: ReturnType<Model["ceiling"]>;
      }[] = [];
      for (let i = 0; i < SNAPSHOTS; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1500));
        const floor = model.floor();
        // What is not synced yet a snapshot may lack, as a power cut would.
        assertEquals((await server.json("/v1/admin/flush", { method: "POST" })).status, 200);
        await new Deno.Command("btrfs", {
          args: ["-q", "subvolume", "snapshot", "-r", `${mount}/data`, `${mount}/snap-${i}`],
        }).output();
        made.push({ name: `${mount}/snap-${i}`, floor, ceiling: model.ceiling() });
      }
      await load.stop();
      for (const { name, floor, ceiling } of made) {
        run(`cp -a ${name} ${scratch}/copy`);
        const outcome = await judgeCopy(`${scratch}/copy`, { ids: model.ids, floor, ceiling, write: true });
        assertEquals(outcome.kind, "opened", JSON.stringify(outcome));
        if (outcome.kind !== "opened") return;
        const { missing, resurrected, stale, wrongCounts, examples } = outcome.verdict;
        assertEquals({ missing, resurrected, stale, wrongCounts, examples }, {
          missing: 0,
          resurrected: 0,
          stale: 0,
          wrongCounts: 0,
          examples: [],
        });
        assertEquals(floor.operations > 0, true);
        remove(`${scratch}/copy`);
      }
    } finally {
      await server.kill();
      server.remove();
    }
  } finally {
    if (mount !== undefined) run(`umount ${mount}`);
    remove(scratch);
  }
});
