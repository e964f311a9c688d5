/**
 * Folders put back into a running server: opened under their old incarnation, published as a new one; refused, and left
 * as they are, when the name is taken or something is missing.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { inWorld, type World } from "./world.ts";

function tool(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  assertEquals(success, true, `${command}: ${new TextDecoder().decode(stderr)}`);
}

const copyFolder = (world: World, from: string, to: string) =>
  tool("cp", "-a", `${world.dataDir}/${from}`, `${world.dataDir}/${to}`);

/** Size and modification time of every file below a folder, by path. */
function listing(path: string): string[] {
  const found: string[] = [];
  const walk = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const { size, mtime } = Deno.statSync(`${folder}/${name}`);
      if (isDirectory) walk(`${folder}/${name}`);
      else found.push(`${folder}/${name} ${size} ${mtime?.getTime()}`);
    }
  };
  walk(path);
  return found.sort();
}

async function fill(world: World, name: string, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await world.write(name, `d${i}`, { n: i });
}

async function counts(world: World, name: string): Promise<number> {
  await world.refresh(name);
  return (await world.search(name, { size: 0 })).total;
}

const refusal = async (call: Promise<unknown>): Promise<[number, string]> => {
  const error = await assertRejects(() => call, RequestError) as RequestError;
  return [error.status, error.type];
};

Deno.test("a copy of a live index's folder becomes an index of its own, replay included", async () => {
  for (const shards of [1, 3]) {
    await inWorld({ writers: 2 }, async (world) => {
      await world.create("logs", {
        settings: { number_of_shards: shards },
        mappings: { properties: { n: { type: "long" } } },
      });
      await fill(world, "logs", 0, 40);
      await world.flush("logs");
      await fill(world, "logs", 40, 60);
      await world.delete("logs", "d5");
      copyFolder(world, "logs", "copy");
      await fill(world, "logs", 60, 70);
      const before = world.engine.lastLsn;
      const { state, docs, replayedBytes } = await world.engine.indices.attach("copy", "copy");
      assertEquals([docs, replayedBytes > 0, state.shards], [59, true, shards]);
      assertEquals(await counts(world, "copy"), 59);
      assertEquals(await counts(world, "logs"), 69);
      assertEquals(world.engine.lastLsn >= before, true);
      await world.write("copy", "d5", { n: 5 });
      await world.write("copy", "d6", { n: 600 });
      assertEquals((await world.write("copy", "d6", { n: 601 })).version, 3, "versions go on");
      await world.reopen();
      assertEquals(await counts(world, "copy"), 60);
      assertEquals(await world.get("copy", "d6"), { n: 601 });
      assertEquals(await world.get("logs", "d6"), { n: 6 });
      assertEquals(await world.get("copy", "d59"), { n: 59 });
    });
  }
});

Deno.test("attach under another name leaves the folder to the retention, and does not adopt it again", async () => {
  await inWorld({ settings: { retainSupersededMs: 100 } }, async (world) => {
    await world.create("logs");
    await fill(world, "logs", 0, 20);
    await world.flush("logs");
    copyFolder(world, "logs", "from-tape");
    await world.engine.indices.attach("from-tape", "old-logs");
    assertEquals(world.engine.indices.names().sort(), ["logs", "old-logs"]);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const segments = [...Deno.readDirSync(`${world.dataDir}/from-tape`)].filter(({ name }) =>
      name.startsWith("seg-")
    );
    assertEquals(segments, [], "the folder's segments have gone");
    await world.reopen();
    assertEquals(world.engine.indices.names().sort(), ["logs", "old-logs"]);
    assertEquals(await counts(world, "old-logs"), 20);
  });
});

Deno.test("in place: segments of the old incarnation go, those of the new one stay", async () => {
  await inWorld({ settings: { retainSupersededMs: 100 } }, async (world) => {
    await world.create("logs");
    await fill(world, "logs", 0, 20);
    copyFolder(world, "logs", "copy");
    await world.engine.indices.attach("copy", "copy");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const segments = [...Deno.readDirSync(`${world.dataDir}/copy`)].filter(({ name }) =>
      name.startsWith("seg-")
    );
    assertEquals(segments.length, 1);
    assertEquals(await counts(world, "copy"), 20);
    await world.reopen();
    assertEquals(await counts(world, "copy"), 20);
  });
});

Deno.test("an index that was deleted comes back by attach, from its own folder or from a copy", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    await fill(world, "logs", 0, 20);
    copyFolder(world, "logs", "copy");
    await fill(world, "logs", 20, 25);
    await world.engine.indices.delete(world.index("logs"));
    await world.engine.indices.attach("logs", "logs");
    assertEquals(await counts(world, "logs"), 25);
    await world.engine.indices.delete(world.index("logs"));
    await world.engine.indices.attach("copy", "logs");
    assertEquals(await counts(world, "logs"), 20);
    await world.write("logs", "new", { n: 1 });
    await world.reopen();
    assertEquals(world.engine.indices.names(), ["logs"]);
    assertEquals(await counts(world, "logs"), 21);
  });
});

Deno.test("taken names, absent folders and folders that are none are refused", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs", { aliases: { nickname: {} } });
    await world.create("other");
    await fill(world, "logs", 0, 5);
    copyFolder(world, "logs", "copy");
    Deno.mkdirSync(`${world.dataDir}/empty`);
    const { indices } = world.engine;
    assertEquals(await refusal(indices.attach("logs", "logs")), [400, "resource_already_exists_exception"]);
    assertEquals(await refusal(indices.attach("logs", "new")), [400, "resource_already_exists_exception"]);
    assertEquals(await refusal(indices.attach("copy", "other")), [400, "resource_already_exists_exception"]);
    assertEquals(await refusal(indices.attach("copy", "nickname")), [400, "invalid_index_name_exception"]);
    assertEquals(await refusal(indices.attach("nowhere", "new")), [404, "index_not_found_exception"]);
    assertEquals(await refusal(indices.attach("empty", "new")), [400, "illegal_argument_exception"]);
    for (const name of ["..", "_meta", "cluster", "a/b", ""]) {
      assertEquals(await refusal(indices.attach(name, "new")), [400, "invalid_index_name_exception"], name);
      assertEquals(await refusal(indices.attach("copy", name)), [400, "invalid_index_name_exception"], name);
    }
    assertEquals(indices.names().sort(), ["logs", "other"]);
  });
});

Deno.test("a damaged folder is refused and left as it is, whichever file it is that lacks", async () => {
  await inWorld({ settings: { ...RELEASING, walBatchMs: 10 } }, async (world) => {
    await world.create("logs", { settings: { number_of_shards: 2 } });
    await fill(world, "logs", 0, 40);
    await released(world, "logs");
    await fill(world, "logs", 40, 60);
    // Synced, with a mark that says so: else a bad record might be what a power cut leaves.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const damages: [string, (folder: string) => void][] = [
      ["a segment file is gone", (shard) => Deno.removeSync(`${shard}/${first(shard, /^seg-/)}/segment.ids`)],
      [
        "a segment file is short",
        (shard) => Deno.truncateSync(`${shard}/${first(shard, /^seg-/)}/segment.seg`, 100),
      ],
      [
        "a bit of a segment is another",
        (shard) => flip(`${shard}/${first(shard, /^seg-/)}/segment.seg`, 200),
      ],
      ["a bit of the log is another", (shard) => flip(`${shard}/wal/${last(shard + "/wal", /^wal-/)}`, 700)],
      ["the log is gone", (shard) => Deno.removeSync(`${shard}/wal`, { recursive: true })],
      ["every manifest is gone", (shard) => Deno.removeSync(`${shard}/manifests`, { recursive: true })],
      ["a shard is gone", (shard) => Deno.removeSync(shard, { recursive: true })],
    ];
    for (const [what, damage] of damages) {
      copyFolder(world, "logs", "copy");
      damage(`${world.dataDir}/copy/shard-1`);
      const before = listing(`${world.dataDir}/copy`);
      const [status] = await refusal(world.engine.indices.attach("copy", "copy"));
      assertEquals(status, 400, what);
      assertEquals(listing(`${world.dataDir}/copy`), before, what);
      assertEquals(world.engine.indices.names(), ["logs"], what);
      assertEquals((await refusal(world.engine.indices.attach("copy", "new")))[0], 400, what);
      Deno.removeSync(`${world.dataDir}/copy`, { recursive: true });
    }
    copyFolder(world, "logs", "copy");
    await world.engine.indices.attach("copy", "copy");
    assertEquals(await counts(world, "copy"), 60);
  });
});

Deno.test("a folder that cannot be opened is left out of a start instead of refusing it", async () => {
  await inWorld({ settings: RELEASING }, async (other) => {
    await other.create("logs");
    await fill(other, "logs", 0, 20);
    await released(other, "logs");
    await inWorld({}, async (world) => {
      await world.create("mine");
      tool("cp", "-a", `${other.dataDir}/logs`, `${world.dataDir}/whole`);
      await world.reopen();
      assertEquals(world.engine.indices.names().sort(), ["mine", "whole"], "a whole one is taken in");
      assertEquals(await counts(world, "whole"), 20);
    });
    await inWorld({}, async (world) => {
      await world.create("mine");
      tool("cp", "-a", `${other.dataDir}/logs`, `${world.dataDir}/half`);
      Deno.removeSync(`${world.dataDir}/half/${first(`${world.dataDir}/half`, /^seg-/)}/segment.seg`);
      const before = listing(`${world.dataDir}/half`);
      await world.reopen();
      assertEquals(world.engine.indices.names(), ["mine"]);
      assertEquals(world.engine.indices.warnings.map(({ index }) => index), ["half"]);
      assertEquals(listing(`${world.dataDir}/half`), before);
      await world.write("mine", "a", { n: 1 });
      await world.reopen();
      assertEquals(await world.get("mine", "a"), { n: 1 });
    });
  });
});

/** Flushes, and waits until the log in front of the segments is gone. */
async function released(world: World, name: string): Promise<void> {
  await world.flush(name);
  for (const until = performance.now() + 10_000; performance.now() < until;) {
    const stats = (await world.engine.stats()).filter(({ index }) => index === name);
    if (stats.every(({ retainedBytes }) => retainedBytes === 0)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("nothing was released");
}

const RELEASING = { retainSupersededMs: 0 };

function first(path: string, pattern: RegExp): string {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort().find((name) => pattern.test(name))!;
}

function last(path: string, pattern: RegExp): string {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort().findLast((name) => pattern.test(name))!;
}

function flip(path: string, offset: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[offset]! ^= 4;
  Deno.writeFileSync(path, bytes);
}
