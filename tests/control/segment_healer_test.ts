/**
 * Damaged files of live segments are fetched back while the shard goes on, and everything is as if nothing had been.
 */
import { createHash } from "node:crypto";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CorruptionError } from "../../src/base/errors.ts";
import type { FetchCall } from "../../src/control/fetch_node.ts";
import { SegmentHealer } from "../../src/control/segment_healer.ts";
import { resolveRepository } from "../../src/config/repositories.ts";
import { systemClock } from "../../src/os/clock.ts";
import { World, type WorldOptions } from "../engine/world.ts";
import { PAGE_BYTES } from "../../src/segment/file_view.ts";
import { treeOf } from "../shard/real_tree.ts";

const SEGMENT = "logs/seg-000001";

/** A repository that holds files as they were, by hash; or does not answer. */
class Repository {
  readonly files = new Map<string, Uint8Array>();
  isAway = false;
  /** When, in ms. */
  readonly askedMs: number[] = [];
  /** Called before a file is given. */
  onFetch: () => Promise<void> = () => Promise.resolve();

  remember(folder: string): void {
    for (const [path, digest] of Object.entries(treeOf(folder))) {
      if (digest !== "") this.files.set(digest, Deno.readFileSync(`${folder}/${path}`));
    }
  }

  async fetch({ sha256, to }: FetchCall): Promise<unknown> {
    this.askedMs.push(performance.now());
    await this.onFetch();
    if (this.isAway) throw new Error("the bucket does not answer");
    const bytes = [...this.files.values()].find((bytes) => sha256Of(bytes) === sha256);
    if (!bytes) return { kind: "absent", why: "no backup holds it", place: "here" };
    Deno.writeFileSync(to, bytes);
    return { kind: "fetched", source: "backup bk-1", place: "here" };
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Turns bytes of every page over, where they lie: the file is mapped. */
function damage(path: string): void {
  const bytes = Deno.readFileSync(path);
  const file = Deno.openSync(path, { write: true });
  for (let at = 600; at < bytes.length; at += PAGE_BYTES) {
    file.seekSync(at, Deno.SeekMode.Start);
    file.writeSync(Uint8Array.from(bytes.subarray(at, at + 4), (byte) => byte ^ 0x5a));
  }
  file.close();
}

async function until(
  condition: () => boolean,
  what: () => string = () => "it takes too long",
): Promise<void> {
  for (const end = performance.now() + 10_000; !condition();) {
    assert(performance.now() < end, what());
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

interface Place {
  readonly world: World;
  readonly healer: SegmentHealer;
  readonly repository: Repository;
  /** What the first segment's files were. */
  readonly whole: Record<string, string>;
  readonly healed: () => Promise<void>;
}

/** Two segments, deletes across them, writes that are only in the log, and a repository that has it all. */
async function inPlace(
  options: Omit<WorldOptions, "onDamagedFile"> & { readonly pauseMs?: number },
  test: (place: Place) => Promise<void>,
): Promise<void> {
  const dataDir = Deno.makeTempDirSync({ prefix: "xerj-heal-" });
  let healer: SegmentHealer | undefined;
  const { pauseMs, ...rest } = options;
  const world = new World(dataDir, { ...rest, onDamagedFile: (file) => healer?.suspect(file) });
  await world.open();
  try {
    await world.create("logs");
    const lines = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => [
        { index: { _id: `id-${from + i}` } },
        { n: from + i, noise: crypto.randomUUID(), text: `document ${from + i}` },
      ]).flat();
    await world.bulk("logs", lines(0, 3000));
    await world.flush("logs");
    await world.bulk("logs", lines(3000, 3100));
    await world.delete("logs", "id-5");
    await world.flush("logs");
    await world.delete("logs", "id-6");
    await world.write("logs", "id-7", { n: 1_000_007 });
    await world.refresh("logs");
    const repository = new Repository();
    repository.remember(`${dataDir}/logs`);
    healer = new SegmentHealer({
      engine: world.engine,
      backups: {
        job: <T>(_name: string, call: Readonly<Record<string, unknown>>) => ({
          job: "fetch",
          done: repository.fetch(call as unknown as FetchCall) as Promise<T>,
        }),
      },
      fs: world.disk.fs,
      clock: systemClock(),
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      dataDir,
      repositories: () => ({ main: resolveRepository(new Map([["destination", "file:///somewhere"]])) }),
      named: () => ({ url: "file:///somewhere", compress: true, singleWriter: false }),
      streams: () => [],
      ...(pauseMs === undefined ? {} : { pauseMs }),
    });
    const whole = treeOf(`${dataDir}/${SEGMENT}`);
    const healed = () => until(() => healer!.healedTotal > 0, () => JSON.stringify(healer!.warnings));
    await test({ world, healer, repository, whole, healed });
  } finally {
    healer?.stop();
    await world.close();
    Deno.removeSync(dataDir, { recursive: true });
  }
}

/** Everything that a search sees, by id. */
async function everything(world: World): Promise<Record<string, unknown>> {
  const { total, hits } = await world.search("logs", { size: 10_000, track_total_hits: true });
  assertEquals(hits.length, total);
  return Object.fromEntries(hits.map(({ _id, _source }) => [_id, _source["n"]]).sort());
}

const damagedIn = async (world: World) => (await world.engine.stats()).flatMap(({ damaged }) => damaged);

Deno.test("a search finds a damaged page: the file is fetched back, and the search is right again", async () => {
  await inPlace({}, async ({ world, healer, repository, whole, healed }) => {
    const path = `${world.dataDir}/${SEGMENT}/segment.seg`;
    let redBetween = 0;
    repository.onFetch = async () => {
      redBetween = (await damagedIn(world)).length;
    };
    damage(path);
    await assertRejects(() => everything(world), CorruptionError);
    await healed();
    assert(redBetween > 0, "until then it is told of");
    const before = await everything(world);
    assertEquals(Object.keys(before).length, 3098);
    assertEquals([before["id-5"], before["id-6"], before["id-7"]], [undefined, undefined, 1_000_007]);
    assertEquals(treeOf(`${world.dataDir}/${SEGMENT}`), whole, "the very bytes that the manifest names");
    assertEquals([healer.damagedTotal, healer.healedTotal, healer.failedTotal], [1, 1, 0]);
    assertEquals([await damagedIn(world), healer.warnings], [[], []]);
    const aside = [...Deno.readDirSync(`${world.dataDir}/logs/aside`)].map(({ name }) => name);
    assertEquals(aside, ["seg-000001-segment.seg.damaged"], "the damaged one is kept, and nothing else");

    // Deletes that no file held, writes, a flush, a merge of the healed segment, and the next start.
    await world.delete("logs", "id-8");
    await world.write("logs", "id-9", { n: 9009 });
    await world.flush("logs");
    await world.engine.forceMerge([world.index("logs")], { maxSegments: 1, expungeOnly: false });
    await world.refresh("logs");
    const { "id-8": _, ...left } = before;
    const expected = { ...left, "id-9": 9009 };
    assertEquals(await everything(world), expected);
    await world.reopen();
    assertEquals(await everything(world), expected);
  });
});

Deno.test("a get by id finds all three files damaged, several searches run on", async () => {
  await inPlace({}, async ({ world, healer, repository, whole, healed }) => {
    const folder = `${world.dataDir}/${SEGMENT}`;
    for (const name of Object.keys(whole)) damage(`${folder}/${name}`);
    // A snapshot from before stays pinned, with its mapping, until it is let go.
    const pin = world.engine.snapshots.pin(world.index("logs").incarnation, 0)!;
    repository.onFetch = async () => {
      await world.write("logs", "meanwhile", { n: -1 });
    };
    for (const id of ["id-0", "id-1500", "id-2999"]) await world.get("logs", id).catch(() => {});
    await everything(world).catch(() => {});
    await healed();
    assertEquals(treeOf(folder), whole);
    assertEquals([healer.damagedTotal, healer.healedTotal], [3, 3]);
    await world.refresh("logs");
    assertEquals(Object.keys(await everything(world)).length, 3099);
    pin.release();
    assertEquals(await world.get("logs", "id-1500"), (await world.get("logs", "id-1500"))!);
    assertEquals((await world.get("logs", "meanwhile"))?.["n"], -1);
  });
});

Deno.test("nobody has the bytes: nothing changes, health says so, and it is tried again after a pause", async () => {
  await inPlace({ pauseMs: 300 }, async ({ world, healer, repository, whole, healed }) => {
    repository.isAway = true;
    damage(`${world.dataDir}/${SEGMENT}/segment.seg`);
    const damaged = treeOf(`${world.dataDir}/${SEGMENT}`);
    for (let i = 0; i < 20; i++) await everything(world).catch(() => {});
    await until(() => healer.failedTotal > 0);
    for (let i = 0; i < 20; i++) await everything(world).catch(() => {});
    assertStringIncludes(healer.warnings[0]!.cause, "the bucket does not answer");
    assert((await damagedIn(world)).length > 0);
    assertEquals(treeOf(`${world.dataDir}/${SEGMENT}`), damaged);
    assertEquals([...Deno.readDirSync(`${world.dataDir}/logs/aside`)], []);
    repository.isAway = false;
    await healed();
    assertEquals(treeOf(`${world.dataDir}/${SEGMENT}`), whole);
    assertEquals([healer.warnings, await damagedIn(world)], [[], []]);
    const { askedMs } = repository;
    assertEquals([healer.damagedTotal, healer.healedTotal, healer.failedTotal], [1, 1, askedMs.length - 1]);
    for (let i = 1; i < askedMs.length; i++) {
      assert(askedMs[i]! - askedMs[i - 1]! > 250, "searches do not make it ask more often");
    }
    assertEquals(Object.keys(await everything(world)).length, 3098);
  });
});

Deno.test("what is sound when it is read again is left alone", async () => {
  await inPlace({}, async ({ world, healer, repository }) => {
    const path = `${world.dataDir}/${SEGMENT}/segment.seg`;
    healer.suspect(path);
    healer.suspect(`${world.dataDir}/logs/wal/wal-000001`);
    healer.suspect(`${world.dataDir}/nowhere/seg-000001/segment.seg`);
    healer.suspect("/etc/passwd");
    // Behind it in the queue, so that it was looked at when this one is healed.
    damage(`${world.dataDir}/logs/seg-000002/segment.seg`);
    healer.suspect(`${world.dataDir}/logs/seg-000002/segment.seg`);
    await until(() => healer.healedTotal > 0);
    assertEquals([repository.askedMs.length, healer.damagedTotal], [1, 1]);
  });
});

Deno.test("an index that is deleted while its segment is damaged is not told of for ever", async () => {
  await inPlace({ pauseMs: 200 }, async ({ world, healer, repository }) => {
    repository.isAway = true;
    damage(`${world.dataDir}/${SEGMENT}/segment.seg`);
    await everything(world).catch(() => {});
    await until(() => healer.failedTotal > 0);
    await world.engine.indices.delete(world.index("logs"));
    await until(() => healer.warnings.length === 0);
    const { failedTotal } = healer;
    await new Promise((resolve) => setTimeout(resolve, 300));
    assertEquals(healer.failedTotal, failedTotal, "nobody looks for it any more");
  });
});
