/**
 * A restore that brings what a server needs to start, and leaves the rest to that server: segment files are made as
 * holes of the right size, and `_meta/hydrating.json` says where their bytes are.
 *
 * @module
 */
import {
  HYDRATING_FILE,
  HYDRATING_SUFFIX,
  META_FOLDER,
  parseNumberedName,
  STAGED_SUFFIX,
} from "../format/file_names.ts";
import { encodeHydration, type HydrationPlace } from "../format/hydration.ts";
import type { FileSystem } from "../os/fs.ts";
import { createSparse } from "../os/sparse_file.ts";
import { RANGE_BYTES } from "./fetch_piece.ts";
import type { RestorePlan } from "./restore.ts";
import type { SelectedFile } from "./selection.ts";

/** A smaller file is brought at once: it takes one request either way. */
const MIN_LAZY_BYTES = 256 * 1024;
/** `segment.sidx` is small, and asked for by nearly every search. */
const LAZY_NAMES = ["segment.seg", "segment.ids"];

export interface LazyPlan {
  /** What is brought now. */
  readonly now: RestorePlan;
  readonly later: readonly SelectedFile[];
  /** Of the files that come later. */
  readonly laterBytes: number;
}

export function planLazily(plan: RestorePlan): LazyPlan {
  const later = plan.files.filter(isLazy);
  const files = plan.files.filter((file) => !isLazy(file));
  const pieces = files.flatMap(({ entry }) => entry.pieces);
  return {
    now: {
      ...plan,
      files,
      bytes: files.reduce((sum, { entry }) => sum + entry.bytes, 0),
      fetchBytes: pieces.reduce((sum, { bytes }) => sum + bytes, 0),
      requests: pieces.reduce((sum, { bytes }) => sum + Math.ceil(bytes / RANGE_BYTES), 0),
    },
    later,
    laterBytes: later.reduce((sum, { entry }) => sum + entry.bytes, 0),
  };
}

function isLazy({ entry, path }: SelectedFile): boolean {
  const names = path.split("/");
  const folder = parseNumberedName(names.at(-2) ?? "");
  return entry.index !== null && entry.inline === undefined && entry.bytes >= MIN_LAZY_BYTES &&
    folder?.kind === "segment" && !folder.staged && LAZY_NAMES.includes(names.at(-1)!);
}

/**
 * Makes the files that come later, durably, before the restore's marker goes. Nothing of an earlier run's is kept: there
 * is nothing in it.
 *
 * @throws {IoError}
 */
export function beginHydration(
  fs: FileSystem,
  to: string,
  { plan, place }: { readonly plan: LazyPlan; readonly place: HydrationPlace },
): void {
  if (plan.later.length === 0) return;
  const folders = new Set<string>();
  for (const { entry, path } of plan.later) {
    const folder = `${to}/${path.slice(0, path.lastIndexOf("/"))}`;
    const file = `${to}/${path}${HYDRATING_SUFFIX}`;
    fs.makeDirectory(folder);
    if (fs.exists(file)) fs.unlink(file);
    createSparse(file, entry.bytes);
    for (let at = folder; at.length >= to.length; at = at.slice(0, at.lastIndexOf("/"))) folders.add(at);
  }
  // Inner folders first: a folder's entry is durable only with its parent's.
  for (const folder of [...folders].sort((a, b) => b.length - a.length)) fs.syncDirectory(folder);
  const { backup, repository } = plan.now;
  const record = `${to}/${META_FOLDER}/${HYDRATING_FILE}`;
  if (fs.exists(record + STAGED_SUFFIX)) fs.unlink(record + STAGED_SUFFIX);
  const staged = fs.create(record + STAGED_SUFFIX);
  try {
    staged.write(encodeHydration({
      place,
      repositoryId: repository.id,
      backupId: backup.id,
      files: plan.later.map(({ entry, path }) => ({
        path,
        sizeBytes: entry.bytes,
        sha256: entry.sha256,
        pieces: entry.pieces,
      })),
    }));
    staged.syncData();
  } finally {
    staged.close();
  }
  fs.rename(record + STAGED_SUFFIX, record);
  fs.syncDirectory(`${to}/${META_FOLDER}`);
}
