/**
 * One restore drill, from a repository to a receipt: plan, room, restore, open, compare, remove.
 *
 * Who restores and who opens is the caller's: threads of a server, or the process of a command.
 *
 * @module
 */
import { CorruptionError, RequestError } from "../base/errors.ts";
import type { RestoreOutcome } from "../backup/restore.ts";
import { type Evidence, evidenceOf } from "../engine/evidence/evidence.ts";
import type { Proof, ProveCall } from "../engine/evidence/prove.ts";
import type { Clock, FileSystem } from "../os/fs.ts";
import { explainedFailure } from "./backup_errors.ts";
import { chooseIndices } from "./drill_choice.ts";
import type { DrillPlan, DrillSelection } from "./drill_node.ts";
import type { DrillOutcome, DrillReceipt } from "./drill_receipts.ts";
import { type DrillRoom, takeRoom } from "./drill_room.ts";

export interface DrillWork {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly id: string;
  readonly kind: DrillReceipt["kind"];
  /** Name in the configuration, or "". */
  readonly repository: string;
  readonly place: string;
  readonly selection: DrillSelection;
  /** Folder below which there is room. */
  readonly scratch: string;
  /** Free bytes that the disk keeps. */
  readonly reserveBytes: number;
  /** 0: none. */
  readonly limitBytes: number;
  /** Earlier receipts of the same repository, oldest first. */
  readonly receipts: readonly DrillReceipt[];
  /** What it does now, for whoever looks. */
  readonly onPhase: (phase: DrillPhase) => void;
  readonly plan: (selection: DrillSelection) => Promise<DrillPlan>;
  readonly bring: (
    call: { readonly backup: string; readonly indices: readonly string[]; readonly to: string },
  ) => Promise<RestoreOutcome>;
  readonly prove: (call: ProveCall) => Promise<Proof>;
}

export type DrillPhase = "planning" | "fetching" | "opening" | "removing";

const UNKNOWN = {
  repositoryId: "",
  backupId: "",
  backupCreatedMs: 0,
  bytes: 0,
  fetchedBytes: 0,
  fetchMs: 0,
  openMs: 0,
  compareMs: 0,
  indices: [],
  leftOut: [],
} as const;

/**
 * Never fails because of the backup, the store or the disk: that is what the receipt is for.
 *
 * @throws {RequestError | RepositoryError | StoreError} One by hand of what is not there, or cannot be reached: then there
 * was no drill.
 */
export async function holdDrill(work: DrillWork): Promise<DrillReceipt> {
  const { clock, id, kind, repository, place, selection } = work;
  const base = { id, kind, repository, place, isPart: selection.indices !== undefined };
  const startedMs = Math.floor(clock.nowMs());
  const found: Partial<Mutable<DrillReceipt>> = {};
  let judged: { readonly outcome: DrillOutcome; readonly reason: string };
  try {
    judged = await hold(work, found);
  } catch (error) {
    const isPlanned = found.backupId !== undefined;
    if (kind === "manual" && !isPlanned && !isDamage(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    judged = { outcome: isOfTheBackup(error) ? "failed" : "not_held", reason };
  }
  return { ...base, ...UNKNOWN, ...found, startedMs, endedMs: Math.floor(clock.nowMs()), ...judged };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

async function hold(
  work: DrillWork,
  found: Partial<Mutable<DrillReceipt>>,
): Promise<{ readonly outcome: DrillOutcome; readonly reason: string }> {
  const { fs, clock, id, selection, scratch, onPhase } = work;
  onPhase("planning");
  const plan = await work.plan(selection);
  found.repositoryId = plan.repositoryId;
  found.backupId = plan.backup.id;
  found.backupCreatedMs = plan.backup.createdMs;
  const evidence = evidenceOf(plan.extra);
  const { chosen, leftOut, bytes } = chooseIndices(plan.indices, work);
  found.leftOut = leftOut;
  if (chosen.length === 0 && leftOut.length > 0) {
    return { outcome: "not_held", reason: "the limit of a drill is smaller than each of the indices" };
  }
  checkRoom(work, bytes + plan.serverBytes);
  const room = takeRoom(fs, scratch, id);
  try {
    onPhase("fetching");
    let atMs = clock.monotonicMs();
    const { dataDir } = room;
    const outcome = await work.bring({ backup: plan.backup.id, indices: chosen, to: dataDir });
    found.fetchMs = Math.round(clock.monotonicMs() - atMs);
    found.bytes = outcome.bytes;
    found.fetchedBytes = outcome.fetchedBytes;
    onPhase("opening");
    atMs = clock.monotonicMs();
    const { refused, indices, openMs, compareMs } = await work.prove({ dataDir, indices: chosen, evidence });
    found.openMs = Math.round(openMs);
    found.compareMs = Math.round(compareMs);
    found.indices = indices;
    if (refused !== "") return { outcome: "failed", reason: `it does not open: ${shortened(refused, room)}` };
    const differing = indices.filter(({ differences }) => differences.length > 0);
    if (differing.length > 0) return { outcome: "failed", reason: differenceText(differing) };
    return { outcome: "passed", reason: remarks({ evidence, leftOut, indices }) };
  } finally {
    onPhase("removing");
    room.release();
  }
}

/** Paths of the scratch directory as they are in a data directory. */
function shortened(reason: string, { dataDir }: DrillRoom): string {
  return reason.replaceAll(`${dataDir}/`, "");
}

function differenceText(indices: DrillReceipt["indices"]): string {
  const [first, ...others] = indices;
  const more = others.length === 0 ? "" : `; so are ${others.map(({ index }) => index).join(", ")}`;
  return `[${first!.index}] is not what was backed up: ${first!.differences.join("; ")}${more}`;
}

function remarks({ evidence, leftOut, indices }: {
  readonly evidence: Evidence | undefined;
  readonly leftOut: readonly string[];
  readonly indices: DrillReceipt["indices"];
}): string {
  const words: string[] = [];
  if (!evidence) {
    words.push(
      "the backup does not say what it must show, as those of earlier versions: it was restored, opened and counted",
    );
  } else {
    const uncompared = indices.filter(({ expectedDocs }) => expectedDocs === undefined);
    if (uncompared.length > 0) {
      words.push(`opened and counted only: ${uncompared.map(({ index }) => index).join(", ")}`);
    }
  }
  if (leftOut.length > 0) words.push(`left for another time by the limit: ${leftOut.join(", ")}`);
  return words.join("; ");
}

function checkRoom({ fs, scratch, reserveBytes }: DrillWork, neededBytes: number): void {
  const freeBytes = fs.freeBytes(scratch);
  if (freeBytes - neededBytes >= reserveBytes) return;
  const mib = (bytes: number) => `${Math.ceil(bytes / 1024 / 1024)} MiB`;
  throw new RequestError(
    `no room for a drill in ${scratch}: it takes ${mib(neededBytes)}, ${mib(freeBytes)} are free, ${
      mib(reserveBytes)
    } of which stay free`,
    { status: 429, type: "disk_full" },
  );
}

/** What says that there is nothing to restore; anything else says only that the drill could not be held. */
const NOTHING_TO_RESTORE = [
  "repository_version_exception",
  "repository_missing_exception",
  "backup_missing_exception",
];

function isOfTheBackup(error: unknown): boolean {
  const explained = explainedFailure(error);
  return isDamage(error) ||
    (explained instanceof RequestError && NOTHING_TO_RESTORE.includes(explained.type));
}

function isDamage(error: unknown): boolean {
  const explained = explainedFailure(error);
  return error instanceof CorruptionError ||
    (explained instanceof RequestError && explained.type === "repository_corrupt_exception");
}
