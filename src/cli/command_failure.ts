/**
 * What a command that works on a repository ends with when it fails.
 *
 * @module
 */
import { CorruptionError, IoError, RequestError } from "../base/errors.ts";
import { StreamError } from "../backup/continuous/error.ts";
import { RepositoryError } from "../backup/error.ts";
import { explainedFailure } from "../control/backup_errors.ts";
import { StoreError } from "../objectstore/store.ts";
import { UsageError } from "./arguments.ts";
import { EXIT_USAGE } from "./start_up.ts";

/** As of `xerj verify`: done and sound; damage was found; refused, or nobody can say. */
export const EXIT_DONE = 0;
export const EXIT_DAMAGED = 1;
export const EXIT_REFUSED = 2;

export interface CommandFailure {
  readonly exit: number;
  /** One word for programs, such as "repository_missing_exception". */
  readonly type: string;
  /** For people; holds no secret. */
  readonly reason: string;
}

/**
 * @param isOpen Whether the repository was opened before: then what is missing is an object of its own, not the bucket.
 * @returns undefined: a mistake of ours, to be thrown on.
 */
export function commandFailure(
  error: unknown,
  { isOpen }: { readonly isOpen: boolean },
): CommandFailure | undefined {
  if (error instanceof UsageError) return { exit: EXIT_USAGE, type: "usage", reason: error.message };
  if (error instanceof StoreError && error.kind === "cancelled") {
    return { exit: EXIT_REFUSED, type: "cancelled", reason: "stopped" };
  }
  if (error instanceof IoError) return { exit: EXIT_REFUSED, type: "io", reason: error.message };
  if (error instanceof CorruptionError) {
    return { exit: EXIT_DAMAGED, type: "corruption_exception", reason: error.message };
  }
  if (error instanceof StreamError) {
    return {
      exit: error.kind === "damaged" ? EXIT_DAMAGED : EXIT_REFUSED,
      type: `stream_${error.kind}_exception`,
      reason: error.hint === "" ? error.message : `${error.message}; ${error.hint}`,
    };
  }
  const explained = explainedFailure(error);
  if (!(explained instanceof RequestError)) return undefined;
  return {
    exit: isDamage(error, isOpen) ? EXIT_DAMAGED : EXIT_REFUSED,
    type: explained.type,
    reason: explained.message,
  };
}

function isDamage(error: unknown, isOpen: boolean): boolean {
  if (error instanceof RepositoryError) return error.kind === "damaged";
  return error instanceof StoreError && (error.kind === "damaged" || (isOpen && error.kind === "missing"));
}
