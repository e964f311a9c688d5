/**
 * The real clock.
 *
 * @module
 */
import type { Clock } from "./fs.ts";
import { CLOCK_MONOTONIC, libc } from "./libc.ts";

/**
 * Monotonic time is the kernel's, the same on every thread and for every process: a deadline made on one thread
 * holds on another. (`performance.now()` alone starts anew in each worker.)
 */
export function systemClock(): Clock {
  const offsetMs = kernelMonotonicMs() - performance.now();
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now() + offsetMs,
  };
}

function kernelMonotonicMs(): number {
  const time = new BigInt64Array(2);
  libc().clock_gettime(CLOCK_MONOTONIC, new Uint8Array(time.buffer));
  return Number(time[0]!) * 1000 + Number(time[1]!) / 1e6;
}
