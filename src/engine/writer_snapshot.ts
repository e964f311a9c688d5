/**
 * A writer's part of a snapshot: its shards are captured in one go, so that they are of one instant; links follow
 * while writes go on.
 *
 * @module
 */
import { shardFolder } from "../format/file_names.ts";
import { linkShard } from "../shard/snapshot_files.ts";
import type { SnapshotCall, SnapshotShardReport } from "./messages.ts";
import type { WriterNode } from "./writer_node.ts";

/**
 * Links the files of this writer's shards of the given incarnations below `to`. The caller syncs the new folders.
 *
 * @throws {RequestError} 503: a shard is poisoned. @throws {IoError}
 */
export async function linkShards(
  node: WriterNode,
  { to, incarnations }: SnapshotCall,
): Promise<SnapshotShardReport[]> {
  const { fs, clock, pause } = node.options;
  const listed = new Set(incarnations);
  const shards = [...node.shards.values()].filter(({ spec }) => listed.has(spec.incarnation));
  const captured: {
    readonly shard: ReturnType<typeof capture>;
    readonly folder: string;
    readonly liveDocs: number | undefined;
  }[] = [];
  const capture = ({ state }: (typeof shards)[number]) => state.store.capture();
  try {
    for (const open of shards) {
      const { spec, state } = open;
      const part = spec.shards === 1 ? spec.index : `${spec.index}/${shardFolder(state.names.shard)}`;
      const isSettled = state.turn.waiting === 0 && state.frozen === undefined;
      const liveDocs = isSettled ? state.liveDocs : undefined;
      captured.push({ shard: capture(open), folder: `${to}/${part}`, liveDocs });
    }
    for (const { shard, folder } of captured) {
      fs.makeDirectory(folder);
      await linkShard(fs, shard, { to: folder, clock, pause });
    }
    return shards.map(({ spec, state }, i) => ({
      incarnation: spec.incarnation,
      shard: state.names.shard,
      lsn: captured[i]!.shard.lsn,
      segments: captured[i]!.shard.manifest.segments.length,
      liveDocs: captured[i]!.liveDocs,
    }));
  } finally {
    for (const { shard } of captured) shard.release();
  }
}
