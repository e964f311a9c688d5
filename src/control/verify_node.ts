/**
 * The shipper's part of verifying and healing a repository.
 *
 * @module
 */
import type { BackupFile } from "../backup/back_up.ts";
import { type HealOutcome, healRepository } from "../backup/heal_repository.ts";
import type { Repository } from "../backup/repository.ts";
import {
  type DamagedObject,
  type VerifyOptions,
  type VerifyReport,
  verifyRepository,
} from "../backup/verify_repository.ts";
import type { Job, ShipperOptions } from "./shipper_node.ts";

export interface VerifyCall extends Job, Pick<VerifyOptions, "mode" | "share" | "ids"> {}

export interface HealCall extends Job {
  readonly damaged: readonly DamagedObject[];
  /** That nobody changes while it runs. */
  readonly files: readonly BackupFile[];
}

export interface VerifyJobProgress {
  readonly phase: "verify" | "heal";
  readonly objectsDone: number;
  readonly objectsTotal: number;
  /** Read from the repository, or sent to it. */
  readonly bytes: number;
}

interface Work extends ShipperOptions {
  readonly signal: AbortSignal;
}

/** How often main hears how far it is, at most. */
const PROGRESS_EVERY_MS = 200;

export function verifyIn(
  repository: Repository,
  { job, mode, share, ids }: VerifyCall,
  work: Work,
): Promise<VerifyReport> {
  const tell = teller(job, work);
  return verifyRepository(repository, {
    mode,
    ...(share === undefined ? {} : { share }),
    ...(ids === undefined ? {} : { ids }),
    signal: work.signal,
    onProgress: ({ bytesRead, ...counts }) => tell({ phase: "verify", ...counts, bytes: bytesRead }),
  });
}

export function healIn(
  repository: Repository,
  { job, damaged, files }: HealCall,
  work: Work,
): Promise<HealOutcome> {
  const tell = teller(job, work);
  return healRepository(repository, damaged, {
    files,
    fs: work.fs,
    signal: work.signal,
    onProgress: ({ bytesSent, ...counts }) => tell({ phase: "heal", ...counts, bytes: bytesSent }),
  });
}

function teller(job: string, { clock, onProgress }: ShipperOptions): (progress: VerifyJobProgress) => void {
  let toldMs = -Infinity;
  return (progress) => {
    const now = clock.monotonicMs();
    if (now - toldMs < PROGRESS_EVERY_MS && progress.objectsDone < progress.objectsTotal) return;
    toldMs = now;
    onProgress(job, progress);
  };
}
