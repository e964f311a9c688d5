/**
 * A whole server in one thread over a simulated disk: the real catalogue, engine, writer, merger and searcher; threads
 * are lanes of the scheduler.
 *
 * @module
 */
import { utf8 } from "../../src/base/bytes.ts";
import type { Logger } from "../../src/base/log.ts";
import { DirectorySnapshots } from "../../src/control/snapshots.ts";
import { type Catalog, openCatalog } from "../../src/engine/catalog.ts";
import { Engine } from "../../src/engine/engine.ts";
import type { IndexState } from "../../src/engine/index_state.ts";
import { MergerNode } from "../../src/engine/merger_node.ts";
import type { NodeSettings, WriteCall, WriteReply } from "../../src/engine/messages.ts";
import type { Port } from "../../src/engine/rpc.ts";
import { SearcherNode } from "../../src/engine/searcher_node.ts";
import type { ThreadFactory, ThreadStart } from "../../src/engine/threads.ts";
import { type MainCalls, WriterNode } from "../../src/engine/writer_node.ts";
import { esBulkRenderer } from "../../src/es/bulk_items.ts";
import { nativeSearchHandlers } from "../../src/native/search_handlers.ts";
import type { Clock, Random } from "../../src/os/fs.ts";
import type { Rules } from "../../src/wal/rules.ts";
import { connect, remoteLog } from "../../src/workers/thread.ts";
import { type FaultCounts, type Intercept, ProcessDisk, viewMapping } from "./process_disk.ts";
import { type Scheduler, SimProcess } from "./scheduler.ts";
import type { SimDisk } from "./sim_disk.ts";

export interface ServerOptions {
  readonly disk: SimDisk;
  readonly dataDir: string;
  readonly scheduler: Scheduler;
  readonly chance: () => number;
  readonly counts: FaultCounts;
  readonly settings: NodeSettings;
  readonly bootId: string;
  readonly machineId: string;
  readonly rules: Rules;
  readonly intercept?: Intercept | undefined;
  /** For rules that are switched off. */
  readonly changeClock?: (clock: Clock) => Clock;
  /** For rules that are switched off: what the process believes of the directory. */
  readonly neverCopy?: boolean;
  readonly beforeOpening?: () => void;
  /** Deletes of indices remove their folders. */
  readonly unlinksDeleted?: boolean;
}

export const BASE_SETTINGS: NodeSettings = {
  walSync: "sync",
  walBatchMs: 1000,
  walMaxBytes: 6000,
  flushSizeBytes: 256 << 20,
  flushIntervalMs: 8000,
  retainSupersededMs: 20_000,
  maxJsonDepth: 100,
  maxFields: 1000,
  maxResultWindow: 10_000,
  maxBuckets: 65_536,
  maxClauses: 4096,
  queryMemoryBytes: 256 << 20,
  maxLineBytes: 16 << 20,
  maxIdBytes: 512,
  maxRequestMs: 60_000,
  refreshIntervalMs: 1000,
  searchIdleMs: 30_000,
  writeMemoryBytes: 1 << 30,
  defaultAnalyzer: "standard",
  diskReserveBytes: 0,
  scrubBytesPerSec: 0,
  merge: {
    strategy: "size_tiered",
    minSegments: 2,
    maxSegmentBytes: 1 << 30,
    ioBytesPerSec: 0,
    maxConcurrent: 1,
  },
};

export interface BulkItem {
  readonly action: string;
  readonly _id: string;
  readonly _index: string;
  readonly status: number;
  readonly _version?: number;
  readonly _seq_no?: number;
}

export class SimServer {
  readonly process: SimProcess;
  readonly fs: ProcessDisk;
  readonly warnings: string[] = [];
  readonly errors: string[] = [];
  engine!: Engine;
  snapshots!: DirectorySnapshots;
  catalog!: Catalog;
  readonly #options: ServerOptions;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.process = new SimProcess(options.dataDir);
    this.fs = new ProcessDisk({ ...options, process: this.process });
  }

  /** Opens everything; to be driven by the scheduler. @throws what opening refused. */
  async open(): Promise<void> {
    const { scheduler, dataDir, settings, machineId, rules, bootId, neverCopy } = this.#options;
    const { fs } = this;
    this.#options.beforeOpening?.();
    scheduler.enter(this.process);
    const clock = this.#options.changeClock?.(scheduler.clock()) ?? scheduler.clock();
    const random: Random = {
      fill: (bytes) => {
        for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(this.#options.chance() * 256);
      },
    };
    const log = this.#log();
    const lsn = new BigInt64Array(new SharedArrayBuffer(8));
    const catalog = openCatalog({
      fs,
      clock,
      random,
      log,
      machineId,
      lsn: () => Number(lsn[0]),
      retainSupersededMs: () => settings.retainSupersededMs,
      rules,
    }, dataDir);
    this.catalog = catalog;
    lsn[0] = BigInt(catalog.maxLsn);
    const isCopy = catalog.isCopy && neverCopy !== true;
    this.engine = new Engine({
      fs,
      clock,
      random,
      log,
      dataDir,
      catalog,
      lsn,
      factory: this.#threads({ clock, random }),
      writers: 1,
      searchers: 1,
      settings,
      limits: { maxConcurrentSearches: 64, maxQueuedSearches: 1000, maxInflightWriteBytes: 1 << 30 },
      boot: { bootId, isCopy, cleanStop: catalog.cleanStop },
      onDeath: (error) => void this.errors.push(`a thread died: ${error}`),
    });
    this.snapshots = new DirectorySnapshots({ engine: this.engine, fs, clock, dataDir });
    this.snapshots.removeLeftovers();
    await this.engine.open();
  }

  #log(): Logger {
    const keep = (lines: string[]) => (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (lines.length < 200) lines.push(`${message} ${JSON.stringify(fields)}`);
    };
    const nothing = () => {};
    return { debug: nothing, info: nothing, warn: keep(this.warnings), error: keep(this.errors) };
  }

  #threads({ clock, random }: { readonly clock: Clock; readonly random: Random }): ThreadFactory {
    const { scheduler, settings, rules } = this.#options;
    const { process, fs } = this;
    const pause = scheduler.pauseOf(process);
    return (start) => {
      const channel = scheduler.channel(process);
      const port = channel.port2;
      const serve: Record<ThreadStart["kind"], () => void> = {
        searcher: () => {
          const { handlers } = connect(port);
          const node = new SearcherNode({ handlers: nativeSearchHandlers, viewMapping, clock, settings });
          Object.assign(handlers, node.calls());
        },
        merger: () => {
          const { handlers } = connect(port);
          const node = new MergerNode({ fs, clock, pause, sleep: pause, bucket: start.mergeBucket });
          Object.assign(handlers, node.calls());
        },
        writer: () => this.#serveWriter(start, port, { clock, random, pause, rules }),
        shipper: () => {
          throw new Error("nobody ships a simulated server's files");
        },
        hydrator: () => {
          throw new Error("nobody restores a simulated server lazily");
        },
        driller: () => {
          throw new Error("nobody drills a simulated server's backups");
        },
      };
      serve[start.kind]();
      return { port: channel.port1, terminate: () => channel.close() };
    };
  }

  #serveWriter(
    start: ThreadStart,
    port: Port,
    { clock, random, pause, rules }: {
      readonly clock: Clock;
      readonly random: Random;
      readonly pause: () => Promise<void>;
      readonly rules: Rules;
    },
  ): void {
    const { rpc, handlers } = connect(port);
    const main: MainCalls = {
      mergeMapping: (request) => rpc.call("mergeMapping", request),
      writeIndex: (request) => rpc.call("writeIndex", request),
      published: (snapshot) => rpc.notify("published", snapshot),
      merge: (job) => rpc.call("merge", job),
      mergeDigest: (end) => rpc.call("mergeDigest", end),
      progress: (progress) => rpc.notify("progress", progress),
      condition: (report) => rpc.notify("condition", report),
    };
    const node = new WriterNode({
      fs: this.fs,
      clock,
      random,
      log: remoteLog((line) => rpc.notify("log", line)),
      settings: start.settings,
      main,
      renderers: { es: esBulkRenderer },
      viewMapping,
      pause,
      lsn: start.lsn,
      boot: start.boot,
      rules,
    });
    Object.assign(handlers, node.calls());
  }

  /** Stops cleanly. @returns Whether all shards were closed cleanly. */
  async close(): Promise<boolean> {
    const clean = await this.engine.stop();
    this.catalog.close({ clean });
    return clean;
  }

  async deleteIndex(state: IndexState): Promise<void> {
    await this.engine.indices.delete(state);
    if (!this.#options.unlinksDeleted) return;
    const { disk, dataDir } = this.#options;
    disk.removeAll(`${dataDir}/${state.name}`);
    disk.folder(dataDir, "sync").sync();
  }

  write(
    name: string,
    { action, id, document }: {
      readonly action: WriteCall["action"];
      readonly id: string | undefined;
      readonly document: unknown;
    },
  ): Promise<WriteReply & { readonly shard: number }> {
    return this.engine.write(this.engine.one(name), {
      action,
      id,
      body: document === undefined ? new Uint8Array(0) : utf8(JSON.stringify(document)),
      ifSeqNo: -1,
      ifPrimaryTerm: -1,
      version: -1,
      versionType: "internal",
      retryOnConflict: 0,
      wantSource: false,
    });
  }

  async bulk(lines: readonly unknown[]): Promise<BulkItem[]> {
    const { items } = await this.engine.bulk({
      body: utf8(lines.map((line) => `${JSON.stringify(line)}\n`).join("")),
      defaultIndex: undefined,
      renderer: "es",
      requireAlias: false,
      options: {},
    });
    const parsed = JSON.parse(`[${new TextDecoder().decode(items)}]`) as Record<
      string,
      Omit<BulkItem, "action">
    >[];
    return parsed.map((item) => {
      const [action, answer] = Object.entries(item)[0]!;
      return { action, ...answer };
    });
  }

  async search(name: string, body: unknown): Promise<SearchAnswer> {
    const { status, body: bytes } = await this.engine.search([this.engine.one(name)], {
      handler: "native.search",
      body: utf8(JSON.stringify(body)),
      query: {},
      requestId: "sim",
    });
    const text = new TextDecoder().decode(bytes);
    if (status !== 200) throw new Error(`search answers ${status}: ${text}`);
    return JSON.parse(text);
  }
}

export interface SearchAnswer {
  readonly total: number;
  readonly hits: readonly { readonly _id: string; readonly _source: Readonly<Record<string, unknown>> }[];
}
