/**
 * Which merger builds which merge? Main's: jobs of all writers wait for one of `max_concurrent` threads, first come first
 * served. Threads are made when they are first needed.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { BuiltMerge, MergeJob } from "../shard/merge_job.ts";
import { MergeControl } from "../shard/merge_job.ts";
import { mergeCancelled } from "../shard/merge_build.ts";
import type { Rpc } from "./rpc.ts";

export interface MergeQueueOptions {
  /** Makes thread number `n`; `onDeath` is called when it dies. */
  readonly connect: (n: number, onDeath: (error: Error) => void) => Rpc;
  readonly maxConcurrent: () => number;
  readonly onDeath: (error: Error) => void;
}

interface Waiting {
  readonly job: MergeJob;
  readonly resolve: (built: BuiltMerge) => void;
  readonly reject: (error: unknown) => void;
}

export class MergeQueue {
  readonly #options: MergeQueueOptions;
  readonly #waiting: Waiting[] = [];
  readonly #idle: Rpc[] = [];
  readonly #dead = new Set<Rpc>();
  /** Where a merge was built, until its digest was asked for. */
  readonly #builtBy = new Map<string, Rpc>();
  #threads = 0;
  #running = 0;

  constructor(options: MergeQueueOptions) {
    this.#options = options;
  }

  /** Merges that are being built, and those that wait for a thread. */
  get running(): number {
    return this.#running;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  build(job: MergeJob): Promise<BuiltMerge> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject });
      this.next();
    });
  }

  /** As `MergeThreads.digest`. */
  async digest({ job, tail }: { job: string; tail: Uint8Array | undefined }): Promise<string> {
    const thread = this.#builtBy.get(job);
    this.#builtBy.delete(job);
    if (!thread && tail === undefined) return "";
    assert(thread, `merge ${job} was built`);
    return await thread.call<string>("mergeDigest", { job, tail });
  }

  /** Starts what may start. To be called when `max_concurrent` has changed, too. */
  next(): void {
    while (this.#waiting.length > 0 && this.#running < this.#options.maxConcurrent()) {
      this.#run(this.#waiting.shift()!);
    }
  }

  async #run({ job, resolve, reject }: Waiting): Promise<void> {
    this.#running++;
    let thread: Rpc | undefined;
    try {
      if (new MergeControl(job.control).cancelled) throw mergeCancelled();
      thread = this.#idle.pop() ?? this.#connect();
      const built = await thread.call<BuiltMerge>("merge", job);
      this.#builtBy.set(job.id, thread);
      resolve(built);
    } catch (error) {
      reject(error);
    } finally {
      this.#running--;
      if (thread && !this.#dead.delete(thread)) this.#idle.push(thread);
      this.next();
    }
  }

  #connect(): Rpc {
    const thread = this.#options.connect(this.#threads++, (error) => {
      const at = this.#idle.indexOf(thread);
      if (at >= 0) this.#idle.splice(at, 1);
      else this.#dead.add(thread);
      this.#options.onDeath(error);
    });
    return thread;
  }
}
