/**
 * The simulated disk as one process sees it: any call may fail, be the last one before a kill or a power cut, or take
 * long. A dead process changes nothing any more.
 *
 * @module
 */
import type {
  DirectoryEntry,
  DirectoryLock,
  FileStat,
  FileSystem,
  Mapping,
  OpenFile,
} from "../../src/os/fs.ts";
import { Killed, type Scheduler, type SimProcess } from "./scheduler.ts";
import { type FileNode, ioError, type SimDisk } from "./sim_disk.ts";

/** A kind of call that can go wrong. */
export type CallKind =
  | "open"
  | "create"
  | "write"
  | "read"
  | "sync"
  | "make directory"
  | "rename"
  | "link"
  | "unlink"
  | "remove directory"
  | "sync directory"
  | "list";

/** What needs room on the disk. */
const NEEDS_ROOM: ReadonlySet<CallKind> = new Set(["create", "write", "make directory", "link"]);

export interface Fault {
  /** Fails (or ends the process) when so many more calls that it may hit have been made. */
  after: number;
  readonly kind: "EIO" | "ENOSPC" | "kill";
}

export interface FaultCounts {
  eio: number;
  enospc: number;
  stalls: number;
  bitFlips: number;
}

/** What a process maps, by address. Unmapped memory is overwritten: whoever still reads it finds nonsense. */
const mapped = new Map<bigint, Uint8Array>();
let nextAddress = 0x1000n;

export function viewMapping(address: bigint, sizeBytes: number): Uint8Array {
  if (sizeBytes === 0) return new Uint8Array(0);
  const bytes = mapped.get(address);
  if (!bytes) throw new Error("a view of unmapped memory: a real process would be dead");
  return bytes.subarray(0, sizeBytes);
}

export interface ProcessDiskOptions {
  readonly disk: SimDisk;
  readonly scheduler: Scheduler;
  readonly process: SimProcess;
  readonly chance: () => number;
  readonly counts: FaultCounts;
  /** For rules that are switched off: what becomes of a call before it is made. */
  readonly intercept?: Intercept;
}

/** Changes what calls do; each may be left out. */
export interface Intercept {
  /** Where a path really lies. */
  readonly path?: (path: string) => string;
  /** Skips the call: it seems to have been made. */
  readonly skip?: (kind: CallKind, path: string, to?: string) => boolean;
  /** Runs after a call that was made. */
  readonly after?: (kind: CallKind, path: string, to?: string) => void;
  /** Bytes that are written stay in the process until the file is synced. */
  readonly holdsBack?: (path: string) => boolean;
}

export class ProcessDisk implements FileSystem {
  /** Calls that may fail, made so far. */
  calls = 0;
  fault: Fault | undefined;
  full = false;
  /** How long asynchronous syncs take that are slow, ms; and which part of them is. */
  stallMs = 300;
  stallChance = 0;
  /** A call has failed with EIO. */
  faulted = false;
  /** Hears of every call, for runs that enumerate them. */
  onCall: (kind: CallKind, path: string) => void = () => {};
  readonly #options: ProcessDiskOptions;
  readonly #locks = new Set<string>();

  constructor(options: ProcessDiskOptions) {
    this.#options = options;
  }

  get #disk(): SimDisk {
    return this.#options.disk;
  }

  /** Syncs that have begun and not returned. */
  get stalled(): number {
    return this.#options.process.stalled.length;
  }

  /** Ends the process; the disk keeps what the kernel has. */
  kill(): void {
    this.#options.scheduler.kill(this.#options.process);
    for (const path of this.#locks) locksHeld.get(this.#disk)?.delete(path);
  }

  /** @returns The bytes of a write that arrive before it fails. */
  #call(
    kind: CallKind,
    path: string,
    bytes = 0,
  ): { readonly arrive: number; readonly code: string } | undefined {
    const { process, chance, counts } = this.#options;
    if (!process.alive) throw new Killed(`${kind} ${path} by a dead process`);
    this.calls++;
    this.onCall(kind, path);
    if (this.full && NEEDS_ROOM.has(kind)) {
      counts.enospc++;
      return { arrive: Math.floor(chance() * bytes), code: "ENOSPC" };
    }
    const { fault } = this;
    if (!fault || (fault.kind === "ENOSPC" && !NEEDS_ROOM.has(kind))) return undefined;
    if (--fault.after > 0) return undefined;
    this.fault = undefined;
    if (fault.kind === "kill") {
      this.kill();
      throw new Killed(`killed before ${kind} ${path}`);
    }
    if (fault.kind === "EIO") {
      this.faulted = true;
      counts.eio++;
    } else counts.enospc++;
    // A write that fails may have reached the file in part; with EIO even as a whole.
    const isWhole = fault.kind === "EIO" && chance() < 0.3;
    return { arrive: isWhole ? bytes : Math.floor(chance() * bytes), code: fault.kind };
  }

  #check(kind: CallKind, path: string): void {
    const failure = this.#call(kind, path);
    if (failure) throw ioError(kind, path, failure.code);
  }

  /** @returns Whether the call is to be made. */
  #before(kind: CallKind, path: string, to?: string): boolean {
    this.#check(kind, path);
    return !this.#options.intercept?.skip?.(kind, path, to);
  }

  #after(kind: CallKind, path: string, to?: string): void {
    this.#options.intercept?.after?.(kind, path, to);
  }

  #at(path: string): string {
    return this.#options.intercept?.path?.(path) ?? path;
  }

  openRead(path: string): OpenFile {
    this.#check("open", path);
    return this.#open(path, this.#disk.file(this.#at(path), "open"));
  }

  create(path: string): OpenFile {
    this.#check("create", path);
    return this.#open(path, this.#disk.create(this.#at(path)));
  }

  openAppend(path: string): OpenFile {
    return this.openRead(path);
  }

  #open(path: string, node: FileNode): OpenFile {
    const { process, scheduler, intercept } = this.#options;
    let open = true;
    let held: Uint8Array[] = [];
    const check = () => {
      if (!open) throw new Error(`${path} is closed`);
    };
    const release = () => {
      for (const bytes of held) node.append(bytes);
      held = [];
    };
    const syncNow = (size?: number) => {
      const failure = this.#call("sync", path);
      if (failure) {
        node.failSync();
        throw ioError("sync", path, failure.code);
      }
      if (intercept?.skip?.("sync", path)) return;
      release();
      node.sync(size === undefined ? node.size : Math.max(size, 0));
    };
    const sync = () => {
      check();
      syncNow();
    };
    const write = (bytes: Uint8Array) => {
      check();
      const failure = this.#call("write", path, bytes.length);
      node.modifiedMs = this.#disk.mtime();
      const arriving = failure ? bytes.slice(0, failure.arrive) : bytes;
      if (intercept?.holdsBack?.(path)) held.push(arriving.slice());
      else node.append(arriving);
      if (failure) throw ioError("write", path, failure.code);
    };
    return {
      path,
      write,
      // deno-lint-ignore require-await -- what it throws is a rejection
      writeAsync: async (bytes) => write(bytes),
      readAt: (into, offset) => {
        check();
        this.#check("read", path);
        const part = node.bytes().subarray(Math.min(offset, node.size), offset + into.length);
        into.set(part);
        return part.length;
      },
      size: () => node.size + held.reduce((sum, { length }) => sum + length, 0),
      syncData: sync,
      sync,
      syncDataAsync: () => {
        check();
        release();
        const { size } = node;
        return new Promise((resolve, reject) => {
          const task = () => {
            try {
              syncNow(size);
              resolve();
            } catch (error) {
              reject(error);
            }
          };
          const lane = {};
          if (this.stallChance === 0 || this.#options.chance() >= this.stallChance) {
            return process.post(lane, task);
          }
          this.#options.counts.stalls++;
          process.stalled.push({ dueMs: scheduler.nowMs + this.stallMs, lane, task });
        });
      },
      startWriteback: () => {},
      close: () => {
        check();
        if (process.alive) release();
        open = false;
      },
    };
  }

  readFile(path: string): Uint8Array {
    this.#check("read", path);
    return this.#disk.file(this.#at(path), "read").bytes().slice();
  }

  exists(path: string): boolean {
    return this.#disk.node(this.#at(path)) !== undefined;
  }

  stat(path: string): FileStat {
    const node = this.#disk.node(this.#at(path));
    if (!node) throw ioError("stat", path, "ENOENT");
    const isFile = node.kind === "file";
    return {
      isFile,
      isDirectory: !isFile,
      sizeBytes: isFile ? node.size : 0,
      inode: node.inode,
      device: 1n,
      birthTimeMs: isFile ? node.birthMs : 0,
      modifiedMs: isFile ? node.modifiedMs : 0,
      links: isFile ? node.links : 1,
    };
  }

  list(path: string): readonly DirectoryEntry[] {
    this.#check("list", path);
    return [...this.#disk.folder(path, "list").entries]
      .map(([name, { kind }]) => ({ name, isFile: kind === "file", isDirectory: kind === "folder" }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  makeDirectory(path: string): void {
    if (this.#before("make directory", path)) this.#disk.makeDirectory(path);
  }

  rename(from: string, to: string): void {
    if (!this.#before("rename", from, to)) return;
    this.#disk.rename(from, to);
    this.#after("rename", from, to);
  }

  link(from: string, to: string): void {
    if (this.#before("link", from, to)) this.#disk.link(from, to);
  }

  unlink(path: string): void {
    if (this.#before("unlink", path)) this.#disk.unlink(this.#at(path));
  }

  removeDirectory(path: string): void {
    if (this.#before("remove directory", path)) this.#disk.removeDirectory(path);
  }

  syncDirectory(path: string): void {
    if (this.#before("sync directory", path)) this.#disk.folder(path, "sync directory").sync();
  }

  map(path: string): Mapping {
    this.#check("open", path);
    const bytes = this.#disk.file(path, "map").bytes().slice();
    const address = nextAddress;
    nextAddress += BigInt(bytes.length) + 0x1000n;
    mapped.set(address, bytes);
    let isMapped = true;
    return {
      path,
      address,
      sizeBytes: bytes.length,
      unmap: () => {
        if (!isMapped) throw new Error(`${path} is unmapped once only`);
        isMapped = false;
        mapped.delete(address);
        bytes.fill(0xdb);
      },
    };
  }

  tryLock(path: string): DirectoryLock | undefined {
    let held = locksHeld.get(this.#disk);
    if (!held) locksHeld.set(this.#disk, held = new Set());
    if (held.has(path)) return undefined;
    if (!this.exists(path)) this.create(path).close();
    held.add(path);
    this.#locks.add(path);
    return { release: () => void held.delete(path) };
  }

  freeBytes(): number {
    return this.full ? 0 : 1e12;
  }
}

const locksHeld = new WeakMap<SimDisk, Set<string>>();

/** Gives back what killed processes had mapped. */
export function forgetMappings(): void {
  mapped.clear();
}
