/**
 * A segment file that a lazy restore has begun: sparse, under its unfinished name, mapped by whoever reads it.
 *
 * Invariants
 * - Only bytes whose page has the checksum that the file's own page table says are written, or said to be there:
 *   whatever an earlier process, a crash or a copying tool left.
 * - What is said to be there is never written to again with anything else.
 * - It has its final name only when all of it has the backup's hash and is on disk.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { crc32 } from "../base/crc.ts";
import { CorruptionError, IoError } from "../base/errors.ts";
import {
  type Container,
  decodeContainer,
  FileKind,
  type FileKindCode,
  FOOTER_BYTES,
  PAGE_BYTES,
} from "../format/container.ts";
import { HYDRATING_SUFFIX } from "../format/file_names.ts";
import { StoreError } from "../objectstore/store.ts";
import type { FileSystem, Mapping } from "../os/fs.ts";
import { viewMapping } from "../os/mapping.ts";
import { pause } from "../os/pause.ts";
import {
  BLOCK_BYTES,
  blockCount,
  BlockState,
  blockState,
  FileState,
  fileState,
  type HydratingFile,
  setBlockState,
  setFileState,
} from "../os/shared_blocks.ts";
import { resizeSparse, syncSparse, writeSparse } from "../os/sparse_file.ts";
import type { FileParts, PartsOptions } from "./file_parts.ts";

/** Read from a file's end at once: mostly all of what is needed to open it. */
const TAIL_BYTES = 128 * 1024;

export interface UnfinishedFileOptions {
  readonly fs: FileSystem;
  readonly shared: HydratingFile;
  readonly parts: FileParts;
  /** Of the whole file. */
  readonly sha256: string;
}

interface Opened {
  readonly mapping: Mapping;
  readonly view: Uint8Array;
  /** Bytes under page checksums; what is behind them is there from the start. */
  readonly bodyBytes: number;
  readonly pageCrcs: Uint32Array;
}

export class UnfinishedFile {
  /** Final name. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly blocks: number;
  readonly shared: HydratingFile;
  readonly parts: FileParts;
  readonly #fs: FileSystem;
  readonly #sha256: string;
  #opened: Opened | undefined;
  #presentBlocks = 0;

  constructor({ fs, shared, parts, sha256 }: UnfinishedFileOptions) {
    this.path = shared.path;
    this.sizeBytes = shared.sizeBytes;
    this.blocks = blockCount(shared.sizeBytes);
    this.shared = shared;
    this.parts = parts;
    this.#fs = fs;
    this.#sha256 = sha256;
    // A thread that died has left what it has said to be there.
    for (let block = 0; block < this.blocks; block++) {
      if (blockState(shared, block) === BlockState.Present) this.#presentBlocks++;
    }
  }

  get isDone(): boolean {
    return fileState(this.shared) !== FileState.Hydrating;
  }

  get isPresent(): boolean {
    return this.#presentBlocks === this.blocks;
  }

  get pendingBytes(): number {
    return this.isDone ? 0 : Math.max(0, this.sizeBytes - this.#presentBlocks * BLOCK_BYTES);
  }

  /**
   * Brings what is needed to open the segment, unless it is there: first page, page table, directory, footer.
   *
   * @throws {StoreError} The object cannot be had, or is damaged. @throws {IoError}
   */
  async prepare(options: PartsOptions): Promise<void> {
    const unfinished = this.path + HYDRATING_SUFFIX;
    if (this.#fs.exists(this.path)) {
      // A copying tool may have met both names.
      removeIfThere(this.#fs, unfinished);
      setFileState(this.shared, FileState.Whole);
      return;
    }
    if (!this.#fs.exists(unfinished)) return setFileState(this.shared, FileState.Gone);
    resizeSparse(unfinished, this.sizeBytes);
    const mapping = this.#fs.map(unfinished);
    const view = viewMapping(mapping.address, mapping.sizeBytes);
    try {
      const { bodyBytes, pageCrcs } = this.#decode(view) ?? await this.#bringFrame(view, options);
      this.#opened = { mapping, view, bodyBytes, pageCrcs: pageCrcs.slice() };
    } catch (error) {
      mapping.unmap();
      throw error;
    }
  }

  /** Whether a block is in the file already: says so to all if it is. */
  settle(block: number): boolean {
    if (blockState(this.shared, block) === BlockState.Present) return true;
    const { view, bodyBytes, pageCrcs } = this.#need();
    const end = Math.min((block + 1) * BLOCK_BYTES, bodyBytes);
    for (let at = block * BLOCK_BYTES; at < end; at += PAGE_BYTES) {
      if (crc32(view.subarray(at, Math.min(at + PAGE_BYTES, end))) !== pageCrcs[at / PAGE_BYTES]) {
        return false;
      }
    }
    this.#say(block);
    return true;
  }

  /** Writes a block that came. @returns false: it is not what was stored. @throws {IoError} */
  place(block: number, bytes: Uint8Array): boolean {
    if (blockState(this.shared, block) === BlockState.Present) return true;
    const { bodyBytes, pageCrcs } = this.#need();
    const start = block * BLOCK_BYTES;
    const length = Math.min(bytes.length, Math.max(0, bodyBytes - start));
    for (let at = 0; at < length; at += PAGE_BYTES) {
      const page = bytes.subarray(at, Math.min(at + PAGE_BYTES, length));
      if (crc32(page) !== pageCrcs[(start + at) / PAGE_BYTES]) return false;
    }
    if (length > 0) writeSparse(this.path + HYDRATING_SUFFIX, bytes.subarray(0, length), start);
    this.#say(block);
    return true;
  }

  /**
   * All blocks are there: gives the file its name.
   *
   * @returns false: it has not the backup's hash. @throws {IoError}
   */
  async finish(): Promise<boolean> {
    const { mapping } = this.#need();
    const unfinished = this.path + HYDRATING_SUFFIX;
    try {
      if (await this.#hash(unfinished) !== this.#sha256) return false;
      await syncSparse(unfinished);
      this.#fs.rename(unfinished, this.path);
      this.#fs.syncDirectory(this.path.slice(0, this.path.lastIndexOf("/")));
    } catch (error) {
      if (!(error instanceof IoError) || error.code !== "ENOENT") throw error;
      this.forget();
      return true;
    }
    setFileState(this.shared, FileState.Whole);
    this.#opened = undefined;
    mapping.unmap();
    return true;
  }

  /** Nobody needs it any more. */
  forget(): void {
    if (this.isDone) return;
    setFileState(this.shared, FileState.Gone);
    // Its mapping stays: fetches under way may still look at it.
    this.#opened = undefined;
  }

  /** Lets go of it; nothing of it may be under way. Other threads may go on to read what is there. */
  close(): void {
    this.#opened?.mapping.unmap();
    this.#opened = undefined;
  }

  /** Whether anybody can find it on the disk: an index that was deleted takes it along. */
  get isThere(): boolean {
    return this.#fs.exists(this.path + HYDRATING_SUFFIX);
  }

  #need(): Opened {
    if (this.#opened) return this.#opened;
    throw new StoreError(`${this.path} is not needed any more`, { kind: "cancelled" });
  }

  #say(block: number): void {
    setBlockState(this.shared, block, BlockState.Present);
    this.#presentBlocks++;
  }

  /** Undefined: what is needed to open the file is not there. */
  #decode(view: Uint8Array) {
    try {
      return decodeContainer(view, { kind: kindOf(this.path), label: this.path, pageBytes: PAGE_BYTES });
    } catch (error) {
      if (error instanceof CorruptionError) return undefined;
      throw error;
    }
  }

  async #bringFrame(
    view: Uint8Array,
    options: PartsOptions,
    triesLeft = 2,
  ): Promise<Container> {
    const { sizeBytes, parts } = this;
    const bring = async (offset: number, end: number): Promise<void> => {
      if (offset >= end) return;
      for await (const part of parts.read({ offset, length: end - offset }, options)) {
        writeSparse(this.path + HYDRATING_SUFFIX, part.bytes, part.offset);
      }
    };
    const tailAt = Math.max(0, sizeBytes - TAIL_BYTES);
    // Where parts cannot be read, the end may bring the beginning along.
    const brought = parts.broughtBy({ offset: tailAt, length: sizeBytes - tailAt });
    await Promise.all([bring(tailAt, sizeBytes), bring(0, Math.min(PAGE_BYTES, brought.offset))]);
    const footer = new DataView(view.buffer, view.byteOffset + sizeBytes - FOOTER_BYTES);
    const bodyBytes = footer.getUint32(4, true) * 0x1_0000_0000 + footer.getUint32(0, true);
    if (bodyBytes < tailAt) await bring(bodyBytes, tailAt);
    const container = this.#decode(view);
    if (container) return container;
    // That may have been the way here.
    if (triesLeft > 0) return await this.#bringFrame(view, options, triesLeft - 1);
    const objects = [
      ...parts.objectsOf({ offset: 0, length: 1 }),
      ...parts.objectsOf({ offset: tailAt, length: 1 }),
    ];
    throw new StoreError(
      `Cannot restore ${this.path}: ${[...new Set(objects)].join(", ")} ` +
        `is not what was backed up`,
      {
        kind: "damaged",
        hint: "`xerj backup verify --full` names all damaged objects and the backups they affect",
      },
    );
  }

  async #hash(path: string): Promise<string> {
    const hash = createHash("sha256");
    const file = this.#fs.openRead(path);
    try {
      const buffer = new Uint8Array(BLOCK_BYTES);
      for (let at = 0; at < this.sizeBytes; at += BLOCK_BYTES) {
        hash.update(buffer.subarray(0, file.readAt(buffer, at)));
        await pause();
      }
    } finally {
      file.close();
    }
    return hash.digest("hex");
  }
}

function kindOf(path: string): FileKindCode {
  return path.endsWith(".ids") ? FileKind.Ids : FileKind.Seg;
}

function removeIfThere(fs: FileSystem, path: string): void {
  if (fs.exists(path)) fs.unlink(path);
}
