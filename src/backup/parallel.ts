/**
 * Doing several things at once, within limits.
 *
 * @module
 */
import { StoreError } from "../objectstore/store.ts";

/**
 * Calls `work` for each item, at most `limit` at once, in order of beginning. After the first failure begins nothing
 * more, aborts the signal that the others got, waits for them and throws that failure.
 *
 * @throws {StoreError} "cancelled" when `signal` was aborted.
 */
export async function forEachParallel<T>(
  items: Iterable<T>,
  { limit, signal }: { readonly limit: number; readonly signal?: AbortSignal },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const abort = new AbortController();
  const failures: unknown[] = [];
  const onAbort = () => abort.abort();
  signal?.addEventListener("abort", onAbort);
  const run = async () => {
    try {
      while (failures.length === 0) {
        throwIfCancelled(signal);
        const next = iterator.next();
        if (next.done) return;
        await work(next.value, abort.signal);
      }
    } catch (error) {
      failures.push(error);
      abort.abort();
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, limit) }, run));
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  if (failures.length > 0) throw failures[0];
}

/** @throws {StoreError} "cancelled" */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new StoreError("Cancelled", { kind: "cancelled" });
}

/** A number of units, such as bytes of memory, of which holders take some for a while; first come first served. */
export class Budget {
  readonly #total: number;
  #free: number;
  readonly #waiting: { readonly units: number; readonly go: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
    this.#free = total;
  }

  /** Whether a unit can be had at once. */
  get hasFree(): boolean {
    return this.#free > 0 && this.#waiting.length === 0;
  }

  /** Waits for so many units; more than there are count as all. @returns what gives them back. */
  async take(wanted: number): Promise<() => void> {
    const units = Math.min(wanted, this.#total);
    if (this.#waiting.length > 0 || this.#free < units) {
      await new Promise<void>((go) => this.#waiting.push({ units, go }));
    } else {
      this.#free -= units;
    }
    return () => {
      this.#free += units;
      for (let next = this.#waiting[0]; next && this.#free >= next.units; next = this.#waiting[0]) {
        this.#waiting.shift();
        this.#free -= next.units;
        next.go();
      }
    };
  }
}
