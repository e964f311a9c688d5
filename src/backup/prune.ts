/**
 * Taking backups and garbage out of a repository, beside running backups and other prunes, without locks.
 *
 * 1. Read the head; mark what may go: what only removed backups name, and, in a sweep, what no listed backup names and
 *    no running one can still need.
 * 2. Replace the head by one without the removed backups, with all that is marked condemned, and the next epoch. Somebody
 *    else replaced it: begin again.
 * 3. Only now delete what the head condemns. Then take what is gone out of `condemned`, with a later replacement.
 *
 * Before the head is replaced it is tried whether the credentials may delete at all: else nothing changes.
 *
 * A prune that stops anywhere is finished by the next; one that comes back late deletes names that nothing uses again.
 *
 * What a sweep spares by epoch, not by time: objects of backups that began at most `graceEpochs` sweeps ago. A backup
 * that takes longer loses nothing but time: it finds out before it is listed, and sends those objects again.
 *
 * @module
 */
import { StoreError } from "../objectstore/store.ts";
import { RepositoryError } from "./error.ts";
import { type Head, type ListedBackup, MAX_RETIRED, type RetiredId } from "./head.ts";
import { type BackupManifest, objectsOf } from "./manifest.ts";
import { MANIFEST_PREFIX, OBJECT_PREFIX, parseObjectName, plainManifestName } from "./names.ts";
import { forEachParallel, throwIfCancelled } from "./parallel.ts";
import { findBackup, type HeadChange, type ReadHead, type Repository } from "./repository.ts";
import { expiredBackups, type RetentionPolicy } from "./retention.ts";

const GRACE_EPOCHS = 3;
/** Names condemned at once; more take further rounds. Bounds the head's size. */
const MAX_CONDEMNED = 20_000;
const DELETE_BATCH = 1000;
const PARALLEL_MANIFESTS = 8;
const MAX_ATTEMPTS = 100;
/** Never there: whether it may be deleted tells whether anything may. */
const NOTHING = `${OBJECT_PREFIX}nothing`;

export interface PruneOptions {
  /** Removes what it does not keep; undefined: removes no backup. */
  readonly retention?: RetentionPolicy;
  /** The series that `retention` is for; undefined: all, each by itself. */
  readonly series?: string;
  /** Removes these too, pinned or not. @throws {RepositoryError} "no_backup" */
  readonly ids?: readonly string[];
  /** See the module's comment; default 3. 0: whatever no listed backup names goes, running backups send theirs again. */
  readonly graceEpochs?: number;
  readonly signal?: AbortSignal;
}

export interface PruneOutcome {
  /** Ids of backups that are not listed any more. */
  readonly removed: readonly string[];
  /** Objects and manifests that were deleted, as far as the store said so. */
  readonly deleted: number;
  /** Their bytes, as far as they were known. */
  readonly deletedBytes: number;
  /** Condemned, but the store did not delete them: the next prune tries again. */
  readonly undeleted: number;
  /** Why, in the store's words; "" when all went. */
  readonly undeletedReason: string;
  /** How often another change of the head came first. */
  readonly retries: number;
}

/**
 * Removes backups and sweeps garbage.
 *
 * @throws {RepositoryError} "damaged": a listed backup's manifest cannot be read, so that nobody can say what it needs;
 * nothing was condemned. "no_backup", "contended". @throws {StoreError} "denied": the credentials may not delete.
 */
export function prune(repository: Repository, options: PruneOptions = {}): Promise<PruneOutcome> {
  return new Prune(repository, options, true).run();
}

/**
 * Removes one backup and what only it needs; leaves other garbage and the epoch alone. Objects beyond 20,000 wait for the
 * next prune.
 *
 * @throws {RepositoryError} "no_backup", "damaged": another backup's manifest. @throws {StoreError}
 */
export function deleteBackup(
  repository: Repository,
  id: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<PruneOutcome> {
  return new Prune(repository, { ...options, ids: [id] }, false).run();
}

/** Pins or unpins a backup. @throws {RepositoryError} "no_backup", "contended" @throws {StoreError} */
export async function setPinned(
  repository: Repository,
  id: string,
  { pinned, signal }: { readonly pinned: boolean; readonly signal?: AbortSignal },
): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    throwIfCancelled(signal);
    const read = await repository.readHead(signal);
    const found = findBackup(read.head, id, repository.place);
    if (found.pinned === pinned) return;
    const backups = read.head.backups.map((backup) => backup === found ? { ...backup, pinned } : backup);
    if (await repository.replaceHead(read, { backups }, signal)) return;
  }
  throw contended(repository);
}

/** What one look at the repository found to be done. */
interface Marked {
  readonly change: HeadChange;
  /** Condemned now, with sizes where they are known. */
  readonly names: ReadonlyMap<string, number>;
  /** There is more than one round may condemn. */
  readonly isCut: boolean;
}

class Prune {
  readonly #repository: Repository;
  readonly #options: PruneOptions;
  readonly #isSweep: boolean;
  readonly #sizes = new Map<string, number>();
  #removed: readonly string[] | undefined;
  /** Objects of older epochs go; decided in the first round. */
  #sweptBefore: number | undefined;
  #deleted = 0;
  #deletedBytes = 0;
  #undeleted = 0;
  #undeletedReason = "";
  #retries = 0;
  #mayDelete = false;

  constructor(repository: Repository, options: PruneOptions, isSweep: boolean) {
    this.#repository = repository;
    this.#options = options;
    this.#isSweep = isSweep;
  }

  async run(): Promise<PruneOutcome> {
    while (this.#retries < MAX_ATTEMPTS) {
      throwIfCancelled(this.#options.signal);
      const read = await this.#repository.readHead(this.#options.signal);
      const leaving = this.#removed === undefined ? this.#leaving(read.head) : [];
      const marked = await this.#mark(read.head, leaving);
      if (!marked) return this.#outcome();
      await this.#checkRights(marked.change.condemned!);
      if (!await this.#repository.replaceHead(read, marked.change, this.#options.signal)) {
        this.#retries++;
        continue;
      }
      this.#removed ??= leaving.map(({ id }) => id);
      for (const [name, bytes] of marked.names) this.#sizes.set(name, bytes);
      await this.#deleteCondemned(marked.change.condemned!);
      if (!marked.isCut || this.#undeleted > 0) return this.#outcome();
    }
    throw contended(this.#repository);
  }

  /** @throws {StoreError} "denied": nothing was changed. */
  async #checkRights(condemned: readonly string[]): Promise<void> {
    if (this.#mayDelete || condemned.length === 0) return;
    const { signal } = this.#options;
    const { store } = this.#repository;
    try {
      await store.delete([NOTHING], signal ? { signal } : {});
      this.#mayDelete = true;
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== "denied") throw error;
      throw new StoreError(`Cannot delete at ${store.place}: the credentials may not; nothing was changed`, {
        kind: "denied",
        hint: "prune under another identity, which has s3:DeleteObject",
        cause: error,
      });
    }
  }

  /** Backups that are to be removed. */
  #leaving({ backups }: Head): ListedBackup[] {
    const { ids = [], retention, series } = this.#options;
    const named = ids.map((id) => findBackup({ backups }, id, this.#repository.place));
    const expired = retention ? expiredBackups(backups, retention, series) : [];
    return [...new Set([...named, ...expired])];
  }

  /** Decides what goes. @returns undefined: nothing, and nothing is left to delete. */
  async #mark(head: Head, leaving: readonly ListedBackup[]): Promise<Marked | undefined> {
    const remaining = head.backups.filter((backup) => !leaving.includes(backup));
    const live = await this.#liveNames(remaining);
    const known = new Set(head.condemned);
    const names = new Map<string, number>();
    const add = (name: string, bytes: number) => {
      if (!live.has(name) && !known.has(name)) names.set(name, bytes);
    };
    for (const backup of leaving) {
      add(backup.manifest, backup.manifestBytes);
      for (const [object, bytes] of await this.#objectsOfLeaving(backup)) add(object, bytes);
    }
    const retired: RetiredId[] = [...head.retired, ...leaving.map(({ id }) => ({ id, listed: true }))];
    const swept = this.#isSweep ? await this.#sweep(head, { live, known, retired, add }) : undefined;
    const isCut = names.size > MAX_CONDEMNED;
    const chosen = new Map([...names].slice(0, MAX_CONDEMNED));
    const isNothingNew = leaving.length === 0 && chosen.size === 0 && !swept?.foundYoung;
    if (isNothingNew && head.condemned.length === 0) return undefined;
    return {
      change: {
        backups: remaining,
        condemned: [...head.condemned, ...chosen.keys()],
        retired: retired.slice(-MAX_RETIRED),
        ...(swept ? { epoch: head.epoch + 1, sweptBefore: swept.before } : {}),
      },
      names: chosen,
      isCut,
    };
  }

  /** Names that listed backups need, their manifests' included. @throws {RepositoryError} "damaged" */
  async #liveNames(backups: readonly ListedBackup[]): Promise<Set<string>> {
    const { signal } = this.#options;
    const live = new Set<string>();
    const limits = { limit: PARALLEL_MANIFESTS, ...(signal ? { signal } : {}) };
    await forEachParallel(backups, limits, async (backup, signal) => {
      live.add(backup.manifest);
      for (const object of objectsOf(await this.#repository.readManifest(backup, signal))) live.add(object);
    });
    return live;
  }

  /** A damaged backup can be removed too: what it named is found by later sweeps. */
  async #objectsOfLeaving(backup: ListedBackup): Promise<Map<string, number>> {
    try {
      const { files } = await this.#repository.readManifest(backup, this.#options.signal);
      return new Map(
        files.flatMap(({ pieces }) => pieces.map(({ object, bytes }): [string, number] => [object, bytes])),
      );
    } catch (error) {
      if (!(error instanceof RepositoryError) || error.kind !== "damaged") throw error;
      this.#repository.log.warn("A backup is removed whose manifest cannot be read", {
        backup: backup.id,
        error: error.message,
      });
      return new Map();
    }
  }

  /**
   * Finds what no backup lists. Of a backup that was listed everything goes that is not live: it runs no more. Of others
   * what is older than the grace.
   */
  async #sweep(head: Head, { live, known, retired, add }: SweepInput): Promise<Swept> {
    const { signal, graceEpochs = GRACE_EPOCHS } = this.#options;
    const { store, log } = this.#repository;
    this.#sweptBefore ??= head.epoch + 1 - graceEpochs;
    const before = Math.max(head.sweptBefore, this.#sweptBefore);
    const finished = new Set(head.backups.map(({ id }) => id));
    for (const { id, listed } of retired) if (listed) finished.add(id);
    let foundYoung = false;
    const judge = (name: string, bytes: number, { epoch, id }: { epoch: number; id: string }) => {
      const goes = epoch < before || finished.has(id);
      if (goes) add(name, bytes);
      else foundYoung = true;
      return goes;
    };
    const call = signal ? { signal } : {};
    for await (const { name, sizeBytes } of store.list(OBJECT_PREFIX, call)) {
      if (live.has(name) || known.has(name)) continue;
      const parsed = parseObjectName(name);
      if (parsed) judge(name, sizeBytes, { epoch: parsed.epoch, id: parsed.backupId });
      else log.warn("The repository holds an object with a foreign name: it is left alone", { object: name });
    }
    for await (const { name, sizeBytes } of store.list(MANIFEST_PREFIX, call)) {
      if (live.has(name) || known.has(name)) continue;
      const manifest = await this.#unlistedManifest(name);
      if (!manifest) continue;
      const id = manifest.backupId;
      const goes = judge(name, sizeBytes, { epoch: manifest.epoch, id });
      if (goes && name === plainManifestName(id) && !finished.has(id)) retired.push({ id, listed: false });
    }
    return { before, foundYoung };
  }

  /** undefined: it went meanwhile, or is none of ours. */
  async #unlistedManifest(name: string): Promise<BackupManifest | undefined> {
    const { signal } = this.#options;
    const object = await this.#repository.store.get(name, signal ? { signal } : {});
    if (!object) return undefined;
    const stem = name.slice(MANIFEST_PREFIX.length).replace(/\.json$/, "");
    for (const id of new Set([stem, stem.replace(/\.[0-9a-f]{16}$/, "")])) {
      try {
        return await this.#repository.decodeManifest(object.bytes, id);
      } catch (error) {
        if (!(error instanceof RepositoryError)) throw error;
      }
    }
    this.#repository.log.warn("The repository holds something that is no manifest: it is left alone", {
      object: name,
    });
    return undefined;
  }

  /** Deletes what a head condemned; what went leaves `condemned`. */
  async #deleteCondemned(condemned: readonly string[]): Promise<void> {
    const { signal } = this.#options;
    const gone = new Set<string>();
    for (let at = 0; at < condemned.length; at += DELETE_BATCH) {
      const batch = condemned.slice(at, at + DELETE_BATCH);
      try {
        await this.#repository.store.delete(batch, signal ? { signal } : {});
        for (const name of batch) gone.add(name);
      } catch (error) {
        if (!(error instanceof StoreError) || error.kind === "cancelled") throw error;
        this.#undeleted += batch.length;
        this.#undeletedReason = error.message;
      }
    }
    this.#deleted += gone.size;
    for (const name of gone) this.#deletedBytes += this.#sizes.get(name) ?? 0;
    if (gone.size > 0) await this.#forget(gone);
  }

  async #forget(gone: ReadonlySet<string>): Promise<void> {
    const { signal } = this.#options;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const read: ReadHead = await this.#repository.readHead(signal);
      const condemned = read.head.condemned.filter((name) => !gone.has(name));
      if (condemned.length === read.head.condemned.length) return;
      if (await this.#repository.replaceHead(read, { condemned }, signal)) return;
      this.#retries++;
    }
    throw contended(this.#repository);
  }

  #outcome(): PruneOutcome {
    return {
      removed: this.#removed ?? [],
      deleted: this.#deleted,
      deletedBytes: this.#deletedBytes,
      undeleted: this.#undeleted,
      undeletedReason: this.#undeletedReason,
      retries: this.#retries,
    };
  }
}

interface SweepInput {
  readonly live: ReadonlySet<string>;
  readonly known: ReadonlySet<string>;
  readonly retired: RetiredId[];
  readonly add: (name: string, bytes: number) => void;
}

interface Swept {
  readonly before: number;
  /** Something that the next sweeps may take: the epoch must go on for that. */
  readonly foundYoung: boolean;
}

function contended(repository: Repository): RepositoryError {
  return new RepositoryError(
    `Cannot change the head at ${repository.place}: others changed it ${MAX_ATTEMPTS} times`,
    {
      kind: "contended",
      hint: "nothing is broken: run it again",
    },
  );
}
