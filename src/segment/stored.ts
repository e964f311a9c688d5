/**
 * Sources of documents: collected into compressed blocks while they arrive, read back a block at a time.
 *
 * Runs of `segment.seg`: `_source:blocks` holds the blocks of `format/stored_block.ts` one after another,
 * `_source:index` an entry of 16 bytes for each (u64 end offset, u32 end doc, u32 raw bytes).
 *
 * @module
 */
import { storedBlockCache } from "./block_cache.ts";
import { assert, CorruptionError } from "../base/errors.ts";
import { ByteWriter } from "../base/bytes.ts";
import {
  decodeStoredBlock,
  encodeStoredBlock,
  LENGTH_BYTES_MAX,
  type StoredDocuments,
} from "../format/stored_block.ts";
import type { StoredBlock, StoredInput } from "./input.ts";
import type { Run, RunView, RunWriter } from "./runs.ts";

/** A block is closed when its documents reach this size; a larger document has a block of its own. */
export const STORED_BLOCK_BYTES = 65536;
/** Or when it holds so many, so that tiny documents do not make opening one of them slow. */
export const STORED_BLOCK_DOCS = 4096;

const ENTRY_BYTES = 16;
const BLOCKS_RUN = "_source:blocks";
const INDEX_RUN = "_source:index";

/** Compresses sources in doc order. Reads back what it was given, too: a get by id sees the newest write. */
export class StoredWriter {
  readonly #blocks: StoredBlock[] = [];
  /** First doc of each block. */
  readonly #firstDocs: number[] = [];
  #compressedBytes = 0;
  #raw = new Uint8Array(STORED_BLOCK_BYTES + 4096);
  #ends = new Uint32Array(256);
  #count = 0;
  #length = 0;
  #firstDoc = 0;
  #cachedBlock = -1;
  #cached: StoredDocuments | undefined;

  /** Documents so far. */
  get docCount(): number {
    return this.#firstDoc + this.#count;
  }

  /** Memory held, in bytes. */
  get sizeBytes(): number {
    return this.#compressedBytes + this.#raw.length + this.#ends.byteLength;
  }

  /** Bytes of documents that are in no block yet. */
  get pendingBytes(): number {
    return this.#length;
  }

  /** Appends the source bytes[start, end) as the next document's. Returns whether that closed a block. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    const size = end - start;
    let closed = false;
    if (this.#count > 0 && this.#length + size > STORED_BLOCK_BYTES) {
      this.#close();
      closed = true;
    }
    this.#reserve(size);
    this.#raw.set(bytes.subarray(start, end), this.#length);
    this.#length += size;
    this.#ends[this.#count++] = this.#length;
    if (this.#length >= STORED_BLOCK_BYTES || this.#count === STORED_BLOCK_DOCS) {
      this.#close();
      closed = true;
    }
    return closed;
  }

  /** Makes a block of the documents that are in none yet. */
  close(): void {
    if (this.#count > 0) this.#close();
  }

  /** Appends a block that was compressed before, as it is. */
  addBlock(block: StoredBlock): void {
    this.close();
    this.#push(block);
  }

  /** Takes the closed blocks out, oldest first, for a caller that streams them elsewhere; `source` is over then. */
  take(): StoredBlock[] {
    return this.#blocks.splice(0);
  }

  /** Closes the last block and returns all that were not taken. More may be added later. */
  finish(): readonly StoredBlock[] {
    this.close();
    return this.#blocks;
  }

  /** Source of a document; a view valid until the next call of anything. */
  source(doc: number): Uint8Array {
    assert(doc < this.docCount, "the document was added");
    if (doc >= this.#firstDoc) {
      const i = doc - this.#firstDoc;
      return this.#raw.subarray(i === 0 ? 0 : this.#ends[i - 1]!, this.#ends[i]!);
    }
    let low = 0;
    let high = this.#firstDocs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#firstDocs[middle]! <= doc) low = middle;
      else high = middle - 1;
    }
    if (this.#cachedBlock !== low) {
      const block = this.#blocks[low]!;
      this.#cached = decodeStoredBlock(block.bytes, block.rawBytes, block.docCount);
      this.#cachedBlock = low;
    }
    return documentOf(this.#cached!, doc - this.#firstDocs[low]!);
  }

  #reserve(size: number): void {
    const room = this.#length + size + (this.#count + 1) * LENGTH_BYTES_MAX + 4;
    if (room > this.#raw.length) {
      const grown = new Uint8Array(Math.max(room, this.#raw.length + (this.#raw.length >>> 1)));
      grown.set(this.#raw.subarray(0, this.#length));
      this.#raw = grown;
    }
    if (this.#count === this.#ends.length) {
      const grown = new Uint32Array(this.#ends.length * 2);
      grown.set(this.#ends);
      this.#ends = grown;
    }
  }

  #close(): void {
    const { bytes, rawBytes } = encodeStoredBlock(this.#raw, this.#ends, this.#count);
    const docCount = this.#count;
    this.#count = 0;
    this.#length = 0;
    this.#push({ docCount, rawBytes, bytes });
    // One huge document must not hold its room for ever.
    if (this.#raw.length > 16 * STORED_BLOCK_BYTES) this.#raw = new Uint8Array(STORED_BLOCK_BYTES + 4096);
  }

  #push(block: StoredBlock): void {
    this.#blocks.push(block);
    this.#firstDocs.push(this.#firstDoc);
    this.#firstDoc += block.docCount;
    this.#compressedBytes += block.bytes.length;
  }
}

function documentOf({ raw, ends }: StoredDocuments, i: number): Uint8Array {
  return raw.subarray(i === 0 ? 0 : ends[i - 1]!, ends[i]!);
}

/** Writes both runs. Yields between blocks. */
export function* writeStored(input: StoredInput, docCount: number, out: RunWriter): Generator<void, void> {
  const index = new ByteWriter();
  let endDoc = 0;
  let endOffset = 0;
  out.begin(BLOCKS_RUN);
  for (const block of input.blocks) {
    out.appendOwned(block.bytes);
    endOffset += block.bytes.length;
    endDoc += block.docCount;
    index.u64(endOffset);
    index.u32(endDoc);
    index.u32(block.rawBytes);
    yield;
  }
  assert(endDoc === docCount, `stored blocks hold ${endDoc} documents of ${docCount}`);
  out.end();
  out.begin(INDEX_RUN);
  out.append(index.bytes());
  out.end();
}

/** Reads sources back; blocks that were decompressed lately are kept, see `block_cache.ts`. */
export class StoredReader {
  readonly #blocks: Run;
  readonly #index: Run;
  readonly #entries: DataView;
  readonly #docCount: number;
  readonly blockCount: number;
  readonly #owner = storedBlockCache.newOwner();
  #cachedBlock = -1;
  #cachedFirstDoc = 0;
  #cached: StoredDocuments | undefined;

  constructor(runs: RunView, docCount: number) {
    const blocks = runs.run(BLOCKS_RUN);
    const index = runs.run(INDEX_RUN);
    if (!blocks || !index) throw new CorruptionError("Cannot open stored sources: runs are missing");
    this.#blocks = blocks;
    this.#index = index;
    this.#docCount = docCount;
    this.blockCount = index.length / ENTRY_BYTES;
    this.#entries = new DataView(index.bytes.buffer, index.bytes.byteOffset, index.bytes.byteLength);
  }

  /** A view valid until the next call. */
  source(doc: number): Uint8Array {
    assert(doc >= 0 && doc < this.#docCount, `doc ${doc} is in the segment`);
    const block = this.#blockOf(doc);
    if (block !== this.#cachedBlock) {
      this.#cached = this.#documents(block);
      this.#cachedFirstDoc = block === 0 ? 0 : this.#endDoc(block - 1);
      this.#cachedBlock = block;
    }
    return documentOf(this.#cached!, doc - this.#cachedFirstDoc);
  }

  #documents(block: number): StoredDocuments {
    const key = this.#owner + block;
    const kept = storedBlockCache.get(key);
    if (kept) return kept;
    const { docCount, rawBytes, bytes } = this.block(block);
    const documents = decodeStoredBlock(bytes, rawBytes, docCount);
    storedBlockCache.put(key, documents);
    return documents;
  }

  /** A block as it lies on disk, for merges that copy it. */
  block(block: number): StoredBlock {
    const from = block === 0 ? 0 : this.#endOffset(block - 1);
    const firstDoc = block === 0 ? 0 : this.#endDoc(block - 1);
    const bytes = this.#blocks.view(from, this.#endOffset(block) - from);
    return {
      docCount: this.#endDoc(block) - firstDoc,
      rawBytes: this.#entries.getUint32(block * ENTRY_BYTES + 12, true),
      bytes,
    };
  }

  #blockOf(doc: number): number {
    if (
      doc >= this.#cachedFirstDoc && this.#cached && doc - this.#cachedFirstDoc < this.#cached.ends.length
    ) {
      return this.#cachedBlock;
    }
    let low = 0;
    let high = this.blockCount - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#endDoc(middle) <= doc) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #endDoc(block: number): number {
    this.#index.touch(block * ENTRY_BYTES, ENTRY_BYTES);
    return this.#entries.getUint32(block * ENTRY_BYTES + 8, true);
  }

  #endOffset(block: number): number {
    this.#index.touch(block * ENTRY_BYTES, ENTRY_BYTES);
    return Number(this.#entries.getBigUint64(block * ENTRY_BYTES, true));
  }
}
