/**
 * Where would a damaged log have to end, and what would that cost? Plans only.
 *
 * @module
 */
import { utf8Text } from "../../base/bytes.ts";
import { generationName, manifestName } from "../../format/file_names.ts";
import type { Manifest } from "../../format/manifest.ts";
import { OperationsReader } from "../../format/operations.ts";
import { RecordKind, type WalRecord } from "../../format/wal.ts";
import type { FoundBody, FoundGeneration } from "../../wal/generation_file.ts";
import { type Inventory, takeInventory } from "../store_inventory.ts";
import type { Decision } from "../store_decide.ts";
import type { ShardIdentity } from "../store_environment.ts";
import { readOnly, type VerifyEnvironment } from "../verify/environment.ts";
import type { ShardFiles } from "../verify/shard_files.ts";
import { successorOf } from "../verify/wal_files.ts";
import { damagedSegments, decideAmong } from "./candidates.ts";
import { recordsFrom } from "./records_behind.ts";

/** What is behind the new end. */
export interface LostOperations {
  /** The last one that stays, 0: none. */
  readonly lastLsn: number;
  readonly lastSeqNo: number;
  /** Highest that is known of; that of what stays when nothing behind can be read. */
  readonly highestLsn: number;
  readonly highestSeqNo: number;
  /** Operations that can be read, though nothing applies them. */
  readonly operations: number;
  /** Their ids, each once, at most MAX_IDS. */
  readonly ids: readonly string[];
  readonly idsOmitted: number;
  /** Bytes in which no record can be made out. */
  readonly unreadableBytes: number;
}

export interface WalPlan {
  readonly lost: string;
  readonly next: string;
  /** As it will be when the damaged part is out of the way. */
  readonly inventory: Inventory;
  readonly decision: Decision;
  /** The generation that ends earlier; undefined: whole generations go only. */
  readonly cut: { readonly path: string; readonly offset: number } | undefined;
  /** Generations to be moved aside. */
  readonly aside: readonly FoundGeneration[];
  readonly operations: LostOperations;
}

export const MAX_IDS = 100_000;

/** @returns Undefined: the log is not what keeps the shard from opening, or nothing of it can be used. */
export async function planWalRepair(
  environment: VerifyEnvironment,
  directory: string,
  { identity, files }: { readonly identity: ShardIdentity; readonly files: ShardFiles },
): Promise<WalPlan | undefined> {
  const inventory = takeInventory(environment.fs, directory, { identity });
  const damaged = damagedSegments(files);
  const usable = ({ segments }: Manifest) => !segments.some(({ number }) => damaged.has(number));
  let best: { readonly cut: Cut; readonly decision: Decision; readonly inventory: Inventory } | undefined;
  const tried = new Set<string>();
  for (const found of inventory.manifests.toReversed()) {
    if (found.kind !== "ok" || found.manifest.deleted || !usable(found.manifest)) continue;
    const cut = cutBehind(found.manifest, inventory, files);
    const key = `${cut.last?.number}/${cut.offset}`;
    if (tried.has(key)) continue;
    tried.add(key);
    const without = cutInventory(inventory, cut);
    // Whether the boot is the same says nothing about an end that a repair makes.
    const store = readOnly({ ...environment, bootId: "" });
    const decided = { ...without, generations: cut.last ? without.generations : [NO_LOG] };
    const decision = decideAmong(store, decided, (manifest) => usable(manifest) ? manifest : undefined);
    if (!decision) continue;
    if (!best || decision.recovered.lsn > best.decision.recovered.lsn) {
      best = { cut, decision, inventory: without };
    }
  }
  if (!best) return undefined;
  const { cut, decision } = best;
  const aside = inventory.generations.filter(({ number }) => number > (cut.last?.number ?? 0));
  const operations = await lostBehind(environment, { cut, aside, decision });
  const what = cut.last
    ? `${generationName(cut.last.number)} ends at byte ${cut.offset}, behind LSN ${decision.recovered.lsn}`
    : `the log ends with what ${manifestName(decision.opened.number)} holds, LSN ${decision.recovered.lsn}`;
  return {
    lost: describeLost(operations),
    next:
      `restore this index from a backup, or, with the server stopped, \`xerj verify --repair-wal\`: ${what}`,
    inventory: best.inventory,
    decision,
    cut: cut.last && { path: cut.last.path, offset: cut.offset },
    aside,
    operations,
  };
}

/** Stands for a log of which nothing is left: an opening takes a checkpoint beyond all of the log for whole. */
const NO_LOG: FoundGeneration = {
  kind: "stub",
  number: 0,
  path: "",
  sizeBytes: 0,
  modifiedMs: 0,
  head: { stub: true, uuid: "", incarnation: "", generation: 0, baseLsn: 0, baseSeqNo: -1 },
};

interface Cut {
  /** The last generation that counts; undefined: none does. */
  readonly last: FoundBody | undefined;
  /** Where it ends. */
  readonly offset: number;
}

/** From a checkpoint forward as far as the log is whole. */
function cutBehind({ checkpoint }: Manifest, { generations }: Inventory, { problems }: ShardFiles): Cut {
  const bodies = generations.filter((found): found is FoundBody => found.kind === "body");
  let last: FoundBody | undefined;
  // Generations behind it may begin before the checkpoint, too: a run repeats the end of the one before it.
  for (const body of bodies) {
    if (body.head.baseLsn > checkpoint.lsn) break;
    if (body.number <= checkpoint.generation || !last) last = body;
  }
  if (!last) return { last: undefined, offset: 0 };
  for (;;) {
    const bad = problems.generations
      .filter(({ number, offset }) => number === last!.number && offset >= 0)
      .reduce((lowest, { offset }) => Math.min(lowest, offset), Infinity);
    if (bad < Infinity) return { last, offset: Math.max(bad, last.head.headerBytes) };
    const next = successorOf(last, generations);
    if (!next) return { last, offset: last.sizeBytes };
    if (next.head.previousEnd > last.sizeBytes) return { last, offset: last.sizeBytes };
    last = next;
  }
}

/** The inventory without what lies behind the cut. */
function cutInventory(inventory: Inventory, { last, offset }: Cut): Inventory {
  const generations = inventory.generations.flatMap((found): FoundGeneration[] => {
    if (found.number > (last?.number ?? 0)) return [];
    return [found.number === last?.number && found.kind === "body" ? { ...found, sizeBytes: offset } : found];
  });
  return { ...inventory, generations };
}

async function lostBehind(
  { fs, progress }: VerifyEnvironment,
  { cut: { last, offset }, aside, decision: { recovered } }: {
    readonly cut: Cut;
    readonly aside: readonly FoundGeneration[];
    readonly decision: Decision;
  },
): Promise<LostOperations> {
  const seen = new Set<number>();
  const ids = new Set<string>();
  const lost = {
    lastLsn: recovered.lsn,
    lastSeqNo: recovered.seqNo,
    highestLsn: recovered.lsn,
    highestSeqNo: recovered.seqNo,
    operations: 0,
    idsOmitted: 0,
    unreadableBytes: 0,
  };
  const take = (record: Pick<WalRecord, "kind" | "lsn" | "seqNo" | "payload">): void => {
    lost.highestLsn = Math.max(lost.highestLsn, record.lsn);
    if (record.kind !== RecordKind.Operations || record.lsn <= recovered.lsn || seen.has(record.lsn)) return;
    seen.add(record.lsn);
    const operations = new OperationsReader(record.payload);
    while (operations.next()) {
      lost.operations++;
      lost.highestSeqNo = Math.max(lost.highestSeqNo, record.seqNo + operations.seqNoDelta);
      const id = utf8Text(record.payload.subarray(operations.idStart, operations.idEnd));
      if (ids.has(id)) continue;
      if (ids.size < MAX_IDS) ids.add(id);
      else lost.idsOmitted++;
    }
  };
  const readOn = async (found: FoundBody, from: number) => {
    for (const record of recordsFrom(fs, found, from)) {
      if (record.kind === "gap") lost.unreadableBytes += record.bytes;
      else take(record.record);
      await progress.pause();
    }
  };
  if (last && offset < last.sizeBytes) await readOn(last, offset);
  for (const found of aside) {
    if (found.kind === "body") {
      // Its stated end does not matter: what a later generation repeats has the same LSN.
      await readOn(found, found.head.headerBytes);
    } else if (found.kind === "unreadable") lost.unreadableBytes += found.sizeBytes;
  }
  return { ...lost, ids: [...ids] };
}

function describeLost(
  { lastLsn, highestLsn, lastSeqNo, highestSeqNo, operations, unreadableBytes }: LostOperations,
) {
  if (operations === 0 && unreadableBytes === 0) return "nothing that can be made out";
  const parts: string[] = [];
  if (highestLsn > lastLsn) {
    parts.push(
      `everything behind LSN ${lastLsn} (to ${highestLsn}; sequence numbers ${
        lastSeqNo + 1
      } to ${highestSeqNo})`,
    );
  } else parts.push(`what was written behind LSN ${lastLsn}`);
  parts.push(`${operations} operations that can be read`);
  if (unreadableBytes > 0) parts.push(`and whatever is in ${unreadableBytes} bytes that cannot`);
  return parts.join(", ");
}
