/**
 * `xerj restore --to-time`, `--to-lsn`, `--stream`: from what a server shipped, to a server that answers.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Repository } from "../../src/backup/repository.ts";
import { StreamShipper } from "../../src/backup/continuous/shipper.ts";
import { serverView } from "../../src/control/server_view.ts";
import { openStore } from "../../src/objectstore/open.ts";
import { systemClock } from "../../src/os/clock.ts";
import { sleep } from "../../src/os/pause.ts";
import { systemRandom } from "../../src/os/random.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { inWorld, type World } from "../engine/world.ts";
import { startServer } from "../support/server.ts";
import { jsonLines } from "../support/command.ts";
import { command } from "./command_world.ts";

async function fill(world: World, index: string, from: number, to: number): Promise<void> {
  const lines: unknown[] = [];
  for (let n = from; n < to; n++) lines.push({ index: { _id: String(n) } }, { n });
  for (const { status } of await world.bulk(index, lines)) assertEquals(status < 300, true);
}

async function ship(world: World, shipper: StreamShipper): Promise<void> {
  for (let round = 0; round < 10; round++) {
    const view = await world.engine.shipView();
    try {
      const { incomplete } = await shipper.round(serverView(view));
      await shipper.idle();
      if (incomplete.length === 0) return;
    } finally {
      view.release();
    }
  }
}

/** Documents by index, as a server on the directory says. */
async function countsIn(dataDir: string): Promise<Record<string, number>> {
  const server = await startServer({ dataDir });
  try {
    const { body } = await server.json("/v1/indices");
    const { indices } = body as unknown as { indices: { name: string; docs: number }[] };
    return Object.fromEntries(indices.map(({ name, docs }) => [name, docs]));
  } finally {
    await server.stop();
  }
}

Deno.test("a stream comes back at its newest instant, at a time, at an LSN, or a part of it under new names", () =>
  inWorld({}, async (world) => {
    const root = Deno.makeTempDirSync({ prefix: "xerj-cli-" });
    const store = openStore(`file://${root}/repository`);
    try {
      const options = { random: systemRandom(), clock: systemClock() };
      const repository = await Repository.openOrCreate(store, options);
      const shipper = new StreamShipper({
        repository,
        stream: "main",
        fs: realFileSystem(),
        retainMs: 3_600_000,
      });
      await world.create("logs", { aliases: { all: {} } });
      await world.create("other", { aliases: { all: {}, rest: {} } });
      await fill(world, "logs", 0, 100);
      await world.flush("logs");
      await fill(world, "logs", 100, 200);
      await fill(world, "other", 0, 10);
      await ship(world, shipper);
      await sleep(5);
      const before = { time: new Date().toISOString(), lsn: world.engine.lastLsn };
      await sleep(5);
      await world.bulk("logs", Array.from({ length: 150 }, (_, i) => ({ delete: { _id: String(i) } })));
      await ship(world, shipper);

      const restore = (name: string, ...flags: string[]) =>
        command([
          "restore",
          "--from",
          `file://${root}/repository`,
          "--data-dir",
          `${root}/${name}`,
          ...flags,
        ]);
      const restored = async (name: string, ...flags: string[]) => {
        const { code, stdout, stderr } = await restore(name, ...flags);
        assertEquals(code, 0, stdout + stderr);
        return await countsIn(`${root}/${name}`);
      };
      assertEquals(await restored("newest", "--stream", "main"), { logs: 50, other: 10 });
      assertEquals(await restored("time", "--to-time", before.time), { logs: 200, other: 10 });
      assertEquals(await restored("lsn", "--to-lsn", String(before.lsn)), { logs: 200, other: 10 });
      const part = ["--to-lsn", String(before.lsn), "--index", "logs", "--rename", "(.*)=old-$1"];
      assertEquals(await restored("part", ...part), { "old-logs": 200 });

      const dry = await restore("dry", "--to-lsn", String(before.lsn), "--dry-run", "--json");
      const [told] = jsonLines(dry.stdout);
      assertEquals([told?.["event"], told?.["stream"], told?.["lsn"]], ["dry_run", "main", before.lsn]);
      const refusal = async (code: number, words: string, ...flags: string[]) => {
        const result = await restore("refused", ...flags);
        assertEquals([result.code, result.stderr.includes(words)], [code, true], result.stderr);
      };
      await refusal(2, 'There is no stream "nobody"', "--stream", "nobody");
      await refusal(2, "choose a later instant", "--to-time", "2001-01-01T00:00:00Z");
      await refusal(2, "holds no index nothing", "--stream", "main", "--index", "nothing");
      await refusal(2, "There is no backup", "--backup", "latest");
      await refusal(64, "do not go together", "--to-time", before.time, "--to-lsn", "1");
      await refusal(64, "--backup goes with none", "--backup", "latest", "--to-lsn", "1");
      await refusal(64, "it must be like", "--to-time", "2026-04-15T02:59:58");
      await refusal(64, "must be a number", "--to-lsn", "1e3");
      assertEquals([...Deno.readDirSync(root)].some(({ name }) => name.startsWith("refused")), false);
    } finally {
      store.close();
      Deno.removeSync(root, { recursive: true });
    }
  }));
