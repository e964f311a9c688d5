/**
 * A segment file that is read instead of mapped: its image is an address range without memory, a page is read when it is
 * touched, and given back when its run has moved on. So a merge's memory does not grow with its inputs, and a read error
 * is an error instead of the end of the process.
 *
 * A run that is read front to back is read a few pages ahead: fewer, longer reads.
 *
 * Invariant: of each run the last `KEPT_RANGES` ranges that were asked for are in memory. Readers rely on no more: they
 * decode what they touched before they touch `KEPT_RANGES` further ranges of that run. Fields are read one after another,
 * so the first range of another field lets go of all before it.
 *
 * @module
 */
import { assert, CorruptionError } from "../base/errors.ts";
import { FOOTER_BYTES } from "../format/container.ts";
import { type FileImage, PAGE_BYTES, type PageKeeper, type PageWindow } from "./file_view.ts";

/** Where the bytes come from. */
export interface PageSource {
  readonly label: string;
  readonly sizeBytes: number;
  /** Fills `into` from `offset` on; returns how many bytes there were. @throws {IoError} */
  readAt(into: Uint8Array, offset: number): number;
}

/** Address space of the file's size, see `os/reserve.ts`. */
export interface PageRoom {
  readonly bytes: Uint8Array;
  release(offset: number, length: number): void;
}

/** Ranges of a run that stay in memory. */
export const KEPT_RANGES = 4;
/** Pages that are read at once where a run is read front to back. */
const AHEAD_PAGES = 4;

export class PagedFile implements PageKeeper {
  readonly image: FileImage;
  /** Bytes read so far. */
  bytesRead = 0;
  /** Pages in memory now, and at most so far. */
  residentPages = 0;
  residentPagesMax = 0;
  readonly #source: PageSource;
  readonly #room: PageRoom;
  readonly #pageCount: number;
  /** Windows that hold a page, by page. */
  readonly #holders: Uint16Array;
  readonly #verified: Uint32Array;
  /** Pages that were found right at some time. */
  readonly #known: Uint32Array;
  readonly #windows = new Map<string, Window>();
  /** Windows that hold anything: all of one field. */
  readonly #active: Window[] = [];
  #field: string | undefined;

  /** Reads the first page, and the end of the file: checksums and directory stay in memory. @throws {IoError} */
  constructor(source: PageSource, room: PageRoom) {
    const { sizeBytes, label } = source;
    assert(room.bytes.length === sizeBytes, "there is room for the file");
    this.#source = source;
    this.#room = room;
    this.#pageCount = Math.ceil(sizeBytes / PAGE_BYTES);
    this.#holders = new Uint16Array(this.#pageCount);
    const words = Math.max(1, Math.ceil(this.#pageCount / 32));
    this.#verified = new Uint32Array(words);
    this.#known = new Uint32Array(words);
    this.image = { bytes: room.bytes, verified: this.#verified, label, pages: this };
    if (sizeBytes < FOOTER_BYTES) {
      throw new CorruptionError(`Cannot open segment: only ${sizeBytes} bytes`, { file: label, offset: 0 });
    }
    this.#pin(0, 0);
    const footerAt = sizeBytes - FOOTER_BYTES;
    this.#pin(Math.floor(footerAt / PAGE_BYTES), this.#pageCount - 1);
    const footer = new DataView(room.bytes.buffer, room.bytes.byteOffset + footerAt, FOOTER_BYTES);
    const bodyBytes = footer.getUint32(4, true) * 0x1_0000_0000 + footer.getUint32(0, true);
    // A footer that is wrong is found when the file is opened.
    if (bodyBytes <= footerAt) this.#pin(Math.floor(bodyBytes / PAGE_BYTES), this.#pageCount - 1);
  }

  window(run: string, lastPage: number): PageWindow {
    let window = this.#windows.get(run);
    if (!window) {
      const colon = run.lastIndexOf(":");
      this.#windows.set(run, window = new Window(this, colon < 0 ? run : run.slice(0, colon), lastPage));
    }
    return window;
  }

  /** Bits of the pages that were verified, whether they are still in memory or not. */
  known(): Uint32Array {
    for (let i = 0; i < this.#known.length; i++) this.#known[i]! |= this.#verified[i]!;
    return this.#known;
  }

  /** To be called by a window before it takes its first range since it was emptied. */
  enter(window: Window): void {
    if (window.field !== this.#field) {
      for (const active of this.#active) active.empty();
      this.#active.length = 0;
      this.#field = window.field;
    }
    this.#active.push(window);
  }

  take(first: number, last: number): void {
    for (let page = first; page <= last; page++) {
      if (this.#holders[page]!++ > 0) continue;
      let end = page + 1;
      while (end <= last && this.#holders[end] === 0) this.#holders[end++]!++;
      this.#load(page, end - 1);
      page = end - 1;
    }
  }

  drop(first: number, last: number): void {
    for (let page = first; page <= last; page++) {
      if (--this.#holders[page]! > 0) continue;
      let end = page + 1;
      while (end <= last && this.#holders[end] === 1) this.#holders[end++] = 0;
      this.#unload(page, end - 1);
      page = end - 1;
    }
  }

  #pin(first: number, last: number): void {
    this.take(first, last);
  }

  #load(first: number, last: number): void {
    const offset = first * PAGE_BYTES;
    const end = Math.min((last + 1) * PAGE_BYTES, this.#source.sizeBytes);
    const read = this.#source.readAt(this.#room.bytes.subarray(offset, end), offset);
    this.bytesRead += read;
    if (read !== end - offset) {
      const { label, sizeBytes } = this.#source;
      throw new CorruptionError(`Cannot read segment: the file ends before ${sizeBytes} bytes`, {
        file: label,
        offset: offset + read,
      });
    }
    this.residentPages += last - first + 1;
    this.residentPagesMax = Math.max(this.residentPagesMax, this.residentPages);
  }

  #unload(first: number, last: number): void {
    for (let page = first; page <= last; page++) {
      const bit = 1 << (page & 31);
      this.#known[page >>> 5]! |= this.#verified[page >>> 5]! & bit;
      this.#verified[page >>> 5]! &= ~bit;
    }
    const offset = first * PAGE_BYTES;
    const end = Math.min((last + 1) * PAGE_BYTES, this.#source.sizeBytes);
    this.#room.release(offset, end - offset);
    this.residentPages -= last - first + 1;
  }
}

/** The last ranges of one run, newest at `#newest`; -1: none. */
class Window implements PageWindow {
  readonly #file: PagedFile;
  readonly #firsts = new Int32Array(KEPT_RANGES).fill(-1);
  readonly #lasts = new Int32Array(KEPT_RANGES).fill(-1);
  #newest = 0;
  #active = false;
  readonly #lastPage: number;
  /** Pages that were read ahead; none: the first is behind the last. */
  #aheadFirst = 0;
  #aheadLast = -1;

  constructor(file: PagedFile, readonly field: string, lastPage: number) {
    this.#file = file;
    this.#lastPage = lastPage;
  }

  hold(first: number, last: number): void {
    if (this.#firsts[this.#newest] === first && this.#lasts[this.#newest] === last) return;
    if (!this.#active) {
      this.#file.enter(this);
      this.#active = true;
    }
    // One page on from where it was: it goes on like that.
    if (last === this.#lasts[this.#newest]! + 1 && last > this.#aheadLast) this.#readAhead(last);
    // Taken before the oldest goes: they may share pages, and a range that was there moves to the front.
    this.#file.take(first, last);
    const at = (this.#newest + 1) % KEPT_RANGES;
    if (this.#firsts[at]! >= 0) this.#file.drop(this.#firsts[at]!, this.#lasts[at]!);
    this.#firsts[at] = first;
    this.#lasts[at] = last;
    this.#newest = at;
  }

  #readAhead(page: number): void {
    const last = Math.min(page + AHEAD_PAGES - 1, this.#lastPage);
    if (last <= page) return;
    this.#file.take(page, last);
    if (this.#aheadLast >= 0) this.#file.drop(this.#aheadFirst, this.#aheadLast);
    this.#aheadFirst = page;
    this.#aheadLast = last;
  }

  /** Lets go of everything. */
  empty(): void {
    if (this.#aheadLast >= 0) this.#file.drop(this.#aheadFirst, this.#aheadLast);
    this.#aheadLast = -1;
    for (let i = 0; i < KEPT_RANGES; i++) {
      if (this.#firsts[i]! >= 0) this.#file.drop(this.#firsts[i]!, this.#lasts[i]!);
      this.#firsts[i] = this.#lasts[i] = -1;
    }
    this.#active = false;
  }
}
