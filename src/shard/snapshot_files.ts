/**
 * Which files are one shard at one instant, and how do they get into a snapshot? By hard links: no byte is copied, and
 * nothing that is linked grows any more.
 *
 * Invariants
 * - From the capture on, the active generation takes no more appends: the next one rolls first.
 * - Captured files stay until the capture is released, whatever the retention says.
 *
 * @module
 */
import { IoError } from "../base/errors.ts";
import {
  generationName,
  MANIFEST_FOLDER,
  manifestName,
  segmentName,
  WAL_FOLDER,
} from "../format/file_names.ts";
import { type Manifest, SEGMENT_FILE_NAMES } from "../format/manifest.ts";
import type { Clock, FileSystem } from "../os/fs.ts";

/** One shard at one instant. Numbers of generations and stubs are of files in `wal/`. */
export interface CapturedShard {
  /** The shard's folder. */
  readonly directory: string;
  readonly manifest: Manifest;
  /** Generations that the manifest needs, the active one included. */
  readonly generations: readonly number[];
  /** Stubs tell an old copy of the directory which of its generations count no more. */
  readonly stubs: readonly number[];
  /** Last LSN that is in it. */
  readonly lsn: number;
  /** Resolves when everything up to `lsn` is on disk. */
  readonly synced: Promise<void>;
  /** Lets the files go. To be called exactly once. */
  release(): void;
}

export interface LinkOptions {
  /** An existing folder below which the shard's files appear as they lie in the shard's own. */
  readonly to: string;
  readonly clock: Clock;
  /** Called every few ms, so that other work of the thread gets its turn. */
  readonly pause: () => Promise<void>;
}

/** How long links are made before others get their turn. */
const SLICE_MS = 2;

/**
 * Links everything captured into another folder of the same file system. The log is on disk when this resolves; the new
 * folders are once the caller has synced them.
 *
 * @throws {IoError} `EXDEV`: the shard's folder is spread over several file systems.
 */
export async function linkShard(
  fs: FileSystem,
  captured: CapturedShard,
  options: LinkOptions,
): Promise<void> {
  const { to, clock, pause } = options;
  let sliceEndMs = clock.monotonicMs() + SLICE_MS;
  for (const step of linkSteps(fs, captured, to)) {
    step();
    if (clock.monotonicMs() < sliceEndMs) continue;
    await pause();
    sliceEndMs = clock.monotonicMs() + SLICE_MS;
  }
  await captured.synced;
}

function* linkSteps(
  fs: FileSystem,
  { directory, manifest, generations, stubs }: CapturedShard,
  to: string,
): Generator<() => void> {
  const link = (path: string) => () => fs.link(`${directory}/${path}`, `${to}/${path}`);
  const segments = manifest.segments.map(({ number }) => segmentName(number));
  for (const folder of [WAL_FOLDER, MANIFEST_FOLDER, ...segments]) {
    yield () => fs.makeDirectory(`${to}/${folder}`);
  }
  for (const folder of segments) {
    for (const file of SEGMENT_FILE_NAMES) yield link(`${folder}/${file}`);
  }
  yield link(`${MANIFEST_FOLDER}/${manifestName(manifest.number)}`);
  for (const number of generations) yield link(`${WAL_FOLDER}/${generationName(number)}`);
  // A stub may go of old age at any moment, and is not missed then.
  for (const number of stubs) yield () => ifThere(link(`${WAL_FOLDER}/${generationName(number)}`));
}

function ifThere(call: () => void): void {
  try {
    call();
  } catch (error) {
    if (!(error instanceof IoError) || error.code !== "ENOENT") throw error;
  }
}
