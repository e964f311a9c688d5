/**
 * Reading a piece from the repository: ranges of its object fetched several at once, given on in order, decoded as they
 * come. Memory is bounded by the ranges under way, whatever the piece's size.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import type { ObjectStore } from "../objectstore/store.ts";
import { StoreError } from "../objectstore/store.ts";
import { decodePiece } from "./encode_piece.ts";
import type { Piece } from "./manifest.ts";
import type { Budget } from "./parallel.ts";
import type { Repository } from "./repository.ts";

/** Bytes of one request. */
export const RANGE_BYTES = 8 * 1024 * 1024;

export interface FetchOptions {
  /** One unit a request under way or waiting to be used. */
  readonly requests: Budget;
  readonly signal: AbortSignal;
  /** Called with stored bytes as they come. */
  readonly onFetched?: (bytes: number) => void;
}

/**
 * The plain bytes of a piece from `from` on. Not checked against its SHA-256: who takes them all does that.
 *
 * @throws {StoreError} "missing", "damaged": it is not what the backup stored; others: the store.
 */
export async function* fetchPiece(
  repository: Repository,
  piece: Piece,
  from: number,
  options: FetchOptions,
): AsyncGenerator<Uint8Array> {
  const isPlain = piece.encoding === "plain";
  const stored = fetchObject(repository.store, piece, isPlain ? from : 0, options);
  const { cipher } = repository;
  const content = repository.contentName(piece.sha256);
  let skip = isPlain ? 0 : from;
  try {
    for await (const bytes of decodePiece(stored, { encoding: piece.encoding, content, cipher })) {
      if (bytes.length <= skip) {
        skip -= bytes.length;
        continue;
      }
      yield skip === 0 ? bytes : bytes.subarray(skip);
      skip = 0;
    }
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    throw new StoreError(`Object ${piece.object} at ${repository.place} is damaged: ${error.message}`, {
      kind: "damaged",
      cause: error,
    });
  }
}

/** Stored bytes of an object from `from` on, in order. */
async function* fetchObject(
  store: ObjectStore,
  piece: Piece,
  from: number,
  { requests, signal, onFetched }: FetchOptions,
): AsyncGenerator<Uint8Array> {
  const abort = new AbortController();
  const onAbort = () => abort.abort();
  signal.addEventListener("abort", onAbort);
  /** Under way or waiting to be used, in order. */
  const ahead: { readonly parts: Promise<Uint8Array[]>; readonly release: () => void }[] = [];
  let next = from;
  const start = async (): Promise<void> => {
    const release = await requests.take(1);
    const range = { offset: next, length: Math.min(RANGE_BYTES, piece.bytes - next) };
    next += range.length;
    const parts = allOf(store.stream(piece.object, { range, signal: abort.signal }));
    // Awaited in order; a failure of a later one must not count as unhandled until then.
    parts.catch(() => {});
    ahead.push({ parts, release });
  };
  try {
    while (ahead.length > 0 || next < piece.bytes) {
      if (ahead.length === 0) await start();
      // Further ones only while nobody waits: each file that is being fetched gets at least one.
      while (next < piece.bytes && requests.hasFree) await start();
      for (const bytes of await ahead[0]!.parts) {
        onFetched?.(bytes.length);
        yield bytes;
      }
      ahead.shift()!.release();
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    abort.abort();
    for (const { release } of ahead) release();
  }
}

/** The parts of a stream, as they came: joining them would need their memory twice. */
async function allOf(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}
