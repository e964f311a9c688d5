/**
 * Which files of a shard need no more than stray bits turned back?
 *
 * @module
 */
import { manifestName } from "../../format/file_names.ts";
import type { FileSystem } from "../../os/fs.ts";
import { manifestFolder, SEGMENT_FILE_NAMES, segmentFolder } from "../store_names.ts";
import { readableManifests, type ShardFiles } from "../verify/shard_files.ts";
import { isAbsent } from "../verify/read_image.ts";
import { type TurnedBit, turnedBitOfSealed, turnedBits } from "./correct_bit.ts";

export interface Correction {
  readonly path: string;
  readonly bits: readonly TurnedBit[];
}

/** Of damaged segments; a file whose manifest's digest proves it. @throws {IoError} */
export function segmentCorrections(
  fs: FileSystem,
  directory: string,
  { files, damaged }: { readonly files: ShardFiles; readonly damaged: ReadonlySet<number> },
): { readonly corrections: readonly Correction[]; readonly whole: ReadonlySet<number> } {
  const corrections: Correction[] = [];
  const whole = new Set<number>();
  for (const number of damaged) {
    const entry = readableManifests(files.manifests).flatMap(({ segments }) => segments)
      .find((segment) => segment.number === number);
    if (!entry) continue;
    let isWhole = true;
    for (const name of SEGMENT_FILE_NAMES) {
      const path = `${segmentFolder(directory, number)}/${name}`;
      const bits = ifThere(() => turnedBits(fs, path, entry.files[name]));
      if (!bits) isWhole = false;
      else if (bits.length > 0) corrections.push({ path, bits });
    }
    if (isWhole) whole.add(number);
  }
  return { corrections, whole };
}

/** Of manifests that cannot be read. @throws {IoError} */
export function manifestCorrections(
  fs: FileSystem,
  directory: string,
  { problems }: ShardFiles,
): Correction[] {
  return problems.manifests.flatMap(({ number }) => {
    const path = `${manifestFolder(directory)}/${manifestName(number)}`;
    const bit = ifThere(() => turnedBitOfSealed(fs.readFile(path)));
    return bit ? [{ path, bits: [bit] }] : [];
  });
}

function ifThere<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
