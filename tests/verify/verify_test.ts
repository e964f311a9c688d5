import { assertEquals } from "@std/assert";
import { runVerify } from "../../src/cli/verify.ts";
import { verdictOf } from "../../src/cli/verify_directory.ts";
import { renderText } from "../../src/cli/verify_render.ts";
import { systemRandom } from "../../src/os/random.ts";
import { World } from "../engine/world.ts";
import { copyFiles, inTemporaryDirectory, treeOf } from "../shard/real_tree.ts";
import {
  assert,
  document,
  expectSound,
  flipBit,
  INDEX,
  live,
  look,
  MAPPINGS,
  OPTIONS,
  type Past,
} from "./directory.ts";
import { runFlips, tableOf } from "./flips.ts";

async function some(past: Past): Promise<void> {
  await past.put(0, 500);
  await past.flush();
  await past.put(400, 600, 1);
  await past.remove(3, 599);
}

/** Runs the command; answers with its exit status and what it printed. */
async function command(dataDir: string, ...flags: string[]): Promise<{ code: number; out: string }> {
  let out = "";
  const options = {
    ...OPTIONS,
    random: systemRandom(),
    writeStdout: (text: string) => void (out += text),
    writeTerminal: undefined,
  };
  const code = await runVerify(options, { flags: new Map(flags.map((flag) => [flag, ""])) }, dataDir);
  return { code, out };
}

Deno.test("verify: what is sound is sound, and nothing is written", async () => {
  await inTemporaryDirectory(async (dataDir) => {
    await live(dataDir, some);
    const before = treeOf(dataDir);
    for (const flags of [[], ["deep"], ["json"], ["deep", "json"]]) {
      const { code, out } = await command(dataDir, ...flags);
      assertEquals(code, 0, out);
      if (!flags.includes("json")) continue;
      const { verdict, exit, findings, indices, live, copy, clean_stop } = JSON.parse(out);
      assertEquals({ verdict, exit, findings, live, copy, clean_stop }, {
        verdict: "sound",
        exit: 0,
        findings: [],
        live: false,
        copy: false,
        clean_stop: true,
      });
      assertEquals(indices[0].name, INDEX);
      assertEquals(indices[0].shards[0].live_docs, 598);
    }
    assertEquals(treeOf(dataDir), before);
  });
});

Deno.test("verify: several shards, closed, deleted and made again, aliases, mappings that grew", async () => {
  await inTemporaryDirectory(async (dataDir) => {
    const world = new World(dataDir, { settings: { walBatchMs: 10 } });
    await world.open();
    await world.create("sharded", { settings: { number_of_shards: 3 }, mappings: MAPPINGS });
    await world.create("gone", { mappings: MAPPINGS, aliases: { all: {} } });
    const put = (index: string, from: number, to: number) =>
      world.bulk(
        index,
        Array.from({ length: to - from }, (_, i) => [{ index: { _id: `${from + i}` } }, {
          ...document(from + i),
          [`extra${(from + i) % 7}`]: `text ${i} of more`,
        }]).flat(),
      );
    await put("sharded", 0, 300);
    await world.flush("sharded");
    await put("sharded", 200, 400);
    await put("gone", 0, 100);
    await world.flush("gone");
    await world.engine.indices.delete(world.index("gone"));
    await world.create("gone", { mappings: MAPPINGS });
    await put("gone", 0, 50);
    await world.close();
    const report = await expectSound(dataDir);
    assertEquals(report.indices.find(({ name }) => name === "sharded")?.shards.length, 3);
    flipBit(`${dataDir}/sharded/shard-1/seg-000001/segment.seg`, 200);
    assertEquals(verdictOf(await look(dataDir)), 1);
  });
});

Deno.test("verify: cannot say", async () => {
  await inTemporaryDirectory(async (dataDir) => {
    const { code, out } = await command(`${dataDir}/nowhere`);
    assertEquals(code, 2);
    assert(out.includes("cannot say"), out);
    assertEquals((await command(`${dataDir}/nowhere`, "repair")).code, 2);
    assert(![...Deno.readDirSync(dataDir)].length, "a repair makes no directory");
  });
});

Deno.test("verify: every kind of damage is named with file, place, loss and remedy", async () => {
  await inTemporaryDirectory(async (root) => {
    const dataDir = `${root}/base`;
    await live(dataDir, some);
    const cases: readonly [string, (path: string) => void, RegExp][] = [
      [
        "a page",
        (path) => flipBit(`${path}/${INDEX}/seg-000001/segment.seg`, 700),
        /segment\.seg, offset 0: .*crc/,
      ],
      [
        "a short file",
        (path) => Deno.truncateSync(`${path}/${INDEX}/seg-000001/segment.ids`, 900),
        /segment\.ids/,
      ],
      ["a file gone", (path) => Deno.removeSync(`${path}/${INDEX}/seg-000002/segment.sidx`), /seg-000002/],
      [
        "a manifest",
        (path) => flipBit(`${path}/${INDEX}/manifests/manifest-000002.json`, 90),
        /manifest-000002.*sha256/,
      ],
      [
        "a log's header",
        (path) => flipBit(`${path}/${INDEX}/wal/wal-000001`, 70),
        /wal-000001, offset 0: .*header/,
      ],
      [
        "a record",
        (path) => flipBit(`${path}/${INDEX}/wal/wal-000001`, 900),
        /wal-000001, offset \d+: .*record/,
      ],
      ["a catalogue", (path) => flipBit(`${path}/_meta/catalog-000002.json`, 90), /catalog-000002.*sha256/],
      ["the instance", (path) => flipBit(`${path}/_meta/instance.json`, 90), /instance\.json.*sha256/],
    ];
    for (const [name, damage, message] of cases) {
      const path = `${root}/work`;
      copyFiles(dataDir, path);
      damage(path);
      const report = await look(path);
      const text = renderText(report);
      assert(message.test(text), `${name}: ${text}`);
      const isGone = name === "a file gone";
      // An older manifest and the log make up for what is missing altogether: as in a copy.
      assertEquals(verdictOf(report), isGone ? 0 : 1, `${name}: ${text}`);
      for (const { severity, lost } of report.findings) {
        if (severity === "damage") assert(lost !== "", text);
      }
      Deno.removeSync(path, { recursive: true });
    }
  });
});

Deno.test("verify: copies made while documents come in, and the directory itself, are sound at any moment", async () => {
  await inTemporaryDirectory(async (root) => {
    const dataDir = `${root}/live`;
    const world = new World(dataDir, {
      // Nothing stays that is not needed: files vanish under every look.
      settings: { walBatchMs: 5, walMaxBytes: 64 * 1024, retainSupersededMs: 0 },
    });
    await world.open();
    await world.create(INDEX, { mappings: MAPPINGS });
    let writing = true;
    const write = async () => {
      for (let round = 0; writing; round++) {
        const from = (round * 37) % 3000;
        await world.bulk(
          INDEX,
          Array.from(
            { length: 60 },
            (_, i) => [{ index: { _id: `id-${from + i}` } }, document(from + i, round)],
          )
            .flat(),
        );
        await world.delete(INDEX, `id-${from}`);
        if (round % 3 === 0) await world.flush(INDEX);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    const written = write();
    let calls = 0;
    const pause = () =>
      ++calls % 5 > 0 ? Promise.resolve() : new Promise<void>((resolve) => setTimeout(resolve, 0));
    try {
      for (let turn = 0; turn < 10; turn++) {
        const found = await look(dataDir, { deep: turn % 3 === 0, pause });
        assertEquals(verdictOf(found), 0, renderText(found));
        assert(found.isLive);
        if (turn % 4 !== 0) continue;
        const copy = `${root}/copy-${turn}`;
        const { success } = await new Deno.Command("cp", { args: ["-a", dataDir, copy], stderr: "null" })
          .output();
        // Files that vanish meanwhile make `cp` complain; the copy is whole all the same.
        void success;
        const copied = await look(copy, { deep: true });
        // Without retention a slow copy may be refused, and then says so.
        const isRefused = copied.findings.some(({ what }) => what.startsWith("the shard does not open"));
        assertEquals(verdictOf(copied), isRefused ? 1 : 0, renderText(copied));
        assert(copied.isCopy && !copied.isLive);
      }
    } finally {
      writing = false;
      await written;
      await world.close();
    }
    await expectSound(dataDir);
  });
});

Deno.test("flips: 24 random bits, no wrong answer, none unnoticed, none repaired wrongly", async () => {
  const result = await runFlips({ flips: 24, seed: 11 });
  console.log(tableOf(result));
  assertEquals(result.wrongs, []);
});
