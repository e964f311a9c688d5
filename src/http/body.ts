/**
 * Request bodies: bounded, decompressed, in shared memory so that they reach other threads without a copy.
 *
 * The limits count decompressed bytes, and hold while decompressing: a small body that unfolds into a large one stops
 * at the limit.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { decodeBody } from "./decode_body.ts";

export interface BodyLimits {
  /** Decompressed bytes of one body. */
  readonly maxBytes: number;
  /** How long the client may send nothing; `DEFAULT_STALL_MS` unless told. */
  readonly stallMs?: number;
}

export const DEFAULT_STALL_MS = 60_000;

export const DEFAULT_PIECE_BYTES = 1 << 20;

/** Bodies up to this size are taken in one piece from the listener, which is cheaper than a stream. */
const MAX_WHOLE_BYTES = 64 << 10;

/**
 * How much of a refused body is read and thrown away before the answer, and for how long: a client that is still sending
 * when its connection is closed often sees the break instead of the answer.
 */
const MAX_DISCARDED_BYTES = 256 << 20;
const MAX_DISCARD_MS = 10_000;

/** Memory that the bodies of all running requests may take together. */
export class BodyBudget {
  #takenBytes = 0;

  /** @param limitBytes Asked at every body, so that a reload counts at once. */
  constructor(private readonly limitBytes: () => number) {}

  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** @throws {RequestError} 429 when it would be too much. */
  take(bytes: number): void {
    const limit = this.limitBytes();
    if (this.#takenBytes + bytes > limit) {
      throw new RequestError(
        `bodies of running requests hold ${this.#takenBytes} bytes; ${bytes} more would exceed the limit of ${limit} ` +
          `(limits.max_inflight_body_mb)`,
        { status: 429, type: "es_rejected_execution_exception", headers: { "retry-after": "1" } },
      );
    }
    this.#takenBytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#takenBytes -= bytes;
  }
}

/** One request's share of the budget. */
export class BodyAccount {
  #bytes = 0;

  constructor(private readonly budget: BodyBudget) {}

  take(bytes: number): void {
    this.budget.take(bytes);
    this.#bytes += bytes;
  }

  /** Gives all of it back. */
  close(): void {
    this.budget.giveBack(this.#bytes);
    this.#bytes = 0;
  }
}

/** What to read: a request and its stream of bytes as sent. */
export interface IncomingBody {
  readonly request: Request;
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly account: BodyAccount;
}

/** @throws {RequestError} 400, 408, 413, 415, 429. */
export async function readBody(
  body: IncomingBody,
  limits: BodyLimits,
): Promise<Uint8Array<SharedArrayBuffer>> {
  const { request, stream, account } = body;
  const { maxBytes, stallMs = DEFAULT_STALL_MS } = limits;
  const encoding = request.headers.get("content-encoding");
  const announced = request.headers.get("content-length");
  const sentBytes = announced === null ? undefined : Number(announced);
  if (sentBytes !== undefined && sentBytes > maxBytes) {
    await discard(stream.getReader(), request);
    throw tooLarge(maxBytes, sentBytes);
  }
  if (isIdentity(encoding) && sentBytes !== undefined) {
    account.take(sentBytes);
    return sentBytes <= MAX_WHOLE_BYTES
      ? await readWhole(request, sentBytes, stallMs)
      : await readKnown(body, sentBytes, stallMs);
  }
  return await readUnknown(decodeBody(chunks(body, stallMs), encoding), account, maxBytes);
}

/**
 * Pieces of exactly `pieceBytes`, the last one shorter; each in shared memory of its own.
 *
 * @throws {RequestError} 400, 408, 415, 429.
 */
export async function* bodyPieces(
  body: IncomingBody,
  { pieceBytes, stallMs }: { readonly pieceBytes: number; readonly stallMs: number },
): AsyncGenerator<Uint8Array<SharedArrayBuffer>, void, void> {
  // The piece that fills and the one that the consumer holds.
  body.account.take(2 * pieceBytes);
  const encoding = body.request.headers.get("content-encoding");
  let piece = sharedBytes(pieceBytes);
  let filled = 0;
  for await (const chunk of decodeBody(chunks(body, stallMs), encoding)) {
    for (let at = 0; at < chunk.length;) {
      const size = Math.min(chunk.length - at, pieceBytes - filled);
      piece.set(chunk.subarray(at, at + size), filled);
      at += size;
      filled += size;
      if (filled < pieceBytes) continue;
      yield piece;
      piece = sharedBytes(pieceBytes);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

export function sharedBytes(size: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(size));
}

function isIdentity(encoding: string | null): boolean {
  return encoding === null || encoding === "" || encoding.toLowerCase() === "identity";
}

async function readWhole(
  request: Request,
  sizeBytes: number,
  stallMs: number,
): Promise<Uint8Array<SharedArrayBuffer>> {
  const bytes = sharedBytes(sizeBytes);
  const read = await inTime(request.arrayBuffer(), stallMs).catch(brokenBody);
  bytes.set(new Uint8Array(read));
  return bytes;
}

async function readKnown(
  body: IncomingBody,
  sizeBytes: number,
  stallMs: number,
): Promise<Uint8Array<SharedArrayBuffer>> {
  const bytes = sharedBytes(sizeBytes);
  let filled = 0;
  for await (const chunk of chunks(body, stallMs)) {
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  return filled === sizeBytes ? bytes : bytes.subarray(0, filled);
}

async function readUnknown(
  source: AsyncIterable<Uint8Array>,
  account: BodyAccount,
  maxBytes: number,
): Promise<Uint8Array<SharedArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes, undefined);
    account.take(chunk.length);
    parts.push(chunk);
  }
  const bytes = sharedBytes(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The stream's chunks, each awaited for `stallMs` at most. When the consumer stops early, the rest is discarded. */
async function* chunks(
  { request, stream }: IncomingBody,
  stallMs: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const reader = stream.getReader();
  let refused = false;
  try {
    while (true) {
      const { done, value } = await inTime(reader.read(), stallMs).catch((error) => {
        reader.cancel().catch(clientGone);
        return brokenBody(error);
      });
      if (done) return;
      refused = true;
      yield value;
      refused = false;
    }
  } finally {
    if (refused) await discard(reader, request);
  }
}

/** Reads what the client still sends, within bounds. One that waits for "100 Continue" has sent nothing yet. */
async function discard(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  request: Request,
): Promise<void> {
  const deadline = performance.now() + MAX_DISCARD_MS;
  let discardedBytes = 0;
  try {
    while (!request.headers.has("expect") && discardedBytes < MAX_DISCARDED_BYTES) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      const { done, value } = await inTime(reader.read(), leftMs);
      if (done) return;
      discardedBytes += value.length;
    }
  } catch (error) {
    clientGone(error);
  }
  reader.cancel().catch(clientGone);
}

/** @throws {RequestError} 408 when `promise` takes longer. */
async function inTime<T>(promise: Promise<T>, stallMs: number): Promise<T> {
  let timer = 0;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() =>
      reject(
        new RequestError(`the body stalled for ${stallMs} ms`, {
          status: 408,
          type: "request_timeout_exception",
          headers: { connection: "close" },
        }),
      ), stallMs);
  });
  try {
    return await Promise.race([promise, stalled]);
  } finally {
    clearTimeout(timer);
  }
}

function brokenBody(error: unknown): never {
  if (error instanceof RequestError) throw error;
  const reason = error instanceof Error ? error.message : String(error);
  throw new RequestError(`the body could not be read: ${reason}`, {
    status: 400,
    type: "illegal_argument_exception",
    headers: { connection: "close" },
  });
}

/** Cancelling tells the listener that nobody reads on; whether the client is still there makes no difference. */
function clientGone(_error: unknown): void {}

function tooLarge(maxBytes: number, sentBytes: number | undefined): RequestError {
  const size = sentBytes === undefined ? "" : ` of ${sentBytes} bytes`;
  return new RequestError(
    `the body${size} exceeds the limit of ${maxBytes} bytes (limits.max_body_bytes)`,
    { status: 413, type: "content_too_long_exception", headers: { connection: "close" } },
  );
}
