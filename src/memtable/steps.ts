/**
 * What the columns prepare for a builder, in steps, so that their thread can do other things in between.
 *
 * @module
 */
import type { InternTable } from "../base/intern.ts";

/** Bytes looked at between two yields. */
const YIELD_BYTES = 1 << 21;

/** Takes all steps at once. */
export function runSteps<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** By byte: 1 where it occurs in some string of the table. */
export function* usedBytes(table: InternTable): Generator<void, Uint8Array> {
  const used = new Uint8Array(256);
  const { pool, poolLength } = table;
  for (let from = 0; from < poolLength; from += YIELD_BYTES) {
    markBytes(pool, from, Math.min(from + YIELD_BYTES, poolLength), used);
    yield;
  }
  return used;
}

function markBytes(bytes: Uint8Array, from: number, to: number, used: Uint8Array): void {
  for (let at = from; at < to; at++) used[bytes[at]!] = 1;
}
