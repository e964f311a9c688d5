/**
 * kill -9 in the middle of everything, in short; `deno task kill` runs it for long.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { killCycles, type KillReport } from "../crash/kill_cycles.ts";
import { BINARY } from "./support.ts";

function expectNothingLost(report: KillReport, cycles: number): void {
  const { missing, resurrected, wrong, countMismatches } = report;
  assertEquals(
    { cycles: report.cycles, missing, resurrected, wrong, countMismatches },
    { cycles, missing: 0, resurrected: 0, wrong: 0, countMismatches: 0 },
  );
}

const seed = Date.now() % 1_000_000;
const options = { seed, ...(BINARY === undefined ? {} : { binary: BINARY }), log: console.log };

Deno.test("kill -9 at random instants, under each policy: what was acknowledged is there", async () => {
  console.log(`seed ${seed}`);
  expectNothingLost(await killCycles({ ...options, cycles: 6 }), 6);
});

Deno.test("kill -9 with few ids, so that segments die whole: what was deleted stays deleted", async () => {
  expectNothingLost(await killCycles({ ...options, cycles: 3, idsPerClient: 8, liveMsMax: 1500 }), 3);
});
