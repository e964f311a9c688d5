/**
 * Which bytes of a shard are on its disk for good, so that they may leave the machine? Its newest manifest, all that this
 * names, and the log behind it as far as it is synced: what a power cut could still take must not be elsewhere already.
 *
 * @module
 */
import type { Manifest } from "../format/manifest.ts";

/** One shard at one instant. Its files stay, and the bytes that are meant do not change, until it is released. */
export interface ShardShipView {
  /** The shard's folder. */
  readonly directory: string;
  /** The newest one that is durable. */
  readonly manifest: Manifest;
  /**
   * Numbers of the generations that are there, ascending, the active one last. Those that the manifest needs stay; older
   * ones may become stubs at any moment.
   */
  readonly generations: readonly number[];
  /** Whole records of the last generation that are on disk, and its header. Older ones end where the next one says. */
  readonly syncedBytes: number;
  /** Lets the files go. To be called exactly once. */
  release(): void;
}
