/**
 * A disk in memory that lies as real ones do. At a power cut any subset of the unsynced directory operations and of the
 * unsynced 512-byte pages survives; a page that was never written may hold a block of a deleted file; a failed sync
 * marks pages clean though they are not on the disk; mtimes are coarse.
 *
 * @module
 */
import { IoError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/format/sealed_json.ts";

export const PAGE_BYTES = 512;
/** Blocks of deleted files that may come back. */
const MAX_GHOSTS = 64;

export class FileNode {
  readonly kind = "file";
  data = new Uint8Array(256);
  size = 0;
  /** What is on the platter. */
  durable = new Uint8Array(0);
  readonly dirty = new Set<number>();
  links = 1;
  modifiedMs = 0;
  constructor(readonly inode: bigint, readonly birthMs: number) {}

  bytes(): Uint8Array {
    return this.data.subarray(0, this.size);
  }

  append(bytes: Uint8Array): void {
    const end = this.size + bytes.length;
    if (end > this.data.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.data.length));
      grown.set(this.bytes());
      this.data = grown;
    }
    this.data.set(bytes, this.size);
    for (let p = Math.floor(this.size / PAGE_BYTES); p * PAGE_BYTES < end; p++) this.dirty.add(p);
    this.size = end;
  }

  /** As `cp` onto an existing file does: the same inode with other bytes. */
  overwrite(bytes: Uint8Array): void {
    this.data = bytes.slice();
    this.size = bytes.length;
    this.dirty.clear();
    for (let p = 0; p * PAGE_BYTES < this.size; p++) this.dirty.add(p);
  }

  /** What a sync that began when the file had `size` bytes makes durable. */
  sync(size = this.size): void {
    const grown = new Uint8Array(Math.max(size, Math.min(this.durable.length, this.size)));
    grown.set(this.durable.subarray(0, grown.length));
    for (const page of [...this.dirty]) {
      const start = page * PAGE_BYTES;
      if (start >= size) continue;
      const end = Math.min(start + PAGE_BYTES, size);
      grown.set(this.data.subarray(start, end), start);
      if (end === start + PAGE_BYTES || end === this.size) this.dirty.delete(page);
    }
    this.durable = grown;
  }

  /** The kernel gave up on these pages and forgets that they were dirty. */
  failSync(): void {
    this.dirty.clear();
  }

  crash(chance: () => number, ghost: () => Uint8Array | undefined): void {
    const full = this.size;
    const kept = this.durable.length;
    let size = kept;
    if (this.dirty.size > 0 && full > kept) {
      size = chance() < 0.5 ? full : kept + Math.floor(chance() * (full - kept + 1));
    } else if (full < kept) size = chance() < 0.5 ? full : kept;
    const data = new Uint8Array(size);
    data.set(this.durable.subarray(0, size));
    const survive = chance();
    for (const page of this.dirty) {
      const start = page * PAGE_BYTES;
      if (start >= size) continue;
      const end = Math.min(start + PAGE_BYTES, size);
      if (chance() <= survive) data.set(this.data.subarray(start, end), start);
      else if (start >= kept) {
        const block = ghost();
        if (block) data.set(block.subarray(0, end - start), start);
      }
    }
    this.data = data;
    this.size = size;
    this.durable = data.slice();
    this.dirty.clear();
  }
}

type Operation =
  | { readonly kind: "set"; readonly name: string; readonly node: Node }
  | { readonly kind: "remove"; readonly name: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string; readonly node: Node };

export class FolderNode {
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

  crash(chance: () => number, ghost: () => Uint8Array | undefined): void {
    const survive = chance();
    for (const operation of this.pending) if (chance() <= survive) applyTo(this.durable, operation);
    this.entries = new Map(this.durable);
    this.pending = [];
    for (const node of this.entries.values()) node.crash(chance, ghost);
  }
}

export type Node = FileNode | FolderNode;

function applyTo(entries: Map<string, Node>, operation: Operation): void {
  if (operation.kind === "set") entries.set(operation.name, operation.node);
  else if (operation.kind === "remove") entries.delete(operation.name);
  else {
    if (entries.get(operation.from) === operation.node) entries.delete(operation.from);
    entries.set(operation.to, operation.node);
  }
}

export class SimDisk {
  readonly root = new FolderNode(1n);
  /** ms between two mtimes that can be told apart. */
  coarseMs = 1000;
  /** How often a page that did not survive holds a block of a deleted file. */
  ghostChance = 0;
  readonly #ghosts: Uint8Array[] = [];
  #nextInode = 2n;

  constructor(readonly nowMs: () => number) {}

  /** The power fails. Open files must not be used any more. */
  crash(chance: () => number): void {
    this.root.crash(chance, () => {
      if (this.#ghosts.length === 0 || chance() >= this.ghostChance) return undefined;
      return this.#ghosts[Math.floor(chance() * this.#ghosts.length)];
    });
  }

  /** Everything is on the platter, as on a disk that does not lie. */
  syncAll(folder: FolderNode = this.root): void {
    folder.sync();
    for (const node of folder.entries.values()) {
      if (node.kind === "folder") this.syncAll(node);
      else node.sync();
    }
  }

  mtime(): number {
    return Math.floor(this.nowMs() / this.coarseMs) * this.coarseMs;
  }

  node(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    for (const part of parts(path)) {
      if (node?.kind !== "folder") return undefined;
      node = node.entries.get(part);
    }
    return node;
  }

  folder(path: string, operation: string): FolderNode {
    const node = this.node(path);
    if (node?.kind !== "folder") throw ioError(operation, path, "ENOENT");
    return node;
  }

  file(path: string, operation: string): FileNode {
    const node = this.node(path);
    if (node?.kind !== "file") throw ioError(operation, path, "ENOENT");
    return node;
  }

  place(path: string, operation: string): { readonly folder: FolderNode; readonly name: string } {
    const names = parts(path);
    const name = names.pop()!;
    return { folder: this.folder(names.join("/"), operation), name };
  }

  create(path: string): FileNode {
    const { folder, name } = this.place(path, "create");
    if (folder.entries.has(name)) throw ioError("create", path, "EEXIST");
    const node = new FileNode(this.#nextInode++, this.nowMs());
    node.modifiedMs = this.mtime();
    folder.apply({ kind: "set", name, node });
    return node;
  }

  makeDirectory(path: string): void {
    let at = this.root;
    for (const part of parts(path)) {
      let next = at.entries.get(part);
      if (!next) at.apply({ kind: "set", name: part, node: next = new FolderNode(this.#nextInode++) });
      if (next.kind !== "folder") throw ioError("make directory", path, "ENOTDIR");
      at = next;
    }
  }

  rename(from: string, to: string): void {
    const [source, target] = [this.place(from, "rename"), this.place(to, "rename")];
    const node = source.folder.entries.get(source.name);
    if (!node) throw ioError("rename", from, "ENOENT");
    const replaced = target.folder.entries.get(target.name);
    if (replaced?.kind === "folder" && replaced.entries.size > 0) throw ioError("rename", to, "ENOTEMPTY");
    if (replaced?.kind === "file") this.#forget(replaced);
    if (source.folder === target.folder) {
      source.folder.apply({ kind: "rename", from: source.name, to: target.name, node });
    } else {
      target.folder.apply({ kind: "set", name: target.name, node });
      source.folder.apply({ kind: "remove", name: source.name });
    }
  }

  link(from: string, to: string): void {
    const node = this.file(from, "link");
    const { folder, name } = this.place(to, "link");
    if (folder.entries.has(name)) throw ioError("link", to, "EEXIST");
    node.links++;
    folder.apply({ kind: "set", name, node });
  }

  unlink(path: string): void {
    const { folder, name } = this.place(path, "unlink");
    const node = folder.entries.get(name);
    if (node?.kind === "folder") throw ioError("unlink", path, "EISDIR");
    if (!node) throw ioError("unlink", path, "ENOENT");
    folder.apply({ kind: "remove", name });
    this.#forget(node);
  }

  removeDirectory(path: string): void {
    if (this.folder(path, "remove directory").entries.size > 0) {
      throw ioError("remove directory", path, "ENOTEMPTY");
    }
    const { folder, name } = this.place(path, "remove directory");
    folder.apply({ kind: "remove", name });
  }

  /** As `rm -r`; nothing when it is not there. */
  removeAll(path: string): void {
    const node = this.node(path);
    if (!node) return;
    if (node.kind === "folder") {
      for (const name of [...node.entries.keys()]) this.removeAll(`${path}/${name}`);
    }
    if (node.kind === "folder") this.removeDirectory(path);
    else this.unlink(path);
  }

  /** Paths of all files below a folder, with a trailing slash for folders. */
  walk(path: string): string[] {
    const node = this.node(path);
    if (node?.kind !== "folder") return [];
    return [...node.entries].flatMap(([name, { kind }]) =>
      kind === "folder" ? [`${path}/${name}/`, ...this.walk(`${path}/${name}`)] : [`${path}/${name}`]
    );
  }

  /** Bytes and names below a folder, for comparisons. */
  fingerprint(path: string): Map<string, string> {
    return new Map(
      this.walk(path).map((found) => {
        const node = this.node(found);
        return [found, node?.kind === "file" ? sha256Hex(node.bytes()) : ""];
      }),
    );
  }

  #forget(node: FileNode): void {
    node.links--;
    if (node.links > 0 || this.ghostChance === 0) return;
    for (let at = 0; at < node.size && this.#ghosts.length < MAX_GHOSTS; at += PAGE_BYTES) {
      this.#ghosts.push(node.data.slice(at, Math.min(at + PAGE_BYTES, node.size)));
    }
    if (this.#ghosts.length >= MAX_GHOSTS) this.#ghosts.splice(0, MAX_GHOSTS / 2);
  }
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

export function ioError(operation: string, path: string, code: string): IoError {
  return new IoError(operation, path, Object.assign(new Error(code), { code }));
}
