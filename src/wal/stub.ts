/**
 * A released generation becomes a stub under its own name: a slow copy that still holds the old body must not take it
 * for part of a newer log.
 *
 * @module
 */
import { STAGED_SUFFIX } from "../format/file_names.ts";
import { encodeStub, type WalHead } from "../format/wal_header.ts";
import type { FileSystem } from "../os/fs.ts";
import type { Poison } from "./poison.ts";
import { stageFile } from "./staged_file.ts";

/** How long a stub stays, which bounds how slow a copy may be. */
export const STUB_LIFETIME_MS = 30 * 24 * 3600 * 1000;

/** Replaces a generation by its stub; the caller syncs the directory once for all. @throws {IoError} */
export function replaceByStub(
  fs: FileSystem,
  { path, head }: { readonly path: string; readonly head: Omit<WalHead, "stub"> },
  poison: Poison,
): void {
  stageFile(fs, path + STAGED_SUFFIX, { bytes: [encodeStub(head)], poison });
  poison.guard(() => fs.rename(path + STAGED_SUFFIX, path));
}
