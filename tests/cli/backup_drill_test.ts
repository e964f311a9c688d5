/**
 * `xerj backup drill` without a server, over a repository in a directory.
 */
import { assert, assertEquals } from "@std/assert";
import { backUp } from "../../src/backup/back_up.ts";
import { Repository } from "../../src/backup/repository.ts";
import { filesOf } from "../../src/control/backups.ts";
import { linkedIndices } from "../../src/control/linked_indices.ts";
import type { Evidence } from "../../src/engine/evidence/evidence.ts";
import { EvidenceGatherer, GATHER_LIMITS } from "../../src/engine/evidence/gather.ts";
import type { SnapshotShardReport } from "../../src/engine/messages.ts";
import { openStore } from "../../src/objectstore/open.ts";
import { systemClock } from "../../src/os/clock.ts";
import { pause } from "../../src/os/pause.ts";
import { systemRandom } from "../../src/os/random.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { silentLogger } from "../../src/base/log.ts";
import { inWorld, SETTINGS } from "../engine/world.ts";
import { command } from "./command_world.ts";

const COMMON = { fs: realFileSystem(), clock: systemClock(), random: systemRandom(), log: silentLogger };

interface Shelf {
  /** `--from`, and a scratch directory. */
  readonly flags: readonly string[];
  readonly scratch: string;
  /** Where the repository lies. */
  readonly directory: string;
  /** Makes a backup whose manifest says what `edit` makes of the evidence; undefined: nothing. */
  backUp(id: string, edit: (evidence: Evidence) => Evidence | undefined): Promise<void>;
}

/** A repository in a directory, of two indices: one flushed, one half in the log. */
async function withShelf(test: (shelf: Shelf) => Promise<void>): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "xerj-drill-" });
  try {
    await inWorld({}, async (world) => {
      const write = (index: string, from: number, to: number) =>
        world.bulk(
          index,
          Array.from({ length: to - from }, (_, i) => [{ index: { _id: `${from + i}` } }, {
            n: from + i,
            message: `line ${from + i} of the log`,
          }]).flat(),
        );
      await write("flushed", 0, 300);
      await world.flush("flushed");
      await write("mixed", 0, 200);
      await world.flush("mixed");
      await write("mixed", 100, 250);
      await world.delete("mixed", "7");
      const tree = `${root}/tree`;
      let shards: readonly SnapshotShardReport[] = [];
      const { lsn } = await world.engine.linkAll(tree, (reports) => shards = reports);
      const gatherer = new EvidenceGatherer({ ...COMMON, pause, settings: SETTINGS }, {
        ...GATHER_LIMITS,
        openMs: 60_000,
        indexMs: 60_000,
        probeMs: 60_000,
      });
      const linked = linkedIndices(world.engine, ["flushed", "mixed"], shards);
      const evidence = await gatherer.gather(tree, { indices: linked });
      const store = openStore(`file://${root}/repository`);
      const repository = await Repository.create(store, COMMON);
      const scratch = `${root}/scratch`;
      Deno.mkdirSync(scratch);
      await test({
        flags: ["--from", `file://${root}/repository`, "--scratch", scratch],
        scratch,
        directory: `${root}/repository`,
        backUp: async (id, edit) => {
          const edited = edit(evidence);
          await backUp(repository, {
            id,
            createdMs: Date.now(),
            lsn,
            server: { version: "0.1.0", instanceId: "me" },
            indices: linked.map(({ name, incarnation, liveDocs = 0 }) => ({
              name,
              incarnation,
              shards: 1,
              docs: liveDocs,
            })),
            files: filesOf(COMMON.fs, tree),
            ...(edited ? { extra: { evidence: edited } } : {}),
          }, { fs: COMMON.fs });
        },
      });
      store.close();
      assertEquals([...Deno.readDirSync(scratch)], [], "every drill has removed what it made");
    });
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("backup drill: proven; a wrong digest or count is found when it compares; older backups are counted", async () => {
  await withShelf(async ({ flags, backUp }) => {
    await backUp("right", (evidence) => evidence);
    const right = await command(["backup", "drill", ...flags]);
    assertEquals([right.code, right.stderr], [0, ""], right.stdout);
    assertEquals(
      right.stdout.split("\n").slice(0, 2).map((line) => line.replace(/\d+ queries/, "N queries")),
      [
        "flushed: 300 documents of 300, N queries compared",
        "mixed: 249 documents of 249, N queries compared",
      ],
    );
    assert(right.stdout.includes("PROVEN: backup right at file://"), right.stdout);

    await backUp("digest", ({ indices: [flushed, mixed], ...rest }) => {
      const probes = mixed!.probes.map((probe) =>
        probe.what === "range of n" ? { ...probe, sha256: "0".repeat(64) } : probe
      );
      return { ...rest, indices: [flushed!, { ...mixed!, probes }] };
    });
    const digest = await command(["backup", "drill", ...flags]);
    assertEquals(digest.code, 1, digest.stdout);
    assert(
      digest.stdout.includes("DIFFERENT: range of n: the answer is another than at the time of the backup"),
    );
    assert(digest.stdout.includes("NOT RESTORABLE AS IT WAS: backup digest at"), digest.stdout);

    await backUp("count", ({ indices: [flushed, mixed], ...rest }) => ({
      ...rest,
      indices: [{ ...flushed!, docs: 301 }, mixed!],
    }));
    const count = await command(["backup", "drill", ...flags, "--json"]);
    const json = JSON.parse(count.stdout);
    assertEquals([count.code, json.outcome, json.backup_id], [1, "failed", "count"]);
    assertEquals(
      json.reason,
      "[flushed] is not what was backed up: it has 300 documents; there were 301 (counted by the server)",
    );

    await backUp("older", () => undefined);
    const older = JSON.parse((await command(["backup", "drill", ...flags, "--json"])).stdout);
    assertEquals([older.outcome, older.indices.map(({ docs }: { docs: number }) => docs)], ["passed", [
      300,
      249,
    ]]);
    assert(older.reason.startsWith("the backup does not say what it must show"), older.reason);

    const one = await command([
      "backup",
      "drill",
      ...flags,
      "--backup",
      "right",
      "--index",
      "mix*",
      "--json",
    ]);
    const only = JSON.parse(one.stdout);
    assertEquals([one.code, only.indices.map(({ index }: { index: string }) => index)], [0, ["mixed"]]);
  });
});

Deno.test("backup drill: what cannot be held says why, and exits with 2", async () => {
  await withShelf(async ({ flags, backUp }) => {
    await backUp("right", (evidence) => evidence);
    const full = await command(["backup", "drill", ...flags], { freeBytes: 1000 });
    assertEquals(full.code, 2, full.stdout);
    assert(/NO DRILL WAS HELD: backup right .*no room for a drill in/.test(full.stdout), full.stdout);
    const absent = await command(["backup", "drill", ...flags, "--backup", "absent"]);
    assertEquals([absent.code, absent.stdout], [2, ""]);
    assert(absent.stderr.includes("absent"), absent.stderr);
    const limited = await command(["backup", "drill", ...flags, "--json"], {
      toml: "[backup]\ndrill_max_mb = 1\n",
    });
    assertEquals(JSON.parse(limited.stdout).left_out, undefined, "two small indices fit");
  });
});

Deno.test("backup drill: a damaged or missing object is named with the backups that need it; so is a damaged manifest", async () => {
  await withShelf(async ({ flags, directory, backUp }) => {
    await backUp("one", (evidence) => evidence);
    await backUp("two", (evidence) => evidence);
    const drill = async () => {
      const { code, stdout } = await command(["backup", "drill", ...flags, "--json"]);
      const { outcome, reason } = JSON.parse(stdout);
      return { code, outcome, reason: reason as string };
    };
    const object = [...Deno.readDirSync(`${directory}/objects`)].map(({ name }) => name).sort()[0]!;
    const path = `${directory}/objects/${object}`;
    const bytes = Deno.readFileSync(path);
    const flipped = bytes.slice();
    flipped[bytes.length >>> 1]! ^= 1;
    const changes: Record<string, () => void> = {
      flipped: () => Deno.writeFileSync(path, flipped),
      missing: () => Deno.removeSync(path),
    };
    for (const [what, change] of Object.entries(changes)) {
      change();
      const { code, outcome, reason } = await drill();
      assertEquals([code, outcome], [1, "failed"], `${what}: ${reason}`);
      assert(reason.includes(`objects/${object}`), `${what}: ${reason}`);
      assert(reason.endsWith("backups that need it: one, two"), `${what}: ${reason}`);
      Deno.writeFileSync(path, bytes);
    }
    assertEquals((await drill()).code, 0, "put right again");
    const manifest = `${directory}/backups/two.json`;
    const text = Deno.readFileSync(manifest);
    text[text.length >>> 1]! ^= 1;
    Deno.writeFileSync(manifest, text);
    const { code, outcome, reason } = await drill();
    assertEquals([code, outcome], [1, "failed"], reason);
    assert(reason.includes("backups/two.json") || reason.includes("two"), reason);
  });
});
