/**
 * Entry file of the hydrator thread.
 *
 * @module
 */
import { HydratorNode } from "../control/hydrator_node.ts";
import type { Port } from "../engine/rpc.ts";
import type { ThreadStart } from "../engine/threads.ts";
import { systemClock } from "../os/clock.ts";
import { systemRandom } from "../os/random.ts";
import { realFileSystem } from "../os/real_fs.ts";
import { connect, remoteLog, serveWorker } from "./thread.ts";

/** Nobody needs the thread any more. */
const END_AFTER_MS = 1000;

/** Serves a hydrator on `port`; returns what ends it. */
export function serveHydrator(start: ThreadStart, port: Port): () => void {
  const { rpc, handlers } = connect(port);
  const node = new HydratorNode({
    fs: realFileSystem(),
    clock: systemClock(),
    random: systemRandom(),
    log: remoteLog((line) => rpc.notify("log", line)),
    files: start.hydrating,
    onProgress: (progress) => rpc.notify("hydrated", progress),
    // What was posted has been taken by then.
    onDone: () => setTimeout(() => self.close(), END_AFTER_MS),
  });
  Object.assign(handlers, node.calls());
  return () => {};
}

if (typeof (globalThis as { WorkerGlobalScope?: unknown }).WorkerGlobalScope !== "undefined") {
  serveWorker(serveHydrator);
}
