/**
 * The last part of `segment.ids`: what only the commit knows, and the end of the file.
 *
 * Runs: `ids:tombstones` (deletes that this segment carries for older ones) and `ids:born_dead` (documents that were
 * overwritten or deleted before the segment was committed; u32 words of bits). Left out when empty.
 *
 * @module
 */
import { concatBytes } from "../base/bytes.ts";
import { FileKind } from "../format/container.ts";
import { encodeTombstones } from "../format/ids.ts";
import type { IdsBodyState } from "./ids_builder.ts";
import type { Tombstones } from "./reader.ts";
import { MemorySink, RunFile } from "./run_file.ts";

export interface IdsTailParts {
  readonly tombstones: readonly Tombstones[];
  /** Bit of each dead doc; null when there is none. */
  readonly bornDead: Uint32Array | null;
}

/** The bytes that make a body a whole `segment.ids` when they are put behind it. Reads none of the body's. */
export function finishIds(body: IdsBodyState, { tombstones, bornDead }: IdsTailParts): Uint8Array {
  const sink = new MemorySink();
  const file = new RunFile(FileKind.Ids, body.open.uuid, { sink, resume: body.open });
  if (tombstones.length > 0) {
    file.begin("ids:tombstones");
    file.append(encodeTombstones(tombstones));
    file.end();
  }
  if (bornDead) {
    file.begin("ids:born_dead");
    file.append(new Uint8Array(bornDead.buffer, bornDead.byteOffset, bornDead.byteLength));
    file.end();
  }
  file.finish(body.meta);
  return concatBytes(sink.pieces);
}
