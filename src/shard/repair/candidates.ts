/**
 * What would an opening decide if some files were not what they are? Asks the ordinary decision with an inventory that
 * leaves them out; nothing on disk changes.
 *
 * @module
 */
import { CorruptionError } from "../../base/errors.ts";
import type { Checkpoint, Manifest } from "../../format/manifest.ts";
import { OpenRefusedError } from "../../wal/refused.ts";
import { decide, type Decision } from "../store_decide.ts";
import type { StoreEnvironment } from "../store_environment.ts";
import type { Inventory, ReadableManifest } from "../store_inventory.ts";
import type { ShardFiles } from "../verify/shard_files.ts";

/** Numbers of segments with anything wrong, whichever manifest says so. */
export function damagedSegments({ problems, accounts }: ShardFiles): Set<number> {
  const damaged = new Set(problems.segments.map(({ number }) => number));
  for (const account of accounts.values()) for (const { segment } of account.problems) damaged.add(segment);
  return damaged;
}

/**
 * The decision among some manifests; all others count for the history only.
 *
 * @param change What a manifest would say; undefined: it cannot be used.
 * @returns Undefined: none of them opens.
 */
export function decideAmong(
  environment: StoreEnvironment,
  inventory: Inventory,
  change: (manifest: Manifest) => Manifest | undefined,
): Decision | undefined {
  const manifests = inventory.manifests.map((found) => {
    if (found.kind !== "ok") return found;
    const changed = found.manifest.deleted ? undefined : change(found.manifest);
    // A deleted one is never opened, yet its list of runs is read.
    return { ...found, manifest: changed ?? { ...found.manifest, deleted: true } };
  });
  try {
    return decide(environment, { ...inventory, manifests });
  } catch (error) {
    if (error instanceof OpenRefusedError || error instanceof CorruptionError) return undefined;
    throw error;
  }
}

/**
 * The earliest position from which the log on disk is whole up to its end.
 *
 * @param decision Of an opening with `manifest`.
 * @returns The manifest's own checkpoint when nothing before it is there.
 */
export function earliestReplay(
  environment: StoreEnvironment,
  inventory: Inventory,
  { opened: { manifest } }: Pick<Decision, "opened">,
): Checkpoint {
  const starts = inventory.generations.flatMap((found): Checkpoint[] => {
    if (found.kind !== "body" || found.head.baseLsn >= manifest.checkpoint.lsn) return [];
    return [{ generation: found.number, lsn: found.head.baseLsn, seqNo: found.head.baseSeqNo }];
  }).sort((a, b) => a.lsn - b.lsn);
  const works = (checkpoint: Checkpoint) =>
    decideAmong(
      environment,
      inventory,
      (other) => other.number === manifest.number ? { ...other, segments: [], checkpoint } : undefined,
    ) !== undefined;
  // What is whole from one place on is so from every later one.
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (works(starts[middle]!)) high = middle;
    else low = middle + 1;
  }
  return starts[low] ?? manifest.checkpoint;
}

export function readable(found: Inventory["manifests"][number]): found is ReadableManifest {
  return found.kind === "ok";
}
