import { assertEquals, assertRejects } from "@std/assert";
import { inTemporaryDirectory, treeOf } from "../shard/real_tree.ts";
import { World } from "../engine/world.ts";
import { verdictOf } from "../../src/cli/verify_directory.ts";
import { renderText } from "../../src/cli/verify_render.ts";
import { randomOf } from "../ingest/random.ts";
import { OpenRefusedError } from "../../src/wal/refused.ts";
import { PAGE_BYTES } from "../../src/segment/file_view.ts";
import {
  assert,
  contents,
  expectSound,
  flipBit,
  INDEX,
  live,
  look,
  type Model,
  type Past,
  repair,
  smash,
  sorted,
} from "./directory.ts";

/** Three segments, deletes across them, a log behind them. */
async function threeSegments(past: Past): Promise<void> {
  await past.put(0, 2000);
  await past.flush();
  await past.put(1900, 2200, 1);
  await past.remove(7, 8);
  await past.flush();
  await past.put(100, 120, 2);
  await past.put(2200, 2400);
  await past.remove(9);
  await past.flush();
  await past.put(2400, 2450);
}

/** Files that were there, but for those moved, are byte for byte what they were. */
function expectUntouched(before: Record<string, string>, dataDir: string): void {
  const now = treeOf(dataDir);
  const kept = new Set(Object.values(now));
  for (const [path, digest] of Object.entries(before)) {
    if (digest === "" || path === "LOCK") continue;
    assert(kept.has(digest), `${path} is somewhere, unchanged`);
  }
}

/** Waits until superseded manifests and their log are gone. */
async function released(dataDir: string): Promise<void> {
  const world = new World(dataDir, { settings: { walBatchMs: 10, retainSupersededMs: 0 } });
  await world.open();
  await world.write(INDEX, "id-2450", { bytes: 2450 * 17 });
  await world.delete(INDEX, "id-2450");
  await world.flush(INDEX);
  for (let wait = 0; wait < 60; wait++) {
    if ([...Deno.readDirSync(`${dataDir}/${INDEX}/manifests`)].length === 1) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await world.close();
  assertEquals([...Deno.readDirSync(`${dataDir}/${INDEX}/manifests`)].length, 1);
}

Deno.test("repair: a retained manifest and the log make up for a damaged segment, without any loss", async () => {
  for (const segment of [1, 2, 3]) {
    await inTemporaryDirectory(async (dataDir) => {
      const { model } = await live(dataDir, threeSegments);
      smash(`${dataDir}/${INDEX}/seg-00000${segment}/segment.seg`, 3000);
      const before = treeOf(dataDir);
      const report = await look(dataDir);
      assertEquals(verdictOf(report), 1);
      assertEquals(treeOf(dataDir), before, "a look changes nothing");
      const damage = report.findings.filter(({ severity }) => severity === "damage");
      assert(damage.every(({ lost }) => lost.startsWith("nothing: manifest-")), renderText(report));
      await repair(dataDir, "segments");
      expectUntouched(before, dataDir);
      await expectSound(dataDir);
      assertEquals(sorted(await contents(dataDir)), sorted(model));
      await expectSound(dataDir);
    });
  }
});

/** Offsets of a page of each of some runs, from the error messages' own words. */
const PLACES: readonly { readonly file: string; readonly at: number; readonly what: string }[] = [
  { file: "segment.seg", at: 100, what: "the first page" },
  { file: "segment.seg", at: PAGE_BYTES + 5, what: "the second page" },
  { file: "segment.seg", at: -5, what: "the footer" },
  { file: "segment.sidx", at: 80, what: "the skip index" },
  { file: "segment.ids", at: 80, what: "ids" },
  { file: "segment.ids", at: -20, what: "the ids' footer" },
];

for (const { file, at, what } of PLACES) {
  Deno.test(`repair: ${what} of ${file} is damaged, and no older manifest is there`, async () => {
    for (const segment of [1, 2]) {
      await inTemporaryDirectory(async (dataDir) => {
        const { model } = await live(dataDir, threeSegments);
        await released(dataDir);
        smash(`${dataDir}/${INDEX}/seg-00000${segment}/${file}`, at);
        const before = treeOf(dataDir);
        assertEquals(verdictOf(await look(dataDir)), 1);
        const [done] = await repair(dataDir, "segments");
        assert(done?.kind === "segments" && done.rebuilt, JSON.stringify(done));
        expectUntouched(before, dataDir);
        await expectSound(dataDir);
        const { lost, forgotten } = done.rebuilt;
        const found = await contents(dataDir);
        const missing = [...model.keys()].filter((id) => !found.has(id));
        // What is missing was reported, by name where the name could be read, and nothing else was.
        const named = lost.filter(({ id }) => id !== "").map(({ id }) => id);
        assertEquals(named.filter((id) => !missing.includes(id)), []);
        assert(missing.length <= lost.length, `${missing.length} are missing, ${lost.length} are reported`);
        const wrong = [...found].filter(([id, edition]) => model.get(id) !== edition);
        assert(wrong.length <= forgotten, `${wrong.length} are wrong, ${forgotten} are reported`);
        // Of those that are reported and are there after all, an older edition is.
        assert(
          lost.length - missing.length <= wrong.length,
          `${lost.length} are reported, ${missing.length} missing`,
        );
        await expectSound(dataDir);
      });
    }
  });
}

Deno.test("repair: a bit that turned over is turned back, in any file that a digest covers", async () => {
  await inTemporaryDirectory(async (dataDir) => {
    const { model } = await live(dataDir, threeSegments);
    await released(dataDir);
    const sound = treeOf(dataDir);
    const files = Object.keys(sound).filter((path) => /\/segment\.|\.json$/.test(path));
    const random = randomOf(7);
    for (const file of files) {
      const path = `${dataDir}/${file}`;
      const { size } = Deno.statSync(path);
      for (const at of [0, random.below(size), random.below(size), size - 1, size - 40]) {
        flipBit(path, at, random.below(8));
        assertEquals(verdictOf(await look(dataDir)), 1, `${file}, byte ${at}`);
        const [done] = await repair(dataDir, "segments");
        assert(done?.kind === "bits", `${file}, byte ${at}: ${JSON.stringify(done)}`);
        assertEquals(treeOf(dataDir)[file], sound[file]);
      }
    }
    await expectSound(dataDir);
    assertEquals(sorted(await contents(dataDir)), sorted(model));
  });
});

/** Several generations, only the last of which the newest checkpoint needs. */
async function longLog(past: Past): Promise<void> {
  await past.put(0, 300);
  await past.flush();
  for (let i = 0; i < 20; i++) {
    await past.put(300 + 100 * i, 400 + 100 * i);
    await past.remove(i);
  }
}

const LOG = { walMaxBytes: 96 * 1024 };

/** Ends a life as a crash does: without the flush that a clean stop makes. */
async function crashed(dataDir: string): Promise<{ states: Past["states"]; model: Model }> {
  const copy = `${dataDir}/../${dataDir.split("/").at(-1)}-live`;
  let past: Past | undefined;
  const { model, states } = await live(copy, async (lived) => {
    past = lived;
    await longLog(lived);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await new Deno.Command("cp", { args: ["-a", `${copy}/.`, dataDir] }).output();
  }, LOG);
  assert(past);
  Deno.removeSync(copy, { recursive: true });
  return { model, states };
}

function generations(dataDir: string): string[] {
  return [...Deno.readDirSync(`${dataDir}/${INDEX}/wal`)].map(({ name }) => name).sort();
}

Deno.test("repair-wal: ends the damaged generation at its last good record and reports exactly what is lost", async () => {
  for (const [which, at] of [[2, 30_000], [3, 50_000], [-2, 5000], [2, 20]] as const) {
    await inTemporaryDirectory(async (dataDir) => {
      const { states, model } = await crashed(dataDir);
      assertEquals(verdictOf(await look(dataDir)), 0);
      const names = generations(dataDir);
      assert(names.length > 4, names.join());
      const name = names.at(which)!;
      flipBit(`${dataDir}/${INDEX}/wal/${name}`, at);
      const before = treeOf(dataDir);
      const report = await look(dataDir);
      assertEquals(verdictOf(report), 1, renderText(report));
      const [done] = await repair(dataDir, "wal");
      assert(done?.kind === "wal", renderText(report));
      expectUntouched(before, dataDir);
      await expectSound(dataDir);
      const { lastSeqNo, highestSeqNo, ids, operations } = done.lost;
      // Requests are whole: what stays is what had been acknowledged at one instant.
      const stayed = states.findLast(({ seqNo }) => seqNo <= lastSeqNo)!;
      assertEquals(stayed.seqNo, lastSeqNo);
      assertEquals(sorted(await contents(dataDir)), sorted(stayed.model));
      assert(highestSeqNo <= states.at(-1)!.seqNo);
      assert(operations <= states.at(-1)!.seqNo - lastSeqNo && ids.length <= operations);
      const differing = [...model].filter(([id]) => !stayed.model.has(id)).map(([id]) => id);
      if (highestSeqNo === states.at(-1)!.seqNo && operations === highestSeqNo - lastSeqNo) {
        assertEquals(differing.filter((id) => !ids.includes(id)), []);
      }
      await expectSound(dataDir);
    });
  }
});

Deno.test("repair-wal: a generation is missing in the middle", async () => {
  await inTemporaryDirectory(async (dataDir) => {
    const { states } = await crashed(dataDir);
    Deno.removeSync(`${dataDir}/${INDEX}/wal/${generations(dataDir)[3]}`);
    const report = await look(dataDir);
    assertEquals(verdictOf(report), 1);
    const [done] = await repair(dataDir, "wal");
    assert(done?.kind === "wal");
    await expectSound(dataDir);
    const stayed = states.findLast(({ seqNo }) => seqNo <= done.lost.lastSeqNo)!;
    assertEquals(sorted(await contents(dataDir)), sorted(stayed.model));
    assertEquals(done.lost.highestSeqNo, states.at(-1)!.seqNo);
  });
});

Deno.test("repairs refuse while a server runs, and change nothing", async () => {
  await inTemporaryDirectory(async (dataDir) => {
    await live(dataDir, async () => {
      for (const what of ["wal", "segments"] as const) {
        const error = await assertRejects(() => repair(dataDir, what), OpenRefusedError) as OpenRefusedError;
        assertEquals(error.code, "locked");
      }
    });
  });
});

Deno.test("a repair of what is sound changes nothing", async () => {
  await inTemporaryDirectory(async (dataDir) => {
    await live(dataDir, threeSegments);
    const before = treeOf(dataDir);
    assertEquals(await repair(dataDir, "both"), []);
    assertEquals(treeOf(dataDir), before);
  });
});
