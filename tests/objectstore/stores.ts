/**
 * Stores for tests: a bucket behind the fault proxy, a directory, and what tests ask of errors.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { openDirectoryStore } from "../../src/objectstore/directory_store.ts";
import { openS3Store, type S3StoreOptions } from "../../src/objectstore/s3_store.ts";
import { type ObjectSource, type ObjectStore, StoreError } from "../../src/objectstore/store.ts";
import { FaultProxy } from "../support/fault_proxy.ts";
import { type S3Server, s3ServerAvailable, startS3Server } from "../support/s3_server.ts";

/** Whether tests that need an S3 server are left out. */
export const noS3 = !await s3ServerAvailable();

export interface Bucket {
  readonly server: S3Server;
  readonly proxy: FaultProxy;
  readonly store: ObjectStore;
  /** What was tried again. */
  readonly retries: string[];
  /** Another client of the same bucket, closed in the end. */
  open(options?: Partial<S3StoreOptions>): ObjectStore;
}

/** Runs with a bucket of its own, reached through the proxy. */
export async function withBucket(
  run: (bucket: Bucket) => Promise<void>,
  options: Partial<S3StoreOptions> = {},
): Promise<void> {
  const server = await startS3Server();
  const proxy = new FaultProxy({ target: server.endpoint, secretKey: server.secretKey });
  const retries: string[] = [];
  const stores: ObjectStore[] = [];
  const open = (more: Partial<S3StoreOptions> = {}): ObjectStore => {
    const { accessKey, secretKey, bucket } = server;
    const store = openS3Store({
      bucket,
      prefix: "a/prefix",
      endpoint: proxy.endpoint,
      credentials: { accessKey, secretKey },
      onRetry: (words) => retries.push(words),
      partBytes: 5 * 1024 * 1024,
      ...options,
      ...more,
    });
    stores.push(store);
    return store;
  };
  try {
    await run({ server, proxy, store: open(), retries, open });
  } finally {
    for (const store of stores) store.close();
    await proxy.stop();
    await server.stop();
  }
}

/** Runs with a store in a directory of its own. */
export async function withDirectory(run: (store: ObjectStore, path: string) => Promise<void>): Promise<void> {
  const path = Deno.makeTempDirSync({ prefix: "xerj-store-" });
  try {
    await run(openDirectoryStore({ path: `${path}/store` }), `${path}/store`);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

/** The error that a call ends with. @throws It ends with none, or another kind. */
export async function failureOf(call: Promise<unknown>): Promise<StoreError> {
  let result: unknown;
  try {
    result = await call;
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
  throw new Error(`did not fail: ${Deno.inspect(result)}`);
}

export function text(of: string): Uint8Array {
  return new TextEncoder().encode(of);
}

/** The same bytes for the same seed, which no compression or cache makes shorter. */
export function noise(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed * 2654435761 >>> 0 || 1;
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function sourceOf(bytes: Uint8Array): ObjectSource {
  return {
    sizeBytes: bytes.length,
    sha256: sha256(bytes),
    read: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** All bytes of a stream. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

export async function namesOf(store: ObjectStore, prefix = ""): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(prefix)) names.push(name);
  return names;
}
