/**
 * A disk without room: nothing of a refused request is visible, older versions are back, reads go on, and service
 * resumes by itself.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { inWorld, type World } from "./world.ts";

const IN_LOG = (path: string) => path.includes("/wal/");

async function diskFull(work: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(work, RequestError) as RequestError;
  assertEquals([error.status, error.type], [429, "disk_full"]);
  assert(Number(error.headers["retry-after"] ?? error.headers["Retry-After"]) > 0, "says when to try again");
}

async function stored(world: World, name = "logs"): Promise<Record<string, unknown>> {
  await world.refresh(name);
  const { hits, total } = await world.search(name, { size: 1000, track_total_hits: true });
  assertEquals(hits.length, total);
  return Object.fromEntries(hits.map(({ _id, _source }) => [_id, _source["n"]]).sort());
}

/** Resolves when writes work again; the writer looks for space each second. */
async function resumed(world: World, write: () => Promise<unknown>): Promise<void> {
  for (const until = performance.now() + 10_000; performance.now() < until;) {
    try {
      await write();
      return;
    } catch (error) {
      if (!(error instanceof RequestError) || error.type !== "disk_full") throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`writes did not resume: ${JSON.stringify(world.lines.slice(-5))}`);
}

const PLACES: Readonly<Record<string, (world: World) => Promise<void>>> = {
  "the memtable": () => Promise.resolve(),
  "memory": (world) => world.refresh("logs"),
  "a segment on disk": (world) => world.flush("logs"),
};

for (const [place, move] of Object.entries(PLACES)) {
  Deno.test(`a bulk that found no room leaves nothing behind; older versions lie in ${place}`, async () => {
    await inWorld({}, async (world) => {
      await world.create("logs");
      await world.bulk("logs", ["a", "b", "c", "d"].flatMap((_id, n) => [{ index: { _id } }, { n }]));
      await world.delete("logs", "d");
      await move(world);
      const before = { a: 0, b: 1, c: 2 };
      world.disk.full = IN_LOG;
      const lines = [
        { index: { _id: "a" } },
        { n: 100 },
        { index: { _id: "a" } },
        { n: 101 },
        { delete: { _id: "b" } },
        { index: { _id: "b" } },
        { n: 102 },
        { delete: { _id: "b" } },
        { update: { _id: "c" } },
        { doc: { n: 103 } },
        { index: { _id: "d" } },
        { n: 104 },
        { index: { _id: "new" } },
        { n: 105 },
        { index: {} },
        { n: 106 },
      ];
      await diskFull(() => world.bulk("logs", lines));
      await diskFull(() => world.bulk("logs", lines)); // And while it is known to be full.
      await diskFull(() => world.write("logs", "a", { n: 200 }));
      await diskFull(() => world.delete("logs", "a"));
      assertEquals(await stored(world), before);
      for (const [id, n] of Object.entries(before)) assertEquals(await world.get("logs", id), { n });
      assertEquals(await world.get("logs", "d"), undefined);
      world.disk.full = undefined;
      await resumed(world, () => world.write("logs", "z", { n: 9 }));
      assertEquals(await stored(world), { ...before, z: 9 });
      // Versions go on where they were: what was refused took none.
      assertEquals((await world.write("logs", "a", { n: 0 })).version, 2);
      assertEquals((await world.write("logs", "d", { n: 5 })).version, 3);
      const expected = { a: 0, b: 1, c: 2, d: 5, z: 9 };
      await world.reopen();
      assertEquals(await stored(world), expected);
      await world.flush("logs");
      await world.reopen();
      assertEquals(await stored(world), expected);
    });
  });
}

Deno.test("of a bulk over two indices, what one shard has logged stays, and comes back after a restart", async () => {
  await inWorld({}, async (world) => {
    await world.create("one");
    await world.create("two");
    await world.write("two", "old", { n: 1 });
    world.disk.full = (path) => path.includes("/two/wal/");
    await diskFull(() =>
      world.bulk(undefined, [
        { index: { _index: "one", _id: "a" } },
        { n: 1 },
        { index: { _index: "two", _id: "old" } },
        { n: 2 },
      ])
    );
    // The request was refused, so either is right for `one`; but memory and log must say the same.
    const seen = await stored(world, "one");
    assertEquals(await stored(world, "two"), { old: 1 });
    world.disk.full = undefined;
    await resumed(world, () => world.write("two", "new", { n: 3 }));
    await world.reopen();
    assertEquals(await stored(world, "one"), seen);
    assertEquals(await stored(world, "two"), { old: 1, new: 3 });
  });
});

Deno.test("a flush without room fails, loses nothing, and a later one does all of it", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    await world.bulk("logs", ["a", "b", "c"].flatMap((_id, n) => [{ index: { _id } }, { n }]));
    await world.flush("logs");
    await world.delete("logs", "a");
    await world.write("logs", "d", { n: 3 });
    const expected = { b: 1, c: 2, d: 3 };
    for (const full of ["/seg-", "/manifests/", "/wal/"]) {
      expected.d++;
      await world.write("logs", "d", { n: expected.d });
      world.disk.full = (path) => path.includes(full);
      const [report] = await world.engine.flush([world.index("logs")]);
      assert(report!.failure?.includes("no space left"), `${full}: ${report!.failure}`);
      assertEquals(await stored(world), expected);
      world.disk.full = undefined;
    }
    await world.write("logs", "e", { n: 4 });
    await world.flush("logs");
    await world.reopen();
    assertEquals(await stored(world), { ...expected, e: 4 });
  });
});

Deno.test("a failed flush is tried again though nobody writes", async () => {
  await inWorld({ settings: { flushIntervalMs: 300 } }, async (world) => {
    await world.create("logs");
    world.disk.full = (path) => path.includes("/seg-");
    await world.write("logs", "a", { n: 1 });
    const flushed = () =>
      world.engine.stats().then(([shard]) => shard!.segments.some(({ inMemory }) => !inMemory));
    const failed = () => world.lines.some(({ message }) => message.startsWith("flush failed"));
    const until = performance.now() + 10_000;
    while (!failed() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    assert(failed() && !await flushed());
    world.disk.full = undefined;
    while (!await flushed() && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert(await flushed(), "the upkeep has flushed");
  });
});

Deno.test("an index that found no room is not there; the same request succeeds when there is", async () => {
  await inWorld({}, async (world) => {
    for (const full of ["/wal/", "/manifests/", "/_meta/"]) {
      world.disk.full = (path) => path.includes(full);
      await diskFull(() => world.create("logs"));
      assertEquals(world.engine.indices.names(), []);
      world.disk.full = undefined;
      await world.create("logs");
      await world.write("logs", "a", { n: 1 });
      assertEquals(await stored(world), { a: 1 });
      await world.engine.indices.delete(world.index("logs"));
    }
    await world.reopen();
    assertEquals(world.engine.indices.names(), []);
  });
});

Deno.test("an index that found no room is not taken for one that was put back, at the next start", async () => {
  for (const full of [["/_meta/"], ["/manifests/"], ["/_meta/", "/wal/wal-000001.staged"]]) {
    await inWorld({}, async (world) => {
      let isMade = false;
      world.disk.full = (path) => {
        isMade ||= path.includes("/_meta/");
        // The log of the new index finds room, its stub does not.
        return full.some((part) => path.includes(part) && (isMade || !part.startsWith("/wal/")));
      };
      await diskFull(() => world.create("logs"));
      world.disk.full = undefined;
      await world.reopen();
      assertEquals(world.engine.indices.names(), [], full.join());
      await world.create("logs");
      assertEquals(await stored(world), {});
    });
  }
});

Deno.test("an index that cannot be deleted for want of room goes on; the same request succeeds later", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    for (const full of ["/manifests/", "/_meta/"]) {
      world.disk.full = (path) => path.includes(full);
      await diskFull(() => world.engine.indices.delete(world.index("logs")));
      world.disk.full = undefined;
      assertEquals(world.engine.indices.names(), ["logs"]);
      if (full === "/manifests/") {
        await world.write("logs", "a", { n: 1 });
        assertEquals(await stored(world), { a: 1 });
      }
    }
    await world.engine.indices.delete(world.index("logs"));
    await world.reopen();
    assertEquals(world.engine.indices.names(), []);
  });
});
