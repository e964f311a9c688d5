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
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly etag: string;
  /** Bytes that this answer will bring. */
  readonly length: number;
}

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
    try {
      while (at < stop) {
        const piece = await readOrStall(opened.reader, requests.retry.attemptTimeoutMs, signal);
        if (piece === undefined) throw new BadAnswerError(`the stream ended ${stop - at} bytes early`);
        if (piece.length === 0) continue;
        if (piece.length > stop - at) throw new BadAnswerError("more bytes came than were announced");
        at += piece.length;
        breaks = 0;
        yield piece;
        // However long the caller took: it is the store's time that is measured.
        budget.progress();
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
      const reader = (answer.Body.transformToWebStream() as ReadableStream<Uint8Array>).getReader();
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

/** The next piece; undefined at the end. @throws {StalledError} Nothing came for so long. */
async function readOrStall(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  limitMs: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  let stop = () => {};
  const stalled = new Promise<never>((_resolve, reject) => {
    const onAbort = () => reject(new StalledError("cancelled"));
    const timer = setTimeout(
      () => reject(new StalledError(`nothing came for ${secondsOf(limitMs)} s`)),
      limitMs,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    if (signal?.aborted) onAbort();
  });
  try {
    const { done, value } = await Promise.race([reader.read(), stalled]);
    return done ? undefined : value;
  } finally {
    stop();
  }
}
