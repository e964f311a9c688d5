/**
 * Replays schedules: `deno task sim --seed N --steps M [--seeds K] [--without RULE]`.
 *
 * @module
 */
import { emptyReport } from "./report.ts";
import { runSchedule } from "./simulation.ts";

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1] ?? "";
}

const seed = Number(option("seed") ?? 1);
const steps = Number(option("steps") ?? 400);
const seeds = Number(option("seeds") ?? 1);
const without = option("without");
const report = emptyReport();
let failed = 0;
const started = performance.now();
for (let s = seed; s < seed + seeds; s++) {
  const trace = Deno.args.includes("--trace") ? (line: string) => console.log(line) : undefined;
  const violation = await runSchedule({ seed: s, steps, report, without, ...(trace ? { trace } : {}) });
  if (violation) {
    failed++;
    console.log(`seed ${s} ${violation.message}`);
  }
}
console.log(JSON.stringify(report));
console.log(`${failed} of ${seeds} schedules failed; ${Math.round(performance.now() - started)} ms`);
if (failed > 0) Deno.exit(1);
