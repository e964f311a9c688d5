/** What opening believes, what it refuses, and that it changes nothing: rule by rule, on a real disk. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { CorruptionError } from "../../src/base/errors.ts";
import { generationName, manifestName } from "../../src/format/file_names.ts";
import { RECORD_HEADER_BYTES } from "../../src/format/wal.ts";
import { createShard, openShard, type ShardStore } from "../../src/shard/store.ts";
import { OpenRefusedError } from "../../src/wal/refused.ts";
import { appendBytes, copyFiles, flipByte, inTemporaryDirectory, realNode, treeOf } from "./real_tree.ts";
import {
  append,
  IDENTITY,
  publishCheckpoint,
  publishSegment,
  replayed,
  type TestNode,
} from "./store_fixture.ts";

const OPTIONS = { mapping: { properties: {} }, settings: {} };

function create(node: TestNode, directory: string): ShardStore {
  return createShard(node.environment(), directory, { identity: IDENTITY, options: OPTIONS });
}

function open(node: TestNode, directory: string) {
  return openShard(node.environment(), directory, IDENTITY);
}

function walPath(directory: string, number: number): string {
  return `${directory}/wal/${generationName(number)}`;
}

function manifestPath(directory: string, number: number): string {
  return `${directory}/manifests/${manifestName(number)}`;
}

/** Opening must refuse so, and leave every byte as it was. */
function assertRefused(node: TestNode, directory: string, code: string, mentions: readonly string[]): Error {
  const before = treeOf(directory);
  const error = assertThrows(() => open(node, directory)) as unknown as Error;
  if (error instanceof OpenRefusedError) assertEquals(error.code, code, error.message);
  else assert(error instanceof CorruptionError && code === "corruption", String(error));
  for (const text of mentions) assert(error.message.includes(text), `"${error.message}" names ${text}`);
  assertEquals(treeOf(directory), before, "a refusal changes nothing");
  return error;
}

Deno.test("a torn tail is reported, ignored for good, and ended by the next generation", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    append(store, "a");
    store.sync();
    append(store, "b");
    store.close({ clean: false });
    const whole = Deno.statSync(walPath(directory, 1)).size;
    appendBytes(walPath(directory, 1), new Uint8Array(37).fill(7));
    const after = node.restarted({ bootId: "boot-2" });
    const opened = open(after, directory);
    assertEquals(opened.tornTail, { file: walPath(directory, 1), offset: whole, bytes: 37, validBehind: 0 });
    assertMatch(opened.warnings[0]!, /torn tail of 37 bytes/);
    assertEquals(replayed(opened), ["a", "b"]);
    const next = opened.startRun(false);
    assert(next.started, "a torn tail starts the run at once");
    assertEquals(Deno.statSync(walPath(directory, 1)).size, whole + 37, "it is left where it is");
    append(next, "c");
    next.close({ clean: true });
    const again = open(after.restarted(), directory);
    assertEquals(again.tornTail, undefined);
    assertEquals(replayed(again), ["a", "b", "c"]);
  }));

Deno.test("a bad record before a mark is corruption, named by file and offset", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    const offset = store.position.bytes;
    append(store, "a");
    append(store, "b");
    store.sync();
    append(store, "c");
    store.close({ clean: false });
    flipByte(walPath(directory, 1), offset + RECORD_HEADER_BYTES + 3);
    const error = assertRefused(node.restarted({ bootId: "boot-2" }), directory, "corruption", [
      walPath(directory, 1),
    ]);
    assertEquals((error as CorruptionError).offset, offset);
  }));

Deno.test("a whole record behind a bad one is corruption in the same boot, a torn tail after another or in a copy", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    append(store, "a");
    const offset = store.position.bytes;
    append(store, "b");
    append(store, "c");
    store.close({ clean: false });
    flipByte(walPath(directory, 1), offset + 60);
    assertRefused(node.restarted(), directory, "corruption", [walPath(directory, 1), String(offset)]);
    for (const changes of [{ bootId: "boot-2" }, { isCopy: true }, { bootId: "" }]) {
      const opened = open(node.restarted(changes), directory);
      assertEquals(opened.tornTail?.validBehind, 1, JSON.stringify(changes));
      assertEquals(replayed(opened), ["a"]);
    }
  }));

Deno.test("a missing generation is refused", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    append(store, "a");
    store.roll();
    append(store, "b");
    store.roll();
    append(store, "c");
    store.close({ clean: true });
    const gone = walPath(directory, 2);
    const bytes = Deno.readFileSync(gone);
    Deno.removeSync(gone);
    assertRefused(node.restarted(), directory, "not_covered", [walPath(directory, 3)]);
    Deno.writeFileSync(gone, bytes.subarray(0, bytes.length - 1));
    assertRefused(node.restarted(), directory, "not_covered", [gone]);
    Deno.writeFileSync(gone, bytes);
    flipByte(gone, bytes.length - 1);
    assertRefused(node.restarted(), directory, "corruption", [gone]);
    flipByte(gone, bytes.length - 1);
    flipByte(gone, 20);
    assertRefused(node.restarted(), directory, "corruption", [gone]);
    flipByte(gone, 20);
    assertEquals(replayed(open(node.restarted(), directory)), ["a", "b", "c"]);
    Deno.removeSync(`${directory}/wal`, { recursive: true });
    assertRefused(node.restarted(), directory, "not_covered", ["wal"]);
  }));

Deno.test("any flipped bit of the newest manifest is found, and the one before is used where the log covers it", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    append(store, "a");
    publishCheckpoint(store);
    append(store, "b");
    store.close({ clean: true });
    const newest = manifestPath(directory, 2);
    const size = Deno.statSync(newest).size;
    for (let offset = 0; offset < size; offset += 3) {
      flipByte(newest, offset);
      const opened = open(node.restarted(), directory);
      assertEquals(opened.manifest.number, 1);
      assert(opened.warnings[0]!.includes(newest));
      if (offset % 50 === 0) assertEquals(replayed(opened), ["a", "b"]);
      flipByte(newest, offset);
    }
    assertEquals(open(node.restarted(), directory).manifest.number, 2);
    // A new run goes on behind the unreadable one's number, and it stays for whoever wants to look.
    flipByte(newest, size >> 1);
    const next = open(node.restarted(), directory).startRun(true);
    assertEquals(next.manifest.number, 3);
    assert(Deno.statSync(newest).isFile);
    next.close({ clean: true });
  }));

Deno.test("once the log behind an older manifest is released, a flipped newest one is refused", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    append(store, "a");
    store.roll();
    publishCheckpoint(store);
    const first = Deno.readFileSync(manifestPath(directory, 1));
    node.monotonicMs += node.retainMs;
    assertEquals(store.release(new Set()), { manifests: [1], segments: [], generations: [1], leftovers: [] });
    assertEquals(Deno.statSync(walPath(directory, 1)).size, 64, "a stub is left");
    append(store, "b");
    store.close({ clean: true });
    assertEquals(replayed(open(node.restarted(), directory)), ["b"]);
    flipByte(manifestPath(directory, 2), 100);
    assertRefused(node.restarted(), directory, "corruption", [manifestPath(directory, 2)]);
    // A slow copy brings the old manifest: the stub keeps it from being believed.
    Deno.writeFileSync(manifestPath(directory, 1), first);
    assertRefused(node.restarted(), directory, "corruption", [manifestPath(directory, 2)]);
    Deno.removeSync(manifestPath(directory, 2));
    assertRefused(node.restarted(), directory, "not_covered", [walPath(directory, 1), "released"]);
  }));

Deno.test("an old body that a stub should have replaced breaks the chain at the next stub", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    const oldManifest = Deno.readFileSync(manifestPath(directory, 1));
    append(store, "a");
    const oldBody = Deno.readFileSync(walPath(directory, 1));
    store.roll();
    append(store, "b");
    store.roll();
    publishCheckpoint(store);
    node.monotonicMs += node.retainMs;
    assertEquals(store.release(new Set()).generations, [1, 2]);
    store.close({ clean: true });
    Deno.writeFileSync(walPath(directory, 1), oldBody);
    Deno.writeFileSync(manifestPath(directory, 1), oldManifest);
    Deno.removeSync(manifestPath(directory, 2));
    assertRefused(node.restarted(), directory, "not_covered", [walPath(directory, 2)]);
  }));

Deno.test("two histories in one folder are refused, both files named", () =>
  inTemporaryDirectory((root) => {
    const [node, directory, clone] = [realNode(), `${root}/logs`, `${root}/clone`];
    const store = create(node, directory);
    append(store, "a");
    store.close({ clean: true });
    copyFiles(directory, clone);
    const here = open(node.restarted(), directory).startRun(true);
    append(here, "here");
    here.close({ clean: true });
    const there = open(realNode(2).restarted({ isCopy: true }), clone).startRun(true);
    append(there, "there");
    there.close({ clean: true });
    for (const part of ["wal/wal-000002", "manifests/manifest-000002.json"]) {
      copyFiles(clone, `${root}/mixed`);
      Deno.copyFileSync(`${directory}/${part}`, `${root}/mixed/${part}`);
      const error = assertRefused(node.restarted(), `${root}/mixed`, "two_histories", [part]);
      assertEquals((error as OpenRefusedError).files.length, 2);
      Deno.removeSync(`${root}/mixed`, { recursive: true });
    }
    assertEquals(replayed(open(node.restarted(), directory)), ["a", "here"]);
    assertEquals(replayed(open(node.restarted(), clone)), ["a", "there"]);
  }));

Deno.test("a hard-linked copy is opened, written to and released without touching a byte of the original", () =>
  inTemporaryDirectory(async (root) => {
    const [node, directory, linked] = [realNode(), `${root}/logs`, `${root}/linked`];
    const store = create(node, directory);
    append(store, "a");
    await publishSegment(store, node.environment());
    append(store, "b");
    store.sync();
    copyFiles(directory, linked, { link: true });
    const before = treeOf(directory);
    const other = realNode(3).restarted({ isCopy: true });
    const opened = open(other, linked);
    assert(!opened.mayWait);
    assertEquals(replayed(opened), ["b"]);
    const copy = opened.startRun(false);
    append(copy, "of the copy");
    copy.roll();
    await publishSegment(copy, other.environment(), { replace: [1] });
    other.monotonicMs += other.retainMs * 2;
    assert(copy.release(new Set()).generations.length > 0);
    copy.close({ clean: true });
    assertEquals(treeOf(directory), before);
    store.close({ clean: true });
  }));

Deno.test("after a clean stop opening writes nothing; the first append starts the run", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    append(store, "a");
    store.close({ clean: true });
    const before = treeOf(directory);
    const after = node.restarted();
    const opened = open(after, directory);
    assertEquals(replayed(opened), ["a"]);
    const next = opened.startRun(false);
    assertEquals(next.started, false);
    assertEquals(next.position.seqNo, 0);
    assertEquals(treeOf(directory), before);
    next.close({ clean: true });
    assertEquals(treeOf(directory), before);
    const again = open(after.restarted(), directory).startRun(false);
    append(again, "b");
    const tree = treeOf(directory);
    assertEquals(Object.keys(tree).filter((name) => !(name in before)), [
      "manifests/manifest-000002.json",
      "wal/wal-000002",
    ]);
    for (const [name, digest] of Object.entries(before)) {
      assertEquals(tree[name], digest, `${name} is as it was`);
    }
    again.close({ clean: true });
    assertEquals(replayed(open(after.restarted(), directory)), ["a", "b"]);
  }));

Deno.test("records behind the mark are repeated in the new generation, again and again", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    let store = create(node, directory);
    append(store, "a");
    store.sync();
    append(store, "b");
    append(store, "c");
    let current = node;
    for (const kill of [1, 2, 3]) {
      store.close({ clean: false });
      current = current.restarted({ bootId: `boot-${kill}` });
      const opened = open(current, directory);
      const { lsn, seqNo } = opened.recovered;
      store = opened.startRun(false);
      assertEquals([store.position.lsn, store.position.seqNo], [lsn, seqNo]);
      assertEquals(store.started, kill !== 2, "repeated records have a mark over them");
      if (kill === 2) store.ensureRun();
      if (kill === 2) append(store, "d", "e");
    }
    store.close({ clean: true });
    const opened = open(current.restarted(), directory);
    assertEquals(replayed(opened), ["a", "b", "c", "d", "e"]);
    assertEquals(opened.recovered.seqNo, 4);
    // An older manifest still reaches through all of them.
    for (const { name } of Deno.readDirSync(`${directory}/manifests`)) {
      if (name !== manifestName(1)) Deno.removeSync(`${directory}/manifests/${name}`);
    }
    assertEquals(replayed(open(current.restarted(), directory)), ["a", "b", "c", "d", "e"]);
  }));

Deno.test("a newer manifest that cannot be used and lies beyond the log goes aside", () =>
  inTemporaryDirectory(async (root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    append(store, "a");
    store.sync();
    const copied = Deno.readFileSync(walPath(directory, 1));
    append(store, "b");
    await publishSegment(store, node.environment());
    store.close({ clean: true });
    // A copy that got the log early and lost the segment.
    Deno.writeFileSync(walPath(directory, 1), copied);
    Deno.removeSync(`${directory}/seg-000001`, { recursive: true });
    const other = node.restarted({ isCopy: true });
    const opened = open(other, directory);
    assertEquals(opened.manifest.number, 1);
    assertEquals(opened.recovered.lsn, 1);
    assert(opened.warnings[0]!.includes("segment_missing"));
    const next = opened.startRun(false);
    assert(Deno.statSync(`${directory}/aside/${manifestName(2)}`).isFile);
    assertThrows(() => Deno.statSync(manifestPath(directory, 2)), Deno.errors.NotFound);
    assertEquals(next.manifest.number, 3, "numbers of what is aside are not used again");
    assertEquals(next.nextSegmentNumber(), 2);
    append(next, "c");
    next.close({ clean: true });
    assertEquals(replayed(open(other.restarted(), directory)), ["a", "c"]);
  }));

Deno.test("a segment that is missing, short or another one makes its manifest unusable", () =>
  inTemporaryDirectory(async (root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    append(store, "a");
    await publishSegment(store, node.environment());
    await publishSegment(store, node.environment(), { replace: [1] });
    store.close({ clean: true });
    const file = `${directory}/seg-000002/segment.ids`;
    const bytes = Deno.readFileSync(file);
    const damages: [string, () => void][] = [
      ["missing", () => Deno.removeSync(file)],
      ["bytes instead of", () => Deno.writeFileSync(file, bytes.subarray(1))],
      ["damaged", () => flipByte(file, bytes.length - 30)],
      ["of segment", () => Deno.copyFileSync(`${directory}/seg-000001/segment.ids`, file)],
    ];
    for (const [reason, damage] of damages) {
      damage();
      const opened = open(node.restarted(), directory);
      assertEquals(opened.manifest.number, 2);
      assert(opened.warnings[0]!.includes(reason), opened.warnings[0]);
      Deno.writeFileSync(file, bytes);
    }
    Deno.removeSync(file);
    Deno.removeSync(manifestPath(directory, 1));
    Deno.removeSync(`${directory}/seg-000001/segment.seg`);
    assertRefused(node.restarted(), directory, "segment_missing", [file]);
  }));

Deno.test("a manifest that says deleted is ignored by whoever opens the index", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    append(store, "a");
    assertEquals(store.publishDeleted().deleted, true);
    store.close({ clean: true });
    const opened = open(node.restarted(), directory);
    assertEquals(opened.manifest.number, 1);
    assertEquals(replayed(opened), ["a"]);
    const next = opened.startRun(true);
    assertEquals(next.manifest.number, 3);
    assertEquals(next.manifest.deleted, false);
    next.close({ clean: true });
  }));

Deno.test("a folder of another index, another shard or no manifest is refused", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    create(node, directory).close({ clean: true });
    const environment = node.restarted().environment();
    const refusal = (identity: typeof IDENTITY) => {
      const error = assertThrows(() =>
        openShard(environment, directory, identity)
      ) as unknown as OpenRefusedError;
      return error.code;
    };
    assertEquals(refusal({ ...IDENTITY, shard: 1 }), "wrong_index");
    assertEquals(refusal({ ...IDENTITY, indexUuid: IDENTITY.incarnation }), "wrong_index");
    assertEquals(refusal({ ...IDENTITY, incarnation: IDENTITY.indexUuid }), "no_manifest");
  }));

Deno.test("a checkpoint whose generation did not get into the copy needs no log", () =>
  inTemporaryDirectory((root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const store = create(node, directory);
    append(store, "a");
    store.roll();
    publishCheckpoint(store);
    append(store, "after the copy began");
    store.close({ clean: true });
    Deno.removeSync(walPath(directory, 2));
    const other = node.restarted({ isCopy: true });
    const opened = open(other, directory);
    assertEquals(opened.manifest.number, 2);
    assertEquals(replayed(opened), []);
    assertEquals(opened.recovered, { lsn: 1, seqNo: 0 });
    const next = opened.startRun(false);
    assertEquals(next.manifest.checkpoint, { generation: 3, lsn: 1, seqNo: 0 });
    append(next, "b");
    next.close({ clean: true });
    assertEquals(replayed(open(other.restarted(), directory)), ["b"]);
  }));

Deno.test("a new incarnation in the same folder sees nothing of the old one and uses none of its numbers", () =>
  inTemporaryDirectory(async (root) => {
    const [node, directory] = [realNode(), `${root}/logs`];
    const old = create(node, directory);
    append(old, "old");
    await publishSegment(old, node.environment());
    old.publishDeleted();
    old.close({ clean: false });
    const identity = { ...IDENTITY, incarnation: "33333333-3333-4333-8333-333333333333" };
    const above = { generation: 7, manifest: 1, segment: 1 };
    const store = createShard(node.environment(), directory, { identity, options: { ...OPTIONS, above } });
    assertEquals(store.manifest.number, 4);
    assertEquals(store.position.generation, 7);
    assertEquals(store.nextSegmentNumber(), 2);
    append(store, "new");
    node.monotonicMs += 10 * node.retainMs;
    assertEquals(store.release(new Set()).segments, [], "segments of the old one are not ours to remove");
    store.close({ clean: true });
    assertEquals(replayed(openShard(node.restarted().environment(), directory, identity)), ["new"]);
    assertEquals(replayed(open(node.restarted(), directory)), []);
  }));
