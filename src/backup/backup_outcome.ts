/**
 * What became of a backup.
 *
 * @module
 */

export interface BackupOutcome {
  readonly id: string;
  /** Sent now: objects, not the manifest. 0 when nothing changed. */
  readonly bytes: number;
  /** Of all files. */
  readonly bytesTotal: number;
  readonly files: number;
  readonly objectsPut: number;
  readonly objectsReused: number;
  /** Objects that a listed backup names and that are gone or have another size; they were sent again for this backup. */
  readonly objectsMissing: readonly string[];
  /** Listed backups that such an object is missing from, and that stay damaged until they are healed. */
  readonly backupsAffected: readonly string[];
  /** Objects whose unfinished uploads could not be ended: the credentials may not. */
  readonly uploadsLeft: readonly string[];
  /** Objects of before whose lock would have ended too soon. */
  readonly locksExtended: number;
  readonly manifest: string;
  readonly manifestBytes: number;
  readonly durationMs: number;
  /** How often another change of the head came first. */
  readonly retries: number;
}
