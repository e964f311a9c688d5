/**
 * The short version of `deno task sim:schedules`, for the suite: about a minute and a half of a processor's time.
 */
import { assertEquals } from "@std/assert";
import { eachCall } from "./each_call.ts";
import { runFresh } from "./fresh.ts";
import { emptyReport } from "./report.ts";
import { KEPT_SEEDS } from "./seeds.ts";
import { runSchedule } from "./simulation.ts";

// Timers that others have left running fire while real ones are away.
const options = { sanitizeOps: false, sanitizeResources: false };
const SECONDS = 35;
/** Of the runs of a whole enumeration. */
const PART = 32;

Deno.test("seeds that once failed", options, async () => {
  for (const { found, ...kept } of KEPT_SEEDS) {
    const violation = await runSchedule({ ...kept, report: emptyReport() });
    assertEquals(violation?.message, undefined, `seed ${kept.seed}, which once found: ${found}`);
  }
});

Deno.test(
  "fresh seeds: nothing is lost, resurrected or wrong, no start and no quick copy is refused",
  options,
  async () => assertEquals(await runFresh({ seconds: SECONDS }), []),
);

Deno.test("a call that fails, or is the last, loses nothing", options, async () => {
  const report = emptyReport();
  const part = { every: PART, first: Date.now() % PART };
  const { violations, runs, calls, sites } = await eachCall({ seeds: [1, 2, 3], steps: 80, report, part });
  console.log(
    `part ${part.first} of ${PART}; ${calls} calls from ${sites} sites; runs: ${JSON.stringify(runs)}`,
  );
  assertEquals(violations, []);
});
