/**
 * What both worker entry files share: the first message starts the node, all later ones are calls.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import { type Handler, type Port, Rpc } from "../engine/rpc.ts";
import type { ThreadStart } from "../engine/threads.ts";

/** A worker's global scope, as far as a thread needs it. */
interface WorkerScope extends Port {
  onmessage: ((event: MessageEvent) => void) | null;
}

/** Waits for the first message of this worker, then serves. */
export function serveWorker(serve: (start: ThreadStart, port: Port) => void): void {
  const scope = globalThis as unknown as WorkerScope;
  scope.onmessage = (event) => serve(event.data as ThreadStart, scope);
}

/** A logger whose lines main prints. */
export function remoteLog(notify: (line: Record<string, unknown>) => void): Logger {
  const at = (level: string) => (message: string, fields?: Record<string, unknown>) =>
    notify({ level, message, fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Connects `port`; handlers are filled in after the node exists, since the node needs the connection first. */
export function connect(port: Port): { readonly rpc: Rpc; readonly handlers: Record<string, Handler> } {
  const handlers: Record<string, Handler> = {};
  return { rpc: new Rpc(port, handlers), handlers };
}
