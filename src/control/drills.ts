/**
 * Restore drills of a running server: one at a time, by hand or by the clock. The shipper thread brings the files, at its
 * bandwidth; a thread of its own, at the lowest priority, opens them; nothing of it touches the server's indices.
 *
 * @module
 */
import { IoError, RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { RestoreOutcome, RestoreProgress } from "../backup/restore.ts";
import type { Engine } from "../engine/engine.ts";
import type { Proof, ProveCall } from "../engine/evidence/prove.ts";
import type { Clock, FileSystem } from "../os/fs.ts";
import type { Backups } from "./backups.ts";
import { type Destination, placeOf } from "./destination.ts";
import type { DrillPlan, DrillSelection } from "./drill_node.ts";
import { type DrillOutcome, type DrillReceipt, DrillReceipts } from "./drill_receipts.ts";
import { DRILL_FOLDER, RECEIPT_FOLDER, removeAbandonedRooms } from "./drill_room.ts";
import { type DrillPhase, holdDrill } from "./drill_work.ts";

export interface DrillRequest extends DrillSelection {
  readonly destination: Destination;
  readonly kind: DrillReceipt["kind"];
}

export interface DrillRun {
  readonly id: string;
  readonly place: string;
  readonly kind: DrillReceipt["kind"];
  /** As it was asked for: an id, or "latest". */
  readonly backup: string;
  readonly startedMs: number;
  readonly phase: DrillPhase;
  readonly progress: RestoreProgress | undefined;
}

export interface DrillsOptions {
  readonly engine: Engine;
  readonly backups: Backups;
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly log: Logger;
  readonly dataDir: string;
  /** Folder for scratch; "": the data directory. */
  readonly scratch: () => string;
  /** 0: none. */
  readonly limitBytes: () => number;
}

/** Type of the error that refuses a second one. */
export const DRILL_RUNNING = "drill_in_progress_exception";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Drills {
  readonly receipts: DrillReceipts;
  /** Since start. */
  readonly totals: Record<DrillOutcome, number> = { passed: 0, failed: 0, not_held: 0 };
  readonly #options: DrillsOptions;
  #running:
    | { readonly run: Mutable<DrillRun>; job: string | undefined; end: (() => void) | undefined }
    | undefined;
  #stopped = false;
  #lastId = "";

  constructor(options: DrillsOptions) {
    this.#options = options;
    const { fs, log, dataDir } = options;
    this.receipts = new DrillReceipts({ fs, log, folder: `${dataDir}/${DRILL_FOLDER}/${RECEIPT_FOLDER}` });
  }

  get running(): DrillRun | undefined {
    return this.#running?.run;
  }

  /** Removes what killed drills left; once the directory is ours. @throws {IoError} In the data directory. */
  removeLeftovers(): void {
    const { fs, dataDir, log } = this.#options;
    removeAbandonedRooms(fs, dataDir);
    const scratch = this.#scratch();
    if (scratch === dataDir) return;
    try {
      removeAbandonedRooms(fs, scratch);
    } catch (error) {
      if (!(error instanceof IoError)) throw error;
      // A disk for drills that is not there is no reason not to serve.
      log.warn("cannot look for what drills have left", { folder: scratch, failure: error.message });
    }
  }

  /** Ends a running one; no receipt is written. */
  stop(): void {
    this.#stopped = true;
    const running = this.#running;
    if (running?.job !== undefined) this.#options.backups.shipper.notify("cancel", { job: running.job });
    running?.end?.();
  }

  /** @throws {RequestError} 409: one is running. */
  start(request: DrillRequest): { readonly run: DrillRun; readonly done: Promise<DrillReceipt> } {
    if (this.#running) {
      throw new RequestError(`a drill is running: [${this.#running.run.id}]`, {
        status: 409,
        type: DRILL_RUNNING,
        details: { drill_id: this.#running.run.id },
      });
    }
    const { clock } = this.#options;
    const startedMs = Math.floor(clock.nowMs());
    const run: Mutable<DrillRun> = {
      id: this.#newId(startedMs),
      place: placeOf(request.destination),
      kind: request.kind,
      backup: request.backup,
      startedMs,
      phase: "planning",
      progress: undefined,
    };
    this.#running = { run, job: undefined, end: undefined };
    const done = this.#hold(request, run).finally(() => this.#running = undefined);
    done.catch((error) => this.#options.log.error("a restore drill broke off", { failure: String(error) }));
    return { run, done };
  }

  async #hold(
    { destination, kind, ...selection }: DrillRequest,
    run: Mutable<DrillRun>,
  ): Promise<DrillReceipt> {
    const { engine, backups, fs, clock, log, limitBytes } = this.#options;
    const place = placeOf(destination);
    const receipt = await holdDrill({
      fs,
      clock,
      id: run.id,
      kind,
      repository: destination.name ?? "",
      place,
      selection,
      scratch: this.#scratch(),
      reserveBytes: engine.settings.diskReserveBytes,
      limitBytes: limitBytes(),
      receipts: this.receipts.all.filter((receipt) => receipt.place === place),
      onPhase: (phase) => run.phase = phase,
      plan: (selection) => backups.shipper.call<DrillPlan>("drillPlan", { destination, ...selection }),
      bring: (call) => {
        const { job, done } = backups.job<RestoreOutcome>(
          "drillBring",
          { destination, ...call },
          (progress) => run.progress = progress as RestoreProgress,
        );
        this.#running!.job = job;
        return done.finally(() => this.#running!.job = undefined);
      },
      prove: (call) => this.#prove(call),
    });
    if (this.#stopped) return receipt;
    this.totals[receipt.outcome]++;
    this.receipts.add(receipt);
    const { outcome, reason, backupId: backup, bytes, fetchMs, openMs, compareMs } = receipt;
    const level = outcome === "passed" ? "info" : "error";
    const ms = fetchMs + openMs + compareMs;
    log[level]("a restore drill was held", { drill: run.id, place, backup, outcome, reason, bytes, ms });
    return receipt;
  }

  /** In a thread that is made for it and ends with it. */
  #prove(call: ProveCall): Promise<Proof> {
    if (this.#stopped) throw new Error("the server stops");
    return new Promise<Proof>((resolve, reject) => {
      const { rpc, end } = this.#options.engine.threads.addDriller(reject);
      this.#running!.end = () => {
        end();
        reject(new Error("the server stops"));
      };
      rpc.call<Proof>("prove", call).then(resolve, reject).finally(() => {
        if (!this.#stopped) end();
      });
    }).finally(() => this.#running!.end = undefined);
  }

  #scratch(): string {
    return this.#options.scratch() || this.#options.dataDir;
  }

  /** `drill-2026-04-15T03-00-00Z`, with `-2` behind a second one of that second. */
  #newId(nowMs: number): string {
    const stem = `drill-${new Date(nowMs).toISOString().slice(0, 19).replaceAll(":", "-")}Z`;
    const used = new Set([...this.receipts.all.map(({ id }) => id), this.#lastId]);
    let id = stem;
    for (let n = 2; used.has(id); n++) id = `${stem}-${n}`;
    return this.#lastId = id;
  }
}
