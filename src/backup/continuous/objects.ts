/**
 * Bytes into objects and back: compressed where that pays, encrypted in an encrypted repository.
 *
 * @module
 */
import { zstdCompressSync } from "node:zlib";
import { concatBytes } from "../../base/bytes.ts";
import { CorruptionError } from "../../base/errors.ts";
import { sha256Hex } from "../../format/sealed_json.ts";
import { pause } from "../../os/pause.ts";
import { decodePiece } from "../encode_piece.ts";
import type { Repository } from "../repository.ts";
import { StreamError } from "./error.ts";
import type { StoredObject } from "./inventory.ts";

/** Compressed and decompressed in frames of this size, as all pieces are. */
const FRAME_BYTES = 1024 * 1024;
/** Compressed bytes are stored only when they are at most this share of the plain ones. */
const WORTH_IT = 0.95;
const SMALL_BYTES = 128;

export interface EncodedObject {
  readonly object: StoredObject;
  readonly bytes: Uint8Array;
}

/** What is stored for plain bytes. */
export async function encodeObject(repository: Repository, plain: Uint8Array): Promise<EncodedObject> {
  const sha256 = sha256Hex(plain);
  const frames: Uint8Array[] = [];
  for (let at = 0; at < plain.length && plain.length > SMALL_BYTES; at += FRAME_BYTES) {
    frames.push(new Uint8Array(zstdCompressSync(plain.subarray(at, at + FRAME_BYTES))));
    if (at + FRAME_BYTES < plain.length) await pause();
  }
  const compressed = frames.reduce((sum, { length }) => sum + length, 0);
  const pays = frames.length > 0 && compressed <= plain.length * WORTH_IT;
  const { cipher, random } = repository;
  const pieces = pays ? frames : [plain];
  const bytes = cipher
    ? await cipher.encrypt(pieces, pays ? compressed : plain.length, {
      // As the pieces of backups are, so that they are read the same way.
      context: `object ${repository.contentName(sha256)}`,
      random,
    })
    : concatBytes(pieces);
  const encoding = cipher ? (pays ? "zstd+aes" : "aes") : pays ? "zstd" : "plain";
  return { object: { bytes: bytes.length, plainBytes: plain.length, encoding, sha256 }, bytes };
}

/** @throws {CorruptionError} It is not what was stored. */
export async function decodeObject(
  repository: Repository,
  { sha256, encoding, plainBytes }: StoredObject,
  stored: Uint8Array,
): Promise<Uint8Array> {
  const { cipher } = repository;
  const content = repository.contentName(sha256);
  const pieces: Uint8Array[] = [];
  for await (const bytes of decodePiece(only(stored), { encoding, content, cipher })) pieces.push(bytes);
  const plain = pieces.length === 1 ? pieces[0]! : concatBytes(pieces);
  const found = sha256Hex(plain);
  if (plain.length === plainBytes && found === sha256) return plain;
  throw new CorruptionError(`its SHA-256 is ${found}, not ${sha256}`);
}

/** Fetches an object of a stream. @throws {StreamError} "damaged": it is gone, or not what was stored. @throws {StoreError} */
export async function readObject(
  repository: Repository,
  name: string,
  { object, signal }: { readonly object: StoredObject; readonly signal?: AbortSignal },
): Promise<Uint8Array> {
  const found = await repository.store.get(name, signal ? { signal } : {});
  if (!found) throw lost(repository, name, "it is gone");
  try {
    return await decodeObject(repository, object, found.bytes);
  } catch (error) {
    if (error instanceof CorruptionError) throw lost(repository, name, error.message);
    throw error;
  }
}

export function lost(repository: Repository, name: string, reason: string): StreamError {
  return new StreamError(`Cannot read ${name} at ${repository.place}: ${reason}`, {
    kind: "damaged",
    hint:
      "if the server ships there still, plan again: objects that are no longer needed go after a while; else choose " +
      "another moment, or the last backup",
  });
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
