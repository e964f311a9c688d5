/**
 * A postings cursor walked by blocks, with look-ups inside of the decoded block: what loops use instead of a call
 * a doc.
 *
 * @module
 */
import { NO_MORE_DOCS, type PostingsCursor } from "../../segment/reader.ts";

export class PostingsWalk {
  readonly cursor: PostingsCursor;
  /** Docs of the decoded block: [0, length) is used. */
  docs: Uint32Array;
  length = 0;
  /** Where the walk stands in the block; `length`: behind it. */
  index = 0;
  /** Last doc of the decoded block; -1 before the first, NO_MORE_DOCS at the end. */
  lastDoc = -1;
  /** Blocks decoded so far. */
  blocksRead = 0;

  constructor(cursor: PostingsCursor) {
    this.cursor = cursor;
    this.docs = cursor.blockDocs;
  }

  /** Frequencies of the decoded block, which some cursors decode only when asked. */
  get freqs(): Uint32Array {
    return this.cursor.blockFreqs;
  }

  /** Decodes the next block; false at the end. */
  load(): boolean {
    if (this.lastDoc === NO_MORE_DOCS) return false;
    const length = this.cursor.nextBlock();
    return this.#adopt(length, 0);
  }

  /** Stands on the first doc >= target, which must not be behind the walk; false at the end. */
  seek(target: number): boolean {
    if (target <= this.lastDoc) {
      this.index = firstAtLeast(this.docs, this.index, this.length, target);
      return this.lastDoc !== NO_MORE_DOCS;
    }
    if (this.lastDoc === NO_MORE_DOCS) return false;
    const cursor = this.cursor;
    const doc = cursor.advance(target);
    if (doc === NO_MORE_DOCS) return this.#adopt(0, 0);
    this.#adopt(cursor.blockLength, 0);
    this.index = firstAtLeast(this.docs, 0, this.length, doc);
    return true;
  }

  /** Doc that the walk stands on; only when it stands on one. */
  get doc(): number {
    return this.docs[this.index]!;
  }

  #adopt(length: number, index: number): boolean {
    this.length = length;
    this.index = index;
    if (length === 0) {
      this.lastDoc = NO_MORE_DOCS;
      return false;
    }
    this.blocksRead++;
    this.docs = this.cursor.blockDocs;
    this.lastDoc = this.docs[length - 1]!;
    return true;
  }
}

/** Index of the first of docs[from..length) not below target; `length` when there is none. Gallops. */
export function firstAtLeast(docs: Uint32Array, from: number, length: number, target: number): number {
  let low = from;
  let step = 1;
  while (low + step < length && docs[low + step]! < target) {
    low += step;
    step <<= 1;
  }
  let high = Math.min(low + step, length);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (docs[middle]! < target) low = middle + 1;
    else high = middle;
  }
  return low;
}
