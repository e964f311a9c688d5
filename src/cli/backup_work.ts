/**
 * What the sub-commands of `xerj backup` get.
 *
 * @module
 */
import type { Config } from "../config/config.ts";
import type { CommandEnvironment } from "./command_environment.ts";

export interface BackupWork {
  readonly environment: CommandEnvironment;
  readonly flags: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
  readonly config: Config;
  /** Prints the object as JSON where that is asked for, else the lines. */
  readonly print: (value: unknown, lines: readonly string[]) => void;
}
