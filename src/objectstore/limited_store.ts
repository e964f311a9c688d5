/**
 * A store that is used no faster than is wished.
 *
 * The limit holds for what goes up and comes down together, over all stores that share one `Bandwidth`, and can be
 * changed while they run: waiting calls notice within a moment. Uploads are paid for as their source is read, which is
 * a part at a time, so over a short while they may be faster; downloads piece by piece.
 *
 * @module
 */
import { systemClock } from "../os/clock.ts";
import type { Clock } from "../os/fs.ts";
import { wait } from "./retry.ts";
import type {
  ByteRange,
  CallOptions,
  ObjectInfo,
  ObjectSource,
  ObjectStore,
  ObjectVersions,
  PutFileOptions,
  PutOptions,
  StoreLock,
} from "./store.ts";

/** Unused bandwidth does not add up beyond this long. */
const BURST_MS = 50;

/** A waiting call looks so often whether the limit has changed. */
const GLANCE_MS = 100;

/** Bytes a second, for one store or several. */
export class Bandwidth {
  readonly #clock: Clock;
  #bytesPerSecond: number;
  /** Monotonic time at which all that was taken is paid for. */
  #paidMs = 0;
  #throttledMs = 0;
  #waiting = 0;
  #waitingSinceMs = 0;
  /** Counts changes of the limit: debts of before are forgiven. */
  #change = 0;

  /** @param bytesPerSecond 0: no limit. */
  constructor(bytesPerSecond = 0, clock: Clock = systemClock()) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
  }

  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  /** 0: no limit. */
  set bytesPerSecond(value: number) {
    if (value === this.#bytesPerSecond) return;
    this.#bytesPerSecond = value;
    this.#paidMs = 0;
    this.#change++;
  }

  /** Seconds in which at least one call waited because of the limit. */
  get throttledSeconds(): number {
    const current = this.#waiting > 0 ? this.#clock.monotonicMs() - this.#waitingSinceMs : 0;
    return (this.#throttledMs + current) / 1000;
  }

  /** Resolves when `bytes` may pass. @throws {StoreError} "cancelled" */
  async take(bytes: number, { signal }: CallOptions = {}): Promise<void> {
    if (this.#bytesPerSecond <= 0) return;
    const now = this.#clock.monotonicMs();
    this.#paidMs = Math.max(this.#paidMs, now - BURST_MS) + bytes * 1000 / this.#bytesPerSecond;
    const untilMs = this.#paidMs;
    if (untilMs <= now) return;
    const change = this.#change;
    if (this.#waiting++ === 0) this.#waitingSinceMs = now;
    try {
      for (;;) {
        const leftMs = untilMs - this.#clock.monotonicMs();
        if (leftMs <= 0 || change !== this.#change) return;
        await wait(Math.min(leftMs, GLANCE_MS), "go on", signal);
      }
    } finally {
      if (--this.#waiting === 0) this.#throttledMs += this.#clock.monotonicMs() - this.#waitingSinceMs;
    }
  }
}

/** The same store, within the limit. Closing it closes the store. */
export function limitedStore(store: ObjectStore, bandwidth: Bandwidth): ObjectStore {
  return new LimitedStore(store, bandwidth);
}

/** Paid for at a time, so that a piece of a big part does not wait for all of it at once. */
const STEP_BYTES = 256 * 1024;

class LimitedStore implements ObjectStore {
  constructor(private readonly store: ObjectStore, private readonly bandwidth: Bandwidth) {}

  get place(): string {
    return this.store.place;
  }

  get lock(): StoreLock | undefined {
    return this.store.lock;
  }

  get objectLock(): ObjectStore["objectLock"] {
    return this.store.objectLock?.bind(this.store);
  }

  get versions(): ObjectVersions | undefined {
    return this.store.versions;
  }

  head(name: string, options?: CallOptions): Promise<ObjectInfo | undefined> {
    return this.store.head(name, options);
  }

  async get(
    name: string,
    options: CallOptions = {},
  ): Promise<{ readonly bytes: Uint8Array; readonly etag: string } | undefined> {
    const found = await this.store.get(name, options);
    if (found) await this.#pay(found.bytes.length, options.signal);
    return found;
  }

  async *stream(
    name: string,
    options: CallOptions & { readonly range?: ByteRange } = {},
  ): AsyncGenerator<Uint8Array> {
    for await (const piece of this.store.stream(name, options)) {
      await this.#pay(piece.length, options.signal);
      yield piece;
    }
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<string> {
    await this.#pay(bytes.length, options.signal);
    return await this.store.put(name, bytes, options);
  }

  async putFile(name: string, source: ObjectSource, options: PutFileOptions = {}): Promise<void> {
    const paced: ObjectSource = {
      sizeBytes: source.sizeBytes,
      sha256: source.sha256,
      read: async (offset, length) => {
        const bytes = await source.read(offset, length);
        await this.#pay(length, options.signal);
        return bytes;
      },
    };
    await this.store.putFile(name, paced, options);
  }

  list(prefix: string, options?: CallOptions): AsyncIterable<ObjectInfo> {
    return this.store.list(prefix, options);
  }

  delete(names: readonly string[], options?: CallOptions): Promise<void> {
    return this.store.delete(names, options);
  }

  abortUploads(prefix: string, options?: CallOptions): Promise<number> {
    return this.store.abortUploads(prefix, options);
  }

  close(): void {
    this.store.close();
  }

  async #pay(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const options = signal ? { signal } : {};
    for (let at = 0; at < bytes; at += STEP_BYTES) {
      await this.bandwidth.take(Math.min(STEP_BYTES, bytes - at), options);
    }
  }
}
