/**
 * What one shard's writer holds in memory. Owned by one thread; the files beside this one work on it:
 * `write.ts` applies operations, `refresh.ts` makes them visible, `flush.ts` puts them into segments on disk,
 * `recover.ts` brings them back.
 *
 * @module
 */
import type { AnalyzerSet } from "../analysis/mod.ts";
import type { Logger } from "../base/log.ts";
import { Turn } from "../base/turn.ts";
import { OperationsWriter } from "../format/operations.ts";
import type { FastParser } from "../ingest/fast_document.ts";
import type { Memtable } from "../memtable/memtable.ts";
import type { Clock, FileSystem, Random } from "../os/fs.ts";
import type { Mapping } from "../schema/mapping.ts";
import type { FileImage } from "../segment/file_view.ts";
import type { LiveSegment } from "./live_segment.ts";
import type { ShardSnapshot } from "./snapshot.ts";
import type { ShardStore } from "./store.ts";
import type { FindHydrating } from "./store_names.ts";

/** What a shard needs of the thread that it lives in. */
export interface ShardEnvironment {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Hands a new snapshot to main. */
  readonly publish: (snapshot: ShardSnapshot) => void;
  /** Lets other work of the thread run; resolves soon. Called every few ms of a long build. */
  readonly pause: () => Promise<void>;
  /** A view of a mapped file in this thread. */
  readonly viewMapping: (address: bigint, sizeBytes: number) => Uint8Array;
  /** Opens a segment's file to be read page by page instead of mapped; absent: files are mapped. @throws {IoError} */
  readonly readImage?: (path: string) => FileImage;
  readonly limits: ShardLimits;
  /** Segment files that are not all there yet; undefined: there are none. */
  readonly hydrating?: FindHydrating | undefined;
}

/** Read anew at every use, so that a reload takes effect. */
export interface ShardLimits {
  readonly maxJsonDepth: number;
  readonly maxFields: number;
  readonly flushSizeBytes: number;
  readonly flushIntervalMs: number;
}

/** A memtable that a refresh is turning into a segment: still answers for its ids, takes no more documents. */
export interface FrozenMemtable {
  readonly memtable: Memtable;
  /** Documents that died since it froze. */
  readonly killed: number[];
}

/** A delete that outlives its memtable, so that versions go on counting. */
export interface RecentDelete {
  readonly seqNo: number;
  readonly version: number;
  readonly atMs: number;
}

export interface ShardIdentityNames {
  readonly index: string;
  readonly incarnation: string;
  readonly shard: number;
}

export class ShardState {
  /** Writes and swaps of what they write into take turns. */
  readonly turn = new Turn();
  /** Freezing and building take turns: one memtable is frozen at a time. */
  readonly maintenance = new Turn();
  /** Flushes take turns. A refresh waits for a flush's build, never for its disk. */
  readonly flushes = new Turn();
  memtable!: Memtable;
  frozen: FrozenMemtable | undefined;
  /** Oldest first; all on disk before all in memory. */
  segments: LiveSegment[] = [];
  /** Mapped or shared memory that older snapshots may still use, by segment key. */
  readonly retired = new Map<string, LiveSegment>();
  /** Newest delete of an id, kept for `RECENT_DELETES_MS` as Elasticsearch's `gc_deletes`. */
  readonly recentDeletes = new Map<string, RecentDelete>();
  nextSeqNo = 0;
  parser!: FastParser;
  /** Log entries of the batch that holds the turn; kept, so that its buffer is. */
  readonly entries = new OperationsWriter();
  /** The mapping has changed since it was last written to the log. */
  mappingUnlogged = false;
  snapshotVersion = 0;
  /** A segment came or went since the last publication. */
  segmentsChanged = true;
  publishedMappingVersion = -1;
  /** The index is closed or deleted: its memory and its files are others' now, so nothing is published any more. */
  closed = false;
  /** Monotonic ms of the oldest operation that no segment on disk holds; 0: none. */
  unflushedSinceMs = 0;
  /** Why the last flush failed, for health; undefined when it did not. */
  flushFailure: Error | undefined;
  /** Operations applied since start, for metrics. */
  indexedTotal = 0;
  deletedTotal = 0;
  flushesTotal = 0;

  constructor(
    readonly names: ShardIdentityNames,
    readonly environment: ShardEnvironment,
    readonly store: ShardStore,
    public mapping: Mapping,
    readonly analyzers: AnalyzerSet,
    readonly settings: unknown,
  ) {}

  /** Live documents as a search after a refresh would count them. */
  get liveDocs(): number {
    let count = this.memtable.liveCount;
    for (const segment of this.segments) count += segment.liveCount;
    if (this.frozen) count += this.frozen.memtable.liveCount;
    return count;
  }

  /** Bytes that only memory (and the log) hold. */
  get memoryBytes(): number {
    let bytes = this.memtable.sizeBytes + (this.frozen?.memtable.sizeBytes ?? 0);
    for (const segment of this.segments) if (segment.home.kind === "memory") bytes += segment.ref.sizeBytes;
    return bytes;
  }
}

/** How long a delete's version is remembered after its memtable is gone. */
export const RECENT_DELETES_MS = 60_000;
/** How many of them at most; the oldest go first. */
export const MAX_RECENT_DELETES = 200_000;
