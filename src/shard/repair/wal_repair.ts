/**
 * Ends a damaged log: goes as an opening does, with a new generation that states where the damaged one ends, and puts
 * the generations behind it aside. No byte of what was found changes.
 *
 * @module
 */
import { Poison } from "../../wal/poison.ts";
import { shardLabel, ShardStore } from "../store.ts";
import type { ShardIdentity, StoreEnvironment } from "../store_environment.ts";
import { takeInventory } from "../store_inventory.ts";
import { planAfterOpening } from "../store_run.ts";
import { moveAside } from "./move_aside.ts";
import type { WalPlan } from "./wal_plan.ts";

/**
 * @returns Where the files are now that were moved aside.
 * @throws {RequestError | IoError}
 */
export function repairWal(
  environment: StoreEnvironment,
  directory: string,
  { identity, plan }: { readonly identity: ShardIdentity; readonly plan: WalPlan },
): string[] {
  const { fs } = environment;
  const poison = new Poison(shardLabel(directory));
  // Of the folder as it is: numbers are drawn above everything in it.
  const inventory = takeInventory(fs, directory, { identity });
  const { decision } = plan;
  // As on a copy: at once, with whatever was not known to be synced repeated.
  const run = planAfterOpening(plan.inventory, { decision, isCopy: true });
  const store = new ShardStore(environment, {
    inventory,
    poison,
    manifest: decision.opened.manifest,
    plan: run,
  });
  try {
    store.ensureRun();
    store.sync();
  } finally {
    store.close({ clean: false });
  }
  return moveAside(fs, directory, { paths: plan.aside.map(({ path }) => path), poison });
}
