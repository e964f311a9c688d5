/**
 * Entry file of a merger thread.
 *
 * @module
 */
import { MergerNode } from "../engine/merger_node.ts";
import type { Port } from "../engine/rpc.ts";
import type { ThreadStart } from "../engine/threads.ts";
import { systemClock } from "../os/clock.ts";
import { pause, sleep } from "../os/pause.ts";
import { realFileSystem } from "../os/real_fs.ts";
import { lowerPriority } from "../os/threads.ts";
import { connect, serveWorker } from "./thread.ts";

/** Searches and writes go first where there are not enough cores for all. */
const NICE = 5;

/** Serves a merger on `port`; returns what ends it. */
export function serveMerger(start: ThreadStart, port: Port): () => void {
  const { handlers } = connect(port);
  const node = new MergerNode({
    fs: realFileSystem(),
    clock: systemClock(),
    pause,
    sleep,
    bucket: start.mergeBucket,
  });
  Object.assign(handlers, node.calls());
  return () => {};
}

if (typeof (globalThis as { WorkerGlobalScope?: unknown }).WorkerGlobalScope !== "undefined") {
  lowerPriority(NICE);
  serveWorker(serveMerger);
}
