/**
 * What a flush puts on disk must bring back exactly what was there.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { decodeManifest, type Manifest } from "../../src/format/manifest.ts";
import { inWorld, type World } from "./world.ts";

async function ids(world: World): Promise<string[]> {
  await world.refresh("logs");
  const { hits, total } = await world.search("logs", { size: 1000, track_total_hits: true });
  const found = hits.map(({ _id }) => _id).sort();
  assertEquals(total, found.length);
  return found;
}

Deno.test("a segment that only carries deletes may go without bringing the deleted back", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    await world.write("logs", "a", { n: 1 });
    await world.write("logs", "b", { n: 1 });
    await world.flush("logs");
    await world.delete("logs", "a");
    await world.flush("logs"); // A segment without documents, whose tombstone says that a is dead.
    await world.write("logs", "c", { n: 1 });
    await world.flush("logs");
    await world.reopen();
    assertEquals(await ids(world), ["b", "c"]);
    await world.delete("logs", "c");
    await world.flush("logs");
    await world.reopen();
    assertEquals(await ids(world), ["b"]);
  });
});

/** The newest manifest of the only shard. */
function newestManifest({ dataDir }: World, name: string): Manifest {
  const folder = `${dataDir}/${name}/manifests`;
  const newest = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort().at(-1)!;
  return decodeManifest(Deno.readFileSync(`${folder}/${newest}`));
}

Deno.test("a flush that failed leaves the dead of a dead segment to the log: no merge drops it", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    await world.write("logs", "a", { n: 1 });
    await world.flush("logs");
    const { checkpoint } = newestManifest(world, "logs");
    await world.delete("logs", "a");
    world.disk.full = (path) => path.includes("/manifests/");
    const [report] = await world.engine.flush([world.index("logs")]);
    assertEquals(typeof report!.failure, "string");
    world.disk.full = undefined;
    // The upkeep looks each second for segments without anybody alive.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    // Should the log lose its unsynced end, the delete is gone with it, and the document must be there.
    const manifest = newestManifest(world, "logs");
    const docs = manifest.segments.reduce((sum, { liveDocs }) => sum + liveDocs, 0);
    assertEquals([manifest.checkpoint.lsn, docs], [checkpoint.lsn, 1]);
    await world.flush("logs");
    assertEquals(newestManifest(world, "logs").segments, []);
    assertEquals(await ids(world), []);
  });
});
