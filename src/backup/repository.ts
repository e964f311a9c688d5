/**
 * A repository: the backups of any number of servers in one object store. Opening reads its head and checks the key;
 * nothing is held open and nothing ever needs unlocking.
 *
 * Why concurrent backups, prunes and deletes cannot harm each other, whichever of them stall, die or come back late:
 * - All decisions meet in one place, the head, which is only replaced under the condition that it is still the one that
 *   was decided upon.
 * - A backup lists only objects that a listed backup names already, or that it sent itself and that no sweep can have
 *   condemned (`head.ts`).
 * - Deletes are of names that a successful replacement condemned, and names are used once: a late delete finds nothing
 *   that anybody needs.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { type Logger, silentLogger } from "../base/log.ts";
import { randomUuid } from "../base/uuid.ts";
import { sha256Hex } from "../format/sealed_json.ts";
import { type ObjectStore, type StoreAbilities, StoreError } from "../objectstore/store.ts";
import type { Clock, Random } from "../os/fs.ts";
import { concatBytes } from "../base/bytes.ts";
import { RepositoryCipher } from "./cipher.ts";
import { RepositoryError } from "./error.ts";
import { decodeHead, encodeHead, type Head, type ListedBackup } from "./head.ts";
import { type BackupManifest, decodeBackupManifest, encodeBackupManifest } from "./manifest.ts";
import { HEAD_NAME, newTry } from "./names.ts";

/** Decoded manifests kept in memory. */
const MAX_CACHED_MANIFESTS = 16;

export interface RepositoryOptions {
  readonly random: Random;
  readonly clock: Clock;
  /** 32 bytes, of an encrypted repository; see `parseRepositoryKey`. */
  readonly key?: Uint8Array;
  /** What a probe found; undefined: everything. */
  readonly abilities?: StoreAbilities;
  /** The operator's word that nobody else ever writes here: lets a store without conditional writes be used. */
  readonly singleWriter?: boolean;
  readonly log?: Logger;
  /** What was learnt on the way here that the operator should know, in words. */
  readonly warnings?: readonly string[];
}

/** A head as it was read, to be replaced only while it is still there. */
export interface ReadHead {
  readonly head: Head;
  readonly etag: string;
}

/** What a replacement changes; all else stays. */
export type HeadChange = Partial<Pick<Head, "epoch" | "sweptBefore" | "backups" | "condemned" | "retired">>;

export class Repository {
  readonly store: ObjectStore;
  readonly id: string;
  readonly cipher: RepositoryCipher | undefined;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the operator should know about how this repository is used, in words. */
  readonly warnings: readonly string[];
  readonly #conditional: boolean;
  readonly #manifests = new Map<string, BackupManifest>();

  private constructor(store: ObjectStore, head: Head, options: RepositoryOptions) {
    this.store = store;
    this.id = head.repositoryId;
    this.cipher = cipherOf(store, head, options.key);
    this.random = options.random;
    this.clock = options.clock;
    this.log = options.log ?? silentLogger;
    this.#conditional = isConditional(options);
    this.warnings = [
      ...(options.warnings ?? []),
      ...(this.#conditional ? [] : [
        `${store.place} lacks conditional writes: a second server that writes there would break backups unnoticed`,
      ]),
    ];
  }

  /**
   * Makes the head of a new repository, encrypted if `options.key` is given.
   *
   * @throws {RepositoryError} "exists", "unsafe_store", "key"
   * @throws {StoreError}
   */
  static async create(store: ObjectStore, options: RepositoryOptions): Promise<Repository> {
    checkSafe(store, options);
    const repositoryId = randomUuid(options.random);
    const key = options.key;
    const head: Head = {
      repositoryId,
      revision: 1,
      nonce: newTry(options.random),
      epoch: 1,
      sweptBefore: 0,
      encryption: key
        ? { scheme: "aes-256-gcm", keyCheck: new RepositoryCipher(key, repositoryId).keyCheck }
        : null,
      backups: [],
      condemned: [],
      retired: [],
    };
    const conditional = isConditional(options);
    if (!conditional && await store.head(HEAD_NAME)) throw exists(store);
    try {
      await store.put(HEAD_NAME, encodeHead(head), conditional ? { condition: { ifAbsent: true } } : {});
    } catch (error) {
      throw error instanceof StoreError && error.kind === "precondition" ? exists(store) : error;
    }
    return new Repository(store, head, options);
  }

  /**
   * @throws {RepositoryError} "missing", "damaged", "version", "key", "unsafe_store"
   * @throws {StoreError}
   */
  static async open(store: ObjectStore, options: RepositoryOptions): Promise<Repository> {
    checkSafe(store, options);
    return new Repository(store, (await readHeadOf(store)).head, options);
  }

  /** Opens it, or makes it where there is none; of two that make it at once, one opens what the other made. */
  static async openOrCreate(store: ObjectStore, options: RepositoryOptions): Promise<Repository> {
    try {
      return await Repository.open(store, options);
    } catch (error) {
      if (!(error instanceof RepositoryError) || error.kind !== "missing") throw error;
    }
    try {
      return await Repository.create(store, options);
    } catch (error) {
      if (!(error instanceof RepositoryError) || error.kind !== "exists") throw error;
      return await Repository.open(store, options);
    }
  }

  /** Fit for messages: where the objects lie. */
  get place(): string {
    return this.store.place;
  }

  /** @throws {RepositoryError} "missing", "damaged", "version" @throws {StoreError} */
  async readHead(signal?: AbortSignal): Promise<ReadHead> {
    const read = await readHeadOf(this.store, signal);
    if (read.head.repositoryId === this.id) return read;
    throw new RepositoryError(
      `The repository at ${this.place} is another one now: ${read.head.repositoryId}, not ${this.id}`,
      { kind: "damaged", hint: "somebody emptied or replaced it; open it anew, or choose another prefix" },
    );
  }

  /**
   * Replaces the head, if it still is the one that was read.
   *
   * @returns false: it is not, and nothing was changed.
   */
  async replaceHead(read: ReadHead, change: HeadChange, signal?: AbortSignal): Promise<boolean> {
    const head: Head = {
      ...read.head,
      ...change,
      revision: read.head.revision + 1,
      nonce: newTry(this.random),
    };
    const call = signal ? { signal } : {};
    if (!this.#conditional) {
      if ((await this.store.head(HEAD_NAME, call))?.etag !== read.etag) return false;
      await this.store.put(HEAD_NAME, encodeHead(head), call);
      return true;
    }
    try {
      await this.store.put(HEAD_NAME, encodeHead(head), { ...call, condition: { ifMatch: read.etag } });
      return true;
    } catch (error) {
      if (error instanceof StoreError && error.kind === "precondition") return false;
      throw error;
    }
  }

  /** A listed backup's manifest, checked against its hash. @throws {RepositoryError} "damaged" @throws {StoreError} */
  async readManifest(listed: ListedBackup, signal?: AbortSignal): Promise<BackupManifest> {
    const cached = this.#manifests.get(listed.sha256);
    if (cached) return cached;
    const manifest = await this.readManifestAgain(listed, signal);
    this.#manifests.set(listed.sha256, manifest);
    for (const oldest of this.#manifests.keys()) {
      if (this.#manifests.size <= MAX_CACHED_MANIFESTS) break;
      this.#manifests.delete(oldest);
    }
    return manifest;
  }

  /** As `readManifest`, but from the store even when it was read before. */
  async readManifestAgain(listed: ListedBackup, signal?: AbortSignal): Promise<BackupManifest> {
    const object = await this.store.get(listed.manifest, signal ? { signal } : {});
    if (!object) throw this.#damaged(listed, "it is gone");
    const sha256 = sha256Hex(object.bytes);
    if (sha256 !== listed.sha256) {
      throw this.#damaged(listed, `its SHA-256 is ${sha256}, not ${listed.sha256}`);
    }
    return await this.decodeManifest(object.bytes, listed.id);
  }

  /** Decrypts and decodes. @throws {RepositoryError} "damaged": it is not this repository's manifest of backup `id`. */
  async decodeManifest(stored: Uint8Array, id: string): Promise<BackupManifest> {
    try {
      const { cipher } = this;
      const bytes = cipher ? await collect(cipher.decrypt(only(stored), manifestContext(id))) : stored;
      const manifest = decodeBackupManifest(bytes);
      if (manifest.backupId === id && manifest.repositoryId === this.id) return manifest;
      throw new CorruptionError(`it is of backup ${manifest.backupId} in ${manifest.repositoryId}`);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      throw new RepositoryError(
        `Cannot read the manifest of backup ${id} at ${this.place}: ${error.message}`,
        {
          kind: "damaged",
          cause: error,
        },
      );
    }
  }

  async encodeManifest(manifest: BackupManifest): Promise<Uint8Array> {
    const bytes = encodeBackupManifest(manifest);
    if (!this.cipher) return bytes;
    const context = manifestContext(manifest.backupId);
    return await this.cipher.encrypt([bytes], bytes.length, { context, random: this.random });
  }

  /** What stands in objects' names for plain bytes of this SHA-256. */
  contentName(sha256: string): string {
    return this.cipher ? this.cipher.contentName(sha256) : sha256;
  }

  #damaged(listed: ListedBackup, reason: string): RepositoryError {
    return new RepositoryError(
      `Cannot read ${listed.manifest} of backup ${listed.id} at ${this.place}: ${reason}`,
      {
        kind: "damaged",
        hint:
          "this backup cannot be restored; delete it, or put the object back from a copy of the repository",
      },
    );
  }
}

/** A listed backup by id, or the one published last. @throws {RepositoryError} "no_backup" */
export function findBackup(head: Pick<Head, "backups">, id: string, place: string): ListedBackup {
  const found = id === "latest" ? head.backups.at(-1) : head.backups.find((backup) => backup.id === id);
  if (found) return found;
  const known = head.backups.slice(-3).map((backup) => backup.id);
  throw new RepositoryError(
    head.backups.length === 0
      ? `There is no backup at ${place} yet`
      : `There is no backup ${id.slice(0, 128)} at ${place}`,
    { kind: "no_backup", hint: known.length === 0 ? "" : `the newest are ${known.reverse().join(", ")}` },
  );
}

/** All bytes of a stream. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces.length === 1 ? pieces[0]! : concatBytes(pieces);
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function manifestContext(id: string): string {
  return `manifest ${id}`;
}

async function readHeadOf(store: ObjectStore, signal?: AbortSignal): Promise<ReadHead> {
  const object = await store.get(HEAD_NAME, signal ? { signal } : {});
  if (!object) {
    throw new RepositoryError(`There is no backup repository at ${store.place}`, {
      kind: "missing",
      hint:
        "the first backup makes one; for a restore check bucket and prefix, for a directory that it is mounted",
    });
  }
  try {
    return { head: decodeHead(object.bytes), etag: object.etag };
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    const isNewer = error.message.includes("is newer than");
    throw new RepositoryError(`Cannot use the repository at ${store.place}: ${error.message}`, {
      kind: isNewer ? "version" : "damaged",
      hint: isNewer
        ? "use the version that wrote it, or a later one"
        : "no backup was changed: put an older version of head.json back if the bucket keeps versions, or restore by " +
          "hand from the manifests below backups/",
      cause: error,
    });
  }
}

function cipherOf(store: ObjectStore, head: Head, key: Uint8Array | undefined): RepositoryCipher | undefined {
  if (head.encryption === null) {
    if (!key) return undefined;
    throw new RepositoryError(
      `The repository at ${store.place} is not encrypted, but a key was given: nothing was read or written`,
      { kind: "key", hint: "leave the key out, or make an encrypted repository under another prefix" },
    );
  }
  if (!key) {
    throw new RepositoryError(`The repository at ${store.place} is encrypted, and no key was given`, {
      kind: "key",
      hint: "give the key that it was made with, from a file or the environment",
    });
  }
  const cipher = new RepositoryCipher(key, head.repositoryId);
  if (cipher.keyCheck === head.encryption.keyCheck) return cipher;
  throw new RepositoryError(`The key is not that of the repository at ${store.place}: nothing was written`, {
    kind: "key",
    hint: "give the key that it was made with; there is no other way to its backups",
  });
}

function isConditional({ abilities }: RepositoryOptions): boolean {
  return abilities === undefined || (abilities.putIfAbsent && abilities.putIfMatch);
}

function checkSafe(store: ObjectStore, options: RepositoryOptions): void {
  if (isConditional(options) || options.singleWriter) return;
  throw new RepositoryError(
    `${store.place} lacks conditional writes: two servers that back up there would break each other's backups`,
    {
      kind: "unsafe_store",
      hint: "use a store that has them, or say `single_writer = true` if only this server ever writes there",
    },
  );
}

function exists(store: ObjectStore): RepositoryError {
  return new RepositoryError(`There is a repository at ${store.place} already`, { kind: "exists" });
}
