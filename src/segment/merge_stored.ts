/**
 * Stored sources of several segments as one. A block whose documents all live is copied as it is, unless it is too
 * small to be worth keeping apart: many refreshes' small blocks become few large ones. Where few documents wait for
 * company, they share the next block, which then becomes two of about half its size: the one behind is copied again.
 *
 * @module
 */
import type { StoredBlock } from "./input.ts";
import { DROPPED, type MergePart } from "./merge_parts.ts";
import { STORED_BLOCK_BYTES, StoredWriter } from "./stored.ts";

/** Smaller blocks are recompressed with their neighbours. */
const COPIED_BYTES_MIN = STORED_BLOCK_BYTES * 0.6;
/** Documents of less than this do not become a block of their own. */
const CLOSED_BYTES_MIN = STORED_BLOCK_BYTES * 0.4;

export function* mergedBlocks(parts: readonly MergePart[]): Generator<StoredBlock> {
  const writer = new StoredWriter();
  for (const { reader, docMap: { docs: map } } of parts) {
    let firstDoc = 0;
    for (let b = 0; b < reader.stored.blockCount; b++) {
      const block = reader.stored.block(b);
      const endDoc = firstDoc + block.docCount;
      const isWhole = block.rawBytes >= COPIED_BYTES_MIN && (map === null || allLive(map, firstDoc, endDoc));
      const waiting = writer.pendingBytes;
      if (isWhole && (waiting === 0 || waiting >= CLOSED_BYTES_MIN)) {
        // The block's page may be gone before the output is written: the copy is the output's own.
        writer.addBlock({ ...block, bytes: block.bytes.slice() });
      } else {
        const half = isWhole ? (waiting + block.rawBytes) / 2 : Infinity;
        let halved = false;
        for (let doc = firstDoc; doc < endDoc; doc++) {
          if (map !== null && map[doc] === DROPPED) continue;
          const source = reader.stored.source(doc);
          writer.add(source, 0, source.length);
          if (halved || writer.pendingBytes < half) continue;
          writer.close();
          halved = true;
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
