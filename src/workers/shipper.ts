/**
 * Entry file of the shipper thread.
 *
 * @module
 */
import { ShipperNode } from "../control/shipper_node.ts";
import { EvidenceGatherer } from "../engine/evidence/gather.ts";
import type { Port } from "../engine/rpc.ts";
import type { ThreadStart } from "../engine/threads.ts";
import { systemClock } from "../os/clock.ts";
import { pause } from "../os/pause.ts";
import { systemRandom } from "../os/random.ts";
import { realFileSystem } from "../os/real_fs.ts";
import { lowerPriority } from "../os/threads.ts";
import { connect, remoteLog, serveWorker } from "./thread.ts";

/** Searches and writes go first where there are not enough cores for all. */
const NICE = 5;

/** Serves a shipper on `port`; returns what ends it. */
export function serveShipper(start: ThreadStart, port: Port): () => void {
  const { rpc, handlers } = connect(port);
  const common = {
    fs: realFileSystem(),
    clock: systemClock(),
    random: systemRandom(),
    log: remoteLog((line) => rpc.notify("log", line)),
  };
  const node = new ShipperNode({
    ...common,
    evidence: new EvidenceGatherer({ ...common, pause, settings: start.settings }),
    onProgress: (job, progress) => rpc.notify("progress", { job, progress }),
    onThrottled: (seconds) => rpc.notify("throttled", { seconds }),
    onReleased: (holds) => rpc.notify("continuousReleased", holds),
  });
  Object.assign(handlers, node.calls());
  return () => {};
}

if (typeof (globalThis as { WorkerGlobalScope?: unknown }).WorkerGlobalScope !== "undefined") {
  lowerPriority(NICE);
  serveWorker(serveShipper);
}
