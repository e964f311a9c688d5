/**
 * When to try again, and when to give up.
 *
 * A call is tried until it succeeds, fails for good, or nothing at all has moved for `giveUpAfterMs`. Any progress, of
 * any part of the same operation, starts that time anew: an hour's upload over a bad line goes on as long as
 * something arrives, and a cut shorter than the budget only costs its length.
 *
 * @module
 */
import type { Clock } from "../os/fs.ts";
import { StoreError } from "./store.ts";

/** First wait; each further one may be twice as long, to `MAX_WAIT_MS`, less jitter. */
const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 5_000;

/** A store that asks for more patience than this is asked again sooner. */
const MAX_ASKED_WAIT_MS = 30_000;

/** So often even when one try alone outlasts the budget, as on a very slow line. */
const MIN_TRIES = 3;

/** A line slower than this is taken for a dead one, at first; each time it is found so, for half of it. */
const SLOWEST_BYTES_PER_SECOND = 256 * 1024;

export interface RetryOptions {
  /** Without any progress for so long, an operation fails. */
  readonly giveUpAfterMs: number;
  /** One try is abandoned when it stands still for so long. */
  readonly attemptTimeoutMs: number;
  readonly clock: Clock;
}

/** Progress of one operation, shared by its parts. */
export class Budget {
  #lastMs: number;

  constructor(private readonly clock: Clock) {
    this.#lastMs = clock.monotonicMs();
  }

  progress(): void {
    this.#lastMs = this.clock.monotonicMs();
  }

  get idleMs(): number {
    return this.clock.monotonicMs() - this.#lastMs;
  }
}

/** One try. */
export interface Attempt {
  /** 1, 2, ... */
  readonly number: number;
  /** Ends the try: too slow, or the caller's wish. */
  readonly signal: AbortSignal;
  /** Whether an earlier try may have been carried out although no answer came. */
  readonly maybeDone: boolean;
  /** Bytes moved. */
  progress(): void;
}

/** A failed try, judged. */
export interface Failure {
  readonly error: StoreError;
  /** Tries that may follow it at most; undefined: as many as fit into the budget; 0: none. */
  readonly retries: number | undefined;
  /** The store may have done it all the same. */
  readonly maybeDone: boolean;
  /** Wait asked for by the store. */
  readonly waitMs?: number;
}

export interface AttemptOptions {
  /** What is done to what, such as "put s3://b/x", for the words of giving up. */
  readonly what: string;
  readonly judge: (cause: unknown, attempt: Attempt) => Failure;
  readonly signal?: AbortSignal;
  /** Default: one of its own. */
  readonly budget?: Budget;
  /** Sent by each try without progress that could be seen: allows a try to take longer. Default 0. */
  readonly silentBytes?: number;
  readonly onRetry?: (failure: Failure) => void;
}

/** Thrown by a try that stood still. */
export class StalledError extends Error {
  override readonly name = "StalledError";
}

/** Calls until it succeeds. @throws {StoreError} */
export async function withRetries<T>(
  call: (attempt: Attempt) => Promise<T>,
  retry: RetryOptions,
  options: AttemptOptions,
): Promise<T> {
  const { what, judge, signal, silentBytes = 0 } = options;
  const budget = options.budget ?? new Budget(retry.clock);
  const startMs = retry.clock.monotonicMs();
  let maybeDone = false;
  let stalls = 0;
  for (let number = 1;; number++) {
    throwIfCancelled(what, signal);
    const silentMs = silentBytes * 1000 / SLOWEST_BYTES_PER_SECOND;
    const limitMs = (retry.attemptTimeoutMs + silentMs) * 2 ** Math.min(stalls, 4);
    const watch = new Watch(limitMs, signal);
    const attempt: Attempt = {
      number,
      signal: watch.signal,
      maybeDone,
      progress: () => {
        watch.progress();
        budget.progress();
      },
    };
    let failure: Failure;
    try {
      const result = await call(attempt);
      budget.progress();
      return result;
    } catch (cause) {
      throwIfCancelled(what, signal);
      if (watch.stalled) stalls++;
      const reason = watch.stalled ? new StalledError(`nothing moved for ${secondsOf(limitMs)} s`) : cause;
      failure = judge(reason, attempt);
    } finally {
      watch.end();
    }
    maybeDone ||= failure.maybeDone;
    if (failure.retries === 0) throw failure.error;
    const isOver = failure.retries !== undefined
      ? number > failure.retries
      : number >= MIN_TRIES && budget.idleMs > retry.giveUpAfterMs;
    if (isOver) {
      const seconds = ((retry.clock.monotonicMs() - startMs) / 1000).toFixed(1);
      throw new StoreError(`${failure.error.message} (given up after ${number} tries, ${seconds} s)`, {
        kind: failure.error.kind,
        hint: failure.error.hint,
      });
    }
    options.onRetry?.(failure);
    await wait(Math.max(backoffMs(number), Math.min(failure.waitMs ?? 0, MAX_ASKED_WAIT_MS)), what, signal);
  }
}

/** ms as seconds, for words. */
export function secondsOf(ms: number): string {
  return String(Math.round(ms / 100) / 10);
}

/** Half of it is chance, so that clients that failed together do not come back together. */
function backoffMs(tries: number): number {
  const ms = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (tries - 1));
  return ms / 2 + Math.random() * ms / 2;
}

/** Resolves after `ms`. @throws {StoreError} "cancelled" as soon as `signal` aborts. */
export function wait(ms: number, what: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled(what));
    const end = () => {
      clearTimeout(timer);
      reject(cancelled(what));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, ms);
    signal?.addEventListener("abort", end, { once: true });
  });
}

/** @throws {StoreError} "cancelled" */
export function throwIfCancelled(what: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(what);
}

function cancelled(what: string): StoreError {
  return new StoreError(`Cannot ${what}: cancelled`, { kind: "cancelled" });
}

/** Aborts a try that stands still. */
export class Watch {
  readonly #controller = new AbortController();
  readonly #limitMs: number;
  readonly #outer: AbortSignal | undefined;
  readonly #onOuter = () => this.#controller.abort();
  #timer = 0;
  #moved = false;
  stalled = false;

  constructor(limitMs: number, outer: AbortSignal | undefined) {
    this.#limitMs = limitMs;
    this.#outer = outer;
    outer?.addEventListener("abort", this.#onOuter, { once: true });
    if (outer?.aborted) this.#controller.abort();
    this.#arm();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Cheap: called for every piece that arrives, so the timer is only looked at when it fires. */
  progress(): void {
    this.#moved = true;
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#onOuter);
  }

  #arm(): void {
    this.#timer = setTimeout(() => {
      if (!this.#moved) {
        this.stalled = true;
        this.#controller.abort();
        return;
      }
      this.#moved = false;
      this.#arm();
    }, this.#limitMs);
  }
}

/** So many at a time; the others wait in order. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async use<T>(run: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
