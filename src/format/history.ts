/**
 * Histories: which runs wrote to a shard (or to the server's catalogue), in order.
 * Spec: `docs/FORMAT.md`, "History".
 *
 * A run is one opening that went on to write. Two files belong to one past exactly when the list of one is a
 * beginning of the other's. Old entries are folded into a hash, so that lists stay short:
 * hash(0) = 32 zero bytes, hash(n + 1) = SHA-256(hash(n), "<id> <lsn> <generation> <manifest>\n").
 *
 * @module
 */
import { createHash } from "node:crypto";
import { CorruptionError } from "../base/errors.ts";

export interface Run {
  readonly id: string;
  /** LSN at which it took over: what others wrote beyond it is not part of this past. */
  readonly lsn: number;
  /** Number of its first generation; 0 in the catalogue's history. */
  readonly generation: number;
  /** Number of its first manifest, or of its first catalogue. */
  readonly manifest: number;
}

export interface History {
  /** How many entries the hash stands for. */
  readonly folded: number;
  /** hash(folded), hex. */
  readonly hash: string;
  /** Entries behind them, oldest first. */
  readonly runs: readonly Run[];
}

/** Entries that are never folded. */
export const MIN_LISTED_RUNS = 64;

export const NO_HISTORY: History = { folded: 0, hash: "0".repeat(64), runs: [] };

/** Number of runs, folded ones included. */
export function historyLength(history: History): number {
  return history.folded + history.runs.length;
}

function nextHash(hash: string, run: Run): string {
  return createHash("sha256")
    .update(hash, "hex")
    .update(`${run.id} ${run.lsn} ${run.generation} ${run.manifest}\n`)
    .digest("hex");
}

/** Hash over the first `count` runs; undefined when that lies inside the fold or beyond the end. */
export function historyHash(history: History, count: number): string | undefined {
  if (count < history.folded || count > historyLength(history)) return undefined;
  let hash = history.hash;
  for (let i = 0; i < count - history.folded; i++) hash = nextHash(hash, history.runs[i]!);
  return hash;
}

/** Whether `part` is a beginning of `whole`; "folded": it ends inside the fold, nobody can tell. */
export function isBeginning(part: History, whole: History): "yes" | "no" | "folded" {
  const length = historyLength(part);
  if (length > historyLength(whole)) return "no";
  const expected = historyHash(whole, length);
  if (expected === undefined) return "folded";
  return historyHash(part, length) === expected ? "yes" : "no";
}

/** Listed runs of `whole` that a list of `length` runs ends before. */
export function runsBehind(whole: History, length: number): readonly Run[] {
  return whole.runs.slice(Math.max(0, length - whole.folded));
}

export function extendHistory(history: History, run: Run): History {
  return { ...history, runs: [...history.runs, run] };
}

/**
 * Folds entries that are older than the newest `MIN_LISTED_RUNS` and than every list still in use.
 *
 * @param shortest Length of the shortest list in any file that is not of this past's end.
 */
export function foldHistory(history: History, shortest: number): History {
  const folded = Math.max(history.folded, Math.min(shortest, historyLength(history) - MIN_LISTED_RUNS));
  if (folded === history.folded) return history;
  return { folded, hash: historyHash(history, folded)!, runs: history.runs.slice(folded - history.folded) };
}

/** As it stands in manifests, catalogues and generation headers: a run is [id, lsn, generation, manifest]. */
export function historyToJson({ folded, hash, runs }: History): unknown {
  return { folded, hash, runs: runs.map((run) => [run.id, run.lsn, run.generation, run.manifest]) };
}

/** @throws {CorruptionError} */
export function historyFromJson(json: unknown): History {
  const { folded, hash, runs } = (json ?? {}) as Record<string, unknown>;
  if (!isCount(folded) || typeof hash !== "string" || !/^[0-9a-f]{64}$/.test(hash) || !Array.isArray(runs)) {
    throw new CorruptionError("Cannot decode history: folded, hash or runs is missing or malformed");
  }
  return { folded, hash, runs: runs.map(runFromJson) };
}

function runFromJson(json: unknown): Run {
  const [id, lsn, generation, manifest] = Array.isArray(json) ? json : [];
  if (typeof id !== "string" || !isCount(lsn) || !isCount(generation) || !isCount(manifest)) {
    throw new CorruptionError(`Cannot decode history: run is ${JSON.stringify(json)}`);
  }
  return { id, lsn, generation, manifest };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
