/**
 * What backups and restores fail with, as clients see it.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { DamagedFileError, RepositoryError, type RepositoryErrorKind } from "../backup/error.ts";
import { StoreError, type StoreErrorKind } from "../objectstore/store.ts";

const STORE: Readonly<Record<StoreErrorKind, readonly [number, string]>> = {
  precondition: [409, "repository_conflict_exception"],
  missing: [404, "repository_missing_exception"],
  denied: [403, "repository_access_denied_exception"],
  unavailable: [503, "repository_unavailable_exception"],
  damaged: [502, "repository_corrupt_exception"],
  full: [507, "repository_full_exception"],
  unsupported: [400, "illegal_argument_exception"],
  cancelled: [409, "backup_cancelled_exception"],
};

const REPOSITORY: Readonly<Record<RepositoryErrorKind, readonly [number, string]>> = {
  missing: [404, "repository_missing_exception"],
  exists: [409, "repository_conflict_exception"],
  damaged: [502, "repository_corrupt_exception"],
  version: [400, "repository_version_exception"],
  key: [400, "repository_key_exception"],
  no_backup: [404, "backup_missing_exception"],
  id_taken: [409, "repository_conflict_exception"],
  contended: [503, "repository_contended_exception"],
  unsafe_store: [400, "repository_unsafe_exception"],
  target: [409, "restore_conflict_exception"],
  selection: [400, "illegal_argument_exception"],
};

/** The same failure with a status and a type; what is none of theirs stays as it is. */
export function explainedFailure(error: unknown): unknown {
  if (error instanceof StoreError) return refused(error, STORE[error.kind]);
  if (error instanceof RepositoryError) return refused(error, REPOSITORY[error.kind]);
  if (error instanceof DamagedFileError) {
    return new RequestError(
      `${error.message}; nothing of it was stored: \`xerj verify\` says what the file holds, and a backup made before ` +
        "may give it back",
      { status: 500, type: "corruption_exception", details: { file: error.path } },
    );
  }
  return error;
}

function refused(
  { message, hint }: { readonly message: string; readonly hint: string },
  [status, type]: readonly [number, string],
): RequestError {
  const headers: Record<string, string> = status === 503 ? { "Retry-After": "10" } : {};
  return new RequestError(hint === "" ? message : `${message}; ${hint}`, { status, type, headers });
}
