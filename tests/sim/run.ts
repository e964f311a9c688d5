/**
 * Replays schedules: `deno task sim --seed N --steps M [--seeds K] [--weather NAME] [--without RULE] [--trace]`.
 *
 * `--weather` says what happens often (see `weather.ts`); `each`: all in turn.
 *
 * `--without RULE` switches a rule off and stops at the first seed that finds it; `--without each` goes through all of
 * them, `--without A,B` through some, and prints the table of `docs/simulation.md`.
 *
 * `--each-call` fails a first and a later call of the server from each place in its code that calls the file system, in
 * five ways each: EIO, ENOSPC, no room for some seconds, a kill, a power cut. `--every K`: every K-th call instead.
 * `--flips N` ends each schedule with N flipped bits.
 *
 * @module
 */
import { eachCall } from "./each_call.ts";
import { emptyReport, type Report } from "./report.ts";
import { RULES } from "./rules.ts";
import { runSchedule } from "./simulation.ts";
import { weatherNamed, weatherOf } from "./weather.ts";

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1] ?? "";
}

const seed = Number(option("seed") ?? 1);
const steps = Number(option("steps") ?? 300);
const seeds = Number(option("seeds") ?? 1);
const without = option("without");
const flips = Number(option("flips") ?? 0);
const weather = option("weather");
const named = weather === undefined || weather === "each" ? undefined : weatherNamed(weather);
const trace = Deno.args.includes("--trace") ? (line: string) => console.log(line) : undefined;

/** @returns How many failed. */
async function runAll(report: Report): Promise<number> {
  let failed = 0;
  for (let s = seed; s < seed + seeds; s++) {
    if (s > seed && (s - seed) % 100 === 0) console.error(`${s - seed} schedules, ${failed} failed`);
    const of = weather === "each" ? weatherOf(s) : named;
    const violation = await runSchedule({
      seed: s,
      steps,
      report,
      flips,
      weather: of,
      ...(trace ? { trace } : {}),
    });
    if (!violation) continue;
    failed++;
    console.log(`seed ${s} ${of ?? ""} ${violation.message}`);
  }
  return failed;
}

/** Looks for the first seed that finds a rule missing. */
async function runWithout(rule: string): Promise<boolean> {
  const { title, weather: provoking } = RULES[rule]!;
  const of = named ?? provoking;
  for (let s = seed; s < seed + seeds; s++) {
    const report = emptyReport();
    const options = { seed: s, steps, report, weather: of, without: rule, ...(trace ? { trace } : {}) };
    const violation = await runSchedule(options);
    if (!violation) continue;
    const what = violation.problems[0]!.split("\n")[0]!.slice(0, 120).replaceAll("|", "/");
    console.log(`| ${title} | \`${rule}\` | ${of} | ${s} | ${violation.step} | ${what} |`);
    return true;
  }
  console.log(`| ${title} | \`${rule}\` | ${of} | no seed of ${seeds} missed it | | |`);
  return false;
}

const started = performance.now();
let failed = 0;
if (Deno.args.includes("--each-call")) {
  const report = emptyReport();
  const every = option("every");
  const { calls, sites, sitesByKind, runs, violations } = await eachCall({
    seeds: Array.from({ length: seeds }, (_, i) => seed + i),
    steps,
    every: every === undefined ? undefined : Number(every),
    report,
  });
  for (const text of violations) console.log(text);
  failed = violations.length;
  const all = Object.values(runs).reduce((sum, n) => sum + n, 0);
  console.log(`${seeds} schedules of ${steps} steps; ${calls} calls from ${sites} sites`);
  console.log(`sites: ${JSON.stringify(sitesByKind)}`);
  console.log(`runs: ${JSON.stringify(runs)}`);
  console.log(
    `${report.eio} EIO, ${report.enospc} ENOSPC, ${report.openings} openings; lost ${report.lost}, resurrected ${report.resurrected}, wrong ${report.wrong}`,
  );
  console.log(`${failed} of ${all} runs failed; ${((performance.now() - started) / 1000).toFixed(1)} s`);
} else if (without === undefined) {
  const report = emptyReport();
  failed = await runAll(report);
  for (const [name, value] of Object.entries(report)) console.log(`${name.padEnd(14)} ${value}`);
  console.log(
    `${failed} of ${seeds} schedules failed; ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
} else {
  for (const rule of without === "each" ? Object.keys(RULES) : without.split(",")) await runWithout(rule);
}
Deno.exit(failed > 0 ? 1 : 0);
