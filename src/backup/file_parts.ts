/**
 * Parts of a backed up file, read at random: as little of the repository's objects as holds them.
 *
 * A plain piece is read by range. Of a compressed one the frames that hold the bytes are, of an encrypted one the
 * chunks. Where a manifest does not say where frames begin, the whole piece is read. Nothing is checked but what the
 * encoding itself finds: who reads parts has checksums of his own.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { StoreError } from "../objectstore/store.ts";
import { type EncryptedParts, HEADER_BYTES } from "./cipher.ts";
import { BLOCK_BYTES } from "./content.ts";
import { objectContext } from "./encode_piece.ts";
import { fetchPiece } from "./fetch_piece.ts";
import type { Piece } from "./manifest.ts";
import { Budget } from "./parallel.ts";
import { collect, type Repository } from "./repository.ts";
import { decodeFrame } from "./zstd.ts";

export interface PartsOptions {
  readonly signal: AbortSignal;
  /** Called with stored bytes as they come. */
  readonly onFetched?: (bytes: number) => void;
}

/** Bytes of a file. */
export interface FilePart {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A range of a file. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
}

/** Requests of one whole piece. */
const PIECE_REQUESTS = 2;

export class FileParts {
  readonly #repository: Repository;
  readonly #pieces: readonly { readonly piece: Piece; readonly offset: number }[];
  readonly #encrypted = new Map<string, Promise<EncryptedParts>>();
  /** Compressed ones whose frames are not where the manifest has them. */
  readonly #wholeOnly = new Set<string>();
  readonly sizeBytes: number;

  constructor(repository: Repository, pieces: readonly Piece[]) {
    this.#repository = repository;
    let offset = 0;
    this.#pieces = pieces.map((piece) => {
      const placed = { piece, offset };
      offset += piece.plainBytes;
      return placed;
    });
    this.sizeBytes = offset;
  }

  /** Frames lie across chunks: reading a few blocks at once costs hardly more than reading one. */
  get isCoarse(): boolean {
    return this.#pieces.some(({ piece }) => piece.encoding === "zstd+aes");
  }

  /** Names of the objects that hold bytes [offset, offset + length). */
  objectsOf(range: FileRange): string[] {
    return this.#within(range).map(({ piece }) => piece.object);
  }

  /** What reading these bytes brings at the least: more than was asked for where parts cannot be read. */
  broughtBy({ offset, length }: FileRange): FileRange {
    let from = offset;
    let end = offset + length;
    for (const { piece, offset: start } of this.#within({ offset, length })) {
      if (!this.#isWholeOnly(piece)) continue;
      from = Math.min(from, start);
      end = Math.max(end, start + piece.plainBytes);
    }
    return { offset: from, length: end - from };
  }

  /**
   * Bytes [offset, offset + length), in order, in parts of at least a byte; what `broughtBy` says, where that is more.
   *
   * @throws {StoreError} "missing", "damaged": the object is not what was stored; others: the store.
   */
  async *read(range: FileRange, options: PartsOptions): AsyncGenerator<FilePart> {
    const { offset, length } = range;
    for (const { piece, offset: start } of this.#within(range)) {
      const from = Math.max(0, offset - start);
      const wanted = { offset: from, length: Math.min(piece.plainBytes, offset + length - start) - from };
      try {
        for await (const part of this.#readPiece(piece, wanted, options)) {
          yield { offset: start + part.offset, bytes: part.bytes };
        }
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error;
        // An object that was healed may have frames of other lengths.
        if (piece.frames) this.#wholeOnly.add(piece.object);
        throw new StoreError(
          `Object ${piece.object} at ${this.#repository.place} is damaged: ${error.message}`,
          { kind: "damaged", cause: error },
        );
      }
    }
  }

  #within({ offset, length }: FileRange) {
    return this.#pieces.filter(({ piece, offset: start }) =>
      start < offset + length && start + piece.plainBytes > offset
    );
  }

  async *#readPiece(piece: Piece, wanted: FileRange, options: PartsOptions): AsyncGenerator<FilePart> {
    if (piece.encoding === "plain") {
      yield { offset: wanted.offset, bytes: await this.#stored(piece, wanted, options) };
    } else if (piece.encoding === "aes") {
      yield { offset: wanted.offset, bytes: await this.#decrypted(piece, wanted, options) };
    } else if (this.#isWholeOnly(piece)) {
      const { signal, onFetched } = options;
      const fetch = { requests: new Budget(PIECE_REQUESTS), signal, ...(onFetched ? { onFetched } : {}) };
      let at = 0;
      for await (const bytes of fetchPiece(this.#repository, piece, 0, fetch)) {
        yield { offset: at, bytes };
        at += bytes.length;
      }
    } else yield* this.#readFrames(piece, wanted, options);
  }

  async *#readFrames(piece: Piece, wanted: FileRange, options: PartsOptions): AsyncGenerator<FilePart> {
    const frames = piece.frames!;
    const first = Math.floor(wanted.offset / BLOCK_BYTES);
    const end = Math.ceil((wanted.offset + wanted.length) / BLOCK_BYTES);
    const from = sum(frames.slice(0, first));
    const range = { offset: from, length: sum(frames.slice(first, end)) };
    const compressed = piece.encoding === "zstd"
      ? await this.#stored(piece, range, options)
      : await this.#decrypted(piece, range, options);
    for (let frame = first, at = 0; frame < end; at += frames[frame++]!) {
      const offset = frame * BLOCK_BYTES;
      const bytes = decodeFrame(compressed.subarray(at, at + frames[frame]!));
      const expected = Math.min(BLOCK_BYTES, piece.plainBytes - offset);
      if (bytes.length !== expected) {
        throw new CorruptionError(
          `Cannot decompress: a frame holds ${bytes.length} bytes instead of ${expected}`,
        );
      }
      yield { offset, bytes };
    }
  }

  /** Compressed, and nobody knows where its frames begin. */
  #isWholeOnly({ object, encoding, frames, plainBytes }: Piece): boolean {
    if (encoding === "plain" || encoding === "aes") return false;
    return frames?.length !== Math.ceil(plainBytes / BLOCK_BYTES) || this.#wholeOnly.has(object);
  }

  async #decrypted(piece: Piece, range: FileRange, options: PartsOptions): Promise<Uint8Array> {
    let opening = this.#encrypted.get(piece.object);
    if (!opening) {
      this.#encrypted.set(piece.object, opening = this.#openParts(piece, options));
      opening.catch(() => this.#encrypted.delete(piece.object));
    }
    const parts = await opening;
    const stored = await this.#stored(piece, parts.rangeOf(range.offset, range.length), options);
    try {
      return await parts.decrypt(stored, range.offset, range.length);
    } catch (error) {
      // An object that was healed has another salt.
      this.#encrypted.delete(piece.object);
      throw error;
    }
  }

  async #openParts(piece: Piece, options: PartsOptions): Promise<EncryptedParts> {
    const { cipher } = this.#repository;
    if (!cipher) throw new CorruptionError("Cannot decrypt: the repository has no key");
    const header = await this.#stored(piece, { offset: 0, length: HEADER_BYTES }, options);
    const context = objectContext(this.#repository.contentName(piece.sha256));
    return await cipher.openParts(header, { storedBytes: piece.bytes, context });
  }

  async #stored(piece: Piece, range: FileRange, { signal, onFetched }: PartsOptions): Promise<Uint8Array> {
    const counted = async function* (stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const bytes of stream) {
        onFetched?.(bytes.length);
        yield bytes;
      }
    };
    return await collect(counted(this.#repository.store.stream(piece.object, { range, signal })));
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
