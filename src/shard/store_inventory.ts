/**
 * What lies in a shard's folder? Reads every name, manifest and WAL header; decides nothing, writes nothing.
 *
 * @module
 */
import { CorruptionError, IoError } from "../base/errors.ts";
import { ASIDE_FOLDER, MANIFEST_FOLDER, parseNumberedName, WAL_FOLDER } from "../format/file_names.ts";
import { decodeManifest, type Manifest } from "../format/manifest.ts";
import type { FileSystem } from "../os/fs.ts";
import { findGenerations, type FoundGeneration } from "../wal/generation_file.ts";
import { OpenRefusedError } from "../wal/refused.ts";
import type { ShardIdentity } from "./store_environment.ts";

export type FoundManifest =
  | { readonly kind: "ok"; readonly number: number; readonly path: string; readonly manifest: Manifest }
  | {
    readonly kind: "unreadable";
    readonly number: number;
    readonly path: string;
    readonly error: CorruptionError;
  };

export type ReadableManifest = Extract<FoundManifest, { kind: "ok" }>;

/** Next free numbers of a folder. */
export interface NextNumbers {
  generation: number;
  manifest: number;
  segment: number;
}

export interface Inventory {
  readonly directory: string;
  /** Of the incarnation, and unreadable ones, ascending. */
  readonly manifests: readonly FoundManifest[];
  /** Of other incarnations, which count for numbers and for segments that they name. */
  readonly foreignManifests: readonly Manifest[];
  /** Of the incarnation, and unreadable ones, ascending. */
  readonly generations: readonly FoundGeneration[];
  /** Numbers of the segment folders with a final name. */
  readonly segments: readonly number[];
  /** Paths of unfinished files, and of unfinished segment folders. */
  readonly staged: { readonly files: readonly string[]; readonly segments: readonly string[] };
  readonly next: NextNumbers;
}

/**
 * Reads a shard's folder.
 *
 * @param firstNumbers Smallest free ones, though no file says so: the catalogue's memory of the name.
 * @throws {OpenRefusedError} `wrong_index`.
 * @throws {IoError}
 */
export function takeInventory(
  fs: FileSystem,
  directory: string,
  { identity, firstNumbers }: {
    readonly identity: ShardIdentity;
    readonly firstNumbers?: Readonly<NextNumbers>;
  },
): Inventory {
  const next = { generation: 1, manifest: 1, segment: 1, ...firstNumbers };
  const staged = { files: [] as string[], segments: [] as string[] };
  const own: FoundManifest[] = [];
  const foreignManifests: Manifest[] = [];
  for (const found of findManifests(fs, `${directory}/${MANIFEST_FOLDER}`, { next, staged: staged.files })) {
    if (found.kind === "ok" && found.manifest.incarnation !== identity.incarnation) {
      foreignManifests.push(found.manifest);
    } else own.push(found);
    if (found.kind === "ok") countNumbers(found.manifest, next);
  }
  for (const found of own) if (found.kind === "ok") checkIdentity(found, identity);
  const wal = findGenerations(fs, `${directory}/${WAL_FOLDER}`);
  next.generation = Math.max(next.generation, wal.highest + 1);
  staged.files.push(...wal.staged);
  const generations = wal.generations.filter((found) =>
    found.kind === "unreadable" || found.head.incarnation === identity.incarnation
  );
  countAside(fs, directory, next);
  return {
    directory,
    manifests: own,
    foreignManifests,
    generations,
    segments: listSegments(fs, directory, { next, staged: staged.segments }),
    staged,
    next,
  };
}

/** Reads the manifests of a folder in ascending order; an absent folder holds none. */
export function findManifests(
  fs: FileSystem,
  folder: string,
  { next, staged }: { readonly next?: NextNumbers; readonly staged?: string[] } = {},
): FoundManifest[] {
  if (!fs.exists(folder)) return [];
  const found: FoundManifest[] = [];
  for (const { name, isFile } of fs.list(folder)) {
    const parsed = parseNumberedName(name);
    if (parsed?.kind !== "manifest" || !isFile) continue;
    if (next) next.manifest = Math.max(next.manifest, parsed.number + 1);
    if (parsed.staged) staged?.push(`${folder}/${name}`);
    else found.push(readManifest(fs, `${folder}/${name}`, parsed.number));
  }
  return found.sort((a, b) => a.number - b.number);
}

/** Reads one manifest; what does not decode is a finding, not an error. @throws {IoError} */
export function readManifest(fs: FileSystem, path: string, number: number): FoundManifest {
  try {
    const manifest = decodeManifest(fs.readFile(path));
    if (manifest.number !== number) {
      throw new CorruptionError(
        `Cannot decode manifest: it is number ${manifest.number}, its name says ${number}`,
      );
    }
    return { kind: "ok", number, path, manifest };
  } catch (error) {
    const isLost = error instanceof CorruptionError || (error instanceof IoError && error.code === "EIO");
    if (!isLost) throw error;
    return { kind: "unreadable", number, path, error: new CorruptionError(error.message, { file: path }) };
  }
}

function countNumbers({ segments, checkpoint, history }: Manifest, next: NextNumbers): void {
  for (const { number } of segments) next.segment = Math.max(next.segment, number + 1);
  next.generation = Math.max(next.generation, checkpoint.generation + 1);
  // A run may have drawn a number and got no further than its generation.
  for (const run of history.runs) {
    next.generation = Math.max(next.generation, run.generation + 1);
    next.manifest = Math.max(next.manifest, run.manifest + 1);
  }
}

function checkIdentity(
  { manifest, path }: ReadableManifest,
  { indexUuid, shard, shards }: ShardIdentity,
): void {
  const count = shards ?? manifest.shards;
  if (manifest.indexUuid === indexUuid && manifest.shard === shard && manifest.shards === count) return;
  throw new OpenRefusedError(
    "wrong_index",
    `a manifest is of index ${manifest.indexUuid}, shard ${manifest.shard} of ${manifest.shards}; expected was ` +
      `${indexUuid}, shard ${shard} of ${count}`,
    [path],
  );
}

function listSegments(
  fs: FileSystem,
  directory: string,
  { next, staged }: { readonly next: NextNumbers; readonly staged: string[] },
): number[] {
  const numbers: number[] = [];
  if (!fs.exists(directory)) return numbers;
  for (const { name, isDirectory } of fs.list(directory)) {
    const parsed = parseNumberedName(name);
    if (parsed?.kind !== "segment" || !isDirectory) continue;
    next.segment = Math.max(next.segment, parsed.number + 1);
    if (parsed.staged) staged.push(`${directory}/${name}`);
    else numbers.push(parsed.number);
  }
  return numbers.sort((a, b) => a - b);
}

/** Names in `aside/` count for numbers. */
function countAside(fs: FileSystem, directory: string, next: NextNumbers): void {
  const folder = `${directory}/${ASIDE_FOLDER}`;
  if (!fs.exists(folder)) return;
  for (const { name } of fs.list(folder)) {
    const parsed = parseNumberedName(name);
    if (parsed?.kind === "generation" || parsed?.kind === "manifest" || parsed?.kind === "segment") {
      next[parsed.kind] = Math.max(next[parsed.kind], parsed.number + 1);
    }
  }
}
