/**
 * Restoring files of one backup into an empty directory: planned from its manifest, then fetched several at once, each
 * hashed as it lands.
 *
 * Invariants
 * - The target holds `_restoring.json` before anything else and until `finishRestore`: no server starts on less than all.
 * - A file has its name only when all of it has the backup's hash and is on disk.
 * - Nothing that was there before is written to, and nothing is written outside of the target.
 * - The same restore again keeps what is there already: whole files by hash, and what a broken-off one brought of others.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { assert, CorruptionError, IoError } from "../base/errors.ts";
import { STAGED_SUFFIX } from "../format/file_names.ts";
import { BodyReader, decodeSealed, encodeSealed } from "../format/sealed_json.ts";
import { StoreError } from "../objectstore/store.ts";
import type { FileSystem, OpenFile } from "../os/fs.ts";
import { pause } from "../os/pause.ts";
import { BLOCK_BYTES } from "./content.ts";
import { RepositoryError } from "./error.ts";
import { fetchPiece, RANGE_BYTES } from "./fetch_piece.ts";
import type { ListedBackup } from "./head.ts";
import type { BackupEntry, BackupManifest } from "./manifest.ts";
import { isSafePath } from "./names.ts";
import { Budget, forEachParallel } from "./parallel.ts";
import { findBackup, type Repository } from "./repository.ts";
import { select, type Selected, type Selection } from "./selection.ts";

/** Lies in a directory that is being restored into: no server may start there. */
export const RESTORING_FILE = "_restoring.json";

const PARALLEL_FILES = 4;
/** Requests under way; each holds at most 8 MiB. */
const PARALLEL_REQUESTS = 8;
/** How much is written before the disk is told to begin with it, so that the sync at a file's end waits for little. */
const WRITEBACK_BYTES = 8 * 1024 * 1024;

export interface RestoreSelection extends Selection {
  /** Default "latest": the one that was published last. */
  readonly backup?: string;
  /** "latest" is of this series; undefined: of all that the repository holds, other servers' too. */
  readonly series?: string;
  readonly signal?: AbortSignal;
}

export interface RestorePlan extends Selected {
  readonly repository: Repository;
  readonly backup: ListedBackup;
  readonly manifest: BackupManifest;
  /** Of all files, as they will lie on disk. */
  readonly bytes: number;
  /** To be fetched. */
  readonly fetchBytes: number;
  /** GET requests that take them, without retries. */
  readonly requests: number;
}

export interface RestoreProgress {
  readonly filesDone: number;
  readonly filesTotal: number;
  /** Of files that are done. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Stored bytes that came from the repository. */
  readonly fetchedBytes: number;
}

export interface RestoreOptions {
  /** An absolute path: a new or empty directory, or one where the same restore was broken off. */
  readonly to: string;
  readonly fs: FileSystem;
  /** Files at once; default 4. */
  readonly parallel?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RestoreProgress) => void;
}

export interface RestoreOutcome {
  readonly files: number;
  readonly bytes: number;
  /** Whole files that were there already. */
  readonly filesKept: number;
  /** Stored bytes that came from the repository. */
  readonly fetchedBytes: number;
  readonly durationMs: number;
}

/**
 * Reads the backup's manifest and decides what a restore fetches; nothing is written.
 *
 * @throws {RepositoryError} "no_backup", "damaged", "selection" @throws {StoreError}
 */
export async function planRestore(repository: Repository, selection: RestoreSelection): Promise<RestorePlan> {
  const { head } = await repository.readHead(selection.signal);
  const { backup: id = "latest", series } = selection;
  const backups = id === "latest" && series !== undefined
    ? head.backups.filter((backup) => backup.series === series)
    : head.backups;
  const backup = findBackup({ backups }, id, repository.place);
  const manifest = await repository.readManifest(backup, selection.signal);
  const selected = select(manifest, selection);
  const pieces = selected.files.flatMap(({ entry }) => entry.pieces);
  return {
    repository,
    backup,
    manifest,
    ...selected,
    bytes: selected.files.reduce((sum, { entry }) => sum + entry.bytes, 0),
    fetchBytes: pieces.reduce((sum, { bytes }) => sum + bytes, 0),
    requests: pieces.reduce((sum, { bytes }) => sum + Math.ceil(bytes / RANGE_BYTES), 0),
  };
}

/**
 * Brings all files of the plan below `to`; all are on disk when this resolves. `to` keeps its marker: see
 * `finishRestore`.
 *
 * @throws {RepositoryError} "target": `to` holds something else. @throws {StoreError} "damaged", "missing": an object.
 * @throws {IoError}
 */
export function restoreFiles(plan: RestorePlan, options: RestoreOptions): Promise<RestoreOutcome> {
  return new Restore(plan, options).run();
}

/**
 * Makes a directory that was restored into a data directory: gives it its name, if it is to have another, and takes the
 * marker away. Idempotent: goes on where a crash broke it off.
 *
 * @param staging What `restoreFiles` filled. @param target Its final path; nothing may be there. The same as `staging`:
 * it has its name already.
 * @throws {RepositoryError} "target" @throws {IoError}
 */
export function finishRestore(
  fs: FileSystem,
  { staging, target }: { staging: string; target: string },
): void {
  if (staging !== target && fs.exists(staging)) {
    if (fs.exists(target)) {
      if (fs.list(target).length > 0) throw refusedTarget(target, "it is not empty");
      fs.removeDirectory(target);
    }
    fs.rename(staging, target);
    fs.syncDirectory(parentOf(staging));
    fs.syncDirectory(parentOf(target));
  }
  const marker = `${target}/${RESTORING_FILE}`;
  if (fs.exists(marker)) fs.unlink(marker);
  fs.syncDirectory(target);
}

class Restore {
  readonly #plan: RestorePlan;
  readonly #options: RestoreOptions;
  readonly #requests = new Budget(PARALLEL_REQUESTS);
  readonly #folders = new Set<string>();
  #filesDone = 0;
  #filesKept = 0;
  #bytesDone = 0;
  #fetchedBytes = 0;

  constructor(plan: RestorePlan, options: RestoreOptions) {
    this.#plan = plan;
    this.#options = options;
  }

  async run(): Promise<RestoreOutcome> {
    const { fs, to, parallel = PARALLEL_FILES, signal } = this.#options;
    const { clock } = this.#plan.repository;
    const startedMs = clock.monotonicMs();
    this.#claimTarget();
    const limits = { limit: parallel, ...(signal ? { signal } : {}) };
    await forEachParallel(this.#plan.files, limits, async ({ entry, path }, signal) => {
      await this.#restore(entry, path, signal);
      this.#filesDone++;
      this.#bytesDone += entry.bytes;
      this.#tell();
    });
    // Inner folders first: a folder's entry is durable only with its parent's.
    for (const folder of [...this.#folders].sort((a, b) => b.length - a.length)) fs.syncDirectory(folder);
    fs.syncDirectory(to);
    return {
      files: this.#plan.files.length,
      bytes: this.#plan.bytes,
      filesKept: this.#filesKept,
      fetchedBytes: this.#fetchedBytes,
      durationMs: clock.monotonicMs() - startedMs,
    };
  }

  /** Makes the target ours: empty with our marker, or what an earlier run of the same restore left. */
  #claimTarget(): void {
    const { fs, to } = this.#options;
    const { repository, backup, files } = this.#plan;
    const paths = createHash("sha256");
    for (const { path } of files) paths.update(`${path}\n`);
    const record = {
      repositoryId: repository.id,
      backup: backup.id,
      manifest: backup.sha256,
      paths: paths.digest("hex"),
    };
    const marker = `${to}/${RESTORING_FILE}`;
    if (fs.exists(to) && fs.exists(marker)) {
      if (isSameRestore(fs.readFile(marker), record)) return;
      throw refusedTarget(to, "another restore was begun there");
    }
    const isMade = fs.exists(to);
    if (isMade && fs.list(to).some(({ name }) => name !== RESTORING_FILE + STAGED_SUFFIX)) {
      throw refusedTarget(to, "it is not empty");
    }
    fs.makeDirectory(to);
    if (!isMade) fs.syncDirectory(parentOf(to));
    removeFile(fs, marker + STAGED_SUFFIX);
    writeFile(fs, marker + STAGED_SUFFIX, encodeSealed("restoring", record));
    fs.rename(marker + STAGED_SUFFIX, marker);
    fs.syncDirectory(to);
  }

  async #restore(entry: BackupEntry, path: string, signal: AbortSignal): Promise<void> {
    const { fs, to } = this.#options;
    assert(isSafePath(path), "a selected path stays below the target");
    const target = `${to}/${path}`;
    this.#makeFolders(path);
    if (fs.exists(target)) {
      if (await hasHash(fs, target, entry)) {
        this.#filesKept++;
        return;
      }
      fs.unlink(target);
    }
    const staged = target + STAGED_SUFFIX;
    if (entry.inline !== undefined) {
      removeFile(fs, staged);
      if (sha256Of(entry.inline) !== entry.sha256) throw this.#wrongHash(entry);
      writeFile(fs, staged, entry.inline);
    } else {
      await this.#fetch(entry, staged, signal);
    }
    fs.rename(staged, target);
  }

  /** Fetches a file into `staged`, behind what an earlier run left there. */
  async #fetch(entry: BackupEntry, staged: string, signal: AbortSignal): Promise<void> {
    const { fs } = this.#options;
    const isBegun = fs.exists(staged);
    const file = isBegun ? fs.openAppend(staged) : fs.create(staged);
    let isWhole = false;
    try {
      const there = isBegun ? file.size() : 0;
      isWhole = there <= entry.bytes && await this.#append(entry, { file, there, signal });
      if (isWhole) await file.syncDataAsync();
    } finally {
      file.close();
    }
    if (isWhole) return;
    // What is there is not this file's beginning, or what came is not what was stored.
    fs.unlink(staged);
    if (!isBegun) throw this.#wrongHash(entry);
    await this.#fetch(entry, staged, signal);
  }

  /**
   * @returns Whether each piece has its hash. Of a file in several pieces that says all that the file's own hash would: the
   * backup made both from the same bytes, and which piece is where stands in the manifest beside the hashes.
   */
  async #append(
    entry: BackupEntry,
    { file, there, signal }: { file: OpenFile; there: number; signal: AbortSignal },
  ): Promise<boolean> {
    const { repository } = this.#plan;
    let offset = 0;
    let unwritten = 0;
    for (const piece of entry.pieces) {
      const hash = createHash("sha256");
      const kept = Math.min(piece.plainBytes, Math.max(0, there - offset));
      await hashRange(file, { offset, length: kept }, hash);
      let size = kept;
      if (kept < piece.plainBytes) {
        const onFetched = (bytes: number) => {
          this.#fetchedBytes += bytes;
          this.#tell();
        };
        const options = { requests: this.#requests, signal, onFetched };
        for await (const bytes of fetchPiece(repository, piece, kept, options)) {
          size += bytes.length;
          if (size > piece.plainBytes) return false;
          // Written by another thread while this one hashes.
          const written = file.writeAsync(bytes);
          for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
            hash.update(bytes.subarray(at, at + BLOCK_BYTES));
          }
          await written;
          unwritten += bytes.length;
          if (unwritten >= WRITEBACK_BYTES) {
            file.startWriteback();
            unwritten = 0;
          }
        }
      }
      if (size !== piece.plainBytes || hash.digest("hex") !== piece.sha256) return false;
      offset += size;
    }
    return offset === entry.bytes;
  }

  #makeFolders(path: string): void {
    const { fs, to } = this.#options;
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
      const folder = `${to}/${path.slice(0, at)}`;
      if (this.#folders.has(folder)) continue;
      fs.makeDirectory(folder);
      this.#folders.add(folder);
    }
  }

  #wrongHash(entry: BackupEntry): StoreError {
    const { repository, backup } = this.#plan;
    const objects = entry.pieces.length === 0
      ? `its bytes in ${backup.manifest}`
      : entry.pieces.map(({ object }) => object).slice(0, 3).join(", ");
    return new StoreError(
      `Cannot restore ${entry.path} of backup ${backup.id} from ${repository.place}: ${objects} ` +
        `${entry.pieces.length === 1 ? "is" : "are"} not what was backed up`,
      {
        kind: "damaged",
        hint: "`xerj backup verify --full` names all damaged objects and the backups they affect",
      },
    );
  }

  #tell(): void {
    this.#options.onProgress?.({
      filesDone: this.#filesDone,
      filesTotal: this.#plan.files.length,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#plan.bytes,
      fetchedBytes: this.#fetchedBytes,
    });
  }
}

interface MarkerRecord {
  readonly repositoryId: string;
  readonly backup: string;
  readonly manifest: string;
  /** SHA-256 over the paths that are restored. */
  readonly paths: string;
}

function isSameRestore(bytes: Uint8Array, record: MarkerRecord): boolean {
  try {
    const body = new BodyReader("restore marker", decodeSealed("restoring", bytes));
    return body.text("repositoryId") === record.repositoryId && body.text("backup") === record.backup &&
      body.text("manifest") === record.manifest && body.text("paths") === record.paths;
  } catch (error) {
    if (error instanceof CorruptionError) return false;
    throw error;
  }
}

async function hasHash(fs: FileSystem, path: string, entry: BackupEntry): Promise<boolean> {
  const { isFile, sizeBytes } = fs.stat(path);
  if (!isFile || sizeBytes !== entry.bytes) return false;
  const hash = createHash("sha256");
  const file = fs.openRead(path);
  try {
    await hashRange(file, { offset: 0, length: entry.bytes }, hash);
  } finally {
    file.close();
  }
  return hash.digest("hex") === entry.sha256;
}

async function hashRange(
  file: OpenFile,
  { offset, length }: { readonly offset: number; readonly length: number },
  hash: Hash,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(BLOCK_BYTES, length));
  for (let at = 0; at < length; at += BLOCK_BYTES) {
    const block = buffer.subarray(0, Math.min(BLOCK_BYTES, length - at));
    const read = file.readAt(block, offset + at);
    hash.update(block.subarray(0, read));
    if (block.length === BLOCK_BYTES) await pause();
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Writes and syncs. */
function writeFile(fs: FileSystem, path: string, bytes: Uint8Array): void {
  const file = fs.create(path);
  try {
    file.write(bytes);
    file.syncData();
  } finally {
    file.close();
  }
}

function removeFile(fs: FileSystem, path: string): void {
  try {
    fs.unlink(path);
  } catch (error) {
    if (!(error instanceof IoError) || error.code !== "ENOENT") throw error;
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

function refusedTarget(path: string, reason: string): RepositoryError {
  return new RepositoryError(`Cannot restore into ${path}: ${reason}`, {
    kind: "target",
    hint: "choose a new or an empty directory; what is there was not touched",
  });
}
