/**
 * `xerj verify`: its flags, and its life as a process.
 *
 * @module
 */
import { IoError, RequestError } from "../base/errors.ts";
import { isHalfRestored } from "../control/restores.ts";
import type { Clock, FileSystem, Random } from "../os/fs.ts";
import { bootId, machineId } from "../os/boot.ts";
import { systemClock } from "../os/clock.ts";
import { stderrIsTerminal, writeStderr, writeStdout } from "../os/process.ts";
import { systemRandom } from "../os/random.ts";
import { realFileSystem } from "../os/real_fs.ts";
import { OpenRefusedError } from "../wal/refused.ts";
import { explainedFailure } from "../control/backup_errors.ts";
import type { Config } from "../config/config.ts";
import { type Command, type ParsedArguments, UsageError } from "./arguments.ts";
import { systemEnvironment } from "./command_environment.ts";
import { halfRestored, refusedWhileHydrating, stillHydrating } from "./half_restored.ts";
import { type OpenLostFiles, openLostFiles } from "./lost_files.ts";
import { ProgressBar } from "./progress_bar.ts";
import { repairDirectory } from "./repair_directory.ts";
import { REPOSITORY_FLAGS } from "./repository_flags.ts";
import { EXIT_USAGE } from "./start_up.ts";
import { type DirectoryOptions, verdictOf, verifyDirectory } from "./verify_directory.ts";
import { renderRepairs, renderText, repairsToJson, toJson } from "./verify_render.ts";

export const VERIFY: Command = {
  name: "verify",
  summary: "looks at every file of a data directory: exit 0 sound, 1 damaged, 2 cannot say",
  operands: [],
  flags: [
    { name: "deep", effect: "compares postings, columns and ids with the stored documents, too" },
    { name: "json", effect: "prints one JSON object instead of text" },
    { name: "repair-wal", effect: "ends a damaged log at its last good record; deletes nothing" },
    {
      name: "repair",
      effect:
        "moves damaged segments and manifests aside and rebuilds what other files allow; deletes nothing",
    },
    {
      name: "from",
      value: "REPOSITORY",
      effect:
        "with --repair: fetches damaged segments from backups first; s3://bucket/prefix, file:///path, or a name",
    },
    {
      name: "stream",
      value: "NAME",
      effect: "with --from: what [backup.continuous] has shipped there is asked, too",
    },
    ...REPOSITORY_FLAGS,
  ],
};

export interface VerifyOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly bootId: string;
  readonly machineId: string;
  readonly pause: () => Promise<void>;
  readonly writeStdout: (text: string) => void;
  /** For the progress bar; undefined: no terminal. */
  readonly writeTerminal: ((text: string) => void) | undefined;
  /** Opens what `--from` names; whatever it throws, nothing is repaired. */
  readonly openLostFiles?: () => Promise<OpenLostFiles>;
}

/** Exit status of a repair that was not begun, and of a look that tells nothing. */
const EXIT_UNKNOWN = 2;

/** @returns The exit status. */
export async function runVerify(
  options: VerifyOptions,
  { flags }: Pick<ParsedArguments, "flags">,
  dataDir: string,
): Promise<number> {
  const { clock, writeStdout, writeTerminal } = options;
  const deep = flags.has("deep");
  const asJson = flags.has("json");
  const repairs = { wal: flags.has("repair-wal"), segments: flags.has("repair") };
  if (flags.has("from") && !repairs.segments) {
    writeStdout("not repaired: --from goes with --repair\n");
    return EXIT_USAGE;
  }
  const bar = writeTerminal && new ProgressBar(writeTerminal, () => clock.monotonicMs());
  const directoryOptions: DirectoryOptions = {
    ...options,
    deep,
    ...(bar
      ? { onProgress: (done: number, total: number, what: string) => bar.update(done, total, what) }
      : {}),
  };
  const startedMs = clock.monotonicMs();
  const path = dataDir.length > 1 ? dataDir.replace(/\/+$/, "") : dataDir;
  let repaired: Awaited<ReturnType<typeof repairDirectory>> = [];
  if (repairs.wal || repairs.segments) {
    let lost: OpenLostFiles | undefined;
    try {
      if (isHalfRestored(options.fs, path)) throw halfRestored(path);
      const hydrating = stillHydrating(options.fs, path);
      if (hydrating) throw refusedWhileHydrating(hydrating);
      // First of all: what could have been fetched must not be rebuilt with a loss because nobody could be asked.
      if (flags.has("from")) lost = await options.openLostFiles?.();
      const environment = { ...directoryOptions, random: options.random };
      repaired = await repairDirectory(environment, path, { ...repairs, lost });
    } catch (error) {
      bar?.clear();
      const reason = refusal(error);
      if (reason === undefined) throw error;
      writeStdout(asJson ? `${JSON.stringify({ error: reason })}\n` : `not repaired: ${reason}\n`);
      return EXIT_UNKNOWN;
    } finally {
      lost?.close();
    }
  }
  const report = await verifyDirectory(directoryOptions, path);
  bar?.clear();
  const ms = clock.monotonicMs() - startedMs;
  writeStdout(
    asJson
      ? `${JSON.stringify({ ...toJson(report, { ms, deep }), repairs: repairsToJson(repaired) }, null, 2)}\n`
      : renderRepairs(repaired) + renderText(report),
  );
  return verdictOf(report);
}

/** Why nothing was repaired, in words; undefined: a mistake of ours. */
function refusal(error: unknown): string | undefined {
  const isPlain = error instanceof OpenRefusedError || error instanceof IoError ||
    error instanceof UsageError;
  if (isPlain) return error.message;
  const explained = explainedFailure(error);
  return explained instanceof RequestError ? explained.message : undefined;
}

/** How long a look works before timers and signals get their turn. */
const SLICE_MS = 20;

/** The command as a process: over the real disk, the real clock and the standard streams. */
export function verifyProcess(
  parsed: Pick<ParsedArguments, "flags">,
  config: Pick<Config, "repositories" | "server">,
): Promise<number> {
  const clock = systemClock();
  let pausedMs = clock.monotonicMs();
  const pause = (): Promise<void> => {
    if (clock.monotonicMs() - pausedMs < SLICE_MS) return Promise.resolve();
    // A timer keeps the process alive while it waits.
    return new Promise((resolve) =>
      setTimeout(() => {
        pausedMs = clock.monotonicMs();
        resolve();
      }, 0)
    );
  };
  const options: VerifyOptions = {
    fs: realFileSystem(),
    clock,
    random: systemRandom(),
    bootId: bootId(),
    machineId: machineId(),
    pause,
    writeStdout,
    writeTerminal: stderrIsTerminal() ? writeStderr : undefined,
    openLostFiles: () => openLostFiles(systemEnvironment("verify"), parsed.flags, config),
  };
  return runVerify(options, parsed, config.server.dataDir);
}
