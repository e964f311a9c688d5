/**
 * Merges that meet a disk without room, or a damaged file: nothing is lost, it is said, and what can go on goes on.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { healthOf } from "../../src/engine/health.ts";
import type { ShardStats } from "../../src/engine/messages.ts";
import { inWorld, SETTINGS, type World } from "./world.ts";

const MIB = 1024 * 1024;

async function stats(world: World): Promise<ShardStats> {
  return (await world.engine.stats())[0]!;
}

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = performance.now() + 15_000; !(await condition());) {
    assert(performance.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function warnings(world: World): Promise<string[]> {
  const { warnings } = healthOf(world.engine, {
    stats: await world.engine.stats(),
    freeBytes: world.disk.freeBytes,
    standing: [],
  });
  return warnings.map(({ status, cause }) => `${status} ${cause}`);
}

/** Flushes `count` segments of 100 documents each. */
async function segments(world: World, count: number): Promise<void> {
  const first = (await diskSegments(world)).length;
  for (let i = first; i < first + count; i++) {
    const lines = Array.from(
      { length: 100 },
      (_, n) => [{ index: { _id: `${i}-${n}` } }, { n, text: `word${n} again` }],
    );
    await world.bulk("logs", lines.flat());
    await world.flush("logs");
  }
}

async function diskSegments(world: World): Promise<string[]> {
  return (await stats(world)).segments.filter(({ inMemory }) => !inMemory).map(({ name }) => name);
}

function folders(world: World): string[] {
  return [...Deno.readDirSync(`${world.dataDir}/logs`)].map(({ name }) => name).filter((name) =>
    name.startsWith("seg-")
  ).sort();
}

const merge = { ...SETTINGS.merge, minSegments: 3 };

Deno.test("a merge that would not fit waits, says so, and goes on when there is room", async () => {
  await inWorld({ settings: { merge, diskReserveBytes: 100 * MIB } }, async (world) => {
    await world.create("logs");
    await segments(world, 2);
    world.disk.freeBytes = 100 * MIB + 1000;
    await segments(world, 1);
    await until("it waits", async () => (await stats(world)).merges.waiting !== undefined);
    const said = await warnings(world);
    assert(said.some((one) => /^yellow .*a merge of 3 segments needs/.test(one)), said.join("\n"));
    await world.write("logs", "x", { n: 1 }); // There is room for documents yet.
    world.disk.freeBytes = undefined;
    await until("it goes on", async () => (await diskSegments(world)).length === 1);
    assertEquals((await stats(world)).merges.waiting, undefined);
    assertEquals((await world.search("logs", { size: 0, track_total_hits: true })).total, 301);
  });
});

Deno.test("below the reserve documents are refused; deletes, searches and flushes go on, and all resumes", async () => {
  await inWorld({ settings: { diskReserveBytes: 100 * MIB } }, async (world) => {
    await world.create("logs");
    await segments(world, 2);
    world.disk.freeBytes = 99 * MIB;
    await until("documents are refused", async () => {
      try {
        await world.write("logs", "a", { n: 1 });
        return false;
      } catch (error) {
        assert(
          error instanceof RequestError && error.status === 429 && error.type === "disk_full",
          String(error),
        );
        return true;
      }
    });
    const items = await world.bulk("logs", [{ index: { _id: "b" } }, { n: 1 }, { delete: { _id: "0-1" } }]);
    assertEquals(items.map(({ status }) => status), [429, 200]);
    await assertRejects(
      () => world.write("logs", "0-2", { doc: { n: 2 } }, { action: "update" }),
      RequestError,
    );
    assertEquals((await world.delete("logs", "0-3")).result, "deleted");
    await world.flush("logs");
    await world.refresh("logs");
    const { total } = await world.search("logs", { size: 0, track_total_hits: true });
    assertEquals(total, (await world.get("logs", "a")) === undefined ? 198 : 199); // Taken before it was noticed.
    assert((await warnings(world)).some((one) => /^red new documents are refused/.test(one)));
    world.disk.freeBytes = undefined;
    await until("documents are taken again", async () => {
      try {
        await world.write("logs", "a", { n: 1 });
        return true;
      } catch (error) {
        if (error instanceof RequestError && error.type === "disk_full") return false;
        throw error;
      }
    });
    assertEquals(await world.get("logs", "a"), { n: 1 });
  });
});

Deno.test("short of room, retained files go first, with a warning", async () => {
  await inWorld({ settings: { merge, diskReserveBytes: 100 * MIB } }, async (world) => {
    await world.create("logs");
    await segments(world, 3);
    await until("they are merged", async () => (await diskSegments(world)).length === 1);
    assertEquals(folders(world).length, 4, "retention keeps the inputs");
    world.disk.freeBytes = 99 * MIB;
    await until("the inputs are gone", () => folders(world).length === 1);
    // Written by the writer once all are gone.
    await until(
      "the warning",
      () =>
        world.lines.some(({ level, message }) =>
          level === "warn" && message.startsWith("retained files went")
        ),
    );
    world.disk.freeBytes = undefined;
  });
});

Deno.test("a merge whose output finds no room leaves nothing behind", async () => {
  await inWorld({ settings: { merge } }, async (world) => {
    await world.create("logs");
    await segments(world, 3 - 1);
    const before = folders(world);
    world.disk.full = (path) => path.includes("/seg-000004");
    await segments(world, 1);
    await until("it failed", async () => (await stats(world)).merges.failedTotal > 0);
    const { merges, failure } = await stats(world);
    assert(merges.waiting?.startsWith("there was no room"), merges.waiting);
    assertEquals(failure, undefined);
    assertEquals(folders(world), [...before, "seg-000003"]);
    world.disk.full = undefined;
    await until("it is tried again", async () => (await diskSegments(world)).length === 1);
    await world.refresh("logs");
    assertEquals((await world.search("logs", { size: 0, track_total_hits: true })).total, 300);
  });
});

Deno.test("a damaged input is named, its segments stay, and the others are merged", async () => {
  await inWorld({ settings: { merge } }, async (world) => {
    await world.create("logs");
    await segments(world, 2);
    await world.search("logs"); // Searchers have it open.
    const file = `${world.dataDir}/logs/seg-000002/segment.seg`;
    const handle = Deno.openSync(file, { read: true, write: true });
    handle.seekSync(100, Deno.SeekMode.Start);
    handle.writeSync(new Uint8Array([0xde, 0xad, 0xbe, 0xef]));
    handle.close();
    await segments(world, 1);
    await until("it is found", async () => (await stats(world)).merges.damaged.length > 0);
    assertEquals((await stats(world)).merges.damaged, [file]);
    const said = await warnings(world);
    assert(said.some((one) => one.startsWith("red ") && one.includes(file)), said.join("\n"));
    assertEquals((await diskSegments(world)).length, 3);
    await world.engine.forceMerge([world.index("logs")], { maxSegments: 1, expungeOnly: false });
    assertEquals((await diskSegments(world)).length, 2, "the whole ones are one");
  });
});

Deno.test("segments whose documents are all deleted go without a new one", async () => {
  await inWorld({ settings: { merge: { ...merge, minSegments: 1000 } } }, async (world) => {
    await world.create("logs");
    await segments(world, 3);
    for (let n = 0; n < 100; n++) await world.delete("logs", `1-${n}`);
    await world.flush("logs");
    await world.engine.forceMerge([world.index("logs")], { maxSegments: undefined, expungeOnly: false });
    await world.refresh("logs");
    assertEquals((await world.search("logs", { size: 0, track_total_hits: true })).total, 200);
    assert(!(await diskSegments(world)).includes("seg-000002"));
    await world.reopen();
    assertEquals((await world.search("logs", { size: 0, track_total_hits: true })).total, 200);
  });
});

Deno.test("an index that is deleted, and a server that stops, do not wait for a merge", async () => {
  const slow = { ...merge, ioBytesPerSec: 1000 };
  await inWorld({ settings: { merge: slow } }, async (world) => {
    await world.create("logs");
    await segments(world, 3);
    await until("it runs", async () => (await stats(world)).merges.running.some(({ started }) => started));
    const started = performance.now();
    await world.engine.indices.delete(world.index("logs"));
    assert(performance.now() - started < 5000);
    await world.create("logs");
    await segments(world, 3);
    await until("it runs", async () => (await stats(world)).merges.running.some(({ started }) => started));
    await world.reopen();
    assertEquals((await world.search("logs", { size: 0, track_total_hits: true })).total, 300);
  });
});
