/**
 * A whole engine in one thread over a real directory, with a disk that can be told to be full.
 *
 * @module
 */
import { utf8 } from "../../src/base/bytes.ts";
import { IoError } from "../../src/base/errors.ts";
import type { Logger } from "../../src/base/log.ts";
import { type Catalog, openCatalog } from "../../src/engine/catalog.ts";
import { Engine, type EngineLimits } from "../../src/engine/engine.ts";
import type { IndexState } from "../../src/engine/index_state.ts";
import type { CreateRequest } from "../../src/engine/indices.ts";
import { localThreads } from "../../src/engine/local_threads.ts";
import type { NodeSettings, WriteCall, WriteReply } from "../../src/engine/messages.ts";
import { MergerNode } from "../../src/engine/merger_node.ts";
import { type MainCalls, WriterNode } from "../../src/engine/writer_node.ts";
import { esBulkRenderer } from "../../src/es/bulk_items.ts";
import { systemClock } from "../../src/os/clock.ts";
import type { FileSystem, OpenFile } from "../../src/os/fs.ts";
import { viewMapping } from "../../src/os/mapping.ts";
import { pause, sleep } from "../../src/os/pause.ts";
import { systemRandom } from "../../src/os/random.ts";
import { realFileSystem } from "../../src/os/real_fs.ts";
import { serveSearcher } from "../../src/workers/searcher.ts";
import { connect, remoteLog } from "../../src/workers/thread.ts";

export const SETTINGS: NodeSettings = {
  walSync: "batched",
  walBatchMs: 1000,
  walMaxBytes: 512 << 20,
  flushSizeBytes: 256 << 20,
  flushIntervalMs: 3_600_000,
  retainSupersededMs: 900_000,
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
  scrubBytesPerSec: 0,
  diskReserveBytes: 0,
  merge: {
    strategy: "size_tiered",
    minSegments: 1000,
    maxSegmentBytes: 1 << 30,
    ioBytesPerSec: 0,
    maxConcurrent: 1,
  },
};

const LIMITS: EngineLimits = {
  maxConcurrentSearches: 64,
  maxQueuedSearches: 1000,
  maxInflightWriteBytes: 1 << 30,
};

export interface WorldOptions {
  readonly writers?: number;
  readonly settings?: Partial<NodeSettings>;
  /** A thread found a file of a segment damaged. */
  readonly onDamagedFile?: (file: string) => void;
}

export interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Writes of chosen files fail with ENOSPC while it is full; all else goes to the real disk. */
export class FillableDisk {
  /** Paths that have no room; undefined: all have. */
  full: ((path: string) => boolean) | undefined;
  /** What the disk says is free; undefined: the truth. */
  freeBytes: number | undefined;
  readonly fs: FileSystem;

  constructor() {
    const real = realFileSystem();
    const check = (path: string) => {
      if (!this.full?.(path)) return;
      throw new IoError("write", path, new Error("No space left on device (os error 28)"));
    };
    const filling = (file: OpenFile): OpenFile =>
      new Proxy(file, {
        get: (target, name: keyof OpenFile) => {
          if (name === "write") {
            return (bytes: Uint8Array) => {
              check(target.path);
              target.write(bytes);
            };
          }
          const value = target[name];
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    this.fs = new Proxy(real, {
      get: (target, name: keyof FileSystem) => {
        if (name === "create") {
          return (path: string, mode?: number) => {
            check(path);
            return filling(target.create(path, mode));
          };
        }
        if (name === "openAppend") return (path: string) => filling(target.openAppend(path));
        if (name === "freeBytes") {
          return (path: string) => this.full?.(path) ? 0 : this.freeBytes ?? target.freeBytes(path);
        }
        return target[name].bind(target);
      },
    });
  }
}

export class World {
  readonly disk = new FillableDisk();
  readonly lines: Line[] = [];
  readonly limits = LIMITS;
  engine!: Engine;
  #catalog!: Catalog;

  constructor(readonly dataDir: string, readonly options: WorldOptions) {}

  async open(): Promise<void> {
    const { fs } = this.disk;
    const [clock, random] = [systemClock(), systemRandom()];
    const at = (level: string) => (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      this.lines.push({ level, message, fields });
    };
    const log: Logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
    const lsn = new BigInt64Array(new SharedArrayBuffer(8));
    const settings = { ...SETTINGS, ...this.options.settings };
    this.#catalog = openCatalog({
      fs,
      clock,
      random,
      log,
      machineId: "",
      lsn: () => Number(lsn[0]),
      retainSupersededMs: () => settings.retainSupersededMs,
    }, this.dataDir);
    lsn[0] = BigInt(this.#catalog.maxLsn);
    const factory = localThreads((start, port) => {
      if (start.kind === "searcher") return serveSearcher(start, port);
      if (start.kind === "merger") {
        const merger = new MergerNode({ fs, clock, pause, sleep, bucket: start.mergeBucket });
        Object.assign(connect(port).handlers, merger.calls());
        return () => {};
      }
      const { rpc, handlers } = connect(port);
      const main: MainCalls = {
        mergeMapping: (request) => rpc.call("mergeMapping", request),
        writeIndex: (request) => rpc.call("writeIndex", request),
        published: (snapshot) => rpc.notify("published", snapshot),
        merge: (job) => rpc.call("merge", job),
        mergeDigest: (end) => rpc.call("mergeDigest", end),
        progress: (progress) => rpc.notify("progress", progress),
        condition: (report) => rpc.notify("condition", report),
        damagedFile: (file) => rpc.notify("damagedFile", { file }),
        shipWanted: () => rpc.notify("shipWanted", {}),
      };
      const node = new WriterNode({
        fs,
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
      });
      Object.assign(handlers, node.calls());
      return () => {};
    });
    this.engine = new Engine({
      fs,
      clock,
      random,
      log,
      dataDir: this.dataDir,
      catalog: this.#catalog,
      lsn,
      factory,
      writers: this.options.writers ?? 1,
      searchers: 1,
      settings,
      limits: LIMITS,
      boot: { bootId: "test", isCopy: this.#catalog.isCopy, cleanStop: this.#catalog.cleanStop },
      ...(this.options.onDamagedFile ? { onDamagedFile: this.options.onDamagedFile } : {}),
      onDeath: (error) => {
        throw error;
      },
    });
    try {
      await this.engine.open();
    } catch (error) {
      await this.engine.stop();
      this.#catalog.close({ clean: false });
      throw error;
    }
  }

  /** Stops cleanly. @returns What the engine says of it. */
  async close(): Promise<boolean> {
    const clean = await this.engine.stop();
    this.#catalog.close({ clean });
    return clean;
  }

  async reopen(): Promise<void> {
    await this.close();
    await this.open();
  }

  create(name: string, request: CreateRequest = {}): Promise<IndexState> {
    return this.engine.indices.create(name, request);
  }

  index(name: string): IndexState {
    return this.engine.one(name);
  }

  write(
    name: string,
    id: string | undefined,
    document: unknown,
    options: Partial<WriteCall> = {},
  ): Promise<WriteReply> {
    return this.engine.write(this.index(name), {
      action: "index",
      id,
      body: document === undefined ? new Uint8Array(0) : shared(JSON.stringify(document)),
      ifSeqNo: -1,
      ifPrimaryTerm: -1,
      version: -1,
      versionType: "internal",
      retryOnConflict: 0,
      wantSource: false,
      ...options,
    });
  }

  delete(name: string, id: string, options: Partial<WriteCall> = {}): Promise<WriteReply> {
    return this.write(name, id, undefined, { ...options, action: "delete" });
  }

  /** Sends bulk lines; answers with its items. */
  async bulk(name: string | undefined, lines: readonly unknown[]): Promise<BulkItemAnswer[]> {
    const { items, itemCount, errors } = await this.engine.bulk({
      body: shared(lines.map((line) => `${JSON.stringify(line)}\n`).join("")),
      defaultIndex: name,
      renderer: "es",
      requireAlias: false,
      options: {},
    });
    const parsed = JSON.parse(`[${new TextDecoder().decode(items)}]`) as Record<string, BulkItemAnswer>[];
    const answers = parsed.map((item) => Object.values(item)[0]!);
    if (answers.length !== itemCount) throw new Error(`${itemCount} items said, ${answers.length} sent`);
    if (errors !== answers.some(({ status }) => status >= 400 && status !== 404)) {
      const failed = answers.some(({ error }) => error !== undefined);
      if (errors !== failed) throw new Error(`errors says ${errors}`);
    }
    return answers;
  }

  async get(name: string, id: string): Promise<Record<string, unknown> | undefined> {
    const [found] = await this.engine.get(this.index(name), [id]);
    return found && JSON.parse(new TextDecoder().decode(found.source));
  }

  /** Searches as it is: without a refresh of its own, but with the one that an idle index gets. */
  async search(name: string, body: unknown = {}): Promise<SearchAnswer> {
    const reply = await this.engine.search([this.index(name)], {
      handler: "native.search",
      body: shared(JSON.stringify(body)),
      query: {},
      requestId: "test",
    });
    return JSON.parse(new TextDecoder().decode(reply.body));
  }

  refresh(name: string): Promise<void> {
    return this.engine.refresh([this.index(name)]);
  }

  /** @throws The first failure. */
  async flush(name: string): Promise<void> {
    const failed = (await this.engine.flush([this.index(name)])).find(({ failure }) => failure !== undefined);
    if (failed) throw new Error(failed.failure);
  }
}

export interface BulkItemAnswer {
  readonly _id: string;
  readonly _index: string;
  readonly status: number;
  readonly result?: string;
  readonly _version?: number;
  readonly _seq_no?: number;
  readonly error?: { readonly type: string; readonly reason: string };
}

export interface SearchAnswer {
  readonly total: number;
  readonly hits: readonly { readonly _id: string; readonly _source: Readonly<Record<string, unknown>> }[];
}

/** Bytes over shared memory, as bodies come from the listener. */
export function shared(text: string): Uint8Array {
  const bytes = utf8(text);
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

/** Runs `test` with an engine in a directory of its own. */
export async function inWorld(
  options: WorldOptions,
  test: (world: World) => Promise<void>,
): Promise<void> {
  const dataDir = Deno.makeTempDirSync({ prefix: "xerj-engine-" });
  const world = new World(dataDir, options);
  try {
    await world.open();
    try {
      await test(world);
    } finally {
      await world.close();
    }
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
}
