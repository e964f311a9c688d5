/**
 * Which of a stream's files make the server as it was at an instant? Decides from the state; fetches the catalogue alone.
 *
 * For each log: the newest manifest that holds nothing behind the instant, its segments, and the generations from its
 * checkpoint on, cut before the first record behind the instant. The catalogue that was in force then says which logs.
 *
 * @module
 */
import { CorruptionError } from "../../base/errors.ts";
import { type CatalogBody, type CatalogEntry, decodeCatalog } from "../../format/catalog.ts";
import { deletedName, META_FOLDER, segmentName, shardFolder } from "../../format/file_names.ts";
import { SEGMENT_FILE_NAMES } from "../../format/manifest.ts";
import type { Repository } from "../repository.ts";
import { StreamError } from "./error.ts";
import type { StreamHead } from "./head.ts";
import {
  endOf,
  type FileEntry,
  type Generation,
  type Inventory,
  type StoredObject,
  type WalPiece,
} from "./inventory.ts";
import { isStreamName } from "./names.ts";
import { lost, readObject } from "./objects.ts";
import { bytesBefore, type RecordCut, recordsAt } from "./records.ts";
import { coveringGeneration } from "./retention.ts";
import { loadArchive, loadInventory, readStreamHead } from "./state.ts";
import type { StreamOwner } from "./view.ts";

/** At most one of `toTimeMs` and `toLsn`; neither: the newest instant. */
export interface StreamTarget {
  readonly stream: string;
  /** ms since the epoch, by the clock of the server that wrote: records of a later time do not come. */
  readonly toTimeMs?: number;
  /** The last record that comes. */
  readonly toLsn?: number;
  /** What an earlier owner left; default: by `toTimeMs`, else the present one's. */
  readonly timeline?: number;
  readonly signal?: AbortSignal;
}

/** A file as it is, or a small one. */
export interface PlannedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly slices: FileEntry["slices"];
}

/** A generation, put together of its pieces. */
export interface PlannedLog {
  readonly path: string;
  readonly pieces: readonly WalPiece[];
  /** Ends it: the next generation goes on from there. */
  readonly end: number;
  /** Records behind this do not come; they may begin within the last piece. */
  readonly cut: RecordCut;
}

export interface StreamRestorePlan {
  readonly repository: Repository;
  readonly stream: string;
  readonly timeline: number;
  readonly revision: number;
  readonly owner: StreamOwner;
  readonly target: { readonly toTimeMs?: number; readonly toLsn?: number };
  /** What is restored holds every record up to here, and none behind `target`. */
  readonly lsn: number;
  /** ms since the epoch: what was acknowledged before, and not behind `target`, comes. */
  readonly atMs: number;
  readonly indices: readonly CatalogEntry[];
  readonly files: readonly PlannedFile[];
  readonly logs: readonly PlannedLog[];
  readonly objects: ReadonlyMap<string, StoredObject>;
  /** Of all files, at most. */
  readonly bytes: number;
  /** To be fetched. */
  readonly fetchBytes: number;
  /** GET requests that take them, at most, without retries. */
  readonly requests: number;
  /** What whoever restores should know, in sentences. */
  readonly warnings: readonly string[];
}

/**
 * @throws {StreamError} "missing", "out_of_reach", "damaged", "version", "selection" @throws {StoreError}
 */
export async function planStreamRestore(
  repository: Repository,
  target: StreamTarget,
): Promise<StreamRestorePlan> {
  const { stream, toTimeMs, toLsn, signal } = target;
  if (toTimeMs !== undefined && toLsn !== undefined) {
    throw new StreamError("A restore goes to a time or to an LSN, not to both", { kind: "selection" });
  }
  const read = isStreamName(stream) ? await readStreamHead(repository, stream, signal) : undefined;
  if (!read) {
    throw new StreamError(
      `There is no stream ${JSON.stringify(stream.slice(0, 128))} at ${repository.place}`,
      {
        kind: "missing",
        hint: "check bucket, prefix and the stream's name; [backup.continuous] makes one",
      },
    );
  }
  const chosen = chooseTimeline(read.head, target);
  const inventory = chosen.state
    ? await loadArchive(repository, chosen.state, signal)
    : await loadInventory(repository, read.head, signal);
  return await new Planner(repository, { head: read.head, chosen, target, inventory }).plan();
}

interface Timeline {
  readonly timeline: number;
  readonly owner: StreamOwner;
  readonly lsn: number;
  readonly fromMs: number;
  readonly atMs: number;
  /** undefined: the head's own. */
  readonly state?: StreamHead["archives"][number]["state"];
}

function chooseTimeline(head: StreamHead, { timeline, toTimeMs, stream }: StreamTarget): Timeline {
  const all: Timeline[] = [...head.archives, head];
  if (timeline !== undefined) {
    const found = all.find((one) => one.timeline === timeline);
    if (found) return found;
    throw new StreamError(`Stream ${stream} holds no timeline ${timeline}`, {
      kind: "selection",
      hint: `it holds ${all.map((one) => one.timeline).join(", ")}`,
    });
  }
  if (toTimeMs === undefined) return head;
  return all.findLast(({ fromMs }) => fromMs <= toTimeMs) ?? all[0]!;
}

class Planner {
  readonly #repository: Repository;
  readonly #head: StreamHead;
  readonly #chosen: Timeline;
  readonly #target: StreamTarget;
  readonly #inventory: Inventory;
  readonly #cut: RecordCut;
  readonly #files = new Map<string, FileEntry>();
  readonly #logs: PlannedLog[] = [];
  readonly #warnings: string[] = [];
  #cutLsn = Infinity;

  constructor(
    repository: Repository,
    { head, chosen, target, inventory }: {
      readonly head: StreamHead;
      readonly chosen: Timeline;
      readonly target: StreamTarget;
      readonly inventory: Inventory;
    },
  ) {
    this.#repository = repository;
    this.#head = head;
    this.#chosen = chosen;
    this.#target = target;
    this.#inventory = inventory;
    this.#cut = { lsn: target.toLsn ?? Infinity, timeMs: target.toTimeMs ?? Infinity };
  }

  async plan(): Promise<StreamRestorePlan> {
    const { toTimeMs, toLsn, stream } = this.#target;
    const { lsn, atMs, timeline, owner } = this.#chosen;
    if (toTimeMs !== undefined && toTimeMs > atMs && atMs > 0) {
      this.#warnings.push(
        `the stream goes to ${
          isoTime(atMs)
        }, earlier than what was asked for: the newest instant is restored`,
      );
    }
    if (toLsn !== undefined && toLsn > lsn) {
      this.#warnings.push(
        `the stream holds everything up to LSN ${lsn}, less than what was asked for: of what follows only what is there`,
      );
    }
    if (atMs === 0) {
      this.#warnings.push(
        "the stream has never been complete: segments of the server are still missing in it",
      );
    }
    const catalog = await this.#chooseCatalog();
    for (const entry of catalog.indices) await this.#addIndex(entry);
    const objects = new Set<string>();
    const files = [...this.#files.values()].map(({ path, bytes, sha256, slices }) => ({
      path,
      bytes,
      sha256,
      slices,
    }));
    for (const { slices } of files) for (const { object } of slices) objects.add(object);
    for (const { pieces } of this.#logs) for (const { object } of pieces) objects.add(object);
    const found = new Map<string, StoredObject>();
    for (const name of objects) {
      const object = this.#inventory.objects.get(name);
      if (!object) throw lost(this.#repository, name, "the state names it, but does not describe it");
      found.set(name, object);
    }
    return {
      repository: this.#repository,
      stream,
      timeline,
      revision: this.#head.revision,
      owner,
      target: { ...(toTimeMs === undefined ? {} : { toTimeMs }), ...(toLsn === undefined ? {} : { toLsn }) },
      lsn: Math.min(lsn, this.#cutLsn, toLsn ?? Infinity),
      atMs: Math.min(atMs, toTimeMs ?? Infinity),
      indices: catalog.indices,
      files,
      logs: this.#logs,
      objects: found,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) +
        this.#logs.reduce((sum, { end }) => sum + end, 0),
      fetchBytes: [...found.values()].reduce((sum, { bytes }) => sum + bytes, 0),
      requests: found.size,
      warnings: this.#warnings,
    };
  }

  /** The one that was in force at the instant. */
  async #chooseCatalog(): Promise<CatalogBody> {
    const all = this.#inventory.catalogs();
    let chosen: FileEntry | undefined;
    for (const file of all) {
      const { createdMs, lsn } = file.catalog!;
      if (createdMs > this.#cut.timeMs || lsn > this.#cut.lsn) break;
      chosen = file;
    }
    if (!chosen) {
      const first = all[0]?.catalog;
      throw this.#outOfReach(
        "",
        first && `it begins at ${isoTime(first.createdMs)}, LSN ${first.lsn}`,
      );
    }
    this.#files.set(chosen.path, chosen);
    const { deleted } = chosen.catalog!;
    if (deleted > 0) this.#addFile(`${META_FOLDER}/${deletedName(deleted)}`);
    const { object, at, length } = chosen.slices[0]!;
    const plain = await this.#readObject(object);
    try {
      const body = decodeCatalog(plain.subarray(at, at + length));
      if (body !== "stub") return body;
      throw new CorruptionError("it is a stub");
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      throw lost(this.#repository, object, `${chosen.path} in it: ${error.message}`);
    }
  }

  async #addIndex({ name, incarnation, shards }: CatalogEntry): Promise<void> {
    for (let shard = 0; shard < shards; shard++) {
      await this.#addLog(shards === 1 ? name : `${name}/${shardFolder(shard)}`, incarnation);
    }
  }

  async #addLog(folder: string, incarnation: string): Promise<void> {
    const manifest = this.#chooseManifest(folder, incarnation);
    const { lsn, segments } = manifest.manifest!;
    this.#files.set(manifest.path, manifest);
    for (const number of segments) {
      for (const name of SEGMENT_FILE_NAMES) this.#addFile(`${folder}/${segmentName(number)}/${name}`);
    }
    const generations = this.#inventory.log(folder, incarnation);
    const first = coveringGeneration(generations, lsn);
    if (first < 0) throw this.#outOfReach(folder, "the log behind its manifest is not there");
    for (let i = first; i < generations.length; i++) {
      const generation = generations[i]!;
      if (i > first && generation.entry.baseLsn >= this.#cut.lsn) break;
      const next = generations[i + 1];
      if (await this.#addGeneration(folder, generation, next)) break;
    }
  }

  /** @returns Whether the instant lies within it. */
  async #addGeneration(
    folder: string,
    generation: Generation,
    next: Generation | undefined,
  ): Promise<boolean> {
    const { path, uuid } = generation.entry;
    const isFollowed = next !== undefined && next.entry.previousUuid === uuid;
    const end = Math.min(endOf(generation), isFollowed ? next.entry.previousEnd : Infinity);
    const before = generation.pieces.filter(({ offset }) => offset < end);
    const { lsn, timeMs } = this.#cut;
    let behind = before.findIndex((piece) => piece.endLsn > lsn || piece.maxTimeMs > timeMs);
    const last = before[behind];
    if (last && last.offset + last.bytes > end) {
      // What it holds behind the end stands in the next generation again.
      const isWithin = next!.entry.baseLsn > lsn ||
        (last.maxTimeMs > timeMs && await this.#cutsWithin(path, last, end));
      if (!isWithin) behind = -1;
    }
    if (behind >= 0) {
      const later = before.slice(behind + 1).some((piece) =>
        piece.maxTimeMs > 0 && piece.minTimeMs <= timeMs
      );
      if (timeMs < Infinity && later) {
        this.#warnings.push(
          `the server's clock went back while ${folder} was written: what follows the first record of a later time is ` +
            "left out; an LSN says exactly what is wanted",
        );
      }
      this.#logs.push({ path, pieces: before.slice(0, behind + 1), end, cut: this.#cut });
      return true;
    }
    this.#logs.push({ path, pieces: before, end, cut: this.#cut });
    const hasGap = next && (!isFollowed || endOf(generation) < next.entry.previousEnd);
    if (!hasGap) return false;
    const reason = "a part of its log was released before it was shipped";
    if (lsn < Infinity || timeMs < Infinity) throw this.#outOfReach(folder, reason);
    // What is behind the gap waits for a manifest that is behind it too; the head's LSN does not count it.
    this.#warnings.push(`${folder}: ${reason}; it is restored up to there`);
    return true;
  }

  /** Whether a record behind the instant stands before `end` in a piece that goes on behind it. */
  async #cutsWithin(path: string, piece: WalPiece, end: number): Promise<boolean> {
    const pack = await this.#readObject(piece.object);
    const bytes = pack.subarray(piece.at, piece.at + end - piece.offset);
    try {
      return bytesBefore(bytes, recordsAt(piece, bytes), this.#cut) < bytes.length;
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      throw lost(this.#repository, piece.object, `${path} in it: ${error.message}`);
    }
  }

  async #readObject(name: string): Promise<Uint8Array> {
    const { signal } = this.#target;
    const object = this.#inventory.objects.get(name);
    if (!object) throw lost(this.#repository, name, "the state names it, but does not describe it");
    return await readObject(this.#repository, name, { object, ...(signal ? { signal } : {}) });
  }

  /** The newest one that holds nothing behind the instant. */
  #chooseManifest(folder: string, incarnation: string): FileEntry {
    const all = this.#inventory.manifests(folder, incarnation);
    let chosen: FileEntry | undefined;
    for (const file of all) {
      const { createdMs, lsn, segments } = file.manifest!;
      // An empty one holds nothing of any time.
      const isEmpty = lsn === 0 && segments.length === 0;
      if ((createdMs > this.#cut.timeMs && !isEmpty) || lsn > this.#cut.lsn) break;
      chosen = file;
    }
    if (chosen) return chosen;
    const first = all[0]?.manifest;
    throw this.#outOfReach(
      folder,
      first && `it is kept from ${isoTime(first.createdMs)}, LSN ${first.lsn}, on`,
    );
  }

  #addFile(path: string): void {
    const file = this.#inventory.files.get(path);
    if (!file) throw lost(this.#repository, path, "the state does not list it");
    this.#files.set(path, file);
  }

  #outOfReach(folder: string, reason: string | undefined): StreamError {
    const { stream, toTimeMs, toLsn } = this.#target;
    const what = folder === "" ? "" : ` of ${folder}`;
    const instant = toTimeMs !== undefined
      ? isoTime(toTimeMs)
      : toLsn !== undefined
      ? `LSN ${toLsn}`
      : "its newest instant";
    return new StreamError(
      `Stream ${stream} at ${this.#repository.place} cannot be restored to ${instant}: ` +
        (reason === undefined
          ? `nothing${what} is there`
          : `${what === "" ? "" : `${what.trimStart()}: `}${reason}`),
      { kind: "out_of_reach", hint: "choose a later instant, or a backup" },
    );
  }
}

function isoTime(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : "the end";
}
