/**
 * What may leave a stream? Pure: from an inventory to names.
 *
 * Every instant of the window stays restorable: a manifest goes when the one behind it is older than the window; a
 * generation when all remaining manifests have passed it; a segment when none names it.
 *
 * @module
 */
import { segmentName } from "../../format/file_names.ts";
import type { FileEntry, Generation, Inventory, LogFiles } from "./inventory.ts";

export interface RetentionOptions {
  /** Nothing that an instant behind this one needs goes; ms since the epoch. */
  readonly horizonMs: number;
  /** Segments that stay though no manifest in the inventory names them: theirs is about to be shipped. By folder. */
  readonly awaited: ReadonlyMap<string, ReadonlySet<number>>;
}

export interface Prunable {
  readonly droppedFiles: readonly string[];
  readonly droppedGenerations: readonly string[];
}

export function prunable(inventory: Inventory, { horizonMs, awaited }: RetentionOptions): Prunable {
  const droppedFiles: string[] = [];
  const droppedGenerations: string[] = [];
  const named = new Map<string, Set<string>>();
  const keepSegments = (folder: string, numbers: Iterable<number>) => {
    const names = named.get(folder) ?? new Set<string>();
    for (const number of numbers) names.add(segmentName(number));
    named.set(folder, names);
  };
  for (const [folder, numbers] of awaited) keepSegments(folder, numbers);
  for (const log of inventory.logs()) {
    const endedMs = inventory.ended.get(log.incarnation);
    const manifests = inventory.manifests(log.folder, log.incarnation);
    if (endedMs !== undefined && endedMs <= horizonMs) {
      droppedFiles.push(...manifests.map(({ path }) => path));
      droppedGenerations.push(...[...log.generations.values()].map(({ entry }) => entry.path));
      continue;
    }
    const kept = behindHorizon(manifests, horizonMs);
    droppedFiles.push(...manifests.slice(0, manifests.length - kept.length).map(({ path }) => path));
    for (const { manifest } of kept) keepSegments(log.folder, manifest!.segments);
    if (kept.length > 0) droppedGenerations.push(...passed(inventory, log, kept[0]!.manifest!.lsn));
  }
  const catalogs = inventory.catalogs();
  const keptCatalogs = behindHorizon(catalogs, horizonMs);
  droppedFiles.push(...catalogs.slice(0, catalogs.length - keptCatalogs.length).map(({ path }) => path));
  const deleted = new Set(keptCatalogs.map(({ catalog }) => catalog!.deleted));
  for (const { path, manifest, catalog } of inventory.files.values()) {
    if (manifest || catalog) continue;
    const segment = SEGMENT.exec(path);
    const list = DELETED.exec(path);
    if (segment && !named.get(segment[1]!)?.has(segment[2]!)) droppedFiles.push(path);
    if (list && !deleted.has(Number(list[1]))) droppedFiles.push(path);
  }
  return { droppedFiles, droppedGenerations };
}

const SEGMENT = /^(.+)\/(seg-\d+)\/[^/]+$/;
const DELETED = /^_meta\/deleted-(\d+)\.json$/;

/** From the one on that was in force at the horizon. Ascending by number; clocks may have jumped. */
function behindHorizon(files: readonly FileEntry[], horizonMs: number): readonly FileEntry[] {
  let first = 0;
  while (first + 1 < files.length && createdMs(files[first + 1]!) <= horizonMs) first++;
  return files.slice(first);
}

function createdMs({ manifest, catalog }: FileEntry): number {
  return manifest?.createdMs ?? catalog!.createdMs;
}

/** Generations before the one that holds what follows `lsn`. */
function passed(inventory: Inventory, log: LogFiles, lsn: number): string[] {
  const generations = inventory.log(log.folder, log.incarnation);
  const covering = coveringGeneration(generations, lsn);
  return covering < 0 ? [] : generations.slice(0, covering).map(({ entry }) => entry.path);
}

/**
 * Position of the generation from which replay behind `lsn` has to begin: the last one whose base is not above it.
 * -1: there is none.
 */
export function coveringGeneration(generations: readonly Generation[], lsn: number): number {
  return generations.findLastIndex(({ entry }) => entry.baseLsn <= lsn);
}
