/**
 * How long will a restore take? Measured: a few objects are fetched and thrown away.
 *
 * @module
 */
import { RANGE_BYTES } from "../backup/fetch_piece.ts";
import type { Clock } from "../os/fs.ts";
import type { RestoreSource } from "./restore_source.ts";

/** Requests at once, as many as a restore has at most. */
const PARALLEL = 8;
/** Part of the whole that is fetched at most, so that a dry run stays one. */
const SHARE = 0.1;

export interface Estimate {
  readonly seconds: number;
  /** Fetched to find out. */
  readonly measuredBytes: number;
}

/** @returns undefined: there is too little to fetch for a measurement, it takes a moment. @throws {StoreError} */
export async function estimateRestore(
  source: RestoreSource,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Estimate | undefined> {
  const { store } = source.repository;
  const largest = source.objects.toSorted((a, b) => b.bytes - a.bytes);
  const chosen: RestoreSource["objects"][number][] = [];
  let budget = source.fetchBytes * SHARE;
  for (const piece of largest.slice(0, PARALLEL)) {
    const bytes = Math.min(piece.bytes, RANGE_BYTES);
    if (bytes > budget) break;
    budget -= bytes;
    chosen.push(piece);
  }
  if (chosen.length === 0) return undefined;
  const startedMs = clock.monotonicMs();
  const sizes = await Promise.all(chosen.map(async ({ object, bytes }) => {
    const range = { offset: 0, length: Math.min(bytes, RANGE_BYTES) };
    let size = 0;
    for await (const piece of store.stream(object, { range, signal })) size += piece.length;
    return size;
  }));
  const seconds = Math.max(1, clock.monotonicMs() - startedMs) / 1000;
  const measuredBytes = sizes.reduce((sum, size) => sum + size, 0);
  // Small objects are bound by the time of an answer, large ones by the line.
  const byBytes = source.fetchBytes / measuredBytes;
  const byRequests = source.requests / chosen.length;
  return { seconds: Math.max(byBytes, byRequests) * seconds, measuredBytes };
}
