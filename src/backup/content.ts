/**
 * Local files as a backup reads them: cut into pieces, hashed once, and checked on each later reading.
 *
 * A file is read twice when it is sent: to learn its hashes, and by the store, part by part and in any order. Between the
 * two a disk may err, so the first reading leaves a CRC-32 for each block of 1 MiB, against which the second is held.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { assert } from "../base/errors.ts";
import type { FileSystem, OpenFile } from "../os/fs.ts";
import { pause } from "../os/pause.ts";
import { DamagedFileError } from "./error.ts";

/** Bytes read, hashed or compressed before other work of the thread may run: about 3 ms. */
export const BLOCK_BYTES = 1024 * 1024;
/** A larger file is cut into pieces of this size, each an object. A multiple of `BLOCK_BYTES`. */
export const PIECE_BYTES = 64 * 1024 * 1024;

/** A file to back up. It does not change while it is read: it is a hard link to an immutable or shared file. */
export interface BackupFile {
  /** Where it belongs, relative to the data directory. */
  readonly path: string;
  /** Where it is read. */
  readonly source: string;
  /** The index that it belongs to; undefined: the server's own. */
  readonly index?: string;
  readonly sizeBytes: number;
  /** What a segment's manifest says of it, lower-case hex: the bytes must have it, or the backup fails. */
  readonly sha256?: string;
}

/** A piece of a local file. */
export interface LocalPiece {
  readonly file: BackupFile;
  readonly offset: number;
  readonly plainBytes: number;
  readonly sha256: string;
  /** Of each block of `BLOCK_BYTES`; undefined: it was not read yet, since the repository had it. */
  readonly crcs: Uint32Array | undefined;
}

export interface HashedFile {
  readonly sha256: string;
  readonly pieces: readonly LocalPiece[];
}

/**
 * Reads all of a file. One with at most `PIECE_BYTES` is one piece, with the file's own hash.
 *
 * @throws {DamagedFileError} It has not the size or hash that it should have. @throws {IoError}
 */
export async function hashFile(
  fs: FileSystem,
  file: BackupFile,
  pieceBytes = PIECE_BYTES,
): Promise<HashedFile> {
  const pieces: LocalPiece[] = [];
  const whole = createHash("sha256");
  const opened = fs.openRead(file.source);
  try {
    const size = opened.size();
    if (size !== file.sizeBytes) {
      throw new DamagedFileError(file, `it has ${size} bytes instead of ${file.sizeBytes}`);
    }
    const isCut = size > pieceBytes;
    for (let offset = 0; offset < size; offset += pieceBytes) {
      const plainBytes = Math.min(pieceBytes, size - offset);
      const own = isCut ? createHash("sha256") : whole;
      const crcs = await readBlocks(opened, { file, offset, plainBytes }, (block) => {
        own.update(block);
        if (isCut) whole.update(block);
      });
      pieces.push({ file, offset, plainBytes, sha256: isCut ? own.digest("hex") : "", crcs });
    }
  } finally {
    opened.close();
  }
  const sha256 = whole.digest("hex");
  if (file.sha256 !== undefined && sha256 !== file.sha256) {
    throw new DamagedFileError(file, `its SHA-256 is ${sha256}, its manifest says ${file.sha256}`);
  }
  return { sha256, pieces: pieces.map((piece) => piece.sha256 === "" ? { ...piece, sha256 } : piece) };
}

/**
 * Reads a piece whose hash is known but that was not read yet.
 *
 * @throws {DamagedFileError} Its bytes have another hash. @throws {IoError}
 */
export async function hashPiece(fs: FileSystem, piece: LocalPiece): Promise<LocalPiece> {
  const hash = createHash("sha256");
  const opened = fs.openRead(piece.file.source);
  try {
    const crcs = await readBlocks(opened, piece, (block) => hash.update(block));
    const sha256 = hash.digest("hex");
    if (sha256 === piece.sha256) return { ...piece, crcs };
    throw new DamagedFileError(
      piece.file,
      `${piece.plainBytes} bytes at ${piece.offset} have SHA-256 ${sha256} instead of ${piece.sha256}`,
    );
  } finally {
    opened.close();
  }
}

type Range = Pick<LocalPiece, "file" | "offset" | "plainBytes">;

/** Calls `use` with one block after the other; the block is only good until `use` returns. */
async function readBlocks(
  opened: OpenFile,
  { file, offset, plainBytes }: Range,
  use: (block: Uint8Array) => void,
): Promise<Uint32Array> {
  const buffer = new Uint8Array(Math.min(BLOCK_BYTES, plainBytes));
  const crcs = new Uint32Array(Math.ceil(plainBytes / BLOCK_BYTES));
  for (let i = 0; i < crcs.length; i++) {
    const at = i * BLOCK_BYTES;
    const block = buffer.subarray(0, Math.min(BLOCK_BYTES, plainBytes - at));
    readExactly(opened, file, block, offset + at);
    use(block);
    crcs[i] = crc32(block);
    if (block.length === BLOCK_BYTES) await pause();
  }
  return crcs;
}

function readExactly(opened: OpenFile, file: BackupFile, into: Uint8Array, offset: number): void {
  const read = opened.readAt(into, offset);
  if (read === into.length) return;
  throw new DamagedFileError(file, `it ends at ${offset + read} instead of ${file.sizeBytes} bytes`);
}

/** An open piece that gives only bytes that were hashed. */
export class PieceReader {
  readonly #piece: LocalPiece;
  readonly #crcs: Uint32Array;
  readonly #file: OpenFile;

  constructor(fs: FileSystem, piece: LocalPiece) {
    assert(piece.crcs, "a piece is hashed before it is sent");
    this.#piece = piece;
    this.#crcs = piece.crcs;
    this.#file = fs.openRead(piece.file.source);
  }

  /**
   * Exactly `length` bytes at `offset` of the piece. Blocks that lie wholly in it are checked: with offsets and lengths
   * in whole blocks that is all of them.
   *
   * @throws {DamagedFileError} They are not what was hashed. @throws {IoError}
   */
  read(offset: number, length: number): Uint8Array {
    const { file, plainBytes } = this.#piece;
    const bytes = new Uint8Array(length);
    readExactly(this.#file, file, bytes, this.#piece.offset + offset);
    for (let i = Math.ceil(offset / BLOCK_BYTES); i < this.#crcs.length; i++) {
      const start = i * BLOCK_BYTES;
      const end = Math.min(start + BLOCK_BYTES, plainBytes);
      if (end > offset + length) break;
      if (crc32(bytes.subarray(start - offset, end - offset)) === this.#crcs[i]) continue;
      throw new DamagedFileError(
        file,
        `bytes from ${this.#piece.offset + start} on changed since they were hashed`,
      );
    }
    return bytes;
  }

  /** All of it, block by block. */
  *blocks(): Generator<Uint8Array> {
    const { plainBytes } = this.#piece;
    for (let at = 0; at < plainBytes; at += BLOCK_BYTES) {
      yield this.read(at, Math.min(BLOCK_BYTES, plainBytes - at));
    }
  }

  close(): void {
    this.#file.close();
  }
}
