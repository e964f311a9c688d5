/**
 * Out of the way, and never deleted: `aside/` is not read, and its numbers count.
 *
 * @module
 */
import { IoError } from "../../base/errors.ts";
import type { FileSystem } from "../../os/fs.ts";
import type { Poison } from "../../wal/poison.ts";
import { makeDirectoryDurably } from "../../wal/staged_file.ts";
import { asideFolder } from "../store_names.ts";

/**
 * Moves files or folders of a shard into its `aside/`, under their own names or, where one is taken, with a number
 * behind it; durable when this returns.
 *
 * @returns Where they are now.
 * @throws {IoError}
 */
export function moveAside(
  fs: FileSystem,
  directory: string,
  { paths, poison }: { readonly paths: readonly string[]; readonly poison: Poison },
): string[] {
  if (paths.length === 0) return [];
  const folder = asideFolder(directory);
  makeDirectoryDurably(fs, folder, poison);
  const parents = new Set([folder]);
  const targets = paths.map((path) => {
    const slash = path.lastIndexOf("/");
    const target = freeName(fs, `${folder}/${path.slice(slash + 1)}`);
    fs.rename(path, target);
    parents.add(path.slice(0, slash));
    return target;
  });
  for (const parent of parents) poison.guard(() => fs.syncDirectory(parent));
  return targets;
}

function freeName(fs: FileSystem, path: string): string {
  if (!fs.exists(path)) return path;
  for (let attempt = 1; attempt < 1000; attempt++) {
    if (!fs.exists(`${path}.${attempt}`)) return `${path}.${attempt}`;
  }
  throw new IoError("move aside", path, new Error("a thousand files of that name are there"));
}
