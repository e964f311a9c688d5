/**
 * How much may be under way at once: searches wait in a bounded queue, write bytes are counted; past the bound the
 * answer is 429 with Retry-After rather than memory without end.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";

/** At most `limit` holders; at most `queue` more wait. */
export class Gate {
  #active = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(
    readonly name: string,
    readonly limits: () => { readonly limit: number; readonly queue: number },
  ) {}

  get active(): number {
    return this.#active;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  /** Runs `work` when there is room. @throws {RequestError} 429 when the queue is full. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    const { limit, queue } = this.limits();
    if (this.#active >= limit) {
      if (this.#waiting.length >= queue) {
        throw new RequestError(
          `too many concurrent ${this.name}: ${this.#active} run and ${this.#waiting.length} wait`,
          { status: 429, type: "es_rejected_execution_exception", headers: { "retry-after": "1" } },
        );
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#active++;
    }
    try {
      return await work();
    } finally {
      // The place goes straight to the next in line, so that nobody overtakes.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#active--;
    }
  }
}

/** Bytes of write bodies that are on their way to a writer. */
export class WriteBudget {
  #bytes = 0;

  constructor(readonly limitBytes: () => number) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws {RequestError} 429 when the bytes would not fit; a single body always fits an empty budget. */
  async hold<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.#bytes > 0 && this.#bytes + bytes > this.limitBytes()) {
      throw new RequestError(
        `rejected execution: ${this.#bytes} bytes of writes are under way, ${bytes} more exceed the limit of ${this.limitBytes()}`,
        { status: 429, type: "es_rejected_execution_exception", headers: { "retry-after": "1" } },
      );
    }
    this.#bytes += bytes;
    try {
      return await work();
    } finally {
      this.#bytes -= bytes;
    }
  }
}
