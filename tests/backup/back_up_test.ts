import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { sha256Hex } from "../../src/format/sealed_json.ts";
import { backUp, type BackUpProgress } from "../../src/backup/back_up.ts";
import { DamagedFileError, RepositoryError } from "../../src/backup/error.ts";
import { Repository } from "../../src/backup/repository.ts";
import { StoreError } from "../../src/objectstore/store.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryStore } from "./memory_store.ts";
import {
  assertFiles,
  backUpOptions,
  failureOf,
  type Files,
  newRepository,
  noise,
  options,
  planOf,
  prose,
  restored,
} from "./support.ts";

const FILES: Files = {
  "_meta/catalog-000001.json": prose(600, 1),
  "logs/manifests/manifest-000001.json": prose(3000, 2),
  "logs/seg-000001/segment.seg": noise(200_000, 3),
  "logs/seg-000001/segment.sidx": noise(9_000, 4),
  "logs/wal/wal-000001": prose(50_000, 5),
  "other/seg-000001/segment.seg": noise(200_000, 3),
  "other/wal/wal-000002": new Uint8Array(0),
};

Deno.test("a backup restores byte for byte; the same again sends nothing", async () => {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  const first = await backUp(repository, planOf(disk, "bk-1", FILES), backUpOptions(disk));
  assertEquals(first.objectsPut, 3);
  assertEquals(first.files, 7);
  assert(
    first.bytes > 209_000 && first.bytes < 230_000,
    `${first.bytes} bytes: one copy, the WAL compressed`,
  );
  assertFiles(await restored(repository), FILES);

  const reader = await Repository.open(store, options(2));
  const read = disk.bytesRead;
  const second = await backUp(reader, planOf(disk, "bk-2", FILES), backUpOptions(disk));
  assertEquals([second.bytes, second.objectsPut, second.objectsReused], [0, 0, 3]);
  assert(disk.bytesRead - read < 60_000, "files with a known hash are not read again");
  assertFiles(await restored(reader, { backup: "bk-2" }), FILES);
  assertFiles(await restored(reader, { backup: "bk-1" }), FILES);
  assertEquals(store.count("list"), 0);
  assert(!disk.exists("/journal/backup"));
});

Deno.test("names of objects and manifest are as documented", async () => {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  const segment = noise(10_000, 1);
  await backUp(
    repository,
    planOf(disk, "bk-1", { "a/seg-000001/segment.seg": segment }),
    backUpOptions(disk),
  );
  assertEquals(store.names("backups/"), ["backups/bk-1.json"]);
  const [name, ...more] = store.names("objects/");
  assertEquals(more, []);
  assertMatch(name!, new RegExp(`^objects/${sha256Hex(segment)}\\.1\\.bk-1-[0-9a-f]{16}$`));
  assertEquals(store.objects.get(name!)!.bytes, segment);
});

Deno.test("a changed file costs its own size only", async () => {
  const repository = await newRepository(new MemoryStore());
  const disk = new MemoryDisk();
  await backUp(repository, planOf(disk, "bk-1", FILES), backUpOptions(disk));
  const files = { ...FILES, "logs/seg-000002/segment.seg": noise(12_345, 9) };
  const { bytes, objectsPut } = await backUp(repository, planOf(disk, "bk-2", files), backUpOptions(disk));
  assertEquals([bytes, objectsPut], [12_345, 1]);
  assertFiles(await restored(repository), files);
});

Deno.test("a file that is not what its manifest says is refused, and nothing is listed", async () => {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  const plan = planOf(disk, "bk-1", FILES);
  const source = "/source/bk-1/logs/seg-000001/segment.seg";
  disk.files.get(source)!.bytes = disk.files.get(source)!.bytes.slice();
  disk.files.get(source)!.bytes[777]! ^= 4;
  const failure = await failureOf(backUp(repository, plan, backUpOptions(disk)), DamagedFileError);
  assertEquals([failure.path, failure.source], ["logs/seg-000001/segment.seg", source]);
  assertStringIncludes(failure.message, "its SHA-256 is");
  const hash = sha256Hex(FILES["logs/seg-000001/segment.seg"]!);
  assertEquals((await repository.readHead()).head.backups, []);
  assertEquals(store.names("backups/"), []);
  for (const name of store.names(`objects/${hash}`)) {
    assertEquals(
      sha256Hex(store.objects.get(name)!.bytes),
      hash,
      "the sound twin may be there, the damaged one never",
    );
  }
});

Deno.test("a file that changes between hashing and sending is refused", async () => {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  const plan = planOf(disk, "bk-1", { "a/wal/wal-000001": noise(3 << 20, 1) });
  const node = disk.files.get("/source/bk-1/a/wal/wal-000001")!;
  const opened = disk.openRead.bind(disk);
  let opens = 0;
  disk.openRead = (path) => {
    if (++opens === 2) node.bytes[(2 << 20) + 5]! ^= 1;
    return opened(path);
  };
  const failure = await failureOf(backUp(repository, plan, backUpOptions(disk)), DamagedFileError);
  assertStringIncludes(failure.message, "changed since they were hashed");
  assertEquals(store.names("objects/"), []);
});

Deno.test("big files are cut into pieces, which are found again", async () => {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  const big = noise(2_625_000, 1);
  const more = { pieceBytes: 1 << 20 };
  const plan = planOf(disk, "bk-1", { "a/seg-000001/segment.seg": big });
  const first = await backUp(repository, plan, backUpOptions(disk, more));
  assertEquals([first.objectsPut, first.bytes], [3, big.length]);
  const grown = new Uint8Array(big.length + 1000);
  grown.set(big);
  const files = { "a/seg-000001/segment.seg": big, "a/wal/wal-000001": grown };
  const second = await backUp(repository, planOf(disk, "bk-2", files), backUpOptions(disk, more));
  assertEquals([second.objectsPut, second.bytes], [1, big.length + 1000 - 2 * (1 << 20)]);
  assertFiles(await restored(repository), files);
});

Deno.test("a backup that was killed goes on where it was: what the store has is not sent again", async () => {
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < 20; i++) files[`a/seg-0000${10 + i}/segment.seg`] = noise(10_000, i + 1);
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  let puts = 0;
  store.before = (operation) => {
    if (operation === "putFile" && ++puts > 10) throw new StoreError("Killed", { kind: "unavailable" });
  };
  const plan = planOf(disk, "bk-1", files);
  await failureOf(backUp(repository, plan, backUpOptions(disk)), StoreError);
  const sent = store.names("objects/").length;
  assertEquals(sent, 10);
  store.before = () => {};
  const outcome = await backUp(await Repository.open(store, options(3)), plan, backUpOptions(disk));
  assertEquals([outcome.objectsPut, outcome.bytes], [10, 100_000]);
  assert(store.abortedUploads.length > 0, "unfinished uploads are ended");
  assertEquals(store.names("objects/").length, 20);
  assertFiles(await restored(repository), files);
});

Deno.test("an upload that may not be ended is named, and no error", async () => {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  const plan = planOf(disk, "bk-1", { "a/seg-000001/segment.seg": noise(10_000, 1) });
  store.before = (operation) => {
    if (operation === "putFile") throw new StoreError("Killed", { kind: "unavailable" });
  };
  await failureOf(backUp(repository, plan, backUpOptions(disk)), StoreError);
  store.before = (operation) => {
    if (operation === "abortUploads") throw new StoreError("Access denied", { kind: "denied" });
  };
  const outcome = await backUp(repository, plan, backUpOptions(disk));
  assertEquals([outcome.objectsPut, outcome.uploadsLeft.length], [1, 1]);
  assert(outcome.uploadsLeft[0]!.startsWith("objects/"));
});

Deno.test("a torn journal costs sending again, never a wrong backup", async () => {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  const plan = planOf(disk, "bk-1", FILES);
  store.before = (operation) => {
    if (operation === "put") throw new StoreError("Killed", { kind: "unavailable" });
  };
  await failureOf(backUp(repository, plan, backUpOptions(disk)), StoreError);
  store.before = () => {};
  const journal = disk.files.get("/journal/backup")!;
  journal.bytes = journal.bytes.slice(0, journal.bytes.length - 90);
  const outcome = await backUp(repository, plan, backUpOptions(disk));
  assert(outcome.objectsPut <= 1);
  assertFiles(await restored(repository), FILES);
});

Deno.test("a reply that was lost after the head was replaced is a success, also after a restart", async () => {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  const plan = planOf(disk, "bk-1", FILES);
  let isLost = false;
  store.after = (operation, name) => {
    if (operation !== "put" || name !== "head.json" || isLost) return;
    isLost = true;
    throw new StoreError("Connection reset", { kind: "unavailable" });
  };
  await failureOf(backUp(repository, plan, backUpOptions(disk)), StoreError);
  const outcome = await backUp(await Repository.open(store, options(9)), plan, backUpOptions(disk));
  assertEquals(outcome.bytes, 0);
  assertEquals((await repository.readHead()).head.backups.map(({ id }) => id), ["bk-1"]);
  assertFiles(await restored(repository), FILES);
});

Deno.test("two backups at once are both listed", async () => {
  const store = new MemoryStore();
  const disk = new MemoryDisk();
  await newRepository(store);
  const runs = await Promise.all(["bk-1", "bk-2", "bk-3"].map(async (id, i) => {
    const repository = await Repository.open(store, options(20 + i));
    const files = { ...FILES, [`logs/seg-00000${i + 4}/segment.seg`]: noise(20_000, 50 + i) };
    await backUp(repository, planOf(disk, id, files), { fs: disk });
    return { id, files };
  }));
  const repository = await Repository.open(store, options());
  for (const { id, files } of runs) assertFiles(await restored(repository, { backup: id }), files);
  assertEquals((await repository.readHead()).head.backups.length, 3);
});

Deno.test("an id is taken once", async () => {
  const repository = await newRepository(new MemoryStore());
  const disk = new MemoryDisk();
  await backUp(repository, planOf(disk, "bk-1", FILES), { fs: disk });
  const again = backUp(repository, planOf(disk, "bk-1", { "a/wal/wal-000001": prose(10, 1) }), { fs: disk });
  assertEquals((await failureOf(again, RepositoryError)).kind, "id_taken");
});

Deno.test("an object that the store lost is sent again, and named", async () => {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  await backUp(repository, planOf(disk, "bk-1", FILES), backUpOptions(disk));
  const lost = store.names("objects/")[0]!;
  store.objects.delete(lost);
  const outcome = await backUp(repository, planOf(disk, "bk-2", FILES), backUpOptions(disk));
  assertEquals(outcome.objectsMissing, [lost]);
  assertEquals(outcome.objectsPut, 1);
  assertFiles(await restored(repository, { backup: "bk-2" }), FILES);
});

Deno.test("cancelling ends a backup, which can go on later", async () => {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  const abort = new AbortController();
  store.after = (operation) => {
    if (operation === "putFile") abort.abort();
  };
  const plan = planOf(disk, "bk-1", FILES);
  const run = backUp(repository, plan, backUpOptions(disk, { signal: abort.signal, parallel: 1 }));
  assertEquals((await failureOf(run, StoreError)).kind, "cancelled");
  store.after = () => {};
  const outcome = await backUp(repository, plan, backUpOptions(disk));
  assertEquals(outcome.objectsPut, 2);
  assertFiles(await restored(repository), FILES);
});

Deno.test("progress ends with everything done", async () => {
  const repository = await newRepository(new MemoryStore());
  const disk = new MemoryDisk();
  const seen: BackUpProgress[] = [];
  const onProgress = (progress: BackUpProgress) => seen.push(progress);
  const outcome = await backUp(repository, planOf(disk, "bk-1", FILES), backUpOptions(disk, { onProgress }));
  const last = seen.at(-1)!;
  assertEquals([last.filesDone, last.filesTotal], [7, 7]);
  assertEquals([last.bytesDone, last.bytesTotal, last.uploadedBytes], [
    outcome.bytesTotal,
    outcome.bytesTotal,
    outcome.bytes,
  ]);
});

Deno.test("a store without conditional writes is refused, or used with a warning", async () => {
  const store = new MemoryStore();
  const abilities = { putIfAbsent: true, putIfMatch: false };
  const failure = await failureOf(newRepository(store, { abilities }), RepositoryError);
  assertEquals(failure.kind, "unsafe_store");
  const repository = await newRepository(store, { abilities, singleWriter: true });
  assertEquals(repository.warnings.length, 1);
  const disk = new MemoryDisk();
  await backUp(repository, planOf(disk, "bk-1", FILES), backUpOptions(disk));
  assertFiles(await restored(repository), FILES);
});

Deno.test("opening what is not there, damaged or newer says so", async () => {
  const store = new MemoryStore();
  assertEquals((await failureOf(Repository.open(store, options()), RepositoryError)).kind, "missing");
  await Promise.all([1, 2, 3].map((seed) => Repository.openOrCreate(store, options(seed))));
  assertEquals((await failureOf(newRepository(store), RepositoryError)).kind, "exists");
  const head = store.objects.get("head.json")!;
  const bytes = head.bytes.slice();
  bytes[100]! ^= 1;
  store.objects.set("head.json", { ...head, bytes });
  const damaged = await failureOf(Repository.open(store, options()), RepositoryError);
  assertEquals(damaged.kind, "damaged");
  assert(damaged.hint.length > 0);
});
