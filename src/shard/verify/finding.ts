/**
 * What a look at stored files can find, in a form that a person and a program can both act on.
 *
 * @module
 */
import { CorruptionError, IoError } from "../../base/errors.ts";

/**
 * - `damage`: bytes are not what was written.
 * - `unknown`: could not be looked at.
 * - `warning`: sound, but an operator should know.
 * - `note`: as it should be after a crash, in a copy, or in a directory that is being written to.
 */
export type Severity = "damage" | "unknown" | "warning" | "note";

export interface Finding {
  readonly severity: Severity;
  readonly file: string;
  /** -1: the whole file. */
  readonly offset: number;
  /** What is wrong, in a sentence without a full stop. */
  readonly what: string;
  /** What would be lost of what was acknowledged; "" where that is no question. */
  readonly lost: string;
  /** What to do; "" where nothing is to be done. */
  readonly next: string;
}

/** What one look at a file found, before anybody has asked what it means for the shard. */
export interface Problem {
  readonly file: string;
  /** -1: the whole file. */
  readonly offset: number;
  readonly what: string;
  /**
   * The file was gone, or not as the list of the folder had it: on a directory in use it may have been released since,
   * in a copy it may never have come along.
   */
  readonly absent?: boolean;
}

/** Turns what reading a stored file throws into a problem; anything else goes on. */
export function problemOf(error: unknown, file: string): Problem {
  if (error instanceof CorruptionError) {
    return { file: error.file || file, offset: error.offset, what: bare(error) };
  }
  if (error instanceof IoError && error.code === "ENOENT") {
    return { file, offset: -1, what: "the file is not there", absent: true };
  }
  if (error instanceof IoError && error.code === "EIO") {
    return { file, offset: -1, what: `the disk cannot read it (${error.message})` };
  }
  throw error;
}

/** The message without the place that its constructor put behind it: findings name that themselves. */
function bare({ message, file }: CorruptionError): string {
  const at = file === "" ? -1 : message.lastIndexOf(` (file ${file}`);
  return at < 0 ? message : message.slice(0, at);
}

/** How far a look has come. */
export interface Progress {
  /** Bytes read now. */
  readonly read: (bytes: number) => void;
  /** Lets other work of the thread run; to be awaited every few ms. */
  readonly pause: () => Promise<void>;
}
