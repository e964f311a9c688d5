/**
 * `xerj backup ...`: looks at repositories and looks after them, from any machine that reaches the bucket; no server is
 * needed, none is asked, and none is disturbed: whatever runs beside, nothing here needs a lock.
 *
 * @module
 */
import type { Config } from "../config/config.ts";
import type { Repository } from "../backup/repository.ts";
import { openDestination, openRepository } from "../control/open_repository.ts";
import type { ObjectStore } from "../objectstore/store.ts";
import { type Command, type Flag, type ParsedArguments, UsageError } from "./arguments.ts";
import { ADOPT, runAdopt } from "./backup_adopt.ts";
import { deleteOne, PRUNE_FLAGS, pruneBackups, setPin } from "./backup_change.ts";
import { DRILL_FLAGS, drillBackup } from "./backup_drill.ts";
import { listBackups, showBackup } from "./backup_look.ts";
import { probeDestination } from "./backup_probe.ts";
import { UNDELETE_FLAGS, undeleteBackups } from "./backup_undelete.ts";
import type { BackupWork } from "./backup_work.ts";
import { VERIFY_FLAGS, verifyBackups } from "./backup_verify.ts";
import { type CommandEnvironment, systemEnvironment } from "./command_environment.ts";
import { commandFailure } from "./command_failure.ts";
import { REPOSITORY_FLAGS, repositoryOf } from "./repository_flags.ts";

const WHERE: Flag = {
  name: "to",
  value: "REPOSITORY",
  effect: "s3://bucket/prefix, file:///path, or a name of the configuration",
};
const FROM: Flag = { ...WHERE, name: "from" };
const JSON_FLAG: Flag = { name: "json", effect: "prints one JSON object instead of text" };

function subcommand(
  name: string,
  summary: string,
  { operands = [], flags = [], where = WHERE }: {
    readonly operands?: readonly string[];
    readonly flags?: readonly Flag[];
    readonly where?: Flag;
  } = {},
): Command {
  return {
    name: `backup ${name}`,
    summary,
    operands,
    flags: [where, ...flags, JSON_FLAG, ...REPOSITORY_FLAGS],
  };
}

const LIST = subcommand("list", "lists the backups of a repository, the newest first");
const SHOW = subcommand("show", "says what a backup holds", { operands: ["ID"] });
const VERIFY = subcommand(
  "verify",
  "looks whether every backup is there: exit 0 sound, 1 damaged, 2 cannot say",
  { flags: VERIFY_FLAGS },
);
const DRILL = subcommand(
  "drill",
  "restores a backup into scratch space, opens and compares it: exit 0 proven, 1 not, 2 cannot say",
  { flags: DRILL_FLAGS, where: FROM },
);
const PRUNE = subcommand("prune", "removes old backups, and what no backup needs", { flags: PRUNE_FLAGS });
const DELETE = subcommand("delete", "removes one backup, and what only it needs", { operands: ["ID"] });
const PIN = subcommand("pin", "keeps a backup, whatever the retention says", { operands: ["ID"] });
const UNPIN = subcommand("unpin", "leaves a backup to the retention again", { operands: ["ID"] });
const UNDELETE = subcommand(
  "undelete",
  "brings back what was deleted or overwritten, out of a bucket that keeps versions",
  { flags: UNDELETE_FLAGS },
);
const PROBE = subcommand("probe", "tries what a store really does: exit 0 fit, 1 unfit, 2 cannot say");

export const BACKUP: Command = {
  name: "backup",
  summary:
    "lists, verifies, drills, prunes, pins, deletes and undeletes backups, probes their store, adopts a stream",
  operands: [],
  flags: [],
  subcommands: [LIST, SHOW, VERIFY, DRILL, PRUNE, DELETE, PIN, UNPIN, UNDELETE, PROBE, ADOPT],
};

/** What each does with the open repository. @returns The exit status. */
const WORK: ReadonlyMap<Command, (work: BackupWork, repository: Repository) => Promise<number>> = new Map([
  [LIST, listBackups],
  [SHOW, showBackup],
  [VERIFY, verifyBackups],
  [DRILL, drillBackup],
  [PRUNE, pruneBackups],
  [DELETE, deleteOne],
  [PIN, (work: BackupWork, repository: Repository) => setPin(work, repository, true)],
  [UNPIN, (work: BackupWork, repository: Repository) => setPin(work, repository, false)],
]);

/** Commands that a person waits for, and that lose nothing when they are tried again. */
const LOOKS: ReadonlySet<Command> = new Set([LIST, SHOW, PROBE]);
const LOOK_GIVE_UP_MS = 15_000;

type Parsed = Pick<ParsedArguments, "command" | "flags" | "operands">;

/** @returns The exit status. */
export async function runBackup(
  environment: CommandEnvironment,
  { command, flags, operands }: Parsed,
  config: Config,
): Promise<number> {
  const asJson = flags.has("json");
  const { fs, env, writeStdout, writeStderr, signal } = environment;
  const print = (value: unknown, lines: readonly string[]) =>
    writeStdout(asJson ? `${JSON.stringify(value, null, 2)}\n` : lines.map((line) => `${line}\n`).join(""));
  let store: ObjectStore | undefined;
  let isOpen = false;
  try {
    const destination = repositoryOf(flags, {
      flag: command === DRILL ? "from" : "to",
      sources: { fs, env, repositories: config.repositories },
    });
    const work: BackupWork = { environment, flags, operands, config, print };
    const isLook = LOOKS.has(command);
    store = openDestination(destination, {
      ...environment,
      ...(isLook ? { giveUpAfterMs: LOOK_GIVE_UP_MS } : {}),
    });
    if (command === PROBE) return await probeDestination(work, store);
    const open = async (): Promise<Repository> => {
      const repository = await openRepository(store!, destination, { ...environment, create: false, signal });
      isOpen = true;
      return repository;
    };
    if (command === UNDELETE) return await undeleteBackups(work, store, open);
    const act = WORK.get(command);
    if (!act) throw new UsageError(`${command.name} is no command`);
    return await act(work, await open());
  } catch (error) {
    const failure = commandFailure(error, { isOpen });
    if (!failure) throw error;
    if (asJson) print({ error: failure }, []);
    else writeStderr(`xerj ${command.name}: ${failure.reason}\n`);
    return failure.exit;
  } finally {
    store?.close();
  }
}

/** The command as a process: over the real disk, the real clock and the standard streams. */
export function backupProcess(parsed: Parsed, config: Config): Promise<number> {
  const environment = systemEnvironment("backup");
  if (parsed.command === ADOPT) return runAdopt(environment, parsed.flags, config);
  return runBackup(environment, parsed, config);
}
