/**
 * Ships one server into its stream, round by round. A round takes a view of the server, stores what the stream lacks of
 * it, and replaces the head: two or three PUTs however many logs there are, one more for each large file, no LIST.
 *
 * 1. The head is read when this process ships for the first time, and after every doubt. It must be ours
 *    (`ownership.ts`); each log's last shipped bytes must be those on our disk.
 * 2. Behind what the stream holds of each log: pieces of whole records, up to what is synced. Then manifests whose
 *    segments are all there (they come by `segment_lane.ts`), then catalogues whose indices are all there.
 * 3. The head, if it still is the one that was read. Only now the stream holds any of it.
 * 4. Objects that nothing refers to are condemned by a head, and deleted when a while has passed, so that a restore
 *    which began before finds them.
 *
 * A crash anywhere leaves the last head, whose objects are all there, and objects that nobody will ever name: `sweep`.
 *
 * @module
 */
import { assert } from "../../base/errors.ts";
import { type Logger, silentLogger } from "../../base/log.ts";
import { Turn } from "../../base/turn.ts";
import type { ManifestFile } from "../../format/manifest.ts";
import { StoreError } from "../../objectstore/store.ts";
import type { FileSystem } from "../../os/fs.ts";
import { newTry } from "../names.ts";
import type { Repository } from "../repository.ts";
import { StreamError } from "./error.ts";
import { type Archive, jsonBytes, type StreamHead } from "./head.ts";
import { type Delta, Inventory, NO_CHANGE, type StoredObject } from "./inventory.ts";
import { Draft, Round } from "./draft.ts";
import { FileShipping } from "./ship_files.ts";
import { LogShipping } from "./ship_logs.ts";
import { HeadWriter } from "./head_writer.ts";
import { isStreamName, revisionOf, streamPrefix } from "./names.ts";
import { encodeObject } from "./objects.ts";
import { foreignStream, ownershipProblem } from "./ownership.ts";
import { PackWriter } from "./pack.ts";
import { prunable } from "./retention.ts";
import { type KnownContent, SegmentLane } from "./segment_lane.ts";
import { loadArchive, loadInventory, readStreamHead, stateJson } from "./state.ts";
import type { ServerView } from "./view.ts";

export interface ShipperOptions {
  readonly repository: Repository;
  readonly stream: string;
  readonly fs: FileSystem;
  /** Every instant of the last so many ms can be restored. */
  readonly retainMs: number;
  /** How long objects stay that nothing refers to any more; default an hour. */
  readonly graceMs?: number;
  /** The store keeps the conditions of puts; default true. Without, the operator vouches that nobody else writes. */
  readonly conditional?: boolean;
  readonly log?: Logger;
  /** For tests: size of the pieces that segment files are cut into. */
  readonly pieceBytes?: number;
}

/** What a round came to. */
export interface RoundReport {
  readonly revision: number;
  /** Every record up to here is in the stream, and can be restored. */
  readonly lsn: number;
  /** Every record up to here is in the stream, but for those of `incomplete`. */
  readonly shippedLsn: number;
  /** Incarnations that cannot be restored yet up to what the view showed: segments are under way, or files damaged. */
  readonly incomplete: readonly string[];
  /** The view's: what was acknowledged before is in the stream, when `incomplete` is empty. */
  readonly atMs: number;
  readonly walBytes: number;
  /** Stored bytes of packs, states and head. */
  readonly bytesPut: number;
  readonly objectsPut: number;
  /** What could not be shipped, in words. */
  readonly problems: readonly string[];
}

const DEFAULT_GRACE_MS = 3_600_000;
/** A head of an idle server is replaced so often, so that it tells up to when nothing was missed. */
const HEARTBEAT_MS = 60_000;
/** What is prunable is looked for so often. */
const PRUNE_EVERY_MS = 10_000;
const DELETE_AT_ONCE = 500;

/** The stream as this process knows it. */
interface Known {
  readonly head: StreamHead | undefined;
  readonly etag: string | undefined;
  readonly inventory: Inventory;
  /** Changes that the head holds itself; undefined: they were read, and are not taken apart. */
  readonly inline: readonly Delta[] | undefined;
  /** Objects of earlier owners. */
  readonly archived: ReadonlyMap<string, StoredObject>;
  /** By SHA-256 of whole files. */
  readonly contents: Map<string, KnownContent>;
}

export class StreamShipper {
  readonly #options: ShipperOptions;
  readonly #log: Logger;
  readonly #turn = new Turn();
  readonly #abort = new AbortController();
  readonly #lane: SegmentLane;
  readonly #writer: HeadWriter;
  readonly #logs: LogShipping;
  readonly #files: FileShipping;
  #known: Known | undefined;
  #putMs = -Infinity;
  #prunedMs = -Infinity;
  /** Deleted, but still condemned in the head. */
  /** Told once that the credentials may not delete. */
  #toldUndeleted = false;
  #gone: string[] = [];

  constructor(options: ShipperOptions) {
    assert(isStreamName(options.stream), "a stream's name has the right form");
    this.#options = options;
    this.#log = options.log ?? silentLogger;
    const { repository, stream, fs, pieceBytes } = options;
    const { conditional = true } = options;
    this.#writer = new HeadWriter({ repository, stream, conditional, signal: this.#abort.signal });
    this.#lane = new SegmentLane({
      repository,
      stream,
      fs,
      log: this.#log,
      revision: () => this.#nextRevision,
      find: (file) => this.#findContent(file),
      signal: this.#abort.signal,
      ...(pieceBytes === undefined ? {} : { pieceBytes }),
    });
    this.#logs = new LogShipping({ repository, stream, fs, log: this.#log });
    this.#files = new FileShipping({ repository, stream, fs, lane: this.#lane });
  }

  /** Bytes of segment files that were put so far. */
  get segmentBytesPut(): number {
    return this.#lane.bytesPut;
  }

  /** The head as this process last saw or wrote it. */
  get head(): StreamHead | undefined {
    return this.#known?.head;
  }

  get inventory(): Inventory | undefined {
    return this.#known?.inventory;
  }

  /**
   * Ships what the view shows and the stream lacks. The caller releases the view.
   *
   * @throws {StreamError} "foreign": the stream is another's; "damaged". @throws {StoreError} @throws {IoError}
   */
  round(view: ServerView): Promise<RoundReport> {
    return this.#turn.take(async () => {
      this.#writer.bytesPut = 0;
      this.#writer.objectsPut = 0;
      try {
        this.#known ??= await this.#open(view);
        const round = new Round(view);
        do {
          round.begin();
          await this.#ship(round);
        } while (round.cutShort);
        return {
          revision: this.#known.head!.revision,
          lsn: this.#known.head!.lsn,
          shippedLsn: view.coveredLsn,
          incomplete: [...round.incomplete],
          atMs: view.atMs,
          walBytes: round.walBytes,
          bytesPut: this.#writer.bytesPut,
          objectsPut: this.#writer.objectsPut,
          problems: round.problems,
        };
      } catch (error) {
        // Whether the head was replaced is not known, or it is not what we thought: read it again.
        this.#known = undefined;
        this.#logs.reset();
        throw error;
      }
    });
  }

  /** Resolves when no segment is under way. What has arrived is listed by the next round. */
  idle(): Promise<void> {
    return this.#lane.idle();
  }

  /** Ends what is under way. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#lane.idle();
    await this.#turn.take(() => {});
  }

  /**
   * Takes the stream over from whoever owned it. What it holds stays restorable for its window, as an earlier timeline;
   * ours begins empty, and uses the objects that hold what we have, too.
   *
   * @throws {StreamError} "missing", "damaged" @throws {StoreError}
   */
  adopt(view: Pick<ServerView, "owner" | "atMs">): Promise<void> {
    return this.#turn.take(async () => {
      const { repository, stream } = this.#options;
      const read = await readStreamHead(repository, stream);
      if (!read) {
        throw new StreamError(`There is no stream ${stream} at ${repository.place}`, {
          kind: "missing",
          hint: "there is nothing to adopt: ship there",
        });
      }
      const { head } = read;
      const inventory = await loadInventory(repository, head);
      const revision = head.revision + 1;
      const bare = new Inventory();
      bare.apply({ ...inventory.asDelta(), condemned: [] });
      const state = await this.#writer.putState([bare.asDelta()], revision);
      const archive: Archive = {
        timeline: head.timeline,
        owner: head.owner,
        lsn: head.lsn,
        fromMs: head.fromMs,
        atMs: head.atMs,
        endedMs: Math.floor(view.atMs),
        state,
      };
      const refs = [...(head.base ? [head.base] : []), ...head.deltas].map(({ name }) => name);
      const condemned = [
        ...inventory.condemned,
        ...refs.map((name) => [name, Math.floor(this.#nowMs())] as const),
      ];
      const delta: Delta = { ...NO_CHANGE, condemned };
      await this.#writer.putHead({
        ...head,
        revision,
        nonce: newTry(repository.random),
        timeline: head.timeline + 1,
        owner: view.owner,
        lsn: 0,
        highestLsn: 0,
        highestCatalog: 0,
        atMs: 0,
        fromMs: Math.floor(view.atMs),
        retainMs: this.#options.retainMs,
        base: null,
        deltas: [],
        inline: [await encodeObject(repository, jsonBytes(stateJson([delta])))],
        archives: [...head.archives, archive],
      }, read.etag);
      this.#log.info("adopted the stream of another server", { stream, owner: head.owner.instanceId });
      this.#known = undefined;
    });
  }

  /**
   * Deletes objects that no head names and none will: of rounds that were broken off. Lists the stream: to be called at a
   * start and about daily.
   *
   * @returns How many were deleted; undefined: nothing has been shipped by this process yet. @throws {StoreError}
   */
  sweep(): Promise<number | undefined> {
    return this.#turn.take(async () => {
      const known = this.#known;
      if (!known?.head) return undefined;
      const { repository, stream } = this.#options;
      const { head, inventory, archived } = known;
      const kept = new Set([...inventory.objects.keys(), ...inventory.condemned.keys(), ...archived.keys()]);
      for (const { name } of [...(head.base ? [head.base] : []), ...head.deltas]) kept.add(name);
      for (const { state } of head.archives) kept.add(state.name);
      const garbage: string[] = [];
      for await (const { name } of repository.store.list(streamPrefix(stream))) {
        const revision = revisionOf(stream, name);
        if (revision === undefined || revision > head.revision) continue;
        if (!kept.has(name) && !this.#lane.has(name)) garbage.push(name);
      }
      for (let at = 0; at < garbage.length; at += DELETE_AT_ONCE) {
        await repository.store.delete(garbage.slice(at, at + DELETE_AT_ONCE));
      }
      if (this.#lane.isIdle) await repository.store.abortUploads(streamPrefix(stream));
      return garbage.length;
    });
  }

  get #nextRevision(): number {
    return (this.#known?.head?.revision ?? 0) + 1;
  }

  #nowMs(): number {
    return this.#options.repository.clock.nowMs();
  }

  async #open(view: ServerView): Promise<Known> {
    const { repository, stream } = this.#options;
    const read = await readStreamHead(repository, stream);
    if (!read) {
      const nothing = {
        head: undefined,
        etag: undefined,
        inline: [],
        archived: new Map(),
        contents: new Map(),
      };
      return { ...nothing, inventory: new Inventory() };
    }
    const { head, etag } = read;
    const problem = ownershipProblem(head, view);
    if (problem !== undefined) throw foreignStream(repository.place, stream, problem);
    if (head.owner.run !== view.owner.run) this.#lane.forget();
    const inventory = await loadInventory(repository, head);
    const archived = new Map<string, StoredObject>();
    const contents = new Map<string, KnownContent>();
    for (const { state } of head.archives) {
      const old = await loadArchive(repository, state);
      for (const [name, object] of old.objects) archived.set(name, object);
      noteContents(contents, old);
    }
    const inline = head.inline.length === 0 ? [] : undefined;
    return { head, etag, inventory, inline, archived, contents };
  }

  /** One replacement of the head. */
  async #ship(round: Round): Promise<void> {
    const { repository, stream } = this.#options;
    const known = this.#known!;
    const place = { stream, kind: "packs", revision: this.#nextRevision } as const;
    const draft = new Draft(known.inventory, new PackWriter(repository, place, this.#abort.signal));
    const { condemned } = known.inventory;
    const arrived = this.#lane.take().filter(({ objects }) => !objects.some(([name]) => condemned.has(name)));
    try {
      for (const log of round.view.logs) {
        await this.#logs.ship(log, { round, draft, revision: place.revision });
      }
      for (const { files, objects } of arrived) {
        draft.files.push(...files);
        draft.objects.push(...objects);
      }
      await this.#files.shipManifests(round, draft, arrived);
      await this.#files.shipCatalogs(round, draft);
      this.#noteEnded(round, draft);
      this.#prune(round, draft);
      draft.objects.push(...await draft.packs.finish());
      this.#writer.bytesPut += draft.packs.bytesPut;
      this.#writer.objectsPut += draft.packs.names.length;
      await this.#commit(round, draft);
    } catch (error) {
      // Their objects are stored: after another look at the head they can be listed still.
      this.#lane.putBack(arrived);
      throw error;
    }
    this.#lane.committed(arrived);
    await this.#deleteCondemned();
  }

  #noteEnded({ view }: Round, draft: Draft): void {
    const live = new Set(view.hidden);
    for (const { manifest } of view.logs) live.add(manifest.incarnation);
    for (const { incarnation } of view.catalogs.at(-1)?.body.indices ?? []) live.add(incarnation);
    const nowMs = Math.floor(this.#nowMs());
    for (const { incarnation } of draft.inventory.logs()) {
      if (!live.has(incarnation) && !draft.inventory.ended.has(incarnation)) {
        draft.ended.set(incarnation, nowMs);
      }
    }
  }

  #prune({ view }: Round, draft: Draft): void {
    const nowMs = this.#nowMs();
    if (Math.abs(nowMs - this.#prunedMs) < PRUNE_EVERY_MS && this.#prunedMs <= nowMs) return;
    this.#prunedMs = nowMs;
    const awaited = new Map<string, Set<number>>();
    const keep = (folder: string, numbers: Iterable<number>) => {
      const all = awaited.get(folder) ?? new Set<number>();
      for (const number of numbers) all.add(number);
      awaited.set(folder, all);
    };
    for (const { folder, manifest } of view.logs) keep(folder, manifest.segments.map(({ number }) => number));
    for (const { folder, segments } of this.#lane.awaited()) keep(folder, segments);
    for (const { manifest } of draft.files) if (manifest) keep(manifest.folder, manifest.segments);
    const horizonMs = nowMs - this.#options.retainMs;
    draft.drop(prunable(draft.inventory, { horizonMs, awaited }));
    const { head, archived } = this.#known!;
    for (const name of draft.inventory.unused()) {
      // One that an earlier timeline needs too leaves with that.
      if (!draft.refersTo(name) && !archived.has(name)) draft.condemn(name, nowMs);
    }
    draft.expired = (head?.archives ?? []).filter(({ endedMs }) => endedMs <= horizonMs);
  }

  async #commit(round: Round, draft: Draft): Promise<void> {
    const { view } = round;
    const known = this.#known!;
    const { repository, stream, retainMs } = this.#options;
    const nowMs = Math.floor(this.#nowMs());
    const expired = draft.expired;
    if (expired.length > 0) this.#condemnArchives(draft, expired, nowMs);
    draft.gone.push(...this.#gone.filter((name) => known.inventory.condemned.has(name)));
    const delta = draft.delta();
    const before = known.head;
    const isComplete = !round.cutShort && round.incomplete.size === 0 && round.problems.length === 0;
    const highestLsn = Math.max(before?.highestLsn ?? 0, draft.highestLsn);
    const lsn = Math.max(before?.lsn ?? 0, isComplete ? Math.min(view.coveredLsn, highestLsn) : 0);
    const isNew = before?.owner.run !== view.owner.run || before.lsn !== lsn || before.retainMs !== retainMs;
    const sincePutMs = repository.clock.monotonicMs() - this.#putMs;
    if (before && draft.isEmpty && !isNew && sincePutMs < HEARTBEAT_MS) return;
    const revision = this.#nextRevision;
    const state = await this.#writer.encodeState(known, { change: delta, revision });
    const head: StreamHead = {
      stream,
      repositoryId: repository.id,
      revision,
      nonce: newTry(repository.random),
      timeline: before?.timeline ?? 1,
      owner: view.owner,
      lsn,
      highestLsn,
      highestCatalog: Math.max(
        before?.highestCatalog ?? 0,
        ...draft.files.map(({ catalog }) => catalog?.number ?? 0),
      ),
      atMs: isComplete ? Math.floor(view.atMs) : before?.atMs ?? 0,
      fromMs: before?.fromMs ?? Math.floor(view.atMs),
      retainMs,
      base: state.base,
      deltas: state.deltas,
      inline: state.encoded,
      archives: (before?.archives ?? []).filter((archive) => !expired.includes(archive)),
    };
    const etag = await this.#writer.putHead(head, known.etag);
    this.#putMs = repository.clock.monotonicMs();
    known.inventory.apply(state.delta);
    this.#gone = this.#gone.filter((name) => !state.delta.gone.includes(name));
    this.#known = { ...known, head, etag, inline: state.inline };
    if (expired.length > 0) await this.#reloadArchived();
  }

  async #deleteCondemned(): Promise<void> {
    const { repository, graceMs = DEFAULT_GRACE_MS } = this.#options;
    const { inventory } = this.#known!;
    const done = new Set(this.#gone);
    const due: string[] = [];
    for (const [name, atMs] of inventory.condemned) {
      if (this.#nowMs() - atMs < graceMs || done.has(name)) continue;
      due.push(name);
      if (due.length === DELETE_AT_ONCE) break;
    }
    if (due.length === 0) return;
    try {
      await repository.store.delete(due, { signal: this.#abort.signal });
      this.#gone.push(...due);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      // Credentials that may not delete are a way to be safe; what was shipped is shipped.
      const isNews = error.kind === "denied" && !this.#toldUndeleted;
      this.#log[isNews ? "warn" : "debug"]("cannot delete what the stream needs no more: it stays", {
        failure: error.message,
      });
      if (isNews) this.#toldUndeleted = true;
    }
  }

  #condemnArchives(draft: Draft, expired: readonly Archive[], nowMs: number): void {
    const { archived, inventory } = this.#known!;
    // Of several archives all are judged together: what a later one needs is archived still, and condemned with that.
    const { head } = this.#known!;
    if (expired.length === head!.archives.length) {
      for (const name of archived.keys()) {
        if (!inventory.objects.has(name) && !draft.refersTo(name)) draft.condemn(name, nowMs);
        else if (inventory.unused().includes(name) && !draft.refersTo(name)) draft.condemn(name, nowMs);
      }
    }
    for (const { state } of expired) draft.condemn(state.name, nowMs);
  }

  async #reloadArchived(): Promise<void> {
    const known = this.#known!;
    const archived = new Map<string, StoredObject>();
    for (const { state } of known.head!.archives) {
      const old = await loadArchive(this.#options.repository, state);
      for (const [name, object] of old.objects) archived.set(name, object);
    }
    this.#known = { ...known, archived };
  }

  /** Objects of an earlier timeline that hold a file, if the store has them all still. */
  async #findContent({ sha256, sizeBytes }: ManifestFile): Promise<KnownContent | undefined> {
    const { store } = this.#options.repository;
    const found = this.#known?.contents.get(`${sha256} ${sizeBytes}`);
    if (!found) return undefined;
    for (const [name, { bytes }] of found.objects) {
      const info = await store.head(name, { signal: this.#abort.signal });
      if (info?.sizeBytes !== bytes) return undefined;
    }
    return found;
  }
}

function noteContents(contents: Map<string, KnownContent>, inventory: Inventory): void {
  for (const { bytes, sha256, slices, manifest, catalog } of inventory.files.values()) {
    if (manifest || catalog || slices.length === 0) continue;
    const objects = [...new Set(slices.map(({ object }) => object))].map((name) =>
      [name, inventory.objects.get(name)!] as const
    );
    contents.set(`${sha256} ${bytes}`, { slices, objects });
  }
}
