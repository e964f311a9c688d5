/**
 * What the engine shows to whoever ships it: only what is on disk, without a roll, and for as long as it is held.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { generationName, manifestName } from "../../src/format/file_names.ts";
import { sleep } from "../../src/os/pause.ts";
import { inWorld } from "./world.ts";

Deno.test("a view shows synced bytes alone, of the same generation as before, and covers what was acknowledged", async () => {
  await inWorld({ settings: { walSync: "async" }, writers: 2 }, async (world) => {
    await world.create("logs", { settings: { number_of_shards: 3 } });
    for (let i = 0; i < 30; i++) await world.write("logs", String(i), { i });
    const before = world.engine.lastLsn;
    const view = await world.engine.shipView();
    assert(view.coveredLsn >= before, `${view.coveredLsn} covers ${before}`);
    assertEquals(view.logs.map(({ folder }) => folder).sort(), [
      "logs/shard-0",
      "logs/shard-1",
      "logs/shard-2",
    ]);
    assertEquals(view.catalogs.at(-1)!.body.indices.map(({ name }) => name), ["logs"]);
    for (const { directory, generations, syncedBytes } of view.logs) {
      assertEquals(generations.length, 1);
      const path = `${directory}/wal/${generationName(generations[0]!)}`;
      assertEquals(Deno.statSync(path).size, syncedBytes);
    }
    view.release();
    await world.write("logs", "more", {});
    const again = await world.engine.shipView();
    const grown = again.logs.filter(({ folder, syncedBytes }) =>
      syncedBytes > view.logs.find((log) => log.folder === folder)!.syncedBytes
    );
    assertEquals(grown.length, 1);
    assertEquals(again.logs.flatMap(({ generations }) => generations).length, 3, "no log rolled");
    // Manifests that main knows already come from its own memory.
    assertEquals(
      again.logs.map(({ manifest }) => manifest.number),
      view.logs.map(({ manifest }) => manifest.number),
    );
    again.release();
  });
});

Deno.test("what a view shows stays until it is released, and what is held until that is let go", async () => {
  await inWorld({ settings: { retainSupersededMs: 0 } }, async (world) => {
    await world.create("logs");
    await world.write("logs", "1", {});
    await world.flush("logs");
    const view = await world.engine.shipView();
    const [log] = view.logs;
    const path = `${log!.directory}/manifests/${manifestName(log!.manifest.number)}`;
    const isThere = () => world.disk.fs.exists(path);
    await world.write("logs", "2", {});
    await world.flush("logs");
    await sleep(1500);
    assert(isThere());
    const letGo = log!.hold();
    view.release();
    await sleep(1500);
    assert(isThere());
    letGo();
    for (let i = 0; i < 300 && isThere(); i++) await sleep(20);
    assert(!isThere());
  });
});

Deno.test("superseded catalogues are shown until they were asked for, the newest always", async () => {
  await inWorld({}, async (world) => {
    await world.create("a");
    await world.create("b");
    const first = await world.engine.shipView();
    first.release();
    const newest = first.catalogs.at(-1)!.body;
    assertEquals(newest.indices.map(({ name }) => name), ["a", "b"]);
    assert(first.catalogs.length >= 2);
    const second = await world.engine.shipView({ sinceCatalog: newest.number });
    second.release();
    assertEquals(second.catalogs.map(({ body }) => body.number), [newest.number]);
    assertEquals(first.history.runs.at(-1)?.id, second.history.runs.at(-1)?.id);
  });
});
