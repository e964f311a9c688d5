/** The server's own manifest: what is listed, what a start believes and refuses, what goes when. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { CorruptionError, RequestError } from "../../src/base/errors.ts";
import { type Catalog, openCatalog } from "../../src/engine/catalog.ts";
import { createShard, openShard, type ShardStore } from "../../src/shard/store.ts";
import { OpenRefusedError } from "../../src/wal/refused.ts";
import { ioError, LyingDisk } from "../shard/lying_disk.ts";
import { copyFiles, inTemporaryDirectory, realNode, treeOf } from "../shard/real_tree.ts";
import { append, chanceFrom, publishSegment, replayed, TestNode } from "../shard/store_fixture.ts";

function openHere(node: TestNode, dataDir = "data", machineId = "machine-1"): Catalog {
  const { fs, clock, random, log } = node.environment();
  return openCatalog({
    fs,
    clock,
    random,
    log,
    machineId,
    lsn: () => node.lsn,
    retainSupersededMs: () => node.retainMs,
  }, dataDir);
}

function startHere(node: TestNode, dataDir = "data"): Catalog {
  const catalog = openHere(node, dataDir);
  node.isCopy = catalog.isCopy;
  catalog.start();
  catalog.confirmInstance();
  return catalog;
}

/** Makes an index as the engine does, in the right order. */
function createIndex(catalog: Catalog, node: TestNode, name: string, shards = 1): ShardStore[] {
  const entry = catalog.prepare(name, shards);
  const stores = Array.from({ length: shards }, (_, shard) => {
    const directory = `${catalog.dataDir}/${name}${shards === 1 ? "" : `/shard-${shard}`}`;
    const identity = { indexUuid: entry.uuid, incarnation: entry.incarnation, shard, shards };
    const options = { mapping: {}, settings: {}, above: entry.firstNumbers[shard]! };
    return createShard(node.environment(), directory, { identity, options });
  });
  catalog.create(entry, { [`${name}-alias`]: {} });
  return stores;
}

function deleteIndex(catalog: Catalog, name: string, stores: readonly ShardStore[]): void {
  for (const store of stores) {
    store.publishDeleted();
    store.close({ clean: false });
  }
  catalog.delete(name);
}

function stop(catalog: Catalog, stores: readonly ShardStore[] = [], clean = true): void {
  for (const store of stores) store.close({ clean });
  catalog.close({ clean });
}

function refusalOf(call: () => unknown): OpenRefusedError {
  return assertThrows(call, OpenRefusedError) as unknown as OpenRefusedError;
}

function memoryNode(): TestNode {
  return new TestNode(new LyingDisk(), chanceFrom(3));
}

function names(catalog: Catalog): string[] {
  return catalog.indices.map(({ name }) => name);
}

Deno.test("what is listed comes back: indices, aliases, sections", () => {
  const node = memoryNode();
  const catalog = startHere(node);
  const stores = [...createIndex(catalog, node, "logs"), ...createIndex(catalog, node, "wide", 3)];
  catalog.update((draft) => draft.sections["templates"] = { t: { index_patterns: ["x*"] } });
  stop(catalog, stores);
  const again = startHere(node.restarted());
  assertEquals(again.indices.map(({ name, shards }) => [name, shards]), [["logs", 1], ["wide", 3]]);
  assertEquals(again.aliases, { "logs-alias": { logs: {} }, "wide-alias": { wide: {} } });
  assertEquals(again.section("templates"), { t: { index_patterns: ["x*"] } });
  assertEquals(again.section("nothing"), {});
  assertEquals([again.isCopy, again.cleanStop, again.warnings], [false, true, []]);
  stop(again);
});

Deno.test("a clean stop is believed once, and only of the last run", () => {
  const node = memoryNode();
  stop(startHere(node));
  const second = openHere(node.restarted());
  assertEquals(second.cleanStop, true);
  second.close({ clean: false });
  const third = startHere(node.restarted());
  assertEquals(third.cleanStop, true, "nothing was started in between");
  stop(third, [], false);
  assertEquals(openHere(node.restarted()).cleanStop, false);
});

Deno.test("a directory is told from its copy by LOCK, machine and the instance file", () =>
  inTemporaryDirectory((root) => {
    const node = realNode();
    const first = startHere(node, `${root}/data`);
    const { instanceId } = first;
    stop(first);
    copyFiles(`${root}/data`, `${root}/copy`);
    for (
      const [path, machine, isCopy] of [["data", "machine-1", false], ["copy", "machine-1", true], [
        "data",
        "machine-2",
        true,
      ]] as const
    ) {
      const opened = openHere(node.restarted(), `${root}/${path}`, machine);
      assertEquals([opened.isCopy, opened.cleanStop, opened.instanceId === instanceId], [
        isCopy,
        !isCopy,
        !isCopy,
      ]);
      opened.close({ clean: false });
    }
    // Until the copy's shards have all started their runs, it stays a copy.
    const copy = openHere(node.restarted(), `${root}/copy`);
    copy.start();
    copy.close({ clean: false });
    assertEquals(startHereAndStop(node, `${root}/copy`), true);
    assertEquals(startHereAndStop(node, `${root}/copy`), false);
    // Snapshots hold neither LOCK nor the instance file.
    Deno.removeSync(`${root}/copy/LOCK`);
    Deno.removeSync(`${root}/copy/_meta/instance.json`);
    assertEquals(startHereAndStop(node, `${root}/copy`), true);
  }));

function startHereAndStop(node: TestNode, dataDir: string): boolean {
  const catalog = startHere(node.restarted(), dataDir);
  stop(catalog);
  return catalog.isCopy;
}

Deno.test("a second process is refused and told who holds the directory", () =>
  inTemporaryDirectory((root) => {
    const catalog = startHere(realNode(), `${root}/data`);
    const error = refusalOf(() => openHere(realNode(), `${root}/data`));
    assertEquals(error.code, "locked");
    assert(error.message.includes(`process ${Deno.pid}`), error.message);
    stop(catalog);
    stop(startHere(realNode(), `${root}/data`));
  }));

Deno.test("a damaged or released newest catalogue is refused, and nothing is changed", () =>
  inTemporaryDirectory((root) => {
    const node = realNode();
    const dataDir = `${root}/data`;
    const catalog = startHere(node, dataDir);
    const stores = createIndex(catalog, node, "logs");
    stop(catalog, stores);
    const newest = `${dataDir}/_meta/catalog-000002.json`;
    const bytes = Deno.readFileSync(newest);
    for (let offset = 0; offset < bytes.length; offset += 7) {
      const damaged = bytes.slice();
      damaged[offset]! ^= 2;
      Deno.writeFileSync(newest, damaged);
      const before = treeOf(dataDir);
      const error = assertThrows(
        () => openHere(node.restarted(), dataDir),
        CorruptionError,
      ) as unknown as CorruptionError;
      assertEquals(error.file, newest);
      assertEquals(treeOf(dataDir), before);
    }
    Deno.removeSync(newest);
    Deno.removeSync(`${dataDir}/_meta/catalog-000001.json`);
    assertEquals(refusalOf(() => openHere(node.restarted(), dataDir)).code, "catalog_unreadable");
    Deno.writeFileSync(newest, bytes);
    stop(startHere(node.restarted(), dataDir));
  }));

Deno.test("superseded catalogues become stubs after the retention, and a stub that is met first is refused", () => {
  const node = memoryNode();
  const catalog = startHere(node);
  catalog.update((draft) => draft.sections["keys"] = { a: 1 });
  catalog.update((draft) => draft.sections["keys"] = { a: 2 });
  node.monotonicMs += node.retainMs - 1;
  catalog.release();
  const disk = node.fs as LyingDisk;
  const isStub = (number: number) => disk.stat(`data/_meta/catalog-00000${number}.json`).sizeBytes < 120;
  assertEquals([1, 2, 3].map(isStub), [false, false, false]);
  node.monotonicMs += 1;
  catalog.release();
  assertEquals([1, 2, 3].map(isStub), [true, true, false]);
  stop(catalog);
  disk.unlink("data/_meta/catalog-000003.json");
  const error = refusalOf(() => openHere(node.restarted()));
  assertEquals([error.code, error.files], ["catalog_unreadable", ["data/_meta/catalog-000002.json"]]);
});

Deno.test("an index that is wholly absent sends opening to the catalogue before; one that is partly there does not", () =>
  inTemporaryDirectory((root) => {
    const node = realNode();
    const dataDir = `${root}/data`;
    const catalog = startHere(node, dataDir);
    const stores = [...createIndex(catalog, node, "old"), ...createIndex(catalog, node, "new")];
    stop(catalog, stores);
    // A copy that listed the data directory before the second index was made.
    copyFiles(dataDir, `${root}/copy`);
    Deno.removeSync(`${root}/copy/new`, { recursive: true });
    const copy = startHere(node.restarted(), `${root}/copy`);
    assertEquals(names(copy), ["old"]);
    assertEquals(copy.aliases, { "old-alias": { old: {} } });
    assert(copy.warnings[0]!.includes("new"));
    assertEquals(copy.number, 4, "goes on above the one that was passed over");
    stop(copy);
    assertEquals(names(startHereAndList(node, `${root}/copy`)), ["old"]);
    // Its oldest catalogue lists nothing; the one after it lists "old".
    Deno.removeSync(`${root}/copy/old`, { recursive: true });
    assertEquals(names(startHereAndList(node, `${root}/copy`)), []);
    // A file of it is there, a stub or a damaged one: present. Opening the shard will say what is missing.
    Deno.removeSync(`${dataDir}/new/manifests`, { recursive: true });
    assertEquals(names(openAndClose(node, dataDir)), ["old", "new"]);
    Deno.writeFileSync(`${dataDir}/new/wal/wal-000001`, new Uint8Array(3));
    assertEquals(names(openAndClose(node, dataDir)), ["old", "new"]);
    // Without a catalogue from before it was made, its absence is refused.
    Deno.removeSync(`${dataDir}/new`, { recursive: true });
    Deno.removeSync(`${dataDir}/_meta/catalog-000001.json`);
    Deno.removeSync(`${dataDir}/_meta/catalog-000002.json`);
    const error = refusalOf(() => openHere(node.restarted(), dataDir));
    assertEquals(error.code, "index_missing");
    assert(error.message.includes("new"));
  }));

function startHereAndList(node: TestNode, dataDir: string): Catalog {
  const catalog = startHere(node.restarted(), dataDir);
  stop(catalog);
  return catalog;
}

function openAndClose(node: TestNode, dataDir: string): Catalog {
  const catalog = openHere(node.restarted(), dataDir);
  catalog.close({ clean: false });
  return catalog;
}

Deno.test("catalogues of two servers' pasts are refused", () =>
  inTemporaryDirectory((root) => {
    const node = realNode();
    stop(startHere(node, `${root}/data`));
    copyFiles(`${root}/data`, `${root}/clone`);
    stop(startHere(node.restarted(), `${root}/data`));
    stop(startHere(realNode(9), `${root}/clone`));
    const next = startHere(realNode(10), `${root}/clone`);
    stop(next);
    Deno.copyFileSync(`${root}/data/_meta/catalog-000002.json`, `${root}/clone/_meta/catalog-000002.json`);
    const error = refusalOf(() => openHere(node.restarted(), `${root}/clone`));
    assertEquals([error.code, error.files.length], ["two_histories", 2]);
  }));

Deno.test("a folder that was put back is adopted with a warning; a deleted, partial or doubled one is not", () =>
  inTemporaryDirectory((root) => {
    const node = realNode();
    const dataDir = `${root}/data`;
    const catalog = startHere(node, dataDir);
    const logs = createIndex(catalog, node, "logs");
    append(logs[0]!, "a");
    const wide = createIndex(catalog, node, "wide", 2);
    stop(catalog, [...logs, ...wide]);
    const again = startHere(node.restarted(), dataDir);
    const opened = again.indices.map(({ name, uuid, incarnation, shards }) =>
      Array.from(
        { length: shards },
        (_, shard) =>
          openShard(node.environment(), `${dataDir}/${name}${shards > 1 ? `/shard-${shard}` : ""}`, {
            indexUuid: uuid,
            incarnation,
            shard,
            shards,
          }).startRun(false),
      )
    );
    copyFiles(`${dataDir}/logs`, `${root}/kept-logs`);
    copyFiles(`${dataDir}/wide`, `${root}/kept-wide`);
    copyFiles(`${dataDir}/wide`, `${root}/deleted-wide`);
    deleteIndex(again, "wide", opened[1]!);
    stop(again, opened[0]);
    assertEquals(names(startHereAndList(node, dataDir)), ["logs"]);

    // Another server: it knows nothing of them.
    const other = `${root}/other`;
    stop(startHere(realNode(5), other));
    copyFiles(`${root}/kept-logs`, `${other}/logs`);
    copyFiles(`${root}/kept-logs`, `${other}/logs-2`);
    copyFiles(`${root}/kept-wide`, `${other}/wide`);
    copyFiles(`${dataDir}/wide`, `${other}/was-deleted`);
    copyFiles(`${root}/kept-wide`, `${other}/half`);
    Deno.removeSync(`${other}/half/shard-1`, { recursive: true });
    Deno.mkdirSync(`${other}/lost+found`);
    const adopting = startHere(realNode(6), other);
    assertEquals(adopting.adopted, ["logs", "wide"]);
    assertEquals(names(adopting), ["logs", "wide"]);
    const told = adopting.warnings.join("\n");
    for (const name of ["logs-2", "half"]) assert(told.includes(`the folder ${name} is left alone`), told);
    assert(!told.includes("lost+found") && !told.includes("was-deleted"));
    stop(adopting);

    // This server remembers the deletion, whatever the folder says.
    Deno.removeSync(`${dataDir}/wide`, { recursive: true });
    copyFiles(`${root}/kept-wide`, `${dataDir}/wide`);
    assertEquals(names(startHereAndList(node, dataDir)), ["logs"]);
  }));

Deno.test("a deleted index's files go after the retention, its traces after 30 days, and its numbers never come back", async () => {
  const node = memoryNode();
  const disk = node.fs as LyingDisk;
  const catalog = startHere(node);
  const [store] = createIndex(catalog, node, "logs");
  append(store!, "a");
  await publishSegment(store!, node.environment());
  store!.roll();
  deleteIndex(catalog, "logs", [store!]);
  assertEquals([names(catalog), catalog.aliases], [[], {}]);
  const next = createIndex(catalog, node, "logs")[0]!;
  assertEquals([next.manifest.number, next.position.generation], [4, 3]);
  append(next, "b");
  await publishSegment(next, node.environment());
  const files = (folder: string) => disk.list(folder).map(({ name }) => name);
  catalog.release();
  assert(disk.exists("data/logs/seg-000001"));
  node.monotonicMs += node.retainMs;
  catalog.release();
  assertEquals(files("data/logs"), ["manifests", "seg-000002", "wal"]);
  assertEquals(files("data/logs/manifests"), [3, 4, 5].map((number) => `manifest-00000${number}.json`));
  assertEquals([1, 2].map((number) => disk.stat(`data/logs/wal/wal-00000${number}`).sizeBytes), [64, 64]);
  node.wallMs += 31 * 24 * 3600 * 1000;
  catalog.release();
  assertEquals(files("data/logs/manifests"), ["manifest-000004.json", "manifest-000005.json"]);
  assertEquals(files("data/logs/wal"), ["wal-000003"]);
  deleteIndex(catalog, "logs", [next]);
  stop(catalog);

  const later = node.restarted({ wallMs: node.wallMs + 1 });
  const again = startHere(later);
  later.monotonicMs += later.retainMs;
  again.release();
  later.wallMs += 31 * 24 * 3600 * 1000;
  again.release();
  assertEquals(disk.exists("data/logs"), false);
  const third = createIndex(again, later, "logs")[0]!;
  assertEquals([third.manifest.number, third.position.generation, third.nextSegmentNumber()], [7, 4, 3]);
  stop(again, [third]);
});

Deno.test("a crash between the deleting manifest and the catalogue leaves the index as it was", () => {
  const node = memoryNode();
  const catalog = startHere(node);
  const [store] = createIndex(catalog, node, "logs");
  append(store!, "a");
  store!.publishDeleted();
  store!.close({ clean: false });
  catalog.close({ clean: false });
  const next = node.restarted();
  const again = startHere(next);
  const { uuid, incarnation } = again.index("logs")!;
  const opened = openShard(next.environment(), "data/logs", { indexUuid: uuid, incarnation, shard: 0 });
  assertEquals(replayed(opened), ["a"]);
});

Deno.test("a full disk leaves the catalogue as it was; a failed sync stops every change", () => {
  const node = memoryNode();
  const disk = node.fs as LyingDisk;
  const catalog = startHere(node);
  const change = () => catalog.update((draft) => draft.sections["keys"] = { a: 1 });
  disk.onCall = (operation, path) =>
    operation === "write" ? { arrive: 3, error: ioError("write", path, "ENOSPC") } : undefined;
  assertEquals((assertThrows(change, RequestError) as unknown as RequestError).status, 429);
  assertEquals(catalog.section("keys"), {});
  disk.onCall = () => {};
  change();
  disk.onCall = (operation, path) =>
    operation === "sync directory" ? { arrive: 0, error: ioError("sync", path, "EIO") } : undefined;
  assertThrows(() => catalog.update((draft) => draft.sections["keys"] = { a: 2 }));
  disk.onCall = () => {};
  assertEquals((assertThrows(change, RequestError) as unknown as RequestError).status, 503);
  assertEquals(catalog.section("keys"), { a: 1 });
});

Deno.test("power cuts between any two calls of a create leave the index whole or not at all", () => {
  for (let cut = 1; cut < 60; cut++) {
    const disk = new LyingDisk();
    const chance = chanceFrom(cut);
    const node = new TestNode(disk, chance);
    const catalog = startHere(node);
    let calls = 0;
    let acknowledged = false;
    disk.onCall = (_, path) => ++calls >= cut ? { arrive: 0, error: ioError("cut", path, "EIO") } : undefined;
    try {
      createIndex(catalog, node, "logs");
      acknowledged = true;
    } catch { /* the power fails in the middle */ }
    disk.onCall = () => {};
    disk.crash(chance);
    catalog.close({ clean: false });
    const next = node.restarted({ bootId: "boot-2" });
    const again = startHere(next);
    const entry = again.index("logs");
    if (acknowledged) assert(entry, `cut ${cut}`);
    if (!entry) continue;
    const identity = { indexUuid: entry.uuid, incarnation: entry.incarnation, shard: 0 };
    openShard(next.environment(), "data/logs", identity).startRun(true);
  }
});
