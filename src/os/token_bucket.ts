/**
 * One rate for several threads: who takes bytes waits until those taken before, by any thread, are paid for.
 *
 * Shape: a `BigInt64Array` of 2 over shared memory. [0]: kernel's monotonic time, ns, at which all that was taken is
 * paid for; [1]: bytes a second, 0 for no limit, which may change at any time.
 *
 * @module
 */
import type { Clock } from "./fs.ts";

/** Bytes that nobody took do not add up beyond this long. */
const BURST_NS = 50_000_000n;

export class TokenBucket {
  readonly #state: BigInt64Array;
  readonly #clock: Clock;

  /** @param clock `monotonicMs` is the same on every thread. */
  constructor(state: BigInt64Array, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  /** Takes `bytes`. @returns ms to wait before going on; 0 without a limit. */
  take(bytes: number): number {
    const rate = Atomics.load(this.#state, 1);
    if (rate <= 0n) return 0;
    const now = BigInt(Math.round(this.#clock.monotonicMs() * 1e6));
    const costNs = BigInt(Math.ceil(bytes)) * 1_000_000_000n / rate;
    for (;;) {
      const paid = Atomics.load(this.#state, 0);
      const next = (paid > now - BURST_NS ? paid : now - BURST_NS) + costNs;
      if (Atomics.compareExchange(this.#state, 0, paid, next) !== paid) continue;
      return next > now ? Number(next - now) / 1e6 : 0;
    }
  }

  /** Whether there is a limit at all. */
  get limited(): boolean {
    return Atomics.load(this.#state, 1) > 0n;
  }
}

/** The memory of a bucket. */
export function newBucket(bytesPerSecond: number): BigInt64Array {
  const state = new BigInt64Array(new SharedArrayBuffer(16));
  setRate(state, bytesPerSecond);
  return state;
}

/** Changes the rate; debts at the old one are forgiven, so that nobody waits long for a limit that has gone. */
export function setRate(state: BigInt64Array, bytesPerSecond: number): void {
  const rate = BigInt(Math.round(bytesPerSecond));
  if (Atomics.load(state, 1) === rate) return;
  Atomics.store(state, 1, rate);
  Atomics.store(state, 0, 0n);
}
