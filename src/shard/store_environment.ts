/**
 * What a shard's files need of the process around them.
 *
 * @module
 */
import type { Clock, FileSystem, Random } from "../os/fs.ts";
import type { Rules } from "../wal/rules.ts";
import type { FindHydrating } from "./store_names.ts";

/** Which shard of which life of which index. */
export interface ShardIdentity {
  readonly indexUuid: string;
  /** One life of an index name, a UUID. Opening sees only files of that incarnation. */
  readonly incarnation: string;
  readonly shard: number;
  /** How many shards the index has; default 1. */
  readonly shards?: number;
}

export interface StoreLog {
  info(message: string, details?: Readonly<Record<string, unknown>>): void;
  warn(message: string, details?: Readonly<Record<string, unknown>>): void;
}

export interface StoreEnvironment {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  /** The kernel's boot id, "" where there is none. */
  readonly bootId: string;
  /** This data directory is a copy of another: runs start at once. */
  readonly isCopy: boolean;
  /** The last process ended cleanly: what is seen is what is on disk. */
  readonly cleanStop: boolean;
  readonly log: StoreLog;
  /** Draws from the node's one counter. */
  readonly nextLsn: () => number;
  /** Makes the counter go on above `atLeast`. */
  readonly raiseLsn: (atLeast: number) => void;
  /** Size at which a generation ends; read anew at every append, so that a reload takes effect. */
  readonly walMaxBytes: number;
  /** How long superseded files stay, monotonic. */
  readonly retainSupersededMs: () => number;
  /** Segment files that are not all there yet; undefined: there are none. */
  readonly hydrating?: FindHydrating | undefined;
  /** For tests alone, which switch one off; default all. */
  readonly rules?: Rules | undefined;
}
