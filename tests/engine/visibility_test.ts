/**
 * What was acknowledged is in every search after the next refresh; no flush, refresh or restart hides it for a moment.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { inWorld, type World } from "./world.ts";

const ROUNDS = 24;
const BULK = 200;

/** Ids of all documents, by search. */
async function found(world: World): Promise<Set<string>> {
  const { hits, total } = await world.search("logs", {
    size: 10_000,
    track_total_hits: true,
    _source: false,
  });
  assertEquals(hits.length, total);
  const ids = new Set(hits.map(({ _id }) => _id));
  assertEquals(ids.size, total, "no document is found twice");
  return ids;
}

Deno.test("an acknowledged document is in every search after a refresh, while bulks and flushes run", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs", { mappings: { properties: { n: { type: "long" }, text: { type: "text" } } } });
    const acknowledged = new Set<string>();
    let bulks = 0;
    let flushes = 0;
    const write = async () => {
      for (; bulks < ROUNDS; bulks++) {
        const lines = Array.from(
          { length: BULK },
          (
            _,
            i,
          ) => [{ index: bulks % 2 === 0 ? {} : { _id: `${bulks}-${i}` } }, {
            n: i,
            text: `word${i} of ${bulks}`,
          }],
        ).flat();
        for (const { _id } of await world.bulk("logs", lines)) acknowledged.add(_id);
      }
    };
    const flush = async () => {
      for (; bulks < ROUNDS; flushes++) await world.flush("logs");
    };
    let searches = 0;
    const search = async () => {
      for (; bulks < ROUNDS; searches++) {
        const sure = [...acknowledged];
        await world.refresh("logs");
        const ids = await found(world);
        assertEquals(sure.filter((id) => !ids.has(id)), []);
      }
    };
    await Promise.all([write(), flush(), search()]);
    assert(flushes > 1 && searches > 1, `${flushes} flushes and ${searches} searches ran meanwhile`);
    await world.refresh("logs");
    assertEquals((await found(world)).size, ROUNDS * BULK);
  });
});

Deno.test("updates and deletes during flushes: each id once, in its newest version, before and after a restart", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs", { mappings: { properties: { n: { type: "long" } } } });
    const model = new Map<string, number>();
    let round = 0;
    const write = async () => {
      for (; round < ROUNDS; round++) {
        const lines: unknown[] = [];
        for (let i = 0; i < 60; i++) {
          const id = `${(round * 31 + i * 7) % 150}`;
          if ((round + i) % 5 === 0) {
            lines.push({ delete: { _id: id } });
            model.delete(id);
          } else {
            lines.push({ index: { _id: id } }, { n: round * 1000 + i });
            model.set(id, round * 1000 + i);
          }
        }
        await world.bulk("logs", lines);
      }
    };
    const flush = async () => {
      while (round < ROUNDS) await world.flush("logs");
    };
    const refresh = async () => {
      while (round < ROUNDS) {
        await world.refresh("logs");
        await found(world);
      }
    };
    await Promise.all([write(), flush(), refresh()]);
    const check = async () => {
      await world.refresh("logs");
      const { hits } = await world.search("logs", { size: 1000 });
      const stored = hits.map(({ _id, _source }) => [_id, _source["n"]]).sort();
      assertEquals(stored, [...model].sort());
      for (const [id, n] of model) assertEquals(await world.get("logs", id), { n });
    };
    await check();
    await world.reopen();
    await check();
    await world.flush("logs");
    await world.reopen();
    await check();
  });
});

Deno.test("a search that began before a flush ends on what it began with", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    await world.write("logs", "a", { n: 1 });
    await world.flush("logs");
    const pin = world.engine.snapshots.pin(world.index("logs").incarnation, 0)!;
    await world.delete("logs", "a");
    await world.write("logs", "b", { n: 2 });
    await world.flush("logs");
    assertEquals(pin.snapshot.liveDocs, 1);
    assertEquals([...await found(world)], ["b"]);
    pin.release();
    assertEquals([...await found(world)], ["b"]);
  });
});

Deno.test("the first search after a quiet spell sees what came in it; a get always sees the newest", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    await world.write("logs", "a", { n: 1 });
    assertEquals([...await found(world)], ["a"]); // Nobody had searched: it refreshed and waited.
    await world.write("logs", "b", { n: 2 });
    assertEquals(await world.get("logs", "b"), { n: 2 });
    await world.delete("logs", "a");
    assertEquals(await world.get("logs", "a"), undefined);
    await world.refresh("logs");
    assertEquals([...await found(world)], ["b"]);
  });
});
