/**
 * What a look at stored files needs of the process around it.
 *
 * @module
 */
import type { Clock, FileSystem } from "../../os/fs.ts";
import type { StoreEnvironment } from "../store_environment.ts";
import type { Progress } from "./finding.ts";

export interface VerifyEnvironment {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly bootId: string;
  /** The directory is a copy of another. */
  readonly isCopy: boolean;
  /** The last server on it ended cleanly: then nothing may be torn. */
  readonly cleanStop: boolean;
  /** A server runs on it. */
  readonly isLive: boolean;
  readonly progress: Progress;
}

/** An environment for decisions: whoever writes or draws with it has made a mistake. */
export function readOnly(
  { fs, clock, bootId, isCopy, cleanStop }: Pick<
    VerifyEnvironment,
    "fs" | "clock" | "bootId" | "isCopy" | "cleanStop"
  >,
): StoreEnvironment {
  const never = (): never => {
    throw new Error("Assertion failed: a look writes nothing");
  };
  return {
    fs,
    clock,
    bootId,
    isCopy,
    cleanStop,
    random: { fill: never },
    log: { info: () => {}, warn: () => {} },
    nextLsn: never,
    raiseLsn: () => {},
    walMaxBytes: Infinity,
    retainSupersededMs: () => Infinity,
  };
}
