/**
 * Threads that share nothing but `SharedArrayBuffer`s and mapped files, and talk by messages.
 *
 * @module
 */
import { libc, PRIO_PROCESS } from "./libc.ts";

/** One side's view of the other: a thread as its parent sees it, or the parent as a thread sees it. */
export interface Channel<In, Out> {
  post(message: Out, transfer?: readonly Transferable[]): void;
  /** Replaces the receiver. Messages that arrive before the first one are kept. */
  receive(receiver: (message: In) => void): void;
}

export interface Thread<In, Out> extends Channel<In, Out> {
  readonly name: string;
  /** Called once when the thread failed: its code threw, or its entry file could not be loaded. */
  onFailure(receiver: (reason: string) => void): void;
  /** Ends the thread where it stands. */
  terminate(): void;
}

/**
 * Starts a thread.
 *
 * A failure of the thread does not end the process as Deno would have it: it goes to `onFailure`, and whoever
 * started the thread decides.
 *
 * @param entry Its first module; `new URL("./x.ts", import.meta.url)` also works in a compiled executable.
 * @param name Shown in errors and debuggers.
 */
export function spawnWorker<In, Out>(entry: URL, name: string): Thread<In, Out> {
  const worker = new Worker(entry, { type: "module", name });
  const inbox = new Inbox<In>();
  let failed: string | undefined;
  let onFailure: ((reason: string) => void) | undefined;
  const fail = (reason: string): void => {
    if (failed !== undefined) return;
    failed = reason;
    onFailure?.(reason);
  };
  worker.onmessage = (event: MessageEvent<In>) => inbox.put(event.data);
  worker.onmessageerror = () => fail(`thread ${name} sent a message that cannot be read`);
  worker.onerror = (event) => {
    event.preventDefault();
    fail(`thread ${name} failed: ${event.message}`);
  };
  return {
    name,
    post: (message, transfer) => worker.postMessage(message, transfer ? [...transfer] : []),
    receive: (receiver) => inbox.open(receiver),
    onFailure(receiver) {
      onFailure = receiver;
      if (failed !== undefined) receiver(failed);
    },
    terminate: () => worker.terminate(),
  };
}

/** For a thread's entry module: the channel to whoever started it. */
export function parentThread<In, Out>(): Channel<In, Out> {
  const scope = self as unknown as DedicatedScope<In>;
  const inbox = new Inbox<In>();
  scope.onmessage = (event) => inbox.put(event.data);
  return {
    post: (message, transfer) => scope.postMessage(message, transfer ? [...transfer] : []),
    receive: (receiver) => inbox.open(receiver),
  };
}

/**
 * Lets other threads go first where there are not enough cores: Linux keeps the priority for each thread. A hint that
 * never fails.
 *
 * @param nice 1 to 19.
 */
export function lowerPriority(nice: number): void {
  libc().setpriority(PRIO_PROCESS, 0, nice);
}

/** Threads that the machine can run at once; at least 1. */
export function availableCores(): number {
  return Math.max(1, navigator.hardwareConcurrency);
}

interface DedicatedScope<In> {
  onmessage: ((event: MessageEvent<In>) => void) | null;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

/** Keeps what arrives before anyone listens, in order. */
class Inbox<T> {
  #waiting: T[] = [];
  #receiver: ((message: T) => void) | undefined;

  put(message: T): void {
    if (this.#receiver) this.#receiver(message);
    else this.#waiting.push(message);
  }

  open(receiver: (message: T) => void): void {
    this.#receiver = receiver;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) receiver(message);
  }
}
