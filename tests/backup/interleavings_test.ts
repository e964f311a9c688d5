import { assert } from "@std/assert";
import { simulate, simulateMany } from "./interleavings.ts";

Deno.test("backups, prunes, deletes and crashes in any order leave no dangling reference and no garbage", async () => {
  const sum = await simulateMany(100, 1);
  assert(sum.published > 200 && sum.listed > 100, "backups succeed");
  assert(sum.killed > 60 && sum.resumed > 20 && sum.late > 60 && sum.retries > 20, "trouble happens");
});

Deno.test("the simulation finds what goes wrong when the store ignores conditions", async () => {
  for (let seed = 1; seed <= 200; seed++) {
    try {
      await simulate(seed, { ignoresConditions: true });
    } catch (error) {
      assert(error instanceof Error);
      return;
    }
  }
  assert(false, "200 simulations went well");
});
