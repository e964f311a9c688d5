/**
 * A real engine shipped into a store in memory, lost, and restored from there.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { planStreamRestore, type StreamTarget } from "../../../src/backup/continuous/plan.ts";
import { restoreStream } from "../../../src/backup/continuous/restore.ts";
import { type RoundReport, StreamShipper } from "../../../src/backup/continuous/shipper.ts";
import { StreamError } from "../../../src/backup/continuous/error.ts";
import { finishRestore } from "../../../src/backup/restore.ts";
import { Repository } from "../../../src/backup/repository.ts";
import { serverView } from "../../../src/control/server_view.ts";
import { systemClock } from "../../../src/os/clock.ts";
import { systemRandom } from "../../../src/os/random.ts";
import { realFileSystem } from "../../../src/os/real_fs.ts";
import { sleep } from "../../../src/os/pause.ts";
import { inWorld, World, type WorldOptions } from "../../engine/world.ts";
import { MemoryStore } from "../memory_store.ts";

const STREAM = "main";

/** A stream in memory, and the engine that ships there. */
class Shipped {
  readonly store = new MemoryStore();
  shipper!: StreamShipper;

  constructor(readonly key: Uint8Array | undefined = undefined) {}

  repository(): Promise<Repository> {
    const options = { random: systemRandom(), clock: systemClock() };
    return Repository.openOrCreate(this.store, this.key ? { ...options, key: this.key } : options);
  }

  async start(retainMs = 3_600_000): Promise<void> {
    this.shipper = new StreamShipper({
      repository: await this.repository(),
      stream: STREAM,
      fs: realFileSystem(),
      retainMs,
    });
  }

  /** Ships until everything that the engine had is there. */
  async ship(world: World): Promise<RoundReport> {
    for (let round = 0;; round++) {
      const view = await world.engine.shipView();
      try {
        const report = await this.shipper.round(serverView(view));
        await this.shipper.idle();
        if (report.incomplete.length === 0 || round === 10) return report;
      } finally {
        view.release();
      }
    }
  }

  /** Runs `test` with an engine over what a restore brings. */
  async restored(
    target: Omit<StreamTarget, "stream">,
    test: (world: World) => Promise<void>,
    options: WorldOptions = {},
  ): Promise<void> {
    const parent = Deno.makeTempDirSync({ prefix: "xerj-stream-" });
    try {
      const fs = realFileSystem();
      const plan = await planStreamRestore(await this.repository(), { ...target, stream: STREAM });
      await restoreStream(plan, { to: `${parent}/staging`, fs });
      finishRestore(fs, { staging: `${parent}/staging`, target: `${parent}/data` });
      const world = new World(`${parent}/data`, options);
      await world.open();
      try {
        await test(world);
      } finally {
        await world.close();
      }
    } finally {
      Deno.removeSync(parent, { recursive: true });
    }
  }
}

async function count(world: World, index: string): Promise<number> {
  await world.refresh(index);
  return (await world.search(index, { query: { match_all: {} } })).total;
}

async function fill(world: World, index: string, from: number, to: number): Promise<void> {
  const lines: unknown[] = [];
  for (let i = from; i < to; i++) {
    lines.push({ index: { _id: String(i) } }, { n: i, text: `document ${i} of ${index}` });
  }
  for (const { status } of await world.bulk(index, lines)) assert(status < 300);
}

Deno.test("what was shipped is what a restore brings: log alone, segments, deletes, several shards", async () => {
  await inWorld({ writers: 2 }, async (world) => {
    const shipped = new Shipped();
    await shipped.start();
    await world.create("logs", { settings: { number_of_shards: 3 } });
    await fill(world, "logs", 0, 300);
    const first = await shipped.ship(world);
    assertEquals(first.incomplete, []);
    assertEquals(first.lsn, world.engine.lastLsn);
    await shipped.restored({}, async (copy) => {
      assertEquals(await count(copy, "logs"), 300);
    });
    await world.flush("logs");
    await fill(world, "logs", 300, 400);
    for (let i = 0; i < 50; i++) await world.delete("logs", String(i));
    await world.create("other", { aliases: { some: {} } });
    await fill(world, "other", 0, 10);
    await shipped.ship(world);
    await shipped.restored({}, async (copy) => {
      assertEquals(await count(copy, "logs"), 350);
      assertEquals(await copy.get("logs", "10"), undefined);
      assertEquals((await copy.get("logs", "399"))?.n, 399);
      assertEquals(await count(copy, "other"), 10);
      assertEquals(copy.engine.one("some").name, "other");
      // A life of its own.
      await fill(copy, "logs", 1000, 1010);
      assertEquals(await count(copy, "logs"), 360);
    });
  });
});

Deno.test("a restore to just before a delete brings the documents, and nothing later", async () => {
  await inWorld({}, async (world) => {
    const shipped = new Shipped();
    await shipped.start();
    await world.create("logs");
    await fill(world, "logs", 0, 100);
    await world.flush("logs");
    await fill(world, "logs", 100, 200);
    await shipped.ship(world);
    await sleep(5);
    const [beforeMs, beforeLsn] = [Date.now(), world.engine.lastLsn];
    await sleep(5);
    await world.bulk("logs", Array.from({ length: 200 }, (_, i) => ({ delete: { _id: String(i) } })));
    await world.write("logs", "later", { n: 1000 });
    await world.create("younger");
    await fill(world, "younger", 0, 5);
    // The deletes are in segments by then.
    await world.flush("logs");
    await shipped.ship(world);
    await shipped.restored({}, async (copy) => {
      assertEquals(await count(copy, "logs"), 1);
      assertEquals(await count(copy, "younger"), 5);
    });
    for (const target of [{ toTimeMs: beforeMs }, { toLsn: beforeLsn }]) {
      await shipped.restored(target, async (copy) => {
        assertEquals(await count(copy, "logs"), 200, JSON.stringify(target));
        assertEquals(await copy.get("logs", "later"), undefined);
        assertEquals(
          copy.engine.indices.names(),
          "toTimeMs" in target ? ["logs"] : copy.engine.indices.names(),
        );
      });
    }
  });
});

Deno.test("every LSN can be restored to, in log and segments, and holds exactly what was written up to it", async () => {
  await inWorld({ settings: { walMaxBytes: 4096 } }, async (world) => {
    const shipped = new Shipped();
    await shipped.start();
    await world.create("logs");
    const lsnOf: number[] = [];
    for (let i = 0; i < 40; i++) {
      await world.write("logs", String(i % 25), { n: i, pad: "x".repeat(200) });
      lsnOf.push(world.engine.lastLsn);
      if (i % 9 === 4) await world.flush("logs");
      if (i % 4 === 0) await shipped.ship(world);
    }
    await shipped.ship(world);
    for (const i of [0, 3, 4, 5, 12, 13, 14, 22, 27, 31, 38, 39]) {
      await shipped.restored({ toLsn: lsnOf[i]! }, async (copy) => {
        for (let id = 0; id < 25; id++) {
          const expected = id + 25 <= i ? id + 25 : id <= i ? id : undefined;
          assertEquals((await copy.get("logs", String(id)))?.n, expected, `document ${id} at write ${i}`);
        }
      });
    }
  });
});

Deno.test("a restart goes on with its own stream; a copy of the directory is refused, and may adopt", async () => {
  await inWorld({}, async (world) => {
    const shipped = new Shipped();
    await shipped.start();
    await world.create("logs");
    await fill(world, "logs", 0, 10);
    await world.flush("logs");
    await shipped.ship(world);
    await world.reopen();
    await shipped.start();
    await fill(world, "logs", 10, 20);
    const report = await shipped.ship(world);
    assertEquals(report.problems, []);
    await shipped.restored({}, async (copy) => {
      assertEquals(await count(copy, "logs"), 20);
      const other = shipped.shipper;
      await shipped.start();
      const error = await assertRejects(() => shipped.ship(copy), StreamError) as StreamError;
      assertEquals(error.kind, "foreign");
      assert(error.hint.includes("/v1/admin/continuous/_adopt"), error.hint);
      const beforeMs = Date.now();
      await sleep(5);
      const view = await copy.engine.shipView();
      await shipped.shipper.adopt(serverView(view));
      view.release();
      await fill(copy, "logs", 20, 30);
      const before = shipped.store.count("putFile");
      await shipped.ship(copy);
      assertEquals(shipped.store.count("putFile"), before, "segments that are there are not sent again");
      // The original is shut out now, in words.
      const adopted = shipped.shipper;
      shipped.shipper = other;
      await fill(world, "logs", 50, 60);
      const overtaken = await assertRejects(() => shipped.ship(world)) as Error;
      assertEquals(overtaken.name, "StoreError");
      assertEquals(
        (await assertRejects(() => shipped.ship(world), StreamError) as StreamError).kind,
        "foreign",
      );
      shipped.shipper = adopted;
      await shipped.restored({}, async (again) => assertEquals(await count(again, "logs"), 30));
      await shipped.restored(
        { toTimeMs: beforeMs },
        async (again) => assertEquals(await count(again, "logs"), 20),
      );
    });
  });
});

Deno.test("a stream in an encrypted repository holds no word of a document, and restores", async () => {
  await inWorld({}, async (world) => {
    const shipped = new Shipped(new Uint8Array(32).fill(7));
    await shipped.start();
    await world.create("logs");
    await fill(world, "logs", 0, 50);
    await world.flush("logs");
    await fill(world, "logs", 50, 60);
    await shipped.ship(world);
    for (const [name, { bytes }] of shipped.store.objects) {
      const text = new TextDecoder("latin1").decode(bytes);
      assert(!text.includes("document 1") && !text.includes('"logs"'), name);
    }
    await shipped.restored({}, async (copy) => assertEquals(await count(copy, "logs"), 60));
  });
});
