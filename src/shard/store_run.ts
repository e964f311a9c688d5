/**
 * What will the first generation of a new run say? Decided when opening, written when the run starts.
 *
 * @module
 */
import { type History, NO_HISTORY } from "../format/history.ts";
import { WAL_HEAD_BYTES } from "../format/wal_header.ts";
import type { RepeatedTail } from "../wal/generation_create.ts";
import type { FoundBody, FoundGeneration } from "../wal/generation_file.ts";
import type { Decision } from "./store_decide.ts";
import type { Inventory } from "./store_inventory.ts";

export interface RunPlan {
  /** Position before the new generation's first record. */
  readonly base: { readonly lsn: number; readonly seqNo: number };
  readonly repeated: RepeatedTail | undefined;
  readonly repeatedBytes: number;
  /** The newest generation found, which the new one goes on from. */
  readonly previous:
    | { readonly number: number; readonly uuid: string; readonly sizeBytes: number }
    | undefined;
  readonly previousEnd: number;
  /** Every record up to here is known to be on disk. */
  readonly syncedLsn: number;
  readonly history: History;
  readonly shortestHistory: number;
  /** Generation of the first manifest's checkpoint; undefined: the new one. */
  readonly checkpointGeneration: number | undefined;
  readonly aside: readonly { readonly number: number; readonly path: string }[];
  /** The start may wait for the first change. */
  readonly mayWait: boolean;
  /** The newest generation, if it ends well: see `Rules.foundFilesUntouched`. */
  readonly whole?: FoundBody | undefined;
}

/** A shard without a past of its own, at the position that its segments cover. */
export function planNew(base: { readonly lsn: number; readonly seqNo: number }): RunPlan {
  return {
    base,
    repeated: undefined,
    repeatedBytes: 0,
    previous: undefined,
    previousEnd: 0,
    syncedLsn: base.lsn,
    history: NO_HISTORY,
    shortestHistory: 0,
    checkpointGeneration: undefined,
    aside: [],
    mayWait: false,
  };
}

/** @param isCopy The files may still be shared with their original, or be changed by whoever copies. */
export function planAfterOpening(
  { generations }: Inventory,
  { decision, isCopy }: { readonly decision: Decision; readonly isCopy: boolean },
): RunPlan {
  const { opened: { manifest }, recovered, chain, history, shortestHistory, tornTail } = decision;
  const { checkpoint } = manifest;
  const newest = generations.at(-1);
  const aside = decision.passedOver.flatMap(({ number, path, manifest: newer }) =>
    newer && newer.checkpoint.lsn > recovered.lsn ? [{ number, path }] : []
  );
  const generationIsThere = generations.some(({ number, kind }) =>
    number === checkpoint.generation && kind === "body"
  );
  const common = {
    previous: newest && newest.kind !== "unreadable"
      ? { number: newest.number, uuid: newest.head.uuid, sizeBytes: newest.sizeBytes }
      : undefined,
    history,
    shortestHistory,
    // Behind the checkpoint there are records in the chain only.
    checkpointGeneration: generationIsThere ? checkpoint.generation : chain[0]?.found.number,
    aside,
  };
  const tail = chain.at(-1);
  if (!tail || checkpoint.lsn > tail.scan.end.lsn) {
    return {
      ...common,
      base: recovered,
      repeated: undefined,
      repeatedBytes: 0,
      previousEnd: tail?.scan.mark.offset ?? headerEnd(newest),
      syncedLsn: recovered.lsn,
      mayWait: !isCopy && aside.length === 0 && !tornTail && tail !== undefined &&
        tail.scan.unmarkedRecords === 0,
    };
  }
  const { mark, end, unmarkedRecords } = tail.scan;
  const repeats = unmarkedRecords > 0;
  return {
    ...common,
    whole: tail.scan.cutOff || end.offset !== tail.found.sizeBytes ? undefined : tail.found,
    base: repeats ? mark : end,
    repeated: repeats ? { from: tail.found, start: mark, end } : undefined,
    repeatedBytes: repeats ? end.offset - mark.offset : 0,
    previousEnd: repeats ? mark.offset : Math.min(mark.offset, end.offset),
    syncedLsn: repeats ? mark.lsn : end.lsn,
    mayWait: !isCopy && aside.length === 0 && !tornTail && !repeats && !tail.scan.cutOff,
  };
}

function headerEnd(found: FoundGeneration | undefined): number {
  if (found?.kind === "body") return found.head.headerBytes;
  return found?.kind === "stub" ? WAL_HEAD_BYTES : 0;
}
