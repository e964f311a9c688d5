/**
 * What the commands that work on repositories need of the process; replaceable in tests.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import { systemClock } from "../os/clock.ts";
import type { Clock, FileSystem, Random } from "../os/fs.ts";
import { currentDirectory, environment, stderrIsTerminal, writeStderr, writeStdout } from "../os/process.ts";
import { systemRandom } from "../os/random.ts";
import { realFileSystem } from "../os/real_fs.ts";
import { onSignal } from "../os/signals.ts";
import { partLogger } from "./log.ts";

export interface CommandEnvironment {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly env: (name: string) => string | undefined;
  /** Absolute. */
  readonly currentDirectory: string;
  readonly writeStdout: (text: string) => void;
  readonly writeStderr: (text: string) => void;
  /** For a progress bar; undefined: no terminal. */
  readonly writeTerminal: ((text: string) => void) | undefined;
  /** Aborted when the operator stops the command. */
  readonly signal: AbortSignal;
}

/** The process's own. @param part Whose lines the log's are. */
export function systemEnvironment(part: string): CommandEnvironment {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) onSignal(signal, () => stop.abort());
  return {
    fs: realFileSystem(),
    clock: systemClock(),
    random: systemRandom(),
    log: partLogger(part),
    env: environment,
    currentDirectory: currentDirectory(),
    writeStdout,
    writeStderr,
    writeTerminal: stderrIsTerminal() ? writeStderr : undefined,
    signal: stop.signal,
  };
}
