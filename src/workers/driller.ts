/**
 * Entry file of a thread that opens a restored directory and compares what it shows with what the backup says.
 *
 * @module
 */
import { removeTree } from "../control/trees.ts";
import type { Port } from "../engine/rpc.ts";
import { type ProveCall, proveDirectory } from "../engine/evidence/prove.ts";
import type { ThreadStart } from "../engine/threads.ts";
import { systemClock } from "../os/clock.ts";
import { viewMapping } from "../os/mapping.ts";
import { pause } from "../os/pause.ts";
import { systemRandom } from "../os/random.ts";
import { realFileSystem } from "../os/real_fs.ts";
import { lowerPriority } from "../os/threads.ts";
import { connect, remoteLog, serveWorker } from "./thread.ts";

/** Behind everything else that the server does. */
const NICE = 10;

/** Serves a driller on `port`; returns what ends it. */
export function serveDriller(start: ThreadStart, port: Port): () => void {
  const { rpc, handlers } = connect(port);
  const log = remoteLog((line) => rpc.notify("log", line));
  const options = {
    fs: realFileSystem(),
    clock: systemClock(),
    random: systemRandom(),
    // What an opening tells is not about this server.
    log: { ...log, info: log.debug, warn: log.debug },
    pause,
    viewMapping,
    settings: start.settings,
  };
  handlers["prove"] = async (call: ProveCall) => {
    try {
      return await proveDirectory(options, call);
    } finally {
      // Here rather than by main, which has requests to answer.
      removeTree(options.fs, call.dataDir);
    }
  };
  return () => {};
}

if (typeof (globalThis as { WorkerGlobalScope?: unknown }).WorkerGlobalScope !== "undefined") {
  lowerPriority(NICE);
  serveWorker(serveDriller);
}
