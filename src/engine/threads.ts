/**
 * Which threads are there, and which of them has a shard? Main's side of every connection.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import type { HydratingFile } from "../os/shared_blocks.ts";
import type { NodeSettings } from "./messages.ts";
import { type Handler, type Port, Rpc } from "./rpc.ts";

/** First message to a thread; the port speaks `Rpc` from then on. */
export interface ThreadStart {
  readonly kind: "writer" | "searcher" | "merger" | "shipper" | "hydrator" | "driller";
  readonly number: number;
  readonly settings: NodeSettings;
  /** The node's LSN counter. */
  readonly lsn: BigInt64Array;
  /** What all mergers together may read and write, see `os/token_bucket.ts`. */
  readonly mergeBucket: BigInt64Array;
  readonly boot: { readonly bootId: string; readonly isCopy: boolean; readonly cleanStop: boolean };
  /** Segment files that a lazy restore is still bringing. */
  readonly hydrating: readonly HydratingFile[];
}

export interface Thread {
  readonly port: Port;
  terminate(): void;
}

/** Makes threads: real workers, or objects in this thread for tests. */
export type ThreadFactory = (start: ThreadStart, onError: (error: Error) => void) => Thread;

/** A line of another thread's log. */
export interface RemoteLogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Record<string, unknown> | undefined;
}

type Connect = (
  kind: ThreadStart["kind"],
  number: number,
  onDeath: (error: Error) => void,
  handlers?: Readonly<Record<string, Handler>>,
) => Rpc;

export class Threads {
  readonly writers: readonly Rpc[];
  readonly searchers: readonly Rpc[];
  readonly #all: Thread[];
  readonly #connect: Connect;

  constructor(options: {
    readonly factory: ThreadFactory;
    readonly writers: number;
    readonly searchers: number;
    readonly start: Omit<ThreadStart, "kind" | "number">;
    readonly handlers: Readonly<Record<string, Handler>>;
    readonly log: Logger;
    readonly onDeath: (error: Error) => void;
    /** A thread found a file damaged. */
    readonly onCorruption?: (file: string) => void;
  }) {
    const all: Thread[] = [];
    const connect: Connect = (kind, number, onDeath, handlers) => {
      const thread = options.factory({ ...options.start, kind, number }, (error) => {
        rpc.failAll(error);
        onDeath(error);
      });
      all.push(thread);
      const rpc: Rpc = new Rpc(thread.port, {
        ...options.handlers,
        ...handlers,
        log: ({ level, message, fields }: RemoteLogLine) => options.log[level](message, fields),
      }, options.onCorruption);
      return rpc;
    };
    const { onDeath } = options;
    this.writers = Array.from({ length: options.writers }, (_, i) => connect("writer", i, onDeath));
    this.searchers = Array.from({ length: options.searchers }, (_, i) => connect("searcher", i, onDeath));
    this.#all = all;
    this.#connect = connect;
  }

  /** One more merger; its death is not the server's, since it owns nothing. */
  addMerger(number: number, onDeath: (error: Error) => void): Rpc {
    return this.#connect("merger", number, onDeath);
  }

  /**
   * One more shipper; its death is not the server's, since it owns nothing.
   *
   * @param handlers What it may call.
   */
  addShipper(handlers: Readonly<Record<string, Handler>>, onDeath: (error: Error) => void): Rpc {
    return this.#connect("shipper", 0, onDeath, handlers);
  }

  /**
   * The thread that fetches what a lazy restore has left; its death is not the server's, since it owns nothing.
   *
   * @param handlers What it may call.
   */
  addHydrator(handlers: Readonly<Record<string, Handler>>, onDeath: (error: Error) => void): Rpc {
    return this.#connect("hydrator", 0, onDeath, handlers);
  }

  /** A thread that opens a restored directory, and what ends it; its death is not the server's. */
  addDriller(onDeath: (error: Error) => void): { readonly rpc: Rpc; readonly end: () => void } {
    const rpc = this.#connect("driller", 0, onDeath);
    const thread = this.#all.at(-1)!;
    return {
      rpc,
      end: () => {
        thread.terminate();
        this.#all.splice(this.#all.indexOf(thread), 1);
      },
    };
  }

  /** Number of the writer that has a shard: spread by incarnation, fixed while the server runs. */
  writerOf(incarnation: string, shard: number): number {
    return writerOf(incarnation, shard, this.writers.length);
  }

  writer(incarnation: string, shard: number): Rpc {
    return this.writers[this.writerOf(incarnation, shard)]!;
  }

  /** The searcher with the fewest calls under way. */
  leastBusySearcher(): Rpc {
    let best = this.searchers[0]!;
    for (const searcher of this.searchers) if (searcher.pending < best.pending) best = searcher;
    return best;
  }

  /** The same call to every thread of a kind. */
  all<T>(kind: "writers" | "searchers", name: string, payload: unknown): Promise<T[]> {
    return Promise.all(this[kind].map((rpc) => rpc.call<T>(name, payload)));
  }

  terminate(): void {
    for (const thread of this.#all) thread.terminate();
  }
}

/** Number of the writer, of `writers`, that has a shard. */
export function writerOf(incarnation: string, shard: number, writers: number): number {
  if (writers === 1) return 0;
  let hash = shard;
  for (let i = 0; i < incarnation.length; i++) hash = (Math.imul(hash, 31) + incarnation.charCodeAt(i)) >>> 0;
  return hash % writers;
}
