/**
 * What a flush puts on disk must bring back exactly what was there.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
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
