/**
 * A data directory that a restore has not finished: nobody works with it but the same restore again, or, after a lazy
 * one, the server that goes on with it.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { RESTORING_FILE } from "../backup/restore.ts";
import { readHydration } from "../control/hydration.ts";
import { HYDRATING_FILE, HYDRATING_SUFFIX, META_FOLDER } from "../format/file_names.ts";
import type { FileSystem } from "../os/fs.ts";
import { OpenRefusedError } from "../wal/refused.ts";

/** What to do about it. */
export const HALF_RESTORED_NEXT =
  "run the same `xerj restore` again, which goes on where it stopped, or remove the directory and begin anew";

export function halfRestored(dataDir: string): OpenRefusedError {
  return new OpenRefusedError(
    "half_restored",
    `a restore into ${dataDir} has not finished; ${HALF_RESTORED_NEXT}`,
    [`${dataDir}/${RESTORING_FILE}`],
  );
}

/** What is left to do about a directory that a lazy restore has made. */
export const STILL_HYDRATING_NEXT =
  "start the server, which fetches the rest; once health has no more to say of it, look again";

/** What a lazy restore has left to the server. */
export interface StillHydrating {
  readonly file: string;
  readonly files: number;
  /** Of the files that are not whole: how much of them is there is known to their pages alone. */
  readonly bytes: number;
  readonly what: string;
}

/** @returns undefined: nothing, or nobody knows what: the file that says it cannot be read. @throws {IoError} */
export function stillHydrating(fs: FileSystem, dataDir: string): StillHydrating | undefined {
  let hydration;
  try {
    hydration = readHydration(fs, dataDir);
  } catch (error) {
    if (error instanceof CorruptionError) return undefined;
    throw error;
  }
  const left = (hydration?.files ?? []).filter(({ path }) =>
    fs.exists(`${dataDir}/${path}${HYDRATING_SUFFIX}`) && !fs.exists(`${dataDir}/${path}`)
  );
  if (!hydration || left.length === 0) return undefined;
  const bytes = left.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return {
    file: `${dataDir}/${META_FOLDER}/${HYDRATING_FILE}`,
    files: left.length,
    bytes,
    what:
      `a lazy restore of ${hydration.backupId} goes on: ${left.length} segment files of ${bytes} bytes are not ` +
      `all here yet; the rest of them is at ${hydration.place.url}`,
  };
}

export function refusedWhileHydrating({ what, file }: StillHydrating): OpenRefusedError {
  return new OpenRefusedError("half_restored", `${what}; ${STILL_HYDRATING_NEXT}`, [file]);
}
