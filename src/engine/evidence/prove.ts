/**
 * A restored directory proves itself: it is opened as a server would open it, and asked.
 *
 * @module
 */
import { CorruptionError, IoError } from "../../base/errors.ts";
import { catalogName, META_FOLDER, STAGED_SUFFIX } from "../../format/file_names.ts";
import { encodeCatalog } from "../../format/catalog.ts";
import type { FileSystem } from "../../os/fs.ts";
import { OpenRefusedError } from "../../wal/refused.ts";
import { findCatalogs } from "../catalog_open.ts";
import { type ComparedIndex, compareIndex } from "./compare.ts";
import type { Evidence } from "./evidence.ts";
import { openScratch, type ScratchOptions } from "./scratch.ts";

export interface ProveCall {
  /** A restored directory, which is removed afterwards: it is written to. */
  readonly dataDir: string;
  /** Those that were restored. */
  readonly indices: readonly string[];
  readonly evidence: Evidence | undefined;
}

export interface Proof {
  /** Why it does not open; "": it does. */
  readonly refused: string;
  readonly indices: readonly ComparedIndex[];
  readonly openMs: number;
  readonly compareMs: number;
}

/** @throws {IoError} A system call failed, which says nothing of the backup. */
export async function proveDirectory(
  options: ScratchOptions,
  { dataDir, indices, evidence }: ProveCall,
): Promise<Proof> {
  const { clock, fs } = options;
  const startedMs = clock.monotonicMs();
  const settings = evidence
    ? { ...options.settings, defaultAnalyzer: evidence.defaultAnalyzer }
    : options.settings;
  try {
    listOnly(fs, dataDir, indices);
    const scratch = await openScratch({ ...options, settings }, dataDir);
    const openedMs = clock.monotonicMs();
    const compared: ComparedIndex[] = [];
    try {
      for (const index of indices) {
        const own = evidence?.indices.find((each) => each.index === index);
        compared.push(await compareIndex(scratch, { index, evidence: own }));
      }
    } finally {
      await scratch.close();
    }
    return {
      refused: "",
      indices: compared,
      openMs: openedMs - startedMs,
      compareMs: clock.monotonicMs() - openedMs,
    };
  } catch (error) {
    const isRefusal = error instanceof OpenRefusedError || error instanceof CorruptionError ||
      (error instanceof IoError && error.code === "ENOENT");
    if (!isRefusal) throw error;
    return { refused: error.message, indices: [], openMs: clock.monotonicMs() - startedMs, compareMs: 0 };
  }
}

/** Makes the catalogue list what was restored and nothing else; what is not restored would refuse the start. */
function listOnly(fs: FileSystem, dataDir: string, names: readonly string[]): void {
  const newest = findCatalogs(fs, dataDir).catalogs.at(-1);
  if (newest?.kind !== "ok") return;
  const { body } = newest;
  const indices = body.indices.filter(({ name }) => names.includes(name));
  if (indices.length === body.indices.length) return;
  const number = body.number + 1;
  const path = `${dataDir}/${META_FOLDER}/${catalogName(number)}`;
  const file = fs.create(path + STAGED_SUFFIX);
  try {
    // An alias of what is not there would be none of ours to judge.
    const sections = { ...body.sections, aliases: {} };
    file.write(encodeCatalog({ ...body, number, previous: body.number, indices, sections }));
  } finally {
    file.close();
  }
  fs.rename(path + STAGED_SUFFIX, path);
}
