/**
 * Brings what a plan says into an empty directory, which the ordinary opening code then opens. Ends as the restore of a
 * backup does: with a marker that keeps a server from starting there, until `finishRestore` (`../restore.ts`).
 *
 * Invariants
 * - The target holds `_restoring.json` before anything else.
 * - A file has its name only when all of it is right and on disk.
 * - The same restore again keeps the files that are there already.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { assert, CorruptionError, IoError } from "../../base/errors.ts";
import { STAGED_SUFFIX } from "../../format/file_names.ts";
import { decodeSealed, encodeSealed } from "../../format/sealed_json.ts";
import type { FileSystem, OpenFile } from "../../os/fs.ts";
import { pause } from "../../os/pause.ts";
import { fetchPiece } from "../fetch_piece.ts";
import { isSafePath } from "../names.ts";
import { Budget, forEachParallel, throwIfCancelled } from "../parallel.ts";
import { RESTORING_FILE } from "../restore.ts";
import { StreamError } from "./error.ts";
import type { WalPiece } from "./inventory.ts";
import { lost, readObject } from "./objects.ts";
import type { PlannedFile, PlannedLog, StreamRestorePlan } from "./plan.ts";
import { bytesBefore, recordsAt } from "./records.ts";

const PARALLEL_FILES = 4;
/** Requests under way; each holds at most 8 MiB. */
const PARALLEL_REQUESTS = 8;
/** Decoded packs that are kept for the next file that needs them. */
const PACK_CACHE_BYTES = 64 * 1024 * 1024;
/** A larger object is streamed, and belongs to one file. */
const PACK_OBJECT_BYTES = 16 * 1024 * 1024;
const BLOCK_BYTES = 1024 * 1024;

export interface StreamRestoreProgress {
  readonly filesDone: number;
  readonly filesTotal: number;
  /** Of files that are done. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Stored bytes that came from the repository. */
  readonly fetchedBytes: number;
}

export interface StreamRestoreOptions {
  /** An absolute path: a new or empty directory, or one where the same restore was broken off. */
  readonly to: string;
  readonly fs: FileSystem;
  /** Files at once; default 4. */
  readonly parallel?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StreamRestoreProgress) => void;
}

export interface StreamRestoreOutcome {
  readonly files: number;
  readonly bytes: number;
  /** Files that were there already. */
  readonly filesKept: number;
  readonly fetchedBytes: number;
  readonly durationMs: number;
}

/**
 * All files of the plan are on disk below `to` when this resolves; `to` keeps its marker.
 *
 * @throws {StreamError} "target"; "damaged": an object is gone or not what was stored. @throws {StoreError} @throws {IoError}
 */
export function restoreStream(
  plan: StreamRestorePlan,
  options: StreamRestoreOptions,
): Promise<StreamRestoreOutcome> {
  return new StreamRestore(plan, options).run();
}

class StreamRestore {
  readonly #plan: StreamRestorePlan;
  readonly #options: StreamRestoreOptions;
  readonly #requests = new Budget(PARALLEL_REQUESTS);
  readonly #folders = new Set<string>();
  /** Decoded objects, those used last at the end. */
  readonly #packs = new Map<string, Promise<Uint8Array>>();
  #packBytes = 0;
  #filesDone = 0;
  #filesKept = 0;
  #bytesDone = 0;
  #fetchedBytes = 0;

  constructor(plan: StreamRestorePlan, options: StreamRestoreOptions) {
    this.#plan = plan;
    this.#options = options;
  }

  async run(): Promise<StreamRestoreOutcome> {
    const { fs, to, parallel = PARALLEL_FILES, signal } = this.#options;
    const { clock } = this.#plan.repository;
    const startedMs = clock.monotonicMs();
    this.#claimTarget();
    const limits = { limit: parallel, ...(signal ? { signal } : {}) };
    await this.#restoreLogs();
    await forEachParallel(this.#plan.files, limits, async (file, signal) => {
      await this.#restoreFile(file, signal);
      this.#done(file.bytes);
    });
    for (const folder of [...this.#folders].sort((a, b) => b.length - a.length)) fs.syncDirectory(folder);
    fs.syncDirectory(to);
    return {
      files: this.#plan.files.length + this.#plan.logs.length,
      bytes: this.#bytesDone,
      filesKept: this.#filesKept,
      fetchedBytes: this.#fetchedBytes,
      durationMs: clock.monotonicMs() - startedMs,
    };
  }

  #claimTarget(): void {
    const { fs, to } = this.#options;
    const { repository, stream, timeline, target, files, logs } = this.#plan;
    const what = createHash("sha256");
    for (const { path, sha256 } of files) what.update(`${path} ${sha256}\n`);
    for (const { path, pieces, end } of logs) {
      what.update(`${path} ${pieces.map(({ crc }) => crc).join(" ")} ${end}\n`);
    }
    const record = { repositoryId: repository.id, stream, timeline, target, files: what.digest("hex") };
    const marker = `${to}/${RESTORING_FILE}`;
    if (fs.exists(to) && fs.exists(marker)) {
      if (isSame(fs.readFile(marker), record)) return;
      throw refusedTarget(to, "another restore was begun there");
    }
    const isMade = fs.exists(to);
    if (isMade && fs.list(to).some(({ name }) => name !== RESTORING_FILE + STAGED_SUFFIX)) {
      throw refusedTarget(to, "it is not empty");
    }
    fs.makeDirectory(to);
    if (!isMade) fs.syncDirectory(parentOf(to));
    removeFile(fs, marker + STAGED_SUFFIX);
    const file = fs.create(marker + STAGED_SUFFIX);
    try {
      file.write(encodeSealed("restoring", record));
      file.syncData();
    } finally {
      file.close();
    }
    fs.rename(marker + STAGED_SUFFIX, marker);
    fs.syncDirectory(to);
  }

  /**
   * All logs together, in the order in which their pieces were shipped: one pack holds pieces of many logs, and is fetched
   * once.
   */
  async #restoreLogs(): Promise<void> {
    const { fs, to, signal } = this.#options;
    const open = new Map<PlannedLog, number>();
    const work: { readonly log: PlannedLog; readonly piece: WalPiece }[] = [];
    for (const log of this.#plan.logs) {
      assert(isSafePath(log.path), "a log stays below the target");
      this.#makeFolders(log.path);
      const target = `${to}/${log.path}`;
      if (fs.exists(target)) {
        // It got its name when it was whole.
        this.#filesKept++;
        this.#done(fs.stat(target).sizeBytes);
        continue;
      }
      removeFile(fs, target + STAGED_SUFFIX);
      fs.create(target + STAGED_SUFFIX).close();
      open.set(log, 0);
      for (const piece of log.pieces) work.push({ log, piece });
    }
    work.sort((a, b) => a.piece.order - b.piece.order || a.piece.offset - b.piece.offset);
    for (const { log, piece } of work) {
      throwIfCancelled(signal);
      const at = open.get(log)!;
      assert(at === piece.offset, "the pieces of a log follow each other");
      const bytes = await this.#walBytes(log, piece);
      const file = fs.openAppend(`${to}/${log.path}${STAGED_SUFFIX}`);
      try {
        file.write(bytes);
      } finally {
        file.close();
      }
      open.set(log, at + bytes.length);
    }
    for (const [{ path }, bytes] of open) {
      const staged = `${to}/${path}${STAGED_SUFFIX}`;
      const file = fs.openAppend(staged);
      try {
        await file.syncDataAsync();
      } finally {
        file.close();
      }
      fs.rename(staged, `${to}/${path}`);
      this.#done(bytes);
    }
  }

  /** A piece's bytes, as far as they belong to the instant. */
  async #walBytes({ path, end, cut }: PlannedLog, piece: WalPiece): Promise<Uint8Array> {
    const { repository } = this.#plan;
    const pack = await this.#pack(piece.object);
    const whole = pack.subarray(piece.at, piece.at + piece.bytes);
    if (whole.length !== piece.bytes || crc32(whole) !== piece.crc) {
      throw lost(repository, piece.object, `the bytes of ${path} in it are not those that were shipped`);
    }
    const bytes = whole.subarray(0, Math.min(whole.length, end - piece.offset));
    if (piece.endLsn <= cut.lsn && piece.maxTimeMs <= cut.timeMs) return bytes;
    try {
      return bytes.subarray(0, bytesBefore(bytes, recordsAt(piece, bytes), cut));
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      throw lost(repository, piece.object, `${path} in it: ${error.message}`);
    }
  }

  async #restoreFile(file: PlannedFile, signal: AbortSignal): Promise<void> {
    const { fs, to } = this.#options;
    assert(isSafePath(file.path), "a file stays below the target");
    const target = `${to}/${file.path}`;
    this.#makeFolders(file.path);
    if (fs.exists(target)) {
      if (await hasHash(fs, target, file)) {
        this.#filesKept++;
        return;
      }
      fs.unlink(target);
    }
    const staged = target + STAGED_SUFFIX;
    removeFile(fs, staged);
    const hash = createHash("sha256");
    const out = fs.create(staged);
    try {
      for await (const bytes of this.#fileBytes(file, signal)) {
        for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
          const block = bytes.subarray(at, at + BLOCK_BYTES);
          hash.update(block);
          out.write(block);
          if (block.length === BLOCK_BYTES) await pause();
        }
      }
      if (hash.digest("hex") !== file.sha256) {
        throw lost(
          this.#plan.repository,
          file.slices[0]?.object ?? file.path,
          `it is not what ${file.path} was`,
        );
      }
      await out.syncDataAsync();
    } finally {
      out.close();
    }
    fs.rename(staged, target);
  }

  async *#fileBytes({ slices }: PlannedFile, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { repository, objects } = this.#plan;
    for (const { object: name, at, length } of slices) {
      const object = objects.get(name)!;
      if (object.plainBytes <= PACK_OBJECT_BYTES) {
        yield (await this.#pack(name)).subarray(at, at + length);
        continue;
      }
      const piece = { object: name, ...object };
      const onFetched = (bytes: number) => void (this.#fetchedBytes += bytes);
      yield* fetchPiece(repository, piece, 0, { requests: this.#requests, signal, onFetched });
    }
  }

  /** An object's plain bytes, from memory if it was fetched just now. */
  #pack(name: string): Promise<Uint8Array> {
    const { repository, objects } = this.#plan;
    const object = objects.get(name)!;
    const known = this.#packs.get(name);
    if (known) {
      this.#packs.delete(name);
      this.#packs.set(name, known);
      return known;
    }
    for (const oldest of this.#packs.keys()) {
      if (this.#packBytes + object.plainBytes <= PACK_CACHE_BYTES) break;
      this.#packs.delete(oldest);
      this.#packBytes -= objects.get(oldest)!.plainBytes;
    }
    const { signal } = this.#options;
    const fetched = readObject(repository, name, { object, ...(signal ? { signal } : {}) }).then((bytes) => {
      this.#fetchedBytes += object.bytes;
      return bytes;
    });
    // Awaited by whoever asked; a failure must not count as unhandled if that one has failed before.
    fetched.catch(() => {});
    this.#packs.set(name, fetched);
    this.#packBytes += object.plainBytes;
    return fetched;
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

  #done(bytes: number): void {
    this.#filesDone++;
    this.#bytesDone += bytes;
    this.#options.onProgress?.({
      filesDone: this.#filesDone,
      filesTotal: this.#plan.files.length + this.#plan.logs.length,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#plan.bytes,
      fetchedBytes: this.#fetchedBytes,
    });
  }
}

function isSame(bytes: Uint8Array, record: unknown): boolean {
  try {
    return JSON.stringify(decodeSealed("restoring", bytes)) === JSON.stringify(record);
  } catch (error) {
    if (error instanceof CorruptionError) return false;
    throw error;
  }
}

async function hasHash(fs: FileSystem, path: string, { bytes, sha256 }: PlannedFile): Promise<boolean> {
  const { isFile, sizeBytes } = fs.stat(path);
  if (!isFile || sizeBytes !== bytes) return false;
  const file = fs.openRead(path);
  try {
    return await hashOf(file, bytes) === sha256;
  } finally {
    file.close();
  }
}

async function hashOf(file: OpenFile, length: number): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(Math.min(BLOCK_BYTES, length));
  for (let at = 0; at < length; at += BLOCK_BYTES) {
    const block = buffer.subarray(0, Math.min(BLOCK_BYTES, length - at));
    hash.update(block.subarray(0, file.readAt(block, at)));
    await pause();
  }
  return hash.digest("hex");
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

function refusedTarget(path: string, reason: string): StreamError {
  return new StreamError(`Cannot restore into ${path}: ${reason}`, {
    kind: "target",
    hint: "choose a new or an empty directory; what is there was not touched",
  });
}
