/**
 * Is what the repositories list there, and right? Looks on request, and stores again what is not, from what the server
 * has: hard links of every live file, as a backup makes them, so that nothing goes while it is read.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { HealOutcome } from "../backup/heal_repository.ts";
import type { VerifyOptions, VerifyReport } from "../backup/verify_repository.ts";
import type { Engine } from "../engine/engine.ts";
import type { HealthWarning } from "../engine/health.ts";
import type { Clock, FileSystem } from "../os/fs.ts";
import { BACKUP_FOLDER, type Backups, filesOf } from "./backups.ts";
import { type Destination, placeOf } from "./destination.ts";
import { linkTree } from "./linked_tree.ts";
import { removeTree } from "./trees.ts";
import type { HealCall, VerifyCall, VerifyJobProgress } from "./verify_node.ts";

export type { DamagedObject, VerifyReport } from "../backup/verify_repository.ts";

/** Ended ones that are remembered. */
const MAX_REMEMBERED = 50;

export interface VerificationRequest extends Pick<VerifyOptions, "mode" | "share" | "ids"> {
  readonly destination: Destination;
  /** Store damaged objects again where their bytes are still here. */
  readonly heal: boolean;
}

export interface Verification {
  readonly id: string;
  /** Fit for messages. */
  readonly place: string;
  readonly mode: VerifyOptions["mode"];
  readonly heal: boolean;
  readonly state: "running" | "success" | "failed" | "cancelled";
  /** ms since the epoch. */
  readonly startedMs: number;
  readonly progress: VerifyJobProgress | undefined;
  /** What was found, before anything was healed. */
  readonly report: VerifyReport | undefined;
  /** undefined: nothing had to be, or should be, healed. */
  readonly outcome: HealOutcome | undefined;
  readonly error: { readonly type: string; readonly reason: string } | undefined;
  readonly durationMs: number;
}

export interface VerificationsOptions {
  readonly engine: Engine;
  readonly backups: Backups;
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly log: Logger;
  readonly dataDir: string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Running {
  readonly run: Mutable<Verification>;
  /** The shipper's job that is under way. */
  job: string | undefined;
  isCancelled: boolean;
}

export class Verifications {
  readonly #options: VerificationsOptions;
  /** Newest last. */
  readonly #runs: Mutable<Verification>[] = [];
  /** By place. */
  readonly #running = new Map<string, Running>();
  /** Objects that are known to be damaged, by place, with the backups that they affect. */
  readonly #damaged = new Map<string, Map<string, readonly string[]>>();
  #lastId = "";
  /** Since start. */
  damagedTotal = 0;
  healedTotal = 0;
  /** When the last one ended that could say something, ms since the epoch; 0: none since start. */
  lastEndedMs = 0;

  constructor(options: VerificationsOptions) {
    this.#options = options;
  }

  /** Newest first. */
  get runs(): readonly Verification[] {
    return this.#runs.toReversed();
  }

  /** @throws {RequestError} 404 */
  get(id: string): Verification {
    const found = this.#runs.findLast((run) => run.id === id);
    if (found) return found;
    throw new RequestError(`this server has made no verification [${id.slice(0, 128)}] since it started`, {
      status: 404,
      type: "verification_missing_exception",
    });
  }

  get warnings(): HealthWarning[] {
    return [...this.#damaged].filter(([, objects]) => objects.size > 0).map(([place, objects]) => ({
      cause:
        `${objects.size} ${
          objects.size === 1 ? "object" : "objects"
        } of ${place} cannot be used, which affects ` +
        `the backups ${[...new Set([...objects.values()].flat())].sort().join(", ")}`,
      next:
        'POST /v1/admin/backup/verify with "heal": true stores again what this server still has; then make a new ' +
        "backup. This goes with the next full verification that finds nothing",
      status: "yellow",
    }));
  }

  /** @throws {RequestError} 404, 409: it has ended. */
  cancel(id: string): Verification {
    const run = this.get(id);
    const running = [...this.#running.values()].find((each) => each.run === run);
    if (!running) {
      throw new RequestError(`the verification [${id}] has ended: ${run.state}`, {
        status: 409,
        type: "illegal_state_exception",
      });
    }
    running.isCancelled = true;
    if (running.job !== undefined) this.#options.backups.cancelJob(running.job);
    return run;
  }

  /** Ends what is running. */
  stop(): void {
    for (const { run } of this.#running.values()) this.cancel(run.id);
  }

  /** @throws {RequestError} 409: one of that place is running. What goes wrong later is in `done`, and in the run. */
  start(
    request: VerificationRequest,
  ): { readonly run: Verification; readonly done: Promise<Verification> } {
    const { clock, log } = this.#options;
    const place = placeOf(request.destination);
    const other = this.#running.get(place);
    if (other) {
      throw new RequestError(`a verification of ${place} is running: [${other.run.id}]`, {
        status: 409,
        type: "verification_in_progress_exception",
        details: { verification_id: other.run.id },
      });
    }
    const startedMs = Math.floor(clock.nowMs());
    const run: Mutable<Verification> = {
      id: this.#newId(startedMs),
      place,
      mode: request.mode,
      heal: request.heal,
      state: "running",
      startedMs,
      progress: undefined,
      report: undefined,
      outcome: undefined,
      error: undefined,
      durationMs: 0,
    };
    this.#runs.push(run);
    if (this.#runs.length > MAX_REMEMBERED) this.#runs.shift();
    const running: Running = { run, job: undefined, isCancelled: false };
    this.#running.set(place, running);
    const startedMonotonicMs = clock.monotonicMs();
    const done = this.#look(request, running).catch((error) => {
      run.state = running.isCancelled ? "cancelled" : "failed";
      run.error = {
        type: error instanceof RequestError ? error.type : "verification_failed_exception",
        reason: error instanceof Error ? error.message : String(error),
      };
      if (!running.isCancelled) log.error("a verification failed", { place, failure: run.error.reason });
      throw error;
    }).finally(() => {
      this.#running.delete(place);
      run.durationMs = clock.monotonicMs() - startedMonotonicMs;
    });
    // Whoever waits hears of a failure; so does the log.
    done.catch(() => {});
    return { run, done };
  }

  async #look(request: VerificationRequest, running: Running): Promise<Verification> {
    const { log, clock } = this.#options;
    const { destination, mode, share, ids } = request;
    const { run } = running;
    const call: Omit<VerifyCall, "job"> = {
      destination,
      mode,
      ...(share === undefined ? {} : { share }),
      ...(ids === undefined ? {} : { ids }),
    };
    const report = run.report = await this.#job<VerifyReport>("verifyRepository", call, running);
    const { damaged } = report;
    this.damagedTotal += damaged.length;
    for (const { object, problem, reason, backups } of damaged) {
      log.error("an object of a repository is damaged", {
        place: run.place,
        object,
        problem,
        reason,
        backups,
      });
    }
    if (request.heal && damaged.length > 0) {
      const outcome = run.outcome = await this.#heal(request, running);
      this.healedTotal += outcome.healed.length;
    }
    this.#remember(run, ids === undefined);
    run.state = "success";
    this.lastEndedMs = clock.nowMs();
    return run;
  }

  /** @param isAll Whether all backups were looked at. */
  #remember({ place, mode, report, outcome }: Verification, isAll: boolean): void {
    // A sample says nothing of what it did not read.
    const known = mode === "full" && isAll ? new Map() : this.#damaged.get(place) ?? new Map();
    for (const { object, backups } of outcome?.unhealed ?? report!.damaged) known.set(object, backups);
    for (const object of outcome?.healed ?? []) known.delete(object);
    this.#damaged.set(place, known);
  }

  async #heal({ destination }: VerificationRequest, running: Running): Promise<HealOutcome> {
    const { engine, fs, dataDir } = this.#options;
    const { run: { id, report } } = running;
    const parent = `${dataDir}/${BACKUP_FOLDER}`;
    const folder = `${parent}/${id}`;
    for (const path of [parent, folder]) if (!fs.exists(path)) fs.makeDirectory(path);
    try {
      const tree = `${folder}/tree`;
      await linkTree(engine, fs, tree);
      const call: Omit<HealCall, "job"> = {
        destination,
        damaged: report!.damaged,
        files: filesOf(fs, tree),
      };
      return await this.#job<HealOutcome>("healRepository", call, running);
    } finally {
      removeTree(fs, folder);
    }
  }

  async #job<T>(name: string, call: object, running: Running): Promise<T> {
    if (running.isCancelled) {
      throw new RequestError(`the verification [${running.run.id}] was cancelled`, {
        status: 409,
        type: "verification_cancelled_exception",
      });
    }
    const { job, done } = this.#options.backups.job<T>(
      name,
      { ...call },
      (progress) => running.run.progress = progress as VerifyJobProgress,
    );
    running.job = job;
    try {
      return await done;
    } finally {
      running.job = undefined;
    }
  }

  /** `vf-2026-04-15T03-00-00Z`, with `-2` behind a second one of that second. */
  #newId(nowMs: number): string {
    const stem = `vf-${new Date(nowMs).toISOString().slice(0, 19).replaceAll(":", "-")}Z`;
    const used = new Set([...this.#runs.map(({ id }) => id), this.#lastId]);
    let id = stem;
    for (let n = 2; used.has(id); n++) id = `${stem}-${n}`;
    return this.#lastId = id;
  }
}
