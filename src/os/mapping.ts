/**
 * Files mapped read-only, and views of such a mapping on any thread.
 *
 * A mapping made on one thread is an address; every other thread makes its own view of it with `viewMapping`.
 * Touching a page after `unmap`, or past the end of a file that was truncated, kills the process instead of
 * throwing: callers hold a pin for as long as any view lives, and nothing truncates a mapped file. A read
 * error of the disk under a mapped page (SIGBUS) also ends the process.
 *
 * @module
 */
import { assert, IoError } from "../base/errors.ts";
import type { Mapping } from "./fs.ts";
import { cString, lastError, libc, MAP_FAILED, MAP_SHARED, O_CLOEXEC, O_RDONLY, PROT_READ } from "./libc.ts";

/**
 * Maps a whole file; the descriptor is closed again. An empty file has address 0.
 *
 * @param sizeBytes The file's size now: a file under a mapping must not shrink.
 * @throws {IoError}
 */
export function mapFile(path: string, sizeBytes: number): Mapping {
  if (sizeBytes === 0) return { path, address: 0n, sizeBytes, unmap: () => {} };
  const c = libc();
  const descriptor = c.open(cString(path), O_RDONLY | O_CLOEXEC, 0);
  if (descriptor < 0) throw new IoError("open", path, lastError());
  const address = c.mmap(0n, BigInt(sizeBytes), PROT_READ, MAP_SHARED, descriptor, 0n);
  const failure = address === MAP_FAILED ? lastError() : undefined;
  c.close(descriptor);
  if (failure) throw new IoError("map", path, failure);
  let mapped = true;
  return {
    path,
    address,
    sizeBytes,
    unmap() {
      assert(mapped, `${path} is unmapped once only`);
      mapped = false;
      if (c.munmap(address, BigInt(sizeBytes)) !== 0) throw new IoError("unmap", path, lastError());
    },
  };
}

/**
 * A view of mapped bytes on the calling thread, without copying. Never write to it (SIGSEGV), never use it
 * after the mapping is gone.
 */
export function viewMapping(address: bigint, sizeBytes: number): Uint8Array<ArrayBuffer> {
  if (sizeBytes === 0) return new Uint8Array(0);
  const pointer = Deno.UnsafePointer.create(address);
  assert(pointer !== null, "a mapping has an address");
  return new Uint8Array(new Deno.UnsafePointerView(pointer).getArrayBuffer(sizeBytes));
}
