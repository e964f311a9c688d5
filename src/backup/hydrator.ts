/**
 * Brings what a lazy restore has left: blocks that a reader waits for first, what is likely to be asked for next after
 * them, everything else in the background, ids before the rest.
 *
 * While the repository does not answer, readers fail at once instead of waiting; each retry finds out whether it does
 * again. What comes damaged again and again is given up for a while, and said.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import { StoreError } from "../objectstore/store.ts";
import type { Clock } from "../os/fs.ts";
import { pause } from "../os/pause.ts";
import {
  awaitBell,
  bell,
  BLOCK_BYTES,
  BlockState,
  blockState,
  ring,
  setAway,
  setBlockState,
} from "../os/shared_blocks.ts";
import { blocksOf } from "./block_assembly.ts";
import { forEachParallel } from "./parallel.ts";
import type { UnfinishedFile } from "./unfinished_file.ts";

/** Files that are opened at once. */
const PARALLEL_OPENING = 8;
/** Requests under way for readers, and for what they are likely to need next. */
const URGENT_REQUESTS = 8;
const MAX_AHEAD_BLOCKS = 16;
/** Background requests while no reader waits, and their size. */
const QUIET_REQUESTS = 3;
const QUIET_BLOCKS = 4;
/** A reader that has waited will mostly wait again: so long the line is its own. */
const BURST_MS = 150;
/** So long after a reader has waited the background fetches one block at a time. */
const QUIET_AFTER_MS = 1000;
const TICK_MS = 500;
/** Nothing has come for so long although something is under way: the repository is away. */
const STALLED_MS = 4000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5000;
/** Of a block that comes damaged. */
const MAX_TRIES = 3;
/** When damaged blocks, and files with a wrong hash, are tried again. */
const DAMAGED_RETRY_MS = 30_000;

export interface HydratorProgress {
  readonly pendingBytes: number;
  readonly totalBytes: number;
  readonly filesLeft: number;
  /** Stored bytes that came from the repository. */
  readonly fetchedBytes: number;
  /** Why nothing can be fetched now; undefined: something can. */
  readonly away: string | undefined;
  /** What cannot be restored as it was backed up, in words. */
  readonly problems: readonly string[];
}

export interface HydratorOptions {
  readonly files: readonly UnfinishedFile[];
  /** Of all files. */
  readonly control: Int32Array;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onProgress: (progress: HydratorProgress) => void;
}

interface Work {
  readonly file: UnfinishedFile;
  readonly underWay: Set<number>;
  /** Blocks that came damaged, and how often. */
  readonly damaged: Map<number, number>;
  /** Next block of the background. */
  cursor: number;
  /** Block that a reader waited for last, and how many behind it were asked for with it. */
  lastUrgent: number;
  window: number;
  /** Blocks that a reader is likely to need next. */
  ahead: number[];
  finishing: boolean;
  retryAtMs: number;
  problem: string | undefined;
}

export class Hydrator {
  readonly #options: HydratorOptions;
  readonly #work: readonly Work[];
  readonly #abort = new AbortController();
  #background = false;
  #urgentRequests = 0;
  #quietRequests = 0;
  #urgentMs: number;
  #fetchedBytes = 0;
  #movedMs: number;
  #retryAtMs = -Infinity;
  #retryMs = FIRST_RETRY_MS;
  #away: string | undefined;
  /** Fetches and the like under way; none rejects. */
  readonly #running = new Set<Promise<void>>();
  #looking: Promise<void> | undefined;
  #toldDone = false;

  constructor(options: HydratorOptions) {
    this.#options = options;
    this.#movedMs = this.#urgentMs = options.clock.monotonicMs();
    const files = [...options.files].sort((a, b) => rank(a) - rank(b));
    this.#work = files.map((file) => ({
      file,
      underWay: new Set(),
      damaged: new Map(),
      cursor: 0,
      lastUrgent: -2,
      window: 0,
      ahead: [],
      finishing: false,
      retryAtMs: -Infinity,
      problem: undefined,
    }));
  }

  /** Brings what is needed to open the segments. @throws {StoreError} @throws {IoError} */
  async prepare(): Promise<void> {
    const limits = { limit: PARALLEL_OPENING, signal: this.#abort.signal };
    await forEachParallel(
      this.#work,
      limits,
      ({ file }, signal) => file.prepare({ signal, onFetched: (bytes) => this.#came(bytes) }),
    );
    setAway(this.#options.control, false);
    this.#looking ??= this.#run();
  }

  /** From now on everything is brought, and whole files get their names. */
  startBackground(): void {
    this.#background = true;
    this.#urgentMs = this.#options.clock.monotonicMs();
    ring(this.#options.control);
  }

  /** Nobody needs files below these folders any more. */
  forget(folders: readonly string[]): void {
    for (const { file } of this.#work) {
      if (folders.some((folder) => file.path.startsWith(`${folder}/`))) file.forget();
    }
    ring(this.#options.control);
  }

  progress(): HydratorProgress {
    const left = this.#work.filter(({ file }) => !file.isDone);
    return {
      pendingBytes: left.reduce((sum, { file }) => sum + Math.max(1, file.pendingBytes), 0),
      totalBytes: this.#work.reduce((sum, { file }) => sum + file.sizeBytes, 0),
      filesLeft: left.length,
      fetchedBytes: this.#fetchedBytes,
      away: this.#away,
      problems: left.flatMap(({ problem }) => problem ?? []),
    };
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    ring(this.#options.control);
    await this.#looking;
    await Promise.all(this.#running);
    for (const { file } of this.#work) file.close();
  }

  async #run(): Promise<void> {
    const { control, clock, onProgress } = this.#options;
    let toldMs = -Infinity;
    while (!this.#abort.signal.aborted && !this.#toldDone) {
      const seen = bell(control);
      this.#look();
      const now = clock.monotonicMs();
      const isDone = this.#work.every(({ file }) => file.isDone);
      if (isDone || now - toldMs >= TICK_MS) {
        toldMs = now;
        onProgress(this.progress());
      }
      this.#toldDone = isDone;
      if (!isDone) await awaitBell(control, seen, TICK_MS);
    }
  }

  /** Starts what can be started. */
  #look(): void {
    const now = this.#options.clock.monotonicMs();
    const isBusy = this.#urgentRequests + this.#quietRequests > 0;
    if (isBusy && now - this.#movedMs > STALLED_MS) this.#goneAway("it does not answer");
    if (now < this.#retryAtMs) return;
    // The first request of a retry goes alone.
    if (this.#away !== undefined && isBusy) return;
    for (const work of this.#work) if (!work.file.isDone) this.#lookForWanted(work, now);
    for (const work of this.#work) {
      while (work.ahead.length > 0 && this.#mayStart(URGENT_REQUESTS) && !work.file.isDone) {
        const block = work.ahead.shift()!;
        if (this.#isOpen(work, block)) this.#start(work, [block], true);
      }
    }
    if (!this.#background || now - this.#urgentMs < BURST_MS) return;
    const isQuiet = now - this.#urgentMs > QUIET_AFTER_MS;
    while (this.#urgentRequests === 0 && this.#quietRequests < (isQuiet ? QUIET_REQUESTS : 1)) {
      if (this.#away !== undefined && this.#quietRequests > 0) return;
      const next = this.#nextInBackground(isQuiet, now);
      if (!next) return;
      this.#start(next.work, next.blocks, false);
    }
  }

  #mayStart(limit: number): boolean {
    return this.#urgentRequests < (this.#away === undefined ? limit : 1);
  }

  #isOpen({ file, underWay }: Work, block: number): boolean {
    if (block >= file.blocks || underWay.has(block)) return false;
    const state = blockState(file.shared, block);
    return state !== BlockState.Present && state !== BlockState.Failed;
  }

  #lookForWanted(work: Work, now: number): void {
    const { file, underWay } = work;
    for (let block = 0; block < file.blocks && this.#mayStart(URGENT_REQUESTS); block++) {
      if (blockState(file.shared, block) !== BlockState.Wanted || underWay.has(block)) continue;
      this.#urgentMs = now;
      const goesOn = block > work.lastUrgent && block <= work.lastUrgent + work.window + 1;
      work.window = goesOn ? Math.min(Math.max(1, work.window * 2), MAX_AHEAD_BLOCKS) : 0;
      work.lastUrgent = block;
      work.ahead = Array.from({ length: work.window }, (_, i) => block + 1 + i)
        .filter((next) => next < file.blocks);
      this.#start(work, [block], true);
    }
  }

  #nextInBackground(
    isQuiet: boolean,
    now: number,
  ): { readonly work: Work; readonly blocks: readonly number[] } | undefined {
    for (const work of this.#work) {
      const { file } = work;
      if (file.isDone || work.finishing) continue;
      if (file.isPresent) {
        if (now >= work.retryAtMs) this.#finish(work);
        continue;
      }
      if (work.damaged.size > 0 && now >= work.retryAtMs) this.#retryDamaged(work);
      if (!file.isThere) {
        file.forget();
        continue;
      }
      while (work.cursor < file.blocks && !this.#isOpen(work, work.cursor)) work.cursor++;
      const blocks: number[] = [];
      const most = isQuiet || file.parts.isCoarse ? QUIET_BLOCKS : 1;
      while (blocks.length < most && this.#isOpen(work, work.cursor)) blocks.push(work.cursor++);
      if (blocks.length > 0) return { work, blocks };
      // What was passed over because it was under way may have failed since.
      if (work.underWay.size === 0) work.cursor = 0;
    }
    return undefined;
  }

  #start(work: Work, blocks: readonly number[], isUrgent: boolean): void {
    const brought = this.#broughtBy(work, blocks);
    for (const block of brought) work.underWay.add(block);
    if (this.#urgentRequests + this.#quietRequests === 0) this.#movedMs = this.#options.clock.monotonicMs();
    if (isUrgent) this.#urgentRequests++;
    else this.#quietRequests++;
    this.#track(async () => {
      try {
        await this.#bring(work, blocks);
      } catch (error) {
        this.#failed(work, blocks, error);
      }
      for (const block of brought) work.underWay.delete(block);
      if (isUrgent) this.#urgentRequests--;
      else this.#quietRequests--;
    });
  }

  /** @param work Never rejects. */
  #track(work: () => Promise<void>): void {
    const running = work().then(() => {
      this.#running.delete(running);
      ring(this.#options.control);
    });
    this.#running.add(running);
  }

  #broughtBy({ file }: Work, blocks: readonly number[]): number[] {
    const { offset, length } = file.parts.broughtBy(rangeOf(file, blocks));
    const first = Math.ceil(offset / BLOCK_BYTES);
    const end = Math.min(file.blocks, Math.ceil((offset + length) / BLOCK_BYTES));
    return Array.from({ length: end - first }, (_, i) => first + i);
  }

  /** Blocks that follow each other. */
  async #bring(work: Work, blocks: readonly number[]): Promise<void> {
    const { file } = work;
    const missing: number[] = [];
    for (const block of blocks) {
      if (!file.settle(block)) missing.push(block);
      else if (blocks.length > 1) await pause();
    }
    if (missing.length === 0) return;
    const { signal } = this.#abort;
    const parts = file.parts.read(rangeOf(file, missing), {
      signal,
      onFetched: (bytes) => this.#came(bytes),
    });
    for await (const { block, bytes } of blocksOf(parts, file.sizeBytes)) {
      if (file.place(block, bytes)) work.damaged.delete(block);
      else this.#cameDamaged(work, block);
      await pause();
    }
  }

  #cameDamaged(work: Work, block: number): void {
    const { file } = work;
    const times = (work.damaged.get(block) ?? 0) + 1;
    work.damaged.set(block, times);
    // That may have been the way here.
    if (times < MAX_TRIES) {
      work.cursor = Math.min(work.cursor, block);
      return;
    }
    const [object] = file.parts.objectsOf({ offset: block * BLOCK_BYTES, length: 1 });
    this.#giveUp(work, [block], `object ${object} is not what was backed up`);
  }

  #giveUp(work: Work, blocks: readonly number[], reason: string): void {
    const problem = `${work.file.path}: ${reason}`;
    if (work.problem !== problem) {
      this.#options.log.error("a part of a file cannot be restored", { reason: problem });
    }
    work.problem = problem;
    work.retryAtMs = this.#options.clock.monotonicMs() + DAMAGED_RETRY_MS;
    for (const block of blocks) {
      if (blockState(work.file.shared, block) === BlockState.Present) continue;
      work.damaged.set(block, 1);
      setBlockState(work.file.shared, block, BlockState.Failed);
    }
  }

  #retryDamaged(work: Work): void {
    for (const block of work.damaged.keys()) {
      if (blockState(work.file.shared, block) !== BlockState.Failed) continue;
      setBlockState(work.file.shared, block, BlockState.Missing);
      work.cursor = Math.min(work.cursor, block);
    }
    work.retryAtMs = this.#options.clock.monotonicMs() + DAMAGED_RETRY_MS;
  }

  #failed(work: Work, blocks: readonly number[], error: unknown): void {
    if (this.#abort.signal.aborted || work.file.isDone) return;
    if (error instanceof StoreError && (error.kind === "missing" || error.kind === "damaged")) {
      this.#answered();
      this.#giveUp(work, blocks, error.message);
      return;
    }
    work.cursor = Math.min(work.cursor, blocks[0]!);
    this.#goneAway(error instanceof Error ? error.message : String(error));
    this.#retryAtMs = this.#options.clock.monotonicMs() + this.#retryMs;
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }

  #finish(work: Work): void {
    work.finishing = true;
    const { file } = work;
    const { log, clock } = this.#options;
    this.#track(async () => {
      let problem: string | undefined;
      try {
        if (!await file.finish()) problem = "its SHA-256 is not the backup's";
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
      }
      work.finishing = false;
      if (problem === undefined) return;
      work.problem = `${file.path}: ${problem}`;
      work.retryAtMs = clock.monotonicMs() + DAMAGED_RETRY_MS;
      log.error("a restored file cannot be finished", { reason: work.problem });
    });
  }

  #came(bytes: number): void {
    this.#fetchedBytes += bytes;
    this.#answered();
  }

  #answered(): void {
    this.#movedMs = this.#options.clock.monotonicMs();
    this.#retryMs = FIRST_RETRY_MS;
    if (this.#away === undefined) return;
    this.#away = undefined;
    setAway(this.#options.control, false);
    this.#options.log.info("the restore goes on", {});
    ring(this.#options.control);
  }

  #goneAway(reason: string): void {
    if (this.#away === undefined) this.#options.log.warn("the restore cannot go on for now", { reason });
    this.#away = reason;
    setAway(this.#options.control, true);
  }
}

function rank({ path }: UnfinishedFile): number {
  return path.endsWith(".ids") ? 0 : 1;
}

function rangeOf(file: UnfinishedFile, blocks: readonly number[]) {
  const offset = blocks[0]! * BLOCK_BYTES;
  const end = Math.min(file.sizeBytes, (blocks.at(-1)! + 1) * BLOCK_BYTES);
  return { offset, length: end - offset };
}
