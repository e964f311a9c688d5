/**
 * Stored sources of several segments as one. A block whose documents all live is copied as it is, unless it is too
 * small to be worth keeping apart: many refreshes' small blocks become few large ones.
 *
 * @module
 */
import type { StoredBlock } from "./input.ts";
import { DROPPED, type MergePart } from "./merge_parts.ts";
import { STORED_BLOCK_BYTES, StoredWriter } from "./stored.ts";

/** Smaller blocks are recompressed with their neighbours. */
const COPIED_BYTES_MIN = STORED_BLOCK_BYTES * 0.6;
/** So are blocks behind less than this, which would have to become a block of its own. */
const CLOSED_BYTES_MIN = STORED_BLOCK_BYTES * 0.4;

export function* mergedBlocks(parts: readonly MergePart[]): Generator<StoredBlock> {
  const writer = new StoredWriter();
  for (const { reader, docMap } of parts) {
    let firstDoc = 0;
    for (let b = 0; b < reader.stored.blockCount; b++) {
      const block = reader.stored.block(b);
      const endDoc = firstDoc + block.docCount;
      const copies = block.rawBytes >= COPIED_BYTES_MIN && allLive(docMap, firstDoc, endDoc) &&
        (writer.pendingBytes === 0 || writer.pendingBytes >= CLOSED_BYTES_MIN);
      if (copies) {
        // A mapped block may be gone before the merge's output is written: the copy is the output's own.
        writer.addBlock({ ...block, bytes: block.bytes.slice() });
      } else {
        for (let doc = firstDoc; doc < endDoc; doc++) {
          if (docMap[doc] === DROPPED) continue;
          const source = reader.stored.source(doc);
          writer.add(source, 0, source.length);
        }
      }
      firstDoc = endDoc;
      yield* writer.take();
    }
  }
  yield* writer.finish();
}

function allLive(docMap: Uint32Array, from: number, to: number): boolean {
  return docMap[to - 1] !== DROPPED && docMap[from] !== DROPPED &&
    docMap[to - 1]! - docMap[from]! === to - 1 - from;
}
