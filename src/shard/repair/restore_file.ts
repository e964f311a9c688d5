/**
 * Gives a name back the bytes that it was published with. The damaged file is kept aside; the name leads to one or the
 * other at every instant.
 *
 * @module
 */
import { assert } from "../../base/errors.ts";
import type { FileSystem } from "../../os/fs.ts";
import type { Poison } from "../../wal/poison.ts";
import { makeDirectoryDurably, stageFile } from "../../wal/staged_file.ts";
import { piecesWith, type TurnedBit } from "./correct_bit.ts";

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
  makeDirectoryDurably(fs, aside, poison);
  const [folder, name] = path.split("/").slice(-2) as [string, string];
  const kept = freeName(fs, `${aside}/${folder}-${name}.damaged`);
  const staged = `${aside}/${folder}-${name}.restored`;
  const file = fs.openRead(path);
  try {
    stageFile(fs, staged, { bytes: piecesWith(file, file.size(), bits), poison });
  } finally {
    file.close();
  }
  poison.guard(() => {
    fs.link(path, kept);
    fs.syncDirectory(aside);
    fs.rename(staged, path);
    fs.syncDirectory(path.slice(0, path.lastIndexOf("/")));
    fs.syncDirectory(aside);
  });
  return kept;
}

function freeName(fs: FileSystem, path: string): string {
  let free = path;
  for (let attempt = 1; fs.exists(free); attempt++) free = `${path}.${attempt}`;
  return free;
}
