/**
 * How a segment's files get onto the disk: staged folder, synced files, rename, synced parent. What is in them is not
 * known here.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { assert, IoError } from "../base/errors.ts";
import { HYDRATING_SUFFIX } from "../format/file_names.ts";
import type { ManifestFile, SegmentFileName } from "../format/manifest.ts";
import type { FileSystem } from "../os/fs.ts";
import { diskFull, isDiskFull, type Poison } from "../wal/poison.ts";
import { SCRATCH_PREFIX, SEGMENT_FILE_NAMES, segmentFolder, stagedSegmentFolder } from "./store_names.ts";

/** About 4 ms of SHA-256. */
const PIECE_BYTES = 1024 * 1024;

/** A segment that is being written; on the disk under its staged name until `publish`. */
export class StagedSegment {
  readonly number: number;
  /** The staged folder. */
  readonly path: string;
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #poison: Poison;
  readonly #onDiscard: () => void;
  readonly #written = new Set<SegmentFileName>();
  #state: "staged" | "published" | "discarded" = "staged";

  constructor(
    fs: FileSystem,
    directory: string,
    { number, poison, onDiscard }: {
      readonly number: number;
      readonly poison: Poison;
      readonly onDiscard: () => void;
    },
  ) {
    this.#fs = fs;
    this.#directory = directory;
    this.#poison = poison;
    this.#onDiscard = onDiscard;
    this.number = number;
    this.path = stagedSegmentFolder(directory, number);
    poison.check();
    poison.guardWrite(() => fs.makeDirectory(this.path));
  }

  /**
   * Writes and syncs one file.
   *
   * @param pieces Concatenated; shared memory is allowed.
   * @param pause Called every few ms, so that other work of the thread gets its turn.
   * @returns What the manifest will say about it.
   * @throws {RequestError} 429 `disk_full`; discard, and nothing has happened.
   * @throws {IoError} Poisons.
   */
  async write(
    name: SegmentFileName,
    pieces: Iterable<Uint8Array>,
    pause: () => Promise<void> = () => Promise.resolve(),
  ): Promise<ManifestFile> {
    assert(this.#state === "staged" && !this.#written.has(name), `${name} is written once, before publish`);
    this.#poison.check();
    const path = `${this.path}/${name}`;
    const hash = createHash("sha256");
    let sizeBytes = 0;
    // Neither a write nor a digest takes shared memory.
    const buffer = new Uint8Array(PIECE_BYTES);
    try {
      const file = this.#poison.guardWrite(() => this.#fs.create(path));
      try {
        for (const piece of pieces) {
          for (let at = 0; at < piece.length; at += PIECE_BYTES) {
            const size = Math.min(PIECE_BYTES, piece.length - at);
            buffer.set(piece.subarray(at, at + size));
            const part = buffer.subarray(0, size);
            hash.update(part);
            this.#poison.guardWrite(() => file.write(part));
            sizeBytes += size;
            await pause();
          }
        }
        await this.#poisonIfFails(file.syncDataAsync());
      } finally {
        file.close();
      }
    } catch (error) {
      throw isDiskFull(error) && !this.#poison.cause ? diskFull(path) : error;
    }
    this.#written.add(name);
    return { sizeBytes, sha256: hash.digest("hex") };
  }

  /** Counts a file as written that a merger has written and synced. */
  adopt(name: SegmentFileName): void {
    assert(this.#state === "staged" && !this.#written.has(name), `${name} is written once, before publish`);
    this.#written.add(name);
  }

  /**
   * Ends a file that a merger began, and syncs it.
   *
   * @param sizeBytes What the merger has written.
   * @throws {RequestError} 429 `disk_full`; discard, and nothing has happened.
   * @throws {IoError} Poisons.
   */
  async append(
    name: SegmentFileName,
    { sizeBytes, tail }: { readonly sizeBytes: number; readonly tail: Uint8Array },
  ): Promise<void> {
    assert(this.#state === "staged" && !this.#written.has(name), `${name} is written once, before publish`);
    this.#poison.check();
    const path = `${this.path}/${name}`;
    try {
      const file = this.#poison.guardWrite(() => this.#fs.openAppend(path));
      try {
        assert(file.size() === sizeBytes, `${path} has the ${sizeBytes} bytes that were written`);
        this.#poison.guardWrite(() => file.write(tail));
        await this.#poisonIfFails(file.syncDataAsync());
      } finally {
        file.close();
      }
    } catch (error) {
      throw isDiskFull(error) && !this.#poison.cause ? diskFull(path) : error;
    }
    this.#written.add(name);
  }

  /** A merger could not write or sync: as if it had happened here. A full disk is survivable. */
  failed(error: unknown): void {
    if (!isDiskFull(error)) this.#poison.taint(error);
  }

  /** Gives the folder its final name, durably. A manifest may name it now. @throws {IoError} Poisons. */
  publish(): Promise<void> {
    assert(
      this.#state === "staged" && SEGMENT_FILE_NAMES.every((name) => this.#written.has(name)),
      "all three files are written",
    );
    this.#poison.check();
    this.#poison.guard(() => {
      this.#fs.syncDirectory(this.path);
      this.#fs.rename(this.path, segmentFolder(this.#directory, this.number));
      this.#fs.syncDirectory(this.#directory);
    });
    this.#state = "published";
    return Promise.resolve();
  }

  /** Removes what no manifest names and none will. @throws {IoError} */
  discard(): void {
    if (this.#state === "discarded") return;
    const path = this.#state === "staged" ? this.path : segmentFolder(this.#directory, this.number);
    this.#state = "discarded";
    removeSegmentFolder(this.#fs, path);
    this.#onDiscard();
  }

  async #poisonIfFails(sync: Promise<void>): Promise<void> {
    try {
      await sync;
    } catch (error) {
      this.#poison.taint(error);
      throw error;
    }
  }
}

/**
 * Removes a segment's folder, the files that we know of first; a folder that holds anything else stays.
 *
 * @returns Bytes given back.
 * @throws {IoError}
 */
export function removeSegmentFolder(fs: FileSystem, path: string): number {
  let bytes = 0;
  if (!fs.exists(path)) return bytes;
  // The unfinished name first: it may become the final one at any moment, never the other way round.
  for (const suffix of [HYDRATING_SUFFIX, ""]) {
    for (const name of SEGMENT_FILE_NAMES) bytes += removeFile(fs, `${path}/${name}${suffix}`);
  }
  for (const { name } of fs.list(path)) if (name.startsWith(SCRATCH_PREFIX)) fs.unlink(`${path}/${name}`);
  if (fs.list(path).length === 0) fs.removeDirectory(path);
  return bytes;
}

/** @returns Its bytes; 0: it is not there, or not any more. */
function removeFile(fs: FileSystem, path: string): number {
  if (!fs.exists(path)) return 0;
  try {
    const { sizeBytes } = fs.stat(path);
    fs.unlink(path);
    return sizeBytes;
  } catch (error) {
    if (error instanceof IoError && error.code === "ENOENT") return 0;
    throw error;
  }
}
