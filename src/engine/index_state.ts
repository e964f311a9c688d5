/**
 * An index as main knows it: identity, mapping, where its shards are. Main alone decides about fields.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { AnalyzerSet } from "../analysis/mod.ts";
import type { Mapping } from "../schema/mapping.ts";
import { refreshInterval } from "./index_settings.ts";

export class IndexState {
  /** Monotonic ms of the last search; -Infinity: never. */
  lastSearchMs = -Infinity;
  /** Monotonic ms of the last refresh that was asked for. */
  lastRefreshMs = -Infinity;
  /** Writes were sent since the last refresh was asked for. */
  dirty = false;
  /** A refresh on its way, which later searches may share. */
  refreshing: Promise<void> | undefined;
  /** Cause per shard that takes no writes. */
  readonly failures = new Map<number, string>();

  constructor(
    readonly name: string,
    readonly uuid: string,
    readonly incarnation: string,
    readonly shards: number,
    readonly createdMs: number,
    readonly settings: Readonly<Record<string, unknown>>,
    readonly analyzers: AnalyzerSet,
    public mapping: Mapping,
  ) {}

  /**
   * Nobody has searched lately: refreshes wait until somebody does. Never so for an index with a refresh interval of its
   * own, as in Elasticsearch.
   */
  searchIdle(nowMs: number, idleAfterMs: number): boolean {
    if (idleAfterMs === 0 || refreshInterval(this.settings) !== undefined) return false;
    return nowMs - this.lastSearchMs > idleAfterMs;
  }

  /** Shard of an id (or routing). */
  shardOf(idBytes: Uint8Array): number {
    return shardOfId(idBytes, 0, idBytes.length, this.shards);
  }
}

/** Shard of the id in bytes [start, end): CRC-32 modulo the number of shards. Fixed for the life of an index. */
export function shardOfId(id: Uint8Array, start: number, end: number, shards: number): number {
  return shards === 1 ? 0 : crc32(id.subarray(start, end)) % shards;
}
