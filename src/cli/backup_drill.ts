/**
 * `xerj backup drill`: restores a backup into scratch space, opens it, compares it with what was there when it was made,
 * and removes it again. Needs no server.
 *
 * @module
 */
import type { Repository } from "../backup/repository.ts";
import { bringDrill, planDrill } from "../control/drill_node.ts";
import { DRILL_FOLDER, removeAbandonedRooms } from "../control/drill_room.ts";
import { holdDrill } from "../control/drill_work.ts";
import type { DrillReceipt } from "../control/drill_receipts.ts";
import { proveDirectory } from "../engine/evidence/prove.ts";
import { viewMapping } from "../os/mapping.ts";
import { totalMemoryBytes } from "../os/memory.ts";
import { pause } from "../os/pause.ts";
import { receiptJson } from "../native/drills.ts";
import type { Flag } from "./arguments.ts";
import type { BackupWork } from "./backup_work.ts";
import { EXIT_DAMAGED, EXIT_DONE, EXIT_REFUSED } from "./command_failure.ts";
import { nodeSettings } from "./node_settings.ts";
import { ProgressBar } from "./progress_bar.ts";
import { duration } from "./restore_render.ts";
import { megabytes } from "./verify_render.ts";

export const DRILL_FLAGS: readonly Flag[] = [
  { name: "backup", value: "ID", effect: 'which one; default "latest"' },
  { name: "index", value: "A,B", effect: "only these indices: names, or patterns with *" },
  {
    name: "scratch",
    value: "DIR",
    effect: "where there is room for it; else [backup] drill_dir, $TMPDIR, /var/tmp",
  },
];

const EXITS: Readonly<Record<DrillReceipt["outcome"], number>> = {
  passed: EXIT_DONE,
  failed: EXIT_DAMAGED,
  not_held: EXIT_REFUSED,
};

/** @returns The exit status: 0 proven, 1 the backup is not what it must be, 2 nobody can say. */
export async function drillBackup(work: BackupWork, repository: Repository): Promise<number> {
  const { environment, flags, config, print } = work;
  const { fs, clock, random, log, signal, env, writeTerminal } = environment;
  const scratch = flags.get("scratch") ?? (config.backup.drillDir || env("TMPDIR") || "/var/tmp");
  const settings = nodeSettings(config, { totalMemoryBytes: totalMemoryBytes(), writers: 1 });
  const bar = writeTerminal && new ProgressBar(writeTerminal, () => clock.monotonicMs());
  const index = flags.get("index")?.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const hadFolder = fs.exists(`${scratch}/${DRILL_FOLDER}`);
  removeAbandonedRooms(fs, scratch);
  const receipt = await holdDrill({
    fs,
    clock,
    id: `drill-${crypto.randomUUID()}`,
    kind: "manual",
    repository: "",
    place: repository.place,
    selection: { backup: flags.get("backup") ?? "latest", ...(index ? { indices: index } : {}) },
    scratch,
    reserveBytes: settings.diskReserveBytes,
    limitBytes: config.backup.drillMaxMb * 1024 * 1024,
    receipts: [],
    onPhase: () => bar?.clear(),
    plan: (selection) => planDrill(repository, { ...selection, signal }),
    bring: (call) =>
      bringDrill(repository, {
        ...call,
        fs,
        signal,
        onProgress: ({ filesDone, bytesDone, bytesTotal }) =>
          bar?.update(bytesDone, bytesTotal, `${filesDone} files`),
      }),
    prove: (call) =>
      proveDirectory({
        fs,
        clock,
        random,
        log: { ...log, info: log.debug, warn: log.debug },
        pause,
        viewMapping,
        settings,
      }, call),
  });
  bar?.clear();
  if (!hadFolder) removeIfEmpty(environment, `${scratch}/${DRILL_FOLDER}`);
  print(receiptJson(receipt), rendered(receipt));
  return EXITS[receipt.outcome];
}

function removeIfEmpty({ fs }: BackupWork["environment"], folder: string): void {
  if (fs.exists(folder) && fs.list(folder).length === 0) fs.removeDirectory(folder);
}

const VERDICTS: Readonly<Record<DrillReceipt["outcome"], string>> = {
  passed: "PROVEN",
  failed: "NOT RESTORABLE AS IT WAS",
  not_held: "NO DRILL WAS HELD",
};

function rendered(receipt: DrillReceipt): string[] {
  const { outcome, reason, place, backupId, indices, bytes, fetchMs, openMs, compareMs } = receipt;
  return [
    ...indices.flatMap(({ index, foundDocs, expectedDocs, probes, differences, omitted }) => [
      `${index}: ${foundDocs ?? "no"} documents` +
      (expectedDocs === undefined ? "" : ` of ${expectedDocs}, ${probes} queries compared`) +
      (omitted === "" ? "" : ` (${omitted})`),
      ...differences.map((difference) => `  DIFFERENT: ${difference}`),
    ]),
    `${VERDICTS[outcome]}: ${backupId === "" ? "" : `backup ${backupId} `}at ${place}` +
    (reason === "" ? "" : `: ${reason}`),
    ...(bytes === 0 ? [] : [
      `${megabytes(bytes)}: fetched in ${duration(fetchMs / 1000)}, opened in ${duration(openMs / 1000)}, ` +
      `compared in ${duration(compareMs / 1000)}`,
    ]),
  ];
}
