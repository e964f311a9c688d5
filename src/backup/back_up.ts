/**
 * One backup: sends what the repository lacks, then lists itself in the head. Until that replacement of the head
 * nothing is a backup; after it all of it is.
 *
 * 1. Read the head. Each file's pieces are either named by a listed backup (looked up in manifests, confirmed by HEAD),
 *    sent by an earlier run of this backup (journal, HEAD), or sent now under a new name.
 * 2. Store the manifest under a name that nothing has.
 * 3. Replace the head, if it is still the one that was read. Else begin again with the new one: what was reused must still
 *    be named by a listed backup there, what was sent must be younger than its last sweep; what is not is sent again.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import { type Logger, silentLogger } from "../base/log.ts";
import { sha256Hex } from "../format/sealed_json.ts";
import { StoreError } from "../objectstore/store.ts";
import type { FileSystem } from "../os/fs.ts";
import type { BackupOutcome } from "./backup_outcome.ts";
import { type BackupFile, hashFile, hashPiece, type LocalPiece, PIECE_BYTES } from "./content.ts";
import { encodePiece } from "./encode_piece.ts";
import { DamagedFileError, RepositoryError } from "./error.ts";
import type { Head, ListedBackup } from "./head.ts";
import { Journal } from "./journal.ts";
import {
  type BackedUpIndex,
  type BackedUpServer,
  type BackupEntry,
  type BackupManifest,
  bytesTotal,
  type PieceEncoding,
} from "./manifest.ts";
import {
  isBackupId,
  isSafePath,
  newManifestName,
  newObjectName,
  parseObjectName,
  plainManifestName,
} from "./names.ts";
import { Budget, forEachParallel, throwIfCancelled } from "./parallel.ts";
import type { ReadHead, Repository } from "./repository.ts";
import { fileKey, type Holdings, readHoldings } from "./reuse.ts";

export type { BackupFile } from "./content.ts";
export type { BackupOutcome } from "./backup_outcome.ts";

/** Files up to this size are in the manifest itself. */
const INLINE_BYTES = 4096;
const PARALLEL = 4;
/** HEAD requests at once: they only wait. */
const PARALLEL_HEADS = 16;
/** Compressed or encrypted bytes held in memory, over all pieces that are being sent. */
const MEMORY_BYTES = 128 * 1024 * 1024;
/** Replacements of the head that others may win in a row. */
const MAX_ATTEMPTS = 100;

/** What to back up. */
export interface BackupPlan {
  /** As `isBackupId`. The same id again, with the same journal, goes on with a backup that was broken off. */
  readonly id: string;
  /** ms since the epoch. */
  readonly createdMs: number;
  readonly lsn: number;
  readonly server: BackedUpServer;
  readonly indices: readonly BackedUpIndex[];
  readonly files: readonly BackupFile[];
  /** Default "manual". */
  readonly kind?: string;
  /** Backups that retention counts together; default "". */
  readonly series?: string;
  readonly pinned?: boolean;
  /** Plain JSON, found again in the manifest. */
  readonly extra?: unknown;
}

export interface BackUpProgress {
  readonly filesDone: number;
  readonly filesTotal: number;
  /** Of files that are done. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Bytes of objects that the store took. */
  readonly uploadedBytes: number;
  /** Bytes of files that the repository had already. */
  readonly reusedBytes: number;
}

export interface BackUpOptions {
  readonly fs: FileSystem;
  /** A local file for `Journal`; undefined: a backup that is broken off begins anew. */
  readonly journalPath?: string;
  /** Ends it with a `StoreError` "cancelled"; the journal stays. */
  readonly signal?: AbortSignal;
  /** Files at once; default 4. */
  readonly parallel?: number;
  /** zstd where it saves at least 5%; default true. */
  readonly compress?: boolean;
  readonly onProgress?: (progress: BackUpProgress) => void;
  readonly log?: Logger;
  /** Default 4096; -1: none, not even empty ones. */
  readonly inlineBytes?: number;
  /** Default 64 MiB; the same for all backups of a repository, or big files are not found again. */
  readonly pieceBytes?: number;
}

/**
 * Makes one backup. When this resolves it is listed and restorable.
 *
 * @throws {DamagedFileError} A local file is not what its manifest says: nothing was listed.
 * @throws {RepositoryError} "id_taken", "contended", "damaged"
 * @throws {StoreError} Also "cancelled". @throws {IoError}
 */
export function backUp(
  repository: Repository,
  plan: BackupPlan,
  options: BackUpOptions,
): Promise<BackupOutcome> {
  assert(isBackupId(plan.id), "a backup's id has the right form");
  const paths = new Set(plan.files.map(({ path }) => path));
  assert(paths.size === plan.files.length && [...paths].every(isSafePath), "paths are safe and unique");
  return new BackUp(repository, plan, options).run();
}

/** Where a content's bytes are. */
interface Placement {
  readonly object: string;
  readonly bytes: number;
  readonly encoding: PieceEncoding;
  readonly frames?: readonly number[];
  /** Manifests that name it; undefined: this backup sent it. */
  readonly holders?: ReadonlySet<string>;
}

/** A file that was looked at: small, or made of contents. */
interface SeenFile {
  readonly file: BackupFile;
  readonly sha256: string;
  readonly modifiedMs: number;
  readonly inline?: Uint8Array;
  readonly contents: readonly string[];
}

interface StoredManifest {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly epoch: number;
  readonly files: readonly BackupEntry[];
}

class BackUp {
  readonly #repository: Repository;
  readonly #plan: BackupPlan;
  readonly #options: BackUpOptions;
  readonly #log: Logger;
  readonly #memory = new Budget(MEMORY_BYTES);
  readonly #seen = new Map<string, SeenFile>();
  /** By content name. */
  readonly #pieces = new Map<string, LocalPiece>();
  readonly #placements = new Map<string, Placement>();
  /** Contents that are being placed. */
  readonly #placing = new Map<string, Promise<void>>();
  readonly #missing = new Set<string>();
  readonly #affected = new Set<string>();
  readonly #uploadsLeft = new Set<string>();
  #journal: Journal | undefined;
  #manifest: StoredManifest | undefined;
  #plainNameUsed = false;
  #locksExtended = 0;
  readonly #bytesTotal: number;
  /** As the store reports it, also of parts that it takes again. */
  #uploadedBytes = 0;
  #reusedBytes = 0;
  #bytesDone = 0;
  #filesDone = 0;
  #objectsPut = 0;
  #bytesPut = 0;

  constructor(repository: Repository, plan: BackupPlan, options: BackUpOptions) {
    this.#repository = repository;
    this.#plan = plan;
    this.#options = options;
    this.#log = options.log ?? silentLogger;
    this.#bytesTotal = plan.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  async run(): Promise<BackupOutcome> {
    const { fs, journalPath: path, signal } = this.#options;
    const { clock } = this.#repository;
    const startedMs = clock.monotonicMs();
    if (path !== undefined) {
      this.#journal = Journal.open({ fs, path, repositoryId: this.#repository.id, backupId: this.#plan.id });
    }
    this.#plainNameUsed = this.#journal?.manifestBegun ?? false;
    try {
      for (let retries = 0; retries < MAX_ATTEMPTS; retries++) {
        throwIfCancelled(signal);
        const read = await this.#repository.readHead(signal);
        const listed = await this.#findSelf(read.head) ?? await this.#attempt(read);
        if (!listed) {
          this.#log.debug("The repository changed during a backup: checking again", {
            backup: this.#plan.id,
          });
          continue;
        }
        this.#journal?.remove();
        return this.#outcome(listed, { retries, durationMs: clock.monotonicMs() - startedMs });
      }
    } catch (error) {
      this.#journal?.close();
      throw error;
    }
    this.#journal?.close();
    throw new RepositoryError(
      `Cannot list backup ${this.#plan.id} at ${this.#repository.place}: the head changed ${MAX_ATTEMPTS} times`,
      { kind: "contended", hint: "its objects are stored: run it again under the same id" },
    );
  }

  /** One round from a head to its replacement. @returns undefined: another change came first. */
  async #attempt(read: ReadHead): Promise<ListedBackup | undefined> {
    const { head } = read;
    const { signal } = this.#options;
    const series = this.#plan.series ?? "";
    await this.#endUploads();
    const holdings = await readHoldings(this.#repository, head, { series, ...(signal ? { signal } : {}) });
    await this.#checkPlacements(head, holdings);
    await this.#placeAll(head, holdings);
    const manifest = await this.#storeManifest(head);
    const listed = this.#listing(manifest);
    const isListed = await this.#repository.replaceHead(read, { backups: [...head.backups, listed] }, signal);
    return isListed ? listed : undefined;
  }

  /**
   * Whether the head lists this backup already: its replacement succeeded, but the answer was lost, or the process ended.
   *
   * @throws {RepositoryError} "id_taken": the id is another's, or was deleted.
   */
  async #findSelf(head: Head): Promise<ListedBackup | undefined> {
    const { id, createdMs, lsn, server } = this.#plan;
    if (head.retired.some((retired) => retired.id === id && retired.listed)) {
      throw new RepositoryError(`Cannot make backup ${id} at ${this.#repository.place}: it was deleted`, {
        kind: "id_taken",
        hint: "take another id",
      });
    }
    const listed = head.backups.find((backup) => backup.id === id);
    if (!listed) return undefined;
    if (listed.manifest === this.#manifest?.name) return listed;
    // An earlier run of the same backup, maybe in a process that ended before it could say so.
    if (this.#plainNameUsed) {
      const found = await this.#repository.readManifest(listed, this.#options.signal);
      if (
        found.createdMs === createdMs && found.lsn === lsn && found.server.instanceId === server.instanceId
      ) return listed;
    }
    throw new RepositoryError(
      `Cannot make backup ${id} at ${this.#repository.place}: there is one of that id`,
      {
        kind: "id_taken",
        hint: "take another id",
      },
    );
  }

  /** Ends the uploads in parts that an earlier run left unfinished: they cost money and are in no listing. */
  async #endUploads(): Promise<void> {
    if (this.#seen.size > 0) return;
    const { signal } = this.#options;
    await forEachParallel(this.#journal?.unfinished ?? [], this.#limits(PARALLEL_HEADS), async (object) => {
      try {
        await this.#repository.store.abortUploads(object, signal ? { signal } : {});
      } catch (error) {
        // A courtesy: many credentials may not do this.
        if (!(error instanceof StoreError) || (error.kind !== "denied" && error.kind !== "unsupported")) {
          throw error;
        }
        this.#uploadsLeft.add(object);
        this.#log.warn("Cannot end an unfinished upload", { object, error: error.message });
      }
    });
  }

  /** Under a new head: forgets placements that nobody keeps for us any more. */
  async #checkPlacements(head: Head, holdings: Holdings): Promise<void> {
    const listed = new Set(head.backups.map(({ manifest }) => manifest));
    const condemned = new Set(head.condemned);
    for (const [content, placement] of this.#placements) {
      const holders = placement.holders;
      const isKept = holders
        ? [...holders].some((manifest) => listed.has(manifest))
        : isOwnAndSafe(placement.object, head, condemned);
      if (!isKept || condemned.has(placement.object)) this.#placements.delete(content);
      else if (holders) {
        const held = holdings.pieces.get(content);
        if (held && held.object === placement.object) {
          this.#placements.set(content, { ...placement, ...held });
        }
      }
    }
    // By the rules all that is kept is there; a store that lost something is found out here.
    await forEachParallel(
      [...this.#placements],
      this.#limits(PARALLEL_HEADS),
      async ([content, placement], signal) => {
        if (!await this.#isThere(placement, signal)) this.#placements.delete(content);
      },
    );
    if (
      this.#manifest && !(this.#manifest.epoch >= head.sweptBefore && !condemned.has(this.#manifest.name))
    ) {
      this.#manifest = undefined;
    }
  }

  async #placeAll(head: Head, holdings: Holdings): Promise<void> {
    const limits = this.#limits(this.#options.parallel ?? PARALLEL);
    const condemned = new Set(head.condemned);
    const place = (content: string, signal: AbortSignal) =>
      this.#place(content, { head, condemned, holdings, signal });
    await forEachParallel(this.#plan.files, limits, async (file, signal) => {
      const seen = this.#seen.get(file.path) ?? await this.#look(file, holdings);
      const isNew = !this.#seen.has(file.path);
      this.#seen.set(file.path, seen);
      for (const content of seen.contents) await place(content, signal);
      if (!isNew) return;
      this.#filesDone++;
      this.#bytesDone += file.sizeBytes;
      this.#tell();
    });
  }

  /** Learns what a file consists of, from its hash alone when the repository knows it, else by reading it. */
  async #look(file: BackupFile, holdings: Holdings): Promise<SeenFile> {
    const { fs, inlineBytes = INLINE_BYTES, pieceBytes = PIECE_BYTES } = this.#options;
    const modifiedMs = Math.max(0, Math.floor(fs.stat(file.source).modifiedMs));
    if (file.sizeBytes <= inlineBytes || file.sizeBytes === 0) return this.#inline(file, modifiedMs);
    const known = file.sha256 === undefined
      ? undefined
      : holdings.files.get(fileKey(file.sha256, file.sizeBytes));
    if (known) {
      let offset = 0;
      const contents = known.map(({ plainBytes, sha256 }) => {
        const content = this.#remember({ file, offset, plainBytes, sha256, crcs: undefined });
        offset += plainBytes;
        return content;
      });
      return { file, sha256: file.sha256!, modifiedMs, contents };
    }
    const { sha256, pieces } = await hashFile(fs, file, pieceBytes);
    return { file, sha256, modifiedMs, contents: pieces.map((piece) => this.#remember(piece)) };
  }

  #inline(file: BackupFile, modifiedMs: number): SeenFile {
    const inline = this.#options.fs.readFile(file.source);
    if (inline.length !== file.sizeBytes) {
      throw new DamagedFileError(file, `it has ${inline.length} bytes instead of ${file.sizeBytes}`);
    }
    const sha256 = sha256Hex(inline);
    if (file.sha256 !== undefined && sha256 !== file.sha256) {
      throw new DamagedFileError(file, `its SHA-256 is ${sha256}, its manifest says ${file.sha256}`);
    }
    return { file, sha256, modifiedMs, inline, contents: [] };
  }

  #remember(piece: LocalPiece): string {
    const content = this.#repository.contentName(piece.sha256);
    if (!this.#pieces.has(content)) this.#pieces.set(content, piece);
    return content;
  }

  /** Finds or sends a content; of files that share it only the first does. */
  #place(content: string, round: Round): Promise<void> {
    if (this.#placements.has(content)) return Promise.resolve();
    const placing = this.#placing.get(content) ??
      this.#placeNew(content, round).finally(() => this.#placing.delete(content));
    this.#placing.set(content, placing);
    return placing;
  }

  async #placeNew(content: string, round: Round): Promise<void> {
    const { head, condemned, holdings, signal } = round;
    const piece = this.#pieces.get(content)!;
    const held = holdings.pieces.get(content);
    if (held) {
      if (await this.#isThere(held, signal)) {
        this.#reusedBytes += piece.plainBytes;
        this.#placements.set(content, held);
        return;
      }
      this.#missing.add(held.object);
      const backups = head.backups.filter(({ manifest }) => held.holders.has(manifest)).map(({ id }) => id);
      for (const id of backups) this.#affected.add(id);
      this.#log.warn("A listed backup's object is gone or cut: it is sent again for this one", {
        object: held.object,
        backups,
      });
    }
    const earlier = this.#journal?.objects.get(content);
    if (earlier && isOwnAndSafe(earlier.object, head, condemned) && await this.#isThere(earlier, signal)) {
      this.#placements.set(content, earlier);
      return;
    }
    await this.#send(content, piece, round);
  }

  async #send(content: string, local: LocalPiece, { head, signal }: Round): Promise<void> {
    const { fs, compress = true } = this.#options;
    const { store, random, cipher } = this.#repository;
    let piece = local;
    if (!piece.crcs) {
      piece = await hashPiece(fs, local);
      this.#pieces.set(content, piece);
    }
    const release = compress || cipher ? await this.#memory.take(piece.plainBytes) : undefined;
    try {
      const encoded = await encodePiece(piece, { fs, compress, cipher, content, random });
      const { encoding, source, frames, close } = encoded;
      try {
        const object = newObjectName({ content, epoch: head.epoch, backupId: this.#plan.id }, random);
        const placement = { object, bytes: source.sizeBytes, encoding, ...(frames ? { frames } : {}) };
        this.#journal?.begin({ ...placement, content });
        await store.putFile(object, source, {
          signal,
          onSent: (bytes) => {
            this.#uploadedBytes += bytes;
            this.#tell();
          },
        });
        this.#journal?.sent(object);
        this.#objectsPut++;
        this.#bytesPut += source.sizeBytes;
        this.#placements.set(content, placement);
      } finally {
        close();
      }
    } finally {
      release?.();
    }
  }

  /** Whether it is there, whole as far as its size says; its lock is extended where that is needed. */
  async #isThere(
    { object, bytes }: { object: string; bytes: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { store, clock } = this.#repository;
    const found = await store.head(object, { signal });
    if (found?.sizeBytes !== bytes) return false;
    const { lock } = store;
    if (lock && (found.lockedUntilMs ?? 0) < clock.nowMs() + lock.leastMs) {
      await lock.extend(object, { signal });
      this.#locksExtended++;
    }
    return true;
  }

  /** Stores the manifest, unless the one of the last round still says the same. */
  async #storeManifest(head: Head): Promise<StoredManifest> {
    const files = this.#entries();
    if (this.#manifest && sameObjects(this.#manifest.files, files)) return this.#manifest;
    const { id, createdMs, server, lsn, indices, kind = "manual", series = "", extra = null } = this.#plan;
    const { id: repositoryId, store, random } = this.#repository;
    const { epoch } = head;
    const manifest: BackupManifest = {
      backupId: id,
      repositoryId,
      epoch,
      createdMs,
      server,
      lsn,
      kind,
      series,
      indices,
      files,
      extra,
    };
    const bytes = await this.#repository.encodeManifest(manifest);
    const put = async (name: string): Promise<StoredManifest> => {
      this.#journal?.beginManifest(name);
      const { signal } = this.#options;
      await store.put(name, bytes, { condition: { ifAbsent: true }, ...(signal ? { signal } : {}) });
      return { name, bytes, epoch, files };
    };
    // A name that may have been used, and so condemned, is not used again: see `names.ts`.
    if (!this.#plainNameUsed && !head.retired.some((retired) => retired.id === id)) {
      this.#plainNameUsed = true;
      try {
        return this.#manifest = await put(plainManifestName(id));
      } catch (error) {
        if (!(error instanceof StoreError) || error.kind !== "precondition") throw error;
      }
    }
    return this.#manifest = await put(newManifestName(id, random));
  }

  #entries(): BackupEntry[] {
    const files = [...this.#seen.values()].map(({ file, contents, ...seen }): BackupEntry => ({
      path: file.path,
      index: file.index ?? null,
      bytes: file.sizeBytes,
      ...seen,
      pieces: contents.map((content) => {
        const { plainBytes, sha256 } = this.#pieces.get(content)!;
        const { object, bytes, encoding, frames } = this.#placements.get(content)!;
        return { object, bytes, encoding, plainBytes, sha256, ...(frames ? { frames } : {}) };
      }),
    }));
    return files.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  #listing({ name, bytes, files }: StoredManifest): ListedBackup {
    const { id, createdMs, lsn, pinned = false, kind = "manual", series = "" } = this.#plan;
    return {
      id,
      manifest: name,
      sha256: sha256Hex(bytes),
      manifestBytes: bytes.length,
      createdMs,
      bytesTotal: bytesTotal(files),
      files: files.length,
      lsn,
      pinned,
      kind,
      series,
    };
  }

  #outcome(listed: ListedBackup, times: { retries: number; durationMs: number }): BackupOutcome {
    return {
      id: listed.id,
      bytes: this.#bytesPut,
      bytesTotal: listed.bytesTotal,
      files: listed.files,
      objectsPut: this.#objectsPut,
      objectsReused: [...this.#placements.values()].filter(({ holders }) => holders).length,
      objectsMissing: [...this.#missing],
      backupsAffected: [...this.#affected].sort(),
      uploadsLeft: [...this.#uploadsLeft].sort(),
      locksExtended: this.#locksExtended,
      manifest: listed.manifest,
      manifestBytes: listed.manifestBytes,
      ...times,
    };
  }

  #limits(limit: number): { limit: number; signal?: AbortSignal } {
    const { signal } = this.#options;
    return signal ? { limit, signal } : { limit };
  }

  #tell(): void {
    this.#options.onProgress?.({
      filesDone: this.#filesDone,
      filesTotal: this.#plan.files.length,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      uploadedBytes: this.#uploadedBytes,
      reusedBytes: this.#reusedBytes,
    });
  }
}

/** What one round decides by. */
interface Round {
  readonly head: Head;
  readonly condemned: ReadonlySet<string>;
  readonly holdings: Holdings;
  readonly signal: AbortSignal;
}

/** An object that this backup sent and that no sweep up to this head can have condemned; see `head.ts`. */
function isOwnAndSafe(object: string, head: Head, condemned: ReadonlySet<string>): boolean {
  const name = parseObjectName(object);
  return name !== undefined && name.epoch >= head.sweptBefore && !condemned.has(object);
}

/** Whether two lists of the same files name the same objects. */
function sameObjects(a: readonly BackupEntry[], b: readonly BackupEntry[]): boolean {
  return a.every((file, i) => file.pieces.every(({ object }, j) => object === b[i]!.pieces[j]!.object));
}
