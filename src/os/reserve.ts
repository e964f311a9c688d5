/**
 * Address space without memory behind it: what is written takes memory, what is released gives it back and reads as
 * zeros. Lets a file be read piece by piece at the places where it would lie if it were mapped.
 *
 * @module
 */
import { assert, IoError } from "../base/errors.ts";
import {
  lastError,
  libc,
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FAILED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  PROT_READ,
  PROT_WRITE,
} from "./libc.ts";
import { viewMapping } from "./mapping.ts";

export interface ReservedMemory {
  /** Readable and writable on this thread. Never to be used after `free`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Gives the memory of bytes [offset, offset + length) back; both multiples of 4096 but at the end. */
  release(offset: number, length: number): void;
  free(): void;
}

/** @throws {IoError} The kernel grants no such range. */
export function reserveMemory(sizeBytes: number): ReservedMemory {
  if (sizeBytes === 0) return { bytes: new Uint8Array(0), release: () => {}, free: () => {} };
  const c = libc();
  const address = c.mmap(
    0n,
    BigInt(sizeBytes),
    PROT_READ | PROT_WRITE,
    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
    -1,
    0n,
  );
  if (address === MAP_FAILED) throw new IoError("reserve", `${sizeBytes} bytes of memory`, lastError());
  let reserved = true;
  return {
    bytes: viewMapping(address, sizeBytes),
    release(offset, length) {
      const status = c.madvise(address + BigInt(offset), BigInt(length), MADV_DONTNEED);
      assert(status === 0, "memory that was reserved can be released");
    },
    free() {
      assert(reserved, "memory is freed once only");
      reserved = false;
      c.munmap(address, BigInt(sizeBytes));
    },
  };
}
