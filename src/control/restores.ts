/**
 * Restores into a running server: indices of a backup, beside everything that is there, under their own names or others.
 *
 * Files are brought below `_restores/<key>/`, each checked by its hash; then each index is attached, which links its
 * files into a folder of its own and gives it a history of its own. Nothing that was there before is touched. What a
 * restore that broke off has brought stays: the same request again goes on.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { type RestoreProgress, RESTORING_FILE } from "../backup/restore.ts";
import type { Rename } from "../backup/selection.ts";
import type { Engine } from "../engine/engine.ts";
import { checkIndexName } from "../engine/index_names.ts";
import type { Clock, FileSystem } from "../os/fs.ts";
import type { Backups } from "./backups.ts";
import { type Destination, placeOf } from "./destination.ts";
import type { RestoreReply } from "./shipper_node.ts";
import { removeTree } from "./trees.ts";

export const RESTORE_FOLDER = "_restores";
/** How long files of one that broke off wait for somebody to go on with it. */
const KEEP_UNFINISHED_MS = 7 * 24 * 3600 * 1000;

export interface RestoreRequest {
  readonly destination: Destination;
  /** Id, or "latest". */
  readonly backup: string;
  /** Names or patterns; undefined: all that the backup holds. */
  readonly indices?: readonly string[];
  readonly rename?: Rename;
  /** Says what it would do, and does nothing. */
  readonly dryRun: boolean;
  readonly onProgress?: (progress: RestoreProgress) => void;
}

export interface RestoredIndex {
  readonly name: string;
  readonly as: string;
  readonly docs: number;
  readonly warnings: readonly string[];
}

export interface Restored {
  readonly reply: RestoreReply;
  /** [] after a dry run. */
  readonly indices: readonly RestoredIndex[];
  readonly durationMs: number;
}

export interface RestoresOptions {
  readonly engine: Engine;
  readonly backups: Backups;
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly log: Logger;
  readonly dataDir: string;
}

export class Restores {
  readonly #options: RestoresOptions;
  readonly #folder: string;
  readonly #running = new Set<string>();

  constructor(options: RestoresOptions) {
    this.#options = options;
    this.#folder = `${options.dataDir}/${RESTORE_FOLDER}`;
  }

  /** Removes what nobody went on with. @throws {IoError} */
  removeLeftovers(): void {
    const { fs, clock } = this.#options;
    if (!fs.exists(this.#folder)) return;
    for (const { name } of fs.list(this.#folder)) {
      const path = `${this.#folder}/${name}`;
      if (clock.nowMs() - fs.stat(path).modifiedMs > KEEP_UNFINISHED_MS) removeTree(fs, path);
    }
  }

  /** @throws {RequestError} 400, 404, 409: a name is taken, or the same restore is running. 429 `disk_full`. */
  async restore(request: RestoreRequest): Promise<Restored> {
    const { backups, clock, engine, fs, log } = this.#options;
    const startedMs = clock.monotonicMs();
    const { destination, backup, dryRun, onProgress } = request;
    const selection = {
      ...(request.indices ? { indices: request.indices } : {}),
      ...(request.rename ? { rename: request.rename } : {}),
      includeServerFiles: false,
    };
    const plan = await backups.job<RestoreReply>("restore", {
      destination,
      backup,
      to: undefined,
      ...selection,
    }).done;
    this.#check(plan);
    if (dryRun) return { reply: plan, indices: [], durationMs: clock.monotonicMs() - startedMs };
    const { id, sha256 } = plan.backup;
    const key = createHash("sha256").update(
      JSON.stringify([placeOf(destination), id, sha256, plan.indices]),
    ).digest("hex").slice(0, 16);
    if (this.#running.has(key)) {
      throw new RequestError(`the same restore of [${id}] is running`, {
        status: 409,
        type: "restore_in_progress_exception",
      });
    }
    this.#running.add(key);
    const staging = `${this.#folder}/${key}`;
    try {
      if (!fs.exists(this.#folder)) fs.makeDirectory(this.#folder);
      const call = { destination, backup: id, to: staging, ...selection };
      const reply = await backups.job<RestoreReply>(
        "restore",
        call,
        (progress) => onProgress?.(progress as RestoreProgress),
      ).done;
      const indices: RestoredIndex[] = [];
      for (const { name, as } of plan.indices) {
        try {
          const { docs, warnings } = await engine.indices.attachBrought(`${RESTORE_FOLDER}/${key}/${as}`, as);
          indices.push({ name, as, docs, warnings });
        } catch (error) {
          log.error("an index was brought back, but cannot be attached", {
            backup: id,
            index: as,
            restored_before: indices.map(({ as }) => as),
            failure: error instanceof Error ? error.message : String(error),
          });
          throw error;
        }
      }
      removeTree(fs, staging);
      log.info("restored", { backup: id, indices: indices.map(({ as }) => as), bytes: reply.bytes });
      return { reply, indices, durationMs: clock.monotonicMs() - startedMs };
    } finally {
      this.#running.delete(key);
    }
  }

  /** Before a byte is fetched: are the names free, and is there room? */
  #check({ indices, bytes, backup }: RestoreReply): void {
    const { engine, fs, dataDir } = this.#options;
    const aliases = engine.indices.aliases();
    for (const { as } of indices) checkIndexName(as);
    const taken = indices.filter(({ as }) => engine.indices.get(as) !== undefined || aliases.has(as));
    if (taken.length > 0) {
      throw new RequestError(
        `cannot restore [${
          taken.map(({ as }) => as).join(", ")
        }]: there is an index or alias of that name; delete it, ` +
          "or give another name with [rename_pattern] and [rename_replacement]",
        { status: 409, type: "restore_conflict_exception", details: { indices: taken.map(({ as }) => as) } },
      );
    }
    const free = fs.freeBytes(dataDir) - engine.settings.diskReserveBytes;
    if (bytes > free) {
      throw new RequestError(
        `restoring [${backup.id}] takes ${bytes} bytes; ${Math.max(0, free)} are free above the reserve`,
        { status: 429, type: "disk_full", headers: { "Retry-After": "60" } },
      );
    }
  }
}

/** A data directory that a restore has not finished: no server may start on it. */
export function isHalfRestored(fs: FileSystem, dataDir: string): boolean {
  return fs.exists(`${dataDir}/${RESTORING_FILE}`);
}
