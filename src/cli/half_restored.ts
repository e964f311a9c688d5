/**
 * A data directory that a restore has not finished: nobody works with it but the same restore again.
 *
 * @module
 */
import { RESTORING_FILE } from "../backup/restore.ts";
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
