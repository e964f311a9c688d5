/**
 * Backups of plain lists of files in an object store: make, list, restore, prune, verify, heal. Knows no shard.
 *
 * @module
 */
export {
  backUp,
  type BackUpOptions,
  type BackupOutcome,
  type BackupPlan,
  type BackUpProgress,
} from "./back_up.ts";
export { parseRepositoryKey } from "./cipher.ts";
export type { BackupFile } from "./content.ts";
export { DamagedFileError, RepositoryError, type RepositoryErrorKind } from "./error.ts";
export type { Head, ListedBackup } from "./head.ts";
export type { BackedUpIndex, BackedUpServer, BackupEntry, BackupManifest, Piece } from "./manifest.ts";
export { isBackupId } from "./names.ts";
export { deleteBackup, prune, type PruneOptions, type PruneOutcome, setPinned } from "./prune.ts";
export { findBackup, Repository, type RepositoryOptions } from "./repository.ts";
export {
  finishRestore,
  planRestore,
  restoreFiles,
  type RestoreOptions,
  type RestoreOutcome,
  type RestorePlan,
  type RestoreProgress,
  type RestoreSelection,
  RESTORING_FILE,
} from "./restore.ts";
export { applyRetention, expiredBackups, type RetentionPolicy } from "./retention.ts";
export type { Rename, Selection } from "./selection.ts";
export {
  type HealOptions,
  type HealOutcome,
  type HealProgress,
  healRepository,
  type UnhealedObject,
} from "./heal_repository.ts";
export {
  type DamagedObject,
  type VerifyOptions,
  type VerifyProgress,
  type VerifyReport,
  verifyRepository,
} from "./verify_repository.ts";
