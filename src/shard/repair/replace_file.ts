/**
 * A file that has its bytes again takes the place of the damaged one. The damaged one is kept aside; the name leads to
 * one or the other at every instant.
 *
 * What is open, mapped or hard-linked under the old inode keeps the damaged bytes: a snapshot that shares it, and a
 * process that has not mapped it anew.
 *
 * @module
 */
import type { FileSystem } from "../../os/fs.ts";
import type { Poison } from "../../wal/poison.ts";
import { makeDirectoryDurably } from "../../wal/staged_file.ts";

/** Where the file is made whole before it is put in place: on the file system of the shard, in its `aside/`. */
export function wholeName(aside: string, path: string): string {
  return `${aside}/${nameOf(path)}.restored`;
}

/** Makes the folder that holds what is kept, and what is being made whole. */
export function makeAside(fs: FileSystem, aside: string, poison: Poison): void {
  makeDirectoryDurably(fs, aside, poison);
}

/**
 * @param whole A synced file with the right bytes, at `wholeName`.
 * @returns Where the damaged one is; undefined: there was none.
 * @throws {IoError} Poisons.
 */
export function replaceFile(
  fs: FileSystem,
  path: string,
  { whole, aside, poison }: { readonly whole: string; readonly aside: string; readonly poison: Poison },
): string | undefined {
  const kept = fs.exists(path) ? freeName(fs, `${aside}/${nameOf(path)}.damaged`) : undefined;
  poison.guard(() => {
    if (kept !== undefined) fs.link(path, kept);
    fs.syncDirectory(aside);
    fs.rename(whole, path);
    fs.syncDirectory(path.slice(0, path.lastIndexOf("/")));
    fs.syncDirectory(aside);
  });
  return kept;
}

/** `<folder>-<file>`. */
function nameOf(path: string): string {
  return path.split("/").slice(-2).join("-");
}

function freeName(fs: FileSystem, path: string): string {
  let free = path;
  for (let attempt = 1; fs.exists(free); attempt++) free = `${path}.${attempt}`;
  return free;
}
