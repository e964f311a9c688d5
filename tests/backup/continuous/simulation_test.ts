/**
 * A short run of `simulation.ts`, which says what is simulated and judged.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { noCounts, simulate } from "./simulation.ts";

const SCHEDULES = 150;

Deno.test("no schedule of kills, power cuts, clones and late puts mixes two pasts or loses what was shipped", async () => {
  const counts = noCounts();
  const problems: string[] = [];
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    for (const problem of await simulate(seed, counts)) problems.push(`seed ${seed}: ${problem}`);
  }
  console.log(JSON.stringify(counts));
  assertEquals(problems, []);
  const { mixedPasts, shutOut, wrongRestores, garbage } = counts;
  assertEquals({ mixedPasts, shutOut, wrongRestores, garbage }, {
    mixedPasts: 0,
    shutOut: 0,
    wrongRestores: 0,
    garbage: 0,
  });
});
