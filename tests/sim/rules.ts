/**
 * The rules of the protocol by name, and how each is switched off: by the code itself, by what a process sees of the
 * disk, or by its clock.
 *
 * @module
 */
import { encodeCatalog } from "../../src/format/catalog.ts";
import { catalogName, META_FOLDER, STAGED_SUFFIX } from "../../src/format/file_names.ts";
import { NO_HISTORY } from "../../src/format/history.ts";
import type { Clock } from "../../src/os/fs.ts";
import { decodeCatalog } from "../../src/format/catalog.ts";
import { decodeManifest, type Manifest } from "../../src/format/manifest.ts";
import { ALL_RULES, type Rules } from "../../src/wal/rules.ts";
import type { CallKind, Intercept } from "./process_disk.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimDisk } from "./sim_disk.ts";
import type { ServerOptions } from "./sim_server.ts";
import type { WeatherName } from "./weather.ts";

type Changes = Pick<
  ServerOptions,
  "rules" | "intercept" | "changeClock" | "neverCopy" | "beforeOpening" | "unlinksDeleted"
>;

interface Place {
  readonly disk: SimDisk;
  readonly dataDir: string;
  readonly scheduler: Scheduler;
}

export interface Rule {
  /** As the protocol calls it. */
  readonly title: string;
  /** The weather that provokes what it is for. */
  readonly weather: WeatherName;
  readonly off: (place: Place) => Changes;
}

export type RuleName = string;

function inCode(title: string, weather: WeatherName, name: keyof Rules): Rule {
  return { title, weather, off: () => ({ rules: { ...ALL_RULES, [name]: false } }) };
}

function onDisk(title: string, weather: WeatherName, intercept: (place: Place) => Intercept): Rule {
  return { title, weather, off: (place) => ({ rules: ALL_RULES, intercept: intercept(place) }) };
}

/** Files of a kind get their final name at once, and grow under it. */
function unstaged(pattern: RegExp): Intercept {
  const isMine = (path: string) => pattern.test(path) && path.endsWith(STAGED_SUFFIX);
  const path = (path: string) => isMine(path) ? path.slice(0, -STAGED_SUFFIX.length) : path;
  return { path, skip: (kind, from) => kind === "rename" && isMine(from) };
}

/** What would become a stub is removed. */
function withoutStubs({ disk }: Place, isStub: (bytes: Uint8Array, path: string) => boolean): Intercept {
  return {
    after: (kind, _, to) => {
      if (kind !== "rename" || to === undefined) return;
      const node = disk.node(to);
      if (node?.kind === "file" && isStub(node.bytes(), to)) disk.unlink(to);
    },
  };
}

const STUB_BYTES = 64;

/** As if it had no catalogue: the folders that are there are listed anew before each opening. */
function listFolders({ disk, dataDir }: Place, { keepNames }: { readonly keepNames: boolean }): void {
  const meta = `${dataDir}/${META_FOLDER}`;
  const newest = disk.walk(meta).filter((path) => /catalog-\d+\.json$/.test(path)).sort().at(-1);
  const node = newest === undefined ? undefined : disk.node(newest);
  if (newest === undefined || node?.kind !== "file") return;
  let body;
  try {
    body = decodeCatalog(node.bytes().slice());
  } catch {
    return;
  }
  if (body === "stub") body = undefined;
  if (!body && keepNames) return;
  const folders = disk.walk(dataDir).filter((path) => path.endsWith("/manifests/"));
  const found = new Map<string, Manifest>();
  for (const folder of folders) {
    const name = folder.slice(dataDir.length + 1).split("/")[0]!;
    if (name.startsWith("_")) continue;
    for (const path of disk.walk(folder.slice(0, -1)).sort()) {
      const file = disk.node(path);
      if (file?.kind !== "file" || !path.endsWith(".json")) continue;
      try {
        found.set(name, decodeManifest(file.bytes().slice()));
      } catch { /* not one */ }
    }
  }
  const listed = keepNames ? new Set(body!.indices.map(({ name }) => name)) : undefined;
  const indices = [...found].filter(([name, { deleted }]) => listed ? listed.has(name) : !deleted)
    .map(([name, { indexUuid: uuid, incarnation, shards, createdMs }]) => ({
      name,
      uuid,
      incarnation,
      shards,
      createdMs,
      closed: false,
    }));
  const number = Number(/catalog-(\d+)/.exec(newest)![1]);
  const bytes = encodeCatalog({
    number,
    previous: 0,
    createdMs: 0,
    lsn: body?.lsn ?? 0,
    sections: body?.sections ?? {},
    deleted: keepNames ? body?.deleted : undefined,
    history: body?.history ?? NO_HISTORY,
    indices,
  });
  disk.unlink(`${meta}/${catalogName(number)}`);
  const file = disk.create(`${meta}/${catalogName(number)}`);
  file.append(bytes);
  file.sync();
  disk.folder(meta, "sync").sync();
}

function skipsSync(pattern: RegExp): Intercept {
  return { skip: (kind: CallKind, path: string) => kind === "sync directory" && pattern.test(path) };
}

/** In the order of the protocol's table. */
export const RULES: Readonly<Record<string, Rule>> = {
  "one-history": inCode("one history (3.2)", "pasts", "oneHistory"),
  "any-covered-manifest": inCode(
    "coverage by position, any manifest (3.3, 3.4)",
    "plain",
    "anyCoveredManifest",
  ),
  "previous-lsn": inCode("previous-LSN chain (3.5)", "plain", "previousLsn"),
  "whole-marks": inCode("marks of whole, synced records only (1, 3.6)", "plain", "marksOfSyncedRecords"),
  "mapping-in-log": inCode("mapping from manifest and WAL (3.7)", "plain", "mappingInLog"),
  "found-untouched": inCode("nothing found is written to (4)", "plain", "foundFilesUntouched"),
  aside: inCode("aside (4.1)", "torn", "aside"),
  "staged-generations": onDisk("generations staged (2)", "power", () => unstaged(/\/wal\/wal-/)),
  "staged-manifests": onDisk("manifests staged (2)", "power", () => unstaged(/\/manifests\//)),
  "runs-at-once": {
    title: "runs at once on a copy (4)",
    weather: "pasts",
    off: () => ({ rules: ALL_RULES, neverCopy: true }),
  },
  "roll-syncs": inCode("a roll syncs the old generation (2)", "power", "rollSyncs"),
  "tombstones-remapped": inCode("tombstones remapped (5)", "merges", "tombstonesRemapped"),
  "tombstones-carried": inCode("tombstones carried (5)", "merges", "tombstonesCarried"),
  "durable-deletes": inCode(
    "only the manifest's deletes baked in (5)",
    "merges",
    "onlyDurableDeletesBakedIn",
  ),
  "segment-uuids": inCode("uuid of segment files in the manifest", "pasts", "segmentUuids"),
  stubs: onDisk(
    "stubs (1)",
    "slow",
    (place) => withoutStubs(place, (bytes, path) => /\/wal\/wal-/.test(path) && bytes.length === STUB_BYTES),
  ),
  "retention-anew": inCode("retention anew after a start (6)", "slow", "retentionAnew"),
  "retention-monotonic": {
    title: "retention by the monotonic clock (6)",
    weather: "clocks",
    off: () => ({
      rules: ALL_RULES,
      changeClock: (clock: Clock) => ({ nowMs: clock.nowMs, monotonicMs: clock.nowMs }),
    }),
  },
  "no-catalogue": {
    title: "catalogue (7): none",
    weather: "catalogue",
    off: (place) => ({ rules: ALL_RULES, beforeOpening: () => listFolders(place, { keepNames: false }) }),
  },
  "catalogue-incarnations": {
    title: "catalogue (7): folders decide the incarnation",
    weather: "catalogue",
    off: (place) => ({ rules: ALL_RULES, beforeOpening: () => listFolders(place, { keepNames: true }) }),
  },
  "catalogue-deletes": {
    title: "catalogue (7): deletes by unlinking",
    weather: "catalogue",
    off: () => ({ rules: ALL_RULES, unlinksDeleted: true }),
  },
  "catalogue-stubs": onDisk(
    "catalogue (7): superseded catalogues vanish",
    "catalogue",
    (place) => withoutStubs(place, (bytes, path) => /catalog-/.test(path) && bytes.length < 200),
  ),
  "later-marks": inCode("look for later marks (3.6)", "power", "laterMarks"),
  "sync-before-reading": onDisk("directory syncs before reading (3.1)", "power", () => {
    let hasWritten = false;
    return {
      skip: (kind) => {
        if (kind === "create" || kind === "rename") hasWritten = true;
        return kind === "sync directory" && !hasWritten;
      },
    };
  }),
  "wal-before-manifest": inCode("WAL synced before a manifest (2)", "power", "walBeforeManifest"),
  "sync-wal-folder": onDisk("skip a directory sync: wal/", "power", () => skipsSync(/\/wal$/)),
  "sync-manifest-folder": onDisk(
    "skip a directory sync: manifests/",
    "power",
    () => skipsSync(/\/manifests$/),
  ),
  "sync-segment-folder": onDisk(
    "skip a directory sync: the shard's folder, a segment's",
    "power",
    () => skipsSync(/^[^_]*\/[abc](\/shard-\d)?(\/seg-\d+(\.staged)?)?$/),
  ),
  "sync-meta-folder": onDisk("skip a directory sync: _meta/", "catalogue", () => skipsSync(/\/_meta$/)),
  "wal-for-every-manifest": inCode("release WAL one manifest early", "slow", "walForEveryManifest"),
  "append-before-answer": onDisk("acknowledge before append", "plain", () => ({
    holdsBack: (path) => /\/wal\/wal-\d+$/.test(path),
  })),
};

export function changesOf(without: RuleName | undefined, place: Place): Changes {
  if (without === undefined) return { rules: ALL_RULES };
  const rule = RULES[without];
  if (!rule) throw new Error(`no rule ${without}; there are ${Object.keys(RULES).join(", ")}`);
  return rule.off(place);
}
