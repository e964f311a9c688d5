/**
 * Continuous shipping across threads: main looks at the engine and posts what it saw, the shipper thread reads the files
 * and speaks to the store.
 *
 * Files that are on their way longer than a round (large segments) are held: the shipper names their logs in its answer,
 * main keeps them, and lets them go when it hears that they have arrived.
 *
 * @module
 */
import { assert, RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { StreamError, type StreamErrorKind } from "../backup/continuous/error.ts";
import { type RoundReport, StreamShipper } from "../backup/continuous/shipper.ts";
import type { LogView, ServerView } from "../backup/continuous/view.ts";
import type { Repository } from "../backup/repository.ts";
import type { Rpc } from "../engine/rpc.ts";
import type { Manifest } from "../format/manifest.ts";
import type { FileSystem } from "../os/fs.ts";
import { explainedFailure } from "./backup_errors.ts";
import type { StreamRounds } from "./continuous.ts";

/** Which stream, and how long what it holds is kept. */
export interface StreamSettings<Place> {
  readonly destination: Place;
  readonly stream: string;
  readonly retainMs: number;
  /** How long objects stay that nothing refers to any more; default an hour. */
  readonly graceMs?: number;
  /** Whether the store keeps the conditions of puts; default true. */
  readonly conditional?: boolean;
}

/** A view as it is posted. */
interface PostedView extends Omit<ServerView, "logs" | "release"> {
  readonly logs: readonly PostedLog[];
}

interface PostedLog extends Omit<LogView, "manifest" | "hold"> {
  readonly incarnation: string;
  /** undefined: as in the view before. */
  readonly manifest: Manifest | undefined;
}

interface RoundCall<Place> {
  readonly settings: StreamSettings<Place>;
  readonly view: PostedView;
}

interface RoundReply {
  readonly report: RoundReport;
  /** Logs of the view whose files are needed beyond it, with the numbers under which they are let go. */
  readonly held: readonly { readonly log: number; readonly hold: number }[];
}

/** Main's end. */
export class RemoteRounds<Place> implements StreamRounds {
  readonly #rpc: () => Rpc;
  readonly #settings: () => StreamSettings<Place>;
  readonly #holds = new Map<number, () => void>();
  /** Let go before the answer came that would have named them. */
  readonly #early = new Set<number>();
  /** Number of the manifest that was posted last, by folder and incarnation, and to whom. */
  #posted = new Map<string, number>();
  #postedTo: Rpc | undefined;

  /** @param rpc The shipper thread; another one when that died. */
  constructor(rpc: () => Rpc, settings: () => StreamSettings<Place>) {
    this.#rpc = rpc;
    this.#settings = settings;
  }

  async round(view: ServerView): Promise<RoundReport> {
    const rpc = this.#rpc();
    if (rpc !== this.#postedTo) this.#restart(rpc);
    const { logs: _, release: __, ...rest } = view;
    const posted = new Map<string, number>();
    const logs = view.logs.map((log): PostedLog => {
      const { folder, directory, manifest, generations, syncedBytes } = log;
      const key = `${folder}/${manifest.incarnation}`;
      posted.set(key, manifest.number);
      const isKnown = this.#posted.get(key) === manifest.number;
      const { incarnation } = manifest;
      return {
        folder,
        directory,
        generations,
        syncedBytes,
        incarnation,
        manifest: isKnown ? undefined : manifest,
      };
    });
    // Whether it arrived is known only when it is answered.
    this.#posted = new Map();
    const catalogs = view.catalogs;
    const call: RoundCall<Place> = { settings: this.#settings(), view: { ...rest, catalogs, logs } };
    const { report, held } = await rpc.call<RoundReply>("continuousRound", call);
    this.#posted = posted;
    for (const { log, hold } of held) {
      if (!this.#early.has(hold)) this.#holds.set(hold, view.logs[log]!.hold());
    }
    this.#early.clear();
    return report;
  }

  /** The shipper says that it needs files no more. */
  released(holds: readonly number[]): void {
    for (const hold of holds) {
      const release = this.#holds.get(hold);
      this.#holds.delete(hold);
      if (release) release();
      else this.#early.add(hold);
    }
  }

  async adopt({ owner, atMs }: Pick<ServerView, "owner" | "atMs">): Promise<void> {
    await this.#rpc().call("continuousAdopt", { settings: this.#settings(), view: { owner, atMs } });
  }

  sweep(): Promise<number | undefined> {
    return this.#rpc().call<number | undefined>("continuousSweep", {});
  }

  async stop(): Promise<void> {
    await this.#rpc().call("continuousStop", {});
    this.released([...this.#holds.keys()]);
  }

  /** The thread died, and with it all that was on its way. */
  #restart(rpc: Rpc): void {
    this.released([...this.#holds.keys()]);
    this.#posted = new Map();
    this.#postedTo = rpc;
  }
}

export interface ContinuousNodeOptions<Place> {
  readonly fs: FileSystem;
  readonly log: Logger;
  /** Opens the repository of a destination, made if need be; it stays open. */
  readonly open: (destination: Place) => Promise<Repository>;
  /** Tells main that files are needed no more; see `RemoteRounds.released`. */
  readonly onReleased: (holds: readonly number[]) => void;
}

/** The shipper thread's end. */
export class ContinuousNode<Place> {
  readonly #options: ContinuousNodeOptions<Place>;
  #shipper:
    | { readonly key: string; readonly shipper: StreamShipper; readonly repository: Repository }
    | undefined;
  #manifests = new Map<string, Manifest>();
  #nextHold = 1;

  constructor(options: ContinuousNodeOptions<Place>) {
    this.#options = options;
  }

  /** What main may call, by name. */
  calls() {
    const explained = <In, Out>(call: (payload: In) => Promise<Out>) => async (payload: In): Promise<Out> => {
      try {
        return await call(payload);
      } catch (error) {
        throw explainedStreamFailure(error);
      }
    };
    return {
      continuousRound: explained((call: RoundCall<Place>) => this.#round(call)),
      continuousAdopt: explained(async ({ settings, view }: {
        settings: StreamSettings<Place>;
        view: Pick<ServerView, "owner" | "atMs">;
      }) => await (await this.#open(settings)).adopt(view)),
      continuousSweep: explained(async (_: unknown) => await this.#shipper?.shipper.sweep()),
      continuousStop: explained((_: unknown) => this.#close()),
    };
  }

  async #round({ settings, view }: RoundCall<Place>): Promise<RoundReply> {
    const manifests = new Map<string, Manifest>();
    const held = new Map<number, number>();
    const logs = view.logs.map(({ manifest: sent, incarnation, ...log }, i): LogView => {
      const key = `${log.folder}/${incarnation}`;
      const manifest = sent ?? this.#manifests.get(key);
      assert(manifest, "main posts each manifest once");
      manifests.set(key, manifest);
      return { ...log, manifest, hold: () => this.#hold(i, held) };
    });
    this.#manifests = manifests;
    const shipper = await this.#open(settings);
    const report = await shipper.round({ ...view, logs, release() {} });
    return { report, held: [...held].map(([hold, log]) => ({ log, hold })) };
  }

  /** Until the answer is sent, what is let go was never held. */
  #hold(log: number, held: Map<number, number>): () => void {
    const hold = this.#nextHold++;
    held.set(hold, log);
    return () => {
      held.delete(hold);
      this.#options.onReleased([hold]);
    };
  }

  async #open(settings: StreamSettings<Place>): Promise<StreamShipper> {
    const key = JSON.stringify(settings);
    if (this.#shipper?.key === key) return this.#shipper.shipper;
    await this.#close();
    const { fs, log, open } = this.#options;
    const { destination, ...stream } = settings;
    const repository = await open(destination);
    const shipper = new StreamShipper({ ...stream, repository, fs, log });
    this.#shipper = { key, shipper, repository };
    return shipper;
  }

  async #close(): Promise<void> {
    const open = this.#shipper;
    this.#shipper = undefined;
    await open?.shipper.stop();
    open?.repository.store.close();
  }
}

const STREAM: Readonly<Record<StreamErrorKind, readonly [number, string]>> = {
  missing: [404, "stream_missing_exception"],
  damaged: [502, "repository_corrupt_exception"],
  version: [400, "repository_version_exception"],
  foreign: [409, "stream_conflict_exception"],
  out_of_reach: [404, "stream_out_of_reach_exception"],
  selection: [400, "illegal_argument_exception"],
  target: [409, "restore_conflict_exception"],
};

/** As `explainedFailure`, for streams too. */
export function explainedStreamFailure(error: unknown): unknown {
  if (!(error instanceof StreamError)) return explainedFailure(error);
  const { message, hint, kind } = error;
  const [status, type] = STREAM[kind];
  return new RequestError(message, { status, type, details: { kind, ...(hint === "" ? {} : { hint }) } });
}
