import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { backUp } from "../../src/backup/back_up.ts";
import { parseRepositoryKey } from "../../src/backup/cipher.ts";
import { RepositoryError } from "../../src/backup/error.ts";
import { Repository } from "../../src/backup/repository.ts";
import { healRepository } from "../../src/backup/heal_repository.ts";
import { verifyRepository } from "../../src/backup/verify_repository.ts";
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
  prose,
  restored,
} from "./support.ts";

const KEY = new Uint8Array(32).fill(42);
const FILES: Files = {
  "_meta/catalog-000001.json": prose(600, 1),
  "a/seg-000001/segment.seg": noise(1_200_000, 3),
  "a/wal/wal-000001": prose(200_000, 5),
};

async function backedUp(key?: Uint8Array) {
  const store = new MemoryStore();
  const repository = await newRepository(store, key ? { key } : {});
  const disk = new MemoryDisk();
  const plan = planOf(disk, "bk-1", FILES);
  await backUp(repository, plan, { fs: disk });
  await backUp(repository, planOf(disk, "bk-2", { ...FILES, "a/wal/wal-000002": noise(9000, 8) }), {
    fs: disk,
  });
  return { store, repository, disk, plan };
}

const bigObject = (store: MemoryStore) =>
  store.names("objects/").find((name) => store.objects.get(name)!.bytes.length > 1_000_000)!;

for (const key of [undefined, KEY]) {
  const kind = key ? "encrypted" : "plain";

  Deno.test(`a sound ${kind} repository verifies in every mode`, async () => {
    const { repository } = await backedUp(key);
    const quick = await verifyRepository(repository, { mode: "quick" });
    assertEquals([quick.backups, quick.objects, quick.objectsRead, quick.damaged], [2, 3, 0, []]);
    const sample = await verifyRepository(repository, { mode: "sample", share: 0.3 });
    assertEquals([sample.objectsRead, sample.damaged], [1, []]);
    const full = await verifyRepository(repository, { mode: "full" });
    assertEquals([full.objectsRead, full.damaged], [3, []]);
    assert(full.bytesRead > 1_200_000);
  });

  Deno.test(`a flipped byte of a ${kind} repository: full verify names object, backups, files; healing mends it`, async () => {
    const { store, repository, disk, plan } = await backedUp(key);
    const name = bigObject(store);
    store.objects.get(name)!.bytes[500_000]! ^= 1;
    assertEquals((await verifyRepository(repository, { mode: "quick" })).damaged, []);
    const { damaged } = await verifyRepository(repository, { mode: "full" });
    assertEquals(
      damaged.map(({ object, problem, backups, paths }) => ({ object, problem, backups, paths })),
      [
        { object: name, problem: "damaged", backups: ["bk-1", "bk-2"], paths: ["a/seg-000001/segment.seg"] },
      ],
    );
    const outcome = await healRepository(repository, damaged, { files: plan.files, fs: disk });
    assertEquals([outcome.healed, outcome.unhealed], [[name], []]);
    assertEquals((await verifyRepository(repository, { mode: "full" })).damaged, []);
    assertFiles(await restored(repository, { backup: "bk-1" }), FILES);
  });
}

Deno.test("missing and cut objects are found by a quick verify; what no local file holds stays unhealed", async () => {
  const { store, repository, disk, plan } = await backedUp();
  const names = store.names("objects/");
  const big = bigObject(store);
  store.objects.delete(big);
  const cut = names.find((name) => store.objects.get(name)?.bytes.length === 9000)!;
  store.objects.set(cut, { ...store.objects.get(cut)!, bytes: new Uint8Array(10) });
  const { damaged } = await verifyRepository(repository, { mode: "quick" });
  assertEquals(
    new Map(damaged.map(({ object, problem }) => [object, problem])),
    new Map([[big, "missing"], [cut, "wrong size"]]),
  );
  const outcome = await healRepository(repository, damaged, { files: plan.files, fs: disk });
  assertEquals([outcome.healed, outcome.unhealed.map(({ object }) => object)], [[big], [cut]]);
  assertEquals(outcome.unhealed[0]!.backups, ["bk-2"]);
});

Deno.test("a local file that is damaged itself heals nothing", async () => {
  const { store, repository, disk, plan } = await backedUp();
  store.objects.delete(bigObject(store));
  disk.files.get("/source/bk-1/a/seg-000001/segment.seg")!.bytes[7]! ^= 1;
  const { damaged } = await verifyRepository(repository, { mode: "quick" });
  const outcome = await healRepository(repository, damaged, { files: plan.files, fs: disk });
  assertEquals([outcome.healed.length, outcome.unhealed.length], [0, 1]);
});

for (const key of [undefined, KEY]) {
  Deno.test(`a lost object of a ${key ? "encrypted" : "plain"} repository comes back from one that holds the same bytes`, async () => {
    const { store, repository, disk } = await backedUp(key);
    const lost = bigObject(store);
    store.objects.delete(lost);
    const outcome = await backUp(repository, planOf(disk, "bk-3", FILES), { fs: disk });
    assertEquals([outcome.objectsMissing, outcome.backupsAffected], [[lost], ["bk-1", "bk-2"]]);
    const { damaged } = await verifyRepository(repository, { mode: "quick" });
    assertEquals(damaged.map(({ object, backups }) => [object, backups]), [[lost, ["bk-1", "bk-2"]]]);
    const twin = bigObject(store);
    const healed = await healRepository(repository, damaged, { files: [], fs: disk });
    assertEquals([healed.healed, healed.unhealed], [[lost], []]);
    assertEquals((await verifyRepository(repository, { mode: "full" })).damaged, []);
    assertFiles(await restored(repository, { backup: "bk-1" }), FILES);

    // A twin that is damaged itself is no source.
    store.objects.delete(lost);
    store.objects.get(twin)!.bytes[500_000]! ^= 1;
    const again = await healRepository(repository, damaged, { files: [], fs: disk });
    assertEquals([again.healed, again.unhealed.length, store.objects.has(lost)], [[], 1, false]);
  });
}

Deno.test("a damaged manifest is found by a quick verify", async () => {
  const { store, repository } = await backedUp();
  store.objects.get("backups/bk-1.json")!.bytes[200]! ^= 1;
  const { damaged } = await verifyRepository(repository, { mode: "quick" });
  assertEquals(damaged.map(({ object, backups }) => [object, backups]), [["backups/bk-1.json", ["bk-1"]]]);
  assertStringIncludes(damaged[0]!.reason, "its SHA-256 is");
});

Deno.test("an encrypted repository restores with its key only, and shows nothing without", async () => {
  const { store, repository } = await backedUp(KEY);
  assertFiles(await restored(repository, { backup: "bk-1" }), FILES);
  const before = [...store.counts.entries()].filter(([name]) => name.startsWith("put")).map(([, count]) =>
    count
  );
  for (const key of [undefined, new Uint8Array(32).fill(43)]) {
    const failure = await failureOf(Repository.open(store, options(3, key ? { key } : {})), RepositoryError);
    assertEquals(failure.kind, "key");
  }
  const after = [...store.counts.entries()].filter(([name]) => name.startsWith("put")).map(([, count]) =>
    count
  );
  assertEquals(before, after);
  const plain = await newRepository(new MemoryStore());
  assertEquals(
    (await failureOf(Repository.open(plain.store, options(3, { key: KEY })), RepositoryError)).kind,
    "key",
  );
  for (const [name, { bytes }] of store.objects) {
    const text = new TextDecoder("latin1").decode(bytes);
    assert(!text.includes("segment ") && !text.includes("wal-000001"), `${name} shows plain text`);
  }
});

Deno.test("encrypted objects cannot stand in for each other, nor be cut", async () => {
  const { store, repository } = await backedUp(KEY);
  const name = bigObject(store);
  const object = store.objects.get(name)!;
  const cipher = repository.cipher!;
  const open = async (bytes: Uint8Array, context: string) => {
    const stored = (async function* () {
      yield await Promise.resolve(bytes);
    })();
    for await (const _ of cipher.decrypt(stored, context)) { /* only whether it throws counts */ }
  };
  const context = `object ${name.slice("objects/".length).split(".")[0]}`;
  await open(object.bytes, context);
  const chunk = 1024 * 1024 + 16;
  const wrong: readonly (readonly [Uint8Array, string])[] = [
    [object.bytes, "object other"],
    [object.bytes.subarray(0, 40 + chunk), context],
    [object.bytes.subarray(0, object.bytes.length - 1), context],
    [new Uint8Array(0), context],
  ];
  for (const [bytes, context] of wrong) {
    assertStringIncludes((await failureOf(open(bytes, context), Error)).message, "Cannot decrypt");
  }
});

Deno.test("keys are read from hex and base64; what is wrong is not repeated", async () => {
  assertEquals(parseRepositoryKey(` ${"2a".repeat(32)}\n`), KEY);
  assertEquals(parseRepositoryKey(btoa(String.fromCharCode(...KEY))), KEY);
  const secret = "correct horse battery staple";
  const failure = await failureOf(
    (async () => await Promise.resolve(parseRepositoryKey(secret)))(),
    RepositoryError,
  );
  assert(!failure.message.includes(secret) && failure.hint.includes("openssl"));
});
