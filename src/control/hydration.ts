/**
 * A directory that a lazy restore has made, as its server sees it: what is left to bring, and what stands in the way.
 *
 * What is left is in `_meta/hydrating.json`; it is brought by a thread of its own, which is started anew when it dies.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { HydratorProgress } from "../backup/hydrator.ts";
import { isSafePath } from "../backup/names.ts";
import type { RepositoryConfig } from "../config/repositories.ts";
import type { Engine } from "../engine/engine.ts";
import type { EngineHydration } from "../engine/hydration.ts";
import type { HealthWarning } from "../engine/health.ts";
import type { Rpc } from "../engine/rpc.ts";
import { HYDRATING_FILE, HYDRATING_SUFFIX, META_FOLDER } from "../format/file_names.ts";
import { decodeHydration, type Hydration } from "../format/hydration.ts";
import type { FileSystem } from "../os/fs.ts";
import { type HydratingFile, setAway, setWait, shareBlocks } from "../os/shared_blocks.ts";
import { type Destination, namedDestination, type SecretSources } from "./destination.ts";
import type { HydrateCall } from "./hydrator_node.ts";

/** Holds the key of an encrypted repository where neither flag nor configuration names a file. */
export const KEY_VARIABLE = "XERJ_BACKUP_KEY";
/** How often deleted indices are looked for. */
const FORGET_EVERY_MS = 1000;
const RESTART_MS = 1000;

export interface HydrationOptions {
  readonly fs: FileSystem;
  readonly log: Logger;
  readonly dataDir: string;
  /** Bytes/s, 0: no limit. */
  readonly bandwidth: () => number;
  /** How long a reader waits for a block, ms. */
  readonly waitMs: () => number;
  /** Of the configuration, by name. */
  readonly repositories: () => Readonly<Record<string, RepositoryConfig>>;
  readonly secrets: SecretSources;
}

export class RunningHydration implements EngineHydration {
  readonly #options: HydrationOptions;
  readonly #hydration: Hydration;
  readonly files: readonly HydratingFile[];
  #rpc: Rpc | undefined;
  #engine: Engine | undefined;
  #progress: HydratorProgress;
  #isOpen = false;
  #isStopped = false;
  #timer: number | undefined;
  #again: number | undefined;
  /** Of the indices whose files are being brought, by folder. */
  readonly #incarnations = new Map<string, string | undefined>();

  constructor(options: HydrationOptions, hydration: Hydration) {
    this.#options = options;
    this.#hydration = hydration;
    this.files = shareBlocks(
      hydration.files.map(({ path, sizeBytes }) => ({ path: `${options.dataDir}/${path}`, sizeBytes })),
      options.waitMs(),
    );
    const totalBytes = hydration.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    this.#progress = {
      pendingBytes: totalBytes,
      totalBytes,
      filesLeft: this.files.length,
      fetchedBytes: 0,
      away: undefined,
      problems: [],
    };
  }

  get pendingBytes(): number {
    return this.#progress.pendingBytes;
  }

  get totalBytes(): number {
    return this.#progress.totalBytes;
  }

  /** Makes every segment fit to be opened. @throws {RequestError} The repository cannot be read, or is another one. */
  async prepare(engine: Engine): Promise<void> {
    this.#engine = engine;
    this.#rpc = this.#spawn();
    await this.#prepare();
  }

  /** Every shard is open. */
  opened(): void {
    for (const { path } of this.#hydration.files) {
      const folder = path.slice(0, path.indexOf("/"));
      this.#incarnations.set(folder, this.#engine!.indices.get(folder)?.incarnation);
    }
    this.#isOpen = true;
    this.#rpc!.notify("opened", {});
    this.#timer = setInterval(() => this.#forgetDeleted(), FORGET_EVERY_MS);
    this.#forgetDeleted();
  }

  reconfigured(): void {
    const [file] = this.files;
    if (file) setWait(file.control, this.#options.waitMs());
    this.#rpc?.notify("bandwidth", this.#options.bandwidth());
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
    clearTimeout(this.#again);
  }

  get warnings(): HealthWarning[] {
    const { pendingBytes, totalBytes, filesLeft, away, problems } = this.#progress;
    if (filesLeft === 0) return [];
    const { backupId, place } = this.#hydration;
    const warnings: HealthWarning[] = [{
      cause: `the restore of ${backupId} goes on: ${pendingBytes} of ${totalBytes} bytes, ${filesLeft} of ` +
        `${this.files.length} files are still to come from ${place.url}`,
      next:
        "nothing: what a request needs is fetched first; no backup or snapshot is made until all is there",
      status: "yellow",
    }];
    if (away !== undefined) {
      warnings.push({
        cause: `${place.url} cannot be read: ${away}`,
        next:
          "look at the repository and the network; requests that need what is missing answer 503 until it is back",
        status: "red",
      });
    }
    for (const problem of problems) {
      warnings.push({
        cause: problem,
        next:
          "`xerj backup verify --full` says what else is damaged; heal the repository, or restore another backup",
        status: "red",
      });
    }
    return warnings;
  }

  /** A thread that fetches; another one when it dies. */
  #spawn(): Rpc {
    const handlers = { hydrated: (progress: HydratorProgress) => this.#heard(progress) };
    const rpc = this.#engine!.threads.addHydrator(handlers, (error) => {
      if (this.#rpc !== rpc || this.#isStopped || !this.#isOpen) return;
      this.#options.log.error("the hydrator died; it is started anew", { failure: error.message });
      setAway(this.files[0]!.control, true);
      this.#tryAgain(error.message, () => this.#rpc = this.#spawn());
    });
    return rpc;
  }

  async #prepare(): Promise<void> {
    const { dataDir, bandwidth } = this.#options;
    const call: HydrateCall = {
      dataDir,
      destination: this.#destination(),
      hydration: this.#hydration,
      bandwidth: bandwidth(),
    };
    this.#heard(await this.#rpc!.call<HydratorProgress>("prepare", call));
    if (this.#isOpen) this.#rpc!.notify("opened", {});
  }

  /** Of what stands in the way the last word counts. */
  #tryAgain(away: string, before: () => void): void {
    this.#progress = { ...this.#progress, away };
    clearTimeout(this.#again);
    this.#again = setTimeout(() => {
      if (this.#isStopped || this.#progress.filesLeft === 0) return;
      before();
      const rpc = this.#rpc;
      this.#prepare().catch((error) => {
        // A thread that died has been replaced.
        if (this.#rpc === rpc) {
          this.#tryAgain(error instanceof Error ? error.message : String(error), () => {});
        }
      });
    }, RESTART_MS);
  }

  /** Credentials are nowhere in the directory: the configuration has them, or the environment. */
  #destination(): Destination {
    const { repositories, secrets } = this.#options;
    const { name, url, singleWriter, ...place } = this.#hydration.place;
    if (name !== undefined && Object.hasOwn(repositories(), name)) {
      return { ...namedDestination(name, repositories(), secrets), ...place };
    }
    const encryptionKey = secrets.env(KEY_VARIABLE);
    return { url, ...place, compress: true, singleWriter, ...(encryptionKey ? { encryptionKey } : {}) };
  }

  #heard(progress: HydratorProgress): void {
    const wasLeft = this.#progress.filesLeft;
    this.#progress = progress;
    if (progress.filesLeft > 0 || wasLeft === 0) return;
    clearInterval(this.#timer);
    if (this.#isOpen) this.#options.log.info("everything is restored", { bytes: progress.totalBytes });
  }

  /** Files of an index that was deleted need not come any more. */
  #forgetDeleted(): void {
    const folders: string[] = [];
    for (const [folder, incarnation] of this.#incarnations) {
      const now = this.#engine!.indices.get(folder)?.incarnation;
      if (incarnation !== undefined && now === incarnation) continue;
      folders.push(`${this.#options.dataDir}/${folder}`);
      this.#incarnations.delete(folder);
    }
    if (folders.length > 0) this.#rpc!.notify("forget", { folders });
  }
}

/** What a data directory says of itself; undefined: all of it is there. @throws {CorruptionError | IoError} */
export function readHydration(fs: FileSystem, dataDir: string): Hydration | undefined {
  const path = `${dataDir}/${META_FOLDER}/${HYDRATING_FILE}`;
  if (!fs.exists(path)) return undefined;
  try {
    const hydration = decodeHydration(fs.readFile(path));
    if (hydration.files.length > 0 && hydration.files.every((file) => isSafePath(file.path))) {
      return hydration;
    }
    throw new CorruptionError("Cannot decode hydrating: it names no file, or one outside of the directory");
  } catch (error) {
    if (!(error instanceof CorruptionError) || error.file !== "") throw error;
    throw new CorruptionError(error.message, { file: path });
  }
}

/** A lazy restore that this server goes on with; undefined: all is there. @throws {CorruptionError | IoError} */
export function hydrationOf(options: HydrationOptions): RunningHydration | undefined {
  const { fs, dataDir } = options;
  const hydration = readHydration(fs, dataDir);
  if (!hydration || isSpent(fs, dataDir, hydration)) return undefined;
  return new RunningHydration(options, hydration);
}

/** Removes what says where files are that are all there, or that nobody needs; once every shard is open. @throws {IoError} */
export function removeSpentHydration(fs: FileSystem, dataDir: string): void {
  const hydration = readHydration(fs, dataDir);
  if (!hydration || !isSpent(fs, dataDir, hydration)) return;
  fs.unlink(`${dataDir}/${META_FOLDER}/${HYDRATING_FILE}`);
  fs.syncDirectory(`${dataDir}/${META_FOLDER}`);
}

/** A crash came between the last file's name and this file's end, or a copying tool met both. */
function isSpent(fs: FileSystem, dataDir: string, { files }: Hydration): boolean {
  return files.every(({ path }) =>
    fs.exists(`${dataDir}/${path}`) || !fs.exists(`${dataDir}/${path}${HYDRATING_SUFFIX}`)
  );
}
