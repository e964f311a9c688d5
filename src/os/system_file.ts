/**
 * Files that the kernel makes up (`/proc`, `/sys`): Deno opens them only to programs with every permission, so they are
 * read by the C library.
 *
 * @module
 */
import { IoError } from "../base/errors.ts";
import { cString, lastError, libc, O_CLOEXEC, O_RDONLY } from "./libc.ts";

/** Enough for those that are read here. */
const MAX_BYTES = 64 << 10;

/** @throws {IoError} */
export function readSystemFile(path: string): string {
  const c = libc();
  const descriptor = c.open(cString(path), O_RDONLY | O_CLOEXEC, 0);
  if (descriptor < 0) throw new IoError("open", path, lastError());
  try {
    const bytes = new Uint8Array(MAX_BYTES);
    let size = 0;
    while (size < MAX_BYTES) {
      const read = Number(c.read(descriptor, bytes.subarray(size), BigInt(MAX_BYTES - size)));
      if (read < 0) throw new IoError("read", path, lastError());
      if (read === 0) break;
      size += read;
    }
    return new TextDecoder().decode(bytes.subarray(0, size));
  } finally {
    c.close(descriptor);
  }
}

/** The same; undefined when there is no such file, or it is not for this user. */
export function readSystemFileIfThere(path: string): string | undefined {
  try {
    return readSystemFile(path);
  } catch (error) {
    if (error instanceof IoError && ["ENOENT", "ENOTDIR", "EACCES"].includes(error.code)) return undefined;
    throw error;
  }
}
