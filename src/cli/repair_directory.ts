/**
 * `xerj verify --repair-wal` and `--repair`: each shard that needs it, under the data directory's lock.
 *
 * @module
 */
import { IoError } from "../base/errors.ts";
import { chooseCatalog, findCatalogs } from "../engine/catalog_open.ts";
import { candidateFolders, inspectFolder, shardFolders } from "../engine/catalog_folders.ts";
import { lockDirectory } from "../engine/instance.ts";
import type { CatalogEntry } from "../format/catalog.ts";
import { ASIDE_FOLDER, META_FOLDER } from "../format/file_names.ts";
import type { FileSystem, Random } from "../os/fs.ts";
import { damagedSegments } from "../shard/repair/candidates.ts";
import { turnedBitOfSealed } from "../shard/repair/correct_bit.ts";
import { type Correction, manifestCorrections, segmentCorrections } from "../shard/repair/corrections.ts";
import { isSealed } from "../shard/repair/sealed_bit.ts";
import { type FetchReport, fetchSegments, type LostFiles } from "../shard/repair/fetch_segments.ts";
import { restoreFile } from "../shard/repair/restore_file.ts";
import { planSegmentRepair } from "../shard/repair/segment_plan.ts";
import { repairSegments, type SegmentRepairReport } from "../shard/repair/segment_repair.ts";
import { type LostOperations, planWalRepair } from "../shard/repair/wal_plan.ts";
import { repairWal } from "../shard/repair/wal_repair.ts";
import type { ShardIdentity, StoreEnvironment } from "../shard/store_environment.ts";
import { readOnly, type VerifyEnvironment } from "../shard/verify/environment.ts";
import { asideFolder } from "../shard/store_names.ts";
import { verifyShard } from "../shard/verify/shard.ts";
import type { ShardFiles } from "../shard/verify/shard_files.ts";
import { Poison } from "../wal/poison.ts";
import type { DirectoryOptions } from "./verify_directory.ts";

export type Repair =
  | {
    readonly kind: "bits";
    /** Folder of the shard, or of the catalogues. */
    readonly directory: string;
    readonly corrections: readonly Correction[];
    /** Where the files are kept that were damaged. */
    readonly aside: readonly string[];
  }
  | {
    readonly kind: "wal";
    readonly directory: string;
    /** Where the log ends now; undefined: with what the segments hold. */
    readonly cut: { readonly path: string; readonly offset: number } | undefined;
    readonly aside: readonly string[];
    readonly lost: LostOperations;
  }
  | { readonly kind: "fetched"; readonly directory: string } & FetchReport
  | { readonly kind: "segments"; readonly directory: string } & SegmentRepairReport;

/**
 * Repairs what can be.
 *
 * @throws {OpenRefusedError} `locked`: a server runs on it; or the catalogue does not say which indices there are.
 * @throws {IoError | RequestError} Nothing of the shard at hand has changed, or all of it.
 */
export async function repairDirectory(
  options: DirectoryOptions & { readonly random: Random },
  dataDir: string,
  { wal, segments, lost }: {
    readonly wal: boolean;
    readonly segments: boolean;
    /** Where whole files may be had before anything is rebuilt. */
    readonly lost?: LostFiles | undefined;
  },
): Promise<Repair[]> {
  const { fs, clock, bootId, random, pause } = options;
  if (!fs.exists(dataDir)) throw new IoError("open", dataDir, new Error("No such directory (os error 2)"));
  const lock = lockDirectory(fs, dataDir);
  try {
    const environment: VerifyEnvironment = {
      fs,
      clock,
      bootId,
      isCopy: false,
      cleanStop: false,
      isLive: false,
      progress: { read: () => {}, pause },
    };
    const store: StoreEnvironment = { ...readOnly(environment), random };
    const repairs: Repair[] = segments ? turnBackMeta(fs, dataDir) : [];
    for (const { directory, identity } of shardsOf(fs, dataDir)) {
      const look = () => verifyShard(environment, directory, { identity });
      if (wal && (await look()).opening?.kind === "refused") {
        const { files } = await look();
        const plan = await planWalRepair(environment, directory, { identity, files });
        if (plan) {
          const aside = repairWal(store, directory, { identity, plan });
          repairs.push({ kind: "wal", directory, cut: plan.cut, aside, lost: plan.operations });
        }
      }
      if (!segments) continue;
      const turned = turnBack(fs, directory, (await look()).files);
      if (turned) repairs.push(turned);
      const fetched = lost && await fetchLost(fs, directory, { look: await look(), lost });
      if (fetched) repairs.push(fetched);
      const { files, opening } = await look();
      // Where no other one opens, an unreadable manifest is all there is to tell of the shard.
      const manifests = opening?.kind === "opens" ? files.problems.manifests.map(({ file }) => file) : [];
      const needed = new Set(
        opening?.kind === "opens" ? opening.account.problems.map((each) => each.segment) : [],
      );
      const damaged = [...damagedSegments(files)];
      // A segment that is simply not there, and that no opening wants, is a copy's business.
      const matters = damaged.some((number) => files.segments.has(number) || needed.has(number)) ||
        (opening?.kind === "refused" && damaged.length > 0);
      if (!matters && manifests.length === 0) continue;
      const plan = matters
        ? await planSegmentRepair(environment, directory, { identity, files })
        : { kind: "aside" as const, aside: [] };
      if (plan.kind === "impossible") continue;
      const report = await repairSegments(store, directory, { identity, plan, manifests, pause });
      repairs.push({ kind: "segments", directory, ...report });
    }
    return repairs;
  } finally {
    lock.release();
  }
}

/** First of all: without the newest catalogue nobody knows which indices there are. */
function turnBackMeta(fs: FileSystem, dataDir: string): Repair[] {
  const directory = `${dataDir}/${META_FOLDER}`;
  const corrections: Correction[] = [];
  for (const { name, isFile } of fs.exists(directory) ? fs.list(directory) : []) {
    if (!isFile || !name.endsWith(".json")) continue;
    const path = `${directory}/${name}`;
    const bytes = fs.readFile(path);
    const bit = isSealed(bytes) ? undefined : turnedBitOfSealed(bytes);
    if (bit) corrections.push({ path, bits: [bit] });
  }
  if (corrections.length === 0) return [];
  const poison = new Poison(`the catalogue of ${dataDir}`);
  const aside = corrections.map(({ path, bits }) =>
    restoreFile(fs, path, { bits, aside: `${directory}/${ASIDE_FOLDER}`, poison })
  );
  return [{ kind: "bits", directory, corrections, aside }];
}

/** Turns back what is proved to be no more than stray bits. */
function turnBack(fs: FileSystem, directory: string, files: ShardFiles): Repair | undefined {
  const damaged = new Set(files.problems.segments.map(({ number }) => number));
  const corrections = [
    ...manifestCorrections(fs, directory, files),
    ...segmentCorrections(fs, directory, { files, damaged }).corrections,
  ];
  if (corrections.length === 0) return undefined;
  const poison = new Poison(`shard in ${directory}`);
  const aside = corrections.map(({ path, bits }) =>
    restoreFile(fs, path, { bits, aside: asideFolder(directory), poison })
  );
  return { kind: "bits", directory, corrections, aside };
}

/** Before anything is rebuilt with a loss: the very bytes, from a repository. */
async function fetchLost(
  fs: FileSystem,
  directory: string,
  { look: { files, opening }, lost }: {
    readonly look: Pick<Awaited<ReturnType<typeof verifyShard>>, "files" | "opening">;
    readonly lost: LostFiles;
  },
): Promise<Repair | undefined> {
  const needed = new Set(
    opening?.kind === "opens" ? opening.account.problems.map(({ segment }) => segment) : [],
  );
  const isRefused = opening?.kind === "refused";
  const wanted = new Set(
    [...damagedSegments(files)].filter((number) =>
      isRefused || needed.has(number) || files.segments.has(number)
    ),
  );
  const poison = new Poison(`shard in ${directory}`);
  const report = await fetchSegments(fs, directory, { files, wanted, lost, poison });
  return report && { kind: "fetched", directory, ...report };
}

function shardsOf(
  fs: FileSystem,
  dataDir: string,
): { readonly directory: string; readonly identity: ShardIdentity }[] {
  const chosen = chooseCatalog(fs, dataDir, findCatalogs(fs, dataDir));
  const listed = chosen.body?.indices ?? [];
  const gone = new Set(chosen.deleted.map(({ incarnation }) => incarnation));
  const adopted = candidateFolders(fs, dataDir).flatMap((name): CatalogEntry[] => {
    if (listed.some((entry) => entry.name === name)) return [];
    const found = inspectFolder(fs, dataDir, name);
    return found.kind === "whole" && !gone.has(found.entry.incarnation) ? [found.entry] : [];
  });
  return [...listed, ...adopted].flatMap(({ name, uuid, incarnation, shards }) =>
    shardFolders(`${dataDir}/${name}`, shards).map((directory, shard) => ({
      directory,
      identity: { indexUuid: uuid, incarnation, shard, shards },
    }))
  );
}
