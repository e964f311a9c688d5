/**
 * A restored directory, really opened: catalogue, segments mapped, logs replayed, runs begun, as a server does it, but
 * without listeners and all in the calling thread. For directories that are removed afterwards.
 *
 * @module
 */
import { utf8 } from "../../base/bytes.ts";
import { assert } from "../../base/errors.ts";
import { renderJson } from "../../base/json.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock, FileSystem, Mapping, Random } from "../../os/fs.ts";
import { openCatalog } from "../catalog.ts";
import { Engine } from "../engine.ts";
import { localThreads } from "../local_threads.ts";
import type { NodeSettings } from "../messages.ts";
import { type Handler, Rpc } from "../rpc.ts";
import { searchBody, searchContext } from "../search_body.ts";
import { SearcherNode, type SearchHandler } from "../searcher_node.ts";
import { type MainCalls, WriterNode } from "../writer_node.ts";
import { answerProbe, type Probe, type ProbeAnswer } from "./probe.ts";

export interface ScratchOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly pause: () => Promise<void>;
  readonly viewMapping: (address: bigint, sizeBytes: number) => Uint8Array;
  /** Of the server whose data it is. */
  readonly settings: NodeSettings;
}

/** An opened scratch directory. */
export interface ScratchEngine {
  readonly indices: readonly string[];
  /** Live documents of an index; undefined: there is no such index. */
  docs(index: string): Promise<number | undefined>;
  /** Through the search code of every request. @throws {RequestError | CorruptionError} */
  ask(index: string, probe: Pick<Probe, "search">): Promise<ProbeAnswer>;
  /** Ends it; nothing of the directory is mapped any more. */
  close(): Promise<void>;
}

const HANDLER = "evidence.probe";
/** A probe takes as long as it takes. */
const PROBE_MS = 600_000;

const probeHandler: SearchHandler = (call, targets, environment) => {
  const probe = { search: searchBody(call.body, environment.settings) as Probe["search"] };
  const { docs, sha256 } = answerProbe(probe, searchContext(targets, environment));
  return { status: 200, body: renderJson({ docs, sha256 }) };
};

/**
 * @throws {OpenRefusedError | CorruptionError | IoError | RequestError} What an opening refuses.
 */
export async function openScratch(options: ScratchOptions, dataDir: string): Promise<ScratchEngine> {
  const { clock, random, log } = options;
  const mappings = new TrackedMappings(options.fs);
  const { fs } = mappings;
  // Nothing that was opened for a look is merged, scrubbed or flushed by itself.
  const settings: NodeSettings = {
    ...options.settings,
    walSync: "async",
    maxRequestMs: PROBE_MS,
    flushIntervalMs: PROBE_MS,
    scrubBytesPerSec: 0,
    diskReserveBytes: 0,
    merge: { ...options.settings.merge, minSegments: MANY, maxConcurrent: 1 },
  };
  const lsn = new BigInt64Array(new SharedArrayBuffer(8));
  const catalog = openCatalog({
    fs,
    clock,
    random,
    log,
    machineId: "",
    lsn: () => Number(Atomics.load(lsn, 0)),
    retainSupersededMs: () => settings.retainSupersededMs,
  }, dataDir);
  Atomics.store(lsn, 0, BigInt(catalog.maxLsn));
  let died: Error | undefined;
  const engine = new Engine({
    fs,
    clock,
    random,
    log,
    dataDir,
    catalog,
    lsn,
    factory: threads({ ...options, fs }),
    writers: 1,
    searchers: 1,
    settings,
    limits: { maxConcurrentSearches: 1, maxQueuedSearches: 1, maxInflightWriteBytes: 1 },
    boot: { bootId: "", isCopy: catalog.isCopy, cleanStop: false },
    onDeath: (error) => died = error,
  });
  const close = async () => {
    try {
      await engine.stop();
    } finally {
      catalog.close({ clean: false });
      mappings.release();
    }
    if (died) throw died;
  };
  try {
    await engine.open();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    indices: engine.indices.names(),
    docs: async (index) => {
      const shards = (await engine.stats()).filter((shard) => shard.index === index);
      return shards.length === 0 ? undefined : shards.reduce((sum, { liveDocs }) => sum + liveDocs, 0);
    },
    ask: async (index, { search }) => {
      const reply = await engine.search([engine.one(index)], {
        handler: HANDLER,
        body: utf8(JSON.stringify(search)),
        query: {},
        requestId: "",
      });
      return JSON.parse(new TextDecoder().decode(reply.body)) as ProbeAnswer;
    },
    close,
  };
}

const MANY = 1_000_000;

/** The classes of a server's threads, in this one. */
function threads({ fs, clock, random, log, pause, viewMapping }: ScratchOptions) {
  return localThreads((start, port) => {
    const handlers: Record<string, Handler> = {};
    const rpc = new Rpc(port, handlers);
    if (start.kind === "searcher") {
      const handled = { [HANDLER]: probeHandler };
      const node = new SearcherNode({ handlers: handled, viewMapping, clock, settings: start.settings });
      Object.assign(handlers, node.calls());
      return () => {};
    }
    assert(start.kind === "writer", "a look merges and ships nothing");
    const main: MainCalls = {
      mergeMapping: (request) => rpc.call("mergeMapping", request),
      writeIndex: (request) => rpc.call("writeIndex", request),
      published: (snapshot) => rpc.notify("published", snapshot),
      merge: (job) => rpc.call("merge", job),
      mergeDigest: (end) => rpc.call("mergeDigest", end),
      progress: (progress) => rpc.notify("progress", progress),
      condition: (report) => rpc.notify("condition", report),
    };
    const { settings, lsn, boot } = start;
    const node = new WriterNode({
      fs,
      clock,
      random,
      log,
      settings,
      main,
      renderers: {},
      viewMapping,
      pause,
      lsn,
      boot,
    });
    Object.assign(handlers, node.calls());
    return () => {};
  });
}

/**
 * Knows what is mapped: an engine that ends leaves that to the end of its process, and a file that is removed while it is
 * mapped keeps its room on the disk.
 */
class TrackedMappings {
  readonly fs: FileSystem;
  readonly #mapped = new Set<Mapping>();

  constructor(real: FileSystem) {
    this.fs = new Proxy(real, {
      get: (target, name: keyof FileSystem) =>
        name === "map" ? (path: string) => this.#map(target.map(path)) : target[name].bind(target),
    });
  }

  #map(mapping: Mapping): Mapping {
    const tracked: Mapping = {
      path: mapping.path,
      address: mapping.address,
      sizeBytes: mapping.sizeBytes,
      unmap: () => {
        this.#mapped.delete(tracked);
        mapping.unmap();
      },
    };
    this.#mapped.add(tracked);
    return tracked;
  }

  release(): void {
    for (const mapping of [...this.#mapped]) mapping.unmap();
  }
}
