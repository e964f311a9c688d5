/**
 * What main shows to whoever ships the server: the catalogue, then every shard as its writer shows it.
 *
 * The catalogue is taken first: an index that it lists, or one that came later, is shown by its writer; one that is being
 * deleted is not, and then this catalogue is not shipped.
 *
 * @module
 */
import type { History } from "../format/history.ts";
import type { Manifest } from "../format/manifest.ts";
import type { Clock } from "../os/fs.ts";
import type { Catalog, CatalogFile } from "./catalog.ts";
import type { ShipCall, ShippedLog, ShippedUpTo, ShipReply } from "./messages.ts";
import type { Rpc } from "./rpc.ts";
import type { Threads } from "./threads.ts";

/** A shard as it can be shipped; its files stay until the view is released, or longer. */
export interface EngineLog extends Omit<ShippedLog, "manifest" | "pin"> {
  readonly manifest: Manifest;
  /** Keeps its files beyond the view; what it returns lets them go. To be called before the view is released. */
  hold(): () => void;
}

/** The server as it can be shipped: nothing in it can be lost by a power cut. */
export interface EngineShipView {
  readonly instanceId: string;
  /** The server's runs; the last one is the present one. */
  readonly history: History;
  /** ms since the epoch, before anything was looked at. */
  readonly atMs: number;
  /** Every record up to here is in it, but for those of `hidden`. */
  readonly coveredLsn: number;
  /** Ascending, the newest last. */
  readonly catalogs: readonly CatalogFile[];
  readonly logs: readonly EngineLog[];
  /** Shards whose disks failed. */
  readonly hidden: ShipReply["hidden"];
  /** To be called exactly once. */
  release(): void;
}

export class EngineShip {
  readonly #threads: () => Threads;
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  /** Newest manifest of each shard, by `<incarnation>/<shard>`: writers do not send it again. */
  #manifests = new Map<string, Manifest>();
  #wanted: (() => void) | undefined;

  constructor(
    options: { readonly threads: () => Threads; readonly catalog: Catalog; readonly clock: Clock },
  ) {
    this.#threads = options.threads;
    this.#catalog = options.catalog;
    this.#clock = options.clock;
  }

  /**
   * Syncs all logs and shows what is on disk.
   *
   * @param sinceCatalog Superseded catalogues up to this number are left out.
   * @throws {RequestError} 503 @throws {IoError}
   */
  async view(sinceCatalog: number): Promise<EngineShipView> {
    const { writers } = this.#threads();
    const atMs = this.#clock.nowMs();
    const catalogs = this.#catalog.filesSince(sinceCatalog);
    const call: ShipCall = {
      known: Object.fromEntries([...this.#manifests].map(([key, { number }]) => [key, number])),
    };
    const answers = await Promise.allSettled(writers.map((rpc) => rpc.call<ShipReply>("shipView", call)));
    const pins = new Pins();
    const manifests = new Map<string, Manifest>();
    const logs: EngineLog[] = [];
    let failure: unknown;
    answers.forEach((answer, i) => {
      if (answer.status === "rejected") {
        failure ??= answer.reason;
        return;
      }
      for (const { pin, manifest: sent, ...log } of answer.value.logs) {
        const key = `${log.incarnation}/${log.shard}`;
        const manifest = sent ?? this.#manifests.get(key)!;
        manifests.set(key, manifest);
        logs.push({ ...log, manifest, hold: pins.add(writers[i]!, pin) });
      }
    });
    if (failure !== undefined) {
      pins.release();
      throw failure;
    }
    this.#manifests = manifests;
    const replies = answers.flatMap((answer) => answer.status === "fulfilled" ? [answer.value] : []);
    return {
      instanceId: this.#catalog.instanceId,
      history: this.#catalog.history,
      atMs,
      coveredLsn: Math.min(...replies.map(({ coveredLsn }) => coveredLsn)),
      catalogs,
      logs,
      hidden: replies.flatMap(({ hidden }) => hidden),
      release: () => pins.release(),
    };
  }

  /** Called when a write waits for a record to leave the machine; the newest listener alone. */
  onWanted(listener: (() => void) | undefined): void {
    this.#wanted = listener;
  }

  /** A writer says so. */
  wanted(): void {
    this.#wanted?.();
  }

  /** Acknowledges the writes that wait for what has arrived. */
  shipped(upTo: ShippedUpTo): void {
    for (const writer of this.#threads().writers) writer.notify("shipped", upTo);
  }

  /** Tells writes that wait in vain why. */
  failed(reason: string): void {
    for (const writer of this.#threads().writers) writer.notify("shipFailed", { reason });
  }
}

/** Pins of all writers, released together but for those that are held. */
class Pins {
  readonly #pins: { readonly writer: Rpc; readonly pin: number; holds: number }[] = [];

  /** @returns What holds the pin once more. */
  add(writer: Rpc, pin: number): () => () => void {
    const entry = { writer, pin, holds: 1 };
    this.#pins.push(entry);
    return () => {
      entry.holds++;
      return () => {
        if (--entry.holds === 0) writer.notify("shipRelease", { pins: [pin] });
      };
    };
  }

  release(): void {
    const free = new Map<Rpc, number[]>();
    for (const entry of this.#pins) {
      if (--entry.holds > 0) continue;
      free.set(entry.writer, [...(free.get(entry.writer) ?? []), entry.pin]);
    }
    for (const [writer, pins] of free) writer.notify("shipRelease", { pins });
  }
}
