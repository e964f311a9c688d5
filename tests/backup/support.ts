/**
 * Makes repositories, plans and comparisons for the tests of this folder.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { sha256Hex } from "../../src/format/sealed_json.ts";
import type { BackUpOptions, BackupPlan } from "../../src/backup/back_up.ts";
import { planRestore, restoreFiles, type RestoreSelection } from "../../src/backup/restore.ts";
import { Repository, type RepositoryOptions } from "../../src/backup/repository.ts";
import type { ObjectStore } from "../../src/objectstore/store.ts";
import type { Clock, Random } from "../../src/os/fs.ts";
import { MemoryDisk } from "./memory_disk.ts";

/** The same numbers for the same seed (mulberry32). */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** In [0, limit). */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.below(256);
  }
}

export const stillClock: Clock = { nowMs: () => 1_750_000_000_000, monotonicMs: () => 0 };

export function options(seed = 1, more: Partial<RepositoryOptions> = {}): RepositoryOptions {
  return { random: new SeededRandom(seed), clock: stillClock, ...more };
}

export function newRepository(
  store: ObjectStore,
  more: Partial<RepositoryOptions> = {},
): Promise<Repository> {
  return Repository.create(store, options(7, more));
}

/** Bytes that no compression makes smaller. */
export function noise(sizeBytes: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer).subarray(0, sizeBytes);
}

/** Bytes that compress well. */
export function prose(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  const words = ["segment ", "manifest ", "posting ", "column ", `${seed} `];
  const text = new TextEncoder();
  let state = seed + 1;
  for (let at = 0; at < sizeBytes;) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const word = text.encode(words[(state >>> 16) % words.length]!);
    bytes.set(word.subarray(0, Math.min(word.length, sizeBytes - at)), at);
    at += word.length;
  }
  return bytes;
}

export type Files = Readonly<Record<string, Uint8Array>>;

/** A plan over files that it puts on the disk; those of `seg-*` folders have known hashes; `a/x` belongs to index `a`. */
export function planOf(
  disk: MemoryDisk,
  id: string,
  files: Files,
  more: Partial<BackupPlan> = {},
): BackupPlan {
  const folder = `/source/${id}`;
  const indices = new Set<string>();
  const planned = Object.entries(files).map(([path, bytes]) => {
    disk.put(`${folder}/${path}`, bytes);
    const index = path.startsWith("_") ? undefined : path.split("/")[0]!;
    if (index !== undefined) indices.add(index);
    return {
      path,
      source: `${folder}/${path}`,
      sizeBytes: bytes.length,
      ...(index === undefined ? {} : { index }),
      ...(path.includes("/seg-") ? { sha256: sha256Hex(bytes) } : {}),
    };
  });
  return {
    id,
    createdMs: 1_750_000_000_000,
    lsn: 7,
    server: { version: "0.1.0", instanceId: "instance" },
    indices: [...indices].sort().map((name) => ({ name, incarnation: `${name}-1`, shards: 1, docs: 3 })),
    files: planned,
    ...more,
  };
}

export function backUpOptions(disk: MemoryDisk, more: Partial<BackUpOptions> = {}): BackUpOptions {
  disk.makeDirectory("/journal");
  return { fs: disk, journalPath: "/journal/backup", ...more };
}

/** Restores into a fresh disk. @returns path -> bytes, without the marker. */
export async function restored(
  repository: Repository,
  selection: RestoreSelection = {},
): Promise<Map<string, Uint8Array>> {
  const disk = new MemoryDisk();
  await restoreFiles(await planRestore(repository, selection), { to: "/restored", fs: disk });
  const files = disk.below("/restored");
  files.delete("_restoring.json");
  return files;
}

/** Holds a restored tree against what was backed up. */
export function assertFiles(actual: ReadonlyMap<string, Uint8Array>, expected: Files): void {
  assertEquals([...actual.keys()].sort(), Object.keys(expected).sort());
  for (const [path, bytes] of Object.entries(expected)) {
    assertEquals(sha256Hex(actual.get(path)!), sha256Hex(bytes), path);
  }
}

/** The error that a promise rejects with. */
export async function failureOf<E extends Error>(
  promise: Promise<unknown>,
  type: abstract new (...args: never[]) => E,
): Promise<E> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof type) return error;
    throw error;
  }
  throw new Error(`no ${type.name} was thrown`);
}
