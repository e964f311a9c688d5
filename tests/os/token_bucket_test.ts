/**
 * One rate for all who take, changed while they do.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { newBucket, setRate, TokenBucket } from "../../src/os/token_bucket.ts";

class FakeClock {
  ms = 1_000_000;
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
}

Deno.test("takers together get the rate, however they share it", () => {
  const clock = new FakeClock();
  const state = newBucket(10_000_000);
  const takers = [new TokenBucket(state, clock), new TokenBucket(state, clock)];
  let taken = 0;
  const started = clock.ms;
  for (let i = 0; i < 1000; i++) {
    const wait = takers[i % 2]!.take(50_000);
    taken += 50_000;
    clock.ms += wait;
  }
  const perSecond = taken / ((clock.ms - started) / 1000);
  assert(perSecond > 9_900_000 && perSecond < 10_200_000, `${perSecond} bytes a second`);
});

Deno.test("what nobody took does not add up", () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket(newBucket(1_000_000), clock);
  bucket.take(1000);
  clock.ms += 60_000;
  const wait = bucket.take(1_000_000);
  assert(wait >= 940 && wait <= 1000, `${wait} ms for a second's worth after a minute's pause`);
});

Deno.test("0 is no limit, and a new limit counts at once", () => {
  const clock = new FakeClock();
  const state = newBucket(1);
  const bucket = new TokenBucket(state, clock);
  assert(bucket.take(1000) > 900_000);
  setRate(state, 0);
  assertEquals([bucket.limited, bucket.take(1e9)], [false, 0]);
  setRate(state, 1_000_000);
  const wait = bucket.take(1_000_000);
  assert(bucket.limited && wait >= 940 && wait <= 1000, `${wait} ms`);
});
