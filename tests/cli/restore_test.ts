import { assertEquals } from "@std/assert";
import { backUp } from "../../src/backup/back_up.ts";
import { Repository } from "../../src/backup/repository.ts";
import { isNewer } from "../../src/cli/restore.ts";
import { findTarget, lockTarget } from "../../src/cli/restore_target.ts";
import { duration } from "../../src/cli/restore_render.ts";
import { encodeCatalog } from "../../src/format/catalog.ts";
import { NO_HISTORY } from "../../src/format/history.ts";
import { openStore } from "../../src/objectstore/open.ts";
import { systemClock } from "../../src/os/clock.ts";
import { systemRandom } from "../../src/os/random.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { jsonLines } from "../support/command.ts";
import { command } from "./command_world.ts";

const BLOB_BYTES = 3_000_000;

/** A backup of a server with one large file, made by `version`. */
async function withBackup(
  version: string,
  test: (root: string, args: readonly string[]) => Promise<void>,
): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "xerj-cli-" });
  const store = openStore(`file://${root}/repository`);
  try {
    const repository = await Repository.create(store, { random: systemRandom(), clock: systemClock() });
    const file = (path: string, bytes: Uint8Array) => {
      const source = `${root}/${path.replaceAll("/", "-")}`;
      Deno.writeFileSync(source, bytes);
      return { path, source, sizeBytes: bytes.length };
    };
    const blob = new Uint8Array(BLOB_BYTES);
    for (let at = 0; at < BLOB_BYTES; at += 50_000) crypto.getRandomValues(blob.subarray(at, at + 50_000));
    const index = { name: "logs", incarnation: "i", shards: 1 };
    const catalog = encodeCatalog({
      number: 4,
      previous: 3,
      createdMs: 1,
      lsn: 1,
      indices: [{ ...index, uuid: "u", createdMs: 1, closed: false }],
      sections: {},
      deleted: undefined,
      history: NO_HISTORY,
    });
    await backUp(repository, {
      id: "bk-1",
      createdMs: 1,
      lsn: 1,
      server: { version, instanceId: "me" },
      indices: [{ ...index, docs: 7 }],
      files: [file("_meta/catalog-000004.json", catalog), { ...file("logs/blob", blob), index: "logs" }],
    }, { fs: realFileSystem(), journalPath: `${root}/journal` });
    await test(root, ["restore", "--from", `file://${root}/repository`, "--data-dir", `${root}/data`]);
  } finally {
    store.close();
    Deno.removeSync(root, { recursive: true });
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("before a byte is fetched: is there room, and does this version know what is stored", () =>
  withBackup("99.1.0", async (root, args) => {
    const full = await command(args, { freeBytes: 2_000_000 });
    assertEquals(
      [full.code, full.stderr.includes("it takes 3.0 MB, and 2.0 MB are free")],
      [2, true],
      full.stderr,
    );
    assertEquals([exists(`${root}/data`), exists(`${root}/data.restoring`)], [false, false]);
    const tight = await command([...args, "--dry-run", "--json"], { freeBytes: 100_000_000 });
    const [told] = jsonLines(tight.stdout);
    const warnings = told?.["warnings"] as string[];
    assertEquals(warnings.map((words) => words.split(":")[0]), [
      "97 MB will be left",
      "xerj 99.1.0 made this backup",
    ]);
    assertEquals([told?.["bytes_to_fetch"], told?.["requests"]], [BLOB_BYTES, 1]);
    assertEquals(told?.["indices"], [{ index: "logs", as: "logs", docs: 7 }]);
  }));

Deno.test("a damaged object ends the restore with 1, and names it; nothing that a server could start on is left", () =>
  withBackup("0.1.0", async (root, args) => {
    const [{ name }] = [...Deno.readDirSync(`${root}/repository/objects`)] as [Deno.DirEntry];
    const path = `${root}/repository/objects/${name}`;
    const bytes = Deno.readFileSync(path);
    bytes[1_000_000]! ^= 4;
    Deno.chmodSync(path, 0o644);
    Deno.writeFileSync(path, bytes);
    const damaged = await command(args);
    assertEquals([damaged.code, damaged.stderr.includes(name)], [1, true], damaged.stderr);
    assertEquals(damaged.stderr.includes("the same command again"), false, "that would not help");
    assertEquals([exists(`${root}/data`), exists(`${root}/data.restoring/_restoring.json`)], [false, true]);
    bytes[1_000_000]! ^= 4;
    Deno.writeFileSync(path, bytes);
    assertEquals((await command(args)).code, 0, "once it is healed, the restore goes on");
    assertEquals(Deno.statSync(`${root}/data/logs/blob`).size, BLOB_BYTES);
    assertEquals(exists(`${root}/data/_restoring.json`), false);
  }));

Deno.test("who stops it can go on; two at once are one", () =>
  withBackup("0.1.0", async (root, args) => {
    const stopped = await command([...args, "--json"], { isStopped: true });
    const last = jsonLines(stopped.stdout).at(-1);
    assertEquals([stopped.code, last?.["event"], last?.["type"]], [2, "failed", "cancelled"]);
    // Begun, by another process.
    const marker = `${root}/data.restoring/_restoring.json`;
    if (!exists(marker)) {
      const [{ name }] = [...Deno.readDirSync(`${root}/repository/objects`)] as [Deno.DirEntry];
      Deno.renameSync(`${root}/repository/objects/${name}`, `${root}/aside`);
      assertEquals((await command(args)).code, 1);
      Deno.renameSync(`${root}/aside`, `${root}/repository/objects/${name}`);
    }
    const lock = lockTarget(realFileSystem(), { staging: `${root}/data.restoring` });
    const second = await command(args);
    assertEquals(
      [second.code, second.stderr.includes("Another process is restoring")],
      [2, true],
      second.stderr,
    );
    lock.release();
    assertEquals((await command(args)).code, 0);
  }));

Deno.test("an object that is gone ends the restore with 1", () =>
  withBackup("0.1.0", async (root, args) => {
    const [{ name }] = [...Deno.readDirSync(`${root}/repository/objects`)] as [Deno.DirEntry];
    Deno.removeSync(`${root}/repository/objects/${name}`);
    const { code, stderr } = await command(args);
    assertEquals([code, stderr.includes(name)], [1, true], stderr);
  }));

Deno.test("the target is new, empty, or one that the same restore was begun in", () => {
  const root = Deno.makeTempDirSync({ prefix: "xerj-cli-" });
  try {
    const fs = realFileSystem();
    assertEquals(findTarget(fs, `${root}/new/`).staging, `${root}/new.restoring`);
    Deno.mkdirSync(`${root}/empty`);
    assertEquals(findTarget(fs, `${root}/empty`).staging, `${root}/empty`, "it keeps its owner and mode");
    Deno.mkdirSync(`${root}/new.restoring`);
    Deno.writeTextFileSync(`${root}/new.restoring/file`, "");
    const refused = (path: string) => {
      try {
        findTarget(fs, path);
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    };
    assertEquals(
      refused(`${root}/new`).endsWith("new.restoring, where its files would be brought, is not empty"),
      true,
    );
    Deno.writeTextFileSync(`${root}/new.restoring/_restoring.json`, "half of a mark");
    assertEquals(refused(`${root}/new`).includes("Cannot go on with the restore"), true);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("versions and durations", () => {
  assertEquals([isNewer("0.2.0", "0.1.9"), isNewer("1.0.0", "0.9.0"), isNewer("0.1.5", "0.1.0")], [
    true,
    true,
    false,
  ]);
  assertEquals([0.04, 9, 59.6, 200, 7300].map(duration), [
    "0.0 s",
    "9.0 s",
    "1 min 0 s",
    "3 min 20 s",
    "2 h 1 min",
  ]);
});
