/**
 * Everything of one instant, as a tree of hard links that nothing changes any more.
 *
 * @module
 */
import { IoError, RequestError } from "../base/errors.ts";
import type { Engine } from "../engine/engine.ts";
import { refuseUnlessWhole } from "../engine/hydration.ts";
import type { SnapshotShardReport } from "../engine/messages.ts";
import type { FileSystem } from "../os/fs.ts";
import { removeTree } from "./trees.ts";

/** How often linking begins anew because an index came or went meanwhile. */
const LINK_ATTEMPTS = 5;

/**
 * Links every file into a folder that then looks as the data directory does; what it held before goes.
 *
 * @returns The last LSN that is in it, and what each shard says of its part. @throws {RequestError} 409 while a lazy restore goes on. @throws {IoError}
 */
export async function linkTree(
  engine: Engine,
  fs: FileSystem,
  tree: string,
): Promise<{ readonly lsn: number; readonly shards: readonly SnapshotShardReport[] }> {
  refuseUnlessWhole(engine.hydration);
  for (let attempt = 1;; attempt++) {
    removeTree(fs, tree);
    try {
      let shards: readonly SnapshotShardReport[] = [];
      const { lsn } = await engine.linkAll(tree, (reports) => shards = reports);
      return { lsn, shards };
    } catch (error) {
      const mayPass = (error instanceof RequestError && error.type === "unavailable_shards_exception") ||
        (error instanceof IoError && error.code === "ENOENT");
      if (attempt === LINK_ATTEMPTS || !mayPass) throw error;
    }
  }
}
