/**
 * How does a shard's folder that was put back become part of a new index? It is opened under its old incarnation, what
 * replay brings is flushed, and its segments are linked, under numbers that are free, beside a first manifest of the
 * new incarnation whose checkpoint covers everything.
 *
 * @module
 */
import { assert, CorruptionError } from "../base/errors.ts";
import { segmentName, STAGED_SUFFIX } from "../format/file_names.ts";
import { type ManifestSegment, SEGMENT_FILE_NAMES } from "../format/manifest.ts";
import type { FileSystem } from "../os/fs.ts";
import { diskFull, isDiskFull, Poison } from "../wal/poison.ts";
import { makeDirectoryDurably } from "../wal/staged_file.ts";
import { flush, hasUnflushed } from "./flush.ts";
import { emptyShard, loadSegments, type RecoverOptions, recoverShard } from "./recover.ts";
import type { ShardState } from "./state.ts";
import {
  createShard,
  type OpenedShard,
  openShard,
  type ShardIdentity,
  type StoreEnvironment,
} from "./store.ts";
import { type NextNumbers, takeInventory } from "./store_inventory.ts";
import { checkSegment } from "./verify/segment_files.ts";

/** A folder that was opened and found good, and in which nothing was changed. */
export interface FoundShard {
  readonly state: ShardState;
  readonly replayedBytes: number;
  readonly warnings: readonly string[];
}

/**
 * Opens a shard's folder under the incarnation that it was written in, and reads all of its segments, unless that was just
 * done: what is attached is whole, every bit of it. Writes nothing.
 *
 * @throws {OpenRefusedError | CorruptionError} It is damaged, or not whole.
 */
export async function openPutBack(
  environment: StoreEnvironment,
  directory: string,
  { identity, analyzersOf, isChecked, ...options }: Omit<RecoverOptions, "analyzers"> & {
    readonly identity: ShardIdentity;
    /** Its segments' files were just compared with their hashes: they are not read again. */
    readonly isChecked: boolean;
    /** By the settings that the folder holds. */
    readonly analyzersOf: (settings: unknown) => RecoverOptions["analyzers"];
  },
): Promise<FoundShard> {
  const opened = openShard({ ...environment, isCopy: true, cleanStop: false }, directory, identity);
  try {
    if (!isChecked) await checkSegments(opened, { fs: environment.fs, pause: options.environment.pause });
    const analyzers = analyzersOf(opened.manifest.settings);
    const state = await recoverShard(opened, { ...options, analyzers });
    return { state, replayedBytes: opened.walBytesToReplay, warnings: opened.warnings };
  } catch (error) {
    opened.close();
    throw error;
  }
}

async function checkSegments(
  opened: OpenedShard,
  { fs, pause }: { readonly fs: FileSystem; readonly pause: () => Promise<void> },
): Promise<void> {
  for (const { number, files } of opened.manifest.segments) {
    const folder = opened.segmentPath(number);
    const facts = await checkSegment(fs, folder, { read: () => {}, pause });
    const [problem] = facts.problems;
    if (problem) {
      const { file, offset } = problem;
      throw new CorruptionError(problem.what, offset < 0 ? { file } : { file, offset });
    }
    for (const name of SEGMENT_FILE_NAMES) {
      const sha256 = facts.files[name]?.sha256;
      if (sha256 === files[name].sha256) continue;
      throw new CorruptionError(
        `Cannot attach segment ${number}: sha256 is ${sha256}, the manifest says ${files[name].sha256}`,
        { file: `${folder}/${name}` },
      );
    }
  }
}

/** Gives up a folder that was opened, without its memory being searched by anybody. */
export function closePutBack({ state }: FoundShard): void {
  state.store.close({ clean: false });
  for (const { home } of [...state.segments, ...state.retired.values()]) {
    if (home.kind === "disk") { for (const mapping of home.mappings) mapping.unmap(); }
  }
}

/**
 * Makes a shard of a new incarnation out of one that was put back.
 *
 * @param directory Folder of the new shard: that of the old one, or another on the same file system.
 * @param above Smallest free numbers, from the catalogue's memory of the name.
 * @throws {RequestError | IoError} What there is of the new incarnation is named by no catalogue.
 */
export async function attachShard(
  environment: StoreEnvironment,
  found: FoundShard,
  { directory, identity, above, ...options }: RecoverOptions & {
    readonly directory: string;
    readonly identity: ShardIdentity;
    readonly above: Readonly<NextNumbers> | undefined;
  },
): Promise<ShardState> {
  const old = found.state;
  if (hasUnflushed(old) || old.store.position.lsn > old.store.manifest.checkpoint.lsn) {
    await flush(old, { requested: true });
  }
  const { manifest } = old.store;
  const { lsn, seqNo } = manifest.checkpoint;
  assert(lsn === old.store.position.lsn, "the checkpoint covers everything");
  const numbers = takeInventory(environment.fs, directory, { identity, firstNumbers: above }).next;
  const segments = linkSegments(environment, manifest.segments, {
    from: (number) => old.store.segmentPath(number),
    to: directory,
    first: numbers.segment,
  });
  const { mapping } = old;
  const store = createShard(environment, directory, {
    identity,
    options: {
      mapping: mapping.toStored(),
      mappingVersion: mapping.version,
      settings: old.settings,
      above: numbers,
      segments,
      base: { lsn, seqNo },
    },
  });
  const state = emptyShard(store, options);
  loadSegments(state);
  return state;
}

/** Links segments under numbers from `first` on; durable when this returns. */
function linkSegments(
  { fs }: StoreEnvironment,
  segments: readonly ManifestSegment[],
  { from, to, first }: {
    readonly from: (number: number) => string;
    readonly to: string;
    readonly first: number;
  },
): ManifestSegment[] {
  const poison = new Poison(to);
  try {
    makeDirectoryDurably(fs, to, poison);
    const linked = segments.map((segment, i) => {
      const number = first + i;
      const staged = `${to}/${segmentName(number)}${STAGED_SUFFIX}`;
      fs.makeDirectory(staged);
      for (const name of SEGMENT_FILE_NAMES) fs.link(`${from(segment.number)}/${name}`, `${staged}/${name}`);
      fs.syncDirectory(staged);
      fs.rename(staged, `${to}/${segmentName(number)}`);
      return { ...segment, number };
    });
    fs.syncDirectory(to);
    return linked;
  } catch (error) {
    throw isDiskFull(error) ? diskFull(to) : error;
  }
}
