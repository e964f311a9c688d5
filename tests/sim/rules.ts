/**
 * The rules of the protocol by name, and how each is switched off: by the code itself, by what a process sees of the
 * disk, or by its clock.
 *
 * @module
 */
import { ALL_RULES, type Rules } from "../../src/wal/rules.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimDisk } from "./sim_disk.ts";
import type { ServerOptions } from "./sim_server.ts";

type Changes = Pick<ServerOptions, "rules" | "intercept" | "changeClock" | "neverCopy">;

interface Place {
  readonly disk: SimDisk;
  readonly dataDir: string;
  readonly scheduler: Scheduler;
}

export interface Rule {
  /** As the protocol calls it. */
  readonly title: string;
  readonly off: (place: Place) => Changes;
}

export type RuleName = string;

export const RULES: Readonly<Record<string, Rule>> = {};

export function changesOf(without: RuleName | undefined, place: Place): Changes {
  if (without === undefined) return { rules: ALL_RULES };
  return RULES[without]!.off(place);
}

export function inCode(title: string, name: keyof Rules): Rule {
  return { title, off: () => ({ rules: { ...ALL_RULES, [name]: false } }) };
}
