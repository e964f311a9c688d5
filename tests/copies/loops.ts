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
  refused: number;
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
  readonly binary?: string;
  readonly log?: (line: string) => void;
}

/** Runs every tool in a loop of its own until the time is over. @returns What came of it, by tool. */
export async function runLoops(
  tools: readonly CopyTool[],
  options: LoopOptions,
): Promise<ReadonlyMap<string, Tally>> {
  const tallies = new Map(tools.map(({ name }) => [name, newTally()]));
  // Copies are made all at once, and judged one at a time: the machine is for the server.
  const judging = new Turn();
  await Promise.all(tools.map(async (tool) => {
    const tally = tallies.get(tool.name)!;
    const to = `${options.scratch}/${tool.name.replaceAll(/\W+/g, "_")}`;
    while (performance.now() < options.untilMs) await oneCopy(tool, to, { ...options, tally, judging });
  }));
  return tallies;
}

async function oneCopy(
  tool: CopyTool,
  to: string,
  { server, model, tally, judging, binary, log }: LoopOptions & {
    readonly tally: Tally;
    readonly judging: Turn;
  },
): Promise<void> {
  const floor = model.floor();
  const started = performance.now();
  const code = await copy(tool, server.dataDir, to);
  const tookMs = performance.now() - started;
  const ceiling = model.ceiling();
  const outcome = await judging.take(() =>
    judgeCopy(to, {
      ids: model.ids,
      floor,
      ceiling,
      write: tally.copies % 3 === 0,
      ...(binary === undefined ? {} : { binary }),
    })
  );
  count(tally, outcome, tookMs);
  const what = outcome.kind === "refused"
    ? `refused: ${outcome.reason}`
    : `${outcome.verdict.documents} documents, ${JSON.stringify(outcome.verdict)}`;
  log?.(`${tool.name.padEnd(15)} ${tookMs.toFixed(0).padStart(6)} ms, exit ${code}, ${what}`);
}

function count(tally: Tally, outcome: Outcome, tookMs: number): void {
  tally.copies++;
  tally.longestMs = Math.max(tally.longestMs, tookMs);
  if (outcome.kind === "refused") {
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
