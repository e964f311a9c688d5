/**
 * Whose data directory is this? A lock keeps a second process out; `_meta/instance.json` tells a directory from its
 * copy.
 *
 * @module
 */
import { utf8Text } from "../base/bytes.ts";
import { CorruptionError, IoError } from "../base/errors.ts";
import { decodeInstance, type Instance } from "../format/catalog.ts";
import { META_FOLDER } from "../format/file_names.ts";
import type { DirectoryLock, FileSystem } from "../os/fs.ts";
import { OpenRefusedError } from "../wal/refused.ts";

export const LOCK_FILE = "LOCK";
export const INSTANCE_FILE = "instance.json";

/**
 * Takes the data directory for this process.
 *
 * @throws {OpenRefusedError} `locked`, with the holder's process id if the system tells.
 */
export function lockDirectory(fs: FileSystem, dataDir: string): DirectoryLock {
  const path = `${dataDir}/${LOCK_FILE}`;
  const lock = fs.tryLock(path);
  if (lock) return lock;
  const holder = lockHolder(fs, path);
  const who = holder === undefined ? "another process" : `process ${holder}`;
  throw new OpenRefusedError("locked", `the data directory ${dataDir} is in use by ${who}`, [path]);
}

/** Process id of whoever holds an flock on `path`, from the kernel's list; undefined where there is none. */
function lockHolder(fs: FileSystem, path: string): number | undefined {
  try {
    const inode = String(fs.stat(path).inode);
    for (const line of utf8Text(fs.readFile("/proc/locks")).split("\n")) {
      const [, kind, , , pid, place] = line.trim().split(/\s+/);
      if (kind === "FLOCK" && place?.split(":").at(-1) === inode && Number(pid) > 0) return Number(pid);
    }
  } catch (error) {
    if (!(error instanceof IoError)) throw error;
  }
  return undefined;
}

/** Whether any process holds the data directory, as far as the kernel tells; takes and makes nothing. */
export function isHeld(fs: FileSystem, dataDir: string): boolean {
  const path = `${dataDir}/${LOCK_FILE}`;
  try {
    const inode = String(fs.stat(path).inode);
    return utf8Text(fs.readFile("/proc/locks")).split("\n").some((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[1] === "FLOCK" && fields[5]?.split(":").at(-1) === inode;
    });
  } catch (error) {
    if (!(error instanceof IoError)) throw error;
    return false;
  }
}

/** What `instance.json` should say here and now, under the given id. */
export function currentInstance(
  fs: FileSystem,
  dataDir: string,
  { id, machineId }: { readonly id: string; readonly machineId: string },
): Instance {
  const { inode, birthTimeMs } = fs.stat(`${dataDir}/${LOCK_FILE}`);
  return { id, lockInode: String(inode), lockBirthMs: Math.floor(birthTimeMs), machineId };
}

/** What it says; undefined: there is none that can be read, as in a restored snapshot. */
export function readInstance(fs: FileSystem, dataDir: string): Instance | undefined {
  const path = `${dataDir}/${META_FOLDER}/${INSTANCE_FILE}`;
  if (!fs.exists(path)) return undefined;
  try {
    return decodeInstance(fs.readFile(path));
  } catch (error) {
    // Taking the directory for a copy is always safe.
    if (error instanceof CorruptionError) return undefined;
    throw error;
  }
}

export function isSamePlace(a: Instance, b: Instance): boolean {
  return a.lockInode === b.lockInode && a.lockBirthMs === b.lockBirthMs && a.machineId === b.machineId;
}
