/**
 * The writer thread: opens and keeps the shards assigned to it, applies writes, answers gets by id, refreshes,
 * flushes, syncs and releases. Serves no search.
 *
 * @module
 */
import { AnalyzerSet } from "../analysis/mod.ts";
import { RequestError } from "../base/errors.ts";
import { utf8 } from "../base/bytes.ts";
import type { Logger } from "../base/log.ts";
import { Turn } from "../base/turn.ts";
import type { Clock, FileSystem, Random } from "../os/fs.ts";
import type { HydratingFile } from "../os/shared_blocks.ts";
import { Mapping } from "../schema/mapping.ts";
import { flush, hasUnflushed } from "../shard/flush.ts";
import { emptyShard, recoverShard } from "../shard/recover.ts";
import { publishIfChanged, refresh } from "../shard/refresh.ts";
import type { LiveSegment } from "../shard/live_segment.ts";
import type { BuiltMerge, MergeJob } from "../shard/merge_job.ts";
import type { ShardSnapshot } from "../shard/snapshot.ts";
import type { ShardEnvironment, ShardLimits, ShardState } from "../shard/state.ts";
import { createShard, type OpenedShard, openShard, type StoreEnvironment } from "../shard/store.ts";
import { getDocument, logMapping, setMapping } from "../shard/write.ts";
import type { Rules } from "../wal/rules.ts";
import type { BulkRendererFactory } from "./bulk_renderer.ts";
import { Durability } from "./durability.ts";
import { Replication } from "./replication.ts";
import type {
  AttachCall,
  BulkCall,
  ForceMergeCall,
  GetCall,
  GetReply,
  IndexSpec,
  IngestCall,
  NodeSettings,
  OpenCall,
  OpenedShardReport,
  ReplayProgress,
  ShardStats,
  ShipCall,
  ShippedUpTo,
  SnapshotCall,
  WriteCall,
  WriterTimings,
} from "./messages.ts";
import { Attachments } from "./writer_attach.ts";
import { applyBulk } from "./writer_bulk.ts";
import { applyIngest } from "./writer_ingest.ts";
import { WriterShip } from "./writer_ship.ts";
import { segmentCalls } from "./writer_heal.ts";
import { linkShards } from "./writer_snapshot.ts";
import { Scrub, scrubTargets } from "./scrub.ts";
import { shardStats } from "./writer_stats.ts";
import { WriterMerges } from "./writer_merges.ts";
import { WriterSpace } from "./writer_space.ts";
import { applyWrite } from "./writer_write.ts";

/** How often a writer looks for shards to flush, probe or release. */
const UPKEEP_EVERY_MS = 1000;

/** Which index an operation of a bulk goes to. Every writer hears the same answer within one bulk. */
export interface BulkTargetRequest {
  readonly bulk: number;
  readonly name: string;
  readonly requireAlias: boolean;
  /** Whether it is made when it is not there. */
  readonly create: boolean;
}

/** What a writer asks of main. */
export interface MainCalls {
  /** Main merges the fields into the index's mapping and answers with all of it, in stored form. */
  mergeMapping(request: { readonly incarnation: string; readonly update: unknown }): Promise<unknown>;
  /** The index that a name writes to, made by rule if need be, open on every writer when this answers. */
  writeIndex(request: BulkTargetRequest): Promise<WriteIndex>;
  published(snapshot: ShardSnapshot): void;
  /** As `MergeThreads`. */
  merge(job: MergeJob): Promise<BuiltMerge>;
  mergeDigest(end: { readonly job: string; readonly tail: Uint8Array | undefined }): Promise<string>;
  progress(progress: ReplayProgress): void;
  /** A shard stopped taking writes, or works again. */
  condition(
    report: { readonly index: string; readonly shard: number; readonly failure: string | undefined },
  ): void;
  /** A file of a segment is not what was written. Absent: nobody can mend it. */
  readonly damagedFile?: (file: string) => void;
  /** Somebody waits for a record to leave the machine. Absent: nobody ships. */
  readonly shipWanted?: () => void;
}

export interface WriteIndex {
  readonly index: string;
  readonly uuid: string;
  readonly incarnation: string;
  readonly shards: number;
}

export interface WriterOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly settings: NodeSettings;
  readonly main: MainCalls;
  readonly renderers: Readonly<Record<string, BulkRendererFactory>>;
  readonly viewMapping: (address: bigint, sizeBytes: number) => Uint8Array;
  readonly pause: () => Promise<void>;
  /** The node's LSN counter, shared by all writers. */
  readonly lsn: BigInt64Array;
  readonly boot: { readonly bootId: string; readonly isCopy: boolean; readonly cleanStop: boolean };
  /** Segment files that a lazy restore is still bringing. */
  readonly hydrating?: readonly HydratingFile[];
  /** For tests alone, which switch one off; default all. */
  readonly rules?: Rules | undefined;
}

/** A shard and what the thread keeps beside it. */
export interface OpenShard {
  readonly state: ShardState;
  readonly spec: IndexSpec;
}

export class WriterNode {
  /** By `<incarnation>/<shard>`. */
  readonly shards = new Map<string, OpenShard>();
  /** Requests that write to several shards take turns, so that no two wait for each other. */
  readonly bulkTurn = new Turn();
  readonly durability: Durability;
  readonly merges: WriterMerges;
  readonly space: WriterSpace;
  readonly timings: {
    walWriteSeconds: number[];
    flushSeconds: number[];
    mergeSeconds: number[];
    bytesWritten: number;
    scrubBytes: number;
    scrubErrors: number;
  } = {
    walWriteSeconds: [],
    flushSeconds: [],
    mergeSeconds: [],
    bytesWritten: 0,
    scrubBytes: 0,
    scrubErrors: 0,
  };
  settings: NodeSettings;
  readonly #attachments = new Attachments(this);
  readonly #ship = new WriterShip(this);
  readonly #replication: Replication;
  readonly scrub: Scrub;
  /** Segments of closed indices that searches may still use, by key. */
  readonly #hydrating: ReadonlyMap<string, HydratingFile>;
  readonly #closedSegments = new Map<string, LiveSegment>();
  /** Opened shards whose runs start when the server's own has started. */
  #waiting: OpenedShard[] = [];
  #upkeep: number | undefined;
  #upkeepRuns = false;

  constructor(readonly options: WriterOptions) {
    this.settings = options.settings;
    this.#hydrating = new Map(options.hydrating?.map((file) => [file.path, file]));
    this.merges = new WriterMerges(this);
    this.space = new WriterSpace(this);
    this.scrub = new Scrub({
      ...options,
      bytesPerSec: () => this.settings.scrubBytesPerSec,
      targets: () => scrubTargets(this.shards.values()),
      onRead: (bytes) => void (this.timings.scrubBytes += bytes),
      onDamage: (places) => void (this.timings.scrubErrors += places),
      onDamagedFile: (file) => options.main.damagedFile?.(file),
    });
    this.#replication = new Replication({
      wanted: () => options.main.shipWanted?.(),
      timeoutMs: () => this.settings.maxRequestMs,
    });
    this.durability = new Durability(() => this.settings, this.#replication);
  }

  /** What main may call, by name. */
  calls() {
    return {
      open: (call: OpenCall) => this.#open(call),
      startRuns: () => this.#startRuns(),
      configure: (settings: NodeSettings) => this.#configure(settings),
      mapping: (change: { incarnation: string; mapping: unknown }) => this.#setMapping(change),
      logMapping: ({ incarnation }: { incarnation: string }) => this.#logMapping(incarnation),
      write: (call: WriteCall) => applyWrite(this, call),
      get: (call: GetCall) => this.#get(call),
      bulk: (call: BulkCall) => applyBulk(this, call),
      ingest: (call: IngestCall) => applyIngest(this, call),
      refresh: ({ incarnations }: { incarnations: readonly string[] }) => this.#refresh(incarnations),
      flush: (call: { incarnations: readonly string[] }) => this.#flush(call.incarnations),
      forceMerge: (call: ForceMergeCall) => this.merges.force(call),
      linkShards: (call: SnapshotCall) => linkShards(this, call),
      ...segmentCalls(this),
      shipView: (call: ShipCall) => this.#ship.view(call),
      shipRelease: ({ pins }: { pins: readonly number[] }) => this.#ship.release(pins),
      shipped: (upTo: ShippedUpTo) => this.#replication.shipped(upTo),
      shipFailed: ({ reason }: { reason: string }) => this.#replication.failed(reason),
      attachOpen: (call: AttachCall) => this.#attachments.open(call),
      attachMake: ({ incarnation }: { incarnation: string }) => this.#attachments.make(incarnation),
      attachDrop: ({ incarnation }: { incarnation: string }) => this.#attachments.drop(incarnation),
      stats: () => this.#stats(),
      timings: () => this.#drainTimings(),
      retire: ({ segments }: { segments: readonly string[] }) => this.#unmap(segments),
      closeIndex: (call: { incarnation: string; deleted: boolean }) => this.#closeIndex(call),
      stop: () => this.#stop(),
    };
  }

  /** The shard, or 404: its index was deleted since the request was routed. */
  shard(incarnation: string, shard: number): OpenShard {
    const open = this.shards.get(`${incarnation}/${shard}`);
    if (!open) throw new RequestError("no such index", { status: 404, type: "index_not_found_exception" });
    return open;
  }

  /** Asks main for the fields that a document needs, and applies the answer. */
  async growMapping(state: ShardState, update: unknown): Promise<void> {
    const { incarnation } = state.names;
    const stored = await this.options.main.mergeMapping({ incarnation, update });
    this.#applyMapping(state, stored);
  }

  async #open({ spec, mode, shards }: OpenCall): Promise<OpenedShardReport[]> {
    const reports: OpenedShardReport[] = [];
    for (const shard of shards) {
      const analyzers = AnalyzerSet.fromSettings(spec.settings, this.settings.defaultAnalyzer);
      const names = { index: spec.index, incarnation: spec.incarnation, shard };
      const environment = this.#shardEnvironment();
      const storeEnvironment = this.#storeEnvironment();
      const identity = { indexUuid: spec.uuid, incarnation: spec.incarnation, shard, shards: spec.shards };
      const directory = spec.shards === 1 ? spec.directory : `${spec.directory}/shard-${shard}`;
      let state: ShardState;
      let replayedBytes = 0;
      let warnings: readonly string[] = [];
      if (mode === "create") {
        const { mapping, settings, firstNumbers } = spec;
        const above = firstNumbers[shard];
        const options = { mapping, settings, ...(above ? { above } : {}) };
        const store = createShard(storeEnvironment, directory, { identity, options });
        state = emptyShard(store, { environment, names, analyzers });
      } else {
        const opened = openShard(storeEnvironment, directory, identity);
        warnings = opened.warnings;
        replayedBytes = opened.walBytesToReplay;
        state = await recoverShard(opened, {
          environment,
          names,
          analyzers: AnalyzerSet.fromSettings(opened.manifest.settings, this.settings.defaultAnalyzer),
          onProgress: (bytesDone, bytesTotal) =>
            this.options.main.progress({ index: spec.index, shard, bytesDone, bytesTotal }),
        });
        this.#waiting.push(opened);
      }
      this.take({ state, spec });
      for (const warning of deviceWarnings(this.options.fs, directory)) {
        this.options.log.warn(warning, { index: spec.index, shard });
        warnings = [...warnings, warning];
      }
      await refresh(state);
      publishIfChanged(state, state.snapshotVersion === 0);
      reports.push({
        shard,
        mapping: state.mapping.toStored(),
        mappingVersion: state.mapping.version,
        settings: state.settings,
        lsn: state.store.position.lsn,
        replayedBytes,
        liveDocs: state.liveDocs,
        warnings,
      });
    }
    return reports;
  }

  /** Hands every opened shard over to writing: at once where the files ask for it, else with its first change. */
  async #startRuns(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const opened of waiting) {
      opened.startRun(this.options.boot.isCopy);
      await this.options.pause();
    }
    this.#upkeep = setInterval(() => this.#keepUp(), UPKEEP_EVERY_MS);
    this.scrub.start();
  }

  #configure(settings: NodeSettings): void {
    this.settings = settings;
    this.durability.restart();
  }

  #setMapping({ incarnation, mapping }: { incarnation: string; mapping: unknown }): void {
    for (const { state } of this.shardsOf(incarnation)) this.#applyMapping(state, mapping);
  }

  #applyMapping(state: ShardState, stored: unknown): void {
    const { maxFields } = this.settings;
    setMapping(
      state,
      Mapping.fromStored(stored as Readonly<Record<string, unknown>>, {
        maxFields,
        analyzers: state.analyzers,
      }),
    );
  }

  /** Makes a mapping that a client asked for durable without waiting for a document. */
  async #logMapping(incarnation: string): Promise<void> {
    for (const { state } of this.shardsOf(incarnation)) {
      await state.turn.take(() => {
        if (state.mappingUnlogged && !state.closed) logMapping(state);
      });
      await this.durability.acknowledged(state.store);
      publishIfChanged(state);
    }
  }

  *shardsOf(incarnation: string): Generator<OpenShard> {
    for (const open of this.shards.values()) if (open.spec.incarnation === incarnation) yield open;
  }

  #get({ incarnation, shard, ids }: GetCall): (GetReply | undefined)[] {
    const { state } = this.shard(incarnation, shard);
    return ids.map((id) => getDocument(state, utf8(id)));
  }

  async #refresh(incarnations: readonly string[]): Promise<void> {
    for (const incarnation of incarnations) {
      for (const { state } of this.shardsOf(incarnation)) await refresh(state);
    }
  }

  async #flush(incarnations: readonly string[]) {
    const reports = [];
    for (const incarnation of incarnations) {
      for (const open of [...this.shardsOf(incarnation)]) reports.push(await this.#flushShard(open, true));
    }
    return reports;
  }

  /** Puts what is in memory on disk; failures are logged, and reported. */
  flushShard(open: OpenShard): Promise<{ readonly failure: string | undefined }> {
    return this.#flushShard(open, false);
  }

  async #flushShard(open: OpenShard, requested: boolean) {
    const { state, spec } = open;
    const { clock, log } = this.options;
    const started = clock.monotonicMs();
    try {
      const report = await flush(state, { requested });
      const ms = clock.monotonicMs() - started;
      if (report.segmentsWritten > 0) {
        this.timings.flushSeconds.push(ms / 1000);
        this.timings.bytesWritten += report.bytesWritten;
        log.debug("flushed", { index: spec.index, ms: Math.round(ms), bytes: report.bytesWritten });
      }
      this.merges.consider(open);
      return { index: spec.index, shard: state.names.shard, ...report, failure: undefined };
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      log.error("flush failed; the log still holds everything", { index: spec.index, failure });
      return {
        index: spec.index,
        shard: state.names.shard,
        segmentsWritten: 0,
        checkpointLsn: 0,
        bytesWritten: 0,
        failure,
      };
    }
  }

  #stats(): ShardStats[] {
    return [...this.shards.values()].map((open) =>
      shardStats(open, { merges: this.merges.stats(open), scrub: this.scrub })
    );
  }

  #drainTimings(): WriterTimings {
    const { walWriteSeconds, flushSeconds, mergeSeconds, bytesWritten, scrubBytes, scrubErrors } =
      this.timings;
    this.timings.walWriteSeconds = [];
    this.timings.flushSeconds = [];
    this.timings.mergeSeconds = [];
    this.timings.bytesWritten = 0;
    this.timings.scrubBytes = 0;
    this.timings.scrubErrors = 0;
    return { walWriteSeconds, flushSeconds, mergeSeconds, bytesWritten, scrubBytes, scrubErrors };
  }

  /** Gives back memory that no snapshot uses any more: main has heard that from every searcher. */
  #unmap(keys: readonly string[]): void {
    const homes = [this.#closedSegments, ...[...this.shards.values()].map(({ state }) => state.retired)];
    for (const retired of homes) {
      for (const key of keys) {
        const home = retired.get(key)?.home;
        if (!retired.delete(key) || home?.kind !== "disk") continue;
        for (const mapping of home.mappings) mapping.unmap();
      }
    }
  }

  /** Closes an index's shards; their memory stays until main says that nobody searches it any more. */
  async #closeIndex({ incarnation, deleted }: { incarnation: string; deleted: boolean }): Promise<void> {
    for (const open of [...this.shardsOf(incarnation)]) {
      const { state } = open;
      await this.merges.stop(open);
      const close = () => {
        if (deleted) state.store.publishDeleted();
        this.shards.delete(`${incarnation}/${state.names.shard}`);
        this.durability.remove(state.store);
        state.store.close({ clean: !deleted });
        // A refresh or a flush that waits for its turn must not publish what main has forgotten.
        state.closed = true;
        this.#waiting = this.#waiting.filter(({ store }) => store !== state.store);
        for (const segment of [...state.segments, ...state.retired.values()]) {
          this.#closedSegments.set(segment.ref.key, segment);
        }
      };
      await state.flushes.take(() => state.maintenance.take(() => state.turn.take(close)));
    }
  }

  /** Flushes, syncs and closes everything. */
  async #stop(): Promise<{ readonly clean: boolean }> {
    if (this.#upkeep !== undefined) clearInterval(this.#upkeep);
    this.durability.stop();
    this.#replication.stop();
    await this.scrub.stop();
    let clean = true;
    await Promise.all([...this.shards.values()].map((open) => this.merges.stop(open)));
    for (const open of [...this.shards.values()]) {
      if (open.state.store.poisoned) {
        clean = false;
        continue;
      }
      const report = hasUnflushed(open.state) ? await this.#flushShard(open, true) : undefined;
      if (report?.failure !== undefined) clean = false;
      open.state.store.close({ clean: report?.failure === undefined });
    }
    this.shards.clear();
    return { clean };
  }

  /** Flushes what is due, probes shards that wait for space, releases what nobody needs. */
  async #keepUp(): Promise<void> {
    if (this.#upkeepRuns) return;
    this.#upkeepRuns = true;
    try {
      this.space.check();
      for (const open of [...this.shards.values()]) {
        const { state } = open;
        if (state.store.blocked) this.#probe(open);
        if (state.store.poisoned || state.store.blocked) continue;
        if (this.#flushDue(state)) await this.#flushShard(open, false);
        if (!state.store.poisoned) state.store.release(new Set());
        this.merges.consider(open);
      }
    } catch (error) {
      this.options.log.error("upkeep failed", {
        failure: error instanceof Error ? error.stack : String(error),
      });
    } finally {
      this.#upkeepRuns = false;
    }
  }

  #probe({ state, spec }: OpenShard): void {
    if (!state.store.tryUnblock()) return;
    this.options.log.info("space is back, writes go on", { index: spec.index });
    this.options.main.condition({ index: spec.index, shard: state.names.shard, failure: undefined });
  }

  #flushDue(state: ShardState): boolean {
    const { flushSizeBytes, flushIntervalMs } = this.settings;
    if (state.memoryBytes >= flushSizeBytes) return true;
    const since = state.unflushedSinceMs;
    return since !== 0 && this.options.clock.monotonicMs() - since >= flushIntervalMs;
  }

  /** Starts a flush when memory is over a limit; called after each write. */
  flushIfLarge(open: OpenShard): void {
    const { flushSizeBytes, writeMemoryBytes } = this.settings;
    if (open.state.memoryBytes >= flushSizeBytes) this.#startFlush(open);
    else if (this.memoryBytes() >= writeMemoryBytes) this.#startFlush(this.#largestShard());
  }

  /** Bytes of all shards that only memory and logs hold. */
  memoryBytes(): number {
    let bytes = 0;
    for (const { state } of this.shards.values()) bytes += state.memoryBytes;
    return bytes;
  }

  #largestShard(): OpenShard {
    return [...this.shards.values()].reduce((a, b) => a.state.memoryBytes >= b.state.memoryBytes ? a : b);
  }

  #startFlush(open: OpenShard): void {
    if (open.state.flushes.waiting === 0) this.#flushShard(open, false);
  }

  /** From now on an opened shard is this writer's. */
  take(open: OpenShard): void {
    const { state, spec } = open;
    this.shards.set(`${spec.incarnation}/${state.names.shard}`, open);
    this.durability.add(state.store);
    state.store.onPoisoned((cause) => this.#poisoned(open, cause));
  }

  #poisoned({ spec, state }: OpenShard, { message: failure }: Error): void {
    this.options.log.error("the shard takes no more writes until it is reopened", {
      index: spec.index,
      failure,
    });
    this.options.main.condition({ index: spec.index, shard: state.names.shard, failure });
  }

  #shardEnvironment(): ShardEnvironment {
    const { fs, clock, random, log, main, pause, viewMapping } = this.options;
    const settings = () => this.settings;
    const limits: ShardLimits = {
      get maxJsonDepth() {
        return settings().maxJsonDepth;
      },
      get maxFields() {
        return settings().maxFields;
      },
      get flushSizeBytes() {
        return settings().flushSizeBytes;
      },
      get flushIntervalMs() {
        return settings().flushIntervalMs;
      },
    };
    return {
      fs,
      clock,
      random,
      log,
      pause,
      viewMapping,
      limits,
      hydrating: (path) => this.#hydrating.get(path),
      publish: (snapshot) => main.published(snapshot),
    };
  }

  /** What shards and their files need of this thread. */
  environments(): { readonly shard: ShardEnvironment; readonly store: StoreEnvironment } {
    return { shard: this.#shardEnvironment(), store: this.#storeEnvironment() };
  }

  #storeEnvironment(): StoreEnvironment {
    const { fs, clock, random, log, lsn, boot, rules } = this.options;
    const settings = () => this.settings;
    return {
      fs,
      clock,
      random,
      log,
      ...boot,
      rules,
      hydrating: (path) => this.#hydrating.get(path),
      nextLsn: () => Number(Atomics.add(lsn, 0, 1n)) + 1,
      raiseLsn: (atLeast) => raise(lsn, BigInt(atLeast)),
      get walMaxBytes() {
        return settings().walMaxBytes;
      },
      retainSupersededMs: () => this.settings.retainSupersededMs,
    };
  }
}

/** Raises the shared counter to at least `floor`. */
function raise(counter: BigInt64Array, floor: bigint): void {
  for (let seen = Atomics.load(counter, 0); seen < floor;) {
    const before = Atomics.compareExchange(counter, 0, seen, floor);
    if (before === seen) return;
    seen = before;
  }
}

/** A file-system snapshot is of one device: log and segments on two would be of two instants. */
function deviceWarnings(fs: FileSystem, directory: string): string[] {
  const { device } = fs.stat(directory);
  const elsewhere = fs.list(directory).filter((entry) =>
    entry.isDirectory && fs.stat(`${directory}/${entry.name}`).device !== device
  );
  return elsewhere.map(({ name }) =>
    `${directory}/${name} lies on another device than the rest of the index: a file-system snapshot of one is no backup`
  );
}
