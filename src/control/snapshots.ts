/**
 * Snapshots: directories below `_snapshots/` that hold the data directory as of one instant, made of hard links. Each
 * is itself a valid data directory, to be copied at leisure.
 *
 * Invariants
 * - A snapshot has its name only when all of it is durable, and loses its name before anything of it goes.
 * - Needs no pins: what is linked stays, whatever the server removes.
 *
 * @module
 */
import { assert, IoError, RequestError } from "../base/errors.ts";
import { Turn } from "../base/turn.ts";
import type { Engine } from "../engine/engine.ts";
import type { LinkedFiles } from "../engine/link_all.ts";
import { refuseUnlessWhole } from "../engine/hydration.ts";
import { META_FOLDER, STAGED_SUFFIX } from "../format/file_names.ts";
import { BodyReader, decodeSealed, encodeSealed } from "../format/sealed_json.ts";
import type { Clock, FileSystem } from "../os/fs.ts";

export const SNAPSHOT_FOLDER = "_snapshots";
/** Says when the snapshot was made, and what was in it; nobody needs it to open one. */
const RECORD_FILE = "snapshot.json";
const DYING_SUFFIX = ".deleting";
const MAX_NAME_CHARS = 128;
/** How often a snapshot begins anew because an index came or went meanwhile. */
const ATTEMPTS = 5;

export interface SnapshotRecord extends LinkedFiles {
  readonly name: string;
  /** ms since the epoch: every write acknowledged before is in it. */
  readonly createdMs: number;
}

export interface MadeSnapshot extends SnapshotRecord {
  readonly path: string;
  readonly durationMs: number;
}

export interface ListedSnapshot extends SnapshotRecord {
  readonly path: string;
  /** Of all its files. */
  readonly bytes: number;
  /** Of files that nothing else links any more: what deleting it would give back. */
  readonly uniqueBytes: number;
}

export interface SnapshotsOptions {
  readonly engine: Engine;
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly dataDir: string;
  /** Makes all that changed below a folder durable at once; default: folder by folder. */
  readonly syncFileSystem?: (path: string) => Promise<void>;
}

export class DirectorySnapshots {
  readonly #options: SnapshotsOptions;
  readonly #folder: string;
  readonly #turn = new Turn();

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#folder = `${options.dataDir}/${SNAPSHOT_FOLDER}`;
  }

  /** Removes what an earlier process left unfinished; to be called once, when the directory is ours. @throws {IoError} */
  removeLeftovers(): void {
    const { fs } = this.#options;
    for (const { name } of fs.exists(this.#folder) ? fs.list(this.#folder) : []) {
      if (name.endsWith(STAGED_SUFFIX) || name.endsWith(DYING_SUFFIX)) {
        removeTree(fs, `${this.#folder}/${name}`);
      }
    }
  }

  /**
   * Makes a snapshot; durable when this resolves. Every write acknowledged before the call is in it.
   *
   * @throws {RequestError} 400: a bad name, or taken. 409: a lazy restore goes on. 429 `disk_full`. 503: a shard is poisoned.
   */
  create(name: string): Promise<MadeSnapshot> {
    checkSnapshotName(name);
    return this.#turn.take(async () => {
      const { fs, clock, engine } = this.#options;
      refuseUnlessWhole(engine.hydration);
      const startedMs = clock.monotonicMs();
      const path = `${this.#folder}/${name}`;
      if (fs.exists(path)) throw invalidName(name, "there is a snapshot of that name already");
      if (!fs.exists(this.#folder)) {
        fs.makeDirectory(this.#folder);
        fs.syncDirectory(this.#options.dataDir);
      }
      const staged = path + STAGED_SUFFIX;
      const createdMs = Math.floor(clock.nowMs());
      try {
        const linked = await this.#link(staged);
        const record: SnapshotRecord = { name, createdMs, ...linked };
        writeFile(fs, `${staged}/${META_FOLDER}/${RECORD_FILE}`, encodeSealed("snapshot", record));
        await (this.#options.syncFileSystem ?? ((path) => syncTree(fs, path)))(staged);
        fs.rename(staged, path);
        fs.syncDirectory(this.#folder);
        return { ...record, path, durationMs: clock.monotonicMs() - startedMs };
      } catch (error) {
        removeTree(fs, staged);
        throw explained(error);
      }
    });
  }

  /** Links everything; begins anew when an index went while it did. */
  async #link(staged: string): Promise<LinkedFiles> {
    const { fs, engine } = this.#options;
    for (let attempt = 1;; attempt++) {
      removeTree(fs, staged);
      try {
        return await engine.linkAll(staged);
      } catch (error) {
        if (attempt === ATTEMPTS || !mayPass(error)) throw error;
      }
    }
  }

  /** All snapshots, by name. @throws {IoError} */
  list(): ListedSnapshot[] {
    const { fs } = this.#options;
    if (!fs.exists(this.#folder)) return [];
    return fs.list(this.#folder).flatMap(({ name, isDirectory }) =>
      isDirectory && isSnapshotName(name) ? [this.#describe(name)] : []
    );
  }

  /** @throws {RequestError} 404 */
  get(name: string): ListedSnapshot {
    if (!this.#isThere(name)) throw missing(name);
    return this.#describe(name);
  }

  /** Removes a snapshot. Files that something else still links stay there. @throws {RequestError} 404 */
  delete(name: string): Promise<{ readonly bytes: number }> {
    return this.#turn.take(() => {
      if (!this.#isThere(name)) throw missing(name);
      const { fs } = this.#options;
      const { uniqueBytes } = this.#describe(name);
      const dying = `${this.#folder}/${name}${DYING_SUFFIX}`;
      removeTree(fs, dying);
      fs.rename(`${this.#folder}/${name}`, dying);
      fs.syncDirectory(this.#folder);
      removeTree(fs, dying);
      return { bytes: uniqueBytes };
    });
  }

  #isThere(name: string): boolean {
    return isSnapshotName(name) && this.#options.fs.exists(`${this.#folder}/${name}`);
  }

  #describe(name: string): ListedSnapshot {
    const { fs } = this.#options;
    const path = `${this.#folder}/${name}`;
    let bytes = 0;
    let uniqueBytes = 0;
    for (const file of filesBelow(fs, path)) {
      const { sizeBytes, links } = fs.stat(file);
      bytes += sizeBytes;
      if (links === 1) uniqueBytes += sizeBytes;
    }
    return { ...readRecord(fs, path, name), path, bytes, uniqueBytes };
  }
}

/** What the snapshot says of itself; one that was put there by hand says nothing. */
function readRecord(fs: FileSystem, path: string, name: string): SnapshotRecord {
  const file = `${path}/${META_FOLDER}/${RECORD_FILE}`;
  if (!fs.exists(file)) {
    const createdMs = Math.floor(fs.stat(path).modifiedMs);
    return { name, createdMs, indices: 0, shards: 0, segments: 0, lsn: 0 };
  }
  const body = new BodyReader("snapshot", decodeSealed("snapshot", fs.readFile(file)));
  return {
    name,
    createdMs: body.integer("createdMs"),
    indices: body.integer("indices"),
    shards: body.integer("shards"),
    segments: body.integer("segments"),
    lsn: body.integer("lsn"),
  };
}

function isSnapshotName(name: string): boolean {
  return name.length <= MAX_NAME_CHARS && /^[a-z0-9][a-z0-9._-]*$/.test(name) && !name.includes("..") &&
    !name.endsWith(STAGED_SUFFIX) && !name.endsWith(DYING_SUFFIX);
}

/** @throws {RequestError} 400, before any path is made of the name. */
export function checkSnapshotName(name: string): void {
  if (isSnapshotName(name)) return;
  throw invalidName(
    name.slice(0, 2 * MAX_NAME_CHARS),
    `it must be 1 to ${MAX_NAME_CHARS} of a-z, 0-9, '.', '_', '-', begin with a letter or digit, have no '..', and ` +
      `not end in ${STAGED_SUFFIX} or ${DYING_SUFFIX}`,
  );
}

function invalidName(name: string, reason: string): RequestError {
  return new RequestError(`Invalid snapshot name [${name}], ${reason}`, {
    status: 400,
    type: "invalid_snapshot_name_exception",
  });
}

function missing(name: string): RequestError {
  return new RequestError(`[${name.slice(0, 2 * MAX_NAME_CHARS)}] is missing`, {
    status: 404,
    type: "snapshot_missing_exception",
  });
}

/** An index that was deleted, or whose files were released, while they were linked. */
function mayPass(error: unknown): boolean {
  return (error instanceof RequestError && error.type === "unavailable_shards_exception") ||
    (error instanceof IoError && error.code === "ENOENT");
}

function explained(error: unknown): unknown {
  if (!(error instanceof IoError)) return error;
  if (error.code === "ENOSPC" || error.code === "EDQUOT") {
    return new RequestError(`no space left for a snapshot: ${error.message}`, {
      status: 429,
      type: "disk_full",
      headers: { "Retry-After": "1" },
    });
  }
  if (error.code !== "EXDEV" && error.code !== "EPERM") return error;
  return new RequestError(
    `a snapshot is made of hard links, which this data directory does not allow: ${error.message}`,
    { status: 501, type: "not_supported_exception" },
  );
}

function writeFile(fs: FileSystem, path: string, bytes: Uint8Array): void {
  const file = fs.create(path);
  try {
    file.write(bytes);
  } finally {
    file.close();
  }
}

/** The record and all folders; what else there is was on disk before it was linked. */
function syncTree(fs: FileSystem, path: string): Promise<void> {
  const record = fs.openAppend(`${path}/${META_FOLDER}/${RECORD_FILE}`);
  try {
    record.sync();
  } finally {
    record.close();
  }
  syncFolders(fs, path);
  return Promise.resolve();
}

/** Inner ones before outer ones. */
function syncFolders(fs: FileSystem, path: string): void {
  for (const { name, isDirectory } of fs.list(path)) if (isDirectory) syncFolders(fs, `${path}/${name}`);
  fs.syncDirectory(path);
}

function* filesBelow(fs: FileSystem, path: string): Generator<string> {
  for (const { name, isDirectory } of fs.list(path)) {
    if (isDirectory) yield* filesBelow(fs, `${path}/${name}`);
    else yield `${path}/${name}`;
  }
}

/** Removes a folder below `_snapshots/` with all that is in it. */
function removeTree(fs: FileSystem, path: string): void {
  assert(path.includes(`/${SNAPSHOT_FOLDER}/`), `${path} is a snapshot's`);
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
