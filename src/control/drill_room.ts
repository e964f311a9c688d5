/**
 * Room for restore drills: folders below `_drills/`, each of which is somebody's for as long as he holds its lock. What
 * nobody holds was left by a process that was killed, and goes.
 *
 * @module
 */
import { assert, IoError } from "../base/errors.ts";
import type { DirectoryLock, FileSystem } from "../os/fs.ts";
import { removeTree } from "./trees.ts";

export const DRILL_FOLDER = "_drills";
/** In the data directory's drill folder, beside rooms. */
export const RECEIPT_FOLDER = "receipts";
const LOCK_FILE = "drill.lock";
const DATA_FOLDER = "data";

export interface DrillRoom {
  /** Where a data directory is to be restored; not there yet. */
  readonly dataDir: string;
  /** Removes all of it. @throws {IoError} */
  release(): void;
}

/** Names of rooms; nothing else below a folder for drills is ever touched. */
const ROOM = /^drill-[0-9a-zA-Z-]+$/;
/** Whoever cleans up may take a room that was just made for a leftover: then another try is due. */
const ATTEMPTS = 10;

/**
 * @param root The data directory, or another folder for scratch, where others may be at work too.
 * @param name Of a drill; new.
 * @throws {IoError}
 */
export function takeRoom(fs: FileSystem, root: string, name: string): DrillRoom {
  assert(ROOM.test(name), `${name} is a drill's name`);
  const room = `${root}/${DRILL_FOLDER}/${name}`;
  fs.makeDirectory(`${root}/${DRILL_FOLDER}`);
  for (let attempt = 1;; attempt++) {
    // What is restored is nobody else's to read, wherever there is room for it.
    fs.makeDirectory(room, 0o700);
    const lock = tryLock(fs, room);
    if (lock && fs.exists(`${room}/${LOCK_FILE}`)) {
      return { dataDir: `${room}/${DATA_FOLDER}`, release: () => releaseRoom(fs, room, lock) };
    }
    lock?.release();
    assert(attempt < ATTEMPTS, `nobody else uses ${room}`);
  }
}

/** undefined: somebody has it, or it is gone. @throws {IoError} */
function tryLock(fs: FileSystem, room: string): DirectoryLock | undefined {
  try {
    return fs.tryLock(`${room}/${LOCK_FILE}`);
  } catch (error) {
    if (error instanceof IoError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function releaseRoom(fs: FileSystem, room: string, lock: DirectoryLock): void {
  try {
    removeTree(fs, room);
  } finally {
    lock.release();
  }
}

/** Removes rooms that nobody holds. @returns How many. @throws {IoError} */
export function removeAbandonedRooms(fs: FileSystem, root: string): number {
  const folder = `${root}/${DRILL_FOLDER}`;
  if (!fs.exists(folder)) return 0;
  let removed = 0;
  for (const { name, isDirectory } of fs.list(folder)) {
    if (!isDirectory || !ROOM.test(name)) continue;
    if (removeAbandoned(fs, `${folder}/${name}`)) removed++;
  }
  return removed;
}

function removeAbandoned(fs: FileSystem, room: string): boolean {
  try {
    if (!fs.exists(`${room}/${LOCK_FILE}`) && fs.list(room).length > 0) return false;
    const lock = tryLock(fs, room);
    if (!lock) return false;
    releaseRoom(fs, room, lock);
    return true;
  } catch (error) {
    // Another user's, where several have their room in one folder.
    if (error instanceof IoError && (error.code === "EACCES" || error.code === "EPERM")) return false;
    throw error;
  }
}
