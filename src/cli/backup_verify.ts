/**
 * `xerj backup verify`: does the repository hold what it lists? With `--heal`, what it does not is stored again.
 *
 * @module
 */
import { type HealOutcome, healRepository, type UnhealedObject } from "../backup/heal_repository.ts";
import type { Repository } from "../backup/repository.ts";
import {
  type DamagedObject,
  type VerifyOptions,
  type VerifyReport,
  verifyRepository,
} from "../backup/verify_repository.ts";
import { IoError } from "../base/errors.ts";
import { localFiles } from "../control/local_files.ts";
import { type Flag, UsageError } from "./arguments.ts";
import type { BackupWork } from "./backup_work.ts";
import { EXIT_DAMAGED, EXIT_DONE } from "./command_failure.ts";
import { ProgressBar } from "./progress_bar.ts";
import { duration } from "./restore_render.ts";
import { megabytes } from "./verify_render.ts";

export const VERIFY_FLAGS: readonly Flag[] = [
  { name: "quick", effect: "manifests by their hash, objects by their size (the default); reads no object" },
  {
    name: "sample",
    value: "SHARE",
    effect: "quick, and such a share of the objects whole: 5%, other ones each time",
  },
  { name: "full", effect: "every byte of every object, decrypted, decompressed and hashed" },
  { name: "backup", value: "ID,ID", effect: "only these backups" },
  {
    name: "heal",
    effect:
      "stores again what is missing or damaged, where the data directory, or another object, still has it; " +
      "a server may be at work there",
  },
];

/** Ids and paths that are named in text; `--json` has all. */
const NAMED = 5;

export async function verifyBackups(work: BackupWork, repository: Repository): Promise<number> {
  const { environment: { signal, writeTerminal, clock }, print } = work;
  const bar = writeTerminal && new ProgressBar(writeTerminal, () => clock.monotonicMs());
  const options = optionsOf(work);
  let report: VerifyReport;
  try {
    report = await verifyRepository(repository, {
      ...options,
      signal,
      onProgress: ({ objectsDone, objectsTotal, bytesRead }) =>
        bar?.update(objectsDone, objectsTotal, `${objectsDone} objects, ${megabytes(bytesRead)} read`),
    });
  } finally {
    bar?.clear();
  }
  const { damaged } = report;
  const healing = work.flags.has("heal") && damaged.length > 0
    ? await heal(work, repository, damaged)
    : undefined;
  const left = healing?.unhealed ?? damaged;
  print(toJson(repository, report, healing), [
    ...damaged.flatMap(rendered),
    `${repository.place}: ${report.backups} backups, ${report.objects} objects, ${report.objectsRead} of them read ` +
    `(${megabytes(report.bytesRead)}) in ${duration(report.durationMs / 1000)}: ` +
    (damaged.length === 0
      ? "sound"
      : `damaged, ${damaged.length} ${damaged.length === 1 ? "finding" : "findings"}`),
    ...(damaged.length === 0 && report.mode !== "full"
      ? ["what was not read was only looked at by its size: --full reads everything"]
      : []),
    ...(healing ? renderedHealing(healing) : []),
  ]);
  return left.length === 0 ? EXIT_DONE : EXIT_DAMAGED;
}

function heal(
  { environment: { fs, signal }, flags, config }: BackupWork,
  repository: Repository,
  damaged: readonly DamagedObject[],
): Promise<HealOutcome> {
  const { dataDir } = config.server;
  const isThere = fs.exists(dataDir);
  // Where none was named, another object may still have the bytes.
  if (!isThere && flags.has("data-dir")) {
    throw new IoError("open", dataDir, new Error("No such directory (os error 2)"));
  }
  return healRepository(repository, damaged, { files: isThere ? localFiles(fs, dataDir) : [], fs, signal });
}

function renderedHealing({ healed, unhealed, bytes }: HealOutcome): string[] {
  return [
    ...healed.map((object) => `healed: ${object}`),
    ...unhealed.map(({ object, why }) => `NOT HEALED: ${object}: ${why}`),
    `${healed.length} healed, ${megabytes(bytes)} sent` +
    (unhealed.length === 0
      ? ""
      : `; ${unhealed.length} not: ${backupsOf(unhealed)} stay damaged, make a new one`),
  ];
}

function backupsOf(objects: readonly UnhealedObject[]): string {
  return shortened([...new Set(objects.flatMap(({ backups }) => backups))].sort());
}

function optionsOf({ flags }: BackupWork): Pick<VerifyOptions, "mode" | "share" | "ids"> {
  const asked = (["quick", "sample", "full"] as const).filter((mode) => flags.has(mode));
  if (asked.length > 1) throw new UsageError(`--${asked[0]} and --${asked[1]} do not go together`);
  const mode = asked[0] ?? "quick";
  const ids = flags.get("backup")?.split(",").map((id) => id.trim()).filter((id) => id !== "");
  return {
    mode,
    ...(mode === "sample" ? { share: shareOf(flags.get("sample")!) } : {}),
    ...(ids ? { ids } : {}),
  };
}

/** "5%" or "0.05". */
function shareOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  const share = match ? Number(match[1]) / (match[2] === "%" ? 100 : 1) : NaN;
  if (share > 0 && share <= 1) return share;
  throw new UsageError(`--sample cannot be ${text}; it must be like 5%, above 0 and up to 100%`);
}

function rendered({ object, problem, reason, backups, paths }: DamagedObject): string[] {
  return [
    `DAMAGED: ${object}: ${problem}: ${reason}`,
    `  affects ${backups.length === 1 ? "backup" : "backups"}: ${shortened(backups)}`,
    ...(paths.length === 0 ? [] : [`  holds: ${shortened(paths)}`]),
  ];
}

function shortened(names: readonly string[]): string {
  const shown = names.slice(0, NAMED).join(", ");
  return names.length > NAMED ? `${shown} and ${names.length - NAMED} more` : shown;
}

function toJson({ place, id }: Repository, report: VerifyReport, healing: HealOutcome | undefined) {
  const { mode, backups, objects, objectsRead, bytesRead, damaged, durationMs } = report;
  const left = healing?.unhealed ?? damaged;
  return {
    place,
    repository_id: id,
    verdict: damaged.length === 0 ? "sound" : left.length === 0 ? "healed" : "damaged",
    mode,
    backups,
    objects,
    objects_read: objectsRead,
    bytes_read: bytesRead,
    took_ms: Math.round(durationMs),
    damaged: damaged.map(damagedToJson),
    ...(healing
      ? {
        healed: healing.healed,
        bytes_sent: healing.bytes,
        unhealed: healing.unhealed.map((one) => ({ ...damagedToJson(one), why: one.why })),
      }
      : {}),
  };
}

function damagedToJson({ object, problem, reason, backups, paths }: DamagedObject) {
  return { object, problem, reason, backups, paths };
}
