/**
 * From bytes to a segment that can be searched: in shared memory as a refresh builds it, or mapped from disk.
 *
 * @module
 */
import { concatBytes } from "../base/bytes.ts";
import type { Mapping as FileMapping } from "../os/fs.ts";
import { isWhole, needBlocks, type SharedBlocks } from "../os/shared_blocks.ts";
import type { BuiltSegment } from "../segment/builder.ts";
import { finishIds } from "../segment/ids_tail.ts";
import { type FileImage, PAGE_BYTES } from "../segment/file_view.ts";
import { openSegment } from "../segment/open.ts";
import type { ManifestSegment } from "../format/manifest.ts";
import { LiveSegment } from "./live_segment.ts";
import type { FileRegion, SegmentRef } from "./snapshot.ts";
import type { ShardEnvironment } from "./state.ts";
import { presentPath } from "./store_names.ts";

/** Each writer thread counts for itself, and searchers hold the segments of all: its part of the keys is its own. */
const THREAD = crypto.randomUUID().slice(0, 13);
let nextKey = 1;

function drawKey(kind: "m" | "d"): string {
  return `${kind}${nextKey++}.${THREAD}`;
}

/** Names of the files of a segment, in the order in which they are written. */
export const SEGMENT_FILES = ["segment.seg", "segment.sidx", "segment.ids"] as const;

/** Allocates the memory that a builder writes to. */
export function allocateShared(sizeBytes: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(sizeBytes));
}

function verifiedBitmap(sizeBytes: number, trusted: boolean): Uint32Array {
  const words = Math.max(1, Math.ceil(sizeBytes / PAGE_BYTES / 32));
  const bits = new Uint32Array(new SharedArrayBuffer(words * 4));
  // Bytes that this process has just made need no check.
  if (trusted) bits.fill(0xffff_ffff);
  return bits;
}

/** What brings the bytes of a region into memory before they are checked; undefined: they are there. */
export function loadOf(
  blocks: SharedBlocks | undefined,
  label: string,
): ((offset: number, length: number) => void) | undefined {
  return blocks && ((offset, length) => needBlocks(blocks, offset, length, label));
}

/** A lazy restore is still bringing parts of it: they can be read through the mapping alone. */
export function isHydrating({ seg, ids }: SegmentRef): boolean {
  return [seg, ids].some(({ blocks }) => blocks && !isWhole(blocks));
}

/** A segment of this shard's memory, from the builder's output. */
export function memorySegment(names: string, built: BuiltSegment, bornDead: Uint32Array | null): LiveSegment {
  const idsTail = finishIds(built.idsBody, { tombstones: [], bornDead });
  const ids = allocateShared(built.idsBody.bytes.length + idsTail.length);
  ids.set(concatBytes([built.idsBody.bytes, idsTail]));
  const region = (bytes: Uint8Array, file: string): FileRegion & { kind: "shared" } => ({
    kind: "shared",
    bytes,
    verified: verifiedBitmap(bytes.length, true),
    label: `${names} (in memory)/${file}`,
  });
  const regions = [built.seg, built.sidx, ids].map((bytes, i) => region(bytes, SEGMENT_FILES[i]!));
  const image = (i: number): FileImage => regions[i]!;
  const reader = openSegment({ seg: image(0), sidx: image(1), ids: image(2) });
  const ref: SegmentRef = {
    key: drawKey("m"),
    number: 0,
    docCount: built.docCount,
    sizeBytes: built.seg.length + built.sidx.length + ids.length,
    seg: regions[0]!,
    sidx: regions[1]!,
    ids: regions[2]!,
  };
  return new LiveSegment(ref, reader, { kind: "memory", built });
}

/**
 * Maps and opens a segment that a manifest names.
 *
 * @throws {CorruptionError} Size, footer, directory or uuid is not what the manifest says.
 */
export function mapSegment(
  environment: Pick<ShardEnvironment, "fs" | "viewMapping" | "hydrating" | "readImage">,
  directory: string,
  entry: ManifestSegment,
): LiveSegment {
  const mappings: FileMapping[] = [];
  try {
    const regions = SEGMENT_FILES.map((file): { region: FileRegion; image: FileImage } => {
      const label = `${directory}/${file}`;
      const read = environment.readImage?.(label);
      if (read) {
        const { bytes, verified, label } = read;
        return { region: { kind: "shared", bytes, verified, label }, image: read };
      }
      const mapping = environment.fs.map(presentPath(label, environment.hydrating));
      mappings.push(mapping);
      const { address, sizeBytes } = mapping;
      const verified = verifiedBitmap(sizeBytes, false);
      const found = environment.hydrating?.(label);
      const blocks = found && !isWhole(found) ? { states: found.states, control: found.control } : undefined;
      const load = loadOf(blocks, label);
      return {
        region: { kind: "mapped", address, sizeBytes, verified, label, ...(blocks ? { blocks } : {}) },
        image: {
          bytes: environment.viewMapping(address, sizeBytes),
          verified,
          label,
          ...(load ? { load } : {}),
        },
      };
    });
    const [seg, sidx, ids] = regions;
    const reader = openSegment({ seg: seg!.image, sidx: sidx!.image, ids: ids!.image });
    const ref: SegmentRef = {
      key: drawKey("d"),
      number: entry.number,
      docCount: reader.docCount,
      sizeBytes: regions.reduce((sum, { image }) => sum + image.bytes.length, 0),
      seg: seg!.region,
      sidx: sidx!.region,
      ids: ids!.region,
    };
    return new LiveSegment(ref, reader, { kind: "disk", entry, mappings });
  } catch (error) {
    for (const mapping of mappings) mapping.unmap();
    throw error;
  }
}

/** Gives back the memory of a segment that nobody has been told of. */
export function unmapSegment({ home }: LiveSegment): void {
  if (home.kind === "disk") { for (const mapping of home.mappings) mapping.unmap(); }
}
