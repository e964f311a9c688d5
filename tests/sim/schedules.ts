/**
 * Schedules under fresh seeds, for about a minute, and the seeds that once failed; the seeds are printed, so that one
 * that fails can be replayed with `deno task sim`.
 */
import { assertEquals } from "@std/assert";
import { eachCall } from "./each_call.ts";
import { emptyReport } from "./report.ts";
import { RULES } from "./rules.ts";
import { KEPT_SEEDS } from "./seeds.ts";
import { runSchedule } from "./simulation.ts";

/** `SIM_SECONDS=600 deno test -A tests/sim/` looks longer. */
const SECONDS = Number(Deno.env.get("SIM_SECONDS") ?? 45);
const STEPS = 300;

// Timers that others have left running fire while real ones are away.
const options = { sanitizeOps: false, sanitizeResources: false };

Deno.test("seeds that once failed", options, async () => {
  for (const { seed, steps, found } of KEPT_SEEDS) {
    const violation = await runSchedule({ seed, steps, report: emptyReport() });
    assertEquals(violation?.message, undefined, `seed ${seed} of ${steps} steps, which once found: ${found}`);
  }
});

Deno.test(
  "fresh seeds: nothing is lost, resurrected or wrong, no start and no quick copy is refused",
  options,
  async () => {
    const report = emptyReport();
    const first = Date.now() % 1_000_000_000;
    const failures: string[] = [];
    const endMs = performance.now() + SECONDS * 1000;
    let seed = first;
    for (; performance.now() < endMs; seed++) {
      const flips = seed % 5 === 0 ? 10 : 0;
      const violation = await runSchedule({ seed, steps: STEPS, report, flips });
      if (violation) {
        failures.push(
          `deno task sim --seed ${seed} --steps ${STEPS} --flips ${flips}: ${violation.message}`,
        );
      }
    }
    console.log(`seeds ${first} to ${seed - 1}: ${JSON.stringify(report)}`);
    assertEquals(failures, []);
  },
);

Deno.test("any call that fails, or is the last, loses nothing", options, async () => {
  const report = emptyReport();
  const first = 1 + Date.now() % 150;
  const { violations } = await eachCall({ seed: 2, steps: 60, every: 150, first, report });
  assertEquals(violations, [], `first call ${first}`);
});

Deno.test("a rule that is switched off is missed", options, async () => {
  for (const [rule, seeds] of [["tombstones-remapped", 12], ["previous-lsn", 6]] as const) {
    let found = false;
    for (let seed = 1; seed <= seeds && !found; seed++) {
      found = await runSchedule({ seed, steps: STEPS, report: emptyReport(), without: rule }) !== undefined;
    }
    assertEquals(found, true, `${RULES[rule]!.title}: not missed by ${seeds} seeds`);
  }
});
