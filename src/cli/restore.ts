/**
 * `xerj restore`: a new data directory out of a backup.
 *
 * Everything that can be known before is checked before: the target, the repository and its key, the backup, names,
 * the catalogue, space. Then files come below the target's marker, each checked by its hash; what was broken off goes on
 * with the same command. The restored directory has no `instance.json`: it is a copy, and its server begins a history of
 * its own.
 *
 * @module
 */
import type { Config } from "../config/config.ts";
import { RepositoryError } from "../backup/error.ts";
import {
  finishRestore,
  planRestore,
  restoreFiles,
  type RestorePlan,
  RESTORING_FILE,
} from "../backup/restore.ts";
import type { Rename } from "../backup/selection.ts";
import { openDestination, openRepository } from "../control/open_repository.ts";
import { STAGED_SUFFIX } from "../format/file_names.ts";
import type { CatalogBody } from "../format/catalog.ts";
import type { Repository } from "../backup/repository.ts";
import type { DirectoryLock, FileSystem } from "../os/fs.ts";
import { type Command, type ParsedArguments, UsageError } from "./arguments.ts";
import { type CommandEnvironment, systemEnvironment } from "./command_environment.ts";
import { commandFailure, EXIT_DONE } from "./command_failure.ts";
import { REPOSITORY_FLAGS, repositoryOf } from "./repository_flags.ts";
import { estimateRestore } from "./restore_estimate.ts";
import { type PlannedRestore, type RestoreReport, restoreReport } from "./restore_render.ts";
import { findTarget, lockTarget, nearestFolder, type RestoreTarget } from "./restore_target.ts";
import { planCatalog, writeCatalog } from "./restored_catalog.ts";
import { megabytes } from "./verify_render.ts";
import { VERSION } from "./version.ts";

export const RESTORE: Command = {
  name: "restore",
  summary:
    "makes a data directory out of a backup: exit 0 done, 1 the backup is damaged, 2 refused or stopped",
  operands: [],
  flags: [
    {
      name: "from",
      value: "REPOSITORY",
      effect: "s3://bucket/prefix, file:///path, or a name of the configuration",
    },
    { name: "backup", value: "ID", effect: 'which one; default "latest"' },
    { name: "index", value: "A,B", effect: "only these indices: names, or patterns with *" },
    {
      name: "rename",
      value: "PATTERN=NAME",
      effect: "such as 'logs-(.*)=old-$1': a regular expression for whole names",
    },
    { name: "dry-run", effect: "says what it would bring and how long that takes, and writes nothing" },
    { name: "json", effect: "prints one JSON object a line instead of text" },
    ...REPOSITORY_FLAGS,
  ],
};

type RestoreConfig = Pick<Config, "server" | "storage" | "repositories">;

interface Selected {
  readonly indices?: readonly string[];
  readonly rename?: Rename;
}

/** @returns The exit status. */
export async function runRestore(
  environment: CommandEnvironment,
  { flags }: Pick<ParsedArguments, "flags">,
  config: RestoreConfig,
): Promise<number> {
  const report = restoreReport(environment, { asJson: flags.has("json") });
  const progress = { begun: false };
  try {
    await restore(environment, { flags, config, report, progress });
    return EXIT_DONE;
  } catch (error) {
    const failure = commandFailure(error);
    if (!failure) throw error;
    report.failed(failure, progress.begun ? "the same command again goes on from here" : "");
    return failure.exit;
  }
}

/** The command as a process: over the real disk, the real clock and the standard streams. */
export function restoreProcess(
  parsed: Pick<ParsedArguments, "flags">,
  config: RestoreConfig,
): Promise<number> {
  return runRestore(systemEnvironment("restore"), parsed, config);
}

interface Work {
  readonly flags: ReadonlyMap<string, string>;
  readonly config: RestoreConfig;
  readonly report: RestoreReport;
  /** Whether something was written that a second run can go on with. */
  readonly progress: { begun: boolean };
}

async function restore(
  environment: CommandEnvironment,
  { flags, config, report, progress }: Work,
): Promise<void> {
  const { fs, env, clock, signal, currentDirectory } = environment;
  const selection = selectionOf(flags);
  const destination = repositoryOf(flags, {
    flag: "from",
    sources: { fs, env, repositories: config.repositories },
  });
  const { dataDir } = config.server;
  const target = findTarget(fs, dataDir.startsWith("/") ? dataDir : `${currentDirectory}/${dataDir}`);
  const lock = target.begun && lockTarget(fs, target);
  try {
    const store = openDestination(destination, environment);
    try {
      const repository = await openRepository(store, destination, { ...environment, create: false });
      const { plan, catalog } = await planOf(repository, { flags, selection, target, signal });
      const reserveBytes = config.storage.diskReserveMb * 1024 * 1024;
      const planned = checked(fs, { plan, target, reserveBytes });
      if (flags.has("dry-run")) return report.dryRun(planned, await estimateRestore(plan, { clock, signal }));
      report.planned(planned);
      progress.begun = true;
      await bring(environment, { planned, catalog, report, lock });
    } finally {
      store.close();
    }
  } finally {
    lock?.release();
  }
}

/** Files, catalogue, name; then the directory is one that starts. */
async function bring(
  { fs, signal }: CommandEnvironment,
  { planned, catalog, report, lock }: {
    readonly planned: PlannedRestore;
    readonly catalog: CatalogBody | undefined;
    readonly report: RestoreReport;
    readonly lock: DirectoryLock | undefined;
  },
): Promise<void> {
  const { plan, target } = planned;
  const { staging, dataDir } = target;
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) stop.abort();
  const files = restoreFiles(plan, {
    to: staging,
    fs,
    signal: stop.signal,
    onProgress: (now) => report.progress(now),
  });
  let own: DirectoryLock | undefined;
  try {
    // The marker is there once the call has returned: whoever locks it first goes on.
    if (!lock) own = lockOrStop(fs, { target, stop, files });
    const outcome = await files;
    if (catalog) writeCatalog(fs, staging, catalog);
    finishRestore(fs, { staging, target: dataDir });
    report.restored(planned, outcome);
  } finally {
    signal.removeEventListener("abort", onAbort);
    own?.release();
  }
}

function lockOrStop(
  fs: FileSystem,
  { target, stop, files }: {
    readonly target: RestoreTarget;
    readonly stop: AbortController;
    readonly files: Promise<unknown>;
  },
): DirectoryLock | undefined {
  // Refused before it wrote a marker: `files` says why.
  if (!fs.exists(`${target.staging}/${RESTORING_FILE}`)) return undefined;
  try {
    return lockTarget(fs, target);
  } catch (error) {
    stop.abort();
    files.catch(() => {});
    throw error;
  }
}

/** "latest" means the one that was begun, while that goes on: a newer one may have come since. */
async function planOf(
  repository: Repository,
  { flags, selection, target, signal }: {
    readonly flags: ReadonlyMap<string, string>;
    readonly selection: Selected;
    readonly target: RestoreTarget;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly plan: RestorePlan; readonly catalog: CatalogBody | undefined }> {
  const { begun, staging } = target;
  const asked = flags.get("backup") ?? "latest";
  if (begun && (begun.repositoryId !== repository.id || (asked !== "latest" && asked !== begun.backup))) {
    throw new RepositoryError(
      `Cannot restore into ${target.dataDir}: a restore of ${begun.backup} was begun in ${staging}`,
      { kind: "target", hint: `go on with that one, or remove ${staging} first` },
    );
  }
  const plan = await planRestore(repository, {
    ...selection,
    backup: begun?.backup ?? asked,
    // Templates, pipelines and keys belong to a server, whichever indices it has.
    includeServerFiles: true,
    signal,
  });
  const { rename } = selection;
  if (rename && plan.indices.every(({ name, as }) => name === as)) {
    throw new RepositoryError(
      `--rename ${rename.pattern}=${rename.replacement} renames none of ${
        plan.indices.map(({ name }) => name).join(", ")
      }`,
      { kind: "selection", hint: "the pattern must match a whole name" },
    );
  }
  return { plan, catalog: await planCatalog(plan, signal) };
}

/** @throws {RepositoryError} "target": there is no room. */
function checked(
  fs: FileSystem,
  { plan, target, reserveBytes }: {
    readonly plan: RestorePlan;
    readonly target: RestoreTarget;
    /** Free space below which a server takes no writes. */
    readonly reserveBytes: number;
  },
): PlannedRestore {
  const bytesThere = target.begun ? bytesBrought(fs, { plan, target }) : 0;
  const freeBytes = fs.freeBytes(nearestFolder(fs, target.staging));
  const neededBytes = Math.max(0, plan.bytes - bytesThere);
  if (neededBytes > freeBytes) {
    throw new RepositoryError(
      `Cannot restore into ${target.dataDir}: it takes ${megabytes(neededBytes)}, and ${
        megabytes(freeBytes)
      } are free`,
      { kind: "target", hint: "choose another disk, or fewer indices with --index" },
    );
  }
  const warnings: string[] = [];
  if (freeBytes - neededBytes < reserveBytes) {
    warnings.push(
      `${megabytes(freeBytes - neededBytes)} will be left: below ${
        megabytes(reserveBytes)
      } a server takes no writes`,
    );
  }
  const madeBy = plan.manifest.server.version;
  if (isNewer(madeBy, VERSION)) {
    warnings.push(
      `xerj ${madeBy} made this backup: xerj ${VERSION} refuses to start on what it does not know`,
    );
  }
  return { plan, target, bytesThere, freeBytes, warnings };
}

function bytesBrought(
  fs: FileSystem,
  { plan, target }: { readonly plan: RestorePlan; readonly target: RestoreTarget },
): number {
  let sum = 0;
  for (const { entry, path } of plan.files) {
    const file = `${target.staging}/${path}`;
    const found = [file, file + STAGED_SUFFIX].find((each) => fs.exists(each));
    if (found !== undefined) sum += Math.min(entry.bytes, fs.stat(found).sizeBytes);
  }
  return sum;
}

/** Whether `a` is a later version than `b`, by its first two numbers. */
export function isNewer(a: string, b: string): boolean {
  const [aMajor = 0, aMinor = 0] = a.split(".").map(Number);
  const [bMajor = 0, bMinor = 0] = b.split(".").map(Number);
  return aMajor > bMajor || (aMajor === bMajor && aMinor > bMinor);
}

/** @throws {UsageError} */
function selectionOf(flags: ReadonlyMap<string, string>): Selected {
  const index = flags.get("index");
  const rename = flags.get("rename");
  const indices = index?.split(",").map((name) => name.trim());
  if (indices?.some((name) => name === "")) {
    throw new UsageError("--index needs names or patterns between commas, such as logs,metrics-*");
  }
  // The last one: a regular expression may have more of them, an index's name hardly.
  const equals = rename?.lastIndexOf("=") ?? -1;
  if (rename !== undefined && (equals <= 0 || equals === rename.length - 1)) {
    throw new UsageError("--rename needs a pattern and a name, such as 'logs-(.*)=old-$1'");
  }
  return {
    ...(indices ? { indices } : {}),
    ...(rename === undefined
      ? {}
      : { rename: { pattern: rename.slice(0, equals), replacement: rename.slice(equals + 1) } }),
  };
}
