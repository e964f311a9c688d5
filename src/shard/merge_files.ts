/**
 * The files of a merge, in the thread that builds it: inputs read by page, outputs hashed while they are written.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { CorruptionError } from "../base/errors.ts";
import type { ManifestFile } from "../format/manifest.ts";
import type { FileSystem, OpenFile } from "../os/fs.ts";
import { type ReservedMemory, reserveMemory } from "../os/reserve.ts";
import { openSegment, type StoredSegment } from "../segment/open.ts";
import { PagedFile } from "../segment/paged_file.ts";
import type { ByteSink } from "../segment/run_file.ts";
import type { Scratch } from "../segment/runs.ts";
import { SEGMENT_FILES } from "./images.ts";
import type { MergeJobInput } from "./merge_job.ts";

/** Counts what a merge reads and writes. */
export interface Meter {
  bytesWritten: number;
  /** Of files that were closed already. */
  bytesRead: number;
}

/** A segment that a merge reads. */
export class MergeInputFiles {
  readonly reader: StoredSegment;
  readonly live: Uint32Array | null;
  readonly files: readonly PagedFile[];
  readonly #close: () => void;

  /** @throws {CorruptionError | IoError} */
  constructor(fs: FileSystem, input: MergeJobInput) {
    const open: OpenFile[] = [];
    const rooms: ReservedMemory[] = [];
    this.#close = () => {
      for (const file of open) file.close();
      for (const room of rooms) room.free();
      open.length = rooms.length = 0;
    };
    try {
      this.files = SEGMENT_FILES.map((name) => {
        const file = fs.openRead(`${input.path}/${name}`);
        open.push(file);
        const sizeBytes = file.size();
        const room = reserveMemory(sizeBytes);
        rooms.push(room);
        return new PagedFile({
          label: file.path,
          sizeBytes,
          readAt: (into, offset) => file.readAt(into, offset),
        }, room);
      });
      const [seg, sidx, ids] = this.files;
      this.reader = openSegment({ seg: seg!.image, sidx: sidx!.image, ids: ids!.image });
      const { uuid, docCount } = this.reader;
      if (uuid !== input.uuid || docCount !== input.docCount) {
        throw new CorruptionError(
          `Cannot merge segment: it holds uuid ${uuid} and ${docCount} documents, not ${input.uuid} and ${input.docCount}`,
          { file: input.path },
        );
      }
    } catch (error) {
      this.#close();
      throw error;
    }
    this.live = input.live;
  }

  get bytesRead(): number {
    return this.files.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  }

  /** Verifies what the merge had no need to read. */
  verifyRest(): Generator<void, void> {
    const [seg, sidx, ids] = this.files;
    return this.reader.verifyOthers({ seg: seg!.known(), sidx: sidx!.known(), ids: ids!.known() });
  }

  close(): void {
    this.#close();
  }
}

/** Written so much, the kernel is told to begin putting it on the disk. */
const WRITEBACK_EVERY_BYTES = 8 << 20;

/** A file that is being written. */
export class FileSink implements ByteSink {
  readonly hash: Hash = createHash("sha256");
  sizeBytes = 0;
  readonly #file: OpenFile;
  readonly #meter: Meter;
  #sinceWriteback = 0;

  /** @throws {IoError} */
  constructor(fs: FileSystem, path: string, meter: Meter) {
    this.#file = fs.create(path);
    this.#meter = meter;
  }

  write(piece: Uint8Array): void {
    this.hash.update(piece);
    this.#file.write(piece);
    this.sizeBytes += piece.length;
    this.#meter.bytesWritten += piece.length;
    this.#sinceWriteback += piece.length;
    if (this.#sinceWriteback < WRITEBACK_EVERY_BYTES) return;
    this.#sinceWriteback = 0;
    this.#file.startWriteback();
  }

  /** Syncs and hashes a file that is whole. */
  async finish(): Promise<ManifestFile> {
    await this.#file.syncDataAsync();
    return { sizeBytes: this.sizeBytes, sha256: this.hash.digest("hex") };
  }

  close(): void {
    this.#file.close();
  }
}

/** Read back at a time. */
const SCRATCH_PIECE_BYTES = 1 << 18;

/** A file without a name: the kernel removes it with the last that has it open, whatever happens. */
export class ScratchFile implements Scratch {
  readonly #file: OpenFile;
  readonly #meter: Meter;
  #length = 0;

  constructor(fs: FileSystem, path: string, meter: Meter) {
    this.#file = fs.create(path);
    fs.unlink(path);
    this.#meter = meter;
  }

  write(piece: Uint8Array): void {
    this.#file.write(piece);
    this.#length += piece.length;
    this.#meter.bytesWritten += piece.length;
  }

  *pieces(): Generator<Uint8Array> {
    const buffer = new Uint8Array(SCRATCH_PIECE_BYTES);
    for (let at = 0; at < this.#length;) {
      const read = this.#file.readAt(buffer, at);
      this.#meter.bytesRead += read;
      if (read === 0) {
        throw new CorruptionError("Cannot read back what a merge wrote", { file: this.#file.path });
      }
      yield buffer.subarray(0, read);
      at += read;
    }
  }

  close(): void {
    this.#file.close();
  }
}
