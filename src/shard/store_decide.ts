/**
 * Which manifest is believed, and which part of the WAL belongs to it? Decides from an inventory; writes nothing.
 *
 * Invariants
 * - The newest usable manifest wins, however many newer ones are not.
 * - A manifest is usable when its segments are there and the WAL proves that nothing is missing behind it.
 * - Files of two pasts are refused rather than mixed.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { type History, historyLength, isBeginning, NO_HISTORY, runsBehind } from "../format/history.ts";
import type { Checkpoint, Manifest } from "../format/manifest.ts";
import { bootMark } from "../format/wal_header.ts";
import type { FoundBody, FoundGeneration } from "../wal/generation_file.ts";
import { OpenRefusedError } from "../wal/refused.ts";
import { ALL_RULES, type Rules } from "../wal/rules.ts";
import { type GenerationScan, scanGeneration, type TornTail, tornTail } from "../wal/scan.ts";
import type { StoreEnvironment } from "./store_environment.ts";
import { segmentFileProblem } from "./store_footer.ts";
import type { Inventory, ReadableManifest } from "./store_inventory.ts";
import { presentPath, SEGMENT_FILE_NAMES, segmentFolder } from "./store_names.ts";

/** A generation to replay, up to `end`. */
export interface ChainPart {
  readonly found: FoundBody;
  readonly scan: GenerationScan;
  readonly end: number;
}

export interface Decision {
  readonly opened: ReadableManifest;
  /** Oldest first; empty: the checkpoint lies beyond all of the WAL. */
  readonly chain: readonly ChainPart[];
  /** Position behind everything that counts. */
  readonly recovered: { readonly lsn: number; readonly seqNo: number };
  readonly tornTail: TornTail | undefined;
  /** The longest list found. */
  readonly history: History;
  /** Length of the shortest list found. */
  readonly shortestHistory: number;
  /** Newer manifests that could not be used, newest first. */
  readonly passedOver: readonly {
    readonly number: number;
    readonly path: string;
    readonly manifest?: Manifest;
    readonly reason: string;
  }[];
  /** Highest LSN in anything that was read. */
  readonly maxLsn: number;
}

/**
 * Decides what an opening believes.
 *
 * @throws {OpenRefusedError | CorruptionError} Nothing usable; names the files.
 * @throws {IoError}
 */
export function decide(environment: StoreEnvironment, inventory: Inventory): Decision {
  const { manifests } = inventory;
  if (manifests.length === 0) {
    throw new OpenRefusedError("no_manifest", "there is no manifest of this index", [inventory.directory]);
  }
  const rules = environment.rules ?? ALL_RULES;
  const past = checkHistories(inventory, rules);
  const coverage = new Coverage(environment, { inventory, past });
  const passedOver: { number: number; path: string; manifest?: Manifest; reason: string; error: Error }[] =
    [];
  const candidates = rules.anyCoveredManifest ? manifests.toReversed() : manifests.slice(-1);
  for (const found of candidates) {
    const { number, path } = found;
    const outcome = found.kind === "unreadable"
      ? found.error
      : manifestProblem(environment, inventory.directory, { found, past, rules }) ??
        coverage.of(found.manifest.checkpoint);
    if (outcome instanceof Error) {
      const manifest = found.kind === "ok" ? found.manifest : undefined;
      passedOver.push({ number, path, manifest, reason: outcome.message, error: outcome });
      continue;
    }
    const { checkpoint } = (found as ReadableManifest).manifest;
    const last = outcome.chain.at(-1)?.scan.end;
    const recovered = last && last.lsn > checkpoint.lsn ? last : checkpoint;
    return {
      opened: found as ReadableManifest,
      chain: outcome.chain,
      recovered: { lsn: recovered.lsn, seqNo: recovered.seqNo },
      tornTail: outcome.torn,
      history: past.longest,
      shortestHistory: past.shortest,
      passedOver,
      maxLsn: Math.max(coverage.maxLsn, highestLsn(inventory)),
    };
  }
  throw passedOver[0]!.error;
}

interface Past {
  readonly longest: History;
  readonly shortest: number;
  /** Paths of files whose list ends inside the fold of the longest. */
  readonly folded: ReadonlySet<string>;
}

interface ListedFile {
  readonly path: string;
  readonly history: History;
  readonly generation?: number;
  readonly manifest?: number;
  readonly checkpointLsn?: number;
}

/** All lists are beginnings of the longest, and no file goes on where a later run had taken over. */
function checkHistories({ manifests, generations }: Inventory, { oneHistory }: Rules): Past {
  const files: ListedFile[] = [];
  for (const found of manifests) {
    if (found.kind !== "ok") continue;
    const { history, checkpoint } = found.manifest;
    files.push({ path: found.path, history, manifest: found.number, checkpointLsn: checkpoint.lsn });
  }
  for (const found of generations) {
    if (found.kind !== "body") continue;
    files.push({ path: found.path, history: found.head.history, generation: found.number });
  }
  let longest: ListedFile = { path: "", history: NO_HISTORY };
  let shortest = Infinity;
  for (const file of files) {
    if (historyLength(file.history) > historyLength(longest.history)) longest = file;
    shortest = Math.min(shortest, historyLength(file.history));
  }
  const folded = new Set<string>();
  for (const file of oneHistory ? files : []) {
    const relation = isBeginning(file.history, longest.history);
    if (relation === "no") refuseMixed(file, longest, "neither's list of runs is a beginning of the other's");
    if (relation === "folded") folded.add(file.path);
    for (const run of runsBehind(longest.history, historyLength(file.history))) {
      const goesOn = (file.generation ?? -1) >= run.generation || (file.manifest ?? -1) >= run.manifest ||
        (file.checkpointLsn ?? -1) > run.lsn;
      if (goesOn) {
        refuseMixed(file, longest, `it goes on behind LSN ${run.lsn}, where run ${run.id} took over`);
      }
    }
  }
  return { longest: longest.history, shortest: files.length === 0 ? 0 : shortest, folded };
}

function refuseMixed(file: ListedFile, longest: ListedFile, reason: string): never {
  throw new OpenRefusedError("two_histories", `files of two pasts lie in one folder: ${reason}`, [
    file.path,
    longest.path,
  ]);
}

function manifestProblem(
  { fs, hydrating }: StoreEnvironment,
  directory: string,
  { found, past, rules }: {
    readonly found: ReadableManifest;
    readonly past: Past;
    readonly rules: Rules;
  },
): Error | undefined {
  const { manifest, path } = found;
  // A catalogue lists the index, or nobody would open it.
  if (manifest.deleted) {
    return new OpenRefusedError("no_manifest", "the manifest says that the index was deleted", [path]);
  }
  if (past.folded.has(path)) {
    return new OpenRefusedError("not_covered", "the manifest is older than what the history still lists", [
      path,
    ]);
  }
  for (const segment of manifest.segments) {
    for (const name of SEGMENT_FILE_NAMES) {
      const file = `${segmentFolder(directory, segment.number)}/${name}`;
      const uuid = rules.segmentUuids ? segment.uuid : undefined;
      const expected = { sizeBytes: segment.files[name].sizeBytes, uuid };
      const problem = segmentFileProblem(fs, presentPath(file, hydrating), expected);
      if (problem) {
        return new OpenRefusedError(
          "segment_missing",
          `${problem}, as manifest ${manifest.number} names it`,
          [
            file,
            path,
          ],
        );
      }
    }
  }
  return undefined;
}

interface Covered {
  readonly chain: readonly ChainPart[];
  readonly torn: TornTail | undefined;
}

/** Reads each generation once, for all manifests that ask. */
class Coverage {
  readonly #environment: StoreEnvironment;
  readonly #inventory: Inventory;
  readonly #past: Past;
  readonly #scans = new Map<number, GenerationScan | CorruptionError>();
  maxLsn = 0;

  constructor(
    environment: StoreEnvironment,
    { inventory, past }: { readonly inventory: Inventory; readonly past: Past },
  ) {
    this.#environment = environment;
    this.#inventory = inventory;
    this.#past = past;
  }

  /** The part of the WAL behind a checkpoint, or why it is not all there. */
  of(checkpoint: Checkpoint): Covered | Error {
    const { generations, directory } = this.#inventory;
    const newest = generations.at(-1);
    const { rules = ALL_RULES } = this.#environment;
    const isThere = ({ number, kind }: FoundGeneration) =>
      number === checkpoint.generation && kind === "body";
    if (!rules.anyCoveredManifest && !generations.some(isThere)) {
      return notCovered(`there is no generation ${checkpoint.generation}`, `${directory}/wal`);
    }
    if (!newest) return new OpenRefusedError("not_covered", "there is no WAL", [`${directory}/wal`]);
    if (checkpoint.generation > newest.number) return { chain: [], torn: undefined };
    const bodies = this.#walkBack(newest, checkpoint);
    if (bodies instanceof Error) return bodies;
    const chain: ChainPart[] = [];
    for (let i = 0; i < bodies.length; i++) {
      const part = this.#part(bodies[i]!, bodies[i + 1]);
      if (part instanceof Error) return part;
      chain.push(part);
    }
    const tail = chain.at(-1)!;
    const { bootId, isCopy } = this.#environment;
    const sameBoot = !isCopy && bootId !== "" && tail.found.head.boot === bootMark(bootId);
    try {
      return { chain, torn: tornTail(tail.found, tail.scan, sameBoot, rules) };
    } catch (error) {
      if (error instanceof CorruptionError) return error;
      throw error;
    }
  }

  /** From the newest generation back to the one that holds the checkpoint; oldest first. */
  #walkBack(newest: FoundGeneration, checkpoint: Checkpoint): FoundBody[] | Error {
    const bodies: FoundBody[] = [];
    let found = newest;
    while (true) {
      if (found.kind === "unreadable") return found.error;
      if (found.kind === "stub") {
        return notCovered(`the WAL behind LSN ${checkpoint.lsn} has been released`, found.path);
      }
      if (this.#past.folded.has(found.path)) {
        return notCovered("the generation is older than what the history still lists", found.path);
      }
      bodies.unshift(found);
      const { baseLsn, previousUuid } = found.head;
      if (baseLsn <= checkpoint.lsn) return bodies;
      const { number, path } = found;
      const before = this.#inventory.generations.find((other) =>
        other.kind !== "unreadable" && other.number < number && other.head.uuid === previousUuid
      );
      if (!before) return this.#missing(checkpoint, { number, path });
      found = before;
    }
  }

  #missing(checkpoint: Checkpoint, after: { readonly number: number; readonly path: string }): Error {
    for (const other of this.#inventory.generations.toReversed()) {
      if (other.kind === "unreadable" && other.number < after.number) return other.error;
    }
    return notCovered(
      `the WAL generation before this one is missing, records behind LSN ${checkpoint.lsn} with it`,
      after.path,
    );
  }

  #part(found: FoundBody, next: FoundBody | undefined): ChainPart | Error {
    const scan = this.#scan(found, next);
    if (scan instanceof Error) return scan;
    if (!next) return { found, scan, end: scan.end.offset };
    const stated = next.head.previousEnd;
    if (found.sizeBytes < stated) {
      return notCovered(
        `a WAL generation has ${found.sizeBytes} bytes, the next one says ${stated}`,
        found.path,
      );
    }
    if (scan.bad) {
      return new CorruptionError(
        `Cannot decode WAL record: ${scan.bad.reason}, before its end at ${stated}`,
        {
          file: found.path,
          offset: scan.bad.offset,
        },
      );
    }
    if (scan.end.offset !== stated || next.head.baseLsn > scan.end.lsn) {
      return notCovered(
        `the WAL has a gap: this generation reaches LSN ${scan.end.lsn}, the next one begins behind ${next.head.baseLsn}`,
        found.path,
      );
    }
    return { found, scan, end: stated };
  }

  #scan(found: FoundBody, next: FoundBody | undefined): GenerationScan | CorruptionError {
    const known = this.#scans.get(found.number);
    if (known) return known;
    const scan = this.#readThrough(found, next);
    this.#scans.set(found.number, scan);
    if (!(scan instanceof Error)) this.maxLsn = Math.max(this.maxLsn, scan.maxLsn);
    return scan;
  }

  #readThrough(found: FoundBody, next: FoundBody | undefined): GenerationScan | CorruptionError {
    const { fs, rules = ALL_RULES } = this.#environment;
    const maxLsn = lsnLimit(this.#past.longest, found.head.history);
    try {
      return scanGeneration(fs, found, { end: next?.head.previousEnd, maxLsn, gapless: !rules.previousLsn });
    } catch (error) {
      if (error instanceof CorruptionError) return error;
      throw error;
    }
  }
}

/** LSN at which the first later run took over from the one that wrote a file. */
export function lsnLimit(longest: History, history: History): number {
  let limit = Infinity;
  for (const { lsn } of runsBehind(longest, historyLength(history))) limit = Math.min(limit, lsn);
  return limit;
}

function notCovered(reason: string, path: string): OpenRefusedError {
  return new OpenRefusedError("not_covered", reason, [path]);
}

function highestLsn({ manifests, foreignManifests, generations }: Inventory): number {
  let highest = 0;
  const readable = manifests.flatMap((found) => found.kind === "ok" ? [found.manifest] : []);
  for (const { checkpoint, history } of [...readable, ...foreignManifests]) {
    highest = Math.max(highest, checkpoint.lsn);
    for (const { lsn } of history.runs) highest = Math.max(highest, lsn);
  }
  for (const found of generations) {
    if (found.kind !== "unreadable") highest = Math.max(highest, found.head.baseLsn);
  }
  return highest;
}
