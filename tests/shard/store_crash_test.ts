/**
 * Random work on a lying disk, with power cuts and kills: synced records are never lost, unsynced ones only from the
 * end, and opening never refuses.
 */
import { assert, assertEquals } from "@std/assert";
import { RecordKind } from "../../src/format/wal.ts";
import { RequestError } from "../../src/base/errors.ts";
import { createShard, openShard, type ShardStore } from "../../src/shard/store.ts";
import { ioError, LyingDisk } from "./lying_disk.ts";
import {
  append,
  chanceFrom,
  IDENTITY,
  publishCheckpoint,
  publishSegment,
  replayed,
  TestNode,
} from "./store_fixture.ts";

/** What must come back: texts by the LSN of their record, oldest first. */
interface Expected {
  readonly lsn: number;
  readonly texts: readonly string[];
}

class Model {
  records: Expected[] = [];
  /** Records before this position survive a power cut. */
  durable = 0;

  /** Compares with what an opening brought, and takes over what was lost. */
  check(found: { checkpointLsn: number; ids: string[]; recoveredLsn: number }, powerCut: boolean): void {
    const { checkpointLsn, ids, recoveredLsn } = found;
    const behind = this.records.filter(({ lsn }) => lsn > checkpointLsn);
    const expected = behind.flatMap(({ texts }) => texts);
    assertEquals(ids, expected.slice(0, ids.length), "replayed is a beginning of what was appended");
    const lost = this.records.filter(({ lsn }) => lsn > recoveredLsn).length;
    const floor = powerCut ? this.durable : this.records.length;
    assert(this.records.length - lost >= floor, `${lost} of ${this.records.length} lost, ${floor} were safe`);
    this.records = this.records.slice(0, this.records.length - lost);
    this.durable = this.records.length;
  }
}

async function runSchedule(seed: number, steps: number): Promise<number> {
  const chance = chanceFrom(seed);
  const disk = new LyingDisk();
  disk.makeDirectory("data");
  disk.syncDirectory("");
  let node = new TestNode(disk, chance);
  node.walMaxBytes = 4000;
  const model = new Model();
  let store = createShard(node.environment(), "data/logs", {
    identity: IDENTITY,
    options: { mapping: {}, settings: {} },
  });
  let texts = 0;
  let openings = 0;
  const appendOne = () => {
    const batch = Array.from(
      { length: 1 + Math.floor(chance() * 4) },
      () => `t${texts++}${"x".repeat(Math.floor(chance() * 300))}`,
    );
    model.records.push({ lsn: append(store, ...batch), texts: batch });
  };
  const synced = (target: ShardStore) => {
    assert(target.syncedLsn >= (model.records.at(-1)?.lsn ?? 0));
    model.durable = model.records.length;
  };
  const full = () => {
    disk.onCall = (operation, path, bytes) =>
      operation === "write" && path.includes("/wal/")
        ? { arrive: Math.floor(chance() * bytes!.length), error: ioError("write", path, "ENOSPC") }
        : undefined;
    try {
      append(store, "does not fit");
      throw new Error("the disk was full");
    } catch (error) {
      assert(error instanceof RequestError && error.status === 429, String(error));
    } finally {
      disk.onCall = () => {};
    }
    if (store.blocked) assert(store.tryUnblock());
  };
  const reopen = (powerCut: boolean) => {
    if (powerCut) disk.crash(chance);
    node = node.restarted({
      bootId: powerCut ? `boot-after-cut-${++openings}` : node.bootId,
      isCopy: chance() < 0.1,
    });
    const opened = openShard(node.environment(), "data/logs", IDENTITY);
    model.check({
      checkpointLsn: opened.manifest.checkpoint.lsn,
      ids: replayed(opened),
      recoveredLsn: opened.recovered.lsn,
    }, powerCut);
    store = opened.startRun(chance() < 0.3);
  };
  for (let step = 0; step < steps; step++) {
    const dice = chance();
    node.monotonicMs += chance() * 100_000;
    if (dice < 0.5) appendOne();
    else if (dice < 0.6) {
      store.sync();
      synced(store);
    } else if (dice < 0.68) {
      await store.syncAsync();
      synced(store);
    } else if (dice < 0.72) {
      store.roll();
      synced(store);
    } else if (dice < 0.76) {
      publishCheckpoint(store);
      synced(store);
    } else if (dice < 0.8) {
      await publishSegment(store, node.environment(), {
        replace: chance() < 0.5 ? store.manifest.segments.map(({ number }) => number) : [],
      });
      synced(store);
    } else if (dice < 0.86) store.release(new Set());
    else if (dice < 0.88) full();
    else if (dice < 0.9) {
      store.append(RecordKind.Mapping, { seqNo: 0, lastSeqNo: 0, payload: [new Uint8Array(2)] });
    } else if (dice < 0.93) {
      store.close({ clean: true });
      reopen(false);
    } else if (dice < 0.96) reopen(false);
    else reopen(true);
  }
  reopen(true);
  return disk.calls;
}

Deno.test("random work with power cuts loses no synced record and never refuses to open", async () => {
  for (let seed = 1; seed <= 80; seed++) {
    try {
      await runSchedule(seed, 120);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
