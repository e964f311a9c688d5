/**
 * Which catalogue is believed? Reads; writes nothing.
 *
 * Invariants
 * - The newest one is taken. One that cannot be read, or was released, refuses the start if it is met first.
 * - Only an index that is wholly absent sends opening to the catalogue before: a copy listed the folder before the
 *   index was made.
 *
 * @module
 */
import { CorruptionError, IoError } from "../base/errors.ts";
import {
  type CatalogBody,
  decodeCatalog,
  decodeCleanStop,
  decodeDeleted,
  type DeletedIncarnation,
} from "../format/catalog.ts";
import { deletedName, META_FOLDER, parseNumberedName } from "../format/file_names.ts";
import { type History, historyLength, isBeginning, NO_HISTORY, runsBehind } from "../format/history.ts";
import { sha256Hex } from "../format/sealed_json.ts";
import type { FileSystem } from "../os/fs.ts";
import { OpenRefusedError } from "../wal/refused.ts";
import { ALL_RULES, type Rules } from "../wal/rules.ts";
import { candidateFolders, inspectFolder, isPresent } from "./catalog_folders.ts";

export const CLEAN_STOP_FILE = "clean_stop.json";

export type FoundCatalog =
  | { readonly kind: "ok"; readonly number: number; readonly path: string; readonly body: CatalogBody }
  | { readonly kind: "stub"; readonly number: number; readonly path: string }
  | {
    readonly kind: "unreadable";
    readonly number: number;
    readonly path: string;
    readonly error: CorruptionError;
  };

export interface FoundCatalogs {
  /** Ascending. */
  readonly catalogs: readonly FoundCatalog[];
  /** Numbers of files of deleted incarnations. */
  readonly deletedFiles: readonly number[];
  readonly staged: readonly string[];
  readonly next: { readonly catalog: number; readonly deleted: number };
}

export interface ChosenCatalog {
  /** Undefined: a new data directory. */
  readonly body: CatalogBody | undefined;
  readonly deleted: readonly DeletedIncarnation[];
  /** The longest list found. */
  readonly history: History;
  readonly shortestHistory: number;
  readonly maxLsn: number;
  /** Why newer catalogues were passed over. */
  readonly warnings: readonly string[];
}

/** Reads every catalogue of a data directory. @throws {IoError} */
export function findCatalogs(fs: FileSystem, dataDir: string): FoundCatalogs {
  const folder = `${dataDir}/${META_FOLDER}`;
  const catalogs: FoundCatalog[] = [];
  const deletedFiles: number[] = [];
  const staged: string[] = [];
  const next = { catalog: 1, deleted: 1 };
  for (const { name, isFile } of fs.exists(folder) ? fs.list(folder) : []) {
    const parsed = parseNumberedName(name);
    if (!isFile || (parsed?.kind !== "catalog" && parsed?.kind !== "deleted")) continue;
    next[parsed.kind] = Math.max(next[parsed.kind], parsed.number + 1);
    if (parsed.staged) staged.push(`${folder}/${name}`);
    else if (parsed.kind === "deleted") deletedFiles.push(parsed.number);
    else catalogs.push(readCatalog(fs, `${folder}/${name}`, parsed.number));
  }
  catalogs.sort((a, b) => a.number - b.number);
  for (const found of catalogs) {
    if (found.kind !== "ok") continue;
    for (const { manifest } of found.body.history.runs) next.catalog = Math.max(next.catalog, manifest + 1);
    next.deleted = Math.max(next.deleted, (found.body.deleted?.number ?? 0) + 1);
  }
  return { catalogs, deletedFiles, staged, next };
}

function readCatalog(fs: FileSystem, path: string, number: number): FoundCatalog {
  try {
    const body = decodeCatalog(fs.readFile(path));
    if (body === "stub") return { kind: "stub", number, path };
    if (body.number !== number) {
      throw new CorruptionError(
        `Cannot decode catalog: it is number ${body.number}, its name says ${number}`,
      );
    }
    return { kind: "ok", number, path, body };
  } catch (error) {
    const isLost = error instanceof CorruptionError || (error instanceof IoError && error.code === "EIO");
    if (!isLost) throw error;
    return { kind: "unreadable", number, path, error: new CorruptionError(error.message, { file: path }) };
  }
}

/**
 * Chooses the catalogue to believe.
 *
 * @throws {OpenRefusedError | CorruptionError} `two_histories`, `catalog_unreadable`, `index_missing`; names the files.
 * @throws {IoError}
 */
export function chooseCatalog(
  fs: FileSystem,
  dataDir: string,
  { catalogs }: FoundCatalogs,
  rules: Rules = ALL_RULES,
): ChosenCatalog {
  const past = checkHistories(catalogs, rules);
  if (catalogs.length === 0) {
    const stray = candidateFolders(fs, dataDir).filter((name) =>
      inspectFolder(fs, dataDir, name).kind !== "other"
    );
    if (stray.length > 0) {
      throw new OpenRefusedError("catalog_unreadable", "there are indices, but no catalogue", [
        `${dataDir}/${META_FOLDER}`,
        ...stray.map((name) => `${dataDir}/${name}`),
      ]);
    }
    return { body: undefined, deleted: [], ...past, warnings: [] };
  }
  const warnings: string[] = [];
  let refusal: OpenRefusedError | undefined;
  for (const found of catalogs.toReversed()) {
    if (found.kind === "unreadable") throw refusal ?? found.error;
    if (found.kind === "stub") {
      throw refusal ??
        new OpenRefusedError("catalog_unreadable", "the newest catalogue has been released", [found.path]);
    }
    const absent = found.body.indices.filter((entry) => !isPresent(fs, dataDir, entry));
    if (absent.length === 0) {
      return { body: found.body, deleted: readDeleted(fs, dataDir, found), ...past, warnings };
    }
    const names = absent.map(({ name }) => name).join(", ");
    refusal ??= new OpenRefusedError("index_missing", `the catalogue lists what is not there: ${names}`, [
      found.path,
      ...absent.map(({ name }) => `${dataDir}/${name}`),
    ]);
    warnings.push(`${found.path} was passed over: it lists ${names}, of which nothing is there`);
  }
  throw refusal!;
}

function readDeleted(
  fs: FileSystem,
  dataDir: string,
  { body, path }: { readonly body: CatalogBody; readonly path: string },
): DeletedIncarnation[] {
  if (!body.deleted) return [];
  const file = `${dataDir}/${META_FOLDER}/${deletedName(body.deleted.number)}`;
  if (!fs.exists(file)) {
    throw new OpenRefusedError("catalog_unreadable", "the catalogue names a file that is not there", [
      file,
      path,
    ]);
  }
  const bytes = fs.readFile(file);
  const sha256 = sha256Hex(bytes);
  if (sha256 !== body.deleted.sha256) {
    throw new CorruptionError(
      `Cannot decode deleted: sha256 is ${sha256}, the catalogue says ${body.deleted.sha256}`,
      { file },
    );
  }
  return decodeDeleted(bytes);
}

function checkHistories(catalogs: readonly FoundCatalog[], { oneHistory }: Rules) {
  let longest = { path: "", history: NO_HISTORY };
  let shortestHistory = Infinity;
  let maxLsn = 0;
  const readable = catalogs.flatMap((found) => found.kind === "ok" ? [found] : []);
  for (const { path, body: { history, lsn } } of readable) {
    if (historyLength(history) > historyLength(longest.history)) longest = { path, history };
    shortestHistory = Math.min(shortestHistory, historyLength(history));
    maxLsn = Math.max(maxLsn, lsn, ...history.runs.map((run) => run.lsn));
  }
  for (const { path, number, body } of readable) {
    const goesOn = runsBehind(longest.history, historyLength(body.history))
      .some((run) => number >= run.manifest || body.lsn > run.lsn);
    if (!oneHistory || (!goesOn && isBeginning(body.history, longest.history) !== "no")) continue;
    throw new OpenRefusedError("two_histories", "catalogues of two servers' pasts lie in one folder", [
      path,
      longest.path,
    ]);
  }
  return {
    history: longest.history,
    shortestHistory: readable.length === 0 ? 0 : shortestHistory,
    maxLsn,
  };
}

/**
 * Whether the last run ended cleanly. The marker names the run that it speaks of, so that it means nothing any more
 * once another run has published its first catalogue.
 */
export function endedCleanly(fs: FileSystem, dataDir: string, { history }: ChosenCatalog): boolean {
  const path = `${dataDir}/${META_FOLDER}/${CLEAN_STOP_FILE}`;
  const last = history.runs.at(-1);
  if (!last || !fs.exists(path)) return false;
  try {
    return decodeCleanStop(fs.readFile(path)) === last.id;
  } catch (error) {
    if (error instanceof CorruptionError) return false;
    throw error;
  }
}
