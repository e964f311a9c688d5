/**
 * Is what lies in `_meta/` readable, whatever a start would take of it?
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { CLEAN_STOP_FILE, type FoundCatalogs } from "../engine/catalog_open.ts";
import { INSTANCE_FILE } from "../engine/instance.ts";
import { decodeCleanStop, decodeDeleted, decodeInstance } from "../format/catalog.ts";
import { deletedName, HYDRATING_FILE, META_FOLDER, parseNumberedName } from "../format/file_names.ts";
import { decodeHydration } from "../format/hydration.ts";
import { sha256Hex } from "../format/sealed_json.ts";
import type { FileSystem } from "../os/fs.ts";
import { type Finding, problemOf } from "../shard/verify/finding.ts";

export function checkMeta(
  fs: FileSystem,
  dataDir: string,
  { catalogs, deletedFiles, staged }: FoundCatalogs,
): { readonly findings: readonly Finding[]; readonly files: number } {
  const folder = `${dataDir}/${META_FOLDER}`;
  const findings: Finding[] = [];
  const newest = catalogs.at(-1)?.number;
  for (const found of catalogs) {
    if (found.kind !== "unreadable") continue;
    findings.push({
      severity: "damage",
      ...problemOf(found.error, found.path),
      lost: found.number === newest
        ? "names, aliases, templates and keys as they were changed last"
        : "nothing: a newer catalogue is used",
      next: found.number === newest
        ? "with the server stopped, `xerj verify --repair` turns a stray bit back; else restore the file from a backup"
        : "nothing: the file goes when its time has come; `xerj verify --repair` turns a stray bit back",
    });
  }
  const expected = new Map(catalogs.flatMap((found) => {
    const deleted = found.kind === "ok" ? found.body.deleted : undefined;
    return deleted ? [[deleted.number, deleted.sha256]] : [];
  }));
  for (const number of deletedFiles) {
    const path = `${folder}/${deletedName(number)}`;
    decode(path, "the list of deleted indices, so that the start is refused", (bytes) => {
      decodeDeleted(bytes);
      const [actual, stored] = [sha256Hex(bytes), expected.get(number)];
      if (stored !== undefined && stored !== actual) {
        throw new CorruptionError(`Cannot decode deleted: sha256 is ${actual}, the catalogue says ${stored}`);
      }
    });
  }
  const nothing = "nothing: a directory without it is taken for a copy of itself";
  decode(`${folder}/${INSTANCE_FILE}`, nothing, decodeInstance);
  decode(`${folder}/${CLEAN_STOP_FILE}`, "nothing: the next start takes a little longer", decodeCleanStop);
  const rest = "where the rest of segment files is that a lazy restore has begun: the start is refused";
  decode(`${folder}/${HYDRATING_FILE}`, rest, decodeHydration);
  for (const path of staged) {
    const what = "unfinished work of an earlier process";
    findings.push({
      severity: "note",
      file: path,
      offset: -1,
      what,
      lost: "",
      next: "nothing: the server removes it",
    });
  }
  let files = 0;
  for (const { name } of fs.exists(folder) ? fs.list(folder) : []) {
    files++;
    if (KNOWN.has(name) || parseNumberedName(name)) continue;
    const what = "not a file of ours";
    findings.push({ severity: "note", file: `${folder}/${name}`, offset: -1, what, lost: "", next: "" });
  }
  return { findings, files };

  function decode(path: string, lost: string, call: (bytes: Uint8Array) => void): void {
    if (!fs.exists(path)) return;
    try {
      call(fs.readFile(path));
    } catch (error) {
      const problem = problemOf(error, path);
      if (problem.absent) return;
      findings.push({
        severity: "damage",
        ...problem,
        lost,
        next:
          "restore the file from a backup, or look at the disk: a file that was sound when it was written has changed",
      });
    }
  }
}

const KNOWN = new Set([INSTANCE_FILE, CLEAN_STOP_FILE, HYDRATING_FILE, "aside"]);
