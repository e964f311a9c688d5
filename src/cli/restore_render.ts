/**
 * What `xerj restore` says: text for people, or one JSON object a line for scripts.
 *
 * @module
 */
import type { RestoreOutcome, RestoreProgress } from "../backup/restore.ts";
import type { Clock } from "../os/fs.ts";
import type { CommandEnvironment } from "./command_environment.ts";
import type { CommandFailure } from "./command_failure.ts";
import { ProgressBar } from "./progress_bar.ts";
import type { Estimate } from "./restore_estimate.ts";
import type { RestoreSource } from "./restore_source.ts";
import type { RestoreTarget } from "./restore_target.ts";
import { megabytes } from "./verify_render.ts";

/** How often a line of progress is written. */
const LINE_EVERY_MS = 1000;

export interface PlannedRestore {
  readonly source: RestoreSource;
  readonly target: RestoreTarget;
  /** Bytes of files that an earlier run has brought. */
  readonly bytesThere: number;
  readonly freeBytes: number;
  readonly warnings: readonly string[];
}

/** Tells what happens, as it happens. */
export interface RestoreReport {
  planned(planned: PlannedRestore): void;
  dryRun(planned: PlannedRestore, estimate: Estimate | undefined): void;
  progress(progress: RestoreProgress): void;
  restored(planned: PlannedRestore, outcome: RestoreOutcome): void;
  failed(failure: CommandFailure, next: string): void;
}

export function restoreReport(
  environment: CommandEnvironment,
  { asJson }: { readonly asJson: boolean },
): RestoreReport {
  return asJson ? new JsonReport(environment) : new TextReport(environment);
}

class TextReport implements RestoreReport {
  readonly #environment: CommandEnvironment;
  readonly #bar: ProgressBar | undefined;
  #rate: Rate | undefined;
  #fetchBytes = 0;

  constructor(environment: CommandEnvironment) {
    const { writeTerminal, clock } = environment;
    this.#environment = environment;
    this.#bar = writeTerminal && new ProgressBar(writeTerminal, () => clock.monotonicMs());
  }

  planned(planned: PlannedRestore): void {
    const { source, target, bytesThere, warnings } = planned;
    const { files, bytes, fetchBytes, requests } = source;
    this.#fetchBytes = fetchBytes;
    const lines = [
      source.title,
      ...source.indices.map(({ name, as, docs }) =>
        `  ${name}${name === as ? "" : ` as ${as}`}${docs === undefined ? "" : `: ${docs} documents`}`
      ),
      `  ${files.length} files, ${megabytes(bytes)}; ${
        megabytes(fetchBytes)
      } to fetch in ${requests} requests`,
      `  into ${target.dataDir}`,
    ];
    if (source.laterBytes) {
      lines.push(`  ${megabytes(source.laterBytes)} are left to the server, which fetches them when it runs`);
    }
    if (target.begun) lines.push(`  goes on with what was begun: ${megabytes(bytesThere)} are there`);
    for (const warning of warnings) lines.push(`warning: ${warning}`);
    this.#say(lines);
  }

  dryRun(planned: PlannedRestore, estimate: Estimate | undefined): void {
    this.planned(planned);
    this.#say([
      `  ${megabytes(planned.freeBytes)} are free there`,
      estimate
        ? `  takes about ${duration(estimate.seconds)}, as measured with ${megabytes(estimate.measuredBytes)}`
        : "  takes a moment",
      "dry run: nothing was written",
    ]);
  }

  progress(progress: RestoreProgress): void {
    this.#rate ??= new Rate(this.#environment.clock);
    const { bytesPerSec, remainingSec, share } = this.#rate.of(progress, this.#fetchBytes);
    const what = `${megabytes(bytesPerSec)}/s${
      remainingSec === undefined ? "" : `, ${duration(remainingSec)} left`
    }`;
    this.#bar?.update(share * progress.bytesTotal, progress.bytesTotal, what);
  }

  restored({ source, target }: PlannedRestore, outcome: RestoreOutcome): void {
    this.#bar?.clear();
    const { files, bytes, filesKept, fetchedBytes, durationMs } = outcome;
    this.#say([
      `restored ${files} files, ${megabytes(bytes)}, in ${duration(durationMs / 1000)}; ` +
      `${megabytes(fetchedBytes)} fetched${filesKept > 0 ? `, ${filesKept} files were there already` : ""}`,
      ...(source.laterBytes
        ? [
          `start the server: it answers now and fetches the rest (${
            megabytes(source.laterBytes)
          }) in the background`,
        ]
        : []),
      `start it with: xerj --data-dir ${target.dataDir}`,
    ]);
  }

  failed({ reason }: CommandFailure, next: string): void {
    this.#bar?.clear();
    this.#environment.writeStderr(`xerj restore: ${reason}${next === "" ? "" : `; ${next}`}\n`);
  }

  #say(lines: readonly string[]): void {
    this.#environment.writeStdout(`${lines.join("\n")}\n`);
  }
}

class JsonReport implements RestoreReport {
  readonly #environment: CommandEnvironment;
  #rate: Rate | undefined;
  #fetchBytes = 0;
  #writtenMs = -Infinity;

  constructor(environment: CommandEnvironment) {
    this.#environment = environment;
  }

  planned(planned: PlannedRestore): void {
    this.#line({ event: "plan", ...this.#plan(planned) });
  }

  dryRun(planned: PlannedRestore, estimate: Estimate | undefined): void {
    this.#line({
      event: "dry_run",
      ...this.#plan(planned),
      estimated_seconds: estimate ? Math.ceil(estimate.seconds) : 0,
      measured_bytes: estimate?.measuredBytes ?? 0,
    });
  }

  progress(progress: RestoreProgress): void {
    const { clock } = this.#environment;
    this.#rate ??= new Rate(clock);
    if (clock.monotonicMs() - this.#writtenMs < LINE_EVERY_MS) return;
    this.#writtenMs = clock.monotonicMs();
    const { bytesPerSec, remainingSec } = this.#rate.of(progress, this.#fetchBytes);
    this.#line({
      event: "progress",
      files_done: progress.filesDone,
      files: progress.filesTotal,
      bytes_done: progress.bytesDone,
      bytes: progress.bytesTotal,
      bytes_fetched: progress.fetchedBytes,
      bytes_per_second: Math.round(bytesPerSec),
      remaining_seconds: remainingSec === undefined ? null : Math.ceil(remainingSec),
    });
  }

  restored({ source, target }: PlannedRestore, outcome: RestoreOutcome): void {
    this.#line({
      event: "restored",
      ...source.facts,
      data_dir: target.dataDir,
      indices: indicesOf(source),
      files: outcome.files,
      bytes: outcome.bytes,
      files_kept: outcome.filesKept,
      bytes_fetched: outcome.fetchedBytes,
      ...(source.laterBytes === undefined ? {} : { bytes_left: source.laterBytes }),
      duration_ms: Math.round(outcome.durationMs),
    });
  }

  failed({ exit, type, reason }: CommandFailure, next: string): void {
    this.#line({ event: "failed", exit, type, reason, next });
  }

  #plan({ source, target, bytesThere, freeBytes, warnings }: PlannedRestore) {
    this.#fetchBytes = source.fetchBytes;
    return {
      ...source.facts,
      data_dir: target.dataDir,
      resumed: target.begun !== undefined,
      indices: indicesOf(source),
      files: source.files.length,
      bytes: source.bytes,
      bytes_there: bytesThere,
      bytes_to_fetch: source.fetchBytes,
      requests: source.requests,
      ...(source.laterBytes === undefined ? {} : { bytes_left: source.laterBytes }),
      bytes_free: freeBytes,
      warnings,
    };
  }

  #line(value: unknown): void {
    this.#environment.writeStdout(`${JSON.stringify(value)}\n`);
  }
}

/** How fast bytes have come since the first of them, and when the rest is there. */
class Rate {
  readonly #clock: Clock;
  readonly #startedMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
  }

  of({ bytesDone, bytesTotal, fetchedBytes }: RestoreProgress, fetchBytes: number) {
    const seconds = Math.max(0.001, (this.#clock.monotonicMs() - this.#startedMs) / 1000);
    const bytesPerSec = fetchedBytes / seconds;
    // Files that are done, or bytes that have come: after a resume few come, of a large file none is done for long.
    const share = Math.min(
      1,
      Math.max(
        bytesTotal === 0 ? 1 : bytesDone / bytesTotal,
        fetchBytes === 0 ? 1 : fetchedBytes / fetchBytes,
      ),
    );
    const rest = (1 - share) * fetchBytes;
    return { bytesPerSec, share, remainingSec: bytesPerSec > 0 ? rest / bytesPerSec : undefined };
  }
}

function indicesOf({ indices }: RestoreSource) {
  return indices.map(({ name, as, docs }) => ({ index: name, as, docs }));
}

/** Such as "40 s" or "3 min 20 s". */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}
