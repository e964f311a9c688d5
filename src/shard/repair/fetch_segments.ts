/**
 * Damaged files of segments, fetched whole from somewhere else by the SHA-256 that a manifest states. Nothing is lost.
 *
 * @module
 */
import type { ManifestSegment } from "../../format/manifest.ts";
import type { FileSystem } from "../../os/fs.ts";
import type { Poison } from "../../wal/poison.ts";
import { makeDirectoryDurably } from "../../wal/staged_file.ts";
import { asideFolder, SEGMENT_FILE_NAMES, segmentFolder } from "../store_names.ts";
import { readableManifests, type ShardFiles } from "../verify/shard_files.ts";
import type { SegmentFacts } from "../verify/segment_files.ts";
import { makeAside, replaceFile, wholeName } from "./replace_file.ts";

/** Where lost bytes may be had. */
export interface LostFiles {
  /** Writes and syncs a file with these bytes at `to`. @throws {Error} Nobody could be asked: nothing is known then. */
  fetch(
    wanted: { readonly sha256: string; readonly sizeBytes: number },
    to: string,
  ): Promise<
    { readonly kind: "fetched"; readonly from: string } | {
      readonly kind: "absent";
      readonly why: string;
    }
  >;
}

export interface FetchReport {
  readonly fetched: readonly { readonly path: string; readonly from: string }[];
  /** What could not be had, in words. */
  readonly absent: readonly { readonly path: string; readonly why: string }[];
  /** The damaged files. */
  readonly aside: readonly string[];
}

interface BadFile {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/**
 * @param wanted Numbers of segments.
 * @returns Undefined: no file of them is other than a manifest says. @throws {IoError}
 */
export async function fetchSegments(
  fs: FileSystem,
  directory: string,
  { files, wanted, lost, poison }: {
    readonly files: ShardFiles;
    readonly wanted: ReadonlySet<number>;
    readonly lost: LostFiles;
    readonly poison: Poison;
  },
): Promise<FetchReport | undefined> {
  const fetched: { path: string; from: string }[] = [];
  const absent: { path: string; why: string }[] = [];
  const kept: string[] = [];
  const aside = asideFolder(directory);
  const entries = readableManifests(files.manifests).flatMap(({ segments }) => segments);
  for (const number of [...wanted].sort((a, b) => a - b)) {
    const entry = entries.find((segment) => segment.number === number);
    if (!entry) continue;
    const folder = segmentFolder(directory, number);
    const whole: { path: string; staged: string; from: string }[] = [];
    for (const { path, ...bytes } of badFiles(folder, { entry, facts: files.segments.get(number) })) {
      makeAside(fs, aside, poison);
      const staged = wholeName(aside, path);
      const found = await lost.fetch(bytes, staged);
      if (found.kind === "absent") absent.push({ path, why: found.why });
      else whole.push({ path, staged, from: found.from });
    }
    // A folder that is not there appears with all of its files, or not at all.
    if (!fs.exists(folder)) {
      if (whole.length < SEGMENT_FILE_NAMES.length) {
        for (const { staged } of whole) fs.unlink(staged);
        continue;
      }
      makeDirectoryDurably(fs, folder, poison);
    }
    for (const { path, staged, from } of whole) {
      const damaged = replaceFile(fs, path, { whole: staged, aside, poison });
      if (damaged !== undefined) kept.push(damaged);
      fetched.push({ path, from });
    }
  }
  return fetched.length + absent.length === 0 ? undefined : { fetched, absent, aside: kept };
}

function badFiles(
  folder: string,
  { entry, facts }: { readonly entry: ManifestSegment; readonly facts: SegmentFacts | undefined },
): BadFile[] {
  return SEGMENT_FILE_NAMES.flatMap((name): BadFile[] => {
    const { sha256, sizeBytes } = entry.files[name];
    const is = facts?.files[name];
    return is?.sha256 === sha256 && is.sizeBytes === sizeBytes
      ? []
      : [{ path: `${folder}/${name}`, sha256, sizeBytes }];
  });
}
