import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { backUp } from "../../src/backup/back_up.ts";
import { RepositoryError } from "../../src/backup/error.ts";
import { decodeBackupManifest, encodeBackupManifest } from "../../src/backup/manifest.ts";
import { finishRestore, planRestore, restoreFiles, RESTORING_FILE } from "../../src/backup/restore.ts";
import { CorruptionError } from "../../src/base/errors.ts";
import { StoreError } from "../../src/objectstore/store.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryStore } from "./memory_store.ts";
import {
  assertFiles,
  failureOf,
  type Files,
  newRepository,
  noise,
  planOf,
  prose,
  restored,
} from "./support.ts";

const FILES: Files = {
  "_meta/catalog-000001.json": prose(600, 1),
  "logs-1/seg-000001/segment.seg": noise(3_000_000, 3),
  "logs-1/wal/wal-000001": prose(1_300_000, 5),
  "logs-2/wal/wal-000001": prose(100, 6),
  "other/manifests/manifest-000001.json": noise(5000, 7),
};

async function backedUp(compress = true) {
  const store = new MemoryStore();
  const repository = await newRepository(store);
  const disk = new MemoryDisk();
  await backUp(repository, planOf(disk, "bk-1", FILES), { fs: disk, compress, pieceBytes: 1 << 20 });
  return { store, repository };
}

Deno.test("a plan says what a restore costs, and writes nothing", async () => {
  const { repository } = await backedUp(false);
  const plan = await planRestore(repository, {});
  assertEquals(plan.bytes, 3_000_000 + 1_300_000 + 600 + 100 + 5000);
  assertEquals([plan.fetchBytes, plan.requests, plan.files.length], [4_305_000, 6, 5]);
});

Deno.test("chosen indices come back, under new names if asked, without the server's own files", async () => {
  const { repository } = await backedUp();
  const files = await restored(repository, {
    indices: ["logs-*"],
    rename: { pattern: "logs-(.*)", replacement: "old-$1" },
  });
  assertFiles(files, {
    "old-1/seg-000001/segment.seg": FILES["logs-1/seg-000001/segment.seg"]!,
    "old-1/wal/wal-000001": FILES["logs-1/wal/wal-000001"]!,
    "old-2/wal/wal-000001": FILES["logs-2/wal/wal-000001"]!,
  });
  assertEquals(
    [...(await restored(repository, { indices: ["other"], includeServerFiles: true })).keys()].sort(),
    [
      "_meta/catalog-000001.json",
      "other/manifests/manifest-000001.json",
    ],
  );
});

Deno.test("a selection that makes no sense is refused with words", async () => {
  const { repository } = await backedUp();
  const wrong = [
    { selection: { indices: ["nope"] }, words: "it holds logs-1, logs-2, other" },
    {
      selection: { rename: { pattern: "logs-.", replacement: "same" } },
      words: "choose another replacement",
    },
    { selection: { rename: { pattern: "logs-.", replacement: "../$0" } }, words: "" },
    { selection: { rename: { pattern: "(", replacement: "x" } }, words: "regular expression" },
  ];
  for (const { selection, words } of wrong) {
    const failure = await failureOf(planRestore(repository, selection), RepositoryError);
    assertEquals(failure.kind, "selection");
    assertStringIncludes(failure.hint, words);
  }
  const missing = await failureOf(planRestore(repository, { backup: "bk-9" }), RepositoryError);
  assertEquals([missing.kind, missing.hint], ["no_backup", "the newest are bk-1"]);
});

Deno.test("a directory with anything in it is refused and left as it was", async () => {
  const { repository } = await backedUp();
  const disk = new MemoryDisk();
  disk.put("/target/precious", new Uint8Array([1]));
  const failure = await failureOf(
    restoreFiles(await planRestore(repository, {}), { to: "/target", fs: disk }),
    RepositoryError,
  );
  assertEquals(failure.kind, "target");
  assertEquals([...disk.below("/target").keys()], ["precious"]);
});

for (const compress of [false, true]) {
  Deno.test(`a restore killed at any write goes on and fetches less, ${compress ? "compressed" : "plain"}`, async () => {
    const { store, repository } = await backedUp(compress);
    store.streamBytes = 100_000;
    const disk = new MemoryDisk();
    let writes = 0;
    let kills = 0;
    let outcome;
    while (!outcome) {
      disk.beforeWrite = () => {
        if (++writes % 4 === 0) throw new Error("killed");
      };
      try {
        const plan = await planRestore(repository, {});
        outcome = await restoreFiles(plan, { to: "/target", fs: disk, parallel: 2 });
      } catch (error) {
        assert(error instanceof Error && error.message === "killed");
        assert(disk.exists(`/target/${RESTORING_FILE}`) || writes <= 4, "the marker is there first");
        kills++;
      }
    }
    assert(kills > 1);
    assert(
      outcome.fetchedBytes < 3_000_000 && outcome.filesKept > 0,
      `${outcome.fetchedBytes} bytes in the last run`,
    );
    finishRestore(disk, { staging: "/target", target: "/data" });
    assertFiles(disk.below("/data"), FILES);
    finishRestore(disk, { staging: "/target", target: "/data" });
  });
}

Deno.test("what a broken-off restore left wrong is fetched again", async () => {
  const { repository } = await backedUp();
  const disk = new MemoryDisk();
  const plan = await planRestore(repository, {});
  await restoreFiles(plan, { to: "/target", fs: disk });
  disk.files.get("/target/logs-1/seg-000001/segment.seg")!.bytes[5]! ^= 1;
  disk.rename("/target/logs-1/wal/wal-000001", "/target/logs-1/wal/wal-000001.staged");
  disk.files.get("/target/logs-1/wal/wal-000001.staged")!.bytes = noise(1_100_000, 4);
  const outcome = await restoreFiles(plan, { to: "/target", fs: disk });
  assertEquals(outcome.filesKept, 3);
  disk.unlink(`/target/${RESTORING_FILE}`);
  assertFiles(disk.below("/target"), FILES);
});

Deno.test("another backup is not restored over a broken-off one", async () => {
  const { repository } = await backedUp();
  const disk = new MemoryDisk();
  await restoreFiles(await planRestore(repository, {}), { to: "/target", fs: disk });
  const other = restoreFiles(await planRestore(repository, { indices: ["other"] }), {
    to: "/target",
    fs: disk,
  });
  assertStringIncludes((await failureOf(other, RepositoryError)).message, "another restore was begun there");
});

Deno.test("a flipped byte in the repository fails the restore, naming file and object", async () => {
  for (const compress of [false, true]) {
    const { store, repository } = await backedUp(compress);
    const plan = await planRestore(repository, {});
    const { path, entry } = plan.files.find(({ entry }) => entry.path === "logs-1/wal/wal-000001")!;
    const { object } = entry.pieces[1]!;
    store.objects.get(object)!.bytes[3000]! ^= 16;
    const disk = new MemoryDisk();
    const failure = await failureOf(restoreFiles(plan, { to: "/target", fs: disk }), StoreError);
    assertEquals(failure.kind, "damaged");
    assertStringIncludes(failure.message, object);
    assert(!disk.exists(`/target/${path}`));
    assert(disk.exists(`/target/${RESTORING_FILE}`));
  }
});

Deno.test("a manifest whose paths leave the target does not decode", async () => {
  const { repository } = await backedUp();
  const { manifest } = await planRestore(repository, {});
  for (const path of ["../x", "/etc/x", "a/../../x", "a//x", "a\\x", "", "a/\n"]) {
    const evil = { ...manifest, files: [{ ...manifest.files[0]!, path }] };
    try {
      decodeBackupManifest(encodeBackupManifest(evil));
      assert(false, `${path} was taken`);
    } catch (error) {
      assert(error instanceof CorruptionError);
    }
  }
});
