/**
 * Tools that copy a directory while others write to it, as far as it matters here: which directory is listed when, which
 * file is read when and how far, what is skipped, what is deleted. Each is a generator that yields wherever the rest of
 * the world may go on.
 *
 * @module
 */
import type { FileNode, FolderNode, SimDisk } from "./sim_disk.ts";

export interface CopyPlan {
  readonly from: SimDisk;
  readonly fromPath: string;
  readonly to: SimDisk;
  readonly toPath: string;
  readonly chance: () => number;
}

export interface RsyncOptions {
  /** `--delete`. */
  readonly deletes: boolean;
  /** When: per directory before its files, or after everything. */
  readonly deletesAfter: boolean;
  /** All lists first, as with `--no-inc-recursive`. */
  readonly listsFirst: boolean;
  /** `-H`. */
  readonly hardLinks: boolean;
  /** `-c`: compares contents instead of size and mtime. */
  readonly checksums?: boolean;
}

interface Listed {
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly inode: bigint;
  readonly links: number;
}

/** What no tool should copy, and what the documentation says to leave out. */
function isLeftOut(name: string): boolean {
  return name === "_snapshots";
}

function entriesOf(disk: SimDisk, path: string, chance: () => number): [string, FileNode | FolderNode][] {
  const node = disk.node(path);
  if (node?.kind !== "folder") return [];
  const entries = [...node.entries];
  // Directories have no order of their own.
  return entries.map((entry) => ({ entry, at: chance() })).sort((a, b) => a.at - b.at).map(({ entry }) =>
    entry
  );
}

function folderFor(disk: SimDisk, path: string): void {
  const node = disk.node(path);
  if (node?.kind === "file") disk.unlink(path);
  disk.makeDirectory(path);
}

/** Puts a whole file in place under its name, with a given mtime, as by a temporary name and a rename. */
function putFile(
  disk: SimDisk,
  path: string,
  { bytes, modifiedMs }: { bytes: Uint8Array; modifiedMs: number },
): void {
  const old = disk.node(path);
  if (old?.kind === "folder") disk.removeAll(path);
  else if (old) disk.unlink(path);
  const node = disk.create(path);
  node.append(bytes);
  node.modifiedMs = modifiedMs;
}

/** Reads up to `sizeBytes`, in pieces between which the file may grow; undefined: it has vanished. */
function* readSlowly(
  disk: SimDisk,
  path: string,
  { sizeBytes, chance }: { readonly sizeBytes?: number; readonly chance: () => number },
): Generator<void, Uint8Array | undefined> {
  const node = disk.node(path);
  if (node?.kind !== "file") return undefined;
  // The file stays open: it may be unlinked meanwhile, or replaced.
  const pieces: Uint8Array[] = [];
  let at = 0;
  const limit = () => Math.min(node.size, sizeBytes ?? Infinity);
  while (at < limit()) {
    const end = Math.min(limit(), at + 512 + Math.floor(chance() * 4096));
    pieces.push(node.data.slice(at, end));
    at = end;
    if (chance() < 0.3) yield;
  }
  const bytes = new Uint8Array(at);
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}

/** `rsync -a`: lists, then compares size and mtime (to the second), then reads what differs. */
export function* rsync(plan: CopyPlan, options: RsyncOptions): Generator<void> {
  const { from, fromPath, to, toPath, chance } = plan;
  folderFor(to, toPath);
  const queue = [""];
  const waiting: Listed[] = [];
  const deletions: { readonly folder: string; readonly keep: ReadonlySet<string> }[] = [];
  /** Where an inode of this run went. */
  const linked = new Map<bigint, string>();
  const remove = ({ folder, keep }: (typeof deletions)[number]) => {
    for (const [name] of entriesOf(to, toPath + folder, chance)) {
      if (!keep.has(name) && !isLeftOut(name)) to.removeAll(`${toPath}${folder}/${name}`);
    }
  };
  const transfer = function* (listed: Listed): Generator<void> {
    const target = toPath + listed.path;
    const there = to.node(target);
    const known = options.hardLinks && listed.links > 1 ? linked.get(listed.inode) : undefined;
    if (known !== undefined && to.node(known)?.kind === "file") {
      if (to.node(target) === to.node(known)) return;
      to.removeAll(target);
      return to.link(known, target);
    }
    linked.set(listed.inode, target);
    const second = (ms: number) => Math.floor(ms / 1000);
    if (
      !options.checksums && there?.kind === "file" && there.size === listed.sizeBytes &&
      second(there.modifiedMs) === second(listed.modifiedMs)
    ) return;
    if (chance() < 0.7) yield;
    const source = from.node(fromPath + listed.path);
    const bytes = yield* readSlowly(from, fromPath + listed.path, {
      // As large as it is when it is opened.
      sizeBytes: source?.kind === "file" ? source.size : 0,
      chance,
    });
    if (bytes === undefined) return;
    if (to.node(parentOf(target))?.kind === "folder") {
      putFile(to, target, { bytes, modifiedMs: listed.modifiedMs });
    }
  };
  while (queue.length > 0) {
    const folder = queue.shift()!;
    if (chance() < 0.8) yield;
    const here: Listed[] = [];
    const keep = new Set<string>();
    if (from.node(fromPath + folder)?.kind !== "folder") continue;
    for (const [name, node] of entriesOf(from, fromPath + folder, chance)) {
      if (isLeftOut(name)) continue;
      keep.add(name);
      const path = `${folder}/${name}`;
      if (node.kind === "folder") {
        queue.push(path);
        folderFor(to, toPath + path);
      } else {
        const { size: sizeBytes, modifiedMs, inode, links } = node;
        here.push({ path, sizeBytes, modifiedMs, inode, links });
      }
    }
    if (options.deletes) {
      if (options.deletesAfter) deletions.push({ folder, keep });
      else remove({ folder, keep });
    }
    if (options.listsFirst) waiting.push(...here);
    else for (const listed of here) yield* transfer(listed);
  }
  for (const listed of waiting) yield* transfer(listed);
  for (const deletion of deletions) {
    if (chance() < 0.5) yield;
    remove(deletion);
  }
}

/** `tar`, unpacked into an empty folder when it is done: each file as large as when its header was written. */
export function* tar(plan: CopyPlan): Generator<void> {
  const { from, fromPath, to, toPath, chance } = plan;
  const packed: { readonly path: string; readonly bytes: Uint8Array; readonly modifiedMs: number }[] = [];
  const folders: string[] = [];
  const pack = function* (folder: string): Generator<void> {
    folders.push(folder);
    if (chance() < 0.8) yield;
    for (const [name, node] of entriesOf(from, fromPath + folder, chance)) {
      if (isLeftOut(name)) continue;
      const path = `${folder}/${name}`;
      if (node.kind === "folder") {
        yield* pack(path);
        continue;
      }
      if (chance() < 0.5) yield;
      const now = from.node(fromPath + path);
      if (now?.kind !== "file") continue;
      const bytes = yield* readSlowly(from, fromPath + path, { sizeBytes: now.size, chance });
      if (bytes) packed.push({ path, bytes, modifiedMs: now.modifiedMs });
    }
  };
  yield* pack("");
  to.removeAll(toPath);
  for (const folder of folders) folderFor(to, toPath + folder);
  for (const { path, ...file } of packed) putFile(to, toPath + path, file);
}

/** `cp -a`, reading each file until its end; onto an old destination it writes into the files that are there. */
export function* copyArchive(plan: CopyPlan): Generator<void> {
  const { from, fromPath, to, toPath, chance } = plan;
  const linked = new Map<bigint, string>();
  const copy = function* (folder: string): Generator<void> {
    folderFor(to, toPath + folder);
    if (chance() < 0.8) yield;
    for (const [name, node] of entriesOf(from, fromPath + folder, chance)) {
      if (isLeftOut(name)) continue;
      const path = `${folder}/${name}`;
      if (node.kind === "folder") {
        if (from.node(fromPath + path)?.kind === "folder") yield* copy(path);
        continue;
      }
      if (chance() < 0.5) yield;
      const now = from.node(fromPath + path);
      if (now?.kind !== "file") continue;
      const known = now.links > 1 ? linked.get(now.inode) : undefined;
      if (known !== undefined && to.node(known)?.kind === "file") {
        if (to.node(toPath + path) === to.node(known)) continue;
        to.removeAll(toPath + path);
        to.link(known, toPath + path);
        continue;
      }
      linked.set(now.inode, toPath + path);
      const bytes = yield* readSlowly(from, fromPath + path, { chance });
      if (!bytes) continue;
      const there = to.node(toPath + path);
      if (there?.kind === "file") {
        there.overwrite(bytes);
        there.modifiedMs = now.modifiedMs;
      } else putFile(to, toPath + path, { bytes, modifiedMs: now.modifiedMs });
    }
  };
  yield* copy("");
}

/** `cp -al` without LOCK: a clone of links. */
export function linkedClone(disk: SimDisk, from: string, to: string): void {
  disk.makeDirectory(to);
  for (const path of disk.walk(from)) {
    const target = to + path.slice(from.length);
    if (path.endsWith("/")) disk.makeDirectory(target);
    else if (!path.endsWith("/LOCK")) disk.link(path, target);
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
