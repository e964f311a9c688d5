/**
 * Names of the files of a data directory, and what a name found there stands for.
 *
 * A file that is still being written carries `.staged` behind its name and gets its own name by a rename, once it is
 * whole and synced. Numbers have at least six digits, are compared as numbers and are never used twice: the numbers
 * of staged files count too.
 *
 * @module
 */

export const WAL_FOLDER = "wal";
export const MANIFEST_FOLDER = "manifests";
export const ASIDE_FOLDER = "aside";
export const META_FOLDER = "_meta";
export const STAGED_SUFFIX = ".staged";
/** Behind a segment file's name while a lazy restore brings it: of its final size, with holes. */
export const HYDRATING_SUFFIX = ".hydrating";
/** In `META_FOLDER`: where the rest of such files is to be had; see `hydration.ts`. */
export const HYDRATING_FILE = "hydrating.json";

export type NumberedKind = "generation" | "manifest" | "segment" | "catalog" | "deleted";

export interface NumberedName {
  readonly kind: NumberedKind;
  readonly number: number;
  /** Under its staged name: unfinished. */
  readonly staged: boolean;
}

function digits(number: number): string {
  return String(number).padStart(6, "0");
}

export function generationName(number: number): string {
  return `wal-${digits(number)}`;
}

export function manifestName(number: number): string {
  return `manifest-${digits(number)}.json`;
}

export function segmentName(number: number): string {
  return `seg-${digits(number)}`;
}

export function catalogName(number: number): string {
  return `catalog-${digits(number)}.json`;
}

/** File of deleted incarnations. */
export function deletedName(number: number): string {
  return `deleted-${digits(number)}.json`;
}

export function shardFolder(shard: number): string {
  return `shard-${shard}`;
}

const PATTERN = /^(?:(wal|seg)-(\d{6,15})|(manifest|catalog|deleted)-(\d{6,15})\.json)(\.staged)?$/;
const KINDS: Readonly<Record<string, NumberedKind>> = {
  wal: "generation",
  seg: "segment",
  manifest: "manifest",
  catalog: "catalog",
  deleted: "deleted",
};

/** What a name stands for; undefined: none of ours. `wal-0000001` is none: the same number has one name only. */
export function parseNumberedName(name: string): NumberedName | undefined {
  const match = PATTERN.exec(name);
  if (!match) return undefined;
  const text = match[2] ?? match[4]!;
  const number = Number(text);
  if (digits(number) !== text) return undefined;
  return { kind: KINDS[match[1] ?? match[3]!]!, number, staged: match[5] !== undefined };
}

const SHARD_FOLDER = /^shard-(0|[1-9]\d{0,3})$/;

/** Number of a shard's folder; undefined: not one. */
export function parseShardFolder(name: string): number | undefined {
  const match = SHARD_FOLDER.exec(name);
  return match ? Number(match[1]) : undefined;
}
