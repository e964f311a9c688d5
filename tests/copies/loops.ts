/**
 * Copies of a live directory, over and over, each of them opened and compared with what was acknowledged.
 *
 * @module
 */
import type { ServerProcess } from "../support/server.ts";
import { Turn } from "../../src/base/turn.ts";
import type { Model } from "./model.ts";
import { judgeCopy, type Outcome } from "./opened_copy.ts";
import { copy, type CopyTool } from "./tools.ts";

export interface Tally {
  copies: number;
  /** Though they took no longer than the retention. */
  refused: number;
  /** Refused copies that took longer: as promised. */
  late: number;
  missing: number;
  resurrected: number;
  stale: number;
  wrongCounts: number;
  /** Longest time that a copy took, ms. */
  longestMs: number;
  readonly reasons: string[];
}

export function newTally(): Tally {
  return {
    copies: 0,
    refused: 0,
    late: 0,
    missing: 0,
    resurrected: 0,
    stale: 0,
    wrongCounts: 0,
    longestMs: 0,
    reasons: [],
  };
}

export interface LoopOptions {
  readonly server: ServerProcess;
  readonly model: Model;
  /** Folder for the copies. */
  readonly scratch: string;
  readonly untilMs: number;
  readonly retainMs: number;
  /** Copies judged at the same time; default 1. */
  readonly judges?: number;
  readonly binary?: string;
  readonly log?: (line: string) => void;
}

/** Runs every tool in a loop of its own until the time is over. @returns What came of it, by tool. */
export async function runLoops(
  tools: readonly CopyTool[],
  options: LoopOptions,
): Promise<ReadonlyMap<string, Tally>> {
  const tallies = new Map(tools.map(({ name }) => [name, newTally()]));
  // Copies are made all at once, and judged a few at a time: the machine is for the server.
  const judges = Array.from({ length: options.judges ?? 1 }, () => new Turn());
  await Promise.all(tools.map(async (tool) => {
    const tally = tallies.get(tool.name)!;
    const to = `${options.scratch}/${tool.name.replaceAll(/\W+/g, "_")}`;
    while (performance.now() < options.untilMs) await oneCopy(tool, to, { ...options, tally, judges });
  }));
  return tallies;
}

async function oneCopy(
  tool: CopyTool,
  to: string,
  { server, model, tally, judges, binary, log, retainMs }: Omit<LoopOptions, "judges"> & {
    readonly tally: Tally;
    readonly judges: readonly Turn[];
  },
): Promise<void> {
  const floor = model.floor();
  const started = performance.now();
  const code = await copy(tool, server.dataDir, to);
  const tookMs = performance.now() - started;
  const ceiling = model.ceiling();
  const free = judges.reduce((a, b) => a.waiting <= b.waiting ? a : b);
  const outcome = await free.take(() =>
    judgeCopy(to, {
      ids: model.ids,
      floor,
      ceiling,
      write: tally.copies % 3 === 0,
      ...(binary === undefined ? {} : { binary }),
    })
  );
  count(tally, outcome, { tookMs, retainMs });
  const what = outcome.kind === "refused"
    ? `refused: ${outcome.reason}`
    : `${outcome.verdict.documents} documents, ${JSON.stringify(outcome.verdict)}`;
  log?.(`${tool.name.padEnd(15)} ${tookMs.toFixed(0).padStart(6)} ms, exit ${code}, ${what}`);
}

function count(
  tally: Tally,
  outcome: Outcome,
  { tookMs, retainMs }: { readonly tookMs: number; readonly retainMs: number },
): void {
  tally.copies++;
  tally.longestMs = Math.max(tally.longestMs, tookMs);
  if (outcome.kind === "refused") {
    if (tookMs >= retainMs) {
      tally.late++;
      return;
    }
    tally.refused++;
    tally.reasons.push(outcome.reason);
    return;
  }
  const { missing, resurrected, stale, wrongCounts, examples } = outcome.verdict;
  tally.missing += missing;
  tally.resurrected += resurrected;
  tally.stale += stale;
  tally.wrongCounts += wrongCounts;
  tally.reasons.push(...examples);
}
