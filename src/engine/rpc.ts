/**
 * Calls between threads: one message there, one back, over anything that has `postMessage`.
 *
 * Failures travel as values and are thrown again on the other side with their kind, so that a `RequestError` of a
 * worker reaches the client as it was meant.
 *
 * @module
 */
import { CorruptionError, type ErrorCause, IoError, RequestError } from "../base/errors.ts";
import { OpenRefusedError, type RefusalCode } from "../wal/refused.ts";

/** A `Worker`, a `MessagePort`, or a worker's own global scope. */
export interface Port {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

/** A reply whose buffers move instead of being copied. */
export class Moved<T> {
  constructor(readonly value: T, readonly transfer: Transferable[]) {}
}

export type Handler = (payload: never) => unknown;

type Message =
  | { readonly type: "call"; readonly id: number; readonly name: string; readonly payload: unknown }
  | { readonly type: "notify"; readonly name: string; readonly payload: unknown }
  | { readonly type: "value"; readonly id: number; readonly value: unknown }
  | { readonly type: "failure"; readonly id: number; readonly failure: Failure };

interface Failure {
  readonly kind: "request" | "corruption" | "io" | "refused" | "other";
  readonly message: string;
  readonly stack: string | undefined;
  readonly request?: {
    readonly status: number;
    readonly type: string;
    readonly details: Readonly<Record<string, unknown>>;
    readonly headers: Readonly<Record<string, string>>;
    readonly causedBy: ErrorCause | undefined;
  };
  readonly corruption?: { readonly file: string; readonly offset: number };
  readonly refused?: { readonly code: RefusalCode; readonly files: readonly string[] };
  readonly io?: { readonly operation: string; readonly path: string; readonly code: string };
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** One end of a connection between two threads. Both ends may call. */
export class Rpc {
  readonly #port: Port;
  readonly #handlers: Readonly<Record<string, Handler>>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onCorruption: (file: string) => void;
  #nextId = 1;

  /** @param onCorruption Hears of files that calls to the other side found damaged, beside the caller. */
  constructor(
    port: Port,
    handlers: Readonly<Record<string, Handler>>,
    onCorruption: (file: string) => void = () => {},
  ) {
    this.#onCorruption = onCorruption;
    this.#port = port;
    this.#handlers = handlers;
    port.onmessage = (event) => this.#receive(event.data as Message);
  }

  /** Calls made whose answer has not come. */
  get pending(): number {
    return this.#waiting.size;
  }

  call<T>(name: string, payload: unknown, transfer: Transferable[] = []): Promise<T> {
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#port.postMessage({ type: "call", id, name, payload } satisfies Message, transfer);
    });
  }

  notify(name: string, payload: unknown): void {
    this.#port.postMessage({ type: "notify", name, payload } satisfies Message);
  }

  /** Fails every call that waits: the other thread is gone. */
  failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #receive(message: Message): void {
    if (message.type === "call") {
      this.#answer(message.id, message.name, message.payload);
      return;
    }
    if (message.type === "notify") {
      this.#handlers[message.name]!(message.payload as never);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    this.#waiting.delete(message.id);
    if (message.type === "value") waiting.resolve(message.value);
    else {
      waiting.reject(thaw(message.failure));
      const file = message.failure.corruption?.file ?? "";
      if (file !== "") this.#onCorruption(file);
    }
  }

  async #answer(id: number, name: string, payload: unknown): Promise<void> {
    try {
      const handler = this.#handlers[name];
      if (!handler) throw new Error(`no handler for ${name}`);
      const value = await handler(payload as never);
      if (value instanceof Moved) {
        this.#port.postMessage({ type: "value", id, value: value.value } satisfies Message, value.transfer);
      } else {
        this.#port.postMessage({ type: "value", id, value } satisfies Message);
      }
    } catch (error) {
      this.#port.postMessage({ type: "failure", id, failure: freezeError(error) } satisfies Message);
    }
  }
}

function freezeError(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? error.stack : undefined;
  if (error instanceof RequestError) {
    const { status, type, details, headers, causedBy } = error;
    return { kind: "request", message, stack, request: { status, type, details, headers, causedBy } };
  }
  if (error instanceof CorruptionError) {
    return { kind: "corruption", message, stack, corruption: { file: error.file, offset: error.offset } };
  }
  if (error instanceof IoError) {
    const { operation, path, code } = error;
    return { kind: "io", message, stack, io: { operation, path, code } };
  }
  if (error instanceof OpenRefusedError) {
    return { kind: "refused", message, stack, refused: { code: error.code, files: error.files } };
  }
  return { kind: "other", message, stack };
}

function thaw(failure: Failure): Error {
  const error = rebuild(failure);
  if (failure.stack !== undefined) error.stack = failure.stack;
  error.message = failure.message;
  return error;
}

function rebuild({ message, request, corruption, io, refused }: Failure): Error {
  if (request) return requestError(message, request);
  if (corruption) {
    return new CorruptionError(message, corruption.offset < 0 ? { file: corruption.file } : corruption);
  }
  if (refused) return new OpenRefusedError(refused.code, message, refused.files);
  if (io) return new IoError(io.operation, io.path, Object.assign(new Error(message), { code: io.code }));
  return new Error(message);
}

function requestError(reason: string, request: NonNullable<Failure["request"]>): RequestError {
  const { causedBy, ...rest } = request;
  return new RequestError(reason, causedBy ? { ...rest, causedBy } : rest);
}
