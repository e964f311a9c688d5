/**
 * One answer out of what several writers did of one bulk request.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { BulkReply } from "./messages.ts";

export interface JoinedBulk {
  /** Items joined by commas, in request order. */
  readonly items: Uint8Array;
  readonly errors: boolean;
  readonly itemCount: number;
}

/** Concatenates the rendered items by position. A single writer's are in order already. */
export function joinBulkReplies(replies: readonly BulkReply[]): JoinedBulk {
  const errors = replies.some((reply) => reply.errors);
  const itemCount = replies.reduce((sum, reply) => sum + reply.itemCount, 0);
  if (replies.length === 1) return { items: replies[0]!.items, errors, itemCount };
  const places: { readonly bytes: Uint8Array; readonly start: number; readonly end: number }[] = new Array(
    itemCount,
  );
  let size = Math.max(0, itemCount - 1);
  for (const { items, ends, positions } of replies) {
    assert(ends && positions, "writers that share a bulk say where their items belong");
    for (let i = 0; i < ends.length; i++) {
      const start = i === 0 ? 0 : ends[i - 1]!;
      places[positions[i]!] = { bytes: items, start, end: ends[i]! };
      size += ends[i]! - start;
    }
  }
  const joined = new Uint8Array(size);
  let at = 0;
  for (let i = 0; i < itemCount; i++) {
    const place = places[i];
    assert(place, `some writer did operation ${i} of the bulk`);
    if (i > 0) joined[at++] = 0x2c;
    joined.set(place.bytes.subarray(place.start, place.end), at);
    at += place.end - place.start;
  }
  return { items: joined, errors, itemCount };
}
