/**
 * Proving that a repository holds what its head lists; what it does not, `heal_repository.ts` sends again.
 *
 * - quick: every listed manifest against its hash, every object by HEAD: there, and of the right size.
 * - sample: quick, and a share of the objects as in full.
 * - full: every byte fetched, decrypted, decompressed and hashed.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { StoreError } from "../objectstore/store.ts";
import { RepositoryError } from "./error.ts";
import { fetchPiece } from "./fetch_piece.ts";
import type { ListedBackup } from "./head.ts";
import type { BackupManifest, Piece } from "./manifest.ts";
import { Budget, forEachParallel } from "./parallel.ts";
import { findBackup, type Repository } from "./repository.ts";

const PARALLEL_HEADS = 16;
const PARALLEL_OBJECTS = 4;
const PARALLEL_REQUESTS = 8;

export interface VerifyOptions {
  readonly mode: "quick" | "sample" | "full";
  /** Of the objects, in (0, 1], for "sample"; default 0.05. At least one object is read. */
  readonly share?: number;
  /** Only these backups; undefined: all. @throws {RepositoryError} "no_backup" */
  readonly ids?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: VerifyProgress) => void;
}

export interface VerifyProgress {
  readonly objectsDone: number;
  readonly objectsTotal: number;
  readonly bytesRead: number;
}

/** Something of the repository that is not as it was stored. */
export interface DamagedObject {
  /** Object or manifest. */
  readonly object: string;
  readonly problem: "missing" | "wrong size" | "damaged";
  /** In words. */
  readonly reason: string;
  /** Ids of all listed backups that it affects. */
  readonly backups: readonly string[];
  /** Paths of files that it affects, of the newest of those backups; at most 10. */
  readonly paths: readonly string[];
  /** What it should hold; undefined: it is a manifest. */
  readonly piece?: Piece;
}

export interface VerifyReport {
  readonly mode: VerifyOptions["mode"];
  readonly backups: number;
  readonly objects: number;
  /** Read and hashed. */
  readonly objectsRead: number;
  readonly bytesRead: number;
  readonly damaged: readonly DamagedObject[];
  readonly durationMs: number;
}

/** An object with all that lists it. */
export interface Used {
  readonly piece: Piece;
  readonly backups: string[];
  /** Of the newest backup that names it. */
  paths: string[];
}

/**
 * Damage is a result, not an error.
 *
 * @throws {RepositoryError} The head is damaged, or "no_backup". @throws {StoreError} The store cannot be asked.
 */
export async function verifyRepository(
  repository: Repository,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const { mode, share = 0.05, ids, signal, onProgress } = options;
  const startedMs = repository.clock.monotonicMs();
  const { head } = await repository.readHead(signal);
  const backups = ids?.map((id) => findBackup(head, id, repository.place)) ?? head.backups;
  const damaged: DamagedObject[] = [];
  const used = await usedObjects(repository, backups, { damaged, ...(signal ? { signal } : {}) });
  const limits = (limit: number) => (signal ? { limit, signal } : { limit });

  let objectsDone = 0;
  let bytesRead = 0;
  const tell = () => onProgress?.({ objectsDone, objectsTotal: used.length, bytesRead });
  const sound: Used[] = [];
  await forEachParallel(used, limits(PARALLEL_HEADS), async (one, signal) => {
    const info = await repository.store.head(one.piece.object, { signal });
    if (info?.sizeBytes === one.piece.bytes) sound.push(one);
    else {
      damaged.push(
        info
          ? damageOf(one, "wrong size", `it has ${info.sizeBytes} bytes instead of ${one.piece.bytes}`)
          : damageOf(one, "missing", "it is gone"),
      );
    }
    if (mode === "quick") objectsDone++;
    tell();
  });

  const chosen = mode === "quick" ? [] : mode === "full" ? sound : sample(repository, sound, share);
  objectsDone = used.length - chosen.length;
  const requests = new Budget(PARALLEL_REQUESTS);
  await forEachParallel(chosen, limits(PARALLEL_OBJECTS), async (one, signal) => {
    const onFetched = (bytes: number) => {
      bytesRead += bytes;
      tell();
    };
    const reason = await whatIsWrong(repository, one.piece, { requests, signal, onFetched });
    if (reason !== undefined) damaged.push(damageOf(one, "damaged", reason));
    objectsDone++;
    tell();
  });
  return {
    mode,
    backups: backups.length,
    objects: used.length,
    objectsRead: chosen.length,
    bytesRead,
    damaged: damaged.sort((a, b) => (a.object < b.object ? -1 : 1)),
    durationMs: repository.clock.monotonicMs() - startedMs,
  };
}

/** Objects that listed backups name, each once; damaged manifests are noted. */
export async function usedObjects(
  repository: Repository,
  backups: readonly ListedBackup[],
  { damaged, signal }: { readonly damaged: DamagedObject[]; readonly signal?: AbortSignal },
): Promise<Used[]> {
  const used = new Map<string, Used>();
  for (const backup of backups) {
    const manifest = await manifestOf(repository, backup, { damaged, ...(signal ? { signal } : {}) });
    for (const { path, pieces } of manifest?.files ?? []) {
      for (const piece of pieces) {
        const one = used.get(piece.object) ?? { piece, backups: [], paths: [] };
        used.set(piece.object, one);
        if (one.backups.at(-1) !== backup.id) {
          one.backups.push(backup.id);
          one.paths = [];
        }
        if (one.paths.length < 10 && one.paths.at(-1) !== path) one.paths.push(path);
      }
    }
  }
  return [...used.values()];
}

async function manifestOf(
  repository: Repository,
  backup: ListedBackup,
  { damaged, signal }: { readonly damaged: DamagedObject[]; readonly signal?: AbortSignal },
): Promise<BackupManifest | undefined> {
  try {
    return await repository.readManifestAgain(backup, signal);
  } catch (error) {
    if (!(error instanceof RepositoryError) || error.kind !== "damaged") throw error;
    const isGone = error.message.endsWith("it is gone");
    damaged.push({
      object: backup.manifest,
      problem: isGone ? "missing" : "damaged",
      reason: error.message,
      backups: [backup.id],
      paths: [],
    });
    return undefined;
  }
}

function damageOf(one: Used, problem: DamagedObject["problem"], reason: string): DamagedObject {
  return {
    object: one.piece.object,
    problem,
    reason,
    backups: one.backups,
    paths: one.paths,
    piece: one.piece,
  };
}

/** Reads an object whole. @returns undefined: it is right. */
export async function whatIsWrong(
  repository: Repository,
  piece: Piece,
  options: {
    readonly requests: Budget;
    readonly signal: AbortSignal;
    readonly onFetched: (bytes: number) => void;
  },
): Promise<string | undefined> {
  const hash = createHash("sha256");
  let size = 0;
  try {
    for await (const bytes of fetchPiece(repository, piece, 0, options)) {
      hash.update(bytes);
      size += bytes.length;
    }
  } catch (error) {
    if (!(error instanceof StoreError) || (error.kind !== "damaged" && error.kind !== "missing")) throw error;
    return error.message;
  }
  const sha256 = hash.digest("hex");
  if (size === piece.plainBytes && sha256 === piece.sha256) return undefined;
  return `its ${size} plain bytes have SHA-256 ${sha256}, not ${piece.sha256}`;
}

/** A random choice: other objects each time, so that samples add up. */
function sample(repository: Repository, objects: readonly Used[], share: number): Used[] {
  const count = Math.min(objects.length, Math.max(1, Math.ceil(objects.length * share)));
  const rest = [...objects];
  const draw = new Uint32Array(1);
  const chosen: Used[] = [];
  while (chosen.length < count) {
    repository.random.fill(new Uint8Array(draw.buffer));
    const at = draw[0]! % rest.length;
    chosen.push(rest[at]!);
    rest[at] = rest.at(-1)!;
    rest.pop();
  }
  return chosen;
}
