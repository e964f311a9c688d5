/**
 * Hard links of everything, as of one instant: what snapshots and backups are made from.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { META_FOLDER } from "../format/file_names.ts";
import type { FileSystem } from "../os/fs.ts";
import type { Catalog } from "./catalog.ts";
import type { SnapshotCall, SnapshotShardReport } from "./messages.ts";
import type { Threads } from "./threads.ts";

/** What a snapshot holds. */
export interface LinkedFiles {
  readonly indices: number;
  readonly shards: number;
  readonly segments: number;
  /** Last LSN that is in it. */
  readonly lsn: number;
}

export interface LinkOptions {
  readonly fs: FileSystem;
  readonly catalog: Catalog;
  readonly threads: Threads;
  /** Told of each shard's part, once all links are made. */
  readonly onShards: (reports: readonly SnapshotShardReport[]) => void;
}

/**
 * Links every index, as of one instant after this call, and the catalogue into a folder that then looks as the data
 * directory does. Every write acknowledged before this call is in it; the caller syncs the new folders.
 *
 * @throws {RequestError} 503: an index was just made or deleted, or a shard is poisoned. Try again.
 * @throws {IoError}
 */
export async function linkAll(
  to: string,
  { fs, catalog, threads, onShards }: LinkOptions,
): Promise<LinkedFiles> {
  fs.makeDirectory(`${to}/${META_FOLDER}`);
  // No other change gets in between: main does one thing at a time, and a writer takes its calls in their order.
  const listed = catalog.linkInto(`${to}/${META_FOLDER}`);
  const incarnations = listed.map(({ incarnation }) => incarnation);
  const call: SnapshotCall = { to, incarnations };
  const answers = await Promise.allSettled(
    threads.writers.map((writer) => writer.call<SnapshotShardReport[]>("linkShards", call)),
  );
  // When one fails the others are through too: nobody links into a folder that is being removed.
  const reports = answers.flatMap((answer) => {
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  });
  for (const { name, incarnation, shards } of listed) {
    if (reports.filter((report) => report.incarnation === incarnation).length === shards) continue;
    throw new RequestError(`the index [${name}] was being deleted`, {
      status: 503,
      type: "unavailable_shards_exception",
      headers: { "retry-after": "1" },
    });
  }
  onShards(reports);
  return {
    indices: listed.length,
    shards: reports.length,
    segments: reports.reduce((sum, { segments }) => sum + segments, 0),
    lsn: reports.reduce((highest, { lsn }) => Math.max(highest, lsn), 0),
  };
}
