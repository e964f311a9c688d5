/**
 * Folders that are the server's own scratch space: removed as a whole.
 *
 * @module
 */
import { assert, IoError } from "../base/errors.ts";
import type { FileSystem } from "../os/fs.ts";

/** Removes a folder below one of `_backups/`, `_restores/`, `_drills/` with all that is in it; none there is fine. @throws {IoError} */
export function removeTree(fs: FileSystem, path: string): void {
  assert(/\/_(backups|restores|drills)\//.test(path), `${path} is scratch space`);
  if (!fs.exists(path)) return;
  for (const { name } of fs.list(path)) {
    if (!unlinked(fs, `${path}/${name}`)) removeTree(fs, `${path}/${name}`);
  }
  fs.removeDirectory(path);
}

/** Unlinks anything but a directory; a symbolic link to one is removed, never followed. */
function unlinked(fs: FileSystem, path: string): boolean {
  try {
    fs.unlink(path);
    return true;
  } catch (error) {
    if (error instanceof IoError && error.code === "EISDIR") return false;
    throw error;
  }
}
