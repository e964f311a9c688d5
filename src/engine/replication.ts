/**
 * Writes that wait until the log has left the machine (`wal_sync = "replicated"`). One of these per writer thread; main's
 * shipper tells it how far it has come. Everything that waits when a round begins is acknowledged by that round.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { ShippedUpTo } from "./messages.ts";

interface Waiting {
  readonly incarnation: string;
  readonly lsn: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly timer: number;
}

export interface ReplicationOptions {
  /** Tells main that somebody waits: a round begins as soon as none runs. */
  readonly wanted: () => void;
  /** How long a write waits at most. */
  readonly timeoutMs: () => number;
}

export class Replication {
  readonly #options: ReplicationOptions;
  readonly #waiting = new Set<Waiting>();
  #shipped: ShippedUpTo = { lsn: 0, incomplete: [] };
  #failure: string | undefined;

  constructor(options: ReplicationOptions) {
    this.#options = options;
  }

  /**
   * Resolves when a record has arrived.
   *
   * @throws {RequestError} 503: it has not yet, in the time that a request may take. It stays written, and is shipped when
   * that is possible again.
   */
  arrived(incarnation: string, lsn: number): Promise<void> {
    if (this.#has(incarnation, lsn)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timeoutMs = this.#options.timeoutMs();
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(this.#late(timeoutMs));
      }, timeoutMs);
      const waiting: Waiting = { incarnation, lsn, resolve, reject, timer };
      this.#waiting.add(waiting);
      this.#options.wanted();
    });
  }

  /** A round is through. */
  shipped(upTo: ShippedUpTo): void {
    this.#shipped = upTo;
    this.#failure = undefined;
    for (const waiting of this.#waiting) {
      if (!this.#has(waiting.incarnation, waiting.lsn)) continue;
      clearTimeout(waiting.timer);
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
    if (this.#waiting.size > 0) this.#options.wanted();
  }

  /** A round has failed; whoever waits in vain hears why. */
  failed(reason: string): void {
    this.#failure = reason;
  }

  /** Nothing is shipped any more: nobody waits in vain. */
  stop(): void {
    for (const { reject, timer } of this.#waiting) {
      clearTimeout(timer);
      reject(this.#late(0));
    }
    this.#waiting.clear();
  }

  #has(incarnation: string, lsn: number): boolean {
    return lsn <= this.#shipped.lsn && !this.#shipped.incomplete.includes(incarnation);
  }

  #late(timeoutMs: number): RequestError {
    const why = this.#failure === undefined ? "" : `: ${this.#failure}`;
    const after = timeoutMs > 0 ? ` after ${timeoutMs} ms` : "";
    return new RequestError(
      `the write is on disk here, but not in the bucket${after}${why}; it is shipped as soon as that is possible`,
      { status: 503, type: "not_replicated_exception", headers: { "retry-after": "5" } },
    );
  }
}
