/**
 * One shard's files: its log, its manifests, who still needs what. Opens nothing by itself (`store_open.ts`) and knows
 * no segment's contents.
 *
 * Invariants
 * - What an opening found is never written to: the first change starts a run, with a generation of its own.
 * - Nothing has its final name before it and all that it names are durable.
 * - Any retained manifest plus the log on disk equals every acknowledged write.
 *
 * @module
 */
import { assert, IoError } from "../base/errors.ts";
import { randomUuid } from "../base/uuid.ts";
import { manifestName } from "../format/file_names.ts";
import { extendHistory, foldHistory, type History, NO_HISTORY, type Run } from "../format/history.ts";
import { type Checkpoint, encodeManifest, type Manifest, type ManifestSegment } from "../format/manifest.ts";
import { RecordKind } from "../format/wal.ts";
import { bootMark } from "../format/wal_header.ts";
import { diskFull, isDiskFull, Poison } from "../wal/poison.ts";
import { ALL_RULES, type Rules } from "../wal/rules.ts";
import { type LogOptions, type LogPosition, type RecordToAppend, ShardLog } from "../wal/shard_log.ts";
import { makeAside, replaceFile } from "./repair/replace_file.ts";
import { makeDirectoryDurably, writeDurably } from "../wal/staged_file.ts";
import type { ShardIdentity, StoreEnvironment } from "./store_environment.ts";
import { type Inventory, type NextNumbers, takeInventory } from "./store_inventory.ts";
import { asideFolder, manifestFolder, segmentFolder, walFolder } from "./store_names.ts";
import { type ReleaseReport, Retained } from "./store_release.ts";
import type { ShardShipView } from "./ship_view.ts";
import type { CapturedShard } from "./snapshot_files.ts";
import { planNew, type RunPlan } from "./store_run.ts";
import { StagedSegment } from "./store_segments.ts";

export type { ShardIdentity, StoreEnvironment } from "./store_environment.ts";
export type { ReleaseReport } from "./store_release.ts";
export type { StagedSegment } from "./store_segments.ts";
export type { NextNumbers } from "./store_inventory.ts";
export { OpenedShard, openShard } from "./store_open.ts";

/** What a flush or merge publishes. */
export interface Publication {
  readonly segments: readonly ManifestSegment[];
  /** Of the flush; a merge keeps the current manifest's. */
  readonly checkpoint: Checkpoint;
  readonly mapping: unknown;
  readonly mappingVersion: number;
  readonly settings: unknown;
}

export interface CreateOptions {
  readonly mapping: unknown;
  readonly mappingVersion?: number;
  readonly settings: unknown;
  /** Smallest free numbers, from the catalogue's memory of the name. */
  readonly above?: Readonly<NextNumbers>;
  /** For an attached index: segments in the folder, and the position that they cover. */
  readonly segments?: readonly ManifestSegment[];
  readonly base?: { readonly lsn: number; readonly seqNo: number };
}

/**
 * Makes a shard: folder, first generation and first manifest are durable when this returns.
 *
 * @param directory Its folder, which may hold other incarnations of the same name.
 * @throws {RequestError} 429 `disk_full`.
 * @throws {IoError}
 */
export function createShard(
  environment: StoreEnvironment,
  directory: string,
  { identity, options }: { readonly identity: ShardIdentity; readonly options: CreateOptions },
): ShardStore {
  const { fs, clock } = environment;
  const poison = new Poison(shardLabel(directory));
  try {
    for (const folder of [directory, walFolder(directory), manifestFolder(directory)]) {
      makeDirectoryDurably(fs, folder, poison);
    }
  } catch (error) {
    throw isDiskFull(error) ? diskFull(directory) : error;
  }
  const inventory = takeInventory(fs, directory, { identity, firstNumbers: options.above });
  assert(
    inventory.manifests.every(({ kind }) => kind === "unreadable"),
    `incarnation ${identity.incarnation} is new in ${directory}`,
  );
  const { lsn, seqNo } = options.base ?? { lsn: 0, seqNo: -1 };
  const first: Manifest = {
    number: 0,
    previous: 0,
    indexUuid: identity.indexUuid,
    incarnation: identity.incarnation,
    shard: identity.shard,
    shards: identity.shards ?? 1,
    createdMs: Math.floor(clock.nowMs()),
    deleted: false,
    segments: options.segments ?? [],
    checkpoint: { generation: inventory.next.generation, lsn, seqNo },
    mapping: options.mapping,
    mappingVersion: options.mappingVersion ?? 1,
    settings: options.settings,
    history: NO_HISTORY,
  };
  const store = new ShardStore(environment, {
    inventory,
    poison,
    manifest: first,
    plan: planNew({ lsn, seqNo }),
  });
  try {
    store.ensureRun();
  } catch (error) {
    store.close({ clean: false });
    throw error;
  }
  return store;
}

export function shardLabel(directory: string): string {
  return `shard in ${directory}`;
}

export class ShardStore {
  readonly directory: string;
  readonly #environment: StoreEnvironment;
  readonly #poison: Poison;
  readonly #retained: Retained;
  readonly #next: NextNumbers;
  readonly #plan: RunPlan;
  /** Manifests that snapshots hold, with how many hold each. */
  readonly #pins = new Map<number, number>();
  #manifest: Manifest;
  #log: ShardLog | undefined;
  /** The run has its generation, but its manifest did not fit on the disk yet. */
  #runManifest: Manifest | undefined;
  #history: History;
  #deleted = false;
  #closed = false;

  constructor(
    environment: StoreEnvironment,
    { inventory, poison, manifest, plan }: {
      readonly inventory: Inventory;
      readonly poison: Poison;
      readonly manifest: Manifest;
      readonly plan: RunPlan;
    },
  ) {
    this.directory = inventory.directory;
    this.#environment = environment;
    this.#poison = poison;
    this.#retained = new Retained(inventory, environment.clock.monotonicMs(), this.rules);
    this.#retained.opened(manifest.number);
    this.#next = { ...inventory.next };
    this.#manifest = manifest;
    this.#history = manifest.history;
    this.#plan = plan;
  }

  get rules(): Rules {
    return this.#environment.rules ?? ALL_RULES;
  }

  /** The newest one that is durable. */
  get manifest(): Manifest {
    return this.#manifest;
  }

  /** Position behind the last record; before the run starts, that which opening recovered. */
  get position(): LogPosition {
    if (this.#log) return this.#log.position;
    const { base, repeated, previous } = this.#plan;
    const last = repeated?.end ?? base;
    const generation = Math.max(this.#manifest.checkpoint.generation, previous?.number ?? 0);
    return { generation, lsn: last.lsn, seqNo: last.seqNo, bytes: previous?.sizeBytes ?? 0 };
  }

  get started(): boolean {
    return this.#log !== undefined && this.#runManifest === undefined;
  }

  /** Every record up to here survives a power cut. */
  get syncedLsn(): number {
    return this.#log?.syncedLsn ?? this.#plan.syncedLsn;
  }

  /** What failed; until the shard is reopened it takes no writes. */
  get poisoned(): Error | undefined {
    return this.#poison.cause;
  }

  /** Calls `listener` once, when the shard takes no more writes. */
  onPoisoned(listener: (cause: Error) => void): void {
    this.#poison.onTaint(listener);
  }

  /** The disk was full at the last append. */
  get blocked(): boolean {
    return this.#log?.blocked ?? false;
  }

  /** More was repeated from an old tail than one wants to repeat again: flush soon. */
  get flushAdvised(): boolean {
    return this.#plan.repeatedBytes > REPEATED_BYTES_BEFORE_FLUSH;
  }

  /**
   * Starts the run, unless it has: what could not be used goes aside, a generation and a manifest of this run become
   * durable.
   *
   * @throws {RequestError} 429 `disk_full`: try again. 503: poisoned.
   * @throws {IoError} Poisons.
   */
  ensureRun(): void {
    if (this.started) return;
    this.#poison.check();
    assert(!this.#closed, "the store is open");
    try {
      if (!this.#log) this.#startLog();
      if (this.#runManifest) this.#writeManifest(this.#runManifest);
      this.#runManifest = undefined;
    } catch (error) {
      throw isDiskFull(error) ? diskFull(this.directory) : error;
    }
  }

  #startLog(): void {
    const { random, bootId } = this.#environment;
    if (this.rules.aside) this.#putAside();
    const generation = this.#next.generation++;
    const { base, repeated, previous, previousEnd, history: found, shortestHistory } = this.#plan;
    const last = repeated?.end ?? base;
    const run: Run = { id: randomUuid(random), lsn: last.lsn, generation, manifest: this.#next.manifest };
    const history = foldHistory(extendHistory(found, run), shortestHistory);
    const { indexUuid, incarnation, shard, shards } = this.#manifest;
    const log: LogOptions = {
      ...this.#environment,
      folder: walFolder(this.directory),
      poison: this.#poison,
      nextGeneration: () => this.#next.generation++,
      onGeneration: ({ path, head, previousBytes }) => {
        if (this.#log) this.#retained.setGenerationBytes(this.#log.position.generation, previousBytes);
        this.#retained.addGeneration(head.generation, { path, head, sizeBytes: 0 });
      },
    };
    if (!this.rules.foundFilesUntouched && this.#plan.whole) {
      this.#log = new ShardLog(log, {
        indexUuid,
        incarnation,
        shard,
        shards,
        boot: bootMark(bootId),
        history: found,
      }, {
        place: { ...this.#plan.whole.head, previousEnd },
        repeated: undefined,
        last,
        found: this.#plan.whole,
      });
      return;
    }
    this.#log = new ShardLog(
      log,
      { indexUuid, incarnation, shard, shards, boot: bootMark(bootId), history },
      {
        place: {
          generation,
          baseLsn: base.lsn,
          baseSeqNo: base.seqNo,
          previousUuid: previous?.uuid ?? "",
          previousEnd,
        },
        repeated,
        last,
      },
    );
    this.#history = history;
    const { manifest } = this;
    const checkpoint = { ...manifest.checkpoint, generation: this.#plan.checkpointGeneration ?? generation };
    this.#runManifest = this.#nextManifest({ ...manifest, checkpoint });
  }

  /** Newer manifests that could not be used and lie beyond what was recovered would speak of a past that is not ours. */
  #putAside(): void {
    const { fs } = this.#environment;
    const { aside } = this.#plan;
    if (aside.length === 0) return;
    const folder = asideFolder(this.directory);
    makeDirectoryDurably(fs, folder, this.#poison);
    this.#poison.guard(() => {
      for (const { path, number } of aside) {
        linkAside(this.#environment, path, `${folder}/${manifestName(number)}`);
      }
      fs.syncDirectory(folder);
      fs.syncDirectory(this.directory);
      for (const { path } of aside) if (fs.exists(path)) fs.unlink(path);
      fs.syncDirectory(manifestFolder(this.directory));
    });
    for (const { path, number } of aside) {
      this.#retained.forgetManifest(number);
      this.#environment.log.warn("put aside a manifest that goes on behind what the WAL holds", {
        file: path,
      });
    }
  }

  /**
   * Appends one record, as `ShardLog.append`; starts the run first.
   *
   * @throws {RequestError} 429 `disk_full`, 503 poisoned: nothing of it counts.
   * @throws {IoError} Poisons.
   */
  append(kind: number, record: RecordToAppend): { readonly lsn: number } {
    assert(!this.#deleted, "the index is not deleted");
    if (!this.started) this.ensureRun();
    if (kind === RecordKind.Mapping && !this.rules.mappingInLog) return { lsn: this.position.lsn };
    this.rollIfNeeded();
    return this.#log!.append(kind, record);
  }

  /** Makes everything appended so far durable. */
  sync(): void {
    this.#log?.sync();
  }

  /** The same without blocking the thread; concurrent calls share one sync. */
  syncAsync(): Promise<void> {
    return this.#log?.syncAsync() ?? Promise.resolve();
  }

  startWriteback(): void {
    this.#log?.startWriteback();
  }

  /** To be called when a synced log has been quiet for a while, see `ShardLog.markIfIdle`. */
  markIfIdle(): boolean {
    return this.#log?.markIfIdle() ?? false;
  }

  /** The active generation is linked into a snapshot: the next append goes to a new one. */
  markShared(): void {
    this.#log?.markShared();
  }

  /**
   * Fixes what the shard is now, for a snapshot: everything appended so far and nothing else, until it is released.
   * Takes no time: links and syncs come later, while writes go on in a generation of their own.
   *
   * @throws {RequestError} 503: poisoned, so that nobody knows what is on disk.
   */
  capture(): CapturedShard {
    this.#poison.check();
    assert(!this.#closed && !this.#deleted, "the store is open");
    const { directory, manifest } = this;
    this.markShared();
    const release = this.#pin(manifest.number);
    const synced = this.syncAsync();
    // Whoever waits hears of a failure; nobody may ever wait.
    synced.catch(() => {});
    return {
      directory,
      manifest,
      lsn: this.position.lsn,
      ...this.#retained.logOf(manifest),
      synced,
      release,
    };
  }

  /**
   * What can be shipped of it now. Writes go on in the same generation: what is synced of it does not change.
   *
   * @throws {RequestError} 503: poisoned, so that nobody knows what is on disk.
   */
  shipView(): ShardShipView {
    this.#poison.check();
    assert(!this.#closed && !this.#deleted, "the store is open");
    const { directory, manifest } = this;
    const generations = this.#retained.bodies();
    // Before the run starts, the newest generation is the last one of the run before.
    const syncedBytes = this.#log?.syncedBytes ?? this.#plan.previousEnd;
    return { directory, manifest, generations, syncedBytes, release: this.#pin(manifest.number) };
  }

  /** Keeps all files that a manifest needs. @returns Lets them go; to be called exactly once. */
  #pin(number: number): () => void {
    this.#pins.set(number, (this.#pins.get(number) ?? 0) + 1);
    let released = false;
    return () => {
      assert(!released, "a pin is released once");
      released = true;
      const left = this.#pins.get(number)! - 1;
      if (left > 0) this.#pins.set(number, left);
      else this.#pins.delete(number);
    };
  }

  /** Ends the generation if it has reached its size; appends do so too. @returns Whether it did. */
  rollIfNeeded(): boolean {
    if (!this.#log?.hasRecords || this.#log.position.bytes < this.#environment.walMaxBytes) return false;
    this.roll();
    return true;
  }

  /** Ends the active generation, unless it holds nothing. @throws {RequestError | IoError} */
  roll(): void {
    this.ensureRun();
    if (this.#log!.hasRecords) this.#log!.roll();
  }

  /** After a full disk: whether appends work again. To be called about each second. */
  tryUnblock(): boolean {
    return this.#log?.tryUnblock() ?? true;
  }

  nextSegmentNumber(): number {
    return this.#next.segment++;
  }

  /** Next free numbers, for the catalogue to remember when the index goes. */
  nextNumbers(): Readonly<NextNumbers> {
    return { ...this.#next };
  }

  /** Folder of a segment that a manifest names. */
  segmentPath(number: number): string {
    return segmentFolder(this.directory, number);
  }

  /** Begins to write a segment; it stays safe from releasing until a manifest names it or it is discarded. */
  stageSegment(number: number): StagedSegment {
    assert(number < this.#next.segment, "the number was drawn");
    this.ensureRun();
    this.#retained.hold([number]);
    const onDiscard = () => this.#retained.unhold([number]);
    try {
      return new StagedSegment(this.#environment.fs, this.directory, {
        number,
        poison: this.#poison,
        onDiscard,
      });
    } catch (error) {
      onDiscard();
      throw isDiskFull(error) ? diskFull(this.directory) : error;
    }
  }

  /** The shard's `aside/`, made if it is not there. @throws {IoError} Poisons, but for a full disk. */
  asidePath(): string {
    this.#poison.check();
    const folder = asideFolder(this.directory);
    makeAside(this.#environment.fs, folder, this.#poison);
    return folder;
  }

  /**
   * Puts a whole file, which lies in `asidePath`, in the place of a damaged one of the same bytes.
   *
   * @returns Where the damaged one is kept; undefined: there was none. @throws {IoError} Poisons.
   */
  replaceFile(path: string, whole: string): string | undefined {
    this.#poison.check();
    const aside = asideFolder(this.directory);
    return replaceFile(this.#environment.fs, path, { whole, aside, poison: this.#poison });
  }

  /** Keeps segments while a merge reads them. @returns Lets them go. */
  holdSegments(numbers: readonly number[]): () => void {
    this.#retained.hold(numbers);
    return () => this.#retained.unhold(numbers);
  }

  /**
   * Publishes a manifest; durable when this returns. All segments have their names.
   *
   * @throws {RequestError} 429 `disk_full`: nothing has changed. 503: poisoned.
   * @throws {IoError} Poisons.
   */
  publish(publication: Publication): Manifest {
    assert(
      !this.#closed && !this.#deleted,
      "the store is open: its numbers may be another incarnation's by now",
    );
    this.ensureRun();
    const { checkpoint } = publication;
    assert(checkpoint.lsn >= this.#manifest.checkpoint.lsn, "a checkpoint never goes back");
    assert(checkpoint.lsn <= this.position.lsn, "a checkpoint lies within the log");
    const fresh = publication.segments.filter(({ number }) => !this.#names(number));
    if (this.#log!.syncedLsn < checkpoint.lsn && this.rules.walBeforeManifest) this.sync();
    const manifest = this.#nextManifest({ ...this.#manifest, ...publication });
    try {
      this.#writeManifest(manifest);
    } catch (error) {
      throw isDiskFull(error) ? diskFull(this.directory) : error;
    }
    this.#retained.unhold(fresh.map(({ number }) => number));
    return manifest;
  }

  /** Publishes the last manifest of an index that is being deleted; nothing may be written behind it. */
  publishDeleted(): Manifest {
    this.ensureRun();
    this.sync();
    const manifest = this.#nextManifest({ ...this.#manifest, deleted: true });
    try {
      this.#writeManifest(manifest);
    } catch (error) {
      throw isDiskFull(error) ? diskFull(this.directory) : error;
    }
    this.#deleted = true;
    return manifest;
  }

  #names(number: number): boolean {
    return this.#manifest.segments.some((segment) => segment.number === number);
  }

  #nextManifest(content: Manifest): Manifest {
    return {
      ...content,
      number: this.#next.manifest++,
      previous: this.#manifest.number,
      createdMs: Math.max(0, Math.floor(this.#environment.clock.nowMs())),
      history: this.#history,
    };
  }

  #writeManifest(manifest: Manifest): void {
    const { fs, clock } = this.#environment;
    this.#poison.check();
    const folder = manifestFolder(this.directory);
    const name = manifestName(manifest.number);
    writeDurably(fs, folder, { name, bytes: encodeManifest(manifest), poison: this.#poison });
    this.#manifest = manifest;
    this.#retained.published(manifest, `${folder}/${name}`, clock.monotonicMs());
  }

  /**
   * Removes superseded files whose time has come and that nothing pins, and marks a quiet log as synced. To be called
   * every second or so.
   *
   * @param pinned Numbers of manifests that snapshots and backups hold.
   * @param now Short of disk: unpinned files go though their time has not come.
   * @param retainMs Short of disk: those that have been superseded for less stay.
   * @throws {IoError}
   */
  release(
    pinned: ReadonlySet<number>,
    { now = false, retainMs }: { readonly now?: boolean; readonly retainMs?: number } = {},
  ): ReleaseReport {
    const { fs, clock, retainSupersededMs } = this.#environment;
    if (this.#poison.cause || this.#closed) {
      return { manifests: [], segments: [], generations: [], leftovers: [] };
    }
    this.markIfIdle();
    return this.#retained.release(fs, {
      pinned: this.#pins.size === 0 ? pinned : new Set([...pinned, ...this.#pins.keys()]),
      retainMs: now ? 0 : retainMs ?? retainSupersededMs(),
      nowMs: clock.monotonicMs(),
      wallMs: clock.nowMs(),
      started: this.started,
      active: this.#log?.position.generation ?? this.#plan.previous?.number ?? 0,
      poison: this.#poison,
    });
  }

  /** Bytes on disk that stay only because of retention and pins. */
  retainedBytes(): number {
    return this.#retained.retainedBytes(this.#manifest);
  }

  /** Size of all WAL generations. */
  walBytes(): number {
    const active = this.#log?.position;
    return this.#retained.generationBytes(active?.generation ?? 0) + (active?.bytes ?? 0);
  }

  /** Lets the files go. Clean: synced and marked, so that the next opening has nothing to repeat. */
  close({ clean }: { readonly clean: boolean }): void {
    this.#closed = true;
    this.#log?.close({ clean });
  }
}

/** After repeating more than this, a flush spares the next opening the same. */
const REPEATED_BYTES_BEFORE_FLUSH = 64 * 1024 * 1024;

/** Links `path` to `to`, or to a name with a suffix when another file is there already. */
function linkAside({ fs }: StoreEnvironment, path: string, to: string): void {
  if (!fs.exists(path)) return;
  const { inode, device } = fs.stat(path);
  for (let attempt = 0; attempt < 1000; attempt++) {
    const target = attempt === 0 ? to : `${to}.${attempt}`;
    if (!fs.exists(target)) return fs.link(path, target);
    const there = fs.stat(target);
    if (there.inode === inode && there.device === device) return;
  }
  throw new IoError("link", to, new Error("a thousand files of that name are there"));
}
