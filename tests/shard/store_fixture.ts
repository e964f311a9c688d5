/**
 * Shards on a disk in memory or on a real one, for tests.
 *
 * @module
 */
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { crc32 } from "../../src/base/crc.ts";
import { encodeDirectory, encodeEnd, encodeHeader, FileKind } from "../../src/format/container.ts";
import type { ManifestSegment } from "../../src/format/manifest.ts";
import { OperationsReader, OperationsWriter, OpKind } from "../../src/format/operations.ts";
import { RecordKind } from "../../src/format/wal.ts";
import { randomUuid } from "../../src/base/uuid.ts";
import type { FileSystem } from "../../src/os/fs.ts";
import type { OpenedShard, ShardStore, StoreEnvironment } from "../../src/shard/store.ts";

/** A generator of pseudo-random numbers in [0, 1) from a seed (mulberry32). */
export function chanceFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const IDENTITY = {
  indexUuid: "11111111-1111-4111-8111-111111111111",
  incarnation: "22222222-2222-4222-8222-222222222222",
  shard: 0,
};

/** One process on one machine: its counter, clocks and boot. */
export class TestNode {
  lsn = 0;
  monotonicMs = 0;
  wallMs = 1_700_000_000_000;
  bootId = "boot-1";
  isCopy = false;
  cleanStop = false;
  walMaxBytes = 1 << 30;
  retainMs = 900_000;
  readonly warnings: string[] = [];

  constructor(readonly fs: FileSystem, private readonly chance: () => number) {}

  /** Another process on the same disk. */
  restarted(changes: Partial<TestNode> = {}): TestNode {
    const next = new TestNode(this.fs, this.chance);
    next.bootId = this.bootId;
    next.wallMs = this.wallMs;
    next.walMaxBytes = this.walMaxBytes;
    return Object.assign(next, changes);
  }

  environment(): StoreEnvironment {
    // deno-lint-ignore no-this-alias -- the getters below speak of the node
    const node = this;
    return {
      fs: this.fs,
      clock: { nowMs: () => this.wallMs, monotonicMs: () => this.monotonicMs },
      random: {
        fill: (bytes) => {
          for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(this.chance() * 256);
        },
      },
      bootId: node.bootId,
      isCopy: node.isCopy,
      cleanStop: node.cleanStop,
      log: { info: () => {}, warn: (message) => void this.warnings.push(message) },
      nextLsn: () => ++this.lsn,
      raiseLsn: (atLeast) => void (this.lsn = Math.max(this.lsn, atLeast)),
      walMaxBytes: this.walMaxBytes,
      retainSupersededMs: () => this.retainMs,
    };
  }
}

/** Payload of index operations, one for each text. */
export function operations(texts: readonly string[]): Uint8Array {
  const writer = new OperationsWriter();
  texts.forEach((text, i) => {
    const [id, source] = [utf8(text), utf8(`{"v":${JSON.stringify(text)}}`)];
    writer.add(OpKind.Index, 0, i, 1, id, 0, id.length, source, 0, source.length);
  });
  return writer.bytes().slice();
}

/** Appends one record; returns its LSN. */
export function append(store: ShardStore, ...texts: string[]): number {
  const seqNo = store.position.seqNo + 1;
  return store.append(RecordKind.Operations, {
    seqNo,
    lastSeqNo: seqNo + texts.length - 1,
    payload: [operations(texts)],
  }).lsn;
}

/** Ids of the operations that replay brings. */
export function replayed(opened: OpenedShard): string[] {
  const ids: string[] = [];
  for (
    const _ of opened.replay((record) => {
      if (record.kind !== RecordKind.Operations) return;
      const reader = new OperationsReader(record.payload);
      while (reader.next()) ids.push(utf8Text(record.payload.subarray(reader.idStart, reader.idEnd)));
    })
  ) { /* runs to its end */ }
  return ids;
}

/** A file that is a segment's as far as a store can tell. */
export function segmentFile(kind: 1 | 2 | 3, uuid: string): Uint8Array {
  const header = encodeHeader(kind, uuid);
  const end = encodeEnd({
    kind,
    uuid,
    bodyBytes: header.length,
    pageCrcs: Uint32Array.of(crc32(header)),
    directory: encodeDirectory([], new Uint8Array(0)),
  });
  const out = new Uint8Array(header.length + end.length);
  out.set(header);
  out.set(end, header.length);
  return out;
}

/** Writes an empty segment and publishes a manifest that names it beside the current ones, or instead of some. */
export async function publishSegment(
  store: ShardStore,
  environment: StoreEnvironment,
  { replace = [] }: { readonly replace?: readonly number[] } = {},
): Promise<ManifestSegment> {
  const uuid = randomUuid(environment.random);
  const { generation, lsn, seqNo } = store.position;
  const staged = store.stageSegment(store.nextSegmentNumber());
  const files = {
    "segment.seg": await staged.write("segment.seg", [segmentFile(FileKind.Seg, uuid)]),
    "segment.sidx": await staged.write("segment.sidx", [segmentFile(FileKind.Sidx, uuid)]),
    "segment.ids": await staged.write("segment.ids", [segmentFile(FileKind.Ids, uuid)]),
  };
  await staged.publish();
  const segment: ManifestSegment = { number: staged.number, uuid, docCount: 0, liveDocs: 0, files };
  const kept = store.manifest.segments.filter(({ number }) => !replace.includes(number));
  const { mapping, mappingVersion, settings } = store.manifest;
  store.publish({
    segments: [...kept, segment],
    checkpoint: { generation, lsn, seqNo },
    mapping,
    mappingVersion,
    settings,
  });
  return segment;
}

/** Publishes a checkpoint at the end of the log, without segments. */
export function publishCheckpoint(store: ShardStore): void {
  store.ensureRun();
  const { generation, lsn, seqNo } = store.position;
  store.publish({ ...store.manifest, checkpoint: { generation, lsn, seqNo } });
}
