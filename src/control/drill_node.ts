/**
 * The shipper's part of a restore drill: what the backup holds and says, and bringing it.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { RepositoryError } from "../backup/error.ts";
import type { ListedBackup } from "../backup/head.ts";
import { type BackedUpIndex, type BackupManifest, objectsOf } from "../backup/manifest.ts";
import { findBackup, type Repository } from "../backup/repository.ts";
import {
  finishRestore,
  planRestore,
  restoreFiles,
  type RestoreOutcome,
  type RestoreProgress,
} from "../backup/restore.ts";
import { StoreError } from "../objectstore/store.ts";
import type { FileSystem } from "../os/fs.ts";
import { explainedFailure } from "./backup_errors.ts";

export interface DrillPlan {
  readonly repositoryId: string;
  readonly backup: ListedBackup;
  /** Version of the server that made it. */
  readonly madeBy: string;
  readonly indices: readonly (BackedUpIndex & { readonly bytes: number })[];
  /** Of files that are no index's. */
  readonly serverBytes: number;
  /** As the manifest has it. */
  readonly extra: unknown;
}

export interface DrillSelection {
  /** Id, or "latest". */
  readonly backup: string;
  /** Names, or patterns with *; undefined: all. */
  readonly indices?: readonly string[];
}

/** @throws {RepositoryError} "no_backup", "damaged", "selection" @throws {StoreError} */
export async function planDrill(
  repository: Repository,
  { signal, ...selection }: DrillSelection & { readonly signal?: AbortSignal },
): Promise<DrillPlan> {
  const { backup, manifest, files, indices } = await planRestore(repository, {
    ...selection,
    includeServerFiles: true,
    ...(signal ? { signal } : {}),
  });
  const bytesOf = (index: string | null) =>
    files.reduce((sum, { entry }) => entry.index === index ? sum + entry.bytes : sum, 0);
  return {
    repositoryId: repository.id,
    backup,
    madeBy: manifest.server.version,
    indices: manifest.indices.filter(({ name }) => indices.some((each) => each.name === name))
      .map((index) => ({ ...index, bytes: bytesOf(index.name) })),
    serverBytes: bytesOf(null),
    extra: manifest.extra,
  };
}

/**
 * Brings indices of a backup, and the server's own files, into a new folder that can be opened then.
 *
 * @throws {RequestError} What is damaged or missing is named, with the backups that need it. @throws {IoError}
 */
export async function bringDrill(
  repository: Repository,
  { backup, indices, to, fs, signal, onProgress }: {
    readonly backup: string;
    readonly indices: readonly string[];
    readonly to: string;
    readonly fs: FileSystem;
    readonly signal: AbortSignal;
    readonly onProgress?: (progress: RestoreProgress) => void;
  },
): Promise<RestoreOutcome> {
  try {
    const plan = await planRestore(repository, { backup, indices, includeServerFiles: true, signal });
    const outcome = await restoreFiles(plan, { to, fs, signal, ...(onProgress ? { onProgress } : {}) });
    finishRestore(fs, { staging: to, target: to });
    return outcome;
  } catch (error) {
    throw await withBackups(repository, error, signal);
  }
}

const OBJECT = /objects\/[0-9a-f]{64}\.[A-Za-z0-9._-]*[A-Za-z0-9]/g;

/** The same failure, and which backups need the objects that it names. */
async function withBackups(repository: Repository, error: unknown, signal: AbortSignal): Promise<unknown> {
  const isDamage = (error instanceof StoreError && (error.kind === "damaged" || error.kind === "missing")) ||
    (error instanceof RepositoryError && error.kind === "damaged");
  const explained = explainedFailure(error);
  if (!isDamage || !(explained instanceof RequestError)) return explained;
  const objects = [...new Set(explained.message.match(OBJECT))];
  if (objects.length === 0) return explained;
  const backups = await backupsWith(repository, objects, signal);
  const { status, headers } = explained;
  return new RequestError(
    `${explained.message}; backups that need it: ${backups.length === 0 ? "unknown" : backups.join(", ")}`,
    { status: status === 404 ? 502 : status, type: DAMAGED, headers, details: { objects, backups } },
  );
}

const DAMAGED = "repository_corrupt_exception";

/** Ids of listed backups whose manifests name any of the objects; those that cannot be read are left out. */
async function backupsWith(
  repository: Repository,
  objects: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const affected: string[] = [];
  const { head } = await repository.readHead(signal);
  for (const { id } of head.backups) {
    let manifest: BackupManifest;
    try {
      manifest = await repository.readManifest(findBackup(head, id, repository.place), signal);
    } catch (error) {
      if (error instanceof StoreError || error instanceof RepositoryError) continue;
      throw error;
    }
    const named = objectsOf(manifest);
    if (objects.some((object) => named.has(object))) affected.push(id);
  }
  return affected;
}
