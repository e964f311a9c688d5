/**
 * Entry file of a searcher thread.
 *
 * @module
 */
import { SearcherNode } from "../engine/searcher_node.ts";
import type { Port } from "../engine/rpc.ts";
import type { ThreadStart } from "../engine/threads.ts";
import { esSearchHandlers } from "../es/search_handlers.ts";
import { nativeSearchHandlers } from "../native/search_handlers.ts";
import { systemClock } from "../os/clock.ts";
import { viewMapping } from "../os/mapping.ts";
import { connect, serveWorker } from "./thread.ts";

/** Serves a searcher on `port`; returns what ends it. */
export function serveSearcher(start: ThreadStart, port: Port): () => void {
  const { handlers } = connect(port);
  const node = new SearcherNode({
    handlers: { ...esSearchHandlers, ...nativeSearchHandlers },
    viewMapping,
    clock: systemClock(),
    settings: start.settings,
  });
  Object.assign(handlers, node.calls());
  return () => {};
}

// In a worker there is no window; in a test that imports this file there is nothing to serve.
if (typeof (globalThis as { WorkerGlobalScope?: unknown }).WorkerGlobalScope !== "undefined") {
  serveWorker(serveSearcher);
}
