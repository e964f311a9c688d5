/**
 * A file that is written in any order: of its final size from the start, with holes that read as zeros and take no room.
 *
 * @module
 */
import { IoError } from "../base/errors.ts";

/** Makes a new file of holes, and syncs it. @throws {IoError} */
export function createSparse(path: string, sizeBytes: number): void {
  attempt("create", path, () => {
    const file = Deno.openSync(path, { write: true, createNew: true });
    try {
      file.truncateSync(sizeBytes);
      file.syncSync();
    } finally {
      file.close();
    }
  });
}

/** Gives an existing one its size, if a copying tool has not. Not to be called while it is mapped. @throws {IoError} */
export function resizeSparse(path: string, sizeBytes: number): void {
  withFile("truncate", path, (file) => {
    if (file.statSync().size !== sizeBytes) file.truncateSync(sizeBytes);
  });
}

/** Writes all of `bytes` at `offset` of an existing file. @throws {IoError} */
export function writeSparse(path: string, bytes: Uint8Array, offset: number): void {
  withFile("write", path, (file) => {
    file.seekSync(offset, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  });
}

/** fdatasync of all that was ever written to it. @throws {IoError} */
export async function syncSparse(path: string): Promise<void> {
  try {
    using file = await Deno.open(path, { read: true });
    await file.syncData();
  } catch (cause) {
    throw new IoError("sync", path, cause);
  }
}

/** Opened for one call only: a restore may have more files than a process may hold open. */
function withFile(operation: string, path: string, use: (file: Deno.FsFile) => void): void {
  attempt(operation, path, () => {
    using file = Deno.openSync(path, { read: true, write: true });
    use(file);
  });
}

function attempt<T>(operation: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw new IoError(operation, path, cause);
  }
}
