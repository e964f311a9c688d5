/**
 * Commands in this process, over a real directory, with what they write kept.
 *
 * @module
 */
import { silentLogger } from "../../src/base/log.ts";
import { parseArguments } from "../../src/cli/arguments.ts";
import { runBackup } from "../../src/cli/backup.ts";
import type { CommandEnvironment } from "../../src/cli/command_environment.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { RESTORE, runRestore } from "../../src/cli/restore.ts";
import { loadConfig } from "../../src/config/load.ts";
import { systemClock } from "../../src/os/clock.ts";
import { systemRandom } from "../../src/os/random.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";

export interface CommandOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandWorld {
  /** Of the configuration file. */
  readonly toml?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What disks say; default: the truth. */
  readonly freeBytes?: number;
  /** Aborted already: the operator stops it at once. */
  readonly isStopped?: boolean;
}

/** Runs `xerj backup ...` or `xerj restore ...`. @throws {UsageError} */
export async function command(
  args: readonly string[],
  { toml = "", env = {}, freeBytes, isStopped = false }: CommandWorld = {},
): Promise<CommandOutput> {
  const parsed = parseArguments(args, COMMANDS);
  const dataDir = parsed.flags.get("data-dir");
  const { config } = loadConfig({
    args: { configPath: "test.toml", ...(dataDir === undefined ? {} : { dataDir }) },
    env: () => undefined,
    readFile: () => toml,
  });
  const fs = realFileSystem();
  if (freeBytes !== undefined) fs.freeBytes = () => freeBytes;
  const output = { stdout: "", stderr: "" };
  const environment: CommandEnvironment = {
    fs,
    clock: systemClock(),
    random: systemRandom(),
    log: silentLogger,
    env: (name) => env[name],
    currentDirectory: "/nowhere",
    writeStdout: (text) => output.stdout += text,
    writeStderr: (text) => output.stderr += text,
    writeTerminal: undefined,
    signal: isStopped ? AbortSignal.abort() : new AbortController().signal,
  };
  const run = parsed.command === RESTORE ? runRestore : runBackup;
  const code = await run(environment, parsed, config);
  return { code, ...output };
}
