/**
 * Decompressed stored blocks that were read lately, over all segments of a thread: the hits of one search are spread over
 * blocks, and the next search of a dashboard wants the same ones.
 *
 * @module
 */
import type { StoredDocuments } from "../format/stored_block.ts";

/** Decompressed bytes that a thread keeps; the least recently used block goes first. */
export const BLOCK_CACHE_BYTES = 32 * 1024 * 1024;

export class BlockCache {
  readonly #limitBytes: number;
  /** In order of use: the oldest first. */
  readonly #blocks = new Map<string, StoredDocuments>();
  #bytes = 0;
  #nextOwner = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Prefix for the keys of one reader. Blocks of a reader that is gone age out. */
  newOwner(): string {
    return `${this.#nextOwner++}/`;
  }

  get(key: string): StoredDocuments | undefined {
    const found = this.#blocks.get(key);
    if (found === undefined) return undefined;
    this.#blocks.delete(key);
    this.#blocks.set(key, found);
    return found;
  }

  /** A block larger than the whole cache is not kept. */
  put(key: string, documents: StoredDocuments): void {
    const size = sizeOf(documents);
    if (size > this.#limitBytes) return;
    this.#blocks.set(key, documents);
    this.#bytes += size;
    for (const [oldest, { raw, ends }] of this.#blocks) {
      if (this.#bytes <= this.#limitBytes) break;
      this.#blocks.delete(oldest);
      this.#bytes -= raw.byteLength + ends.byteLength;
    }
  }
}

function sizeOf({ raw, ends }: StoredDocuments): number {
  return raw.byteLength + ends.byteLength;
}

/** This thread's. */
export const storedBlockCache = new BlockCache(BLOCK_CACHE_BYTES);
