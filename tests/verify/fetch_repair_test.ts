/**
 * Damaged segments of a stopped server, fetched back from a repository by `xerj verify --repair --from`.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { backUp } from "../../src/backup/back_up.ts";
import { Repository } from "../../src/backup/repository.ts";
import { openLostFiles } from "../../src/cli/lost_files.ts";
import { runVerify, VERIFY, type VerifyOptions } from "../../src/cli/verify.ts";
import { parseArguments } from "../../src/cli/arguments.ts";
import { localFiles } from "../../src/control/local_files.ts";
import { silentLogger } from "../../src/base/log.ts";
import { openStore } from "../../src/objectstore/open.ts";
import { systemClock } from "../../src/os/clock.ts";
import { systemRandom } from "../../src/os/random.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { treeOf } from "../shard/real_tree.ts";
import {
  assert,
  contents,
  expectSound,
  INDEX,
  live,
  type Model,
  OPTIONS,
  type Past,
  smash,
  sorted,
} from "./directory.ts";

/** Segments with deletes across them, of which no older manifest and no log is kept. */
async function past(past: Past): Promise<void> {
  await past.put(0, 2000);
  await past.flush();
  await past.remove(7, 8);
  await past.put(2000, 2300);
  await past.flush();
}

/** A stopped server's directory, and a repository with a backup of it. */
async function inPlace(
  test: (place: {
    readonly dataDir: string;
    readonly from: string;
    readonly repository: string;
    readonly model: Model;
  }) => Promise<void>,
): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "xerj-fetch-" });
  try {
    const [dataDir, repository] = [`${root}/data`, `${root}/repository`];
    Deno.mkdirSync(dataDir);
    const { model } = await live(dataDir, async (life) => {
      await past(life);
      // Else an older manifest and the log would make up for what is damaged.
      while ([...Deno.readDirSync(`${dataDir}/${INDEX}/manifests`)].length > 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }, { retainMs: 0 });
    const store = openStore(`file://${repository}`);
    const fs = realFileSystem();
    const opened = await Repository.create(store, { random: systemRandom(), clock: systemClock() });
    await backUp(opened, {
      id: "bk-1",
      createdMs: 1,
      lsn: 1,
      server: { version: "0", instanceId: "me" },
      indices: [],
      files: localFiles(fs, dataDir).filter(({ path }) => path.includes("seg-")),
    }, { fs, compress: false });
    store.close();
    await test({ dataDir, from: `file://${repository}`, repository, model });
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

async function repairFrom(dataDir: string, ...more: string[]): Promise<{ code: number; text: string }> {
  const parsed = parseArguments(["verify", "--repair", ...more], [VERIFY]);
  let text = "";
  const clock = systemClock();
  const options: VerifyOptions = {
    ...OPTIONS,
    clock,
    random: systemRandom(),
    writeStdout: (more) => text += more,
    writeTerminal: undefined,
    openLostFiles: () =>
      openLostFiles(
        {
          fs: realFileSystem(),
          clock,
          random: systemRandom(),
          log: silentLogger,
          env: () => undefined,
          currentDirectory: "/",
          writeStdout: () => {},
          writeStderr: () => {},
          writeTerminal: undefined,
          signal: new AbortController().signal,
        },
        parsed.flags,
        { repositories: {} },
      ),
  };
  return { code: await runVerify(options, parsed, dataDir), text };
}

const SEGMENT = `${INDEX}/seg-000001`;
const DAMAGES: Readonly<Record<string, (folder: string) => void>> = {
  "a page of the columns": (folder) => smash(`${folder}/segment.seg`, 3000),
  "every file's end": (folder) => {
    for (const name of ["segment.seg", "segment.sidx", "segment.ids"]) smash(`${folder}/${name}`, -9);
  },
  "a file that is cut": (folder) => Deno.truncateSync(`${folder}/segment.seg`, 5000),
  "a file that is gone": (folder) => Deno.removeSync(`${folder}/segment.ids`),
  "a folder that is gone": (folder) => Deno.removeSync(folder, { recursive: true }),
};

for (const [what, damage] of Object.entries(DAMAGES)) {
  Deno.test(`repair from a repository: ${what} comes back byte for byte, and nothing is lost`, async () => {
    await inPlace(async ({ dataDir, from, model }) => {
      const before = treeOf(`${dataDir}/${SEGMENT}`);
      damage(`${dataDir}/${SEGMENT}`);
      const { code, text } = await repairFrom(dataDir, "--from", from);
      assertEquals(code, 0, text);
      assertStringIncludes(text, "fetched from backup bk-1 at file://");
      assertEquals(treeOf(`${dataDir}/${SEGMENT}`), before);
      await expectSound(dataDir);
      assertEquals(sorted(await contents(dataDir)), sorted(model));
    });
  });
}

Deno.test("repair from a repository that has lost it, too: says so, and rebuilds what it can", async () => {
  await inPlace(async ({ dataDir, from, repository, model }) => {
    smash(`${dataDir}/${SEGMENT}/segment.seg`, 3000);
    for (const { name } of Deno.readDirSync(`${repository}/objects`)) {
      smash(`${repository}/objects/${name}`, 3000);
    }
    const { text } = await repairFrom(dataDir, "--from", from);
    assertStringIncludes(text, "NOT FETCHED");
    assertStringIncludes(text, "is damaged, too");
    const found = await contents(dataDir);
    assert(found.size > 0 && found.size < model.size, "some documents were lost");
    for (const [id, edition] of found) assertEquals(model.get(id), edition);
  });
});

Deno.test("repair from a repository that cannot be reached changes nothing", async () => {
  await inPlace(async ({ dataDir, from }) => {
    smash(`${dataDir}/${SEGMENT}/segment.seg`, 3000);
    const before = treeOf(dataDir);
    const { code, text } = await repairFrom(dataDir, "--from", `${from}-nowhere`);
    assertEquals([code, text.startsWith("not repaired: ")], [2, true], text);
    assertEquals(treeOf(dataDir), before);
    assertEquals((await repairFrom(dataDir, "--from", from)).code, 0);
  });
});
