/**
 * Norms of several segments as one.
 *
 * @module
 */
import type { NormCursor } from "./input.ts";
import { DROPPED, type MergePart } from "./merge_parts.ts";

/** Live docs that have a text field, with their norms; 0 for parts that keep none. */
export function mergedNorms(parts: readonly MergePart[], field: string): NormCursor {
  let index = -1;
  let doc = 0;
  let present = new Uint32Array(0);
  let norms: Uint8Array | undefined;
  return {
    fill(docs, into) {
      let filled = 0;
      while (filled < docs.length) {
        const part = parts[index];
        if (!part || doc >= part.reader.docCount) {
          if (index + 1 >= parts.length) break;
          const { reader } = parts[++index]!;
          doc = 0;
          present = new Uint32Array(Math.ceil(reader.docCount / 32));
          reader.exists(field, present);
          norms = reader.norms(field);
          continue;
        }
        const to = Math.min(part.reader.docCount, doc + docs.length - filled);
        const { base, docs: map } = part.docMap;
        filled = map
          ? fillMapped(map, present, norms, doc, to, docs, into, filled)
          : fillShifted(base, present, norms, doc, to, docs, into, filled);
        doc = to;
      }
      return filled;
    },
  };
}

/** Writes those of docs [from, to) that live and have the field behind [0, filled); returns how many there are. */
function fillMapped(
  docMap: Uint32Array,
  present: Uint32Array,
  norms: Uint8Array | undefined,
  from: number,
  to: number,
  docs: Uint32Array,
  into: Uint8Array,
  filled: number,
): number {
  for (let doc = from; doc < to; doc++) {
    if ((present[doc >>> 5]! & (1 << (doc & 31))) === 0) continue;
    const mapped = docMap[doc]!;
    if (mapped === DROPPED) continue;
    docs[filled] = mapped;
    into[filled++] = norms === undefined ? 0 : norms[doc]!;
  }
  return filled;
}

/** The same where all live. */
function fillShifted(
  base: number,
  present: Uint32Array,
  norms: Uint8Array | undefined,
  from: number,
  to: number,
  docs: Uint32Array,
  into: Uint8Array,
  filled: number,
): number {
  for (let doc = from; doc < to; doc++) {
    if ((present[doc >>> 5]! & (1 << (doc & 31))) === 0) continue;
    docs[filled] = base + doc;
    into[filled++] = norms === undefined ? 0 : norms[doc]!;
  }
  return filled;
}
