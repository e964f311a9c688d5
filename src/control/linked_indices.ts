/**
 * What the server knows of indices at the instant of their links: positions, and how many documents there are.
 *
 * @module
 */
import type { Engine } from "../engine/engine.ts";
import type { LinkedIndex } from "../engine/evidence/gather.ts";
import type { SnapshotShardReport } from "../engine/messages.ts";

/** @param shards As `Engine.linkAll` tells them. */
export function linkedIndices(
  engine: Engine,
  names: readonly string[],
  shards: readonly SnapshotShardReport[],
): LinkedIndex[] {
  return names.flatMap((name) => {
    const incarnation = engine.indices.get(name)?.incarnation;
    const own = shards.filter((shard) => shard.incarnation === incarnation).sort((a, b) => a.shard - b.shard);
    if (incarnation === undefined || own.length === 0) return [];
    let liveDocs: number | undefined = 0;
    for (const shard of own) {
      liveDocs = liveDocs === undefined || shard.liveDocs === undefined
        ? undefined
        : liveDocs + shard.liveDocs;
    }
    return [{
      name,
      incarnation,
      lsn: Math.max(...own.map(({ lsn }) => lsn)),
      position: own.map(({ lsn }) => lsn).join(),
      liveDocs,
    }];
  });
}
