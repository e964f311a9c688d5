/**
 * An object's bytes, whole or a range, over as many connections as it takes.
 *
 * A stream that breaks, stands still or ends early is gone on with where it was, on the condition that the object is
 * still the one it began with. So what comes out is one object's bytes in order, all of them, or an error.
 *
 * @module
 */
import { Budget, secondsOf, StalledError, throwIfCancelled, wait } from "./retry.ts";
import { BadAnswerError, S3Error } from "./s3_errors.ts";
import type { S3Requests } from "./s3_requests.ts";
import { type ByteRange, StoreError } from "./store.ts";

export interface StreamOptions {
  readonly range?: ByteRange;
  readonly signal: AbortSignal | undefined;
}

interface Opened {
  readonly reader: ReadableStreamBYOBReader;
  readonly etag: string;
  /** Bytes that this answer will bring. */
  readonly length: number;
}

/** Bytes that are handed on at once, at most: the network brings less at a time, and handing on costs. */
const FILL_BYTES = 512 * 1024;
/** Bytes that are read at once, at most. */
const READ_BYTES = 128 * 1024;
const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 5_000;

/** @throws {StoreError} "missing", "damaged" when the object was replaced meanwhile or is shorter than the range. */
export async function* streamObject(
  requests: S3Requests,
  name: string,
  { range, signal }: StreamOptions,
): AsyncGenerator<Uint8Array> {
  const what = `get ${requests.placeOf(name)}`;
  if (range?.length === 0) return;
  const budget = new Budget(requests.retry.clock);
  const end = range ? range.offset + range.length : undefined;
  let at = range?.offset ?? 0;
  let etag: string | undefined;
  let breaks = 0;
  for (;;) {
    const opened = await open(requests, { name, what, at, end, etag, budget, signal });
    etag = opened.etag;
    const stop = at + opened.length;
    const watch = new StallWatch(opened.reader, requests.retry.attemptTimeoutMs, signal);
    try {
      while (at < stop) {
        const { bytes, failure } = await fill(opened.reader, Math.min(FILL_BYTES, stop - at), watch);
        if (bytes.length > 0) {
          at += bytes.length;
          breaks = 0;
          watch.pause();
          yield bytes;
          // However long the caller took: it is the store's time that is measured.
          budget.progress();
          watch.resume();
        }
        if (failure) throw failure.cause;
      }
      return;
    } catch (cause) {
      throwIfCancelled(what, signal);
      const failure = requests.judge(cause, what);
      if (failure.retries === 0 || budget.idleMs > requests.retry.giveUpAfterMs) throw failure.error;
      requests.tellRetry(failure);
      const waitMs = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** breaks++);
      await wait(waitMs / 2 + Math.random() * waitMs / 2, what, signal);
    } finally {
      watch.end();
      // Also when the caller stops early. A stream that has failed already refuses this, and holds nothing.
      await opened.reader.cancel().catch(() => undefined);
    }
  }
}

interface OpenRequest {
  readonly name: string;
  readonly what: string;
  /** First byte that is wanted. */
  readonly at: number;
  /** Byte behind the last that is wanted; undefined: up to the object's end. */
  readonly end: number | undefined;
  /** Of the object that earlier bytes came from. */
  readonly etag: string | undefined;
  readonly budget: Budget;
  readonly signal: AbortSignal | undefined;
}

async function open(requests: S3Requests, request: OpenRequest): Promise<Opened> {
  const { name, what, at, end, etag, budget, signal } = request;
  const isRange = at > 0 || end !== undefined;
  try {
    return await requests.call({ what, budget, signal }, async ({ s3, client }, attempt) => {
      const command = new s3.GetObjectCommand({
        ...requests.key(name),
        ...(isRange ? { Range: `bytes=${at}-${end === undefined ? "" : end - 1}` } : {}),
        ...(etag === undefined ? {} : { IfMatch: etag }),
      });
      const answer = await client.send(command, { abortSignal: attempt.signal });
      if (!answer.Body) throw new BadAnswerError("the answer has no bytes");
      const body = answer.Body.transformToWebStream() as ReadableStream<Uint8Array>;
      const reader = body.getReader({ mode: "byob" });
      try {
        return { reader, ...checked(answer, request, isRange) };
      } catch (error) {
        // The answer is refused as it is; how its rest ends does not matter.
        await reader.cancel().catch(() => undefined);
        throw error;
      }
    });
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    if (error.kind === "precondition") throw replaced(what);
    if (error.status === 416) throw tooShort(what, at, end);
    throw error;
  }
}

interface Answer {
  readonly ETag?: string | undefined;
  readonly ContentLength?: number | undefined;
  readonly ContentRange?: string | undefined;
}

function checked(answer: Answer, request: OpenRequest, isRange: boolean): { etag: string; length: number } {
  const { ETag: etag, ContentLength: length, ContentRange: range } = answer;
  const { what, at, end } = request;
  if (!etag) throw new BadAnswerError("the answer has no etag");
  if (length === undefined) throw new BadAnswerError("the answer has no length");
  if (request.etag !== undefined && etag !== request.etag) throw replaced(what);
  if (!isRange) return { etag, length };
  const first = /^bytes (\d+)-\d+\//.exec(range ?? "")?.[1];
  if (first === undefined || Number(first) !== at) {
    throw new StoreError(`Cannot ${what}: asked for the bytes from ${at}, the store sent others`, {
      kind: "unsupported",
      hint: "The store, or a proxy before it, ignores Range.",
    });
  }
  if (end !== undefined && length < end - at) throw tooShort(what, at, end);
  return { etag, length };
}

function replaced(what: string): StoreError {
  return new StoreError(`Cannot ${what}: it was replaced while it was read`, { kind: "damaged" });
}

function tooShort(what: string, at: number, end: number | undefined): StoreError {
  const wanted = end === undefined ? `the bytes from ${at}` : `the bytes from ${at} to ${end}`;
  return new StoreError(`Cannot ${what}: the object is too short for ${wanted}`, { kind: "damaged" });
}

/** What `fill` got: with a failure, what came before it. */
interface Filled {
  readonly bytes: Uint8Array;
  readonly failure?: { readonly cause: unknown };
}

/** Reads `length` bytes. */
async function fill(reader: ReadableStreamBYOBReader, length: number, watch: StallWatch): Promise<Filled> {
  const bytes = new Uint8Array(length);
  let at = 0;
  try {
    // What a read is given is gone if it fails, hence a buffer of its own.
    for (let buffer = new ArrayBuffer(READ_BYTES); at < length;) {
      const wanted = new Uint8Array(buffer, 0, Math.min(READ_BYTES, length - at));
      const { done, value } = await reader.read(wanted);
      watch.progress();
      if (done || value === undefined) throw new BadAnswerError("the stream ended before all bytes came");
      bytes.set(value, at);
      at += value.length;
      buffer = value.buffer;
    }
    return { bytes };
  } catch (cause) {
    return { bytes: bytes.subarray(0, at), failure: { cause } };
  }
}

/** Ends the reading of a stream from which nothing comes any more, or that nobody wants any more. One timer for all reads. */
class StallWatch {
  readonly #reader: ReadableStreamBYOBReader;
  readonly #limitMs: number;
  readonly #signal: AbortSignal | undefined;
  #failure: StalledError | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastMs = performance.now();
  #isPaused = false;

  constructor(reader: ReadableStreamBYOBReader, limitMs: number, signal: AbortSignal | undefined) {
    this.#reader = reader;
    this.#limitMs = limitMs;
    this.#signal = signal;
    this.#arm(limitMs);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (signal?.aborted) this.#onAbort();
  }

  /** @throws {StalledError} The reading was ended. */
  progress(): void {
    if (this.#failure) throw this.#failure;
    this.#lastMs = performance.now();
  }

  /** What the caller takes from here on does not count. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#lastMs = performance.now();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = () => this.#stop("cancelled");

  #arm(ms: number): void {
    this.#timer = setTimeout(() => {
      const leftMs = this.#isPaused ? this.#limitMs : this.#lastMs + this.#limitMs - performance.now();
      if (leftMs > 0) this.#arm(leftMs);
      else this.#stop(`nothing came for ${secondsOf(this.#limitMs)} s`);
    }, ms);
  }

  /** A read that waits gets nothing then, and sees why. */
  #stop(reason: string): void {
    this.#failure = new StalledError(reason);
    // One that broke by itself meanwhile refuses this, and says so to whoever reads it.
    this.#reader.cancel().catch(() => undefined);
  }
}
