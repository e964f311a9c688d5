/**
 * The segments that a merge reads, and where each of their live documents goes.
 *
 * @module
 */
import { bitsToDocs, countBits } from "../base/bitset.ts";
import type { StoredSegment } from "./open.ts";

/** New doc of a document that is dropped. */
export const DROPPED = 0xffff_ffff;

/** Where the documents of a part go. Plain: it may be posted to another thread. */
export interface DocMap {
  /** Where all live: what is added to an old doc to get the new one. Else -1. */
  readonly base: number;
  /** Where some died: old doc -> new doc, or DROPPED; over shared memory. Else null: it takes no memory. */
  readonly docs: Uint32Array | null;
}

/** New doc of an old one, or DROPPED. */
export function newDoc({ base, docs }: DocMap, doc: number): number {
  return docs === null ? base + doc : docs[doc]!;
}

export interface MergePart {
  readonly reader: StoredSegment;
  /** Bit set = alive; null: all are. */
  readonly live: Uint32Array | null;
  readonly docMap: DocMap;
}

/** The order of the result is the parts' order, dead documents left out. */
export function mapDocs(
  parts: readonly { readonly reader: StoredSegment; readonly live: Uint32Array | null }[],
): { readonly parts: readonly MergePart[]; readonly docCount: number } {
  let next = 0;
  const mapped = parts.map(({ reader, live }): MergePart => {
    const first = next;
    const { docCount } = reader;
    if (live === null || countBits(live) === docCount) {
      next += docCount;
      return { reader, live: null, docMap: { base: first, docs: null } };
    }
    const docs = new Uint32Array(new SharedArrayBuffer(docCount * 4));
    next = mapLive(docs, live, first);
    return { reader, live, docMap: { base: -1, docs } };
  });
  return { parts: mapped, docCount: next };
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
