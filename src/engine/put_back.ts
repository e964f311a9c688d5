/**
 * What does a folder that was put into the data directory hold? Reads; writes nothing.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { CatalogEntry } from "../format/catalog.ts";
import { MANIFEST_FOLDER, parseShardFolder, shardFolder } from "../format/file_names.ts";
import type { Manifest } from "../format/manifest.ts";
import type { FileSystem } from "../os/fs.ts";
import { findManifests } from "../shard/store_inventory.ts";
import { shardFolders } from "./catalog_folders.ts";

/**
 * The newest incarnation of which every shard is there, deleted or not: whoever asks for it wants it back.
 *
 * @throws {RequestError} 404: there is no such folder. 400: it holds no whole index.
 */
export function inspectPutBack(fs: FileSystem, dataDir: string, name: string): CatalogEntry {
  const directory = `${dataDir}/${name}`;
  if (!fs.exists(directory) || !fs.stat(directory).isDirectory) {
    throw new RequestError(`there is no folder [${name}] in the data directory`, {
      status: 404,
      type: "index_not_found_exception",
      details: { index: name },
    });
  }
  const isSharded = fs.list(directory).some((entry) =>
    entry.isDirectory && parseShardFolder(entry.name) !== undefined
  );
  const candidates = newestFirst(fs, isSharded ? `${directory}/${shardFolder(0)}` : directory);
  for (const first of candidates) {
    const { indexUuid: uuid, incarnation, shards, createdMs } = first;
    const whole = shardFolders(directory, shards).every((folder, shard) =>
      newestFirst(fs, folder).some((manifest) =>
        manifest.incarnation === incarnation && manifest.shard === shard && manifest.shards === shards
      )
    );
    if (whole) return { name, uuid, incarnation, shards, createdMs, closed: false };
  }
  throw new RequestError(
    candidates.length === 0
      ? `the folder [${name}] holds no manifest that can be read, of an index that is not deleted`
      : `the folder [${name}] lacks shards: manifest ${candidates[0]!.number} is one of ${
        candidates[0]!.shards
      }`,
    { status: 400, type: "illegal_argument_exception", details: { index: name } },
  );
}

/** Readable manifests of a shard's folder, but those that say that the index was deleted. */
function newestFirst(fs: FileSystem, directory: string): Manifest[] {
  return findManifests(fs, `${directory}/${MANIFEST_FOLDER}`).toReversed().flatMap((found) =>
    found.kind === "ok" && !found.manifest.deleted ? [found.manifest] : []
  );
}
