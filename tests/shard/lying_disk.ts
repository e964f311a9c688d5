/**
 * A disk in memory that lies as real ones do: at a power cut any subset of the unsynced directory operations and of the
 * unsynced pages survives. Calls can be made to fail.
 *
 * @module
 */
import { IoError } from "../../src/base/errors.ts";
import type {
  DirectoryEntry,
  DirectoryLock,
  FileStat,
  FileSystem,
  Mapping,
  OpenFile,
} from "../../src/os/fs.ts";

const PAGE_BYTES = 512;

class FileNode {
  readonly kind = "file";
  data = new Uint8Array(256);
  size = 0;
  durable = new Uint8Array(0);
  readonly dirty = new Set<number>();
  modifiedMs = 0;
  links = 1;
  constructor(readonly inode: bigint) {}

  write(bytes: Uint8Array): void {
    const end = this.size + bytes.length;
    if (end > this.data.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.data.length));
      grown.set(this.data.subarray(0, this.size));
      this.data = grown;
    }
    this.data.set(bytes, this.size);
    for (let p = Math.floor(this.size / PAGE_BYTES); p * PAGE_BYTES < end; p++) this.dirty.add(p);
    this.size = end;
  }

  sync(): void {
    this.durable = this.data.slice(0, this.size);
    this.dirty.clear();
  }

  crash(chance: () => number): void {
    if (this.dirty.size === 0) return;
    const size = chance() < 0.5
      ? this.size
      : this.durable.length + Math.floor(chance() * (this.size - this.durable.length + 1));
    const data = new Uint8Array(size);
    data.set(this.durable.subarray(0, size));
    const survive = chance();
    for (const page of this.dirty) {
      if (chance() > survive) continue;
      const start = page * PAGE_BYTES;
      if (start < size) data.set(this.data.subarray(start, Math.min(start + PAGE_BYTES, size)), start);
    }
    this.data = data;
    this.size = size;
    this.sync();
  }
}

type Operation =
  | { readonly kind: "set"; readonly name: string; readonly node: Node }
  | { readonly kind: "remove"; readonly name: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string; readonly node: Node };

class FolderNode {
  readonly kind = "folder";
  entries = new Map<string, Node>();
  durable = new Map<string, Node>();
  pending: Operation[] = [];
  constructor(readonly inode: bigint) {}

  apply(operation: Operation): void {
    applyTo(this.entries, operation);
    this.pending.push(operation);
  }

  sync(): void {
    this.durable = new Map(this.entries);
    this.pending = [];
  }

  crash(chance: () => number): void {
    const survive = chance();
    for (const operation of this.pending) if (chance() <= survive) applyTo(this.durable, operation);
    this.entries = new Map(this.durable);
    this.pending = [];
    for (const node of this.entries.values()) node.crash(chance);
  }
}

type Node = FileNode | FolderNode;

function applyTo(entries: Map<string, Node>, operation: Operation): void {
  if (operation.kind === "set") entries.set(operation.name, operation.node);
  else if (operation.kind === "remove") entries.delete(operation.name);
  else {
    if (entries.get(operation.from) === operation.node) entries.delete(operation.from);
    entries.set(operation.to, operation.node);
  }
}

export class LyingDisk implements FileSystem {
  /** Paths of what is open now. */
  readonly openFiles: string[] = [];
  readonly #root = new FolderNode(1n);
  #nextInode = 2n;
  /** Set by tests: may throw in place of the call. Writes get the bytes, and may say how many arrive first. */
  onCall: (
    operation: string,
    path: string,
    bytes?: Uint8Array,
  ) => { readonly arrive: number; readonly error: IoError } | void = () => {};
  calls = 0;
  nowMs = 1_000_000;
  free = 1e12;
  readonly #locks = new Set<string>();

  /** The power fails. Open files must not be used any more. */
  crash(chance: () => number): void {
    this.#root.crash(chance);
  }

  /** Bytes and names of everything, for comparisons. */
  tree(): Map<string, string> {
    const found = new Map<string, string>();
    const visit = (folder: FolderNode, path: string) => {
      for (const [name, node] of folder.entries) {
        if (node.kind === "folder") {
          found.set(`${path}/${name}/`, "");
          visit(node, `${path}/${name}`);
        } else found.set(`${path}/${name}`, node.data.subarray(0, node.size).join());
      }
    };
    visit(this.#root, "");
    return found;
  }

  #call(operation: string, path: string): void {
    this.calls++;
    const failure = this.onCall(operation, path);
    if (failure) throw failure.error;
  }

  #parts(path: string): string[] {
    return path.split("/").filter((part) => part !== "" && part !== ".");
  }

  #node(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const part of this.#parts(path)) {
      if (node?.kind !== "folder") return undefined;
      node = node.entries.get(part);
    }
    return node;
  }

  #folder(path: string, operation = "open"): FolderNode {
    const node = this.#node(path);
    if (node?.kind !== "folder") throw ioError(operation, path, "ENOENT");
    return node;
  }

  #place(path: string): { readonly folder: FolderNode; readonly name: string } {
    const parts = this.#parts(path);
    const name = parts.pop()!;
    return { folder: this.#folder(parts.join("/")), name };
  }

  #file(path: string, operation = "open"): FileNode {
    const node = this.#node(path);
    if (node?.kind !== "file") throw ioError(operation, path, "ENOENT");
    return node;
  }

  openRead(path: string): OpenFile {
    this.#call("open", path);
    return this.#open(path, this.#file(path));
  }

  create(path: string): OpenFile {
    this.#call("create", path);
    const { folder, name } = this.#place(path);
    if (folder.entries.has(name)) throw ioError("create", path, "EEXIST");
    const node = new FileNode(this.#nextInode++);
    node.modifiedMs = this.nowMs;
    folder.apply({ kind: "set", name, node });
    return this.#open(path, node);
  }

  openAppend(path: string): OpenFile {
    return this.openRead(path);
  }

  #open(path: string, node: FileNode): OpenFile {
    let open = true;
    this.openFiles.push(path);
    const check = () => {
      if (!open) throw new Error(`${path} is closed`);
    };
    const sync = () => {
      check();
      this.#call("sync", path);
      node.sync();
    };
    const write = (bytes: Uint8Array) => {
      check();
      this.calls++;
      const failure = this.onCall("write", path, bytes);
      node.modifiedMs = this.nowMs;
      node.write(failure ? bytes.slice(0, failure.arrive) : bytes);
      if (failure) throw failure.error;
    };
    return {
      path,
      write,
      // deno-lint-ignore require-await -- what it throws is a rejection
      writeAsync: async (bytes) => write(bytes),
      readAt: (into, offset) => {
        check();
        this.#call("read", path);
        const part = node.data.subarray(
          Math.min(offset, node.size),
          Math.min(offset + into.length, node.size),
        );
        into.set(part);
        return part.length;
      },
      size: () => node.size,
      syncData: sync,
      sync,
      syncDataAsync: async () => {
        check();
        // What is synced is what was there when the call began.
        const [copy, size] = [node.data.slice(0, node.size), node.size];
        await Promise.resolve();
        this.#call("sync", path);
        if (node.durable.length <= size) {
          node.durable = copy;
          for (const page of [...node.dirty]) if ((page + 1) * PAGE_BYTES <= size) node.dirty.delete(page);
          if (node.size === size) node.dirty.clear();
        }
      },
      startWriteback: () => {},
      close: () => {
        check();
        open = false;
        this.openFiles.splice(this.openFiles.indexOf(path), 1);
      },
    };
  }

  readFile(path: string): Uint8Array {
    this.#call("read", path);
    const node = this.#file(path, "read");
    return node.data.slice(0, node.size);
  }

  exists(path: string): boolean {
    return this.#node(path) !== undefined;
  }

  stat(path: string): FileStat {
    const node = this.#node(path);
    if (!node) throw ioError("stat", path, "ENOENT");
    return {
      isFile: node.kind === "file",
      isDirectory: node.kind === "folder",
      sizeBytes: node.kind === "file" ? node.size : 0,
      inode: node.inode,
      device: 1n,
      birthTimeMs: 0,
      modifiedMs: node.kind === "file" ? node.modifiedMs : 0,
      links: node.kind === "file" ? node.links : 1,
    };
  }

  list(path: string): readonly DirectoryEntry[] {
    return [...this.#folder(path, "list").entries]
      .map(([name, { kind }]) => ({ name, isFile: kind === "file", isDirectory: kind === "folder" }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  makeDirectory(path: string): void {
    this.#call("make directory", path);
    let at = this.#root;
    for (const part of this.#parts(path)) {
      let next = at.entries.get(part);
      if (!next) at.apply({ kind: "set", name: part, node: next = new FolderNode(this.#nextInode++) });
      if (next.kind !== "folder") throw ioError("make directory", path, "ENOTDIR");
      at = next;
    }
  }

  rename(from: string, to: string): void {
    this.#call("rename", from);
    const [source, target] = [this.#place(from), this.#place(to)];
    const node = source.folder.entries.get(source.name);
    if (!node) throw ioError("rename", from, "ENOENT");
    if (source.folder === target.folder) {
      source.folder.apply({ kind: "rename", from: source.name, to: target.name, node });
    } else {
      target.folder.apply({ kind: "set", name: target.name, node });
      source.folder.apply({ kind: "remove", name: source.name });
    }
  }

  link(from: string, to: string): void {
    this.#call("link", from);
    const node = this.#file(from, "link");
    const { folder, name } = this.#place(to);
    if (folder.entries.has(name)) throw ioError("link", to, "EEXIST");
    node.links++;
    folder.apply({ kind: "set", name, node });
  }

  unlink(path: string): void {
    this.#call("unlink", path);
    const { folder, name } = this.#place(path);
    if (folder.entries.get(name)?.kind !== "file") throw ioError("unlink", path, "ENOENT");
    folder.apply({ kind: "remove", name });
  }

  removeDirectory(path: string): void {
    this.#call("remove directory", path);
    if (this.#folder(path).entries.size > 0) throw ioError("remove directory", path, "ENOTEMPTY");
    const { folder, name } = this.#place(path);
    folder.apply({ kind: "remove", name });
  }

  syncDirectory(path: string): void {
    this.#call("sync directory", path);
    this.#folder(path, "sync directory").sync();
  }

  map(path: string): Mapping {
    throw ioError("map", path, "ENOSYS");
  }

  tryLock(path: string): DirectoryLock | undefined {
    if (this.#locks.has(path)) return undefined;
    if (!this.exists(path)) this.create(path).close();
    this.#locks.add(path);
    return { release: () => this.#locks.delete(path) };
  }

  freeBytes(): number {
    return this.free;
  }
}

export function ioError(operation: string, path: string, code: string): IoError {
  return new IoError(operation, path, Object.assign(new Error(code), { code }));
}
