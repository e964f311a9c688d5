/**
 * From the configuration to what threads and the engine are told.
 *
 * @module
 */
import type { Config } from "../config/config.ts";
import type { EngineLimits } from "../engine/engine.ts";
import type { NodeSettings } from "../engine/messages.ts";

const MIB = 1024 * 1024;

/** @param machine What the machine (or the container) has, and how many writers share it. */
export function nodeSettings(
  config: Config,
  { totalMemoryBytes, writers }: { readonly totalMemoryBytes: number; readonly writers: number },
): NodeSettings {
  const { storage, limits, fts, merge } = config;
  return {
    walSync: storage.walSync,
    walBatchMs: storage.walBatchMs,
    walMaxBytes: storage.walMaxSizeMb * MIB,
    flushSizeBytes: storage.flushSizeMb * MIB,
    flushIntervalMs: storage.flushIntervalSecs * 1000,
    retainSupersededMs: storage.retainSupersededSecs * 1000,
    maxJsonDepth: limits.maxJsonDepth,
    maxFields: limits.maxFieldsPerIndex,
    maxResultWindow: limits.maxResultWindow,
    maxBuckets: limits.maxBuckets,
    maxClauses: limits.maxClauses,
    queryMemoryBytes: limits.maxQueryMemoryMb > 0
      ? limits.maxQueryMemoryMb * MIB
      : memoryBytes(config, totalMemoryBytes) / 10,
    maxLineBytes: limits.maxLineBytes,
    maxIdBytes: limits.maxIdBytes,
    maxRequestMs: limits.maxRequestMs,
    defaultAnalyzer: fts.defaultAnalyzer,
    refreshIntervalMs: storage.refreshIntervalMs,
    searchIdleMs: storage.searchIdleSecs * 1000,
    // Half of the memory for what is not on disk yet, shared out; the rest is for bodies, builds and queries.
    writeMemoryBytes: memoryBytes(config, totalMemoryBytes) / 2 / writers,
    scrubBytesPerSec: storage.scrubMbPerSec * MIB / writers,
    diskReserveBytes: storage.diskReserveMb * MIB,
    merge: {
      strategy: merge.strategy,
      minSegments: merge.minSegments,
      maxSegmentBytes: merge.maxSegmentMb * MIB,
      ioBytesPerSec: merge.ioRateMbPerSec * MIB,
      maxConcurrent: merge.maxConcurrent,
    },
  };
}

export function engineLimits({ limits }: Config): EngineLimits {
  return {
    maxConcurrentSearches: limits.maxConcurrentSearches,
    maxQueuedSearches: limits.maxQueuedSearches,
    maxInflightWriteBytes: limits.maxInflightBodyMb * MIB,
  };
}

function memoryBytes({ limits }: Config, totalMemoryBytes: number): number {
  return limits.memoryMb > 0 ? limits.memoryMb * MIB : Math.floor(totalMemoryBytes / 2);
}
