/**
 * What a server shows of itself so that it can be shipped: plain lists of files that stay where they are, and ranges of
 * logs that are on its disk for good.
 *
 * @module
 */
import type { CatalogBody } from "../../format/catalog.ts";
import type { History } from "../../format/history.ts";
import type { Manifest } from "../../format/manifest.ts";

/** Who ships: decides whether a stream is its own. */
export interface StreamOwner {
  /** Of `_meta/instance.json`. */
  readonly instanceId: string;
  /** Id of the server's run: the last one of its history. */
  readonly run: string;
}

/** One log, and the manifest that it goes on from. What that needs stays until the view is released. */
export interface LogView {
  /** Relative to the data directory, such as `logs` or `logs/shard-0`. */
  readonly folder: string;
  /** The same, absolute. */
  readonly directory: string;
  /** The newest one that is durable. */
  readonly manifest: Manifest;
  /**
   * Numbers of the generations that are there, ascending; the last one is the newest. Those that the manifest needs stay;
   * older ones may become stubs at any moment.
   */
  readonly generations: readonly number[];
  /** Bytes of the newest generation that are on disk: whole records. Older ones end where the next one's header says. */
  readonly syncedBytes: number;
  /** Keeps the manifest's files beyond this view; what it returns lets them go. To be called before `release`. */
  hold(): () => void;
}

export interface CatalogView {
  readonly body: CatalogBody;
  /** Absolute. */
  readonly path: string;
  /** File of deleted incarnations that it names, absolute; undefined: none. */
  readonly deletedPath: string | undefined;
}

/** Everything that a round ships, as of one moment. */
export interface ServerView {
  readonly owner: StreamOwner;
  /** The server's runs; the last one is `owner.run`. */
  readonly history: History;
  /** ms since the epoch: every write acknowledged before, as safely as its policy says, is in it. */
  readonly atMs: number;
  /** Every record up to here lies within the logs' synced ranges. */
  readonly coveredLsn: number;
  readonly logs: readonly LogView[];
  /** Incarnations whose logs cannot be shown now; what is shipped of them stays as it is. */
  readonly hidden: readonly string[];
  /** Ascending; the newest last. Older ones may be missing. */
  readonly catalogs: readonly CatalogView[];
  /** Lets the files go. To be called exactly once. */
  release(): void;
}
