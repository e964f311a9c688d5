/**
 * What main, writers and searchers say to each other.
 *
 * @module
 */
import type { VersionType } from "../shard/operation.ts";
import type { DamagedFile } from "./scrub.ts";
import type { ShardSnapshot } from "../shard/snapshot.ts";
import type { NextNumbers } from "../shard/store_inventory.ts";
import type { ShardShipView } from "../shard/ship_view.ts";
import type { Manifest } from "../format/manifest.ts";

/** `replicated`: as `sync`, and whoever ships the log continuously has it. */
export type WalSync = "sync" | "batched" | "async" | "replicated";

/** Limits and intervals that a reload may change. */
export interface NodeSettings {
  readonly walSync: WalSync;
  readonly walBatchMs: number;
  readonly walMaxBytes: number;
  readonly flushSizeBytes: number;
  readonly flushIntervalMs: number;
  readonly retainSupersededMs: number;
  readonly maxJsonDepth: number;
  readonly maxFields: number;
  readonly maxResultWindow: number;
  readonly maxBuckets: number;
  readonly maxClauses: number;
  readonly queryMemoryBytes: number;
  readonly maxLineBytes: number;
  readonly maxIdBytes: number;
  readonly maxRequestMs: number;
  readonly defaultAnalyzer: string;
  /** For indices that do not set their own. */
  readonly refreshIntervalMs: number;
  /** Indices that nobody has searched for this long are not refreshed on their own; 0: always. */
  readonly searchIdleMs: number;
  /** Bytes of unflushed documents that all shards of one writer may hold together. */
  readonly writeMemoryBytes: number;
  /** Bytes of cold segments that each writer reads back and compares with their checksums; 0: none. */
  readonly scrubBytesPerSec: number;
  /** Free space that documents, and merges, leave on the data directory's disk; 0: none. */
  readonly diskReserveBytes: number;
  readonly merge: MergeSettings;
}

/** `[merge]`. */
export interface MergeSettings {
  readonly strategy: "size_tiered" | "log_structured";
  readonly minSegments: number;
  readonly maxSegmentBytes: number;
  /** All mergers together; 0: no limit. */
  readonly ioBytesPerSec: number;
  readonly maxConcurrent: number;
}

/** An index as a writer opens or makes it. */
export interface IndexSpec {
  readonly index: string;
  readonly uuid: string;
  readonly incarnation: string;
  readonly shards: number;
  /** Folder of the index. */
  readonly directory: string;
  /** Stored form; used when it is made, else the manifest's counts. */
  readonly mapping: unknown;
  readonly settings: unknown;
  /** Smallest free file numbers by shard, from the catalogue's memory of the name. */
  readonly firstNumbers: readonly NextNumbers[];
}

export interface OpenCall {
  readonly spec: IndexSpec;
  readonly mode: "create" | "open";
  /** Shards of this writer. */
  readonly shards: readonly number[];
}

export interface OpenedShardReport {
  readonly shard: number;
  readonly mapping: unknown;
  readonly mappingVersion: number;
  readonly settings: unknown;
  readonly lsn: number;
  readonly replayedBytes: number;
  readonly liveDocs: number;
  readonly warnings: readonly string[];
}

export interface ReplayProgress {
  readonly index: string;
  readonly shard: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** One document operation by id. */
export interface WriteCall {
  readonly incarnation: string;
  readonly shard: number;
  readonly action: "index" | "create" | "update" | "delete";
  /** Undefined: the writer draws one. */
  readonly id: string | undefined;
  readonly body: Uint8Array;
  readonly ifSeqNo: number;
  readonly ifPrimaryTerm: number;
  readonly version: number;
  readonly versionType: VersionType;
  /** update: how often a lost race is tried again. */
  readonly retryOnConflict: number;
  /** update: return the new source. */
  readonly wantSource: boolean;
}

export interface WriteReply {
  readonly id: string;
  readonly result: "created" | "updated" | "deleted" | "not_found" | "noop";
  readonly seqNo: number;
  readonly version: number;
  readonly source: Uint8Array | undefined;
  /** `_source` of an update's body: what of `source` shall be shown. */
  readonly shown: unknown;
}

export interface GetCall {
  readonly incarnation: string;
  readonly shard: number;
  readonly ids: readonly string[];
}

export interface GetReply {
  readonly source: Uint8Array;
  readonly seqNo: number;
  readonly version: number;
}

export interface BulkCall {
  /** Number of the request, the same for all writers. */
  readonly bulk: number;
  /** Over shared memory; every writer reads the same. */
  readonly body: Uint8Array;
  readonly defaultIndex: string | undefined;
  /** Name of the renderer that the writer was given. */
  readonly renderer: string;
  readonly requireAlias: boolean;
  /** This writer takes the operations of shards for which it is responsible; others skip them. */
  readonly writers: number;
  readonly writer: number;
  /** `_source` requested on updates; passed to the renderer. */
  readonly options: Readonly<Record<string, string>>;
}

export interface BulkReply {
  /** Rendered items, joined by commas when there is one writer, else see `ends`. */
  readonly items: Uint8Array;
  /** Per item that this writer did: end offset in `items`; and its position in the request. Undefined with one writer. */
  readonly ends: Uint32Array | undefined;
  readonly positions: Uint32Array | undefined;
  readonly itemCount: number;
  readonly errors: boolean;
  /** Incarnations written to, for `?refresh`. */
  readonly touched: readonly string[];
}

export interface IngestCall {
  readonly incarnation: string;
  readonly shards: number;
  /** As in `BulkCall`. */
  readonly writers: number;
  readonly writer: number;
  /** Whole lines, over shared memory. */
  readonly lines: Uint8Array;
  /** Number of the first line, from 1. */
  readonly firstLine: number;
  /** Field that holds the id, or undefined. */
  readonly idField: string | undefined;
  readonly maxErrors: number;
}

export interface IngestError {
  readonly line: number;
  readonly type: string;
  readonly reason: string;
}

export interface IngestReply {
  readonly indexed: number;
  readonly failed: number;
  readonly errors: readonly IngestError[];
}

export interface SearchCall {
  /** Name of the body handler. */
  readonly handler: string;
  /** Snapshots to search, in request order; pinned by main for the length of the call. */
  readonly snapshots: readonly string[];
  readonly body: Uint8Array;
  readonly query: Readonly<Record<string, string>>;
  readonly requestId: string;
  readonly receivedMs: number;
}

export interface SearchReply {
  readonly status: number;
  readonly body: Uint8Array;
  readonly microseconds: number;
}

/** Link the files of this writer's shards into a folder. */
export interface SnapshotCall {
  /** Folder that is to look as the data directory does. */
  readonly to: string;
  readonly incarnations: readonly string[];
}

export interface SnapshotShardReport {
  readonly incarnation: string;
  readonly shard: number;
  /** Last LSN that is in it. */
  readonly lsn: number;
  readonly segments: number;
  /** Live documents at that position; undefined: a write or a refresh was under way. */
  readonly liveDocs: number | undefined;
}

/** What can be shipped of this writer's shards? */
export interface ShipCall {
  /** Number of the manifest that main knows already, by `<incarnation>/<shard>`: it is not sent again. */
  readonly known: Readonly<Record<string, number>>;
}

/** A shard as it can be shipped. */
export interface ShippedLog extends Omit<ShardShipView, "manifest" | "release"> {
  /** Relative to the data directory. */
  readonly folder: string;
  readonly incarnation: string;
  readonly shard: number;
  /** undefined: the one that main knows. */
  readonly manifest: Manifest | undefined;
  /** Keeps the files, until main releases it. */
  readonly pin: number;
}

export interface ShipReply {
  /** Every record of this writer's shards up to here lies within what is shown. */
  readonly coveredLsn: number;
  readonly logs: readonly ShippedLog[];
  /** Shards that cannot be shown, and why. */
  readonly hidden: readonly {
    readonly incarnation: string;
    readonly folder: string;
    readonly reason: string;
  }[];
}

/** How far shipping has come, for writes that wait for it. */
export interface ShippedUpTo {
  /** Every record up to here has arrived, but for those of `incomplete`. */
  readonly lsn: number;
  /** Incarnations of which something is missing yet that a restore needs. */
  readonly incomplete: readonly string[];
}

/** A folder's shards, of an earlier life, that become those of a new index. */
export interface AttachCall {
  /** The new index; its mapping and settings are the folder's. */
  readonly spec: IndexSpec;
  /** What the folder says of itself. */
  readonly source: {
    readonly directory: string;
    readonly uuid: string;
    readonly incarnation: string;
    readonly shards: number;
  };
  /** Shards of this writer. */
  readonly shards: readonly number[];
  /** Each file was compared with its SHA-256 as it came, a moment ago. */
  readonly isChecked: boolean;
}

/** Key under which a snapshot is known to searchers. */
export function snapshotKey({ incarnation, shard, version }: ShardSnapshot): string {
  return `${incarnation}/${shard}/${version}`;
}

export interface ShardStats {
  readonly index: string;
  readonly incarnation: string;
  readonly shard: number;
  readonly liveDocs: number;
  readonly deletedDocs: number;
  readonly memoryDocs: number;
  readonly memoryBytes: number;
  readonly walBytes: number;
  readonly walGeneration: number;
  readonly walSyncedLsn: number;
  readonly lsn: number;
  readonly checkpointLsn: number;
  readonly retainedBytes: number;
  readonly segments: readonly SegmentStats[];
  readonly indexedTotal: number;
  readonly deletedTotal: number;
  readonly flushesTotal: number;
  readonly merges: MergeStats;
  readonly failure: string | undefined;
  readonly maxSeqNo: number;
  /** Places of its segments' files that the scrub found damaged. */
  readonly damaged: readonly DamagedFile[];
}

/** What is being merged in a shard, and what should be. */
export interface MergeStats {
  readonly running: readonly RunningMerge[];
  /** Bytes that all merges which are due, or under way, have still to read and write. */
  readonly debtBytes: number;
  /** Why none is started that is due; undefined: nothing holds them up. */
  readonly waiting: string | undefined;
  /** Why the last one failed; undefined: it did not. */
  readonly failure: string | undefined;
  /** Files that merges, or a scrub, found damaged. */
  readonly damaged: readonly string[];
  /** Since start. */
  readonly total: number;
  readonly failedTotal: number;
  readonly docsTotal: number;
  readonly bytesReadTotal: number;
  readonly bytesWrittenTotal: number;
  readonly throttledMsTotal: number;
}

export interface RunningMerge {
  readonly inputs: readonly string[];
  readonly why: string;
  /** False: it waits for a thread. */
  readonly started: boolean;
  /** To be read and written in all, about; and so far. */
  readonly bytesTotal: number;
  readonly bytesDone: number;
  readonly seconds: number;
}

/** `_forcemerge`. */
export interface ForceMergeCall {
  readonly incarnations: readonly string[];
  /** Undefined: what is due anyway. */
  readonly maxSegments: number | undefined;
  /** Rewrite segments with deleted documents only. */
  readonly expungeOnly: boolean;
}

export interface ForceMergeReport {
  readonly index: string;
  readonly shard: number;
  readonly segmentsBefore: number;
  readonly segmentsAfter: number;
  readonly failure: string | undefined;
}

export interface SegmentStats {
  readonly name: string;
  readonly uuid: string;
  readonly inMemory: boolean;
  readonly docs: number;
  readonly deleted: number;
  readonly sizeBytes: number;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>> | undefined;
  readonly columns: readonly {
    readonly field: string;
    readonly type: string;
    readonly encoding: string;
    readonly bytes: number;
    readonly values: number;
    readonly docs: number;
  }[];
}

/** Times that a writer measured, drained by main for its histograms. */
export interface WriterTimings {
  readonly walWriteSeconds: readonly number[];
  readonly flushSeconds: readonly number[];
  readonly mergeSeconds: readonly number[];
  readonly bytesWritten: number;
  /** Read back by the scrub. */
  readonly scrubBytes: number;
  /** Damaged places that it found. */
  readonly scrubErrors: number;
}
