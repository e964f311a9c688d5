/**
 * Entry file of a writer thread.
 *
 * @module
 */
import type { Port } from "../engine/rpc.ts";
import type { ThreadStart } from "../engine/threads.ts";
import { type MainCalls, WriterNode } from "../engine/writer_node.ts";
import { esBulkRenderer } from "../es/bulk_items.ts";
import { systemClock } from "../os/clock.ts";
import { viewMapping } from "../os/mapping.ts";
import { systemRandom } from "../os/random.ts";
import { realFileSystem } from "../os/real_fs.ts";
import { pause } from "../os/pause.ts";
import { connect, remoteLog, serveWorker } from "./thread.ts";

/** Serves a writer on `port`; returns what ends it. */
export function serveWriter(start: ThreadStart, port: Port): () => void {
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
    fs: realFileSystem(),
    clock: systemClock(),
    random: systemRandom(),
    log: remoteLog((line) => rpc.notify("log", line)),
    settings: start.settings,
    main,
    renderers: { es: esBulkRenderer },
    viewMapping,
    pause,
    lsn: start.lsn,
    boot: start.boot,
    hydrating: start.hydrating,
  });
  Object.assign(handlers, node.calls());
  return () => {};
}

if (typeof (globalThis as { WorkerGlobalScope?: unknown }).WorkerGlobalScope !== "undefined") {
  serveWorker(serveWriter);
}
