/**
 * Everything that a real system does at times of its own choosing, one thing at a time and by a seed: messages between
 * threads, timers, pauses, asynchronous syncs. Nothing here waits for real time.
 *
 * What belongs to one process dies with it: its tasks and timers never run again.
 *
 * @module
 */
import type { Port } from "../../src/engine/rpc.ts";
import type { Clock } from "../../src/os/fs.ts";

/** Microtasks that follow a task are done after so many turns; more only shift where the next task falls in. */
const DRAIN_TURNS = 60;
/** A settle that runs longer than this does not end at all. */
const MAX_SETTLE_TASKS = 200_000;
/** Interval timers fire late by at most this: a long pass of time is taken in such pieces. */
export const MAX_PIECE_MS = 1000;

interface Timer {
  readonly process: SimProcess;
  readonly everyMs: number;
  readonly run: () => void;
  dueMs: number;
}

type Task = () => void;

/** One life of one server. */
export class SimProcess {
  alive = true;
  /** Tasks in order per lane; lanes among each other in any order. */
  readonly lanes = new Map<object, Task[]>();
  /** Tasks that wait for a time. */
  readonly stalled: { readonly dueMs: number; readonly lane: object; readonly task: Task }[] = [];
  constructor(readonly name: string) {}

  post(lane: object, task: Task): void {
    const queue = this.lanes.get(lane);
    if (queue) queue.push(task);
    else this.lanes.set(lane, [task]);
  }
}

export class Scheduler {
  /** Monotonic, true time. */
  nowMs = 1_000;
  /** The wall clock is wrong by this; it may jump. */
  wallOffsetMs = 1_700_000_000_000;
  readonly #timers = new Map<number, Timer>();
  #nextTimer = 1;
  #current: SimProcess | undefined;
  tasksRun = 0;

  constructor(readonly chance: () => number) {}

  clock(): Clock {
    return { nowMs: () => Math.floor(this.nowMs + this.wallOffsetMs), monotonicMs: () => this.nowMs };
  }

  /** Timers that are made from now on belong to `process`. */
  enter(process: SimProcess | undefined): void {
    this.#current = process;
  }

  /** Puts virtual timers in the place of the real ones. @returns Puts the real ones back. */
  install(): () => void {
    const real = { setInterval, clearInterval, setTimeout, clearTimeout };
    const scope = globalThis as unknown as Record<string, unknown>;
    scope["setInterval"] = (run: () => void, everyMs = 0) => this.#addTimer(run, everyMs);
    scope["setTimeout"] = (run: () => void, afterMs = 0) => {
      const id = this.#addTimer(() => {
        this.#timers.delete(id);
        run();
      }, afterMs);
      return id;
    };
    scope["clearTimeout"] = scope["clearInterval"] = (id: number) => void this.#timers.delete(id);
    return () => void Object.assign(scope, real);
  }

  #addTimer(run: () => void, everyMs: number): number {
    const process = this.#current;
    if (!process) throw new Error("a timer belongs to a process");
    const id = this.#nextTimer++;
    this.#timers.set(id, { process, everyMs, run, dueMs: this.nowMs + everyMs });
    return id;
  }

  kill(process: SimProcess): void {
    process.alive = false;
    process.lanes.clear();
    process.stalled.length = 0;
    for (const [id, timer] of this.#timers) if (timer.process === process) this.#timers.delete(id);
  }

  /** Runs one task of the process, any that is first in its lane. @returns Whether there was one. */
  async step(process: SimProcess): Promise<boolean> {
    this.#current = process;
    const lanes = [...process.lanes.keys()];
    if (lanes.length === 0) return false;
    const lane = lanes[Math.floor(this.chance() * lanes.length)]!;
    const queue = process.lanes.get(lane)!;
    const task = queue.shift()!;
    if (queue.length === 0) process.lanes.delete(lane);
    this.tasksRun++;
    runUnlessKilled(task);
    await drain();
    return true;
  }

  /** Runs tasks until there is nothing to do but wait for time, or the process is dead. */
  async settle(process: SimProcess): Promise<void> {
    this.#current = process;
    await drain();
    for (let i = 0; i < MAX_SETTLE_TASKS; i++) {
      if (!process.alive || !await this.step(process)) return;
    }
    throw new Error("tasks without end");
  }

  /** Settles until `promise` is done; time passes if nothing else helps. */
  async finish<T>(process: SimProcess, promise: Promise<T>): Promise<T> {
    let done = false;
    promise.then(() => done = true, () => done = true);
    for (let rounds = 0; !done; rounds++) {
      await this.settle(process);
      if (done) break;
      if (!process.alive) throw new Killed("the process is dead");
      if (rounds > 500) throw new Error("stuck: a call is never answered");
      await this.elapse([process], 20);
    }
    return await promise;
  }

  /** Lets time pass; timers fire, and everything that they cause is done. */
  async elapse(processes: readonly SimProcess[], ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= MAX_PIECE_MS) {
      this.nowMs += Math.min(left, MAX_PIECE_MS);
      for (const process of processes) if (process.alive) await this.#fire(process);
    }
  }

  async #fire(process: SimProcess): Promise<void> {
    this.#current = process;
    for (let i = process.stalled.length - 1; i >= 0; i--) {
      const { dueMs, lane, task } = process.stalled[i]!;
      if (dueMs > this.nowMs) continue;
      process.stalled.splice(i, 1);
      process.post(lane, task);
    }
    for (const timer of [...this.#timers.values()]) {
      if (timer.process !== process || timer.dueMs > this.nowMs || !process.alive) continue;
      timer.dueMs = this.nowMs + timer.everyMs;
      runUnlessKilled(timer.run);
    }
    await this.settle(process);
  }

  /** As `pause` of the real system: resolves in a later task. */
  pauseOf(process: SimProcess): () => Promise<void> {
    return () => new Promise((resolve) => process.post({}, resolve));
  }

  /** Two ends of a channel between two threads of a process; in order, at any time. */
  channel(process: SimProcess): { readonly port1: Port; readonly port2: Port; close(): void } {
    let open = true;
    const end = (): Port & { peer: Port } => ({
      peer: undefined as unknown as Port,
      onmessage: null,
      postMessage(message: unknown) {
        const { peer } = this;
        process.post(this, () => {
          if (open) peer.onmessage?.({ data: message } as MessageEvent);
        });
      },
    });
    const [port1, port2] = [end(), end()];
    port1.peer = port2;
    port2.peer = port1;
    return { port1, port2, close: () => open = false };
  }
}

function runUnlessKilled(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
}

async function drain(): Promise<void> {
  for (let i = 0; i < DRAIN_TURNS; i++) await null;
}

/** A call of a process that was killed meanwhile. */
export class Killed extends Error {
  override readonly name = "Killed";
}
