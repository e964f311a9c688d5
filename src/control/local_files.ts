/**
 * Files of a data directory that may hold what a repository has lost: segments, manifests, ended logs, snapshots. A
 * server may be at work on it: what never changes is listed, and may be gone when it is read.
 *
 * @module
 */
import { CorruptionError, IoError } from "../base/errors.ts";
import type { BackupFile } from "../backup/back_up.ts";
import { MANIFEST_FOLDER, META_FOLDER, segmentName } from "../format/file_names.ts";
import { decodeManifest, SEGMENT_FILE_NAMES } from "../format/manifest.ts";
import type { FileSystem } from "../os/fs.ts";
import { BACKUP_FOLDER } from "./backups.ts";
import { RESTORE_FOLDER } from "./restores.ts";

/** Never in a backup. */
const SKIPPED = new Set([
  BACKUP_FOLDER,
  RESTORE_FOLDER,
  "LOCK",
  "admin.key",
  "cluster",
  `${META_FOLDER}/instance.json`,
]);

/** With the hashes that manifests give, so that only what is wanted has to be read. @throws {IoError} But for ENOENT. */
export function localFiles(fs: FileSystem, dataDir: string): BackupFile[] {
  const files: BackupFile[] = [];
  const hashes = new Map<string, string>();
  const walk = (path: string): void => {
    const folder = path === "" ? dataDir : `${dataDir}/${path}`;
    const entries = ifThere(() => fs.list(folder)) ?? [];
    if (entries.some(({ name }) => name === MANIFEST_FOLDER)) addHashes(fs, { dataDir, path, hashes });
    for (const { name, isDirectory, isFile } of entries) {
      const inner = path === "" ? name : `${path}/${name}`;
      if (SKIPPED.has(inner)) continue;
      if (isDirectory) walk(inner);
      else if (isFile) {
        const source = `${dataDir}/${inner}`;
        const found = ifThere(() => fs.stat(source));
        if (!found) continue;
        const sha256 = hashes.get(inner);
        files.push({
          path: inner,
          source,
          sizeBytes: found.sizeBytes,
          ...(sha256 === undefined ? {} : { sha256 }),
        });
      }
    }
  };
  walk("");
  return files;
}

function addHashes(
  fs: FileSystem,
  { dataDir, path, hashes }: {
    readonly dataDir: string;
    readonly path: string;
    readonly hashes: Map<string, string>;
  },
): void {
  const folder = `${dataDir}/${path}/${MANIFEST_FOLDER}`;
  for (const { name } of ifThere(() => fs.list(folder)) ?? []) {
    const bytes = ifThere(() => fs.readFile(`${folder}/${name}`));
    if (!bytes) continue;
    try {
      for (const { number, files } of decodeManifest(bytes).segments) {
        for (const file of SEGMENT_FILE_NAMES) {
          hashes.set(`${path}/${segmentName(number)}/${file}`, files[file].sha256);
        }
      }
    } catch (error) {
      // Damaged, or a staged one: the segments' own bytes will tell what they are.
      if (!(error instanceof CorruptionError)) throw error;
    }
  }
}

function ifThere<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof IoError && error.code === "ENOENT") return undefined;
    throw error;
  }
}
