/**
 * A published view of one shard, in a form that can be posted to other threads: where each segment's bytes lie, and
 * which of its documents are alive.
 *
 * A snapshot never changes. Whoever searches it holds a pin on main; memory is unmapped after the last one.
 *
 * @module
 */

import type { SharedBlocks } from "../os/shared_blocks.ts";

/** One file of a segment: shared memory made by a refresh, or an address at which the writer mapped it. */
export type FileRegion =
  & {
    readonly label: string;
    /** Bitmap of verified pages over a `SharedArrayBuffer`, see `segment/file_view.ts`. */
    readonly verified: Uint32Array;
    /** A lazy restore is still bringing it: each block is asked for before it is read. Undefined: all of it is there. */
    readonly blocks?: SharedBlocks;
  }
  & (
    | { readonly kind: "shared"; readonly bytes: Uint8Array }
    | { readonly kind: "mapped"; readonly address: bigint; readonly sizeBytes: number }
  );

export interface SegmentRef {
  /** Unique in this process; never reused. */
  readonly key: string;
  /** Number on disk, 0 while only in memory. */
  readonly number: number;
  readonly docCount: number;
  readonly sizeBytes: number;
  readonly seg: FileRegion;
  readonly sidx: FileRegion;
  readonly ids: FileRegion;
}

export interface PublishedSegment {
  readonly ref: SegmentRef;
  /** Bit set: alive. Null: all are. Over a `SharedArrayBuffer`; a refresh that brings deletes publishes a copy. */
  readonly live: Uint32Array | null;
  readonly liveCount: number;
}

export interface ShardSnapshot {
  readonly index: string;
  readonly incarnation: string;
  readonly shard: number;
  /** Grows by one with every publication of the shard. */
  readonly version: number;
  /** Stored form of the mapping, see `Mapping.fromStored`. */
  readonly mapping: unknown;
  readonly mappingVersion: number;
  readonly settings: unknown;
  readonly segments: readonly PublishedSegment[];
  readonly liveDocs: number;
}
