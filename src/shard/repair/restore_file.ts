/**
 * Gives a name back the bytes that it was published with, by turning back stray bits.
 *
 * @module
 */
import { assert } from "../../base/errors.ts";
import type { FileSystem } from "../../os/fs.ts";
import type { Poison } from "../../wal/poison.ts";
import { stageFile } from "../../wal/staged_file.ts";
import { piecesWith, type TurnedBit } from "./correct_bit.ts";
import { makeAside, replaceFile, wholeName } from "./replace_file.ts";

/**
 * @param aside Folder in which the damaged file stays, as `<folder>-<file>.damaged`.
 * @returns Where it is.
 * @throws {IoError}
 */
export function restoreFile(
  fs: FileSystem,
  path: string,
  { bits, aside, poison }: {
    readonly bits: readonly TurnedBit[];
    readonly aside: string;
    readonly poison: Poison;
  },
): string {
  assert(bits.length > 0, "there is something to turn back");
  makeAside(fs, aside, poison);
  const whole = wholeName(aside, path);
  const file = fs.openRead(path);
  try {
    stageFile(fs, whole, { bytes: piecesWith(file, file.size(), bits), poison });
  } finally {
    file.close();
  }
  const kept = replaceFile(fs, path, { whole, aside, poison });
  assert(kept !== undefined, "the damaged file was there");
  return kept;
}
