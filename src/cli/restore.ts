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
import { finishRestore, RESTORING_FILE } from "../backup/restore.ts";
import type { Destination } from "../control/destination.ts";
import { openDestination, openRepository } from "../control/open_repository.ts";
import { STAGED_SUFFIX } from "../format/file_names.ts";
import type { HydrationPlace } from "../format/hydration.ts";
import type { Repository } from "../backup/repository.ts";
import type { DirectoryLock, FileSystem } from "../os/fs.ts";
import { type Command, type ParsedArguments, UsageError } from "./arguments.ts";
import { type CommandEnvironment, systemEnvironment } from "./command_environment.ts";
import { commandFailure, EXIT_DONE, EXIT_REFUSED } from "./command_failure.ts";
import { REPOSITORY_FLAGS, repositoryOf } from "./repository_flags.ts";
import { estimateRestore } from "./restore_estimate.ts";
import { type PlannedRestore, type RestoreReport, restoreReport } from "./restore_render.ts";
import {
  backupSource,
  type IndexSelection,
  type Instant,
  type RestoreSource,
  streamSource,
} from "./restore_source.ts";
import { findTarget, lockTarget, nearestFolder, type RestoreTarget } from "./restore_target.ts";
import { writeCatalog } from "./restored_catalog.ts";
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
    { name: "to-time", value: "TIME", effect: "of a stream: as of an instant, such as 2026-04-15T02:59:58Z" },
    { name: "to-lsn", value: "LSN", effect: "of a stream: up to this record" },
    {
      name: "stream",
      value: "NAME",
      effect: "which stream, to its newest instant; else [backup.continuous] stream",
    },
    {
      name: "lazy",
      effect:
        "brings what a server needs to start; that server answers at once and fetches the rest by itself",
    },
    { name: "dry-run", effect: "says what it would bring and how long that takes, and writes nothing" },
    { name: "json", effect: "prints one JSON object a line instead of text" },
    ...REPOSITORY_FLAGS,
  ],
};

/** Failures that another run would meet again. */
const CONFLICTS = ["restore_conflict_exception", "stream_target_exception"];

type RestoreConfig = Pick<Config, "server" | "storage" | "backupContinuous" | "repositories">;

/** What is asked for. */
interface Asked extends IndexSelection {
  /** Of a stream; undefined: a backup. */
  readonly instant: Instant | undefined;
  /** Id, or "latest". */
  readonly backup: string;
  /** Segments are left to the server, which fetches them. */
  readonly lazy: boolean;
}

/** @returns The exit status. */
export async function runRestore(
  environment: CommandEnvironment,
  { flags }: Pick<ParsedArguments, "flags">,
  config: RestoreConfig,
): Promise<number> {
  const report = restoreReport(environment, { asJson: flags.has("json") });
  const progress = { isOpen: false, begun: false };
  try {
    await restore(environment, { flags, config, report, progress });
    return EXIT_DONE;
  } catch (error) {
    const failure = commandFailure(error, progress);
    if (!failure) throw error;
    const goesOn = progress.begun && failure.exit === EXIT_REFUSED && !CONFLICTS.includes(failure.type);
    report.failed(failure, goesOn ? "the same command again goes on from here" : "");
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
  /** How far it has come: the repository is open; something may be written that a second run goes on with. */
  readonly progress: { isOpen: boolean; begun: boolean };
}

async function restore(
  environment: CommandEnvironment,
  { flags, config, report, progress }: Work,
): Promise<void> {
  const { fs, env, clock, signal, currentDirectory } = environment;
  const asked = askedFor(flags, config);
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
      progress.isOpen = true;
      const source = await sourceOf(repository, {
        asked,
        target,
        signal,
        place: hydrationPlace(destination, flags),
      });
      const reserveBytes = config.storage.diskReserveMb * 1024 * 1024;
      const planned = checked(fs, { source, target, reserveBytes });
      if (flags.has("dry-run")) {
        return report.dryRun(planned, await estimateRestore(source, { clock, signal }));
      }
      report.planned(planned);
      progress.begun = true;
      await bring(environment, { planned, report, lock });
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
  { planned, report, lock }: {
    readonly planned: PlannedRestore;
    readonly report: RestoreReport;
    readonly lock: DirectoryLock | undefined;
  },
): Promise<void> {
  const { source, target } = planned;
  const { staging, dataDir } = target;
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) stop.abort();
  const files = source.bring({
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
    if (source.catalog) writeCatalog(fs, staging, source.catalog);
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
async function sourceOf(
  repository: Repository,
  { asked, target, signal, place }: {
    readonly asked: Asked;
    readonly target: RestoreTarget;
    readonly signal: AbortSignal;
    /** Where a server finds what is left to it. */
    readonly place: HydrationPlace;
  },
): Promise<RestoreSource> {
  const { begun, staging, dataDir } = target;
  const { instant, backup, rename } = asked;
  const isOther = begun && (begun.repositoryId !== repository.id ||
    (instant
      ? begun.backup !== undefined
      : begun.backup !== backup && (begun.backup === undefined || backup !== "latest")));
  if (isOther) {
    throw new RepositoryError(
      `Cannot restore into ${dataDir}: a restore of ${begun.backup ?? "a stream"} was begun in ${staging}`,
      { kind: "target", hint: `go on with that one, or remove ${staging} first` },
    );
  }
  const source = instant
    ? await streamSource(repository, { ...asked, instant, signal })
    : await backupSource(repository, {
      ...asked,
      backup: begun?.backup ?? backup,
      signal,
      lazilyFrom: asked.lazy ? place : undefined,
    });
  if (rename && source.indices.every(({ name, as }) => name === as)) {
    const names = source.indices.map(({ name }) => name).join(", ");
    throw new RepositoryError(`--rename ${rename.pattern}=${rename.replacement} renames none of ${names}`, {
      kind: "selection",
      hint: "the pattern must match a whole name",
    });
  }
  return source;
}

/** What the server is told of the repository: no secret. Of a named one, what flags say otherwise than the configuration. */
function hydrationPlace(destination: Destination, flags: ReadonlyMap<string, string>): HydrationPlace {
  const { url, name, endpoint, region, pathStyle, singleWriter } = destination;
  const isOwn = (flag: string) => name === undefined || flags.has(flag);
  return {
    url,
    singleWriter,
    ...(name === undefined ? {} : { name }),
    ...(endpoint !== undefined && isOwn("endpoint") ? { endpoint } : {}),
    ...(region !== undefined && isOwn("region") ? { region } : {}),
    ...(pathStyle !== undefined && name === undefined ? { pathStyle } : {}),
  };
}

/** @throws {RepositoryError} "target": there is no room. */
function checked(
  fs: FileSystem,
  { source, target, reserveBytes }: {
    readonly source: RestoreSource;
    readonly target: RestoreTarget;
    /** Free space below which a server takes no writes. */
    readonly reserveBytes: number;
  },
): PlannedRestore {
  const bytesThere = target.begun ? bytesBrought(fs, { source, target }) : 0;
  const freeBytes = fs.freeBytes(nearestFolder(fs, target.staging));
  const neededBytes = Math.max(0, source.bytes - bytesThere);
  if (neededBytes > freeBytes) {
    throw new RepositoryError(
      `Cannot restore into ${target.dataDir}: it takes ${megabytes(neededBytes)}, and ${
        megabytes(freeBytes)
      } are free`,
      { kind: "target", hint: "choose another disk, or fewer indices with --index" },
    );
  }
  const warnings: string[] = [...source.warnings];
  if (freeBytes - neededBytes < reserveBytes) {
    warnings.push(
      `${megabytes(freeBytes - neededBytes)} will be left: below ${
        megabytes(reserveBytes)
      } a server takes no writes`,
    );
  }
  const { madeBy } = source;
  if (madeBy !== undefined && isNewer(madeBy, VERSION)) {
    warnings.push(
      `xerj ${madeBy} made this backup: xerj ${VERSION} refuses to start on what it does not know`,
    );
  }
  return { source, target, bytesThere, freeBytes, warnings };
}

function bytesBrought(
  fs: FileSystem,
  { source, target }: { readonly source: RestoreSource; readonly target: RestoreTarget },
): number {
  let sum = 0;
  for (const { bytes, path } of source.files) {
    const file = `${target.staging}/${path}`;
    const found = [file, file + STAGED_SUFFIX].find((each) => fs.exists(each));
    if (found !== undefined) sum += Math.min(bytes, fs.stat(found).sizeBytes);
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
function askedFor(flags: ReadonlyMap<string, string>, { backupContinuous }: RestoreConfig): Asked {
  const selection = selectionOf(flags);
  const time = flags.get("to-time");
  const lsn = flags.get("to-lsn");
  const stream = flags.get("stream");
  if (time === undefined && lsn === undefined && stream === undefined) {
    return {
      ...selection,
      instant: undefined,
      backup: flags.get("backup") ?? "latest",
      lazy: flags.has("lazy"),
    };
  }
  if (flags.has("lazy")) {
    throw new UsageError(
      "--lazy goes with none of --to-time, --to-lsn and --stream: only a backup's files can be fetched in parts",
    );
  }
  if (flags.has("backup")) {
    throw new UsageError(
      "--backup goes with none of --to-time, --to-lsn and --stream: a backup is of one instant",
    );
  }
  if (time !== undefined && lsn !== undefined) {
    throw new UsageError("--to-time and --to-lsn do not go together");
  }
  if (lsn !== undefined && !/^\d{1,15}$/.test(lsn)) {
    throw new UsageError(`--to-lsn cannot be ${lsn}; it must be a number`);
  }
  const instant: Instant = {
    stream: stream ?? backupContinuous.stream,
    ...(time === undefined ? {} : { toTimeMs: timeOf(time) }),
    ...(lsn === undefined ? {} : { toLsn: Number(lsn) }),
  };
  return { ...selection, instant, backup: "latest", lazy: false };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/** ms since the epoch. The zone is needed: an hour more or less is what a restore to an instant is about. */
function timeOf(text: string): number {
  const ms = TIME.test(text) ? Date.parse(text) : NaN;
  if (Number.isFinite(ms)) return ms;
  throw new UsageError(`--to-time cannot be ${text}; it must be like 2026-04-15T02:59:58Z, or end in +02:00`);
}

/** @throws {UsageError} */
function selectionOf(flags: ReadonlyMap<string, string>): IndexSelection {
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
