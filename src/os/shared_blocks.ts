/**
 * Which blocks of a file that is still being fetched are there: known to all threads, asked for by any, brought by one.
 *
 * A reader that needs a block marks it wanted, rings the bell and waits at the block's word; whoever fetches writes the
 * bytes into the file first and the word after. A file that is mapped shows what was written to it, so that a reader
 * only ever waits for the word.
 *
 * Shapes, all over shared memory: `states`, `Int32Array`: [0] the file's `FileState`, [1 + n] the `BlockState` of block
 * n; `control`, `Int32Array` of 3, one for all files: [0] the bell, a number that changes with every ring; [1] 1 while
 * nothing can be fetched; [2] how long a reader waits for a block, ms.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";

/** Bytes that are fetched, and waited for, together. A multiple of the page under one checksum. */
export const BLOCK_BYTES = 1024 * 1024;

/** Of a file. */
export const FileState = { Hydrating: 0, Whole: 1, Gone: 2 } as const;
/** Of a block. `Failed`: what came is not what was stored. */
export const BlockState = { Missing: 0, Wanted: 1, Present: 2, Failed: 3 } as const;

const BELL = 0;
const AWAY = 1;
const WAIT_MS = 2;

/** How often a waiting reader looks whether waiting still makes sense. */
const GLANCE_MS = 200;

export interface SharedBlocks {
  readonly states: Int32Array;
  readonly control: Int32Array;
}

/** A file that a server found unfinished, or not there, at its start. */
export interface HydratingFile extends SharedBlocks {
  /** Its final name: absolute. */
  readonly path: string;
  readonly sizeBytes: number;
}

/** Shared memory for these files: nothing of them is known to be there. */
export function shareBlocks(
  files: readonly { readonly path: string; readonly sizeBytes: number }[],
  waitMs: number,
): HydratingFile[] {
  const words = files.map(({ sizeBytes }) => 1 + blockCount(sizeBytes));
  const memory = new SharedArrayBuffer(4 * words.reduce((sum, count) => sum + count, 0));
  const control = new Int32Array(new SharedArrayBuffer(12));
  setWait(control, waitMs);
  let at = 0;
  return files.map((file, i) => {
    const states = new Int32Array(memory, at * 4, words[i]!);
    at += words[i]!;
    return { ...file, states, control };
  });
}

export function blockCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES);
}

/** How long readers wait for a block from now on. */
export function setWait(control: Int32Array, waitMs: number): void {
  Atomics.store(control, WAIT_MS, waitMs);
}

/** While nothing can be fetched nobody waits: what is not there fails at once. */
export function setAway(control: Int32Array, isAway: boolean): void {
  Atomics.store(control, AWAY, isAway ? 1 : 0);
}

/** The bell's number: it was rung since it had another one. */
export function bell(control: Int32Array): number {
  return Atomics.load(control, BELL);
}

/** Resolves when the bell has another number than `seen`, or after so long. */
export async function awaitBell(control: Int32Array, seen: number, timeoutMs: number): Promise<void> {
  const { async, value } = Atomics.waitAsync(control, BELL, seen, timeoutMs);
  if (async) await value;
}

export function ring(control: Int32Array): void {
  Atomics.add(control, BELL, 1);
  Atomics.notify(control, BELL);
}

export function fileState({ states }: SharedBlocks): number {
  return Atomics.load(states, 0);
}

/** All of its bytes are on disk, and it has its name. */
export function isWhole(blocks: SharedBlocks): boolean {
  return fileState(blocks) === FileState.Whole;
}

export function setFileState({ states }: SharedBlocks, state: number): void {
  Atomics.store(states, 0, state);
  for (let i = 1; i < states.length; i++) Atomics.notify(states, i);
}

export function blockState({ states }: SharedBlocks, block: number): number {
  return Atomics.load(states, 1 + block);
}

export function setBlockState({ states }: SharedBlocks, block: number, state: number): void {
  Atomics.store(states, 1 + block, state);
  Atomics.notify(states, 1 + block);
}

/**
 * Waits until bytes [offset, offset + length) are in the file. Blocks the thread.
 *
 * @throws {RequestError} 503: they cannot be had now.
 */
export function needBlocks(blocks: SharedBlocks, offset: number, length: number, label: string): void {
  const { states } = blocks;
  if (Atomics.load(states, 0) === FileState.Whole) return;
  const last = Math.floor((offset + length - 1) / BLOCK_BYTES);
  for (let block = Math.floor(offset / BLOCK_BYTES); block <= last; block++) {
    if (Atomics.load(states, 1 + block) !== BlockState.Present) needBlock(blocks, block, label);
  }
}

function needBlock({ states, control }: SharedBlocks, block: number, label: string): void {
  const waitMs = Atomics.load(control, WAIT_MS);
  const untilMs = performance.now() + waitMs;
  for (;;) {
    const file = Atomics.load(states, 0);
    const state = Atomics.load(states, 1 + block);
    if (state === BlockState.Present || file === FileState.Whole) return;
    if (file === FileState.Gone) throw unavailable(label, "its index was deleted");
    if (state === BlockState.Failed) {
      throw unavailable(label, "the repository does not give it as it was backed up; health says more");
    }
    if (state === BlockState.Missing) {
      Atomics.compareExchange(states, 1 + block, BlockState.Missing, BlockState.Wanted);
      ring(control);
    }
    if (Atomics.load(control, AWAY) === 1) {
      throw unavailable(label, "it cannot be fetched now, as health says; it is tried again by itself");
    }
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) {
      throw unavailable(label, `it did not come within ${waitMs} ms ([backup] hydrate_wait_ms)`);
    }
    Atomics.wait(states, 1 + block, BlockState.Wanted, Math.min(leftMs, GLANCE_MS));
  }
}

function unavailable(label: string, why: string): RequestError {
  return new RequestError(`a part of ${label} that this needs is still in the backup repository: ${why}`, {
    status: 503,
    type: "still_restoring_exception",
    headers: { "retry-after": "1" },
  });
}
