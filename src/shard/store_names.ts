/**
 * Where a shard's files lie in its folder.
 *
 * @module
 */
import {
  ASIDE_FOLDER,
  HYDRATING_SUFFIX,
  MANIFEST_FOLDER,
  segmentName,
  STAGED_SUFFIX,
  WAL_FOLDER,
} from "../format/file_names.ts";

import { isWhole, type SharedBlocks } from "../os/shared_blocks.ts";

export { SEGMENT_FILE_NAMES } from "../format/manifest.ts";

/** The blocks of a segment file, by its final name, that a lazy restore was bringing when the server started. */
export type FindHydrating = (path: string) => SharedBlocks | undefined;

/** The name that a segment file has now. Renames begin only when all shards are open. */
export function presentPath(path: string, hydrating: FindHydrating | undefined): string {
  const blocks = hydrating?.(path);
  return blocks && !isWhole(blocks) ? path + HYDRATING_SUFFIX : path;
}

/** Files of a merge in its staged folder that are no part of the segment begin with this. */
export const SCRATCH_PREFIX = "scratch-";

export function segmentFolder(directory: string, number: number): string {
  return `${directory}/${segmentName(number)}`;
}

export function stagedSegmentFolder(directory: string, number: number): string {
  return segmentFolder(directory, number) + STAGED_SUFFIX;
}

export function walFolder(directory: string): string {
  return `${directory}/${WAL_FOLDER}`;
}

export function manifestFolder(directory: string): string {
  return `${directory}/${MANIFEST_FOLDER}`;
}

export function asideFolder(directory: string): string {
  return `${directory}/${ASIDE_FOLDER}`;
}
