/**
 * Where a shard's files lie in its folder.
 *
 * @module
 */
import {
  ASIDE_FOLDER,
  MANIFEST_FOLDER,
  segmentName,
  STAGED_SUFFIX,
  WAL_FOLDER,
} from "../format/file_names.ts";

export { SEGMENT_FILE_NAMES } from "../format/manifest.ts";

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
