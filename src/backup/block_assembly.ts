/**
 * From parts of a file, as they come, to its blocks: whole ones only.
 *
 * @module
 */
import { BLOCK_BYTES } from "../os/shared_blocks.ts";
import type { FilePart } from "./file_parts.ts";

/** @param sizeBytes Of the file: its last block is shorter. @returns Each block that the parts, which are in order, hold wholly. */
export async function* blocksOf(
  parts: AsyncIterable<FilePart>,
  sizeBytes: number,
): AsyncGenerator<{ readonly block: number; readonly bytes: Uint8Array }> {
  let open: { readonly block: number; readonly bytes: Uint8Array; filled: number } | undefined;
  for await (const { offset, bytes } of parts) {
    for (let at = 0; at < bytes.length;) {
      const block = Math.floor((offset + at) / BLOCK_BYTES);
      const start = block * BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES, sizeBytes - start);
      const within = offset + at - start;
      const taken = Math.min(length - within, bytes.length - at);
      if (taken === length) yield { block, bytes: bytes.subarray(at, at + length) };
      else {
        if (within === 0) open = { block, bytes: new Uint8Array(length), filled: 0 };
        if (open?.block === block && open.filled === within) {
          open.bytes.set(bytes.subarray(at, at + taken), within);
          open.filled += taken;
          if (open.filled === length) {
            yield open;
            open = undefined;
          }
        }
      }
      at += taken;
    }
  }
}
