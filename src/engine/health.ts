/**
 * Is the server well, and if not, what is wrong and what should its operator do?
 *
 * @module
 */
import type { Engine } from "./engine.ts";
import type { ShardStats } from "./messages.ts";

export type HealthStatus = "green" | "yellow" | "red";

export interface HealthWarning {
  readonly cause: string;
  /** What to do about it. */
  readonly next: string;
  readonly status: "yellow" | "red";
}

export interface Health {
  readonly status: HealthStatus;
  readonly warnings: readonly HealthWarning[];
}

/** Free space below this share of what a flush needs is worth a warning. */
const LOW_SPACE_BYTES = 512 * 1024 * 1024;

/**
 * @param stats Of the last round; a health request asks no other thread.
 * @param standing Warnings found at start, such as WAL and segments on different devices.
 */
export function healthOf(
  engine: Engine,
  { stats, freeBytes, standing }: {
    readonly stats: readonly ShardStats[];
    readonly freeBytes: number | undefined;
    readonly standing: readonly HealthWarning[];
  },
): Health {
  const warnings: HealthWarning[] = [...standing];
  for (const { index, warning } of engine.indices.warnings) {
    warnings.push({
      cause: `[${index}]: ${warning}`,
      next: "nothing acknowledged is missing; see docs/operations.md for what this means",
      status: "yellow",
    });
  }
  for (const index of engine.indices.all()) {
    for (const [shard, failure] of index.failures) {
      warnings.push({
        cause: `[${index.name}][${shard}] takes no writes: ${failure}`,
        next: "check the disk and the kernel log, then restart the server: opening verifies what is on disk",
        status: "red",
      });
    }
  }
  for (const { index, shard, failure } of stats) {
    if (failure === undefined || engine.indices.get(index)?.failures.has(shard)) continue;
    warnings.push({
      cause: `[${index}][${shard}]: ${failure}`,
      next: failure === "disk full"
        ? "free space on the data directory's disk; writes go on by themselves"
        : "the log still holds everything; see the server's log for the failed flush",
      status: failure === "disk full" ? "red" : "yellow",
    });
  }
  for (const { index, shard, merges } of stats) {
    for (const file of merges.damaged) {
      warnings.push({
        cause: `[${index}][${shard}]: ${file} is damaged: ${merges.failure ?? "it could not be read"}`,
        next: "run `xerj verify --deep` on the data directory, and restore the file from a copy",
        status: "red",
      });
    }
    if (merges.waiting !== undefined) {
      warnings.push({
        cause: `[${index}][${shard}]: ${merges.waiting}`,
        next: "free space on the data directory's disk; merges go on by themselves",
        status: "yellow",
      });
    } else if (merges.failure !== undefined && merges.damaged.length === 0) {
      warnings.push({
        cause: `[${index}][${shard}]: a merge failed: ${merges.failure}`,
        next: "nothing is lost, and it is tried again; see the server's log",
        status: "yellow",
      });
    }
  }
  for (const { index, shard, damaged } of stats) {
    for (const { file, offset, reason } of damaged) {
      warnings.push({
        cause: `[${index}][${shard}]: ${file} is damaged${
          offset < 0 ? "" : ` at offset ${offset}`
        }: ${reason}`,
        next:
          "no answer is made from these bytes; a repository of the configuration that holds them is asked by itself; " +
          "`xerj verify` says what they hold and what would be lost, and, with " +
          "the server stopped, `xerj verify --repair` rebuilds what it can; look at the disk, too",
        status: "red",
      });
    }
  }
  const reserveBytes = engine.settings.diskReserveBytes;
  if (freeBytes !== undefined && freeBytes < reserveBytes) {
    warnings.push({
      cause:
        `new documents are refused: ${Math.floor(freeBytes / 1024 / 1024)} MiB are free, and [storage] ` +
        `disk_reserve_mb keeps ${Math.floor(reserveBytes / 1024 / 1024)}`,
      next: "free space on the data directory's disk; documents are taken again by themselves",
      status: "red",
    });
  } else if (freeBytes !== undefined && freeBytes < LOW_SPACE_BYTES) {
    warnings.push({
      cause: `only ${Math.floor(freeBytes / 1024 / 1024)} MiB are free on the data directory's disk`,
      next: "free space, or lower [storage] retain_superseded_secs",
      status: "yellow",
    });
  }
  const status = warnings.some((warning) => warning.status === "red")
    ? "red"
    : warnings.length > 0
    ? "yellow"
    : "green";
  return { status, warnings };
}
