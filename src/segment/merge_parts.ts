/**
 * The segments that a merge reads, and where each of their live documents goes.
 *
 * @module
 */
import { bitsToDocs } from "../base/bitset.ts";
import type { StoredSegment } from "./open.ts";

/** New doc of a document that is dropped. */
export const DROPPED = 0xffff_ffff;

export interface MergePart {
  readonly reader: StoredSegment;
  /** Bit set = alive; null: all are. */
  readonly live: Uint32Array | null;
  /** Old doc -> new doc, or DROPPED. */
  readonly docMap: Uint32Array;
  /** Where all live: what is added to an old doc to get the new one. Else -1. */
  readonly base: number;
}

/** The order of the result is the parts' order, dead documents left out. */
export function mapDocs(
  parts: readonly { readonly reader: StoredSegment; readonly live: Uint32Array | null }[],
): { readonly parts: readonly MergePart[]; readonly docCount: number } {
  let next = 0;
  const mapped = parts.map(({ reader, live }): MergePart => {
    const first = next;
    const docMap = new Uint32Array(reader.docCount);
    next = live === null ? mapAll(docMap, first) : mapLive(docMap, live, first);
    const allLive = next - first === docMap.length;
    return { reader, live: allLive ? null : live, docMap, base: allLive ? first : -1 };
  });
  return { parts: mapped, docCount: next };
}

function mapAll(docMap: Uint32Array, first: number): number {
  for (let doc = 0; doc < docMap.length; doc++) docMap[doc] = first + doc;
  return first + docMap.length;
}

function mapLive(docMap: Uint32Array, live: Uint32Array, first: number): number {
  let next = first;
  for (let doc = 0; doc < docMap.length; doc++) {
    docMap[doc] = (live[doc >>> 5]! & (1 << (doc & 31))) !== 0 ? next++ : DROPPED;
  }
  return next;
}

/** Writes the live docs of [from, to) into `docs` and returns how many. */
export function liveDocs({ live }: MergePart, from: number, to: number, docs: Uint32Array): number {
  if (live !== null) return bitsToDocs(live, from, to, docs);
  for (let doc = from; doc < to; doc++) docs[doc - from] = doc;
  return to - from;
}
