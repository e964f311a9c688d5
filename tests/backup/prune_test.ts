import { assert, assertEquals } from "@std/assert";
import { backUp } from "../../src/backup/back_up.ts";
import { RepositoryError } from "../../src/backup/error.ts";
import { deleteBackup, prune, setPinned } from "../../src/backup/prune.ts";
import { Repository } from "../../src/backup/repository.ts";
import { StoreError } from "../../src/objectstore/store.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryStore } from "./memory_store.ts";
import {
  assertFiles,
  failureOf,
  type Files,
  newRepository,
  noise,
  options,
  planOf,
  restored,
} from "./support.ts";

/** Three backups that share one file; each has one of its own. */
async function threeBackups(store = new MemoryStore()) {
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  const files = (i: number): Files => ({
    "a/seg-000001/segment.seg": noise(10_000, 1),
    [`a/seg-00001${i}/segment.seg`]: noise(20_000, 10 + i),
  });
  for (const i of [1, 2, 3]) await backUp(repository, planOf(disk, `bk-${i}`, files(i)), { fs: disk });
  return { store, repository, disk, files };
}

const idsOf = async (repository: Repository) =>
  (await repository.readHead()).head.backups.map(({ id }) => id);

Deno.test("a backup is deleted alone: others keep what they share", async () => {
  const { store, repository, files } = await threeBackups();
  const outcome = await deleteBackup(repository, "bk-2");
  assertEquals([outcome.removed, outcome.deleted], [["bk-2"], 2]);
  assert(outcome.deletedBytes > 20_000);
  assertEquals(await idsOf(repository), ["bk-1", "bk-3"]);
  assertEquals(store.names("objects/").length, 3);
  assertEquals(store.names("backups/"), ["backups/bk-1.json", "backups/bk-3.json"]);
  assertFiles(await restored(repository, { backup: "bk-1" }), files(1));
  assertFiles(await restored(repository), files(3));
  assertEquals((await repository.readHead()).head.condemned, []);
  assertEquals(store.count("list"), 0);
});

Deno.test("a retention removes what it does not keep", async () => {
  const { store, repository, files } = await threeBackups();
  await setPinned(repository, "bk-1", { pinned: true });
  const { removed } = await prune(repository, { retention: { last: 1 } });
  assertEquals(removed, ["bk-2"]);
  await setPinned(repository, "bk-1", { pinned: false });
  assertEquals((await prune(repository, { retention: { last: 1 } })).removed, ["bk-1"]);
  assertFiles(await restored(repository), files(3));
  assertEquals(store.names("objects/").length, 2);
  assertEquals((await prune(repository, { retention: { last: 1 } })).deleted, 0);
});

Deno.test("what a dead backup left goes after the grace, what a running one sent does not before", async () => {
  const { store, repository, disk } = await threeBackups();
  store.before = (operation, name) => {
    if (operation === "put" && name === "head.json") throw new StoreError("Killed", { kind: "unavailable" });
  };
  const plan = planOf(disk, "bk-4", { "a/wal/wal-000001": noise(5000, 99) });
  await failureOf(backUp(repository, plan, { fs: disk }), StoreError);
  store.before = () => {};
  assertEquals([store.names("objects/").length, store.names("backups/").length], [5, 4]);
  for (let sweep = 0; sweep < 3; sweep++) {
    assertEquals((await prune(repository)).deleted, 0, `sweep ${sweep}`);
  }
  assertEquals((await prune(repository)).deleted, 2);
  assertEquals([store.names("objects/").length, store.names("backups/").length], [4, 3]);
});

Deno.test("a backup whose objects were swept while it ran sends them again, and restores", async () => {
  const { store, repository, disk } = await threeBackups();
  const files = { "a/seg-000009/segment.seg": noise(30_000, 77), "a/wal/wal-000001": noise(5000, 78) };
  const other = await Repository.open(store, options(44));
  let isPruned = false;
  store.after = async (operation) => {
    if (operation !== "putFile" || isPruned) return;
    isPruned = true;
    await prune(other, { graceEpochs: 0 });
  };
  const outcome = await backUp(repository, planOf(disk, "bk-4", files), { fs: disk, parallel: 1 });
  assertEquals(outcome.retries, 1);
  store.after = () => {};
  assertFiles(await restored(repository, { backup: "bk-4" }), files);
  await prune(repository, { graceEpochs: 0 });
  assertFiles(await restored(repository, { backup: "bk-4" }), files);
  assertEquals(store.names("objects/").length, 6);
});

Deno.test("a backup that reuses objects of one that is deleted meanwhile sends them again", async () => {
  const { store, repository, disk, files } = await threeBackups();
  const other = await Repository.open(store, options(44));
  let isDeleted = false;
  store.before = async (operation, name) => {
    if (operation !== "put" || name !== "backups/bk-4.json" || isDeleted) return;
    isDeleted = true;
    await deleteBackup(other, "bk-2");
  };
  const outcome = await backUp(repository, planOf(disk, "bk-4", files(2)), { fs: disk });
  assertEquals([outcome.retries, outcome.objectsPut], [1, 1]);
  assertFiles(await restored(repository, { backup: "bk-4" }), files(2));
  assertFiles(await restored(repository, { backup: "bk-1" }), files(1));
});

Deno.test("a prune that comes back from the dead deletes nothing that is needed", async () => {
  const { store, repository, disk, files } = await threeBackups();
  const deletes: string[] = [];
  store.before = (operation, name) => {
    if (operation !== "delete") return;
    deletes.push(...name.split(" "));
    throw new StoreError("Stalled", { kind: "cancelled" });
  };
  await failureOf(deleteBackup(repository, "bk-2"), StoreError);
  store.before = () => {};
  await prune(repository);
  await backUp(repository, planOf(disk, "bk-4", files(2)), { fs: disk });
  assert(deletes.length > 0);
  await store.delete(deletes);
  assertFiles(await restored(repository, { backup: "bk-4" }), files(2));
});

Deno.test("what the store does not delete stays condemned until a prune that may", async () => {
  const { store, repository } = await threeBackups();
  let asked = 0;
  store.before = (operation) => {
    // The first one only asks whether anything may be deleted.
    if (operation === "delete" && asked++ > 0) throw new StoreError("Access denied", { kind: "denied" });
  };
  const outcome = await deleteBackup(repository, "bk-1");
  assertEquals([outcome.removed, outcome.undeleted, outcome.undeletedReason], [["bk-1"], 2, "Access denied"]);
  assertEquals((await repository.readHead()).head.condemned.length, 2);
  store.before = () => {};
  assertEquals((await prune(repository)).deleted, 2);
  assertEquals((await repository.readHead()).head.condemned, []);
});

Deno.test("credentials that cannot delete: a prune is refused, and nothing has changed", async () => {
  const { store, repository } = await threeBackups();
  const before = new Map([...store.objects].map(([name, { bytes }]) => [name, bytes]));
  store.before = (operation) => {
    if (operation === "delete") throw new StoreError("Access denied", { kind: "denied" });
  };
  for (const change of [deleteBackup(repository, "bk-1"), prune(repository, { retention: { last: 1 } })]) {
    const failure = await failureOf(change, StoreError);
    assertEquals([failure.kind, failure.message.includes("nothing was changed")], ["denied", true]);
  }
  assertEquals(new Map([...store.objects].map(([name, { bytes }]) => [name, bytes])), before);
});

Deno.test("a damaged manifest stops a prune, but the damaged backup itself can be deleted", async () => {
  const { store, repository, files } = await threeBackups();
  store.objects.delete("backups/bk-2.json");
  const fresh = await Repository.open(store, options(5));
  const failure = await failureOf(prune(fresh, { retention: { last: 2 } }), RepositoryError);
  assertEquals(failure.kind, "damaged");
  assertEquals(await idsOf(fresh), ["bk-1", "bk-2", "bk-3"]);
  await deleteBackup(fresh, "bk-2");
  assertEquals((await prune(repository)).deleted, 1);
  assertFiles(await restored(fresh), files(3));
});

Deno.test("a deleted id is never listed again", async () => {
  const { repository, disk, files } = await threeBackups();
  await deleteBackup(repository, "bk-1");
  const again = backUp(repository, planOf(disk, "bk-1", files(1)), { fs: disk });
  assertEquals((await failureOf(again, RepositoryError)).kind, "id_taken");
  assertEquals((await failureOf(deleteBackup(repository, "bk-1"), RepositoryError)).kind, "no_backup");
});

Deno.test("objects and manifests with foreign names are left alone", async () => {
  const { store, repository } = await threeBackups();
  store.putNow("objects/notes.txt", new Uint8Array(3), undefined);
  store.putNow("backups/readme.json", new Uint8Array(3), undefined);
  await prune(repository, { graceEpochs: 0 });
  assert(store.objects.has("objects/notes.txt") && store.objects.has("backups/readme.json"));
});
