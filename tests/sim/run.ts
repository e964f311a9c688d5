/**
 * Replays schedules: `deno task sim --seed N --steps M [--seeds K] [--without RULE] [--trace]`.
 *
 * `--without RULE` switches a rule off and stops at the first seed that finds it; `--without each` goes through all of
 * them and prints the table of `docs/simulation.md`.
 *
 * `--each-call [--every K]` fails every K-th call of the server that a short schedule makes, in four ways each: EIO,
 * ENOSPC, a kill, a power cut. `--flips N` ends each schedule with N flipped bits.
 *
 * @module
 */
import { eachCall } from "./each_call.ts";
import { emptyReport, type Report } from "./report.ts";
import { RULES } from "./rules.ts";
import { runSchedule } from "./simulation.ts";

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1] ?? "";
}

const seed = Number(option("seed") ?? 1);
const steps = Number(option("steps") ?? 300);
const seeds = Number(option("seeds") ?? 1);
const without = option("without");
const flips = Number(option("flips") ?? 0);
const trace = Deno.args.includes("--trace") ? (line: string) => console.log(line) : undefined;

/** @returns How many failed. */
async function runAll(report: Report): Promise<number> {
  let failed = 0;
  for (let s = seed; s < seed + seeds; s++) {
    if (s > seed && (s - seed) % 100 === 0) console.error(`${s - seed} schedules, ${failed} failed`);
    const violation = await runSchedule({ seed: s, steps, report, flips, ...(trace ? { trace } : {}) });
    if (!violation) continue;
    failed++;
    console.log(`seed ${s} ${violation.message}`);
  }
  return failed;
}

/** Looks for the first seed that finds a rule missing. */
async function runWithout(rule: string): Promise<boolean> {
  for (let s = seed; s < seed + seeds; s++) {
    const options = { seed: s, steps, report: emptyReport(), without: rule, ...(trace ? { trace } : {}) };
    const violation = await runSchedule(options);
    if (!violation) continue;
    const what = violation.problems[0]!.split("\n")[0]!.slice(0, 150).replaceAll("|", "/");
    console.log(`| ${RULES[rule]!.title} | \`${rule}\` | ${s} | ${violation.step} | ${what} |`);
    return true;
  }
  console.log(
    `| ${RULES[rule]!.title} | \`${rule}\` | - | - | not missed by ${seeds} seeds of ${steps} steps |`,
  );
  return false;
}

const started = performance.now();
let failed = 0;
if (Deno.args.includes("--each-call")) {
  const report = emptyReport();
  const { calls, runs, violations } = await eachCall({
    seed,
    steps,
    every: Number(option("every") ?? 1),
    report,
  });
  for (const text of violations) console.log(text);
  failed = violations.length;
  console.log(
    `${calls} calls, ${runs} runs, ${report.openings} openings; lost ${report.lost}, resurrected ${report.resurrected}, wrong ${report.wrong}`,
  );
  console.log(`${failed} of ${runs} runs failed; ${((performance.now() - started) / 1000).toFixed(1)} s`);
} else if (without === undefined) {
  const report = emptyReport();
  failed = await runAll(report);
  for (const [name, value] of Object.entries(report)) console.log(`${name.padEnd(14)} ${value}`);
  console.log(
    `${failed} of ${seeds} schedules failed; ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
} else {
  for (const rule of without === "each" ? Object.keys(RULES) : [without]) await runWithout(rule);
}
Deno.exit(failed > 0 ? 1 : 0);
