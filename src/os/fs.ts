/**
 * The file system as the rest of the code sees it: synchronous calls on named paths, each of which may fail with
 * an `IoError`. Real in `real_fs.ts`; replaceable, so that a simulated disk can lie as real ones do.
 *
 * Threads that own files (writers, mergers, the command line) may block in a call; `sync*` calls that should not
 * hold up a thread have an `Async` form.
 *
 * @module
 */

/** An open file. Offsets and sizes in bytes. */
export interface OpenFile {
  readonly path: string;
  /** Writes all of `bytes` at the file's end (append) or current position (create). @throws {IoError} */
  write(bytes: Uint8Array): void;
  /** As `write`, on another thread where there is one. One at a time; `bytes` must stay as they are until it resolves. */
  writeAsync(bytes: Uint8Array): Promise<void>;
  /** Reads up to `into.length` bytes at `offset`; returns how many, 0 at the end. @throws {IoError} */
  readAt(into: Uint8Array, offset: number): number;
  size(): number;
  /** fdatasync. @throws {IoError} */
  syncData(): void;
  syncDataAsync(): Promise<void>;
  /** fsync. */
  sync(): void;
  /** Starts writing dirty pages back without waiting for them; a hint that never fails. */
  startWriteback(): void;
  close(): void;
}

export interface FileStat {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
  readonly inode: bigint;
  readonly device: bigint;
  /** ms since the epoch, 0 where the file system has none. */
  readonly birthTimeMs: number;
  readonly modifiedMs: number;
  readonly links: number;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly isFile: boolean;
  readonly isDirectory: boolean;
}

/** A file mapped read-only. Unmap only after the last reader on every thread is gone. */
export interface Mapping {
  readonly path: string;
  /** Address in this process, for other threads to make their own view of. */
  readonly address: bigint;
  readonly sizeBytes: number;
  unmap(): void;
}

export interface DirectoryLock {
  release(): void;
}

export interface FileSystem {
  /** @throws {IoError} with code ENOENT when absent. */
  openRead(path: string): OpenFile;
  /** Makes a new file; fails with EEXIST when there is one. @param mode Permission bits, such as 0o600 for secrets. */
  create(path: string, mode?: number): OpenFile;
  /** Opens an existing file to append. */
  openAppend(path: string): OpenFile;
  readFile(path: string): Uint8Array;
  exists(path: string): boolean;
  stat(path: string): FileStat;
  /** Entries in name order; [] is an empty directory; ENOENT throws. */
  list(path: string): readonly DirectoryEntry[];
  /**
   * Makes the directory and its parents; no error when there.
   *
   * @param mode Permission bits of the directory itself, such as 0o700, less the process's mask.
   */
  makeDirectory(path: string, mode?: number): void;
  rename(from: string, to: string): void;
  link(from: string, to: string): void;
  unlink(path: string): void;
  removeDirectory(path: string): void;
  /** fsync of a directory: its entries survive a power cut. */
  syncDirectory(path: string): void;
  /** Mapped read-only, for `viewMapping` on any thread. Real disks only. */
  map(path: string): Mapping;
  /** An exclusive lock on an existing or new file; undefined when another process holds it. */
  tryLock(path: string): DirectoryLock | undefined;
  /** Free bytes for an unprivileged writer on the file system that holds `path`. */
  freeBytes(path: string): number;
}

/** Time as the code may use it. */
export interface Clock {
  /** ms since the epoch; may jump. */
  nowMs(): number;
  /** ms from an arbitrary start; never goes back. */
  monotonicMs(): number;
}

export interface Random {
  /** Fills with unpredictable bytes. */
  fill(bytes: Uint8Array): void;
}
