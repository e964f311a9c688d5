/**
 * What a schedule did, and what came of it.
 *
 * @module
 */
import type { FaultCounts } from "./process_disk.ts";

export interface Report extends FaultCounts {
  seeds: number;
  steps: number;
  operations: number;
  kills: number;
  powerCuts: number;
  cleanStops: number;
  openings: number;
  flushes: number;
  merges: number;
  snapshots: number;
  copiesBegun: number;
  copiesOpened: number;
  /** Refused, though they took less than the retention. */
  refusedInTime: number;
  refusedLate: number;
  /** Refused for an index that was made while the copy was: its folder was half seen. */
  refusedYoung: number;
  /** Opened with some indices of the source's past and some of the destination's own, each of them whole. */
  mixed: number;
  restores: number;
  clones: number;
  lost: number;
  resurrected: number;
  wrong: number;
}

export function emptyReport(): Report {
  return {
    seeds: 0,
    steps: 0,
    operations: 0,
    kills: 0,
    powerCuts: 0,
    cleanStops: 0,
    openings: 0,
    flushes: 0,
    merges: 0,
    snapshots: 0,
    copiesBegun: 0,
    copiesOpened: 0,
    refusedInTime: 0,
    refusedLate: 0,
    refusedYoung: 0,
    mixed: 0,
    restores: 0,
    clones: 0,
    eio: 0,
    enospc: 0,
    stalls: 0,
    bitFlips: 0,
    lost: 0,
    resurrected: 0,
    wrong: 0,
  };
}

/** The schedule found something that must not be. */
export class Violation extends Error {
  override readonly name = "Violation";
  constructor(readonly step: number, readonly problems: readonly string[]) {
    super(`step ${step}: ${problems.slice(0, 6).join("\n  ")}${problems.length > 6 ? "\n  ..." : ""}`);
  }
}

export function count(report: Report, problems: readonly string[]): void {
  for (const problem of problems) {
    if (problem.startsWith("lost")) report.lost++;
    else if (problem.startsWith("resurrected")) report.resurrected++;
    else report.wrong++;
  }
}

/** One line. */
export function summary(report: Report): string {
  const r = report;
  const crashes = r.kills + r.powerCuts;
  const refused = r.refusedInTime + r.refusedLate + r.refusedYoung;
  return `${r.seeds} seeds, ${r.steps} steps, ${r.operations} operations, ${r.openings} openings; ` +
    `${crashes} crashes (${r.powerCuts} power cuts), ${r.cleanStops} clean stops; faults: ${r.eio} EIO, ` +
    `${r.enospc} ENOSPC, ${r.stalls} slow syncs, ${r.bitFlips} bit flips; copies: ${r.copiesBegun} begun, ` +
    `${r.copiesOpened} opened (${r.mixed} with indices of two pasts), ${refused} refused (${r.refusedLate} late or ` +
    `onto another past, ${r.refusedYoung} for an index made meanwhile, ${r.refusedInTime} wrongly), ` +
    `${r.restores} restored, ${r.clones} lived on; ${r.lost} lost, ${r.resurrected} resurrected, ${r.wrong} wrong`;
}
