/**
 * When may a superseded file go? Keeps track of who names what; `protocol`: manifests first, then segments that nothing
 * names, then generations that every remaining checkpoint has passed, which leave stubs.
 *
 * @module
 */
import type { Manifest } from "../format/manifest.ts";
import type { WalHead } from "../format/wal_header.ts";
import type { FileSystem } from "../os/fs.ts";
import type { Poison } from "../wal/poison.ts";
import type { Rules } from "../wal/rules.ts";
import { replaceByStub, STUB_LIFETIME_MS } from "../wal/stub.ts";
import { findManifests, type Inventory } from "./store_inventory.ts";
import { asideFolder, manifestFolder, segmentFolder, walFolder } from "./store_names.ts";
import { removeSegmentFolder } from "./store_segments.ts";

export interface ReleaseReport {
  /** Numbers of what went. */
  readonly manifests: readonly number[];
  readonly segments: readonly number[];
  /** Generations that became stubs. */
  readonly generations: readonly number[];
  /** Leftovers of unfinished work of an earlier process. */
  readonly leftovers: readonly string[];
}

interface KeptManifest {
  readonly manifest: Manifest;
  readonly path: string;
  /** Monotonic ms at which a newer one replaced it, or at which this process found it replaced. */
  supersededMs: number | undefined;
}

interface KeptGeneration {
  readonly path: string;
  readonly head: Omit<WalHead, "stub">;
  sizeBytes: number;
}

/** Everything of one shard that will have to go one day. */
export class Retained {
  readonly #directory: string;
  readonly #manifests = new Map<number, KeptManifest>();
  readonly #generations = new Map<number, KeptGeneration>();
  readonly #stubs = new Map<number, { readonly path: string; readonly modifiedMs: number }>();
  /** Segment folders with a final name. */
  readonly #segments = new Set<number>();
  /** Segments that other incarnations' manifests name. */
  readonly #foreign: ReadonlySet<number>;
  /** Segments that a running flush or merge writes or reads, with how many hold each. */
  readonly #held = new Map<number, number>();
  readonly #leftovers: { readonly files: readonly string[]; readonly segments: readonly string[] };
  /** Segment folders found that nothing is known to name. */
  readonly #unnamed = new Set<number>();
  /** A manifest that cannot be read may name anything. */
  readonly #keepUnnamed: boolean;
  #leftoversDone = false;

  /** @param openedMs Monotonic ms: retention starts anew at every start. */
  constructor(inventory: Inventory, openedMs: number, private readonly rules: Rules) {
    this.#directory = inventory.directory;
    this.#foreign = new Set(
      inventory.foreignManifests.flatMap(({ segments }) => segments.map(({ number }) => number)),
    );
    this.#keepUnnamed = inventory.manifests.some(({ kind }) => kind === "unreadable");
    for (const found of inventory.manifests) {
      if (found.kind !== "ok") continue;
      const { number, manifest, path } = found;
      this.#manifests.set(number, {
        manifest,
        path,
        supersededMs: rules.retentionAnew ? openedMs : -Infinity,
      });
    }
    for (const found of inventory.generations) {
      const { number, path, sizeBytes } = found;
      if (found.kind === "body") this.#generations.set(number, { path, head: found.head, sizeBytes });
      if (found.kind === "stub") this.#stubs.set(number, { path, modifiedMs: found.modifiedMs });
    }
    const named = this.#namedSegments();
    for (const number of inventory.segments) {
      this.#segments.add(number);
      if (!named.has(number)) this.#unnamed.add(number);
    }
    this.#leftovers = inventory.staged;
  }

  /** A manifest became the current one: older ones, and newer ones that could not be used, are superseded. */
  published(manifest: Manifest, path: string, nowMs: number): void {
    for (const kept of this.#manifests.values()) kept.supersededMs ??= nowMs;
    this.#manifests.set(manifest.number, { manifest, path, supersededMs: undefined });
    for (const { number } of manifest.segments) this.#segments.add(number);
  }

  /** The manifest that opening chose is the current one; those behind it wait for a newer one to supersede them. */
  opened(number: number): void {
    for (const [other, kept] of this.#manifests) if (other >= number) kept.supersededMs = undefined;
  }

  /** Was linked into `aside/` and unlinked. */
  forgetManifest(number: number): void {
    this.#manifests.delete(number);
  }

  addGeneration(number: number, kept: KeptGeneration): void {
    this.#generations.set(number, kept);
  }

  setGenerationBytes(number: number, sizeBytes: number): void {
    const kept = this.#generations.get(number);
    if (kept) kept.sizeBytes = sizeBytes;
  }

  hold(numbers: Iterable<number>): void {
    for (const number of numbers) this.#held.set(number, (this.#held.get(number) ?? 0) + 1);
  }

  unhold(numbers: Iterable<number>): void {
    for (const number of numbers) {
      const left = (this.#held.get(number) ?? 0) - 1;
      if (left > 0) this.#held.set(number, left);
      else this.#held.delete(number);
    }
  }

  /** Bytes of all generations but the active one. */
  generationBytes(active: number): number {
    let bytes = 0;
    for (const [number, { sizeBytes }] of this.#generations) if (number !== active) bytes += sizeBytes;
    return bytes;
  }

  /** Numbers of all generations that have not become stubs, ascending. */
  bodies(): number[] {
    return [...this.#generations.keys()].sort((a, b) => a - b);
  }

  /** Numbers of the generations that a manifest needs, or of the newest if it needs none, and of all stubs. */
  logOf({ checkpoint }: Manifest): { readonly generations: number[]; readonly stubs: number[] } {
    const bodies = [...this.#generations.keys()];
    const first = Math.min(checkpoint.generation, bodies.reduce((a, b) => Math.max(a, b), 0));
    return { generations: bodies.filter((number) => number >= first), stubs: [...this.#stubs.keys()] };
  }

  /** Bytes that stay only because of retention and pins. */
  retainedBytes(current: Manifest): number {
    const live = new Set(current.segments.map(({ number }) => number));
    const sizes = new Map<number, number>();
    for (const { manifest } of this.#manifests.values()) {
      for (const { number, files } of manifest.segments) {
        const size = Object.values(files).reduce((sum, file) => sum + file.sizeBytes, 0);
        if (!live.has(number)) sizes.set(number, size);
      }
    }
    let bytes = 0;
    for (const size of sizes.values()) bytes += size;
    for (const [number, { sizeBytes }] of this.#generations) {
      if (number < current.checkpoint.generation) bytes += sizeBytes;
    }
    return bytes;
  }

  /**
   * Removes what is due.
   *
   * @param started This opening's run has published a manifest.
   * @param pinned Numbers of manifests that a snapshot or backup holds.
   * @throws {IoError}
   */
  release(
    fs: FileSystem,
    { pinned, retainMs, nowMs, wallMs, started, active, poison }: {
      readonly pinned: ReadonlySet<number>;
      readonly retainMs: number;
      readonly nowMs: number;
      readonly wallMs: number;
      readonly started: boolean;
      /** The newest generation, which stays. */
      readonly active: number;
      readonly poison: Poison;
    },
  ): ReleaseReport {
    const due = (kept: KeptManifest) =>
      kept.supersededMs !== undefined && nowMs - kept.supersededMs >= retainMs;
    const manifests: number[] = [];
    for (const [number, kept] of this.#manifests) {
      if (due(kept) && !pinned.has(number)) manifests.push(number);
    }
    const directories = new Set<string>();
    if (manifests.length > 0) {
      for (const number of manifests) fs.unlink(this.#manifests.get(number)!.path);
      poison.guard(() => fs.syncDirectory(manifestFolder(this.#directory)));
      for (const number of manifests) this.#manifests.delete(number);
    }
    const leftovers = started ? this.#releaseLeftovers(fs, directories) : [];
    const segments = this.#releaseSegments(fs, { started, directories });
    const generations = this.#releaseGenerations(fs, { active, wallMs, poison, directories });
    this.#releaseStubs(fs, { wallMs, directories });
    for (const directory of directories) poison.guard(() => fs.syncDirectory(directory));
    return { manifests, segments, generations, leftovers };
  }

  #namedSegments(): Set<number> {
    const named = new Set(this.#foreign);
    for (const { manifest } of this.#manifests.values()) {
      for (const { number } of manifest.segments) named.add(number);
    }
    return named;
  }

  #releaseSegments(
    fs: FileSystem,
    { started, directories }: { readonly started: boolean; readonly directories: Set<string> },
  ): number[] {
    const named = this.#namedSegments();
    const gone: number[] = [];
    for (const number of this.#segments) {
      if (named.has(number) || this.#held.has(number)) continue;
      if (this.#unnamed.has(number) && !(started && this.#mayRemoveUnnamed(fs, number))) continue;
      removeSegmentFolder(fs, segmentFolder(this.#directory, number));
      gone.push(number);
    }
    for (const number of gone) {
      this.#segments.delete(number);
      this.#unnamed.delete(number);
    }
    if (gone.length > 0) directories.add(this.#directory);
    return gone;
  }

  /** What was put aside may still be wanted by whoever repairs by hand. */
  #mayRemoveUnnamed(fs: FileSystem, number: number): boolean {
    if (this.#keepUnnamed) return false;
    return !findManifests(fs, asideFolder(this.#directory)).some((found) =>
      found.kind === "unreadable" || found.manifest.segments.some((segment) => segment.number === number)
    );
  }

  #releaseGenerations(
    fs: FileSystem,
    { active, wallMs, poison, directories }: {
      readonly active: number;
      readonly wallMs: number;
      readonly poison: Poison;
      readonly directories: Set<string>;
    },
  ): number[] {
    const checkpoints = [...this.#manifests.values()].map(({ manifest }) => manifest.checkpoint.generation);
    checkpoints.sort((a, b) => a - b);
    if (!this.rules.walForEveryManifest && checkpoints.length > 1) checkpoints.shift();
    const needed = Math.min(active, ...checkpoints.slice(0, 1));
    const passed = [...this.#generations.keys()].filter((number) => number < needed).sort((a, b) => a - b);
    for (const number of passed) {
      const kept = this.#generations.get(number)!;
      replaceByStub(fs, kept, poison);
      this.#generations.delete(number);
      this.#stubs.set(number, { path: kept.path, modifiedMs: wallMs });
    }
    if (passed.length > 0) directories.add(walFolder(this.#directory));
    return passed;
  }

  #releaseStubs(
    fs: FileSystem,
    { wallMs, directories }: { readonly wallMs: number; readonly directories: Set<string> },
  ) {
    for (const [number, { path, modifiedMs }] of this.#stubs) {
      if (wallMs - modifiedMs < STUB_LIFETIME_MS) continue;
      fs.unlink(path);
      this.#stubs.delete(number);
      directories.add(walFolder(this.#directory));
    }
  }

  /** Unfinished files of an earlier process: only once a manifest newer than them is durable. */
  #releaseLeftovers(fs: FileSystem, directories: Set<string>): string[] {
    if (this.#leftoversDone) return [];
    this.#leftoversDone = true;
    const gone: string[] = [];
    for (const path of this.#leftovers.files) {
      if (!fs.exists(path)) continue;
      fs.unlink(path);
      directories.add(path.slice(0, path.lastIndexOf("/")));
      gone.push(path);
    }
    for (const path of this.#leftovers.segments) {
      removeSegmentFolder(fs, path);
      directories.add(this.#directory);
      gone.push(path);
    }
    return gone;
  }
}
