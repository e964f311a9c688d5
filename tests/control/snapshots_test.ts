/**
 * Snapshots: every write acknowledged before is in them, nothing after changes them, deleting leaves the server alone.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { DirectorySnapshots } from "../../src/control/snapshots.ts";
import { systemClock } from "../../src/os/clock.ts";
import { inWorld, World } from "../engine/world.ts";

function snapshotsOf({ engine, disk, dataDir }: World): DirectorySnapshots {
  return new DirectorySnapshots({ engine, fs: disk.fs, clock: systemClock(), dataDir });
}

/** Runs `test` with an engine over a linked clone of a directory. */
async function inClone(path: string, test: (clone: World) => Promise<void>): Promise<void> {
  const dataDir = Deno.makeTempDirSync({ prefix: "xerj-clone-" });
  const { success } = new Deno.Command("cp", { args: ["-al", `${path}/.`, dataDir] }).outputSync();
  assertEquals(success, true, "linked clone");
  const clone = new World(dataDir, {});
  try {
    await clone.open();
    try {
      await test(clone);
    } finally {
      await clone.close();
    }
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
}

/** Path, size and contents' digest of every file below a directory. */
async function contents(path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const walk = async (folder: string): Promise<void> => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      if (isDirectory) {
        await walk(`${folder}/${name}`);
        continue;
      }
      const bytes = Deno.readFileSync(`${folder}/${name}`);
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      found[`${folder}/${name}`.slice(path.length)] = `${bytes.length} ${digest.toHex()}`;
    }
  };
  await walk(path);
  return found;
}

const names = (path: string): string[] => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

Deno.test("a snapshot holds what was acknowledged before it, and nothing after", async () => {
  await inWorld({ writers: 2 }, async (world) => {
    const snapshots = snapshotsOf(world);
    await world.create("logs");
    await world.create("sharded", { settings: { number_of_shards: 3 } });
    for (let i = 0; i < 30; i++) {
      await world.write("logs", `l${i}`, { n: i });
      await world.write("sharded", `s${i}`, { n: i });
      if (i === 10) await world.flush("logs");
    }
    await world.delete("logs", "l3");
    const made = await snapshots.create("one");
    const before = await contents(made.path);
    assertEquals([made.indices, made.shards], [2, 4]);
    for (let i = 0; i < 30; i++) await world.write("logs", `l${i}`, { n: i + 1000 });
    await world.write("sharded", "later", { n: 1 });
    await world.engine.indices.delete(world.index("sharded"));
    await world.flush("logs");
    assertEquals(await contents(made.path), before, "no linked file has changed");
    assertEquals(names(made.path), ["_meta", "logs", "sharded"], "neither LOCK nor key");
    assertEquals(names(`${made.path}/_meta`).includes("instance.json"), false);
    await inClone(made.path, async (clone) => {
      assertEquals(clone.engine.indices.names().sort(), ["logs", "sharded"]);
      assertEquals((await clone.search("logs", { size: 0 })).total, 29);
      assertEquals((await clone.search("sharded", { size: 0 })).total, 30);
      assertEquals(await clone.get("logs", "l29"), { n: 29 });
      assertEquals(await clone.get("logs", "l3"), undefined);
      await clone.write("logs", "l3", { n: 3 });
      assertEquals((await clone.get("logs", "l3"))?.["n"], 3, "it can be written to");
    });
    assertEquals(await contents(made.path), before, "opening a linked clone changes nothing");
  });
});

Deno.test("snapshots are listed with what they hold alone, and deleted", async () => {
  await inWorld({}, async (world) => {
    const snapshots = snapshotsOf(world);
    await world.create("logs");
    await world.write("logs", "a", { n: 1 });
    await world.flush("logs");
    await snapshots.create("b");
    await snapshots.create("a");
    const listed = snapshots.list();
    assertEquals(listed.map(({ name }) => name), ["a", "b"]);
    const { bytes, uniqueBytes } = listed[0]!;
    assertEquals(bytes > uniqueBytes, true, "segments are shared with the live directory");
    assertEquals(uniqueBytes < 1000, true, "but for its own record");
    assertEquals((await snapshots.delete("a")).bytes, uniqueBytes);
    assertEquals(snapshots.list().map(({ name }) => name), ["b"]);
    assertEquals(names(`${world.dataDir}/_snapshots`), ["b"]);
    assertEquals(await world.get("logs", "a"), { n: 1 });
  });
});

Deno.test("bad, taken and missing snapshot names", async () => {
  await inWorld({}, async (world) => {
    const snapshots = snapshotsOf(world);
    await snapshots.create("taken");
    const bad = [
      "",
      ".",
      "..",
      "../x",
      "a/b",
      "Upper",
      "_x",
      "-x",
      "x.staged",
      "x.deleting",
      "taken",
      "a..b",
    ];
    for (const name of [...bad, "x".repeat(129)]) {
      const error = await assertRejects(async () => await snapshots.create(name), RequestError);
      assertEquals((error as RequestError).type, "invalid_snapshot_name_exception", name);
    }
    for (const name of ["", "..", "../logs", "none"]) {
      const error = await assertRejects(() => snapshots.delete(name), RequestError);
      assertEquals((error as RequestError).status, 404, name);
    }
    assertEquals(names(`${world.dataDir}/_snapshots`), ["taken"]);
  });
});

Deno.test("unfinished snapshots of an earlier process go at the next start, finished ones stay", async () => {
  await inWorld({}, async (world) => {
    const snapshots = snapshotsOf(world);
    await snapshots.create("whole");
    for (const name of ["half.staged", "gone.deleting"]) {
      Deno.mkdirSync(`${world.dataDir}/_snapshots/${name}/logs/wal`, { recursive: true });
      Deno.writeTextFileSync(`${world.dataDir}/_snapshots/${name}/logs/wal/wal-000001`, "x");
    }
    // Whoever linked a folder in by hand keeps what it leads to.
    const precious = Deno.makeTempDirSync();
    Deno.writeTextFileSync(`${precious}/file`, "x");
    Deno.symlinkSync(precious, `${world.dataDir}/_snapshots/half.staged/link`);
    snapshots.removeLeftovers();
    assertEquals(names(`${world.dataDir}/_snapshots`), ["whole"]);
    assertEquals(names(precious), ["file"]);
    Deno.removeSync(precious, { recursive: true });
  });
});

Deno.test("writes, flushes, deletes of indices and snapshots at once: each snapshot is one instant", async () => {
  await inWorld({ writers: 2, settings: { retainSupersededMs: 0 } }, async (world) => {
    const snapshots = snapshotsOf(world);
    await world.create("logs", { settings: { number_of_shards: 2 } });
    let acknowledged = 0;
    let stop = false;
    const write = async () => {
      while (!stop) {
        await world.write("logs", `d${acknowledged}`, { n: acknowledged });
        acknowledged++;
      }
    };
    const flush = async () => {
      while (!stop) await world.flush("logs");
    };
    const churn = async () => {
      for (let i = 0; !stop; i++) {
        await world.create(`temporary-${i}`);
        await world.write(`temporary-${i}`, "x", { n: 1 });
        await world.engine.indices.delete(world.index(`temporary-${i}`));
      }
    };
    const running = [write(), flush(), churn()];
    const floors: number[] = [];
    try {
      for (let i = 0; i < 5; i++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        floors.push(acknowledged);
        await snapshots.create(`s${i}`);
      }
    } finally {
      stop = true;
      await Promise.all(running);
    }
    for (const [i, floor] of floors.entries()) {
      await inClone(`${world.dataDir}/_snapshots/s${i}`, async (clone) => {
        const { total } = await clone.search("logs", { size: 0 });
        assertEquals(total >= floor, true, `${total} of ${floor}`);
        // One client at a time: whatever is there is a prefix.
        if (total > 0) assertEquals(await clone.get("logs", `d${total - 1}`), { n: total - 1 });
        assertEquals(await clone.get("logs", `d${total}`), undefined);
      });
    }
  });
});
