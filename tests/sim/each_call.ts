/**
 * The same short schedules again and again, each time with another call of the server that fails, or is its last.
 *
 * A call site is a place in the code from which the file system is called, with the place that it was called from. One
 * run of a schedule says which call is made from where; a second one, under the same seed, is the same up to that call.
 *
 * @module
 */
import type { CallKind } from "./process_disk.ts";
import type { Report } from "./report.ts";
import { runSchedule, Simulation } from "./simulation.ts";
import { weatherOf } from "./weather.ts";

/** `full`: there is no room from that call on, for some seconds. */
export const FAULTS = ["EIO", "ENOSPC", "full", "kill", "power cut"] as const;

export type FaultKind = (typeof FAULTS)[number];

export interface EachCallOptions {
  readonly seeds: readonly number[];
  readonly steps: number;
  /** Every so many-th call of a schedule; undefined: the first and a later call of each site that is new. */
  readonly every?: number | undefined;
  readonly report: Report;
  /** Of what is to be run, every so many-th only, from the `first`-th on: for runs with little time. */
  readonly part?: { readonly every: number; readonly first: number };
}

export interface EachCallResult {
  /** Calls that may fail, over all schedules. */
  readonly calls: number;
  readonly sites: number;
  readonly sitesByKind: Readonly<Record<string, number>>;
  readonly runs: Record<FaultKind, number>;
  readonly violations: string[];
}

interface Call {
  readonly number: number;
  readonly site: string;
}

/** Innermost places in the product's code, as "file:line < file:line"; what only passes a call on is none. */
function siteOf(stack: string): string {
  const places = stack.split("\n").flatMap((line) => /src\/([a-z_/]+\.ts:\d+)/.exec(line)?.[1] ?? [])
    .filter((place) => !place.startsWith("wal/poison.ts"));
  return places.slice(0, 2).join(" < ");
}

/** What a schedule calls, in order. */
async function callsOf({ steps, report }: EachCallOptions, seed: number): Promise<Call[]> {
  const calls: Call[] = [];
  Error.stackTraceLimit = 25;
  const onCall = (kind: CallKind) => {
    calls.push({ number: calls.length + 1, site: `${kind} at ${siteOf(new Error().stack ?? "")}` });
  };
  const faultAt = { call: Infinity, kind: "kill" } as const;
  await new Simulation({ seed, steps, report, onCall, faultAt, weather: weatherOf(seed) }).run();
  return calls;
}

function chosen(calls: readonly Call[], seen: Set<string>, every: number | undefined): Call[] {
  if (every !== undefined) {
    for (const { site } of calls) seen.add(site);
    return calls.filter(({ number }) => number % every === 0);
  }
  const bySite = Map.groupBy(calls, ({ site }) => site);
  const fresh = [...bySite].filter(([site]) => !seen.has(site));
  for (const [site] of fresh) seen.add(site);
  return fresh.flatMap(([, [first, ...later]]) => {
    const other = later[Math.floor(later.length * 2 / 3)];
    return other ? [first!, other] : [first!];
  });
}

export async function eachCall(options: EachCallOptions): Promise<EachCallResult> {
  const { seeds, steps, every, report, part = { every: 1, first: 0 } } = options;
  const runs: Record<FaultKind, number> = { EIO: 0, ENOSPC: 0, full: 0, kill: 0, "power cut": 0 };
  const seen = new Set<string>();
  const violations: string[] = [];
  let calls = 0;
  let turn = 0;
  for (const seed of seeds) {
    const made = await callsOf(options, seed);
    calls += made.length;
    for (const { number: call, site } of chosen(made, seen, every)) {
      for (const kind of FAULTS) {
        if (turn++ % part.every !== part.first) continue;
        runs[kind]++;
        const violation = await runSchedule({
          seed,
          steps,
          report,
          faultAt: { call, kind },
          weather: weatherOf(seed),
        });
        if (violation) violations.push(`${kind}, seed ${seed}, call ${call} (${site}): ${violation.message}`);
      }
    }
  }
  const sitesByKind: Record<string, number> = {};
  for (const site of seen) {
    const kind = site.slice(0, site.indexOf(" at "));
    sitesByKind[kind] = (sitesByKind[kind] ?? 0) + 1;
  }
  return { calls, sites: seen.size, sitesByKind, runs, violations };
}
