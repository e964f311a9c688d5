/**
 * A look at a data directory that nobody changes (hard links of one instant): each index as an opening would find it,
 * the log replayed into memory. Writes nothing, maps nothing: files are read, a page at a time, so that what the disk
 * cannot read is an error and not the end of the process.
 *
 * @module
 */
import { AnalyzerSet } from "../../analysis/mod.ts";
import { assert } from "../../base/errors.ts";
import type { CatalogEntry } from "../../format/catalog.ts";
import type { Clock, FileSystem, Random } from "../../os/fs.ts";
import type { SearchTarget } from "../../query/target.ts";
import type { FileImage } from "../../segment/file_view.ts";
import { recoverShard } from "../../shard/recover.ts";
import { refresh } from "../../shard/refresh.ts";
import type { ShardEnvironment } from "../../shard/state.ts";
import { openShard, type StoreEnvironment } from "../../shard/store.ts";
import { ReadImage } from "../../shard/verify/read_image.ts";
import { shardFolders } from "../catalog_folders.ts";
import { chooseCatalog, findCatalogs } from "../catalog_open.ts";
import type { NodeSettings } from "../messages.ts";

export interface TreeOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly pause: () => Promise<void>;
  readonly settings: Pick<NodeSettings, "defaultAnalyzer" | "maxFields" | "maxJsonDepth" | "flushSizeBytes">;
}

/** More of it would have to be read, or held, than a look may. */
export class LookTooLongError extends Error {
  override readonly name = "LookTooLongError";
}

export interface LookLimits {
  /** Of pages of segments that are in memory at once. */
  readonly segmentBytes: number;
  /** Of log behind the last flush, all shards together. */
  readonly logBytes: number;
  /** For opening it, log and all. */
  readonly openMs: number;
}

/** An index of the tree, open. */
export interface OpenIndex {
  readonly targets: readonly SearchTarget[];
  readonly liveDocs: number;
  readonly close: () => void;
}

/** What the tree's catalogue lists. @throws {OpenRefusedError | CorruptionError | IoError} */
export function indicesOf(fs: FileSystem, tree: string): readonly CatalogEntry[] {
  return chooseCatalog(fs, tree, findCatalogs(fs, tree)).body?.indices ?? [];
}

/**
 * @throws {LookTooLongError} Now, or whenever the targets are read. @throws {OpenRefusedError | CorruptionError | IoError}
 */
export async function openIndex(
  options: TreeOptions,
  tree: string,
  { entry, limits }: { readonly entry: CatalogEntry; readonly limits: LookLimits },
): Promise<OpenIndex> {
  const images: ReadImage[] = [];
  const close = () => images.splice(0).forEach((image) => image.close());
  let loadedBytes = 0;
  const onRead = (bytes: number) => {
    if ((loadedBytes += bytes) > limits.segmentBytes) {
      throw new LookTooLongError(`more than ${limits.segmentBytes >>> 20} MiB of segments would be read`);
    }
  };
  const readImage = (path: string): FileImage => {
    const image = new ReadImage(options.fs, path, onRead);
    images.push(image);
    return image;
  };
  const endMs = options.clock.monotonicMs() + limits.openMs;
  // Replaying and building pause every few ms: that is where a long one ends.
  const pause = async () => {
    if (options.clock.monotonicMs() > endMs) {
      throw new LookTooLongError(`replaying the log would take more than ${limits.openMs} ms`);
    }
    await options.pause();
  };
  const environment = { ...shardEnvironment(options), readImage, pause };
  const targets: SearchTarget[] = [];
  let liveDocs = 0;
  let logBytes = 0;
  let ordinal = 0;
  const { name, uuid, incarnation, shards } = entry;
  try {
    for (const [shard, directory] of shardFolders(`${tree}/${name}`, shards).entries()) {
      const identity = { indexUuid: uuid, incarnation, shard, shards };
      const opened = openShard(storeEnvironment(options), directory, identity);
      try {
        if ((logBytes += opened.walBytesToReplay) > limits.logBytes) {
          throw new LookTooLongError(`more than ${limits.logBytes >>> 20} MiB of log would be replayed`);
        }
        const analyzers = AnalyzerSet.fromSettings(
          opened.manifest.settings,
          options.settings.defaultAnalyzer,
        );
        const names = { index: name, incarnation, shard };
        const state = await recoverShard(opened, { environment, names, analyzers });
        await refresh(state);
        liveDocs += state.liveDocs;
        targets.push({
          index: name,
          mapping: state.mapping,
          analyzers,
          segments: state.segments.map(({ reader, live, liveCount }) => ({
            reader,
            live,
            liveCount,
            ordinal: ordinal++,
          })),
        });
      } finally {
        opened.close();
      }
    }
    return { targets, liveDocs, close };
  } catch (error) {
    close();
    throw error;
  }
}

function shardEnvironment({ fs, clock, random, pause, settings }: TreeOptions): ShardEnvironment {
  return {
    fs: reading(fs),
    clock,
    random,
    log: SILENT,
    publish: () => {},
    pause,
    viewMapping: () => never(),
    limits: {
      maxJsonDepth: settings.maxJsonDepth,
      maxFields: settings.maxFields,
      flushSizeBytes: settings.flushSizeBytes,
      flushIntervalMs: Infinity,
    },
  };
}

function storeEnvironment({ fs, clock, random }: TreeOptions): StoreEnvironment {
  return {
    fs: reading(fs),
    clock,
    random,
    bootId: "",
    // As what it will be when it is restored.
    isCopy: true,
    cleanStop: false,
    log: SILENT,
    nextLsn: never,
    raiseLsn: () => {},
    walMaxBytes: Infinity,
    retainSupersededMs: () => Infinity,
  };
}

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function never(): never {
  assert(false, "a look writes and maps nothing");
}

/** The same files, of which nothing can be changed. */
function reading(fs: FileSystem): FileSystem {
  return {
    openRead: (path) => fs.openRead(path),
    readFile: (path) => fs.readFile(path),
    exists: (path) => fs.exists(path),
    stat: (path) => fs.stat(path),
    list: (path) => fs.list(path),
    freeBytes: (path) => fs.freeBytes(path),
    // What an opening syncs, whoever links has synced, or a backup will read.
    syncDirectory: () => {},
    create: never,
    openAppend: never,
    makeDirectory: never,
    rename: never,
    link: never,
    unlink: never,
    removeDirectory: never,
    map: never,
    tryLock: never,
  };
}
