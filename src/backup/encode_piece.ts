/**
 * A piece of a file as the object that holds it: plain, compressed, encrypted or both.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { assert } from "../base/errors.ts";
import { concatBytes } from "../base/bytes.ts";
import type { ObjectSource } from "../objectstore/store.ts";
import type { FileSystem, Random } from "../os/fs.ts";
import { pause } from "../os/pause.ts";
import type { RepositoryCipher } from "./cipher.ts";
import { BLOCK_BYTES, type LocalPiece, PieceReader } from "./content.ts";
import type { PieceEncoding } from "./manifest.ts";
import { compressPiece, decompress } from "./zstd.ts";

export interface EncodedPiece {
  readonly encoding: PieceEncoding;
  readonly source: ObjectSource;
  /** Of a compressed one: as `Piece.frames`. */
  readonly frames?: readonly number[];
  close(): void;
}

export interface EncodeOptions {
  readonly fs: FileSystem;
  readonly compress: boolean;
  readonly cipher: RepositoryCipher | undefined;
  /** Content name: what an encrypted object is bound to. */
  readonly content: string;
  readonly random: Random;
}

/**
 * Plain pieces are read from the file as the store asks; others are held in memory, at most `plainBytes` and a little.
 *
 * @throws {DamagedFileError} @throws {IoError}
 */
export async function encodePiece(piece: LocalPiece, options: EncodeOptions): Promise<EncodedPiece> {
  const { cipher } = options;
  const reader = new PieceReader(options.fs, piece);
  try {
    const frames = options.compress ? await compressPiece(reader, piece.plainBytes) : undefined;
    if (!cipher && !frames) {
      return {
        encoding: "plain",
        source: {
          sizeBytes: piece.plainBytes,
          sha256: piece.sha256,
          read: (offset, length) => reader.read(offset, length),
        },
        close: () => reader.close(),
      };
    }
    const bytes = cipher
      ? await cipher.encrypt(
        frames ?? reader.blocks(),
        frames ? frames.reduce((sum, frame) => sum + frame.length, 0) : piece.plainBytes,
        { context: objectContext(options.content), random: options.random },
      )
      : concatBytes(frames!);
    reader.close();
    return {
      encoding: cipher ? (frames ? "zstd+aes" : "aes") : "zstd",
      source: await inMemory(bytes),
      ...(frames ? { frames: frames.map(({ length }) => length) } : {}),
      close() {},
    };
  } catch (error) {
    reader.close();
    throw error;
  }
}

/**
 * An object's bytes made plain again. Whether they are the right ones only their SHA-256 tells.
 *
 * @throws {CorruptionError} They cannot be decoded.
 */
export function decodePiece(
  stored: AsyncIterable<Uint8Array>,
  { encoding, content, cipher }: {
    readonly encoding: PieceEncoding;
    readonly content: string;
    readonly cipher: RepositoryCipher | undefined;
  },
): AsyncIterable<Uint8Array> {
  if (encoding === "plain") return stored;
  if (encoding === "zstd") return decompress(stored);
  assert(cipher, "only a repository with a key holds encrypted objects");
  const opened = cipher.decrypt(stored, objectContext(content));
  return encoding === "aes" ? opened : decompress(opened);
}

export function objectContext(content: string): string {
  return `object ${content}`;
}

async function inMemory(bytes: Uint8Array): Promise<ObjectSource> {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    hash.update(bytes.subarray(at, at + BLOCK_BYTES));
    if (bytes.length > BLOCK_BYTES) await pause();
  }
  return {
    sizeBytes: bytes.length,
    sha256: hash.digest("hex"),
    read: (offset, length) => bytes.subarray(offset, offset + length),
  };
}
