/**
 * Where a restore writes: a new directory comes into being beside its final place and is renamed when it is whole; an
 * empty one that is there keeps its owner, mode and mount, and is filled where it is, under the marker that stops servers.
 *
 * The marker file is also the lock: whoever restores holds it, so that of two at once one is refused.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { RepositoryError } from "../backup/error.ts";
import { RESTORING_FILE } from "../backup/restore.ts";
import { isHeld } from "../engine/instance.ts";
import { STAGED_SUFFIX } from "../format/file_names.ts";
import { BodyReader, decodeSealed } from "../format/sealed_json.ts";
import type { DirectoryLock, FileSystem } from "../os/fs.ts";

/** Behind the final name, while files come. */
export const STAGING_SUFFIX = ".restoring";

/** What a marker says. */
export interface BegunRestore {
  readonly repositoryId: string;
  /** Undefined: it is a stream's. */
  readonly backup: string | undefined;
}

export interface RestoreTarget {
  /** Where the data directory will be: absolute. */
  readonly dataDir: string;
  /** Where files are brought: beside it, or itself. */
  readonly staging: string;
  /** What an earlier run of a restore has begun there. */
  readonly begun: BegunRestore | undefined;
}

/**
 * Looks; writes nothing.
 *
 * @param path Absolute. @throws {RepositoryError} "target": something is there. @throws {IoError}
 */
export function findTarget(fs: FileSystem, path: string): RestoreTarget {
  const dataDir = path.length > 1 ? path.replace(/\/+$/, "") : path;
  const beside = dataDir + STAGING_SUFFIX;
  if (fs.exists(`${dataDir}/${RESTORING_FILE}`)) {
    return { dataDir, staging: dataDir, begun: readMarker(fs, dataDir) };
  }
  const isThere = fs.exists(dataDir);
  if (isThere && !isClear(fs, dataDir)) {
    const reason = isHeld(fs, dataDir) ? "a server runs there" : "it is not empty";
    throw refused(`Cannot restore into ${dataDir}: ${reason}`);
  }
  if (fs.exists(`${beside}/${RESTORING_FILE}`)) {
    return { dataDir, staging: beside, begun: readMarker(fs, beside) };
  }
  if (!isThere && fs.exists(beside) && !isClear(fs, beside)) {
    throw refused(
      `Cannot restore into ${dataDir}: ${beside}, where its files would be brought, is not empty`,
    );
  }
  return { dataDir, staging: isThere ? dataDir : beside, begun: undefined };
}

/**
 * Takes the marker for this process; there must be one.
 *
 * @throws {RepositoryError} "target": another process restores there.
 */
export function lockTarget(fs: FileSystem, { staging }: Pick<RestoreTarget, "staging">): DirectoryLock {
  const marker = `${staging}/${RESTORING_FILE}`;
  const lock = fs.tryLock(marker);
  if (lock && fs.stat(marker).sizeBytes > 0) return lock;
  if (lock) {
    // The other one finished just now, and the lock made an empty file in its place.
    fs.unlink(marker);
    lock.release();
    throw refused(`Cannot restore into ${staging}: another process has just restored there`);
  }
  throw new RepositoryError(`Another process is restoring into ${staging}`, {
    kind: "target",
    hint: "let it finish, or stop it and run the same command again",
  });
}

/** The nearest directory that is there already: its file system will hold the files. */
export function nearestFolder(fs: FileSystem, path: string): string {
  let folder = path;
  while (!fs.exists(folder)) folder = folder.slice(0, Math.max(1, folder.lastIndexOf("/")));
  return folder;
}

/** Empty, or with what a restore leaves that died before its first file. */
function isClear(fs: FileSystem, path: string): boolean {
  return fs.stat(path).isDirectory &&
    fs.list(path).every(({ name }) => name === RESTORING_FILE + STAGED_SUFFIX);
}

function readMarker(fs: FileSystem, staging: string): BegunRestore {
  const path = `${staging}/${RESTORING_FILE}`;
  try {
    const body = new BodyReader("restore marker", decodeSealed("restoring", fs.readFile(path)));
    return {
      repositoryId: body.text("repositoryId"),
      backup: body.has("backup") ? body.text("backup") : undefined,
    };
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    throw new RepositoryError(`Cannot go on with the restore into ${staging}: ${error.message}`, {
      kind: "target",
      hint: `remove ${staging}, in which no server has ever written, and begin anew`,
    });
  }
}

function refused(message: string): RepositoryError {
  return new RepositoryError(message, {
    kind: "target",
    hint: "choose a new or an empty directory; what is there was not touched",
  });
}
