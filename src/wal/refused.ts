/**
 * Why an opening says no. The files on disk are as they were: a copy that missed something refuses to open rather than
 * to answer wrongly.
 *
 * @module
 */

/**
 * - `two_histories`: files of two servers' pasts are mixed in one folder.
 * - `not_covered`: the WAL that a manifest needs is not all there.
 * - `segment_missing`: a segment that a manifest names is absent, short or another one.
 * - `no_manifest`: the shard has no manifest of this incarnation.
 * - `wrong_index`: the files belong to another index or shard.
 * - `catalog_unreadable`: the newest catalogue is damaged or was released.
 * - `index_missing`: the catalogue names an index whose files are not there.
 * - `locked`: another process holds the data directory.
 * - `half_restored`: a restore into the data directory has not finished.
 */
export type RefusalCode =
  | "two_histories"
  | "not_covered"
  | "segment_missing"
  | "no_manifest"
  | "wrong_index"
  | "catalog_unreadable"
  | "index_missing"
  | "locked"
  | "half_restored";

export class OpenRefusedError extends Error {
  override readonly name = "OpenRefusedError";
  readonly code: RefusalCode;
  /** Paths of the files that it is about. */
  readonly files: readonly string[];

  constructor(code: RefusalCode, reason: string, files: readonly string[]) {
    super(`Cannot open: ${reason} [${code}]${files.length === 0 ? "" : ` (${files.join(", ")})`}`);
    this.code = code;
    this.files = files;
  }
}
