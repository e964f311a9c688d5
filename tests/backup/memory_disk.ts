/**
 * A disk in memory that keeps everything: files for backups to read and restores to write.
 *
 * @module
 */
import { concatBytes } from "../../src/base/bytes.ts";
import { IoError } from "../../src/base/errors.ts";
import type {
  DirectoryEntry,
  DirectoryLock,
  FileStat,
  FileSystem,
  Mapping,
  OpenFile,
} from "../../src/os/fs.ts";

interface Node {
  bytes: Uint8Array;
}

export class MemoryDisk implements FileSystem {
  readonly files = new Map<string, Node>();
  readonly folders = new Set<string>(["/"]);
  /** Called with the file's path before each write; may throw. */
  beforeWrite: (path: string) => void = () => {};
  /** Bytes that files were read for. */
  bytesRead = 0;

  put(path: string, bytes: Uint8Array): void {
    this.makeDirectory(parentOf(path));
    this.files.set(path, { bytes });
  }

  /** Contents of all files below a folder, by their paths in it. */
  below(folder: string): Map<string, Uint8Array> {
    const names = [...this.files.keys()].filter((path) => path.startsWith(`${folder}/`)).sort();
    return new Map(names.map((path) => [path.slice(folder.length + 1), this.files.get(path)!.bytes]));
  }

  openRead(path: string): OpenFile {
    return this.#open(path, "open");
  }

  create(path: string): OpenFile {
    if (this.exists(path)) throw failed("create", path, "EEXIST");
    if (!this.folders.has(parentOf(path))) throw failed("create", path, "ENOENT");
    this.files.set(path, { bytes: new Uint8Array(0) });
    return this.#open(path, "create");
  }

  openAppend(path: string): OpenFile {
    return this.#open(path, "open");
  }

  readFile(path: string): Uint8Array {
    const { bytes } = this.#node(path, "read");
    this.bytesRead += bytes.length;
    return bytes.slice();
  }

  exists(path: string): boolean {
    return this.files.has(path) || this.folders.has(path);
  }

  stat(path: string): FileStat {
    const isDirectory = this.folders.has(path);
    const sizeBytes = isDirectory ? 0 : this.#node(path, "stat").bytes.length;
    return {
      isFile: !isDirectory,
      isDirectory,
      sizeBytes,
      inode: 1n,
      device: 1n,
      birthTimeMs: 0,
      modifiedMs: 1_700_000_000_000,
      links: 1,
    };
  }

  list(path: string): readonly DirectoryEntry[] {
    if (!this.folders.has(path)) throw failed("list", path, "ENOENT");
    const entries = new Map<string, DirectoryEntry>();
    for (const [names, isFile] of [[this.files.keys(), true], [this.folders, false]] as const) {
      for (const name of names) {
        if (name === path || parentOf(name) !== path) continue;
        const last = name.slice(name.lastIndexOf("/") + 1);
        entries.set(last, { name: last, isFile, isDirectory: !isFile });
      }
    }
    return [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  makeDirectory(path: string): void {
    for (let at = path.indexOf("/", 1); at > 0; at = path.indexOf("/", at + 1)) {
      this.folders.add(path.slice(0, at));
    }
    this.folders.add(path);
  }

  rename(from: string, to: string): void {
    if (this.folders.has(from)) {
      for (const [path, node] of [...this.files]) {
        if (!path.startsWith(`${from}/`)) continue;
        this.files.delete(path);
        this.files.set(to + path.slice(from.length), node);
      }
      for (const path of [...this.folders]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue;
        this.folders.delete(path);
        this.folders.add(to + path.slice(from.length));
      }
      return;
    }
    const node = this.#node(from, "rename");
    this.files.delete(from);
    this.files.set(to, node);
  }

  link(from: string, to: string): void {
    if (this.exists(to)) throw failed("link", to, "EEXIST");
    this.files.set(to, this.#node(from, "link"));
  }

  unlink(path: string): void {
    this.#node(path, "unlink");
    this.files.delete(path);
  }

  removeDirectory(path: string): void {
    if (this.list(path).length > 0) throw failed("remove directory", path, "ENOTEMPTY");
    this.folders.delete(path);
  }

  syncDirectory(path: string): void {
    if (!this.folders.has(path)) throw failed("sync directory", path, "ENOENT");
  }

  map(path: string): Mapping {
    throw failed("map", path, "ENODEV");
  }

  tryLock(_path: string): DirectoryLock {
    return { release() {} };
  }

  freeBytes(_path: string): number {
    return 1 << 30;
  }

  #node(path: string, operation: string): Node {
    const node = this.files.get(path);
    if (!node) throw failed(operation, path, this.folders.has(path) ? "EISDIR" : "ENOENT");
    return node;
  }

  #open(path: string, operation: string): OpenFile {
    const node = this.#node(path, operation);
    const write = (bytes: Uint8Array) => {
      this.beforeWrite(path);
      node.bytes = concatBytes([node.bytes, bytes]);
    };
    return {
      path,
      write,
      // deno-lint-ignore require-await -- what it throws is a rejection
      writeAsync: async (bytes) => write(bytes),
      readAt: (into, offset) => {
        const part = node.bytes.subarray(offset, offset + into.length);
        into.set(part);
        this.bytesRead += part.length;
        return part.length;
      },
      size: () => node.bytes.length,
      syncData() {},
      syncDataAsync: () => Promise.resolve(),
      sync() {},
      startWriteback() {},
      close() {},
    };
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

function failed(operation: string, path: string, code: string): IoError {
  return new IoError(operation, path, Object.assign(new Error(code), { code }));
}
