/**
 * Backups to a repository: of everything, or of some indices, as of one instant.
 *
 * 1. The instant: hard links of all files (as for a snapshot) below `_backups/<id>/tree`. From then on nothing that the
 *    server does, merges and deletes included, changes what is backed up.
 * 2. The shipper thread sends what the repository lacks, and lists the backup.
 * 3. The links go. What was sent before a crash is in `_backups/<id>/journal`: the next backup to the same place goes on
 *    under that id, with the files of its own instant, and sends none of it again.
 *
 * @module
 */
import { CorruptionError, IoError, RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { BackupFile, BackupOutcome, BackUpProgress } from "../backup/back_up.ts";
import type { BackedUpIndex } from "../backup/manifest.ts";
import { isBackupId } from "../backup/names.ts";
import type { PruneOutcome } from "../backup/prune.ts";
import type { RestoreProgress } from "../backup/restore.ts";
import type { RetentionPolicy } from "../backup/retention.ts";
import type { Engine } from "../engine/engine.ts";
import { refuseUnlessWhole } from "../engine/hydration.ts";
import type { Rpc } from "../engine/rpc.ts";
import { MANIFEST_FOLDER, META_FOLDER, segmentName } from "../format/file_names.ts";
import { decodeManifest, SEGMENT_FILE_NAMES } from "../format/manifest.ts";
import { BodyReader, decodeSealed, encodeSealed } from "../format/sealed_json.ts";
import type { Clock, FileSystem } from "../os/fs.ts";
import { type Destination, placeOf } from "./destination.ts";
import { linkTree } from "./linked_tree.ts";
import type { BackUpCall, BackUpReply, ListReply, ManifestReply, PruneCall } from "./shipper_node.ts";
import { linkedIndices } from "./linked_indices.ts";
import { removeTree } from "./trees.ts";
import type { VerifyJobProgress } from "./verify_node.ts";

export type { ListedBackup } from "../backup/head.ts";
export type { BackupOutcome, BackUpProgress, RestoreProgress };

/** How far a job of the shipper's is. */
type JobProgress = BackUpProgress | RestoreProgress | VerifyJobProgress;

export const BACKUP_FOLDER = "_backups";
/** Backups that retention counts together. */
const SCHEDULED = "scheduled";
const JOB_FILE = "job.json";
const JOURNAL_FILE = "journal";
const TREE_FOLDER = "tree";
/** Ended backups that are remembered. */
const MAX_REMEMBERED = 200;
/** How long an unfinished one waits for somebody to go on with it. */
const KEEP_UNFINISHED_MS = 7 * 24 * 3600 * 1000;

export interface BackupRequest {
  readonly destination: Destination;
  readonly flushFirst: boolean;
  /** Names, aliases or patterns, comma-separated; undefined: everything. */
  readonly indices?: string;
  readonly kind: "manual" | "scheduled";
  /** A name for it instead of one made of the time. */
  readonly id?: string;
  readonly pinned?: boolean;
}

export type BackupState = "running" | "success" | "failed" | "cancelled";

export interface BackupRun {
  readonly id: string;
  /** Fit for messages. */
  readonly place: string;
  readonly kind: "manual" | "scheduled";
  readonly state: BackupState;
  /** ms since the epoch: every write acknowledged before is in it. */
  readonly createdMs: number;
  readonly startedMs: number;
  readonly endedMs: number | undefined;
  /** Whether it went on with one that was broken off. */
  readonly isResumed: boolean;
  readonly indices: readonly string[];
  /** Of all of them. */
  readonly shards: number;
  readonly progress: BackUpProgress | undefined;
  readonly result: BackUpReply | undefined;
  readonly error: { readonly type: string; readonly reason: string } | undefined;
  readonly durationMs: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface BackupsOptions {
  readonly engine: Engine;
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly log: Logger;
  readonly dataDir: string;
  readonly version: string;
  readonly instanceId: string;
  /** Bytes/s, 0: no limit. */
  readonly bandwidth: () => number;
  /** A file of the data directory was found damaged, and not backed up. */
  readonly onDamagedFile?: (file: string) => void;
}

interface Unfinished {
  readonly id: string;
  readonly place: string;
  readonly startedMs: number;
}

export class Backups {
  readonly #options: BackupsOptions;
  readonly #folder: string;
  /** Newest last. */
  readonly #runs: Mutable<BackupRun>[] = [];
  readonly #running = new Map<string, { readonly run: Mutable<BackupRun>; isCancelled: boolean }>();
  #shipper: Rpc | undefined;
  #onReleased: (holds: readonly number[]) => void = () => {};
  #nextJob = 1;
  readonly #progress = new Map<string, (progress: JobProgress) => void>();
  #lastId = "";
  /** Since start. */
  failedTotal = 0;
  /** What backups have sent since start. */
  sentBytesTotal = 0;
  /** Of shippers that died. */
  #throttledBefore = 0;
  #throttledNow = 0;

  constructor(options: BackupsOptions) {
    this.#options = options;
    this.#folder = `${options.dataDir}/${BACKUP_FOLDER}`;
  }

  /**
   * Removes links that an earlier process left, and what nobody went on with; once the directory is ours.
   *
   * @param isCopy This directory is a copy: what its original was about is the original's to finish.
   * @throws {IoError}
   */
  removeLeftovers({ isCopy }: { readonly isCopy: boolean }): void {
    const { fs, clock } = this.#options;
    if (!fs.exists(this.#folder)) return;
    for (const { name } of fs.list(this.#folder)) {
      const folder = `${this.#folder}/${name}`;
      const job = readJob(fs, folder);
      if (isCopy || !job || clock.nowMs() - job.startedMs > KEEP_UNFINISHED_MS) removeTree(fs, folder);
      else removeTree(fs, `${folder}/${TREE_FOLDER}`);
    }
  }

  /** Places of backups that were broken off. */
  get unfinished(): readonly Unfinished[] {
    const { fs } = this.#options;
    if (!fs.exists(this.#folder)) return [];
    return fs.list(this.#folder).flatMap(({ name }) => readJob(fs, `${this.#folder}/${name}`) ?? []);
  }

  /** The last one that has ended, well or not. */
  get lastEnded(): BackupRun | undefined {
    return this.#runs.findLast(({ state }) => state === "success" || state === "failed");
  }

  /** Newest first. */
  get runs(): readonly BackupRun[] {
    return this.#runs.toReversed();
  }

  /** @throws {RequestError} 404 */
  get(id: string): BackupRun {
    const found = this.#runs.findLast((run) => run.id === id);
    if (found) return found;
    throw new RequestError(`this server has made no backup [${id.slice(0, 128)}] since it started`, {
      status: 404,
      type: "backup_missing_exception",
    });
  }

  /** Ends a running one; what was sent stays for the next. @throws {RequestError} 404, 409: it has ended. */
  cancel(id: string): BackupRun {
    const run = this.get(id);
    const running = [...this.#running.values()].find((each) => each.run === run);
    if (!running) {
      throw new RequestError(`the backup [${id}] has ended: ${run.state}`, {
        status: 409,
        type: "illegal_state_exception",
      });
    }
    running.isCancelled = true;
    this.shipper.notify("cancel", { job: id });
    return run;
  }

  /** Ends what is running; the next start can go on with it. */
  stop(): void {
    for (const { run } of this.#running.values()) this.cancel(run.id);
  }

  /**
   * Starts one. What is wrong with the request, or another one to the same place, is thrown here; what goes wrong later
   * is in `done`, and in the run.
   *
   * @throws {RequestError} 400, 404, 409 with the running one's id, or while a lazy restore goes on.
   */
  start(request: BackupRequest): { readonly run: BackupRun; readonly done: Promise<BackupRun> } {
    const { clock, engine } = this.#options;
    refuseUnlessWhole(engine.hydration);
    const place = placeOf(request.destination);
    const other = this.#running.get(place);
    if (other) {
      throw new RequestError(`a backup to ${place} is running: [${other.run.id}]`, {
        status: 409,
        type: "backup_in_progress_exception",
        details: { backup_id: other.run.id },
      });
    }
    if (request.id !== undefined && !isBackupId(request.id)) {
      throw new RequestError(
        "[backup_id] must be 1 to 128 of A-Z, a-z, 0-9, '.', '_', '-', and begin with a letter or digit",
        {
          status: 400,
          type: "illegal_argument_exception",
        },
      );
    }
    const indices = engine.expand(request.indices, { allowNoIndices: request.indices === undefined });
    const earlier = this.unfinished.findLast((each) =>
      each.place === place && (request.id ?? each.id) === each.id
    );
    const startedMs = Math.floor(clock.nowMs());
    const run: Mutable<BackupRun> = {
      id: earlier?.id ?? request.id ?? this.#newId(startedMs),
      place,
      kind: request.kind,
      state: "running",
      createdMs: startedMs,
      startedMs,
      endedMs: undefined,
      isResumed: earlier !== undefined,
      indices: indices.map(({ name }) => name),
      shards: indices.reduce((sum, { shards }) => sum + shards, 0),
      progress: undefined,
      result: undefined,
      error: undefined,
      durationMs: 0,
    };
    this.#runs.push(run);
    if (this.#runs.length > MAX_REMEMBERED) this.#runs.shift();
    const running = { run, isCancelled: false };
    this.#running.set(place, running);
    const startedMonotonicMs = clock.monotonicMs();
    const done = this.#make(request, running).catch((error) => {
      run.state = running.isCancelled ? "cancelled" : "failed";
      run.error = {
        type: error instanceof RequestError ? error.type : "backup_failed_exception",
        reason: error instanceof Error ? error.message : String(error),
      };
      throw error;
    }).finally(() => {
      this.#running.delete(place);
      run.endedMs = Math.floor(clock.nowMs());
      run.durationMs = clock.monotonicMs() - startedMonotonicMs;
    });
    // Whoever waits hears of a failure; so does the log.
    done.catch((error) => {
      if (running.isCancelled) return;
      const file = error instanceof RequestError && error.type === "corruption_exception" &&
        error.details["file"];
      if (typeof file === "string") this.#options.onDamagedFile?.(`${this.#options.dataDir}/${file}`);
      this.failedTotal++;
      this.#options.log.error("a backup failed", {
        backup: run.id,
        place,
        failure: String((error as Error).message),
      });
    });
    return { run, done };
  }

  async #make(
    request: BackupRequest,
    running: { readonly run: Mutable<BackupRun>; readonly isCancelled: boolean },
  ): Promise<BackupRun> {
    const { run } = running;
    const { fs, engine, clock, log, version, instanceId } = this.#options;
    if (request.flushFirst) {
      const failed = (await engine.flush(engine.expand(undefined))).find(({ failure }) =>
        failure !== undefined
      );
      if (failed) throw new Error(`cannot flush [${failed.index}][${failed.shard}]: ${failed.failure}`);
    }
    const folder = `${this.#folder}/${run.id}`;
    if (!fs.exists(folder)) fs.makeDirectory(folder);
    writeJob(fs, folder, { id: run.id, place: run.place, startedMs: run.startedMs });
    const tree = `${folder}/${TREE_FOLDER}`;
    try {
      run.createdMs = Math.floor(clock.nowMs());
      const { lsn, shards } = await linkTree(engine, fs, tree);
      const chosen = new Set(run.indices);
      const files = filesOf(fs, tree).filter(({ index }) => index === undefined || chosen.has(index));
      this.#checkCancelled(running);
      const call: BackUpCall = {
        job: run.id,
        destination: request.destination,
        journalPath: `${folder}/${JOURNAL_FILE}`,
        linked: { tree, indices: linkedIndices(engine, run.indices, shards) },
        plan: {
          id: run.id,
          createdMs: run.createdMs,
          lsn,
          server: { version, instanceId },
          indices: await this.#described(run.indices),
          files,
          kind: request.kind,
          series: request.kind === "scheduled" ? SCHEDULED : "",
          ...(request.pinned ? { pinned: true } : {}),
        },
      };
      const reply = await this.#tracked(
        run.id,
        (progress) => run.progress = progress as BackUpProgress,
        () => this.shipper.call<BackUpReply>("backUp", call),
      );
      run.result = reply;
      run.state = "success";
      this.sentBytesTotal += reply.outcome.bytes;
      removeTree(fs, folder);
      log.info("backed up", {
        backup: run.id,
        place: run.place,
        bytes: reply.outcome.bytes,
        bytes_total: reply.outcome.bytesTotal,
        ms: Math.round(reply.outcome.durationMs),
      });
      return run;
    } finally {
      removeTree(fs, tree);
    }
  }

  #checkCancelled({ isCancelled, run }: { readonly isCancelled: boolean; readonly run: BackupRun }): void {
    if (!isCancelled) return;
    throw new RequestError(`the backup [${run.id}] was cancelled`, {
      status: 409,
      type: "backup_cancelled_exception",
    });
  }

  async #described(names: readonly string[]): Promise<BackedUpIndex[]> {
    const { engine } = this.#options;
    const stats = await engine.stats();
    return names.flatMap((name) => {
      const index = engine.indices.get(name);
      if (!index) return [];
      const docs = stats.filter((each) => each.index === name).reduce(
        (sum, { liveDocs }) => sum + liveDocs,
        0,
      );
      return [{ name, incarnation: index.incarnation, shards: index.shards, docs }];
    });
  }

  /** Calls of jobs, with somebody who hears of their progress. */
  async #tracked<T>(
    job: string,
    onProgress: (progress: JobProgress) => void,
    call: () => Promise<T>,
  ): Promise<T> {
    this.#progress.set(job, onProgress);
    try {
      return await call();
    } finally {
      this.#progress.delete(job);
    }
  }

  /** A job of the shipper's that is none of the backups here. */
  job<T>(
    name: string,
    payload: Readonly<Record<string, unknown>>,
    onProgress: (progress: JobProgress) => void = () => {},
  ): { readonly job: string; readonly done: Promise<T> } {
    const job = `${name}-${this.#nextJob++}`;
    return {
      job,
      done: this.#tracked(job, onProgress, () => this.shipper.call<T>(name, { ...payload, job })),
    };
  }

  /** For how long `[backup] bandwidth_mb_per_sec` has made requests wait, s, since start. */
  get throttledSecondsTotal(): number {
    return this.#throttledBefore + this.#throttledNow;
  }

  /** Ends a job that `job` began. */
  cancelJob(job: string): void {
    this.#shipper?.notify("cancel", { job });
  }

  /** The thread that speaks to repositories; started when it is first needed. */
  get shipper(): Rpc {
    if (this.#shipper) return this.#shipper;
    const { engine, log, bandwidth } = this.#options;
    const shipper: Rpc = engine.threads.addShipper({
      progress: ({ job, progress }: { job: string; progress: BackUpProgress }) =>
        this.#progress.get(job)?.(progress),
      throttled: ({ seconds }: { seconds: number }) => void (this.#throttledNow = seconds),
      continuousReleased: (holds: readonly number[]) => this.#onReleased(holds),
    }, (error) => {
      log.error("the shipper died; backups and restores that ran have failed", { failure: error.message });
      if (this.#shipper !== shipper) return;
      this.#shipper = undefined;
      this.#throttledBefore += this.#throttledNow;
      this.#throttledNow = 0;
    });
    shipper.notify("setBandwidth", { bytesPerSec: bandwidth() });
    return this.#shipper = shipper;
  }

  /** For continuous shipping, which shares the thread. */
  onReleased(listener: (holds: readonly number[]) => void): void {
    this.#onReleased = listener;
  }

  /** Takes a changed limit into force, for what is running too. */
  reconfigured(): void {
    this.#shipper?.notify("setBandwidth", { bytesPerSec: this.#options.bandwidth() });
  }

  /** @throws {RequestError} */
  listRepository(destination: Destination): Promise<ListReply> {
    return this.shipper.call<ListReply>("list", { destination });
  }

  /** Makes the repository where there is none, after a probe of what the store does. @throws {RequestError} */
  prepareRepository(destination: Destination): Promise<ListReply> {
    return this.shipper.call<ListReply>("list", { destination, create: true });
  }

  /** What a backup says of itself, but its files. @throws {RequestError} 404 */
  manifest(destination: Destination, backup: string): Promise<ManifestReply> {
    return this.shipper.call<ManifestReply>("manifest", { destination, backup });
  }

  placeOf(destination: Destination): string {
    return placeOf(destination);
  }

  /** For work that nobody waits for. */
  logFailure(message: string, fields: Readonly<Record<string, unknown>>, error: unknown): void {
    const failure = error instanceof Error ? error.message : String(error);
    this.#options.log.error(message, { ...fields, failure });
  }

  deleteBackup(destination: Destination, backup: string): Promise<PruneOutcome> {
    return this.shipper.call<PruneOutcome>("deleteBackup", { destination, backup });
  }

  /** Removes scheduled backups that the policy does not keep, and what nobody needs any more. */
  pruneScheduled(destination: Destination, retention: RetentionPolicy): Promise<PruneOutcome> {
    const call: PruneCall = { destination, retention, series: SCHEDULED };
    return this.shipper.call<PruneOutcome>("prune", call);
  }

  /** `bk-2026-04-15T03-00-00Z`, with `-2` behind a second one of that second. */
  #newId(nowMs: number): string {
    const stem = `bk-${new Date(nowMs).toISOString().slice(0, 19).replaceAll(":", "-")}Z`;
    const used = new Set([...this.#runs.map(({ id }) => id), this.#lastId]);
    let id = stem;
    for (let n = 2; used.has(id); n++) id = `${stem}-${n}`;
    return this.#lastId = id;
  }
}

function writeJob(fs: FileSystem, folder: string, job: Unfinished): void {
  const path = `${folder}/${JOB_FILE}`;
  if (fs.exists(path)) fs.unlink(path);
  const file = fs.create(path);
  try {
    file.write(encodeSealed("backup_job", job));
  } finally {
    file.close();
  }
}

/** undefined: none that can be used. */
function readJob(fs: FileSystem, folder: string): Unfinished | undefined {
  try {
    const body = new BodyReader(
      "backup job",
      decodeSealed("backup_job", fs.readFile(`${folder}/${JOB_FILE}`)),
    );
    return { id: body.text("id"), place: body.text("place"), startedMs: body.integer("startedMs") };
  } catch (error) {
    if (error instanceof CorruptionError || (error instanceof IoError && error.code === "ENOENT")) {
      return undefined;
    }
    throw error;
  }
}

/** Everything below a linked tree, with the hashes that manifests give. */
export function filesOf(fs: FileSystem, tree: string): BackupFile[] {
  const files: BackupFile[] = [];
  const hashes = new Map<string, string>();
  const walk = (path: string, index: string | undefined): void => {
    const entries = fs.list(`${tree}/${path}`);
    if (entries.some(({ name }) => name === MANIFEST_FOLDER)) addHashes(fs, { tree, path, hashes });
    for (const { name, isDirectory } of entries) {
      const inner = `${path}/${name}`;
      if (isDirectory) {
        walk(inner, index);
        continue;
      }
      const source = `${tree}/${inner}`;
      const sha256 = hashes.get(inner);
      files.push({
        path: inner,
        source,
        sizeBytes: fs.stat(source).sizeBytes,
        ...(index === undefined ? {} : { index }),
        ...(sha256 === undefined ? {} : { sha256 }),
      });
    }
  };
  for (const { name } of fs.list(tree)) walk(name, name === META_FOLDER ? undefined : name);
  return files;
}

/** What the manifests of a shard's folder say of its segments. */
function addHashes(
  fs: FileSystem,
  { tree, path, hashes }: {
    readonly tree: string;
    readonly path: string;
    readonly hashes: Map<string, string>;
  },
): void {
  const folder = `${path}/${MANIFEST_FOLDER}`;
  for (const { name } of fs.list(`${tree}/${folder}`)) {
    for (const { number, files } of decodeManifest(fs.readFile(`${tree}/${folder}/${name}`)).segments) {
      for (const file of SEGMENT_FILE_NAMES) {
        hashes.set(`${path}/${segmentName(number)}/${file}`, files[file].sha256);
      }
    }
  }
}
