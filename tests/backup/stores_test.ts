/**
 * The same backups on real stores: a directory of a disk, and an S3 server; with real files.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { backUp, type BackupPlan } from "../../src/backup/back_up.ts";
import { prune } from "../../src/backup/prune.ts";
import { Repository } from "../../src/backup/repository.ts";
import { finishRestore, planRestore, restoreFiles } from "../../src/backup/restore.ts";
import { healRepository } from "../../src/backup/heal_repository.ts";
import { verifyRepository } from "../../src/backup/verify_repository.ts";
import { sha256Hex } from "../../src/format/sealed_json.ts";
import { openStore } from "../../src/objectstore/open.ts";
import type { ObjectStore } from "../../src/objectstore/store.ts";
import { systemClock } from "../../src/os/clock.ts";
import { systemRandom } from "../../src/os/random.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { s3ServerAvailable, startS3Server } from "../support/s3_server.ts";
import { type Files, noise, prose } from "./support.ts";

const FILES: Files = {
  "_meta/catalog-000001.json": prose(600, 1),
  "logs/seg-000001/segment.seg": noise(12_000_000, 3),
  "logs/seg-000001/segment.ids": noise(70_000, 4),
  "logs/wal/wal-000001": prose(3_000_000, 5),
};

const fs = realFileSystem();

function planFrom(directory: string, id: string, files: Files): BackupPlan {
  const planned = Object.entries(files).map(([path, bytes]) => {
    const source = `${directory}/${id}/${path}`;
    fs.makeDirectory(source.slice(0, source.lastIndexOf("/")));
    Deno.writeFileSync(source, bytes);
    const known = path.includes("/seg-") ? { sha256: sha256Hex(bytes) } : {};
    return {
      path,
      source,
      sizeBytes: bytes.length,
      ...(path.startsWith("_") ? {} : { index: "logs" }),
      ...known,
    };
  });
  const server = { version: "0.1.0", instanceId: "instance" };
  const indices = [{ name: "logs", incarnation: "logs-1", shards: 1, docs: 3 }];
  return { id, createdMs: Date.now(), lsn: 1, server, indices, files: planned };
}

async function cycle(store: ObjectStore): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "xerj-backup-" });
  try {
    const options = { random: systemRandom(), clock: systemClock() };
    const repository = await Repository.create(store, options);
    const journalPath = `${directory}/journal`;
    const plan = planFrom(directory, "bk-1", FILES);
    const first = await backUp(repository, plan, { fs, journalPath });
    assertEquals(first.objectsPut, 3);
    const again = await backUp(repository, planFrom(directory, "bk-2", FILES), { fs, journalPath });
    assertEquals([again.bytes, again.objectsReused], [0, 3]);

    const { removed } = await prune(repository, { retention: { last: 1 } });
    assertEquals(removed, ["bk-1"]);
    assertEquals((await verifyRepository(repository, { mode: "full" })).damaged, []);

    const staging = `${directory}/staging`;
    const restorePlan = await planRestore(await Repository.open(store, options), {});
    const restored = await restoreFiles(restorePlan, { to: staging, fs });
    assertEquals(restored.bytes, first.bytesTotal);
    finishRestore(fs, { staging, target: `${directory}/restored` });
    for (const [path, bytes] of Object.entries(FILES)) {
      assertEquals(sha256Hex(Deno.readFileSync(`${directory}/restored/${path}`)), sha256Hex(bytes), path);
    }
    assert(!fs.exists(`${directory}/restored/_restoring.json`));

    const lost = restorePlan.files.find(({ entry }) =>
      entry.path.endsWith("segment.seg")
    )!.entry.pieces[0]!.object;
    await store.delete([lost]);
    const { damaged } = await verifyRepository(repository, { mode: "quick" });
    assertEquals(damaged.map(({ object }) => object), [lost]);
    assertEquals((await healRepository(repository, damaged, { files: plan.files, fs })).healed, [lost]);
    assertEquals((await verifyRepository(repository, { mode: "full" })).damaged, []);
  } finally {
    store.close();
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("a directory as a repository", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "xerj-repository-" });
  try {
    await cycle(openStore(`file://${directory}`));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

const hasS3 = await s3ServerAvailable();

Deno.test(
  { name: "a bucket as a repository", ignore: !hasS3, sanitizeResources: false, sanitizeOps: false },
  async () => {
    const server = await startS3Server();
    try {
      const { endpoint, bucket, accessKey, secretKey, region } = server;
      await cycle(openStore(`s3://${bucket}/backups/${crypto.randomUUID()}`, {
        s3: { endpoint, region, credentials: { accessKey, secretKey } },
      }));
    } finally {
      await server.stop();
    }
  },
);

/** What `docs/` tells those to do who have lost everything but the bucket. */
const RECIPE = `
set -eu
cd "$1"
manifest=$(jq -r '.head.backups[-1].manifest' head.json)
jq -r '.head.backups[-1] | "\\(.sha256)  \\(.manifest)"' head.json | sha256sum --check --quiet
jq -c '.backup.files[]' "$manifest" | while read -r file; do
  path="$2/$(echo "$file" | jq -r .path)"
  mkdir -p "$(dirname "$path")"
  echo "$file" | jq -j '.inline // empty' | base64 -d > "$path"
  echo "$file" | jq -r '.pieces[]? | "\\(.encoding) \\(.object)"' | while read -r encoding object; do
    case "$encoding" in plain) cat "$object" ;; zstd) zstd -dcq < "$object" ;; esac >> "$path"
  done
  echo "$(echo "$file" | jq -r .sha256)  $path" | sha256sum --check --quiet
done
`;

const hasTools = ["jq", "zstd", "sha256sum"].every((tool) => {
  try {
    return new Deno.Command(tool, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
});
if (!hasTools) console.log("skipped: no jq, zstd or sha256sum to restore by hand with");

Deno.test({ name: "a backup restores by hand, with jq, sha256sum and zstd", ignore: !hasTools }, async () => {
  const directory = Deno.makeTempDirSync({ prefix: "xerj-recipe-" });
  try {
    fs.makeDirectory(`${directory}/repository`);
    const store = openStore(`file://${directory}/repository`);
    const repository = await Repository.create(store, { random: systemRandom(), clock: systemClock() });
    await backUp(repository, planFrom(directory, "bk-1", FILES), { fs, pieceBytes: 8 << 20 });
    store.close();
    const args = ["-c", RECIPE, "recipe", `${directory}/repository`, `${directory}/restored`];
    const { success, stderr } = new Deno.Command("sh", { args, stdout: "null", stderr: "piped" })
      .outputSync();
    assertEquals([success, new TextDecoder().decode(stderr)], [true, ""]);
    for (const [path, bytes] of Object.entries(FILES)) {
      assertEquals(sha256Hex(Deno.readFileSync(`${directory}/restored/${path}`)), sha256Hex(bytes), path);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
