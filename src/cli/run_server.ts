/**
 * The life of a server process: start, signals, end.
 *
 * @module
 */
import { CorruptionError, IoError, RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/error.ts";
import type { ThreadFactory, ThreadStart } from "../engine/threads.ts";
import { onSignal } from "../os/signals.ts";
import { OpenRefusedError } from "../wal/refused.ts";
import { serve, type Server } from "./serve.ts";

/** Exit codes: 0 after a clean stop, 1 when something could not be closed cleanly or died, 2 when the start failed. */
const EXIT_CLEAN = 0;
const EXIT_UNCLEAN = 1;
const EXIT_REFUSED = 2;

export interface RunOptions {
  readonly config: Config;
  readonly reread: () => Config;
  readonly log: Logger;
}

/** Runs until SIGTERM or SIGINT. @returns The exit code. */
export function runServer({ config, reread, log }: RunOptions): Promise<number> {
  return new Promise((resolve) => {
    let server: Server | undefined;
    let ending = false;
    let isReady = false;
    const refuse = (error: unknown) => {
      if (ending) return;
      ending = true;
      log.error("the server cannot go on", describe(error));
      resolve(EXIT_REFUSED);
    };
    const die = (error: Error) => {
      if (ending) return;
      ending = true;
      log.error("a thread died; the log holds every acknowledged write", describe(error));
      resolve(EXIT_UNCLEAN);
    };
    const stop = (signal: string) => {
      // A second signal does not wait.
      if (ending) return resolve(EXIT_UNCLEAN);
      ending = true;
      log.info("stopping", { signal });
      // While logs are replayed there is nothing to finish: what an interrupted start has written, the next one takes up.
      const begun = server && isReady ? server.stop() : Promise.resolve(true);
      begun.then((clean) => {
        log.info("stopped", { clean });
        resolve(clean ? EXIT_CLEAN : EXIT_UNCLEAN);
      }, (error) => {
        log.error("stopping failed; the log still holds every acknowledged write", describe(error));
        resolve(EXIT_UNCLEAN);
      });
    };
    onSignal("SIGTERM", () => stop("SIGTERM"));
    onSignal("SIGINT", () => stop("SIGINT"));
    onSignal("SIGHUP", () => {
      server?.reload().catch((error) => log.error("the configuration was not reloaded", describe(error)));
    });
    try {
      server = serve({ config, reread, log, factory: workerThreads, onFatal: die });
      server.ready.then(() => isReady = true, refuse);
    } catch (error) {
      refuse(error);
    }
  });
}

/** Worker entry files; `scripts/compile.ts` includes them in the executable. */
const ENTRIES = {
  writer: () =>
    new Worker(new URL("../workers/writer.ts", import.meta.url), { type: "module", name: "writer" }),
  searcher: () =>
    new Worker(new URL("../workers/searcher.ts", import.meta.url), { type: "module", name: "searcher" }),
  merger: () =>
    new Worker(new URL("../workers/merger.ts", import.meta.url), { type: "module", name: "merger" }),
  shipper: () =>
    new Worker(new URL("../workers/shipper.ts", import.meta.url), { type: "module", name: "shipper" }),
  hydrator: () =>
    new Worker(new URL("../workers/hydrator.ts", import.meta.url), { type: "module", name: "hydrator" }),
  driller: () =>
    new Worker(new URL("../workers/driller.ts", import.meta.url), { type: "module", name: "driller" }),
} as const;

const workerThreads: ThreadFactory = (start: ThreadStart, onError) => {
  const worker = ENTRIES[start.kind]();
  worker.onerror = (event) => {
    event.preventDefault();
    onError(new Error(`${start.kind} thread ${start.number} died: ${event.message}`));
  };
  worker.postMessage(start);
  return { port: worker, terminate: () => worker.terminate() };
};

/** What an operator needs of an error: what, where, what to do. A stack only of our own mistakes. */
function describe(error: unknown): Record<string, unknown> {
  if (error instanceof ConfigError) return { reason: error.message };
  if (error instanceof OpenRefusedError) {
    return {
      reason: error.message,
      code: error.code,
      next: "nothing on disk was changed; see docs/operations.md",
    };
  }
  if (error instanceof CorruptionError) {
    const { file, offset, message } = error;
    return {
      reason: message,
      file,
      offset: offset < 0 ? undefined : offset,
      next: "nothing on disk was changed; restore the file from a backup",
    };
  }
  if (error instanceof IoError) return { reason: error.message, code: error.code };
  if (error instanceof RequestError) return { reason: error.message, type: error.type };
  return {
    reason: error instanceof Error ? error.message : String(error),
    stack: error instanceof Error ? error.stack : undefined,
  };
}
