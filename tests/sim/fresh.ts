/**
 * Schedules under seeds that nobody has seen, for a given time. Each seed is printed before it runs, so that one that
 * fails, or hangs, can be replayed with `deno task sim`.
 *
 * @module
 */
import process from "node:process";
import { emptyReport, summary } from "./report.ts";
import { runSchedule } from "./simulation.ts";
import { weatherOf } from "./weather.ts";

export const STEPS = 300;
/** A busy machine gives little of its time: then fewer schedules must do. */
const MAX_WALL_FACTOR = 3;

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** @returns What failed, with the command that replays it. */
export async function runFresh({ seconds }: { readonly seconds: number }): Promise<string[]> {
  const report = emptyReport();
  const first = Date.now() % 1_000_000_000;
  const failures: string[] = [];
  const started = { cpu: cpuSeconds(), wallMs: performance.now() };
  const goesOn = () =>
    cpuSeconds() - started.cpu < seconds &&
    performance.now() - started.wallMs < seconds * 1000 * MAX_WALL_FACTOR;
  for (let seed = first; goesOn(); seed++) {
    const flips = seed % 5 === 0 ? 10 : 0;
    const weather = weatherOf(seed);
    const command = `deno task sim --seed ${seed} --steps ${STEPS} --weather ${weather}${
      flips > 0 ? ` --flips ${flips}` : ""
    }`;
    console.log(command);
    const violation = await runSchedule({ seed, steps: STEPS, report, flips, weather });
    if (violation) failures.push(`${command}: ${violation.message}`);
  }
  console.log(summary(report));
  return failures;
}
