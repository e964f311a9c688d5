/**
 * Makes everything that a file system holds durable at once: where hundreds of directories have changed, cheaper than
 * one sync for each.
 *
 * @module
 */
import { IoError } from "../base/errors.ts";
import { cString, lastError, libc, O_CLOEXEC, O_RDONLY } from "./libc.ts";

/** Waits outside of the calling thread. @throws {IoError} Something on it could not be written, or there is no FFI. */
export async function syncFileSystem(path: string): Promise<void> {
  const c = libc();
  const descriptor = c.open(cString(path), O_RDONLY | O_CLOEXEC, 0);
  if (descriptor < 0) throw new IoError("open", path, lastError());
  try {
    // The reason stays behind on the thread that made the call.
    if (await c.syncfs(descriptor) !== 0) {
      throw new IoError("sync the file system of", path, "see the kernel's log");
    }
  } finally {
    c.close(descriptor);
  }
}
