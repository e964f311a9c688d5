/**
 * What a shard tells about itself.
 *
 * @module
 */
import type { LiveSegment } from "../shard/live_segment.ts";
import type { MergeStats, SegmentStats, ShardStats } from "./messages.ts";
import type { Scrub } from "./scrub.ts";
import type { OpenShard } from "./writer_node.ts";

export function shardStats(
  { state, spec }: OpenShard,
  { merges, scrub }: { readonly merges: MergeStats; readonly scrub: Scrub },
): ShardStats {
  const { store, segments, memtable } = state;
  const dead = segments.reduce((sum, { reader, liveCount }) => sum + reader.docCount - liveCount, 0);
  return {
    index: spec.index,
    incarnation: spec.incarnation,
    shard: state.names.shard,
    liveDocs: state.liveDocs,
    deletedDocs: dead,
    memoryDocs: memtable.docCount,
    memoryBytes: state.memoryBytes,
    walBytes: store.walBytes(),
    walGeneration: store.position.generation,
    walSyncedLsn: store.syncedLsn,
    lsn: store.position.lsn,
    checkpointLsn: store.manifest.checkpoint.lsn,
    retainedBytes: store.retainedBytes(),
    segments: segments.map(segmentStats),
    indexedTotal: state.indexedTotal,
    deletedTotal: state.deletedTotal,
    flushesTotal: state.flushesTotal,
    merges,
    failure: store.poisoned?.message ?? (store.blocked ? "disk full" : state.flushFailure?.message),
    maxSeqNo: state.nextSeqNo - 1,
    damaged: store.manifest.segments.flatMap(({ uuid }) => scrub.damaged(uuid)),
  };
}

function segmentStats({ ref, reader, liveCount, home }: LiveSegment): SegmentStats {
  return {
    name: home.kind === "disk" ? `seg-${String(ref.number).padStart(6, "0")}` : `memory-${ref.key}`,
    uuid: reader.uuid,
    inMemory: home.kind === "memory",
    docs: reader.docCount,
    deleted: reader.docCount - liveCount,
    sizeBytes: ref.sizeBytes,
    files: home.kind === "disk"
      ? Object.fromEntries(
        Object.entries(home.entry.files).map((
          [name, { sizeBytes, sha256 }],
        ) => [name, { bytes: sizeBytes, sha256 }]),
      )
      : undefined,
    columns: reader.columns,
  };
}
