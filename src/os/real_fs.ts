/**
 * The real disk: `FileSystem` over Deno's files and a few C library calls.
 *
 * @module
 */
import { statfsSync } from "node:fs";
import { IoError } from "../base/errors.ts";
import type { DirectoryEntry, DirectoryLock, FileStat, FileSystem, Mapping, OpenFile } from "./fs.ts";
import { cString, libc, O_CLOEXEC, O_RDONLY, SYNC_FILE_RANGE_WRITE } from "./libc.ts";
import { mapFile } from "./mapping.ts";
import { readSystemFile } from "./system_file.ts";

export function realFileSystem(): FileSystem {
  return new RealFileSystem();
}

/** Turns whatever a call throws into an `IoError` that names the operation and the path. */
function attempt<T>(operation: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw cause instanceof IoError ? cause : new IoError(operation, path, cause);
  }
}

class RealFileSystem implements FileSystem {
  openRead(path: string): OpenFile {
    return new RealFile(path, attempt("open", path, () => Deno.openSync(path, { read: true })));
  }

  /** Opened to append, so that `readAt`, which seeks, does not move where the next write goes. */
  create(path: string, mode?: number): OpenFile {
    const options = { read: true, append: true, createNew: true, ...(mode === undefined ? {} : { mode }) };
    return new RealFile(path, attempt("create", path, () => Deno.openSync(path, options)), openAgain(path));
  }

  openAppend(path: string): OpenFile {
    const options = { read: true, append: true };
    return new RealFile(path, attempt("open", path, () => Deno.openSync(path, options)), openAgain(path));
  }

  readFile(path: string): Uint8Array {
    // Deno keeps the kernel's own files from a program that lacks any permission, as the executable does.
    if (path.startsWith("/proc/")) return new TextEncoder().encode(readSystemFile(path));
    return attempt("read", path, () => Deno.readFileSync(path));
  }

  exists(path: string): boolean {
    try {
      this.stat(path);
      return true;
    } catch (error) {
      if (error instanceof IoError && (error.code === "ENOENT" || error.code === "ENOTDIR")) return false;
      throw error;
    }
  }

  stat(path: string): FileStat {
    const info = attempt("stat", path, () => Deno.statSync(path));
    return {
      isFile: info.isFile,
      isDirectory: info.isDirectory,
      sizeBytes: info.size,
      inode: BigInt(info.ino ?? 0),
      device: BigInt(info.dev),
      birthTimeMs: info.birthtime?.getTime() ?? 0,
      modifiedMs: info.mtime?.getTime() ?? 0,
      links: info.nlink ?? 1,
    };
  }

  /** A symbolic link counts as what it leads to; one that leads nowhere is neither file nor directory. */
  list(path: string): readonly DirectoryEntry[] {
    const entries = attempt("list", path, () => [...Deno.readDirSync(path)]);
    const result = entries.map(({ name, isFile, isDirectory, isSymlink }): DirectoryEntry => {
      if (!isSymlink || !this.exists(`${path}/${name}`)) return { name, isFile, isDirectory };
      const target = this.stat(`${path}/${name}`);
      return { name, isFile: target.isFile, isDirectory: target.isDirectory };
    });
    return result.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  makeDirectory(path: string, mode?: number): void {
    const options = { recursive: true, ...(mode === undefined ? {} : { mode }) };
    attempt("make directory", path, () => Deno.mkdirSync(path, options));
  }

  rename(from: string, to: string): void {
    attempt(`rename ${from} to`, to, () => Deno.renameSync(from, to));
  }

  link(from: string, to: string): void {
    attempt(`link ${from} to`, to, () => Deno.linkSync(from, to));
  }

  unlink(path: string): void {
    attempt("unlink", path, () => {
      if (Deno.lstatSync(path).isDirectory) throw new Error("Is a directory (os error 21)");
      Deno.removeSync(path);
    });
  }

  removeDirectory(path: string): void {
    attempt("remove directory", path, () => {
      if (!Deno.lstatSync(path).isDirectory) throw new Error("Not a directory (os error 20)");
      Deno.removeSync(path);
    });
  }

  syncDirectory(path: string): void {
    attempt("sync directory", path, () => {
      const directory = Deno.openSync(path, { read: true });
      try {
        directory.syncSync();
      } finally {
        directory.close();
      }
    });
  }

  map(path: string): Mapping {
    return mapFile(path, this.stat(path).sizeBytes);
  }

  tryLock(path: string): DirectoryLock | undefined {
    return attempt("lock", path, () => {
      const file = Deno.openSync(path, { read: true, write: true, create: true });
      let held = false;
      try {
        held = file.tryLockSync(true);
      } finally {
        if (!held) file.close();
      }
      return held ? { release: () => file.close() } : undefined;
    });
  }

  freeBytes(path: string): number {
    return attempt("measure free space of", path, () => {
      const { bavail, bsize } = statfsSync(path);
      return bavail * bsize;
    });
  }
}

class RealFile implements OpenFile {
  /** @param writeback Descriptor for early writeback, or -1; closed with the file. */
  constructor(readonly path: string, private readonly file: Deno.FsFile, private writeback = -1) {}

  write(bytes: Uint8Array): void {
    attempt("write", this.path, () => {
      for (let at = 0; at < bytes.length;) {
        const written = this.file.writeSync(at === 0 ? bytes : bytes.subarray(at));
        if (written <= 0) throw new Error("the system took no bytes");
        at += written;
      }
    });
  }

  async writeAsync(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) {
        const written = await this.file.write(at === 0 ? bytes : bytes.subarray(at));
        if (written <= 0) throw new Error("the system took no bytes");
        at += written;
      }
    } catch (cause) {
      throw new IoError("write", this.path, cause);
    }
  }

  readAt(into: Uint8Array, offset: number): number {
    return attempt("read", this.path, () => {
      this.file.seekSync(offset, Deno.SeekMode.Start);
      let at = 0;
      while (at < into.length) {
        const read = this.file.readSync(at === 0 ? into : into.subarray(at));
        if (read === null || read === 0) break;
        at += read;
      }
      return at;
    });
  }

  size(): number {
    return attempt("stat", this.path, () => this.file.statSync().size);
  }

  syncData(): void {
    attempt("sync", this.path, () => this.file.syncDataSync());
  }

  async syncDataAsync(): Promise<void> {
    try {
      await this.file.syncData();
    } catch (cause) {
      throw new IoError("sync", this.path, cause);
    }
  }

  sync(): void {
    attempt("sync", this.path, () => this.file.syncSync());
  }

  startWriteback(): void {
    if (this.writeback >= 0) libc().sync_file_range(this.writeback, 0n, 0n, SYNC_FILE_RANGE_WRITE);
  }

  close(): void {
    if (this.writeback >= 0) libc().close(this.writeback);
    this.writeback = -1;
    attempt("close", this.path, () => this.file.close());
  }
}

/**
 * A second descriptor of a file, for calls that need a number: Deno hides its own. Opened right away, since the file
 * may be renamed before it is needed.
 *
 * @returns -1 where it cannot be had (no FFI, too many files): writeback is a hint only.
 */
function openAgain(path: string): number {
  try {
    return libc().open(cString(path), O_RDONLY | O_CLOEXEC, 0);
  } catch (error) {
    if (error instanceof Error) return -1;
    throw error;
  }
}
