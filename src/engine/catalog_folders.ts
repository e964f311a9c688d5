/**
 * What do the index folders say for themselves? Presence of what the catalogue lists, and folders that it does not
 * name.
 *
 * @module
 */
import type { CatalogEntry } from "../format/catalog.ts";
import {
  MANIFEST_FOLDER,
  type NumberedKind,
  parseNumberedName,
  parseShardFolder,
  shardFolder,
  WAL_FOLDER,
} from "../format/file_names.ts";
import type { Manifest } from "../format/manifest.ts";
import type { FileSystem } from "../os/fs.ts";
import { findManifests, type NextNumbers, readManifest, takeInventory } from "../shard/store_inventory.ts";
import { mayBeOf } from "../wal/generation_file.ts";

/** Folders of an index's shards. */
export function shardFolders(directory: string, shards: number): string[] {
  if (shards === 1) return [directory];
  return Array.from({ length: shards }, (_, shard) => `${directory}/${shardFolder(shard)}`);
}

/**
 * Whether any file of an incarnation is there, a stub too. A file that cannot be read may be one of it, and counts:
 * only what is wholly absent may be passed over.
 */
export function isPresent(
  fs: FileSystem,
  dataDir: string,
  { name, shards, incarnation }: CatalogEntry,
): boolean {
  return shardFolders(`${dataDir}/${name}`, shards).some((directory) =>
    numbered(fs, `${directory}/${MANIFEST_FOLDER}`, "manifest").some(({ path, number }) => {
      const found = readManifest(fs, path, number);
      return found.kind === "unreadable" || found.manifest.incarnation === incarnation;
    }) ||
    numbered(fs, `${directory}/${WAL_FOLDER}`, "generation").some(({ path }) =>
      mayBeOf(fs, path, incarnation)
    )
  );
}

/** Finished files of a kind, newest first; an absent folder holds none. */
function numbered(fs: FileSystem, folder: string, kind: NumberedKind): { path: string; number: number }[] {
  if (!fs.exists(folder)) return [];
  return fs.list(folder).flatMap(({ name }) => {
    const parsed = parseNumberedName(name);
    return parsed?.kind === kind && !parsed.staged
      ? [{ path: `${folder}/${name}`, number: parsed.number }]
      : [];
  }).sort((a, b) => b.number - a.number);
}

/** Next free numbers over all shard folders of a name. */
export function numbersOf(fs: FileSystem, dataDir: string, entry: CatalogEntry): NextNumbers {
  const next: NextNumbers = { generation: 1, manifest: 1, segment: 1 };
  shardFolders(`${dataDir}/${entry.name}`, entry.shards).forEach((directory, shard) => {
    const identity = { indexUuid: entry.uuid, incarnation: entry.incarnation, shard };
    const numbers = takeInventory(fs, directory, { identity }).next;
    next.generation = Math.max(next.generation, numbers.generation);
    next.manifest = Math.max(next.manifest, numbers.manifest);
    next.segment = Math.max(next.segment, numbers.segment);
  });
  return next;
}

export type FoundFolder =
  | { readonly kind: "whole"; readonly entry: CatalogEntry }
  | { readonly kind: "deleted" }
  | { readonly kind: "partial"; readonly reason: string }
  /** Not an index at all. */
  | { readonly kind: "other" };

/** Reads a folder that the catalogue does not name. */
export function inspectFolder(fs: FileSystem, dataDir: string, name: string): FoundFolder {
  const directory = `${dataDir}/${name}`;
  const isSharded = fs.list(directory).some((entry) =>
    entry.isDirectory && parseShardFolder(entry.name) !== undefined
  );
  if (!isSharded && !fs.exists(`${directory}/${MANIFEST_FOLDER}`)) return { kind: "other" };
  const first = newestManifest(fs, isSharded ? `${directory}/${shardFolder(0)}` : directory);
  if (typeof first === "string") return { kind: "partial", reason: first };
  if (first.deleted) return { kind: "deleted" };
  for (const [shard, folder] of shardFolders(directory, first.shards).entries()) {
    const manifest = newestManifest(fs, folder);
    if (typeof manifest === "string") return { kind: "partial", reason: manifest };
    if (manifest.deleted) return { kind: "deleted" };
    if (manifest.incarnation !== first.incarnation || manifest.shard !== shard) {
      return { kind: "partial", reason: `${folder} belongs to another index or shard` };
    }
  }
  const { indexUuid: uuid, incarnation, shards, createdMs } = first;
  return { kind: "whole", entry: { name, uuid, incarnation, shards, createdMs, closed: false } };
}

/** The newest manifest of a shard's folder, or why there is none to be believed. */
function newestManifest(fs: FileSystem, directory: string): Manifest | string {
  const found = findManifests(fs, `${directory}/${MANIFEST_FOLDER}`).at(-1);
  if (!found) return `${directory} has no manifest`;
  return found.kind === "ok" ? found.manifest : found.error.message;
}

/** Folders of the data directory that may be an index, in name order. */
export function candidateFolders(fs: FileSystem, dataDir: string): string[] {
  return fs.list(dataDir)
    .filter(({ name, isDirectory }) => isDirectory && !/^[_.]/.test(name) && name !== "cluster")
    .map(({ name }) => name);
}
