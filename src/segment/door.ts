/**
 * The one door to a segment file's bytes. Pages are verified when they are touched for the first time, by any
 * thread: the bitmap of verified pages is shared. Bytes asked for are counted per run.
 *
 * @module
 */
import { crc32, hex32 } from "../base/crc.ts";
import { assert, CorruptionError } from "../base/errors.ts";
import { type Container, decodeContainer, type FileKindCode, type RunEntry } from "../format/container.ts";
import { type FileImage, PAGE_BYTES, type PageWindow } from "./file_view.ts";
import type { Run, RunView } from "./runs.ts";

/** An open file: its container, checked, and its runs. */
export class Door implements RunView {
  readonly container: Container;
  readonly image: FileImage;
  readonly #runs = new Map<string, DoorRun>();

  /** @throws {CorruptionError} Footer, page table, directory or header is not as written. */
  constructor(image: FileImage, kind: FileKindCode) {
    const { bytes, verified, label } = image;
    assert(bytes.byteOffset % 8 === 0, "a file image is 8-byte aligned");
    assert(verified.length * 32 * PAGE_BYTES >= bytes.length, "the bitmap of verified pages covers the file");
    this.container = decodeContainer(bytes, { kind, label, pageBytes: PAGE_BYTES });
    this.image = image;
    for (const entry of this.container.runs) {
      if (this.#runs.has(entry.name)) {
        throw new CorruptionError(`Cannot open segment: run ${entry.name} appears twice`, { file: label });
      }
      this.#runs.set(entry.name, new DoorRun(this, entry));
    }
  }

  run(name: string): Run | undefined {
    return this.#runs.get(name);
  }

  /** Like `run`, for runs that the directory's metadata promises. */
  need(name: string): Run {
    const run = this.#runs.get(name);
    if (!run) {
      throw new CorruptionError(`Cannot open segment: run ${name} is missing`, { file: this.image.label });
    }
    return run;
  }

  runs(): Iterable<Run> {
    return this.#runs.values();
  }

  /** Verifies pages [first, last], those not verified before. */
  verifyPages(first: number, last: number): void {
    const { verified } = this.image;
    for (let page = first; page <= last; page++) {
      if ((verified[page >>> 5]! & (1 << (page & 31))) === 0) this.#verifyPage(page);
    }
  }

  /** Pages under a checksum. */
  get pageCount(): number {
    return Math.ceil(this.container.bodyBytes / PAGE_BYTES);
  }

  /** Verifies every page again, whatever the bitmap says. For scrubbing. */
  verifyAll(): void {
    const window = this.image.pages?.window("", this.pageCount - 1);
    for (let page = 0; page < this.pageCount; page++) {
      window?.hold(page, page);
      this.#verifyPage(page);
    }
  }

  /** Verifies the pages without a bit in `known`, in steps. */
  *verifyOthers(known: Uint32Array): Generator<void, void> {
    const window = this.image.pages?.window("", this.pageCount - 1);
    for (let page = 0; page < this.pageCount; page++) {
      if ((known[page >>> 5]! & (1 << (page & 31))) !== 0) continue;
      window?.hold(page, page);
      this.verifyPages(page, page);
      yield;
    }
  }

  #verifyPage(page: number): void {
    const { bytes, verified, label, load } = this.image;
    const { bodyBytes, pageCrcs } = this.container;
    const from = page * PAGE_BYTES;
    const end = Math.min(from + PAGE_BYTES, bodyBytes);
    load?.(from, end - from);
    const actual = crc32(bytes.subarray(from, end));
    const stored = pageCrcs[page]!;
    if (actual !== stored) {
      throw new CorruptionError(
        `Cannot read segment: page crc is ${hex32(actual)}, stored ${hex32(stored)}`,
        {
          file: label,
          offset: from,
        },
      );
    }
    Atomics.or(verified, page >>> 5, 1 << (page & 31));
  }
}

class DoorRun implements Run {
  readonly name: string;
  readonly length: number;
  readonly bytes: Uint8Array;
  touchedBytes = 0;
  readonly #door: Door;
  readonly #verified: Uint32Array;
  readonly #offset: number;
  readonly #window: PageWindow | undefined;

  constructor(door: Door, entry: RunEntry) {
    this.#door = door;
    this.name = entry.name;
    this.length = entry.length;
    this.#offset = entry.offset;
    this.#verified = door.image.verified;
    const lastPage = Math.floor((entry.offset + Math.max(0, entry.length - 1)) / PAGE_BYTES);
    this.#window = door.image.pages?.window(entry.name, lastPage);
    this.bytes = door.image.bytes.subarray(entry.offset, entry.offset + entry.length);
  }

  touch(offset: number, length: number): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.length)) this.#outside(offset, length);
    if (length === 0) return;
    this.touchedBytes += length;
    const at = this.#offset + offset;
    const first = Math.floor(at / PAGE_BYTES);
    const last = Math.floor((at + length - 1) / PAGE_BYTES);
    if (this.#window !== undefined) this.#window.hold(first, last);
    if (first === last && (this.#verified[first >>> 5]! & (1 << (first & 31))) !== 0) return;
    this.#door.verifyPages(first, last);
  }

  view(offset: number, length: number): Uint8Array {
    this.touch(offset, length);
    return this.bytes.subarray(offset, offset + length);
  }

  #outside(offset: number, length: number): never {
    throw new CorruptionError(
      `Cannot read segment: ${length} bytes at ${offset} of run ${this.name}, which has ${this.length}`,
      { file: this.#door.image.label, offset: this.#offset },
    );
  }
}
