/**
 * The long version of `sim_test.ts`: fresh seeds for ten minutes of a processor's time, every call site, two of the rules.
 */
import { assertEquals } from "@std/assert";
import { eachCall } from "./each_call.ts";
import { runFresh, STEPS } from "./fresh.ts";
import { emptyReport } from "./report.ts";
import { RULES } from "./rules.ts";
import { runSchedule } from "./simulation.ts";

/** `SIM_SECONDS=3600 deno task sim:schedules` looks longer. */
const SECONDS = Number(Deno.env.get("SIM_SECONDS") ?? 600);

// Timers that others have left running fire while real ones are away.
const options = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "fresh seeds: nothing is lost, resurrected or wrong, no start and no quick copy is refused",
  options,
  async () => assertEquals(await runFresh({ seconds: SECONDS }), []),
);

Deno.test("any call that fails, or is the last, loses nothing", options, async () => {
  const report = emptyReport();
  const { violations } = await eachCall({ seeds: [1, 2, 3], steps: 80, report });
  assertEquals(violations, []);
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
