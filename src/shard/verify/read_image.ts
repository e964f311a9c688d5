/**
 * A segment's file as a reader wants it, brought in by `read` a page at a time: a mapped page that the disk cannot read
 * would end the process, a read says what is wrong.
 *
 * The array has the size of the file, but the system backs only what was brought in.
 *
 * @module
 */
import { CorruptionError, IoError } from "../../base/errors.ts";
import { FOOTER_BYTES } from "../../format/container.ts";
import type { FileSystem, OpenFile } from "../../os/fs.ts";
import { type FileImage, PAGE_BYTES } from "../../segment/file_view.ts";

export class ReadImage implements FileImage {
  readonly bytes: Uint8Array;
  readonly verified: Uint32Array;
  readonly label: string;
  /** Bytes brought in so far. */
  loadedBytes = 0;
  readonly #file: OpenFile;
  readonly #onRead: (bytes: number) => void;

  /** @throws {IoError | CorruptionError} The file is shorter than it was. */
  constructor(fs: FileSystem, path: string, onRead: (bytes: number) => void = () => {}) {
    this.label = path;
    this.#onRead = onRead;
    this.#file = fs.openRead(path);
    try {
      const sizeBytes = this.#file.size();
      this.bytes = new Uint8Array(sizeBytes);
      this.verified = new Uint32Array(Math.max(1, Math.ceil(sizeBytes / PAGE_BYTES / 32)));
      this.#loadEnds(sizeBytes);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** Header, page table, directory and footer, as far as the footer says where they are. */
  #loadEnds(sizeBytes: number): void {
    this.load(0, Math.min(PAGE_BYTES, sizeBytes));
    const footerAt = Math.max(0, sizeBytes - FOOTER_BYTES);
    this.load(footerAt, sizeBytes - footerAt);
    if (sizeBytes < FOOTER_BYTES) return;
    // Whether the footer is right is for the reader to say; here it only tells how much it will want.
    const view = new DataView(this.bytes.buffer, footerAt);
    const bodyBytes = view.getUint32(4, true) * 0x1_0000_0000 + view.getUint32(0, true);
    const endBytes = footerAt - bodyBytes;
    if (endBytes <= 0 || endBytes > MAX_END_BYTES + footerAt / 1024) return;
    this.load(bodyBytes, endBytes);
  }

  load = (offset: number, length: number): void => {
    const read = this.#file.readAt(this.bytes.subarray(offset, offset + length), offset);
    this.loadedBytes += read;
    this.#onRead(read);
    if (read < length) {
      throw new CorruptionError(`Cannot read segment: the file ends at ${offset + read}`, {
        file: this.label,
        offset,
      });
    }
  };

  close(): void {
    this.#file.close();
  }
}

/** A directory names fields and runs: thousands of fields fit. The page table comes on top, 4 bytes a page. */
const MAX_END_BYTES = 64 * 1024 * 1024;

/** Whether an error says that a file is not there. */
export function isAbsent(error: unknown): boolean {
  return error instanceof IoError && error.code === "ENOENT";
}
