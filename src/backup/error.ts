/**
 * What can be wrong with a repository, a backup or a restore, apart from the store that holds them (`StoreError`) and
 * the local disk (`IoError`).
 *
 * @module
 */

/** What went wrong, as far as the caller's next step depends on it. */
export type RepositoryErrorKind =
  /** There is no repository at this place. */
  | "missing"
  /** There is one already. */
  | "exists"
  /** An object of the repository is not what it was when it was written, or is gone. */
  | "damaged"
  /** Written by a newer version. */
  | "version"
  /** The key is not the repository's; or none was given; or one was given to a repository without encryption. */
  | "key"
  /** No listed backup has this id, or none lies there at all. */
  | "no_backup"
  /** Another backup has this id, or had it. */
  | "id_taken"
  /** The head changed so often that this change never got its turn. */
  | "contended"
  /** The store lacks conditional writes. */
  | "unsafe_store"
  /** The place to restore to cannot be used. */
  | "target"
  /** The selection of a restore makes no sense: nothing matches, or two indices get one name. */
  | "selection";

/** A refused or failed operation on a repository. Its message holds no secret and is fit for a user. */
export class RepositoryError extends Error {
  override readonly name = "RepositoryError";
  readonly kind: RepositoryErrorKind;
  /** What to do about it; "" when the message says enough. */
  readonly hint: string;

  constructor(
    message: string,
    options: { readonly kind: RepositoryErrorKind; readonly hint?: string; readonly cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.kind = options.kind;
    this.hint = options.hint ?? "";
  }
}

/** A local file is not what its manifest says: nothing was stored in its name. */
export class DamagedFileError extends Error {
  override readonly name = "DamagedFileError";
  /** As the backup names it, relative to the data directory. */
  readonly path: string;
  /** Where it was read. */
  readonly source: string;

  constructor(file: { readonly path: string; readonly source: string }, reason: string) {
    super(`Cannot back up ${file.path}: ${reason}`);
    this.path = file.path;
    this.source = file.source;
  }
}
