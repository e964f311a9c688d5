/**
 * When do a deleted index's files go? Its data after the retention; stubs and the last manifest, which tell slow copies
 * that it was deleted, after 30 days.
 *
 * @module
 */
import type { DeletedIncarnation } from "../format/catalog.ts";
import { MANIFEST_FOLDER, parseNumberedName, parseShardFolder, WAL_FOLDER } from "../format/file_names.ts";
import type { FileSystem } from "../os/fs.ts";
import { findManifests } from "../shard/store_inventory.ts";
import { removeSegmentFolder } from "../shard/store_segments.ts";
import { findGenerations } from "../wal/generation_file.ts";
import type { Poison } from "../wal/poison.ts";
import { replaceByStub } from "../wal/stub.ts";

/** Shard folders that are there under an index's name: itself, or its parts. */
function foldersOf(fs: FileSystem, directory: string): string[] {
  if (!fs.exists(directory)) return [];
  const parts = fs.list(directory)
    .filter(({ name, isDirectory }) => isDirectory && parseShardFolder(name) !== undefined)
    .map(({ name }) => `${directory}/${name}`);
  return [directory, ...parts];
}

/**
 * Removes manifests but the last, segments and log of an incarnation. What other incarnations in the same folder name
 * stays.
 *
 * @param vacant No index of that name exists: whatever nothing names goes too.
 * @param stubs The log leaves stubs, which tell slow copies that it went; false when no catalogue ever listed it.
 * @throws {IoError}
 */
export function removeDeletedData(
  fs: FileSystem,
  dataDir: string,
  { deleted: { name, incarnation }, vacant, poison, stubs: leavesStubs = true }: {
    readonly deleted: DeletedIncarnation;
    readonly vacant: boolean;
    readonly poison: Poison;
    readonly stubs?: boolean;
  },
): void {
  for (const directory of foldersOf(fs, `${dataDir}/${name}`)) {
    const manifests = findManifests(fs, `${directory}/${MANIFEST_FOLDER}`);
    const own = manifests.flatMap((found) =>
      found.kind === "ok" && found.manifest.incarnation === incarnation ? [found] : []
    );
    const others = manifests.filter((found) =>
      found.kind === "ok" && found.manifest.incarnation !== incarnation
    );
    const kept = new Set(
      others.flatMap((found) =>
        found.kind === "ok" ? found.manifest.segments.map(({ number }) => number) : []
      ),
    );
    const named = new Set(own.flatMap(({ manifest }) => manifest.segments.map(({ number }) => number)));
    for (const { path } of own.slice(0, -1)) fs.unlink(path);
    if (own.length > 1) poison.guard(() => fs.syncDirectory(`${directory}/${MANIFEST_FOLDER}`));
    const alone = vacant && manifests.length === own.length;
    for (const entry of fs.list(directory)) {
      const parsed = parseNumberedName(entry.name);
      if (parsed?.kind !== "segment" || kept.has(parsed.number)) continue;
      if (alone || (!parsed.staged && named.has(parsed.number))) {
        removeSegmentFolder(fs, `${directory}/${entry.name}`);
      }
    }
    const wal = `${directory}/${WAL_FOLDER}`;
    let stubs = 0;
    for (const found of findGenerations(fs, wal).generations) {
      if (found.kind !== "body" || found.head.incarnation !== incarnation) continue;
      if (leavesStubs) replaceByStub(fs, found, poison);
      else fs.unlink(found.path);
      stubs++;
    }
    if (stubs > 0) poison.guard(() => fs.syncDirectory(wal));
    poison.guard(() => fs.syncDirectory(directory));
  }
}

/**
 * Removes what `removeDeletedData` left, durably, and the folders if nothing else is in them.
 *
 * @throws {IoError}
 */
export function removeDeletedTraces(
  fs: FileSystem,
  dataDir: string,
  { deleted: { name, incarnation }, vacant, poison }: {
    readonly deleted: DeletedIncarnation;
    readonly vacant: boolean;
    readonly poison: Poison;
  },
): void {
  const folders = foldersOf(fs, `${dataDir}/${name}`);
  for (const directory of folders) {
    for (const found of findManifests(fs, `${directory}/${MANIFEST_FOLDER}`)) {
      if (found.kind === "ok" && found.manifest.incarnation === incarnation) fs.unlink(found.path);
    }
    for (const found of findGenerations(fs, `${directory}/${WAL_FOLDER}`).generations) {
      if (found.kind === "stub" && found.head.incarnation === incarnation) fs.unlink(found.path);
    }
    // A manifest that a power cut brings back would be taken for a folder that was put back.
    const manifests = `${directory}/${MANIFEST_FOLDER}`;
    if (fs.exists(manifests)) poison.guard(() => fs.syncDirectory(manifests));
  }
  if (!vacant) return;
  for (const directory of folders.toReversed()) {
    for (const folder of [`${directory}/${MANIFEST_FOLDER}`, `${directory}/${WAL_FOLDER}`, directory]) {
      if (fs.exists(folder) && fs.list(folder).length === 0) fs.removeDirectory(folder);
    }
  }
}
