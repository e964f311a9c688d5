/**
 * Which docs have a value, as bits with ranks. Spec: `docs/FORMAT.md`, "Presence bitmap".
 *
 * For each 512 docs: u32 number of docs with a value before them, then their 512 bits in 16 little-endian u32
 * words. The last group is whole, its bits beyond the segment zero.
 *
 * @module
 */
import { popcount } from "../base/bitset.ts";

export const GROUP_DOCS = 512;
/** Words of a group: its rank and its bits. */
export const GROUP_WORDS = 17;

/** Bytes of the run. */
export function presenceBitmapBytes(docCount: number): number {
  return Math.ceil(docCount / GROUP_DOCS) * GROUP_WORDS * 4;
}

/** Builds the run from ascending docs. */
export class PresenceBitmapWriter {
  readonly #words: Uint32Array;

  constructor(docCount: number) {
    this.#words = new Uint32Array(presenceBitmapBytes(docCount) / 4);
  }

  /** The same doc may come twice. */
  add(docs: Uint32Array, from: number, to: number): void {
    const words = this.#words;
    for (let i = from; i < to; i++) {
      const doc = docs[i]!;
      words[(doc >>> 9) * GROUP_WORDS + 1 + ((doc & 511) >>> 5)]! |= 1 << (doc & 31);
    }
  }

  /** The run; nothing may be added afterwards. */
  finish(): Uint8Array {
    const words = this.#words;
    let rank = 0;
    for (let at = 0; at < words.length; at += GROUP_WORDS) {
      words[at] = rank;
      for (let w = 1; w < GROUP_WORDS; w++) rank += popcount(words[at + w]!);
    }
    return new Uint8Array(words.buffer);
  }
}

/** Number of docs with a value before the word that holds `doc`. */
export function ranksBefore(words: Uint32Array, doc: number): number {
  const at = (doc >>> 9) * GROUP_WORDS;
  const end = at + 1 + ((doc & 511) >>> 5);
  let rank = words[at]!;
  for (let w = at + 1; w < end; w++) rank += popcount(words[w]!);
  return rank;
}
