/**
 * A directory of a mounted disk as an object store: an object is a file of that name below it.
 *
 * How a write becomes visible, whole and at once
 * - Bytes go into a file of their own under `.incoming/`, which is synced. Then the name is given to it: by
 *   `rename` where it may be replaced, by `link` where it must not be there, since `link` fails on a name that is taken,
 *   even where two machines share the disk. Then the directory is synced.
 * - Every change of names (put, delete) happens under a lock on the file `.lock`, by `flock`, which the kernel takes
 *   from a process that dies. So `ifMatch` compares and replaces with no other writer in between, in this process or
 *   another.
 *
 * Etags: of files up to 256 KiB the SHA-256 of what is in them; of larger ones inode, time and size, since a file is
 * never changed in place. Small files need the hash: replaced twice within a millisecond they may get the same inode.
 *
 * The directory itself is made when its parent is there. One that was seen and is gone, or that lies on another device
 * than before, is a disk that was unmounted: nothing is written to what lies below the mount point.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { assert, IoError } from "../base/errors.ts";
import { randomUuid } from "../base/uuid.ts";
import { systemClock } from "../os/clock.ts";
import type {
  Clock,
  DirectoryEntry,
  DirectoryLock,
  FileStat,
  FileSystem,
  OpenFile,
  Random,
} from "../os/fs.ts";
import { pause } from "../os/pause.ts";
import { systemRandom } from "../os/random.ts";
import { realFileSystem } from "../os/real_fs.ts";
import { assertName, assertPrefix } from "./names.ts";
import { throwIfCancelled, wait } from "./retry.ts";
import {
  type ByteRange,
  type CallOptions,
  type ObjectInfo,
  type ObjectSource,
  type ObjectStore,
  type PutCondition,
  type PutFileOptions,
  type PutOptions,
  StoreError,
  type StoreErrorKind,
} from "./store.ts";

export interface DirectoryStoreOptions {
  /** Absolute. */
  readonly path: string;
  readonly fs?: FileSystem;
  readonly clock?: Clock;
  readonly random?: Random;
  /** How long to wait for another process that is changing names. Default 30,000. */
  readonly lockTimeoutMs?: number;
}

const INCOMING = ".incoming";
const LOCK = ".lock";

/** Stands for the slashes of a name in that of its file under `.incoming/`; no name has one. */
const SLASH = "~";

/** Files up to this size are read to make their etag. */
const HASHED_ETAG_BYTES = 256 * 1024;

/** Read or written before other work of the thread gets its turn. */
const CHUNK_BYTES = 1024 * 1024;

const DEFAULT_LOCK_TIMEOUT_MS = 30_000;
const LOCK_POLL_MS = 10;

/** Opens a directory as a store; touches the disk at the first call only. */
export function openDirectoryStore(options: DirectoryStoreOptions): ObjectStore {
  assert(options.path.startsWith("/"), "the directory's path is absolute");
  return new DirectoryStore(options);
}

class DirectoryStore implements ObjectStore {
  readonly place: string;
  readonly #root: string;
  readonly #fs: FileSystem;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #lockTimeoutMs: number;
  /** Of the directory, once it was seen. */
  #device: bigint | undefined;

  constructor(options: DirectoryStoreOptions) {
    this.#root = options.path.replace(/\/+$/, "");
    this.place = `file://${this.#root}`;
    this.#fs = options.fs ?? realFileSystem();
    this.#clock = options.clock ?? systemClock();
    this.#random = options.random ?? systemRandom();
    this.#lockTimeoutMs = options.lockTimeoutMs ?? DEFAULT_LOCK_TIMEOUT_MS;
  }

  head(name: string, { signal }: CallOptions = {}): Promise<ObjectInfo | undefined> {
    const what = `look at ${this.#placeOf(name)}`;
    return this.#attempt(what, signal, () => this.#find(name));
  }

  get(
    name: string,
    { signal }: CallOptions = {},
  ): Promise<{ readonly bytes: Uint8Array; readonly etag: string } | undefined> {
    const what = `get ${this.#placeOf(name)}`;
    return this.#attempt(what, signal, () => {
      if (!this.#checkRoot()) return undefined;
      const file = this.#open(name);
      if (!file) return undefined;
      try {
        const bytes = new Uint8Array(file.size());
        readFully(file, bytes, 0);
        return { bytes, etag: this.#etagOf(name, bytes) };
      } finally {
        file.close();
      }
    });
  }

  async *stream(
    name: string,
    { signal, range }: CallOptions & { readonly range?: ByteRange } = {},
  ): AsyncGenerator<Uint8Array> {
    const what = `get ${this.#placeOf(name)}`;
    const file = await this.#attempt(what, signal, () => this.#checkRoot() ? this.#open(name) : undefined);
    if (!file) throw new StoreError(`Cannot ${what}: there is no such file`, { kind: "missing" });
    try {
      const sizeBytes = await this.#attempt(what, signal, () => file.size());
      const end = range ? range.offset + range.length : sizeBytes;
      if (end > sizeBytes) {
        throw new StoreError(`Cannot ${what}: it has ${sizeBytes} bytes, too few for those up to ${end}`, {
          kind: "damaged",
        });
      }
      for (let at = range?.offset ?? 0; at < end;) {
        const from = at;
        const piece = await this.#attempt(what, signal, () => {
          const bytes = new Uint8Array(Math.min(CHUNK_BYTES, end - from));
          readFully(file, bytes, from);
          return bytes;
        });
        at += piece.length;
        yield piece;
        await pause();
      }
    } finally {
      file.close();
    }
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<string> {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const source = {
      sizeBytes: bytes.length,
      sha256,
      read: (offset: number, length: number) => bytes.subarray(offset, offset + length),
    };
    return await this.#write(name, source, options);
  }

  async putFile(name: string, source: ObjectSource, options: PutFileOptions = {}): Promise<void> {
    await this.#write(name, source, options);
  }

  async *list(prefix: string, { signal }: CallOptions = {}): AsyncGenerator<ObjectInfo> {
    assertPrefix(prefix);
    const what = `list ${this.place}/${prefix}`;
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    const names = await this.#attempt(what, signal, () => this.#checkRoot() ? this.#namesBelow(folder) : []);
    for (const name of names.filter((each) => each.startsWith(prefix)).sort()) {
      const info = await this.#attempt(what, signal, () => this.#find(name));
      // Deleted meanwhile.
      if (info) yield info;
    }
  }

  async delete(names: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    names.forEach(assertName);
    if (names.length === 0) return;
    const what = `delete ${names.length === 1 ? this.#placeOf(names[0]!) : `objects of ${this.place}`}`;
    const isThere = await this.#attempt(what, signal, () => this.#checkRoot());
    if (!isThere) return;
    const failures: StoreError[] = [];
    await this.#locked(what, signal, () => {
      const folders = new Set<string>();
      for (const name of names) {
        try {
          this.#fs.unlink(this.#path(name));
          folders.add(folderOf(name));
        } catch (error) {
          if (!isAbsence(error)) failures.push(this.#storeError(`delete ${this.#placeOf(name)}`, error));
        }
      }
      for (const folder of folders) this.#afterDelete(folder);
    });
    const [first] = failures;
    if (!first) return;
    const more = failures.length === 1 ? "" : `; ${failures.length} of ${names.length} failed`;
    throw new StoreError(first.message + more, { kind: first.kind, hint: first.hint, cause: first.cause });
  }

  /** Writes that are under way in another process fail, as they do when an upload to a bucket is ended. */
  abortUploads(prefix: string, { signal }: CallOptions = {}): Promise<number> {
    assertPrefix(prefix);
    const what = `end unfinished writes of ${this.place}/${prefix}`;
    return this.#attempt(what, signal, () => {
      if (!this.#checkRoot() || !this.#fs.exists(this.#path(INCOMING))) return 0;
      const start = prefix.replaceAll("/", SLASH);
      const stale = this.#fs.list(this.#path(INCOMING)).filter(({ name }) => name.startsWith(start));
      let count = 0;
      for (const { name } of stale) if (this.#unlinkIfThere(`${INCOMING}/${name}`)) count++;
      return count;
    });
  }

  close(): void {}

  #placeOf(name: string): string {
    assertName(name);
    return `${this.place}/${name}`;
  }

  #path(name: string): string {
    return `${this.#root}/${name}`;
  }

  /** Whether the directory is there. @throws {StoreError} It was, and is not any more. */
  #checkRoot(): boolean {
    const stat = statIfThere(this.#fs, this.#root === "" ? "/" : this.#root);
    if (stat && !stat.isDirectory) {
      throw new StoreError(`Cannot use ${this.place}: it is no directory`, { kind: "unsupported" });
    }
    if (this.#device !== undefined && stat?.device !== this.#device) {
      throw new StoreError(`Cannot use ${this.place}: it is not the directory that it was`, {
        kind: "unavailable",
        hint: "The disk was probably unmounted: mount it again.",
      });
    }
    this.#device = stat?.device;
    return stat !== undefined;
  }

  #makeRoot(): void {
    if (this.#checkRoot()) return;
    const parent = this.#root.slice(0, this.#root.lastIndexOf("/")) || "/";
    if (!statIfThere(this.#fs, parent)?.isDirectory) {
      throw new StoreError(`Cannot use ${this.place}: there is no directory ${parent}`, {
        kind: "missing",
        hint: "Mount the disk, or make the directory with mkdir -p.",
      });
    }
    this.#fs.makeDirectory(this.#root);
    this.#fs.syncDirectory(parent);
    this.#checkRoot();
  }

  #open(name: string): OpenFile | undefined {
    try {
      return this.#fs.stat(this.#path(name)).isFile ? this.#fs.openRead(this.#path(name)) : undefined;
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  #find(name: string): ObjectInfo | undefined {
    if (!this.#checkRoot()) return undefined;
    const stat = statIfThere(this.#fs, this.#path(name));
    if (!stat?.isFile) return undefined;
    const { sizeBytes, modifiedMs } = stat;
    if (sizeBytes > HASHED_ETAG_BYTES) return { name, sizeBytes, modifiedMs, etag: identityOf(stat) };
    const file = this.#open(name);
    if (!file) return undefined;
    try {
      const bytes = new Uint8Array(file.size());
      readFully(file, bytes, 0);
      return { name, sizeBytes: bytes.length, modifiedMs, etag: this.#etagOf(name, bytes) };
    } finally {
      file.close();
    }
  }

  #etagOf(name: string, bytes: Uint8Array): string {
    if (bytes.length > HASHED_ETAG_BYTES) return identityOf(this.#fs.stat(this.#path(name)));
    return createHash("sha256").update(bytes).digest("hex");
  }

  async #write(
    name: string,
    source: ObjectSource,
    { condition, signal, onSent }: PutFileOptions,
  ): Promise<string> {
    const what = `put ${this.#placeOf(name)}`;
    const incoming = `${INCOMING}/${name.replaceAll("/", SLASH)}${SLASH}${randomUuid(this.#random)}`;
    let sent = 0;
    let isDone = false;
    try {
      await this.#attempt(what, signal, () => {
        this.#makeRoot();
        this.#fs.makeDirectory(this.#path(INCOMING));
      });
      const file = await this.#attempt(what, signal, () => this.#fs.create(this.#path(incoming)));
      const hash = createHash("sha256");
      try {
        while (sent < source.sizeBytes) {
          const length = Math.min(CHUNK_BYTES, source.sizeBytes - sent);
          const piece = await source.read(sent, length);
          if (piece.length !== length) {
            throw new StoreError(`Cannot ${what}: its source is shorter than it was`, { kind: "damaged" });
          }
          await this.#attempt(what, signal, () => {
            file.write(piece);
            file.startWriteback();
          });
          hash.update(piece);
          sent += length;
          onSent?.(length);
          await pause();
        }
        await file.syncDataAsync();
      } finally {
        file.close();
      }
      const found = hash.digest("hex");
      if (found !== source.sha256) {
        throw new StoreError(
          `Cannot ${what}: what was read has SHA-256 ${found}, it should have ${source.sha256}; nothing was stored`,
          { kind: "damaged", hint: "The file changed or is damaged on this machine's disk." },
        );
      }
      const etag = source.sizeBytes > HASHED_ETAG_BYTES
        ? identityOf(this.#fs.stat(this.#path(incoming)))
        : found;
      await this.#locked(what, signal, () => this.#publish({ what, name, incoming, condition }));
      isDone = true;
      return etag;
    } catch (error) {
      throw this.#storeError(what, error);
    } finally {
      if (!isDone) {
        if (sent > 0) onSent?.(-sent);
        this.#dropIncoming(incoming);
      }
    }
  }

  /** Gives the written file its name; under the lock. */
  #publish(
    { what, name, incoming, condition }: {
      readonly what: string;
      readonly name: string;
      readonly incoming: string;
      readonly condition: PutCondition;
    },
  ): void {
    const from = this.#path(incoming);
    const to = this.#path(name);
    if (condition && "ifMatch" in condition && this.#find(name)?.etag !== condition.ifMatch) {
      throw new StoreError(`Cannot ${what}: it was replaced or deleted by another writer`, {
        kind: "precondition",
      });
    }
    this.#makeFolder(folderOf(name));
    if (condition && "ifAbsent" in condition) {
      this.#linkNew(what, from, to);
      this.#unlinkIfThere(incoming);
    } else {
      this.#fs.rename(from, to);
    }
    this.#fs.syncDirectory(this.#path(folderOf(name)));
  }

  #linkNew(what: string, from: string, to: string): void {
    try {
      this.#fs.link(from, to);
    } catch (error) {
      if (!(error instanceof IoError) || error.code !== "EEXIST") throw error;
      // A network disk may lose the answer, try again by itself, and meet its own link.
      const [mine, there] = [statIfThere(this.#fs, from), statIfThere(this.#fs, to)];
      if (mine && there && mine.inode === there.inode && mine.device === there.device) return;
      throw new StoreError(`Cannot ${what}: there is one already`, { kind: "precondition" });
    }
  }

  /** Durable, so that no synced file lies in a directory that a power cut takes away. */
  #makeFolder(folder: string): void {
    if (folder === "" || statIfThere(this.#fs, this.#path(folder))) return;
    this.#makeFolder(folderOf(folder));
    this.#fs.makeDirectory(this.#path(folder));
    this.#fs.syncDirectory(this.#path(folderOf(folder)));
  }

  /** Folders that became empty go as well: a store has none. */
  #afterDelete(folder: string): void {
    let at = folder;
    try {
      while (at !== "" && this.#fs.list(this.#path(at)).length === 0) {
        this.#fs.removeDirectory(this.#path(at));
        at = folderOf(at);
      }
      this.#fs.syncDirectory(this.#path(at));
    } catch (error) {
      // Gone already, as the folder of another that was emptied.
      if (!isAbsence(error)) throw error;
    }
  }

  async #locked<T>(what: string, signal: AbortSignal | undefined, run: () => T): Promise<T> {
    const untilMs = this.#clock.monotonicMs() + this.#lockTimeoutMs;
    let lock: DirectoryLock | undefined;
    while (!lock) {
      lock = await this.#attempt(what, signal, () => {
        if (!this.#checkRoot()) throw this.#vanished(what);
        return this.#tryLock(what);
      });
      if (lock) break;
      if (this.#clock.monotonicMs() > untilMs) {
        throw new StoreError(
          `Cannot ${what}: another process has held ${this.#path(LOCK)} for ${this.#lockTimeoutMs / 1000} s`,
          { kind: "unavailable", hint: "Look with lslocks or fuser which one; it may hang on its disk." },
        );
      }
      await wait(LOCK_POLL_MS, what, signal);
    }
    try {
      return await this.#attempt(what, signal, run);
    } finally {
      lock.release();
    }
  }

  #tryLock(what: string): DirectoryLock | undefined {
    try {
      return this.#fs.tryLock(this.#path(LOCK));
    } catch (error) {
      const isWithout = error instanceof IoError && ["ENOLCK", "EOPNOTSUPP", "ENOSYS", "E37", "E38", "E95"]
        .includes(error.code);
      if (!isWithout) throw error;
      throw new StoreError(`Cannot ${what}: its file system has no locks`, {
        kind: "unsupported",
        hint: "Mount it with locks (NFS without nolock), or take another disk.",
        cause: error,
      });
    }
  }

  #vanished(what: string): StoreError {
    return new StoreError(`Cannot ${what}: the directory is gone`, {
      kind: "unavailable",
      hint: "The disk was probably unmounted: mount it again.",
    });
  }

  #namesBelow(folder: string): string[] {
    const names: string[] = [];
    const visit = (path: string): void => {
      for (const entry of this.#entries(path)) {
        const name = path + entry.name;
        if (name === INCOMING || name === LOCK) continue;
        if (entry.isFile) names.push(name);
        else if (entry.isDirectory) visit(`${name}/`);
      }
    };
    visit(folder);
    return names;
  }

  #entries(folder: string): readonly DirectoryEntry[] {
    try {
      return this.#fs.list(this.#path(folder));
    } catch (error) {
      if (isAbsence(error)) return [];
      throw error;
    }
  }

  #unlinkIfThere(name: string): boolean {
    try {
      this.#fs.unlink(this.#path(name));
      return true;
    } catch (error) {
      if (isAbsence(error)) return false;
      throw error;
    }
  }

  #dropIncoming(incoming: string): void {
    try {
      this.#unlinkIfThere(incoming);
    } catch (error) {
      // The failure that led here is the one to report; what stays behind is what `abortUploads` looks for.
      if (!(error instanceof IoError)) throw error;
    }
  }

  // deno-lint-ignore require-await -- a rejected promise, as from a store over the network, instead of a throw.
  async #attempt<T>(what: string, signal: AbortSignal | undefined, run: () => T): Promise<T> {
    throwIfCancelled(what, signal);
    try {
      return run();
    } catch (error) {
      throw this.#storeError(what, error);
    }
  }

  #storeError(what: string, error: unknown): StoreError {
    if (error instanceof StoreError) return error;
    if (!(error instanceof IoError)) throw error;
    const { kind, hint } = MEANINGS[error.code] ?? { kind: "unavailable", hint: "Look at the kernel's log." };
    const reason = error.cause instanceof Error ? error.cause.message : String(error.cause);
    return new StoreError(`Cannot ${what}: ${reason}`, { kind, hint, cause: error });
  }
}

const RIGHTS = "The user that runs this process needs to read and write there.";

/** What a failed system call means; all others are taken for a disk that does not answer. */
const MEANINGS: Readonly<Record<string, { readonly kind: StoreErrorKind; readonly hint: string }>> = {
  ENOSPC: { kind: "full", hint: "Free space on that disk." },
  EDQUOT: { kind: "full", hint: "The user's quota on that disk is used up." },
  EFBIG: { kind: "unsupported", hint: "That file system limits the size of files." },
  EACCES: { kind: "denied", hint: RIGHTS },
  EPERM: { kind: "denied", hint: RIGHTS },
  EROFS: { kind: "denied", hint: "The disk is mounted read-only." },
  ENOENT: { kind: "unavailable", hint: "Another process ended this write, or the disk was unmounted." },
  ENAMETOOLONG: { kind: "unsupported", hint: "That file system limits the length of names." },
};

function folderOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf("/")));
}

function identityOf({ inode, modifiedMs, sizeBytes }: FileStat): string {
  return `${inode.toString(16)}-${Math.round(modifiedMs).toString(16)}-${sizeBytes.toString(16)}`;
}

function statIfThere(fs: FileSystem, path: string): FileStat | undefined {
  try {
    return fs.stat(path);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof IoError && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

function readFully(file: OpenFile, into: Uint8Array, offset: number): void {
  const read = file.readAt(into, offset);
  if (read !== into.length) {
    throw new StoreError(
      `Cannot read ${file.path}: it ends at ${offset + read}, before ${offset + into.length}`,
      {
        kind: "damaged",
      },
    );
  }
}
