/**
 * The one door to stored bytes: a file image in memory (mapped, or shared by the thread that built it) whose pages
 * are verified on first touch.
 *
 * @module
 */

/** One file of a segment, as posted between threads; `openSegment` turns three of them into a reader. */
export interface FileImage {
  /** The whole file. Over a mapping, or over a `SharedArrayBuffer`. */
  readonly bytes: Uint8Array;
  /**
   * One bit a page, set once its checksum was found right; shared by all threads. At least
   * ceil(bytes.length / PAGE_BYTES / 32) words, zero at first.
   */
  readonly verified: Uint32Array;
  /** Path or description for error messages. */
  readonly label: string;
  /**
   * Brings the page at `offset` into `bytes`, before its checksum is taken: for files that are read rather than mapped.
   * Header, page table, directory and footer are there from the start. Undefined: all of it is.
   */
  readonly load?: (offset: number, length: number) => void;
  /** Where pages come and go, so that no more than a few are in memory: for files of any size. Undefined: they stay. */
  readonly pages?: PageKeeper;
}

/** Brings pages of an image into memory and lets go of others. */
export interface PageKeeper {
  /**
   * @param run Its name, `<field>:<part>`.
   * @param lastPage The page that it ends in.
   */
  window(run: string, lastPage: number): PageWindow;
}

/** Pages of one run. */
export interface PageWindow {
  /**
   * Makes pages [first, last] of the file readable, until a few more ranges of the run were asked for, or the first one
   * of another field. Pages that were not there lose their bit in `verified`.
   *
   * @throws {IoError}
   */
  hold(first: number, last: number): void;
}

/** The three files of a segment. */
export interface SegmentImage {
  readonly seg: FileImage;
  readonly sidx: FileImage;
  readonly ids: FileImage;
}

export { PAGE_BYTES } from "../format/container.ts";
