/**
 * The same short schedule again and again, each time with another call of the server that fails, or is its last.
 *
 * @module
 */
import type { Report } from "./report.ts";
import { runSchedule, Simulation } from "./simulation.ts";

export const FAULTS = ["EIO", "ENOSPC", "kill", "power cut"] as const;

export interface EachCallOptions {
  readonly seed: number;
  readonly steps: number;
  /** Every so many-th call only. */
  readonly every: number;
  readonly report: Report;
  readonly first?: number;
}

export async function eachCall(
  { seed, steps, every, report, first = 1 }: EachCallOptions,
): Promise<{ readonly calls: number; readonly runs: number; readonly violations: string[] }> {
  const never = { call: Infinity, kind: "kill" } as const;
  const plain = new Simulation({ seed, steps, report, faultAt: never });
  await plain.run();
  const calls = plain.callsSeen;
  const violations: string[] = [];
  let runs = 0;
  for (let call = first; call <= calls; call += every) {
    for (const kind of FAULTS) {
      runs++;
      const violation = await runSchedule({ seed, steps, report, faultAt: { call, kind } });
      if (violation) violations.push(`${kind} at call ${call}: ${violation.message}`);
    }
  }
  return { calls, runs, violations };
}
