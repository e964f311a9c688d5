/**
 * Nothing has its final name while it is unfinished: files are written under a staged name, synced, renamed, and the
 * directory is synced.
 *
 * @module
 */
import { STAGED_SUFFIX } from "../format/file_names.ts";
import type { FileSystem } from "../os/fs.ts";
import type { Poison } from "./poison.ts";

/**
 * Makes `<directory>/<name>` durable in one step. The caller owns `name`: a file of that name is replaced.
 *
 * @throws {IoError} A full disk leaves all as it was; any other failure poisons.
 */
export function writeDurably(
  fs: FileSystem,
  directory: string,
  { name, bytes, poison }: { readonly name: string; readonly bytes: Uint8Array; readonly poison: Poison },
): void {
  stageFile(fs, `${directory}/${name}${STAGED_SUFFIX}`, { bytes: [bytes], poison });
  poison.guard(() => {
    fs.rename(`${directory}/${name}${STAGED_SUFFIX}`, `${directory}/${name}`);
    fs.syncDirectory(directory);
  });
}

/** Writes and syncs a new file, replacing a leftover of the same staged name. */
export function stageFile(
  fs: FileSystem,
  path: string,
  { bytes, poison }: { readonly bytes: Iterable<Uint8Array>; readonly poison: Poison },
): void {
  poison.guardWrite(() => {
    if (fs.exists(path)) fs.unlink(path);
  });
  let whole = false;
  const file = poison.guardWrite(() => fs.create(path));
  try {
    poison.guardWrite(() => {
      for (const piece of bytes) file.write(piece);
    });
    poison.guard(() => file.sync());
    whole = true;
  } finally {
    file.close();
    // What did not fit gives its room back; a poisoned disk is left alone.
    if (!whole && !poison.cause) poison.guard(() => fs.unlink(path));
  }
}

/** Makes `path` and what is missing above it, each entry durable in its parent. */
export function makeDirectoryDurably(fs: FileSystem, path: string, poison: Poison): void {
  if (fs.exists(path)) return;
  const slash = path.lastIndexOf("/");
  const parent = slash < 0 ? "." : slash === 0 ? "/" : path.slice(0, slash);
  makeDirectoryDurably(fs, parent, poison);
  poison.guardWrite(() => fs.makeDirectory(path));
  poison.guard(() => fs.syncDirectory(parent));
}
