/**
 * Is a shard sound, and what would an opening make of it? Looks at every file, decides as an opening does, and says of
 * whatever is wrong what it would cost. Writes nothing.
 *
 * On a folder that is being written to, files come and go: what was missing or did not fit is looked at again through
 * a newer manifest, until a look finds everything, or finds the folder as it was.
 *
 * @module
 */
import { CorruptionError, IoError } from "../../base/errors.ts";
import { OpenRefusedError } from "../../wal/refused.ts";
import { decide, type Decision } from "../store_decide.ts";
import type { ShardIdentity } from "../store_environment.ts";
import { takeInventory } from "../store_inventory.ts";
import { accountFor, type ManifestAccount } from "./accounting.ts";
import { compareDeep } from "./deep.ts";
import { judge } from "./judge.ts";
import { readOnly, type VerifyEnvironment } from "./environment.ts";
import type { Finding } from "./finding.ts";
import { lookAtFiles, Seen, type ShardFiles } from "./shard_files.ts";

/** What an opening would do. */
export type Opening =
  | {
    readonly kind: "opens";
    readonly decision: Decision;
    readonly account: ManifestAccount;
  }
  | {
    readonly kind: "refused";
    /** Of `OpenRefusedError`, or "corruption". */
    readonly code: string;
    readonly reason: string;
    readonly files: readonly string[];
  };

export interface ShardReport {
  readonly directory: string;
  readonly identity: ShardIdentity | undefined;
  readonly files: ShardFiles;
  /** Undefined: nobody would open this folder. */
  readonly opening: Opening | undefined;
  readonly findings: readonly Finding[];
}

/** Looks at a folder in use that often before it takes what it sees for damage. */
const MAX_LOOKS = 40;

/**
 * @param identity Of the index that the catalogue lists here; undefined: files only.
 * @param deep Compare what segments answer with the sources that they store, too.
 * @throws {IoError} For all but missing files and EIO.
 */
export async function verifyShard(
  environment: VerifyEnvironment,
  directory: string,
  { identity, deep = false }: { readonly identity: ShardIdentity | undefined; readonly deep?: boolean },
): Promise<ShardReport> {
  const seen = new Seen();
  let last = "";
  for (let look = 1;; look++) {
    try {
      const files = await lookAtFiles(environment, directory, seen);
      const opening = identity && wouldOpen(environment, directory, { identity, files });
      const settled = look >= MAX_LOOKS || files.print === last || !mayBeInFlux(environment, files, opening);
      last = files.print;
      if (settled) {
        const findings = await judge(environment, directory, { files, opening, identity });
        if (deep && opening?.kind === "opens") {
          findings.push(
            ...await compareDeep(environment, directory, {
              decision: opening.decision,
              files,
            }),
          );
        }
        return { directory, identity, files, opening, findings };
      }
    } catch (error) {
      if (!(error instanceof IoError && error.code === "ENOENT") || look >= MAX_LOOKS) throw error;
    }
    await environment.progress.pause();
  }
}

/** Whether what is wrong may be that files came or went between two glances. */
function mayBeInFlux(
  { isLive }: VerifyEnvironment,
  { problems, accounts, torn }: ShardFiles,
  opening: Opening | undefined,
): boolean {
  if (opening?.kind === "refused" || opening?.account.problems.some(({ absent }) => absent)) return true;
  if (problems.generations.length > 0 || (isLive && torn.length > 0)) return true;
  if (problems.segments.some(({ absent }) => absent)) return true;
  for (const account of accounts.values()) if (account.problems.some(({ absent }) => absent)) return true;
  return false;
}

/** Decides as an opening does, and counts documents as it does then. */
export function wouldOpen(
  { fs, clock, bootId, isCopy, cleanStop }: VerifyEnvironment,
  directory: string,
  { identity, files }: { readonly identity: ShardIdentity; readonly files: Pick<ShardFiles, "segments"> },
): Opening {
  try {
    const inventory = takeInventory(fs, directory, { identity });
    const decision = decide(readOnly({ fs, clock, bootId, isCopy, cleanStop }), inventory);
    const account = accountFor(directory, decision.opened.manifest, files.segments);
    return { kind: "opens", decision, account };
  } catch (error) {
    if (error instanceof OpenRefusedError) {
      return { kind: "refused", code: error.code, reason: error.message, files: error.files };
    }
    if (error instanceof CorruptionError) {
      return { kind: "refused", code: "corruption", reason: error.message, files: [error.file] };
    }
    throw error;
  }
}
