/**
 * Continuous shipping: a round every second, and at once when a write waits for one (`wal_sync = "replicated"`). Main's
 * half; the rounds themselves are done in the shipper thread (`continuous_node.ts`).
 *
 * Invariants
 * - One round at a time. Whatever waits when a round begins is acknowledged by it: writes share rounds.
 * - What the last round showed stays on the disk until the next one is through, so that nothing between the two is
 *   released before it was shipped; when rounds fail, for `HOLD_MS` at most, since the disk must not fill.
 * - A failure is told, never hidden: by `status`, by health, and to the writes that wait.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { RoundReport } from "../backup/continuous/shipper.ts";
import type { ServerView } from "../backup/continuous/view.ts";
import type { Engine } from "../engine/engine.ts";
import type { HealthWarning } from "../engine/health.ts";
import type { Clock } from "../os/fs.ts";
import { serverView } from "./server_view.ts";

/** Where rounds are done: `StreamShipper` in this thread, `RemoteRounds` in another. */
export interface StreamRounds {
  /** As `StreamShipper`'s. */
  round(view: ServerView): Promise<RoundReport>;
  adopt(view: Pick<ServerView, "owner" | "atMs">): Promise<void>;
  sweep(): Promise<number | undefined>;
  /** Ends what is under way. */
  stop(): Promise<void>;
}

export interface ContinuousOptions {
  readonly engine: Engine;
  readonly rounds: StreamRounds;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stream: string;
  /** Fit for messages. */
  readonly place: string;
  /** Between the beginnings of two rounds; read anew each time. Default 1000. */
  readonly intervalMs?: () => number;
}

/**
 * - `starting`: no round is through yet.
 * - `seeding`: the log is shipped, but not yet all segments: a restore would lack something.
 * - `shipping`: all is well.
 * - `failing`: the last round failed; it is tried again.
 * - `refused`: the stream is another server's, see the error; looked at again each minute.
 * - `stopped`.
 */
export type ContinuousState = "starting" | "seeding" | "shipping" | "failing" | "refused" | "stopped";

export interface ContinuousStatus {
  readonly state: ContinuousState;
  readonly stream: string;
  readonly place: string;
  /** Age of the oldest write that losing the machine now would lose; 0: none would be lost. */
  readonly lagMs: number;
  /** Every record up to here is in the stream. */
  readonly lsn: number;
  /** How many LSNs behind the server it is. */
  readonly lagLsns: number;
  /** ms since the epoch, of the last round that went through; undefined: none has. */
  readonly lastSuccessMs: number | undefined;
  readonly lastRoundMs: number;
  readonly roundsTotal: number;
  readonly failuresTotal: number;
  /** Since start, as stored; segments included. */
  readonly bytesTotal: number;
  readonly objectsTotal: number;
  /** Of logs, as they are on disk. */
  readonly walBytesTotal: number;
  /** What could not be shipped in the last round, in words. */
  readonly problems: readonly string[];
  readonly error: { readonly reason: string; readonly hint: string; readonly atMs: number } | undefined;
}

/** More is worth a warning. */
const LAG_WARNING_MS = 60_000;
const DEFAULT_INTERVAL_MS = 1000;
const MAX_BACKOFF_MS = 30_000;
/** A backoff is no longer than this while a write waits. */
const WANTED_BACKOFF_MS = 1000;
const REFUSED_RETRY_MS = 60_000;
const HOLD_MS = 3_600_000;
const SWEEP_EVERY_MS = 24 * 3_600_000;
/** How long a stopping server tries to ship the rest. */
const LAST_ROUND_MS = 10_000;

export class ContinuousShipper {
  readonly #options: ContinuousOptions;
  #running: Promise<void> | undefined;
  #stopping = false;
  #wanted = false;
  #sleeping: { readonly resolve: () => void; timer: number | undefined; untilMs: number } | undefined;
  #failures = 0;
  #refused = false;
  #report: RoundReport | undefined;
  /** Keeps the last round's files. */
  #held: { readonly view: ServerView; readonly sinceMs: number } | undefined;
  /** Monotonic ms at which the view of the last whole round was taken. */
  #shippedMs: number | undefined;
  #shippedLsn = 0;
  #newestCatalog = 0;
  #sweptMs = -Infinity;
  #lastSuccessMs: number | undefined;
  #lastRoundMs = 0;
  #totals = { rounds: 0, failures: 0, bytes: 0, objects: 0, walBytes: 0 };
  #startedMs: number;
  #error: ContinuousStatus["error"];

  constructor(options: ContinuousOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
  }

  /** Begins to ship; to be called when the engine is open. */
  start(): void {
    this.#stopping = false;
    this.#startedMs = this.#options.clock.monotonicMs();
    this.#options.engine.ship.onWanted(() => this.#want());
    this.#running ??= this.#loop();
  }

  /** For health: what keeps this machine's loss from being harmless. */
  get warnings(): HealthWarning[] {
    const { state, error, lagMs, place } = this.status();
    if (state === "failing" || state === "refused") {
      return [{
        cause: `continuous shipping to ${place} ${state === "refused" ? "is refused" : "fails"}: ${
          error?.reason ?? ""
        }`,
        next: error?.hint || "look at the repository and the network; it is tried again by itself",
        status: "yellow",
      }];
    }
    if (state !== "shipping" || lagMs <= LAG_WARNING_MS) return [];
    return [{
      cause: `continuous shipping to ${place} is ${Math.round(lagMs / 1000)} s behind`,
      next: "see that the network and the repository keep up with what is written",
      status: "yellow",
    }];
  }

  /** Ships what is left, for a few seconds at most, and ends; to be called before the engine stops. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#stopping = true;
    this.#wakeWithin(0);
    const { rounds, engine } = this.#options;
    let timer: number | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, LAST_ROUND_MS));
    await Promise.race([this.#running, late]);
    clearTimeout(timer);
    await rounds.stop();
    await this.#running;
    this.#running = undefined;
    engine.ship.onWanted(undefined);
    this.#letGo();
  }

  /**
   * Takes the stream over from another server, or from another past of this one. What it holds stays restorable for its
   * window.
   *
   * @throws {StreamError} "missing" @throws {StoreError} @throws {RequestError} 503
   */
  async adopt(): Promise<void> {
    const { engine, rounds } = this.#options;
    const view = await engine.shipView();
    try {
      await rounds.adopt(serverView(view));
    } finally {
      view.release();
    }
    this.#refused = false;
    this.#failures = 0;
    this.#want();
  }

  status(): ContinuousStatus {
    const { engine, stream, place } = this.#options;
    const { rounds, failures, bytes, objects, walBytes } = this.#totals;
    return {
      state: this.#state(),
      stream,
      place,
      lagMs: this.#lagMs(),
      lsn: this.#report?.lsn ?? 0,
      lagLsns: Math.max(0, engine.lastLsn - this.#shippedLsn),
      lastSuccessMs: this.#lastSuccessMs,
      lastRoundMs: this.#lastRoundMs,
      roundsTotal: rounds,
      failuresTotal: failures,
      bytesTotal: bytes,
      objectsTotal: objects,
      walBytesTotal: walBytes,
      problems: this.#report?.problems ?? [],
      error: this.#error,
    };
  }

  #state(): ContinuousState {
    if (!this.#running || this.#stopping) return "stopped";
    if (this.#refused) return "refused";
    if (this.#failures > 0) return "failing";
    if (!this.#report) return "starting";
    return this.#report.incomplete.length > 0 ? "seeding" : "shipping";
  }

  #lagMs(): number {
    const { clock, engine } = this.#options;
    if (this.#shippedMs !== undefined && engine.lastLsn <= this.#shippedLsn) return 0;
    return Math.max(0, Math.round(clock.monotonicMs() - (this.#shippedMs ?? this.#startedMs)));
  }

  #want(): void {
    this.#wanted = true;
    if (this.#refused) return;
    // A write that waits does not cut a backoff short to nothing: it would be a storm of failures.
    this.#wakeWithin(this.#failures > 0 ? WANTED_BACKOFF_MS : 0);
  }

  async #loop(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stopping) {
      const startedMs = clock.monotonicMs();
      // What comes from now on is for the next round: this one may have looked already.
      this.#wanted = false;
      await this.#tryRound();
      const pauseMs = this.#pauseMs(clock.monotonicMs() - startedMs);
      if (!this.#stopping && pauseMs > 0) await this.#sleep(pauseMs);
    }
    // What was acknowledged meanwhile; the server takes no more requests.
    if (!this.#refused) await this.#tryRound();
  }

  /** How long to wait after a round that took `tookMs`. */
  #pauseMs(tookMs: number): number {
    const intervalMs = this.#options.intervalMs?.() ?? DEFAULT_INTERVAL_MS;
    if (this.#refused) return REFUSED_RETRY_MS;
    if (this.#failures === 0) return this.#wanted ? 0 : Math.max(0, intervalMs - tookMs);
    const backoffMs = Math.min(MAX_BACKOFF_MS, intervalMs * 2 ** Math.min(this.#failures - 1, 10));
    return this.#wanted ? Math.min(backoffMs, WANTED_BACKOFF_MS) : backoffMs;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#sleeping = { resolve, timer: undefined, untilMs: Infinity };
      this.#wakeWithin(ms);
    });
  }

  /** Ends a sleep in so many ms, unless it ends sooner anyway. */
  #wakeWithin(ms: number): void {
    const sleeping = this.#sleeping;
    const untilMs = this.#options.clock.monotonicMs() + ms;
    if (!sleeping || sleeping.untilMs <= untilMs) return;
    if (sleeping.timer !== undefined) clearTimeout(sleeping.timer);
    sleeping.untilMs = untilMs;
    sleeping.timer = setTimeout(() => {
      this.#sleeping = undefined;
      sleeping.resolve();
    }, ms);
  }

  async #tryRound(): Promise<void> {
    const { clock, engine, log, stream } = this.#options;
    const startedMs = clock.monotonicMs();
    try {
      await this.#round();
      if (this.#failures > 0) log.info("continuous shipping goes on", { stream });
      this.#failures = 0;
      this.#refused = false;
      this.#error = undefined;
      this.#lastSuccessMs = clock.nowMs();
    } catch (error) {
      const { reason, hint, isForeign } = explained(error);
      // The head is read again in the next round, which then says whose it is.
      const isNew = this.#error?.reason !== reason;
      this.#failures++;
      this.#totals.failures++;
      this.#refused = isForeign;
      this.#error = { reason, hint, atMs: clock.nowMs() };
      engine.ship.failed(reason);
      if (isNew) log.error("continuous shipping failed; it is tried again", { stream, reason, hint });
      if (this.#held && clock.monotonicMs() - this.#held.sinceMs > HOLD_MS) {
        log.warn("log files are kept no longer for continuous shipping, which fails", { stream });
        this.#letGo();
      }
    } finally {
      this.#lastRoundMs = Math.round(clock.monotonicMs() - startedMs);
    }
  }

  async #round(): Promise<void> {
    const { engine, rounds, clock, log } = this.#options;
    const takenMs = clock.monotonicMs();
    const view = serverView(await engine.shipView({ sinceCatalog: this.#newestCatalog }));
    let report: RoundReport;
    try {
      report = await rounds.round(view);
    } catch (error) {
      view.release();
      throw error;
    }
    this.#letGo();
    this.#held = { view, sinceMs: takenMs };
    for (const problem of report.problems) {
      if (!this.#report?.problems.includes(problem)) log.warn("not all can be shipped", { problem });
    }
    this.#report = report;
    this.#totals.rounds++;
    this.#totals.bytes += report.bytesPut;
    this.#totals.objects += report.objectsPut;
    this.#totals.walBytes += report.walBytes;
    if (report.incomplete.length === 0) {
      this.#newestCatalog = view.catalogs.at(-1)?.body.number ?? 0;
      this.#shippedMs = takenMs;
      this.#shippedLsn = Math.max(this.#shippedLsn, report.shippedLsn);
    }
    engine.ship.shipped({ lsn: report.shippedLsn, incomplete: report.incomplete });
    await this.#sweepIfDue();
  }

  /** What broken-off rounds left goes, daily. A failure costs nothing but room. */
  async #sweepIfDue(): Promise<void> {
    const { clock, rounds, log, stream } = this.#options;
    if (this.#stopping || clock.monotonicMs() - this.#sweptMs < SWEEP_EVERY_MS) return;
    this.#sweptMs = clock.monotonicMs();
    try {
      const objects = await rounds.sweep();
      if (objects) {
        log.info("removed what broken-off rounds of continuous shipping left", { stream, objects });
      }
    } catch (error) {
      log.warn("cannot look for what broken-off rounds of continuous shipping left", {
        stream,
        reason: explained(error).reason,
      });
    }
  }

  #letGo(): void {
    this.#held?.view.release();
    this.#held = undefined;
  }
}

/** An error of a round in words, whichever thread it comes from. */
function explained(
  error: unknown,
): { readonly reason: string; readonly hint: string; readonly isForeign: boolean } {
  const { message = String(error), hint, kind } = (error ?? {}) as {
    readonly message?: string;
    readonly hint?: string;
    readonly kind?: string;
  };
  if (error instanceof RequestError) {
    const { hint, kind } = error.details as { readonly hint?: string; readonly kind?: string };
    return { reason: message, hint: hint ?? "", isForeign: kind === "foreign" };
  }
  return { reason: message, hint: hint ?? "", isForeign: kind === "foreign" };
}
