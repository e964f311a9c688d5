/**
 * The shipper thread: everything that speaks to a repository. Reads files that nobody changes (hard links of a
 * snapshot), writes folders that nobody else knows (restores); owns nothing of the engine's.
 *
 * @module
 */
import { assert, RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { backUp, type BackupOutcome, type BackupPlan, type BackUpProgress } from "../backup/back_up.ts";
import type { Head, ListedBackup } from "../backup/head.ts";
import type { BackupManifest } from "../backup/manifest.ts";
import { deleteBackup, prune, type PruneOutcome } from "../backup/prune.ts";
import { findBackup, type Repository } from "../backup/repository.ts";
import { planRestore, restoreFiles, type RestoreOutcome, type RestoreProgress } from "../backup/restore.ts";
import type { RetentionPolicy } from "../backup/retention.ts";
import type { SelectedIndex, Selection } from "../backup/selection.ts";
import type { EvidenceGatherer, LinkedIndex } from "../engine/evidence/gather.ts";
import type { Clock, FileSystem, Random } from "../os/fs.ts";
import { explainedFailure } from "./backup_errors.ts";
import { type FetchCall, fetchIn } from "./fetch_node.ts";
import { ContinuousNode } from "./continuous_node.ts";
import type { Destination } from "./destination.ts";
import { type HealCall, healIn, type VerifyCall, verifyIn, type VerifyJobProgress } from "./verify_node.ts";
import { bringDrill, type DrillSelection, planDrill } from "./drill_node.ts";
import { Bandwidth } from "../objectstore/limited_store.ts";
import { openDestination, openRepository } from "./open_repository.ts";

export interface ShipperOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Finds what a restore must show; undefined: backups do not say it. */
  readonly evidence?: EvidenceGatherer;
  /** Tells main how far a job is. */
  readonly onProgress: (job: string, progress: BackUpProgress | RestoreProgress | VerifyJobProgress) => void;
  /** Tells main for how long the bandwidth limit has made requests wait, s, since this thread began. */
  readonly onThrottled: (seconds: number) => void;
  /** Tells main which files continuous shipping needs no more. */
  readonly onReleased: (holds: readonly number[]) => void;
}

/** A job that can be cancelled, and tells how far it is. */
export interface Job {
  /** Drawn by main. */
  readonly job: string;
  readonly destination: Destination;
}

export interface BackUpCall extends Job {
  readonly plan: BackupPlan;
  readonly journalPath: string;
  /** Where the linked files lie, and what the server says of their indices. */
  readonly linked?: { readonly tree: string; readonly indices: readonly LinkedIndex[] };
}

export interface BackUpReply {
  readonly outcome: BackupOutcome;
  readonly warnings: readonly string[];
}

export interface RestoreCall extends Job, Selection {
  readonly backup: string;
  /** Where to; undefined: only say what it would bring. */
  readonly to: string | undefined;
}

export interface RestoreReply {
  readonly backup: ListedBackup;
  readonly indices: readonly SelectedIndex[];
  readonly files: number;
  /** Of all files. */
  readonly bytes: number;
  readonly fetchBytes: number;
  readonly requests: number;
  /** undefined: nothing was brought. */
  readonly outcome: RestoreOutcome | undefined;
}

export interface DrillPlanCall extends DrillSelection {
  readonly destination: Destination;
}

export interface DrillBringCall extends Job {
  readonly backup: string;
  readonly indices: readonly string[];
  readonly to: string;
}

export interface ManifestReply {
  readonly listed: ListedBackup;
  readonly manifest: Omit<BackupManifest, "files">;
}

export interface PruneCall {
  readonly destination: Destination;
  readonly retention: RetentionPolicy;
  /** Only backups of this series are removed. */
  readonly series: string;
}

export interface ListReply {
  readonly repositoryId: string;
  /** In the order of publishing. */
  readonly backups: readonly ListedBackup[];
  readonly encrypted: boolean;
  readonly warnings: readonly string[];
}

/** How often main hears of a job's progress, at most. */
const PROGRESS_EVERY_MS = 200;

export class ShipperNode {
  readonly #options: ShipperOptions;
  readonly #cancels = new Map<string, AbortController>();
  /** Of all that is sent and fetched. */
  readonly #bandwidth: Bandwidth;
  readonly #continuous: ContinuousNode<Destination>;

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#bandwidth = new Bandwidth(0, options.clock);
    const { fs, log, onReleased } = options;
    this.#continuous = new ContinuousNode<Destination>({
      fs,
      log,
      onReleased,
      open: (destination) => {
        const open = { ...options, bandwidth: this.#bandwidth, create: true };
        return openRepository(openDestination(destination, open), destination, open);
      },
    });
  }

  /** What main may call, by name. */
  calls() {
    const explained = <In, Out>(call: (payload: In) => Promise<Out>) => async (payload: In): Promise<Out> => {
      try {
        return await call(payload);
      } catch (error) {
        throw explainedFailure(error);
      }
    };
    return {
      ...this.#continuous.calls(),
      backUp: explained((call: BackUpCall) => this.#backUp(call)),
      restore: explained((call: RestoreCall) => this.#restore(call)),
      list: explained((call: { destination: Destination; create?: boolean }) => this.#list(call)),
      verifyRepository: explained((call: VerifyCall) =>
        this.#inRepository(call, (repository, work) => verifyIn(repository, call, work))
      ),
      healRepository: explained((call: HealCall) =>
        this.#inRepository(call, (repository, work) => healIn(repository, call, work))
      ),
      fetchFile: explained((call: FetchCall) =>
        this.#inRepository(call, (repository, work) => fetchIn(repository, call, work))
      ),
      manifest: explained((call: { destination: Destination; backup: string }) => this.#manifest(call)),
      drillPlan: explained(({ destination, ...selection }: DrillPlanCall) =>
        this.#with(destination, { create: false }, (repository) => planDrill(repository, selection))
      ),
      drillBring: explained((call: DrillBringCall) => this.#bring(call)),
      prune: explained((call: PruneCall) => this.#prune(call)),
      deleteBackup: explained((call: { destination: Destination; backup: string }) => this.#delete(call)),
      cancel: ({ job }: { job: string }) => this.#cancels.get(job)?.abort(),
      setBandwidth: ({ bytesPerSec }: { bytesPerSec: number }) => {
        this.#bandwidth.bytesPerSecond = bytesPerSec;
      },
    };
  }

  async #with<T>(
    destination: Destination,
    { create, signal }: { readonly create: boolean; readonly signal?: AbortSignal },
    work: (repository: Repository) => Promise<T>,
  ): Promise<T> {
    const open = { ...this.#options, bandwidth: this.#bandwidth };
    const store = openDestination(destination, open);
    try {
      return await work(
        await openRepository(store, destination, { ...open, create, ...(signal ? { signal } : {}) }),
      );
    } finally {
      store.close();
    }
  }

  async #cancellable<T>(job: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    assert(!this.#cancels.has(job), `job ${job} is new`);
    const cancel = new AbortController();
    this.#cancels.set(job, cancel);
    try {
      return await work(cancel.signal);
    } finally {
      this.#cancels.delete(job);
    }
  }

  /** At most a few times a second, and the last time in any case. */
  #progressOf<P extends BackUpProgress | RestoreProgress>(job: string): (progress: P) => void {
    const { clock, onProgress } = this.#options;
    let toldMs = -Infinity;
    return (progress) => {
      const now = clock.monotonicMs();
      if (now - toldMs < PROGRESS_EVERY_MS && progress.filesDone < progress.filesTotal) return;
      toldMs = now;
      onProgress(job, progress);
      this.#options.onThrottled(this.#bandwidth.throttledSeconds);
    };
  }

  /** A job in a repository that is there. */
  #inRepository<T>(
    { job, destination }: Job,
    work: (repository: Repository, options: ShipperOptions & { readonly signal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    return this.#cancellable(
      job,
      (signal) =>
        this.#with(
          destination,
          { create: false, signal },
          (repository) => work(repository, { ...this.#options, signal }),
        ),
    );
  }

  #backUp({ job, destination, plan, journalPath, linked }: BackUpCall): Promise<BackUpReply> {
    const { fs, log, evidence } = this.#options;
    return this.#cancellable(
      job,
      (signal) =>
        this.#with(destination, { create: true, signal }, async (repository) => {
          const extra = linked && evidence &&
            { evidence: await evidence.gather(linked.tree, { indices: linked.indices, signal }) };
          const outcome = await backUp(repository, extra ? { ...plan, extra } : plan, {
            fs,
            journalPath,
            signal,
            compress: destination.compress,
            log,
            onProgress: this.#progressOf(job),
          });
          return { outcome, warnings: repository.warnings };
        }),
    );
  }

  #restore({ job, destination, backup, to, ...selection }: RestoreCall): Promise<RestoreReply> {
    const { fs } = this.#options;
    return this.#cancellable(
      job,
      (signal) =>
        this.#with(destination, { create: false, signal }, async (repository) => {
          const plan = await planRestore(repository, { ...selection, backup, signal });
          const outcome = to === undefined
            ? undefined
            : await restoreFiles(plan, { to, fs, signal, onProgress: this.#progressOf(job) });
          const { indices, files, bytes, fetchBytes, requests } = plan;
          return { backup: plan.backup, indices, files: files.length, bytes, fetchBytes, requests, outcome };
        }),
    );
  }

  #bring({ job, destination, ...call }: DrillBringCall): Promise<RestoreOutcome> {
    const { fs } = this.#options;
    return this.#cancellable(
      job,
      (signal) =>
        this.#with(
          destination,
          { create: false, signal },
          (repository) => bringDrill(repository, { ...call, fs, signal, onProgress: this.#progressOf(job) }),
        ),
    );
  }

  #list(
    { destination, create = false }: { readonly destination: Destination; readonly create?: boolean },
  ): Promise<ListReply> {
    return this.#with(destination, { create }, async (repository) => {
      const { head }: { readonly head: Head } = await repository.readHead();
      return {
        repositoryId: head.repositoryId,
        backups: head.backups,
        encrypted: head.encryption !== null,
        warnings: repository.warnings,
      };
    });
  }

  #manifest(
    { destination, backup }: { readonly destination: Destination; readonly backup: string },
  ): Promise<ManifestReply> {
    return this.#with(destination, { create: false }, async (repository) => {
      const { head } = await repository.readHead();
      const listed = findBackup(head, backup, repository.place);
      const { files: _, ...manifest } = await repository.readManifest(listed);
      return { listed, manifest };
    });
  }

  #prune({ destination, retention, series }: PruneCall): Promise<PruneOutcome> {
    return this.#with(
      destination,
      { create: false },
      (repository) => prune(repository, { retention, series }),
    );
  }

  #delete(
    { destination, backup }: { readonly destination: Destination; readonly backup: string },
  ): Promise<PruneOutcome> {
    if (backup === "latest") {
      throw new RequestError("[latest] cannot be deleted; name the backup", {
        status: 400,
        type: "illegal_argument_exception",
      });
    }
    return this.#with(destination, { create: false }, (repository) => deleteBackup(repository, backup));
  }
}
