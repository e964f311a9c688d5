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
import { assert, CorruptionError, IoError } from "../../base/errors.ts";
import { type Logger, silentLogger } from "../../base/log.ts";
import { Turn } from "../../base/turn.ts";
import { crc32 } from "node:zlib";
import {
  catalogName,
  deletedName,
  generationName,
  MANIFEST_FOLDER,
  manifestName,
  META_FOLDER,
  segmentName,
  WAL_FOLDER,
} from "../../format/file_names.ts";
import { type ManifestFile, SEGMENT_FILE_NAMES } from "../../format/manifest.ts";
import { sha256Hex } from "../../format/sealed_json.ts";
import { StoreError } from "../../objectstore/store.ts";
import type { FileSystem } from "../../os/fs.ts";
import { pause } from "../../os/pause.ts";
import { newTry } from "../names.ts";
import type { Repository } from "../repository.ts";
import { StreamError } from "./error.ts";
import {
  type Archive,
  encodeStreamHead,
  type InlineState,
  jsonBytes,
  type StateRef,
  type StreamHead,
} from "./head.ts";
import { type Delta, type GenerationEntry, Inventory, NO_CHANGE, type StoredObject } from "./inventory.ts";
import { Draft, isRestorable, isWhole, keyOf, Round } from "./draft.ts";
import { joinable } from "./join_pieces.ts";
import { isStreamName, newStreamObject, revisionOf, streamHeadName, streamPrefix } from "./names.ts";
import { encodeObject } from "./objects.ts";
import { foreignStream, ownershipProblem } from "./ownership.ts";
import { PackWriter } from "./pack.ts";
import { pastProblem, readHeader } from "./past.ts";
import { cutPieces } from "./records.ts";
import { prunable } from "./retention.ts";
import {
  type Arrived,
  type AwaitedManifest,
  type KnownContent,
  type MissingFile,
  SegmentLane,
} from "./segment_lane.ts";
import { loadArchive, loadInventory, readStreamHead, stateJson } from "./state.ts";
import type { CatalogView, LogView, ServerView } from "./view.ts";

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
/** Read from logs in one go; a round that finds more replaces the head several times. */
const ROUND_BYTES = 64 * 1024 * 1024;
/** State within the head, as it is encoded. */
const INLINE_BYTES = 32 * 1024;
const MAX_INLINE = 64;
/** Objects of state besides the base. */
const MAX_DELTAS = 16;
/** Changes that together have as many bytes as the base are joined with it, when they have at least so many. */
const MIN_BASE_BYTES = 256 * 1024;
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
  /** Logs whose shipped bytes were held against ours. */
  #verified = new Set<string>();
  #known: Known | undefined;
  #putMs = -Infinity;
  #prunedMs = -Infinity;
  /** Deleted, but still condemned in the head. */
  #gone: string[] = [];
  /** Heads as they are put; for metrics. */
  #roundBytes = 0;
  #roundObjects = 0;

  constructor(options: ShipperOptions) {
    assert(isStreamName(options.stream), "a stream's name has the right form");
    this.#options = options;
    this.#log = options.log ?? silentLogger;
    const { repository, stream, fs, pieceBytes } = options;
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
      this.#roundBytes = 0;
      this.#roundObjects = 0;
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
          bytesPut: this.#roundBytes,
          objectsPut: this.#roundObjects,
          problems: round.problems,
        };
      } catch (error) {
        // Whether the head was replaced is not known, or it is not what we thought: read it again.
        this.#known = undefined;
        this.#verified = new Set();
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
      const state = await this.#putState([bare.asDelta()], revision);
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
      await this.#putHead({
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
      for (const log of round.view.logs) await this.#shipLog(log, round, draft);
      for (const { files, objects } of arrived) {
        draft.files.push(...files);
        draft.objects.push(...objects);
      }
      await this.#shipManifests(round, draft, arrived);
      await this.#shipCatalogs(round, draft);
      this.#noteEnded(round, draft);
      this.#prune(round, draft);
      draft.objects.push(...await draft.packs.finish());
      this.#roundBytes += draft.packs.bytesPut;
      this.#roundObjects += draft.packs.names.length;
      await this.#commit(round, draft);
    } catch (error) {
      // Their objects are stored: after another look at the head they can be listed still.
      this.#lane.putBack(arrived);
      throw error;
    }
    this.#lane.committed(arrived);
    await this.#deleteCondemned();
  }

  /** Behind what the stream holds of a log, all that is synced; as far as this round goes. */
  async #shipLog(log: LogView, round: Round, draft: Draft): Promise<void> {
    const key = keyOf(log);
    try {
      if (!this.#verified.has(key)) this.#checkPast(log, draft.inventory);
      this.#verified.add(key);
      const entries = this.#entries(log, draft);
      for (const [i, entry] of entries.entries()) {
        const next = entries[i + 1];
        const end = next ? next.previousEnd : log.syncedBytes;
        await this.#shipGeneration(log, { entry, end }, { round, draft });
      }
      await this.#join(log, draft);
    } catch (error) {
      if (!isLocal(error)) throw error;
      round.fail(log, error);
    }
  }

  /**
   * Generations from which something may be lacking: from the newest one that the stream has on, so that it has no gap;
   * else those that the manifest needs.
   */
  #entries(log: LogView, draft: Draft): GenerationEntry[] {
    const { manifest, folder, generations } = log;
    const newest = generations.at(-1) ?? 0;
    const needed = Math.min(manifest.checkpoint.generation, newest);
    const shipped = draft.inventory.log(folder, manifest.incarnation).at(-1)?.entry.number ?? needed;
    const entries: GenerationEntry[] = [];
    for (const number of generations) {
      if (number < Math.min(needed, shipped)) continue;
      try {
        entries.push(this.#generation(log, number, draft));
      } catch (error) {
        // It has just become a stub: the stream has a gap before what the manifest needs.
        if (number >= needed || !isLocal(error)) throw error;
        this.#log.warn("a log was released before all of it was shipped", {
          log: folder,
          generation: number,
        });
        entries.length = 0;
      }
    }
    return entries;
  }

  #generation(log: LogView, number: number, draft: Draft): GenerationEntry {
    const path = `${log.folder}/${WAL_FOLDER}/${generationName(number)}`;
    const known = draft.inventory.generations.get(path)?.entry ?? draft.generation(path);
    if (known) return known;
    const header = readHeader(this.#options.fs, `${log.directory}/${WAL_FOLDER}/${generationName(number)}`);
    const entry: GenerationEntry = {
      path,
      folder: log.folder,
      number,
      incarnation: header.incarnation,
      uuid: header.uuid,
      previousUuid: header.previousUuid,
      previousEnd: header.previousEnd,
      baseLsn: header.baseLsn,
      createdMs: header.createdMs,
      run: header.history.runs.at(-1)?.id ?? "",
    };
    draft.addGeneration(entry);
    return entry;
  }

  async #shipGeneration(
    log: LogView,
    { entry, end }: { readonly entry: GenerationEntry; readonly end: number },
    { round, draft }: { readonly round: Round; readonly draft: Draft },
  ): Promise<void> {
    const from = draft.end(entry.path);
    if (from >= end) return;
    const path = `${log.directory}/${WAL_FOLDER}/${generationName(entry.number)}`;
    const headerBytes = from > 0 ? 0 : readHeader(this.#options.fs, path).headerBytes;
    const file = this.#options.fs.openRead(path);
    try {
      const beforeLsn = draft.endLsn(entry);
      for (const piece of cutPieces(file, { uuid: entry.uuid, headerBytes, beforeLsn, from, to: end })) {
        if (round.readBytes >= ROUND_BYTES) {
          round.cut(log);
          return;
        }
        const { bytes, ...facts } = piece;
        const { object, at } = await draft.packs.add(bytes);
        const order = this.#nextRevision;
        draft.addPiece(entry.path, { ...facts, bytes: bytes.length, object, at, level: 0, order });
        round.read(bytes.length);
        await pause();
      }
    } finally {
      file.close();
    }
  }

  /** Many small pieces of a generation become one, so that the state does not grow with the rounds. */
  async #join(log: LogView, draft: Draft): Promise<void> {
    for (const number of log.generations) {
      const path = `${log.folder}/${WAL_FOLDER}/${generationName(number)}`;
      const generation = draft.inventory.generations.get(path);
      const group = generation && joinable(generation.pieces);
      if (!group) continue;
      const [first, last] = [group[0]!, group.at(-1)!];
      const bytes = new Uint8Array(last.offset + last.bytes - first.offset);
      const file = this.#options.fs.openRead(`${log.directory}/${WAL_FOLDER}/${generationName(number)}`);
      try {
        file.readAt(bytes, first.offset);
      } finally {
        file.close();
      }
      for (const piece of group) {
        const at = piece.offset - first.offset;
        if (crc32(bytes.subarray(at, at + piece.bytes)) === piece.crc) continue;
        throw new CorruptionError("Cannot ship a log: what was shipped of it has changed since", {
          file: `${log.directory}/${WAL_FOLDER}/${generationName(number)}`,
          offset: piece.offset,
        });
      }
      const { object, at } = await draft.packs.add(bytes);
      const timed = group.filter(({ maxTimeMs }) => maxTimeMs > 0);
      draft.joined.push([path, {
        offset: first.offset,
        bytes: bytes.length,
        object,
        at,
        crc: crc32(bytes),
        endLsn: last.endLsn,
        minTimeMs: timed.reduce((min, piece) => Math.min(min, piece.minTimeMs), timed[0]?.minTimeMs ?? 0),
        maxTimeMs: timed.reduce((max, piece) => Math.max(max, piece.maxTimeMs), 0),
        level: first.level + 1,
        order: first.order,
      }]);
      return;
    }
  }

  /** @throws {StreamError} "foreign": the stream and this server's log are of two pasts. @throws {IoError} */
  #checkPast(log: LogView, inventory: Inventory): void {
    const { fs, repository, stream } = this.#options;
    const problem = pastProblem(fs, log, inventory);
    if (problem !== undefined) throw foreignStream(repository.place, stream, `${log.folder}: ${problem}`);
  }

  /** Manifests whose segments are all there; others are awaited. */
  async #shipManifests(round: Round, draft: Draft, arrived: readonly Arrived[]): Promise<void> {
    for (const { manifest } of arrived) {
      if (!manifest) continue;
      const { folder, incarnation, number } = manifest.facts;
      const newest = draft.newestManifest(folder, incarnation);
      if (
        number > newest && this.#lacks(draft, manifest.facts.folder, manifest.facts.segments).length === 0
      ) {
        await this.#listManifest(manifest, draft);
      }
    }
    for (const log of round.view.logs) {
      if (round.isSkipped(log)) continue;
      try {
        await this.#shipManifest(log, round, draft);
      } catch (error) {
        if (!isLocal(error)) throw error;
        round.fail(log, error);
      }
    }
  }

  async #shipManifest(log: LogView, round: Round, draft: Draft): Promise<void> {
    const { manifest, folder, directory } = log;
    const newest = draft.newestManifest(folder, manifest.incarnation);
    if (manifest.number > newest) {
      const name = manifestName(manifest.number);
      const bytes = this.#options.fs.readFile(`${directory}/${MANIFEST_FOLDER}/${name}`);
      const awaited: AwaitedManifest = {
        path: `${folder}/${MANIFEST_FOLDER}/${name}`,
        bytes,
        sha256: sha256Hex(bytes),
        facts: {
          folder,
          incarnation: manifest.incarnation,
          number: manifest.number,
          createdMs: manifest.createdMs,
          lsn: manifest.checkpoint.lsn,
          segments: manifest.segments.map(({ number }) => number),
          run: manifest.history.runs.at(-1)?.id ?? "",
        },
      };
      const missing: MissingFile[] = [];
      for (const { number, files } of manifest.segments) {
        for (const name of SEGMENT_FILE_NAMES) {
          const path = `${folder}/${segmentName(number)}/${name}`;
          const there = draft.file(path);
          if (there && there.sha256 !== files[name].sha256) {
            const { repository, stream } = this.#options;
            throw foreignStream(repository.place, stream, `it holds another ${path}`);
          }
          if (!there) {
            missing.push({ path, source: `${directory}/${segmentName(number)}/${name}`, file: files[name] });
          }
        }
      }
      const key = keyOf(log);
      if (missing.length === 0) await this.#listManifest(awaited, draft);
      else if (this.#lane.mayStart(key)) this.#lane.start(key, awaited, missing, log.hold());
      const failure = this.#lane.failures.get(key);
      if (failure) round.problem(log, failure.error);
    }
    if (!isRestorable(draft, log)) round.incomplete.add(manifest.incarnation);
  }

  /** Files of segments that the stream would lack. */
  #lacks(draft: Draft, folder: string, segments: readonly number[]): string[] {
    return segments.flatMap((number) =>
      SEGMENT_FILE_NAMES.map((name) => `${folder}/${segmentName(number)}/${name}`)
    )
      .filter((path) => !draft.file(path));
  }

  async #listManifest({ path, bytes, sha256, facts }: AwaitedManifest, draft: Draft): Promise<void> {
    const slice = await draft.packs.add(bytes);
    draft.addFile({ path, bytes: bytes.length, sha256, slices: [slice], manifest: facts });
  }

  /** Catalogues of whose indices a manifest is there. One that a newer one can replace may stay out. */
  async #shipCatalogs({ view, incomplete }: Round, draft: Draft): Promise<void> {
    const newest = draft.inventory.catalogs().at(-1)?.catalog?.number ?? 0;
    let listed = newest;
    for (const catalog of view.catalogs) {
      if (catalog.body.number <= newest || !isWhole(catalog, draft)) continue;
      if (await this.#shipCatalog(catalog, draft)) listed = catalog.body.number;
    }
    const last = view.catalogs.at(-1);
    if (!last || last.body.number <= listed) return;
    for (const { incarnation } of last.body.indices) incomplete.add(incarnation);
  }

  /** @returns false: it is gone. */
  async #shipCatalog({ body, path, deletedPath }: CatalogView, draft: Draft): Promise<boolean> {
    const { fs } = this.#options;
    let bytes: Uint8Array;
    try {
      bytes = fs.readFile(path);
    } catch (error) {
      // An older one may have been released; the newest stays.
      if (error instanceof IoError && error.code === "ENOENT") return false;
      throw error;
    }
    if (body.deleted && deletedPath !== undefined) {
      const name = `${META_FOLDER}/${deletedName(body.deleted.number)}`;
      if (!draft.file(name)) {
        const list = fs.readFile(deletedPath);
        const slice = await draft.packs.add(list);
        draft.addFile({ path: name, bytes: list.length, sha256: sha256Hex(list), slices: [slice] });
      }
    }
    const slice = await draft.packs.add(bytes);
    const { number, createdMs, lsn, deleted } = body;
    draft.addFile({
      path: `${META_FOLDER}/${catalogName(number)}`,
      bytes: bytes.length,
      sha256: sha256Hex(bytes),
      slices: [slice],
      catalog: { number, createdMs, lsn, deleted: deleted?.number ?? 0 },
    });
    return true;
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
    const state = await this.#encodeState(delta, revision);
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
    const etag = await this.#putHead(head, known.etag);
    this.#putMs = repository.clock.monotonicMs();
    known.inventory.apply(state.delta);
    this.#gone = this.#gone.filter((name) => !state.delta.gone.includes(name));
    this.#known = { ...known, head, etag, inline: state.inline };
    if (expired.length > 0) await this.#reloadArchived();
  }

  /**
   * Where the change goes: into the head while that stays small, else into an object, and all of it into a new base when
   * the changes have become as large as that.
   */
  async #encodeState(change: Delta, revision: number): Promise<EncodedState> {
    const { repository } = this.#options;
    const known = this.#known!;
    const { head, inventory } = known;
    const { inline } = known;
    const encoded = await encodeObject(repository, jsonBytes(stateJson([change])));
    const inlineBytes = (head?.inline ?? []).reduce(
      (sum, { bytes }) => sum + bytes.length,
      encoded.bytes.length,
    );
    if (inline && inlineBytes <= INLINE_BYTES && inline.length < MAX_INLINE) {
      return {
        delta: change,
        base: head?.base ?? null,
        deltas: head?.deltas ?? [],
        encoded: [...head?.inline ?? [], encoded],
        inline: [...inline, change],
      };
    }
    const deltas = head?.deltas ?? [];
    const deltaBytes = deltas.reduce((sum, { plainBytes }) => sum + plainBytes, inlineBytes);
    const limit = Math.max(head?.base?.plainBytes ?? 0, MIN_BASE_BYTES);
    if (inline && deltas.length < MAX_DELTAS && deltaBytes < limit) {
      const ref = await this.#putState([...inline, change], revision);
      return { delta: change, base: head?.base ?? null, deltas: [...deltas, ref], encoded: [], inline: [] };
    }
    const nowMs = Math.floor(this.#nowMs());
    const old = [...(head?.base ? [head.base] : []), ...deltas].map(({ name }) => [name, nowMs] as const);
    const delta: Delta = { ...change, condemned: [...change.condemned, ...old] };
    const next = inventory.clone();
    next.apply(delta);
    return {
      delta,
      base: await this.#putState([next.asDelta()], revision),
      deltas: [],
      encoded: [],
      inline: [],
    };
  }

  async #putState(deltas: readonly Delta[], revision: number): Promise<StateRef> {
    const { repository, stream } = this.#options;
    const name = newStreamObject(stream, { kind: "states", revision }, repository.random);
    const { object, bytes } = await encodeObject(repository, jsonBytes(stateJson(deltas)));
    await repository.store.put(name, bytes, { signal: this.#abort.signal });
    this.#roundBytes += bytes.length;
    this.#roundObjects++;
    return { name, ...object };
  }

  async #putHead(head: StreamHead, etag: string | undefined): Promise<string> {
    const { repository, stream, conditional = true } = this.#options;
    const { store } = repository;
    const name = streamHeadName(stream);
    const bytes = encodeStreamHead(head);
    this.#roundBytes += bytes.length;
    this.#roundObjects++;
    const signal = this.#abort.signal;
    if (!conditional) {
      if ((await store.head(name, { signal }))?.etag !== etag) throw this.#overtaken();
      return await store.put(name, bytes, { signal });
    }
    const condition = etag === undefined ? { ifAbsent: true } as const : { ifMatch: etag };
    try {
      return await store.put(name, bytes, { condition, signal });
    } catch (error) {
      if (error instanceof StoreError && error.kind === "precondition") throw this.#overtaken(error);
      throw error;
    }
  }

  /** The next round reads the head and says whose it is. */
  #overtaken(cause?: unknown): StoreError {
    const { repository, stream } = this.#options;
    return new StoreError(
      `The head of stream ${stream} at ${repository.place} is not the one that was read`,
      {
        kind: "precondition",
        hint: "it is read again",
        cause,
      },
    );
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
      this.#log.debug("cannot delete what the stream needs no more", { failure: error.message });
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

interface EncodedState {
  readonly delta: Delta;
  readonly base: StateRef | null;
  readonly deltas: readonly StateRef[];
  readonly encoded: readonly InlineState[];
  readonly inline: readonly Delta[];
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

/** A file of ours that cannot be read, or is not what it should be: the rest is shipped all the same. */
function isLocal(error: unknown): boolean {
  return error instanceof CorruptionError || error instanceof IoError;
}
