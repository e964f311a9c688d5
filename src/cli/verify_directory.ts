/**
 * `xerj verify`: everything under a data directory, looked at without writing a byte.
 *
 * @module
 */
import { utf8Text } from "../base/bytes.ts";
import { CorruptionError, IoError } from "../base/errors.ts";
import { RESTORING_FILE } from "../backup/restore.ts";
import { isHalfRestored } from "../control/restores.ts";
import { chooseCatalog, type ChosenCatalog, endedCleanly, findCatalogs } from "../engine/catalog_open.ts";
import { candidateFolders, inspectFolder, shardFolders } from "../engine/catalog_folders.ts";
import { currentInstance, isHeld, isSamePlace, LOCK_FILE, readInstance } from "../engine/instance.ts";
import type { CatalogEntry } from "../format/catalog.ts";
import type { Clock, FileSystem } from "../os/fs.ts";
import type { VerifyEnvironment } from "../shard/verify/environment.ts";
import { type Finding, problemOf, type Progress } from "../shard/verify/finding.ts";
import { type ShardReport, verifyShard } from "../shard/verify/shard.ts";
import { bytesToRead } from "../shard/verify/shard_files.ts";
import { OpenRefusedError } from "../wal/refused.ts";
import { HALF_RESTORED_NEXT, STILL_HYDRATING_NEXT, stillHydrating } from "./half_restored.ts";
import { checkMeta } from "./verify_meta.ts";

export interface DirectoryOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly bootId: string;
  readonly machineId: string;
  /** Compare postings, columns and ids with the stored sources, too. */
  readonly deep: boolean;
  readonly pause: () => Promise<void>;
  readonly onProgress?: (bytesDone: number, bytesTotal: number, what: string) => void;
}

export interface IndexReport {
  readonly name: string;
  /** Undefined: no catalogue lists it, and no start would take it in. */
  readonly entry: CatalogEntry | undefined;
  readonly shards: readonly ShardReport[];
}

export interface DirectoryReport {
  readonly dataDir: string;
  readonly isLive: boolean;
  readonly isCopy: boolean;
  readonly cleanStop: boolean;
  /** Number of the catalogue that a start would use. */
  readonly catalog: number | undefined;
  readonly indices: readonly IndexReport[];
  readonly findings: readonly Finding[];
  readonly files: number;
  readonly bytesRead: number;
}

/** 0: sound. 1: damaged. 2: cannot say. */
export function verdictOf({ findings }: Pick<DirectoryReport, "findings">): 0 | 1 | 2 {
  if (findings.some(({ severity }) => severity === "damage")) return 1;
  return findings.some(({ severity }) => severity === "unknown") ? 2 : 0;
}

const NOBODY = { lost: "", next: "" };
/** How often a list of catalogues is read again that changed meanwhile. */
const MAX_LISTINGS = 20;

export async function verifyDirectory(options: DirectoryOptions, dataDir: string): Promise<DirectoryReport> {
  const { fs } = options;
  const findings: Finding[] = [];
  const indices: IndexReport[] = [];
  const report = { dataDir, isLive: false, isCopy: false, cleanStop: false, indices, findings, files: 0 };
  let bytesRead = 0;
  let bytesTotal = 0;
  let what = "";
  const progress: Progress = {
    pause: options.pause,
    read: (bytes) => {
      bytesRead += bytes;
      options.onProgress?.(Math.min(bytesRead, bytesTotal), bytesTotal, what);
    },
  };
  let catalog: number | undefined;
  try {
    if (!fs.exists(dataDir)) throw new IoError("open", dataDir, new Error("No such directory (os error 2)"));
    if (isHalfRestored(fs, dataDir)) {
      findings.push(unfinishedRestore(dataDir));
      return { ...report, catalog, bytesRead };
    }
    const hydrating = stillHydrating(fs, dataDir);
    if (hydrating) {
      const { file, what } = hydrating;
      findings.push({ severity: "unknown", file, offset: -1, what, lost: "", next: STILL_HYDRATING_NEXT });
      return { ...report, catalog, bytesRead };
    }
    const isLive = isHeld(fs, dataDir);
    const isCopy = unlessUnreadable(() => isCopyOf(options, dataDir), true);
    const { chosen, files } = lookAtCatalogs(options, dataDir, findings);
    const isClean = () => chosen !== undefined && endedCleanly(fs, dataDir, chosen);
    const cleanStop = !isCopy && !isLive && unlessUnreadable(isClean, false);
    Object.assign(report, { isLive, isCopy, cleanStop, files });
    catalog = chosen?.body?.number;
    const folders = foldersOf(options, dataDir, { chosen, findings });
    for (const { directory } of folders) bytesTotal += bytesIn(fs, directory);
    const environment: VerifyEnvironment = { ...options, isCopy, cleanStop, isLive, progress };
    for (const { name, entry, directory, shard } of folders) {
      what = name;
      const identity = entry && {
        indexUuid: entry.uuid,
        incarnation: entry.incarnation,
        shard,
        shards: entry.shards,
      };
      try {
        const found = await verifyShard(environment, directory, { identity, deep: options.deep });
        report.files += found.files.files;
        findings.push(...found.findings);
        const index = indices.at(-1)?.name === name ? indices.pop()! : { name, entry, shards: [] };
        indices.push({ ...index, shards: [...index.shards, found] });
      } catch (error) {
        findings.push(cannotSay(error, directory));
      }
    }
  } catch (error) {
    findings.push(cannotSay(error, dataDir));
  }
  findings.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
  return { ...report, catalog, bytesRead };
}

const SEVERITIES = ["damage", "unknown", "warning", "note"];

/** What has come so far is neither sound nor damaged: the restore goes on to check each file. */
function unfinishedRestore(dataDir: string): Finding {
  return {
    severity: "unknown",
    file: `${dataDir}/${RESTORING_FILE}`,
    offset: -1,
    what: "a restore into this directory has not finished: no server starts on it",
    lost: "",
    next: HALF_RESTORED_NEXT,
  };
}

/** A system call failed: that tells of the system, not yet of the files; unless the disk itself says so. */
function cannotSay(error: unknown, path: string): Finding {
  if (!(error instanceof IoError)) throw error;
  if (error.code === "EIO") {
    return {
      ...problemOf(error, error.path || path),
      severity: "damage",
      lost: "what is in the file",
      next: "look at the kernel's log; copy what can be read to another disk, restore the rest from a backup",
    };
  }
  return {
    severity: "unknown",
    file: error.path || path,
    offset: -1,
    what: error.message,
    lost: "",
    next: "see that this user may read every file of the data directory",
  };
}

/** What the disk cannot read is a finding of its own (`checkMeta`), and takes nothing from the rest. */
function unlessUnreadable<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch (error) {
    if (error instanceof IoError && error.code === "EIO") return otherwise;
    throw error;
  }
}

function isCopyOf({ fs, machineId }: DirectoryOptions, dataDir: string): boolean {
  const known = readInstance(fs, dataDir);
  if (!known || !fs.exists(`${dataDir}/${LOCK_FILE}`)) return true;
  return !isSamePlace(known, currentInstance(fs, dataDir, { id: known.id, machineId }));
}

/** Catalogues and what else is in `_meta`; undefined: a start would be refused. */
function lookAtCatalogs(
  { fs }: DirectoryOptions,
  dataDir: string,
  findings: Finding[],
): { readonly chosen: ChosenCatalog | undefined; readonly files: number } {
  for (let listing = 1;; listing++) {
    try {
      const found = findCatalogs(fs, dataDir);
      const meta = checkMeta(fs, dataDir, found);
      let chosen: ChosenCatalog | undefined;
      let refusal: Finding | undefined;
      try {
        chosen = chooseCatalog(fs, dataDir, found);
      } catch (error) {
        refusal = refusalOf(error, dataDir);
      }
      // Catalogues come and go while a server runs.
      if (refusal && listing < 3) continue;
      findings.push(...meta.findings, ...(refusal ? [refusal] : []));
      for (const warning of chosen?.warnings ?? []) {
        findings.push({
          severity: "warning",
          file: `${dataDir}/_meta`,
          offset: -1,
          what: warning,
          ...NOBODY,
        });
      }
      return { chosen, files: meta.files };
    } catch (error) {
      if (!(error instanceof IoError && error.code === "ENOENT") || listing >= MAX_LISTINGS) throw error;
    }
  }
}

function refusalOf(error: unknown, dataDir: string): Finding {
  if (!(error instanceof OpenRefusedError || error instanceof CorruptionError)) throw error;
  const file = error instanceof CorruptionError ? error.file : error.files[0];
  return {
    severity: "damage",
    file: file || `${dataDir}/_meta`,
    offset: -1,
    what: `the server would not start: ${error.message}`,
    lost:
      "names, aliases, templates and keys as they were changed last; the indices' own files are looked at below",
    next: "restore the file named, or the data directory, from a backup",
  };
}

interface Folder {
  readonly name: string;
  readonly entry: CatalogEntry | undefined;
  readonly directory: string;
  readonly shard: number;
}

/** Shard folders with who they belong to, in the catalogue's order, then what it does not name. */
function foldersOf(
  { fs }: DirectoryOptions,
  dataDir: string,
  { chosen, findings }: { readonly chosen: ChosenCatalog | undefined; readonly findings: Finding[] },
): Folder[] {
  const folders: Folder[] = [];
  const add = (name: string, entry: CatalogEntry | undefined, shards: number) =>
    shardFolders(`${dataDir}/${name}`, shards).forEach((directory, shard) =>
      folders.push({ name, entry, directory, shard })
    );
  const listed = chosen?.body?.indices ?? [];
  for (const entry of listed) add(entry.name, entry, entry.shards);
  const gone = new Set(chosen?.deleted.map(({ incarnation }) => incarnation));
  for (const name of candidateFolders(fs, dataDir)) {
    if (listed.some((entry) => entry.name === name)) continue;
    const found = inspectFolder(fs, dataDir, name);
    if (found.kind === "other") continue;
    if (found.kind === "whole" && !gone.has(found.entry.incarnation)) {
      add(name, found.entry, found.entry.shards);
      continue;
    }
    if (found.kind === "partial") {
      const what = `no catalogue names this folder, and it is not a whole index: ${found.reason}`;
      findings.push({ severity: "warning", file: `${dataDir}/${name}`, offset: -1, what, ...NOBODY });
    }
    const sharded = fs.list(`${dataDir}/${name}`).filter((each) => /^shard-\d+$/.test(each.name)).length;
    add(name, undefined, Math.max(1, sharded));
  }
  for (const { name, isFile } of fs.list(dataDir)) {
    if (name === "admin.key" && isFile) checkKey(fs, `${dataDir}/${name}`, findings);
  }
  return folders;
}

/** The one file without a checksum: its maker lets any text of some length be a key. */
function checkKey(fs: FileSystem, path: string, findings: Finding[]): void {
  let key: string;
  try {
    key = utf8Text(fs.readFile(path)).trim();
  } catch (error) {
    findings.push(cannotSay(error, path));
    return;
  }
  if (/^[\x21-\x7e]{16,}$/.test(key)) return;
  findings.push({
    severity: "damage",
    file: path,
    offset: -1,
    what: "it holds no key of 16 or more printable characters",
    lost: "the administrator's key, no data",
    next: "remove the file: the next start makes a new key",
  });
}

function bytesIn(fs: FileSystem, directory: string): number {
  try {
    return bytesToRead(fs, directory);
  } catch (error) {
    // For the bar only: what is gone by now need not be read.
    if (error instanceof IoError) return 0;
    throw error;
  }
}
