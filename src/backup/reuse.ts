/**
 * What a repository holds already, as far as listed backups' manifests say: decided from them, never from a listing of
 * the store.
 *
 * @module
 */
import type { Head, ListedBackup } from "./head.ts";
import { RepositoryError } from "./error.ts";
import type { Piece } from "./manifest.ts";
import type { Repository } from "./repository.ts";

/** Manifests read of the same series, newest first, and in all. */
const SAME_SERIES = 4;
const MAX_MANIFESTS = 16;

/** An object that listed backups name. */
export interface HeldPiece extends Piece {
  /** Names of manifests that name it. As long as the head lists one of them, it stays. */
  readonly holders: Set<string>;
}

export interface Holdings {
  /** By content name. */
  readonly pieces: ReadonlyMap<string, HeldPiece>;
  /** Pieces of whole files, by `fileKey`. */
  readonly files: ReadonlyMap<string, readonly Piece[]>;
}

export function fileKey(sha256: string, bytes: number): string {
  return `${sha256} ${bytes}`;
}

/**
 * Reads the manifests that most likely hold what a backup of this series needs: the newest of it, and the newest of each
 * other one. A damaged manifest counts as none, and is logged: its objects are sent anew.
 */
export async function readHoldings(
  repository: Repository,
  head: Head,
  { series, signal }: { readonly series: string; readonly signal?: AbortSignal },
): Promise<Holdings> {
  const pieces = new Map<string, HeldPiece>();
  const files = new Map<string, readonly Piece[]>();
  const condemned = new Set(head.condemned);
  for (const listed of choose(head.backups, series)) {
    const manifest = await readable(repository, listed, signal);
    for (const file of manifest?.files ?? []) {
      if (file.inline !== undefined || file.pieces.some(({ object }) => condemned.has(object))) continue;
      const key = fileKey(file.sha256, file.bytes);
      if (!files.has(key)) files.set(key, file.pieces);
      for (const piece of file.pieces) {
        const content = repository.contentName(piece.sha256);
        const held = pieces.get(content);
        if (!held) pieces.set(content, { ...piece, holders: new Set([listed.manifest]) });
        else if (held.object === piece.object) held.holders.add(listed.manifest);
      }
    }
  }
  return { pieces, files };
}

function choose(backups: readonly ListedBackup[], series: string): ListedBackup[] {
  const newest = [...backups].reverse();
  const own = newest.filter((backup) => backup.series === series).slice(0, SAME_SERIES);
  const others = new Map<string, ListedBackup>();
  for (const backup of newest) {
    if (backup.series !== series && !others.has(backup.series)) others.set(backup.series, backup);
  }
  return [...own, ...others.values()].slice(0, MAX_MANIFESTS);
}

async function readable(repository: Repository, listed: ListedBackup, signal: AbortSignal | undefined) {
  try {
    return await repository.readManifest(listed, signal);
  } catch (error) {
    if (!(error instanceof RepositoryError) || error.kind !== "damaged") throw error;
    repository.log.warn("A backup's manifest cannot be read: its objects are not reused", {
      backup: listed.id,
      error: error.message,
    });
    return undefined;
  }
}
