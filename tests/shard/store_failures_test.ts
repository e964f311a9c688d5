/** Full disks, failed syncs, group commit, releasing: on a disk in memory whose calls can be made to fail. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { RecordKind } from "../../src/format/wal.ts";
import { createShard, openShard, type ShardStore } from "../../src/shard/store.ts";
import { ioError, LyingDisk } from "./lying_disk.ts";
import {
  append,
  chanceFrom,
  IDENTITY,
  operations,
  publishCheckpoint,
  publishSegment,
  replayed,
  TestNode,
} from "./store_fixture.ts";

const DIRECTORY = "data/logs";

function start(): { disk: LyingDisk; node: TestNode; store: ShardStore } {
  const disk = new LyingDisk();
  const node = new TestNode(disk, chanceFrom(7));
  const options = { mapping: {}, settings: {} };
  return { disk, node, store: createShard(node.environment(), DIRECTORY, { identity: IDENTITY, options }) };
}

/** Makes calls fail whose operation and path match. */
function fail(disk: LyingDisk, operation: string, path: RegExp, code: string): void {
  disk.onCall = (called, at, bytes) =>
    called === operation && path.test(at)
      ? { arrive: (bytes?.length ?? 0) >> 1, error: ioError(operation, at, code) }
      : undefined;
}

function statusOf(call: () => unknown): number {
  return (assertThrows(call, RequestError) as unknown as RequestError).status;
}

Deno.test("a full disk answers 429, keeps what was acknowledged, and a new generation ends the old one before the rest", () => {
  const { disk, node, store } = start();
  append(store, "a");
  fail(disk, "write", /wal/, "ENOSPC");
  assertEquals(statusOf(() => append(store, "b")), 429);
  disk.free = 0;
  assertEquals(store.blocked, true);
  assertEquals(store.tryUnblock(), false);
  disk.free = 1e9;
  assertEquals(store.tryUnblock(), false, "the new generation does not fit either");
  disk.onCall = () => {};
  assertEquals(statusOf(() => append(store, "b")), 429, "until somebody probes");
  assertEquals(store.tryUnblock(), true);
  assertEquals(store.poisoned, undefined);
  append(store, "c");
  store.close({ clean: false });
  assertEquals(replayed(openShard(node.restarted().environment(), DIRECTORY, IDENTITY)), ["a", "c"]);
});

Deno.test("killed with a full disk, the shard comes back with what was acknowledged", () => {
  const { disk, node, store } = start();
  append(store, "a");
  fail(disk, "write", /wal/, "ENOSPC");
  assertEquals(statusOf(() => append(store, "b")), 429);
  disk.onCall = () => {};
  const opened = openShard(node.restarted().environment(), DIRECTORY, IDENTITY);
  assert(opened.tornTail);
  assertEquals(replayed(opened), ["a"]);
});

for (
  const [operation, path, act] of [
    ["sync", /wal/, (store: ShardStore) => store.sync()],
    ["write", /wal/, (store: ShardStore) => append(store, "b")],
    ["rename", /wal/, (store: ShardStore) => store.roll()],
    ["sync directory", /wal/, (store: ShardStore) => store.roll()],
    ["sync", /manifest/, (store: ShardStore) => publishCheckpoint(store)],
    ["sync directory", /manifest/, (store: ShardStore) => publishCheckpoint(store)],
  ] as const
) {
  Deno.test(`EIO on ${operation} of ${path} poisons the shard until it is reopened`, () => {
    const { disk, node, store } = start();
    append(store, "a");
    fail(disk, operation, path, "EIO");
    assertThrows(() => act(store));
    disk.onCall = () => {};
    assert(store.poisoned);
    assertEquals(statusOf(() => append(store, "c")), 503);
    assertEquals(statusOf(() => store.roll()), 503);
    assertEquals(statusOf(() => publishCheckpoint(store)), 503);
    store.close({ clean: true });
    const opened = openShard(node.restarted().environment(), DIRECTORY, IDENTITY);
    const covered = opened.manifest.checkpoint.lsn === 1;
    assertEquals(replayed(opened)[0], covered ? undefined : "a");
  });
}

Deno.test("a manifest that does not fit leaves the shard healthy and no file behind", () => {
  const { disk, store } = start();
  append(store, "a");
  fail(disk, "write", /manifest/, "ENOSPC");
  const names = disk.list(`${DIRECTORY}/manifests`).map(({ name }) => name);
  assertEquals(statusOf(() => publishCheckpoint(store)), 429);
  assertEquals(disk.list(`${DIRECTORY}/manifests`).map(({ name }) => name), names);
  disk.onCall = () => {};
  publishCheckpoint(store);
  assertEquals(store.manifest.checkpoint.lsn, 1);
});

Deno.test("a run that did not fit on the disk starts with the next append that does", () => {
  const { disk, node, store } = start();
  append(store, "a");
  store.close({ clean: true });
  for (const path of [/wal/, /manifest/]) {
    const opened = openShard(node.restarted().environment(), DIRECTORY, IDENTITY);
    const next = opened.startRun(false);
    fail(disk, "write", path, "ENOSPC");
    assertEquals(statusOf(() => append(next, "b")), 429);
    assertEquals(next.started, false);
    disk.onCall = () => {};
    append(next, `c${path.source}`);
    next.close({ clean: true });
  }
  const opened = openShard(node.restarted().environment(), DIRECTORY, IDENTITY);
  assertEquals(replayed(opened), ["a", "cwal", "cmanifest"]);
});

Deno.test("concurrent syncs share one, and each covers what was appended before it", async () => {
  const { disk, store } = start();
  let syncs = 0;
  disk.onCall = (operation, path) => void (operation === "sync" && path.includes("wal") && syncs++);
  append(store, "a");
  const first = store.syncAsync();
  const waiting = Array.from({ length: 20 }, (_, i) => {
    const lsn = append(store, `b${i}`);
    return store.syncAsync().then(() => assert(store.syncedLsn >= lsn));
  });
  await first;
  assert(store.syncedLsn >= 1);
  await Promise.all(waiting);
  assertEquals(syncs, 2);
  assertEquals(store.syncedLsn, store.position.lsn);
  await store.syncAsync();
  assertEquals(syncs, 2, "nothing to do");
  fail(disk, "sync", /wal/, "EIO");
  append(store, "c");
  await assertRejects(() => store.syncAsync());
  assert(store.poisoned);
  await assertRejects(() => store.syncAsync(), RequestError);
});

Deno.test("a sync that runs while the log rolls tells nothing wrong about the new generation", async () => {
  const { store } = start();
  append(store, "a");
  const running = store.syncAsync();
  store.roll();
  const lsn = append(store, "b");
  await running;
  assert(store.syncedLsn < lsn);
  await store.syncAsync();
  assertEquals(store.syncedLsn, lsn);
});

Deno.test("a log that rolls, and closes, while an older file is still being synced leaves no file open", async () => {
  const { disk, store } = start();
  append(store, "a");
  const running = store.syncAsync();
  for (const id of ["b", "c"]) {
    store.roll();
    append(store, id);
  }
  await running;
  assertEquals(disk.openFiles.filter((path) => path.includes("/wal/")).length, 1, disk.openFiles.join());
  append(store, "d");
  const last = store.syncAsync();
  store.roll();
  store.close({ clean: true });
  await last;
  assertEquals(disk.openFiles, []);
});

Deno.test("a sync that succeeds after another one of the same file failed promises nothing", async () => {
  const { disk, store } = start();
  append(store, "a");
  fail(disk, "sync", /wal-000001$/, "EIO");
  const running = store.syncAsync();
  assertThrows(() => store.roll());
  disk.onCall = () => {};
  // The kernel told the roll, and calls the pages clean now.
  await assertRejects(() => running, RequestError);
  assertEquals(store.syncedLsn, 0);
});

Deno.test("a quiet synced log gets one mark, so that the next opening need not repeat anything", () => {
  const { node, store } = start();
  append(store, "a");
  assertEquals(store.markIfIdle(), false, "not synced yet");
  store.sync();
  const { bytes } = store.position;
  store.release(new Set());
  assertEquals(store.position.bytes, bytes + 56);
  assertEquals(store.markIfIdle(), false);
  assertEquals(store.position.lsn, 1, "a mark draws no number");
  store.close({ clean: false });
  assertEquals(openShard(node.restarted().environment(), DIRECTORY, IDENTITY).mayWait, true);
});

Deno.test("a generation that a snapshot links is not appended to any more", () => {
  const { store } = start();
  append(store, "a");
  const { generation } = store.position;
  store.markShared();
  assertEquals(store.position.generation, generation);
  append(store, "b");
  assertEquals(store.position.generation, generation + 1);
});

Deno.test("the log rolls at its size, and replay reads through all generations", () => {
  const { node, store } = start();
  node.walMaxBytes = 2000;
  const small = openShard(node.restarted().environment(), DIRECTORY, IDENTITY).startRun(true);
  const texts = Array.from({ length: 100 }, (_, i) => `t${i}`);
  for (const text of texts) append(small, text);
  assert(small.position.generation > 4);
  assert(small.walBytes() > 8000);
  small.close({ clean: true });
  store.close({ clean: false });
  const progress: number[] = [];
  const opened = openShard(node.restarted().environment(), DIRECTORY, IDENTITY);
  let records = 0;
  for (
    const _ of opened.replay(() => records++, { onProgress: (done, total) => progress.push(done / total) })
  ) { /* goes on */ }
  assertEquals(records, 100);
  assertEquals(progress.at(-1), 1);
  assertEquals(replayed(opened), texts);
});

Deno.test("a mapping record repeats the last sequence number and takes an LSN", () => {
  const { node, store } = start();
  const record = { seqNo: 0, lastSeqNo: 0, payload: [new TextEncoder().encode("{}")] };
  assertEquals(store.append(RecordKind.Mapping, record).lsn, 1);
  assertEquals(store.position.seqNo, -1);
  store.append(RecordKind.Operations, { seqNo: 0, lastSeqNo: 1, payload: [operations(["a", "b"])] });
  store.append(RecordKind.Mapping, record);
  store.close({ clean: true });
  const opened = openShard(node.restarted().environment(), DIRECTORY, IDENTITY);
  const kinds: number[][] = [];
  for (
    const _ of opened.replay(({ kind, lsn, seqNo, lastSeqNo }) => kinds.push([kind, lsn, seqNo, lastSeqNo]))
  ) { /* goes on */ }
  assertEquals(kinds, [[2, 1, -1, -1], [1, 2, 0, 1], [2, 3, 1, 1]]);
  assertEquals(opened.recovered, { lsn: 3, seqNo: 1 });
});

Deno.test("superseded files stay for the retention, pinned ones longer, by the monotonic clock", async () => {
  const { disk, node, store } = start();
  append(store, "a");
  const first = await publishSegment(store, node.environment());
  store.roll();
  append(store, "b");
  await publishSegment(store, node.environment(), { replace: [first.number] });
  const pinned = store.manifest.previous;
  node.wallMs += 1e9;
  assertEquals(store.release(new Set()).manifests, [], "the wall clock means nothing");
  assert(store.retainedBytes() > 0);
  node.monotonicMs += node.retainMs - 1;
  assertEquals(store.release(new Set()).manifests, []);
  node.monotonicMs += 1;
  assertEquals(store.release(new Set([pinned])), {
    manifests: [1],
    segments: [],
    generations: [],
    leftovers: [],
  });
  const last = store.release(new Set());
  assertEquals(last, { manifests: [pinned], segments: [first.number], generations: [1], leftovers: [] });
  assertEquals(disk.exists(`${DIRECTORY}/seg-000001`), false);
  assertEquals(store.retainedBytes(), 0);
  assertEquals(disk.stat(`${DIRECTORY}/wal/wal-000001`).sizeBytes, 64);
  // The retention of what an opening finds superseded starts anew; a stub goes after 30 days.
  publishCheckpoint(store);
  store.close({ clean: true });
  const next = node.restarted({ monotonicMs: 5 });
  const opened = openShard(next.environment(), DIRECTORY, IDENTITY).startRun(false);
  next.monotonicMs += next.retainMs - 1;
  assertEquals(opened.release(new Set()).manifests, []);
  next.monotonicMs += 1;
  assertEquals(opened.release(new Set()).manifests, [3]);
  next.wallMs = disk.nowMs + 31 * 24 * 3600 * 1000;
  opened.release(new Set());
  assertEquals(disk.exists(`${DIRECTORY}/wal/wal-000001`), false);
});

Deno.test("short of disk, unpinned files go before their time", async () => {
  const { node, store } = start();
  append(store, "a");
  const first = await publishSegment(store, node.environment());
  await publishSegment(store, node.environment(), { replace: [first.number] });
  assertEquals(store.release(new Set(), { now: true }).segments, [first.number]);
});

Deno.test("leftovers of unfinished work go once a newer manifest is durable, and their numbers are not used again", async () => {
  const { disk, node, store } = start();
  append(store, "a");
  const staged = store.stageSegment(store.nextSegmentNumber());
  await staged.write("segment.seg", [new Uint8Array(10)]);
  const published = store.stageSegment(store.nextSegmentNumber());
  for (const name of ["segment.seg", "segment.sidx", "segment.ids"] as const) {
    await published.write(name, [new Uint8Array(10)]);
  }
  await published.publish();
  node.monotonicMs += 10 * node.retainMs;
  assertEquals(store.release(new Set()).segments, [], "a running flush holds it");
  disk.create(`${DIRECTORY}/manifests/manifest-000009.json.staged`).close();
  disk.create(`${DIRECTORY}/wal/wal-000005.staged`).close();
  store.sync();
  store.markIfIdle();
  store.close({ clean: false });
  const next = node.restarted();
  const opened = openShard(next.environment(), DIRECTORY, IDENTITY).startRun(false);
  next.monotonicMs += 10 * node.retainMs;
  assertEquals(opened.release(new Set()), { manifests: [], segments: [], generations: [], leftovers: [] });
  opened.ensureRun();
  assertEquals([opened.manifest.number, opened.position.generation], [10, 6]);
  assertEquals(opened.nextSegmentNumber(), 3);
  const report = opened.release(new Set());
  assertEquals(report.segments, [2]);
  assertEquals(report.leftovers.length, 3);
  assertEquals(disk.list(DIRECTORY).map(({ name }) => name), ["manifests", "wal"]);
});

Deno.test("after a clean stop opening syncs no directory; otherwise all of them", () => {
  const { disk, node, store } = start();
  append(store, "a");
  store.close({ clean: true });
  const synced: string[] = [];
  disk.onCall = (operation, path) => void (operation === "sync directory" && synced.push(path));
  openShard(node.restarted({ cleanStop: true }).environment(), DIRECTORY, IDENTITY);
  assertEquals(synced, []);
  openShard(node.restarted().environment(), DIRECTORY, IDENTITY);
  assertEquals(synced, [`${DIRECTORY}/wal`, `${DIRECTORY}/manifests`, DIRECTORY]);
});

Deno.test("opening raises the LSN counter above everything that it read", () => {
  const { node, store } = start();
  append(store, "a");
  append(store, "b");
  store.close({ clean: true });
  const next = node.restarted();
  openShard(next.environment(), DIRECTORY, IDENTITY);
  assertEquals(next.lsn, 2);
});
