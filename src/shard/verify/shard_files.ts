/**
 * Every file of a shard's folder, whatever life of the index it belongs to: one look, from the list of names to the
 * last byte.
 *
 * @module
 */
import { parseNumberedName, parseShardFolder } from "../../format/file_names.ts";
import { type History, historyLength, NO_HISTORY } from "../../format/history.ts";
import type { Manifest } from "../../format/manifest.ts";
import { bootMark } from "../../format/wal_header.ts";
import type { FileSystem } from "../../os/fs.ts";
import { findGenerations, type FoundBody, type FoundGeneration } from "../../wal/generation_file.ts";
import type { TornTail } from "../../wal/scan.ts";
import { lsnLimit } from "../store_decide.ts";
import { findManifests, type FoundManifest } from "../store_inventory.ts";
import { manifestFolder, SEGMENT_FILE_NAMES, segmentFolder, walFolder } from "../store_names.ts";
import { accountFor, type ManifestAccount } from "./accounting.ts";
import { type Problem, problemOf, type Progress } from "./finding.ts";
import { checkSegment, type SegmentFacts } from "./segment_files.ts";
import { checkGeneration, type GenerationFacts, successorOf } from "./wal_files.ts";

/** What does not change and has been read once need not be read again, however often the folder is looked at. */
export class Seen {
  readonly segments = new Map<number, SegmentFacts>();
  /** By uuid and end. */
  readonly generations = new Map<string, GenerationFacts>();
}

export interface ShardFiles {
  readonly manifests: readonly FoundManifest[];
  readonly generations: readonly FoundGeneration[];
  /** By segment number, of those whose folder is there. */
  readonly segments: ReadonlyMap<number, SegmentFacts>;
  /** By manifest number, of those that can be read. */
  readonly accounts: ReadonlyMap<number, ManifestAccount>;
  readonly walFacts: readonly GenerationFacts[];
  readonly torn: readonly TornTail[];
  /** Of files that are wrong by themselves: unreadable manifests and headers, bad records, bad pages. */
  readonly problems: {
    readonly manifests: readonly (Problem & { readonly number: number })[];
    readonly generations: readonly (Problem & { readonly number: number })[];
    readonly segments: readonly (Problem & { readonly number: number })[];
  };
  /** Unfinished files, which the next start removes. */
  readonly staged: readonly string[];
  /** Files and folders that are none of ours. */
  readonly strange: readonly string[];
  /** Names of all that was found: differs when the folder has changed. */
  readonly print: string;
  readonly bytes: number;
  readonly files: number;
}

export interface FilesEnvironment {
  readonly fs: FileSystem;
  readonly bootId: string;
  readonly isCopy: boolean;
  readonly progress: Progress;
}

/** Looks at a folder once. @throws {IoError} For all but a missing file and EIO. */
export async function lookAtFiles(
  environment: FilesEnvironment,
  directory: string,
  seen: Seen,
): Promise<ShardFiles> {
  const { fs, progress } = environment;
  const names = listNames(fs, directory);
  const manifests = findManifests(fs, manifestFolder(directory), { staged: names.staged });
  const wal = findGenerations(fs, walFolder(directory));
  names.staged.push(...wal.staged);
  const problems = {
    manifests: manifests.flatMap((found) =>
      found.kind === "unreadable" ? [{ ...problemOf(found.error, found.path), number: found.number }] : []
    ),
    generations: wal.generations.flatMap((found) =>
      found.kind === "unreadable" ? [{ ...problemOf(found.error, found.path), number: found.number }] : []
    ),
    segments: [] as (Problem & { number: number })[],
  };
  const walFacts = await checkGenerations(environment, { manifests, generations: wal.generations, seen });
  for (const facts of walFacts) {
    for (const problem of facts.problems) problems.generations.push({ ...problem, number: facts.number });
  }
  const segments = new Map<number, SegmentFacts>();
  for (const number of names.segments) {
    let facts = seen.segments.get(number);
    if (!facts) {
      facts = await checkSegment(fs, segmentFolder(directory, number), progress);
      // One that is being removed is none to remember.
      if (!facts.problems.some(({ absent }) => absent)) seen.segments.set(number, facts);
    }
    segments.set(number, facts);
    for (const problem of facts.problems) problems.segments.push({ ...problem, number });
  }
  const accounts = new Map<number, ManifestAccount>();
  for (const found of manifests) {
    if (found.kind === "ok") accounts.set(found.number, accountFor(directory, found.manifest, segments));
  }
  return {
    manifests,
    generations: wal.generations,
    segments,
    accounts,
    walFacts,
    torn: walFacts.flatMap(({ torn }) => torn ? [torn] : []),
    problems,
    staged: names.staged,
    strange: names.strange,
    print: printOf(manifests, wal.generations, names.segments),
    bytes: bytesOf(wal.generations, segments),
    files: manifests.length + wal.generations.length + segments.size * SEGMENT_FILE_NAMES.length,
  };
}

async function checkGenerations(
  { fs, bootId, isCopy, progress }: FilesEnvironment,
  { manifests, generations, seen }: {
    readonly manifests: readonly FoundManifest[];
    readonly generations: readonly FoundGeneration[];
    readonly seen: Seen;
  },
): Promise<GenerationFacts[]> {
  const all: GenerationFacts[] = [];
  const longest = longestHistories(manifests, generations);
  for (const found of generations) {
    if (found.kind !== "body") continue;
    const { head } = found;
    const end = successorOf(found, generations)?.head.previousEnd;
    const key = `${head.uuid}/${end}`;
    let facts = end === undefined ? undefined : seen.generations.get(key);
    if (!facts) {
      const maxLsn = lsnLimit(longest.get(head.incarnation)!, head.history);
      const sameBoot = !isCopy && bootId !== "" && head.boot === bootMark(bootId);
      try {
        facts = await checkGeneration(fs, found, { end, maxLsn, sameBoot, progress });
      } catch (error) {
        const problems = [problemOf(error, found.path)];
        facts = {
          number: found.number,
          path: found.path,
          problems,
          torn: undefined,
          records: 0,
          operations: 0,
        };
      }
      if (facts.problems.length === 0) seen.generations.set(key, facts);
    }
    all.push(facts);
  }
  return all;
}

/** By incarnation. */
function longestHistories(
  manifests: readonly FoundManifest[],
  generations: readonly FoundGeneration[],
): Map<string, History> {
  const longest = new Map<string, History>();
  const add = (incarnation: string, history: History) => {
    if (historyLength(history) >= historyLength(longest.get(incarnation) ?? NO_HISTORY)) {
      longest.set(incarnation, history);
    }
  };
  for (const found of manifests) {
    if (found.kind === "ok") add(found.manifest.incarnation, found.manifest.history);
  }
  for (const found of generations) {
    if (found.kind === "body") add(found.head.incarnation, found.head.history);
  }
  return longest;
}

const OWN_FOLDERS = new Set(["wal", "manifests", "aside"]);

function listNames(fs: FileSystem, directory: string) {
  const segments: number[] = [];
  const staged: string[] = [];
  const strange: string[] = [];
  for (const { name, isDirectory } of fs.exists(directory) ? fs.list(directory) : []) {
    const path = `${directory}/${name}`;
    const parsed = parseNumberedName(name);
    if (parsed?.kind === "segment" && isDirectory) {
      if (parsed.staged) staged.push(path);
      else segments.push(parsed.number);
      continue;
    }
    if (isDirectory && (OWN_FOLDERS.has(name) || parseShardFolder(name) !== undefined)) continue;
    if (name !== "schema.json") strange.push(path);
  }
  for (
    const [folder, kind] of [[manifestFolder(directory), "manifest"], [walFolder(directory), "generation"]]
  ) {
    for (const { name } of fs.exists(folder!) ? fs.list(folder!) : []) {
      if (parseNumberedName(name)?.kind !== kind) strange.push(`${folder}/${name}`);
    }
  }
  return { segments: segments.sort((a, b) => a - b), staged, strange };
}

function printOf(
  manifests: readonly FoundManifest[],
  generations: readonly FoundGeneration[],
  segments: readonly number[],
): string {
  return JSON.stringify([
    manifests.map(({ number }) => number),
    generations.map(({ number, kind }) => [number, kind]),
    segments,
  ]);
}

function bytesOf(
  generations: readonly FoundGeneration[],
  segments: ReadonlyMap<number, SegmentFacts>,
): number {
  let bytes = 0;
  for (const { sizeBytes } of generations) bytes += sizeBytes;
  for (const { files } of segments.values()) {
    for (const file of Object.values(files)) bytes += file.sizeBytes;
  }
  return bytes;
}

/** Bytes that a look at a folder will read, as far as its names and sizes tell; for a progress bar. */
export function bytesToRead(fs: FileSystem, directory: string): number {
  let bytes = 0;
  for (const { name, isDirectory } of fs.exists(directory) ? fs.list(directory) : []) {
    const kind = parseNumberedName(name)?.kind;
    if (!isDirectory || (kind !== "segment" && name !== "wal")) continue;
    for (const file of fs.list(`${directory}/${name}`)) {
      bytes += fs.stat(`${directory}/${name}/${file.name}`).sizeBytes;
    }
  }
  return bytes;
}

export function bodiesOf(generations: readonly FoundGeneration[]): FoundBody[] {
  return generations.filter((found): found is FoundBody => found.kind === "body");
}

export function readableManifests(manifests: readonly FoundManifest[]): Manifest[] {
  return manifests.flatMap((found) => found.kind === "ok" ? [found.manifest] : []);
}
