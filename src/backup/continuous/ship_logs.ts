/**
 * The logs' part of a round: whole records, as far as they are synced, and nothing of another past.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { CorruptionError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { generationName, WAL_FOLDER } from "../../format/file_names.ts";
import type { FileSystem } from "../../os/fs.ts";
import { pause } from "../../os/pause.ts";
import type { Repository } from "../repository.ts";
import { type Draft, isLocal, keyOf, type Round } from "./draft.ts";
import type { GenerationEntry, Inventory } from "./inventory.ts";
import { joinable } from "./join_pieces.ts";
import { foreignStream } from "./ownership.ts";
import { pastProblem, readHeader } from "./past.ts";
import { cutPieces } from "./records.ts";
import type { LogView } from "./view.ts";

/** Read from logs in one go; a round that finds more replaces the head several times. */
const ROUND_BYTES = 64 * 1024 * 1024;

export interface LogRound {
  readonly round: Round;
  readonly draft: Draft;
  /** Of the head that will name what is shipped. */
  readonly revision: number;
}

export interface LogShippingOptions {
  readonly repository: Repository;
  readonly stream: string;
  readonly fs: FileSystem;
  readonly log: Logger;
}

export class LogShipping {
  readonly #options: LogShippingOptions;
  /** Logs whose shipped bytes were held against ours. */
  #verified = new Set<string>();

  constructor(options: LogShippingOptions) {
    this.#options = options;
  }

  /** The stream was read anew: everything is held against it again. */
  reset(): void {
    this.#verified = new Set();
  }

  /** Behind what the stream holds of a log, all that is synced; as far as this round goes. */
  async ship(log: LogView, { round, draft, revision }: LogRound): Promise<void> {
    const key = keyOf(log);
    try {
      if (!this.#verified.has(key)) this.#checkPast(log, draft.inventory);
      this.#verified.add(key);
      const entries = this.#entries(log, draft);
      for (const [i, entry] of entries.entries()) {
        const next = entries[i + 1];
        const end = next ? next.previousEnd : log.syncedBytes;
        await this.#shipGeneration(log, { entry, end }, { round, draft, revision });
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
        this.#options.log.warn("a log was released before all of it was shipped", {
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
    { round, draft, revision: order }: LogRound,
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
}
