/**
 * The engine as main sees it: which indices there are, what is written to and searched in them, and the threads that
 * do it. Both dialects, the clock and the command line speak to this class; none of them knows a thread.
 *
 * Bodies pass through unparsed. Main decides names, mappings and pins, nothing else.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { utf8 } from "../base/bytes.ts";
import type { Logger } from "../base/log.ts";
import type { Clock, FileSystem, Random } from "../os/fs.ts";
import { Gate, WriteBudget } from "./admission.ts";
import type { Catalog } from "./catalog.ts";
import { type EngineHydration, refuseUnlessWhole } from "./hydration.ts";
import { linkAll, type LinkedFiles } from "./link_all.ts";
import { expandExpression, type ExpandOptions, indexNotFound } from "./index_names.ts";
import { Indices } from "./indices.ts";
import { refreshInterval } from "./index_settings.ts";
import type { IndexState } from "./index_state.ts";
import type {
  BulkCall,
  BulkReply,
  ForceMergeCall,
  ForceMergeReport,
  GetCall,
  GetReply,
  IngestCall,
  IngestReply,
  NodeSettings,
  ReplayProgress,
  SearchCall,
  SearchReply,
  ShardStats,
  SnapshotShardReport,
  WriteCall,
  WriteReply,
  WriterTimings,
} from "./messages.ts";
import type { ShardSnapshot } from "../shard/snapshot.ts";
import { EngineShip, type EngineShipView } from "./ship.ts";
import { Snapshots } from "./snapshots.ts";
import { type ThreadFactory, Threads } from "./threads.ts";
import type { BulkTargetRequest, WriteIndex } from "./writer_node.ts";
import { MergeQueue } from "./merge_queue.ts";
import { newBucket, setRate } from "../os/token_bucket.ts";
import type { BuiltMerge, MergeJob } from "../shard/merge_job.ts";
import { joinBulkReplies } from "./bulk_join.ts";

export interface EngineLimits {
  readonly maxConcurrentSearches: number;
  readonly maxQueuedSearches: number;
  readonly maxInflightWriteBytes: number;
}

export interface EngineOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly dataDir: string;
  readonly catalog: Catalog;
  /** The node's LSN counter, above all that the catalogue knows. */
  readonly lsn: BigInt64Array;
  readonly factory: ThreadFactory;
  readonly writers: number;
  readonly searchers: number;
  readonly settings: NodeSettings;
  readonly limits: EngineLimits;
  readonly boot: { readonly bootId: string; readonly isCopy: boolean; readonly cleanStop: boolean };
  /** Segment files that a lazy restore is still bringing, and how far that is. */
  readonly hydration?: EngineHydration | undefined;
  /** A thread died: nothing it owned can be trusted to go on. */
  readonly onDeath: (error: Error) => void;
  /** A thread found a file of a segment damaged; called each time that one does. */
  readonly onDamagedFile?: (file: string) => void;
  /** Gets what the writers measured, every few seconds, so that nothing piles up where nobody asks for metrics. */
  readonly onTimings?: (timings: readonly WriterTimings[]) => void;
}

/** `?refresh` of a write. */
export type RefreshPolicy = "false" | "true" | "wait_for";

/** How often main looks for what is due; refresh intervals below it are not kept exactly. */
const TICK_MS = 50;
/** How often files are looked at whose time may have come. */
const RELEASE_EVERY_MS = 1000;

export interface IndexFlushReport {
  readonly index: string;
  readonly shard: number;
  readonly segmentsWritten: number;
  readonly checkpointLsn: number;
  readonly failure: string | undefined;
}

export class Engine {
  readonly threads: Threads;
  readonly snapshots: Snapshots;
  readonly indices: Indices;
  readonly merges: MergeQueue;
  readonly ship: EngineShip;
  readonly #mergeBucket: BigInt64Array;
  readonly searchGate: Gate;
  readonly writeBudget: WriteBudget;
  readonly #options: EngineOptions;
  #settings: NodeSettings;
  #limits: EngineLimits;
  readonly #progress = new Map<string, ReplayProgress>();
  #opened = false;
  #releasedMs = 0;
  #refreshTimer: number | undefined;
  /** What names mean to the bulk requests under way: all writers of one go by the same, or they would share it out differently. */
  readonly #bulkTargets = new Map<number, Map<string, Promise<WriteIndex>>>();
  #nextBulk = 1;
  /** Shard of the next document that has no id yet. */
  #nextShard = 0;
  searchesTotal = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#limits = options.limits;
    this.searchGate = new Gate("searches", () => ({
      limit: this.#limits.maxConcurrentSearches,
      queue: this.#limits.maxQueuedSearches,
    }));
    this.writeBudget = new WriteBudget(() => this.#limits.maxInflightWriteBytes);
    this.#mergeBucket = newBucket(options.settings.merge.ioBytesPerSec);
    this.merges = new MergeQueue({
      connect: (number, onDeath) => this.threads.addMerger(number, onDeath),
      maxConcurrent: () => this.#settings.merge.maxConcurrent,
      onDeath: (error) =>
        options.log.error("a merger died; its merge is given up", { failure: error.message }),
    });
    this.ship = new EngineShip({
      threads: () => this.threads,
      catalog: options.catalog,
      clock: options.clock,
    });
    this.threads = new Threads({
      factory: options.factory,
      writers: options.writers,
      searchers: options.searchers,
      start: {
        settings: options.settings,
        lsn: options.lsn,
        mergeBucket: this.#mergeBucket,
        boot: options.boot,
        hydrating: options.hydration?.files ?? [],
      },
      log: options.log,
      onDeath: options.onDeath,
      ...(options.onDamagedFile ? { onCorruption: options.onDamagedFile } : {}),
      handlers: {
        mergeMapping: (request: { incarnation: string; update: unknown }) =>
          this.indices.mergeMapping(request.incarnation, request.update),
        writeIndex: (request: BulkTargetRequest) => this.#bulkTarget(request),
        published: (snapshot: ShardSnapshot) => this.snapshots.publish(snapshot),
        merge: (job: MergeJob): Promise<BuiltMerge> => this.merges.build(job),
        mergeDigest: (end: { job: string; tail: Uint8Array | undefined }) => this.merges.digest(end),
        progress: (progress: ReplayProgress) => {
          this.#progress.set(`${progress.index}/${progress.shard}`, progress);
        },
        condition: (report: { index: string; shard: number; failure: string | undefined }) =>
          this.#condition(report),
        damagedFile: ({ file }: { file: string }) => options.onDamagedFile?.(file),
        shipWanted: () => this.ship.wanted(),
      },
    });
    this.snapshots = new Snapshots({
      added: (snapshot) => {
        for (const searcher of this.threads.searchers) searcher.notify("snapshot", snapshot);
      },
      dropped: (gone) => this.#dropped(gone),
    });
    this.indices = new Indices({
      ...options,
      threads: this.threads,
      snapshots: this.snapshots,
      settings: () => this.#settings,
    });
  }

  /** Opens every index of the catalogue. Resolves when all logs are replayed. @throws what opening refused. */
  async open(): Promise<void> {
    await this.indices.openAll();
    this.#progress.clear();
    this.#opened = true;
    this.#refreshTimer = setInterval(() => this.#keepUp(), TICK_MS);
  }

  get ready(): boolean {
    return this.#opened;
  }

  /** Log bytes replayed so far and in all, while opening. */
  get replay(): { readonly bytesDone: number; readonly bytesTotal: number } {
    let bytesDone = 0;
    let bytesTotal = 0;
    for (const progress of this.#progress.values()) {
      bytesDone += progress.bytesDone;
      bytesTotal += progress.bytesTotal;
    }
    return { bytesDone, bytesTotal };
  }

  get settings(): NodeSettings {
    return this.#settings;
  }

  /** Undefined: all was there when the server started. */
  get hydration(): EngineHydration | undefined {
    return this.#options.hydration;
  }

  /** LSN of the newest record of the node. */
  get lastLsn(): number {
    return Number(Atomics.load(this.#options.lsn, 0));
  }

  /** Takes new settings into force on every thread. */
  async configure(settings: NodeSettings, limits: EngineLimits): Promise<void> {
    this.#settings = settings;
    this.#limits = limits;
    await Promise.all([
      this.threads.all("writers", "configure", settings),
      this.threads.all("searchers", "configure", settings),
    ]);
    setRate(this.#mergeBucket, settings.merge.ioBytesPerSec);
    this.merges.next();
  }

  /** Flushes and closes everything, then ends the threads. @returns Whether every shard was closed cleanly. */
  async stop(): Promise<boolean> {
    if (this.#refreshTimer !== undefined) clearInterval(this.#refreshTimer);
    const reports = await this.threads.all<{ clean: boolean }>("writers", "stop", {});
    this.threads.terminate();
    return reports.every(({ clean }) => clean);
  }

  /** Indices that an expression means. */
  expand(expression: string | undefined, options: ExpandOptions = {}): IndexState[] {
    const names = expandExpression(expression, {
      known: this.indices.names(),
      aliases: this.indices.aliases(),
      options,
    });
    return names.map((name) => this.indices.get(name)!);
  }

  /** Exactly one index, by name or alias. @throws {RequestError} */
  one(name: string): IndexState {
    const found = this.expand(name, { allowNoIndices: false, expandWildcards: false });
    if (found.length !== 1) {
      const names = found.map((index) => index.name).join(", ");
      throw new RequestError(
        `alias [${name}] has more than one index associated with it [${names}], can't execute a single index op`,
        { status: 400, type: "illegal_argument_exception" },
      );
    }
    return found[0]!;
  }

  /** The index that writes to `name` go to; made if there is none. */
  async writeIndex(name: string, { requireAlias = false, create = true } = {}): Promise<IndexState> {
    const known = this.indices.get(name) ?? this.#aliasTarget(name);
    if (known) {
      if (requireAlias && known.name === name) throw notAnAlias(name);
      return known;
    }
    if (requireAlias) throw notAnAlias(name);
    if (!create) throw indexNotFound(name);
    return await this.indices.create(name, { auto: true });
  }

  /** One document written by id, or under an id that the server draws. */
  async write(
    index: IndexState,
    call: Omit<WriteCall, "incarnation" | "shard">,
    { refresh = "false", routing }: {
      readonly refresh?: RefreshPolicy;
      readonly routing?: string | undefined;
    } = {},
  ): Promise<WriteReply & { readonly shard: number }> {
    const shard = this.#shardFor(index, routing ?? call.id);
    const reply = await this.writeBudget.hold(
      call.body.length,
      () =>
        this.threads.writer(index.incarnation, shard).call<WriteReply>("write", {
          ...call,
          incarnation: index.incarnation,
          shard,
        }),
    );
    index.dirty = true;
    await this.#afterWrite([index], refresh);
    return { ...reply, shard };
  }

  /** Documents by id, newest version, refreshed or not. */
  async get(index: IndexState, ids: readonly string[], routing?: string): Promise<(GetReply | undefined)[]> {
    const found: (GetReply | undefined)[] = new Array(ids.length).fill(undefined);
    const byShard = new Map<number, number[]>();
    ids.forEach((id, i) => {
      const shard = this.#shardFor(index, routing ?? id);
      byShard.set(shard, [...(byShard.get(shard) ?? []), i]);
    });
    await Promise.all([...byShard].map(async ([shard, positions]) => {
      const call: GetCall = { incarnation: index.incarnation, shard, ids: positions.map((i) => ids[i]!) };
      const replies = await this.threads.writer(index.incarnation, shard).call<(GetReply | undefined)[]>(
        "get",
        call,
      );
      replies.forEach((reply, i) => found[positions[i]!] = reply);
    }));
    return found;
  }

  /** Many operations in one body. */
  async bulk(
    call: Omit<BulkCall, "writers" | "writer" | "bulk">,
    refresh: RefreshPolicy = "false",
  ): Promise<{ readonly items: Uint8Array; readonly errors: boolean; readonly itemCount: number }> {
    const { writers } = this.threads;
    const bulk = this.#nextBulk++;
    this.#bulkTargets.set(bulk, new Map());
    const replies = await this.writeBudget.hold(
      call.body.length,
      () =>
        Promise.all(
          writers.map((rpc, writer) =>
            rpc.call<BulkReply>("bulk", { ...call, bulk, writers: writers.length, writer } satisfies BulkCall)
          ),
        ),
    ).finally(() => this.#bulkTargets.delete(bulk));
    const touched = new Set(replies.flatMap(({ touched }) => touched));
    const indices = this.indices.all().filter(({ incarnation }) => touched.has(incarnation));
    for (const index of indices) index.dirty = true;
    await this.#afterWrite(indices, refresh);
    return joinBulkReplies(replies);
  }

  /** A piece of an NDJSON stream, whole lines. */
  async ingest(
    index: IndexState,
    call: Omit<IngestCall, "incarnation" | "shards" | "writers" | "writer">,
  ): Promise<IngestReply> {
    const { incarnation, shards } = index;
    const { writers } = this.threads;
    const replies = await this.writeBudget.hold(
      call.lines.length,
      () =>
        Promise.all(writers.map((rpc, writer) =>
          rpc.call<IngestReply>(
            "ingest",
            { ...call, incarnation, shards, writers: writers.length, writer } satisfies IngestCall,
          )
        )),
    );
    index.dirty = true;
    return {
      indexed: replies.reduce((sum, { indexed }) => sum + indexed, 0),
      failed: replies.reduce((sum, { failed }) => sum + failed, 0),
      errors: replies.flatMap(({ errors }) => errors).sort((a, b) => a.line - b.line).slice(
        0,
        call.maxErrors,
      ),
    };
  }

  /** Runs a body handler over the newest snapshots of `indices`, in a searcher. */
  search(
    indices: readonly IndexState[],
    call: Pick<SearchCall, "handler" | "body" | "query" | "requestId">,
  ): Promise<SearchReply> {
    return this.searchGate.pass(async () => {
      const receivedMs = this.#options.clock.monotonicMs();
      await this.#refreshIdle(indices);
      const pins = indices.flatMap(({ incarnation, shards }) =>
        Array.from({ length: shards }, (_, shard) => this.snapshots.pin(incarnation, shard))
      ).filter((pin) => pin !== undefined);
      try {
        this.searchesTotal++;
        return await this.threads.leastBusySearcher().call<SearchReply>("search", {
          ...call,
          receivedMs,
          snapshots: pins.map(({ key }) => key),
        });
      } finally {
        for (const pin of pins) pin.release();
      }
    });
  }

  async refresh(indices: readonly IndexState[]): Promise<void> {
    await Promise.all(indices.map((index) => this.#refreshIndex(index)));
  }

  async flush(indices: readonly IndexState[]): Promise<IndexFlushReport[]> {
    const incarnations = indices.map(({ incarnation }) => incarnation);
    const reports = await this.threads.all<IndexFlushReport[]>("writers", "flush", { incarnations });
    return reports.flat();
  }

  /**
   * Links every index, as of one instant after this call, and the catalogue into a folder that then looks as the data
   * directory does. Every write acknowledged before this call is in it; the caller syncs the new folders.
   *
   * @param onShards Told of each shard's part, once all links are made.
   * @throws {RequestError} 503: an index was just made or deleted, or a shard is poisoned. Try again.
   * @throws {IoError}
   */
  async linkAll(
    to: string,
    onShards: (reports: readonly SnapshotShardReport[]) => void = () => {},
  ): Promise<LinkedFiles> {
    refuseUnlessWhole(this.hydration);
    const { fs, catalog } = this.#options;
    return await linkAll(to, { fs, catalog, threads: this.threads, onShards });
  }

  /**
   * What can be shipped of the server now: nothing in it can be lost by a power cut any more. Writes go on, and no log
   * rolls for it. To be released.
   *
   * @throws {RequestError} 503 @throws {IoError}
   */
  async shipView({ sinceCatalog = 0 }: { readonly sinceCatalog?: number } = {}): Promise<EngineShipView> {
    refuseUnlessWhole(this.hydration);
    return await this.ship.view(sinceCatalog);
  }

  /** Merges until there are no more segments than asked for, or nothing is due; resolves when all is done. */
  async forceMerge(
    indices: readonly IndexState[],
    { maxSegments, expungeOnly }: Omit<ForceMergeCall, "incarnations">,
  ): Promise<ForceMergeReport[]> {
    const incarnations = indices.map(({ incarnation }) => incarnation);
    const call: ForceMergeCall = { incarnations, maxSegments, expungeOnly };
    return (await this.threads.all<ForceMergeReport[]>("writers", "forceMerge", call)).flat();
  }

  async stats(): Promise<ShardStats[]> {
    return (await this.threads.all<ShardStats[]>("writers", "stats", {})).flat();
  }

  timings(): Promise<WriterTimings[]> {
    return this.threads.all<WriterTimings>("writers", "timings", {});
  }

  #shardFor(index: IndexState, key: string | undefined): number {
    if (index.shards === 1) return 0;
    return key === undefined ? this.#nextShard++ % index.shards : index.shardOf(utf8(key));
  }

  async #afterWrite(indices: readonly IndexState[], refresh: RefreshPolicy): Promise<void> {
    if (refresh === "false") return;
    // `wait_for` waits for the next refresh; we make it come now rather than let the client wait for the clock.
    await this.refresh(indices);
  }

  #bulkTarget({ name, bulk, requireAlias, create }: BulkTargetRequest): Promise<WriteIndex> {
    const targets = this.#bulkTargets.get(bulk);
    const key = `${name} ${requireAlias} ${create}`;
    const target = targets?.get(key) ?? this.#writeTarget(name, { requireAlias, create });
    targets?.set(key, target);
    return target;
  }

  async #writeTarget(
    name: string,
    options: { readonly requireAlias: boolean; readonly create: boolean },
  ): Promise<WriteIndex> {
    const { name: index, uuid, incarnation, shards } = await this.writeIndex(name, options);
    return { index, uuid, incarnation, shards };
  }

  #aliasTarget(name: string): IndexState | undefined {
    const targets = this.indices.aliases().get(name);
    if (!targets) return undefined;
    const write = this.indices.aliasWriteIndex(name);
    if (write === undefined) {
      throw new RequestError(
        `no write index is defined for alias [${name}]. The write index may be explicitly disabled using ` +
          `is_write_index=false or the alias points to multiple indices without one being designated as a write index`,
        { status: 400, type: "illegal_argument_exception" },
      );
    }
    return this.indices.get(write);
  }

  #refreshIndex(index: IndexState): Promise<void> {
    index.dirty = false;
    index.lastRefreshMs = this.#options.clock.monotonicMs();
    const { incarnation } = index;
    return this.threads.all("writers", "refresh", { incarnations: [incarnation] }).then(() => undefined);
  }

  /** The first search after a quiet spell refreshes and waits. */
  async #refreshIdle(indices: readonly IndexState[]): Promise<void> {
    const now = this.#options.clock.monotonicMs();
    const waits: Promise<void>[] = [];
    for (const index of indices) {
      if (index.dirty && index.searchIdle(now, this.#settings.searchIdleMs)) {
        index.refreshing ??= this.#refreshIndex(index).finally(() => index.refreshing = undefined);
      }
      if (index.refreshing) waits.push(index.refreshing);
      index.lastSearchMs = now;
    }
    if (waits.length > 0) await Promise.all(waits);
  }

  /** Does what time has come for. */
  #keepUp(): void {
    this.#refreshSearched();
    const now = this.#options.clock.monotonicMs();
    if (now - this.#releasedMs < RELEASE_EVERY_MS) return;
    this.#releasedMs = now;
    this.timings().then(
      (timings) => this.#options.onTimings?.(timings),
      (error) => this.#options.log.error("a writer does not answer", { failure: String(error) }),
    );
    try {
      this.#options.catalog.release();
    } catch (error) {
      this.#options.log.error("cannot release old catalogues", { failure: String(error) });
    }
  }

  #refreshSearched(): void {
    const now = this.#options.clock.monotonicMs();
    for (const index of this.indices.all()) {
      const interval = refreshInterval(index.settings) ?? this.#settings.refreshIntervalMs;
      if (!index.dirty || interval < 0 || now - index.lastRefreshMs < interval) continue;
      if (index.searchIdle(now, this.#settings.searchIdleMs)) continue;
      this.#refreshIndex(index).catch((error) =>
        this.#options.log.error("refresh failed", { index: index.name, failure: String(error) })
      );
    }
  }

  #condition({ index, shard, failure }: { index: string; shard: number; failure: string | undefined }): void {
    const state = this.indices.get(index);
    if (!state) return;
    if (failure === undefined) state.failures.delete(shard);
    else state.failures.set(shard, failure);
  }

  #dropped(gone: { readonly snapshots: readonly string[]; readonly segments: readonly string[] }): void {
    // Writers may unmap only what every searcher has let go of.
    this.threads.all("searchers", "drop", gone).then(() => {
      if (gone.segments.length === 0) return;
      return this.threads.all("writers", "retire", { segments: gone.segments });
    }).catch((error) => this.#options.log.error("cannot release segments", { failure: String(error) }));
  }
}

function notAnAlias(name: string): RequestError {
  return new RequestError(
    `no such index [${name}] and [require_alias] request flag is [true] and [${name}] is not an alias`,
    {
      status: 404,
      type: "index_not_found_exception",
      details: { index_uuid: "_na_", index: name },
    },
  );
}
