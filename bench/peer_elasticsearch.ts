/**
 * A real Elasticsearch as a peer, where Java and Maven are there.
 *
 * @module
 */
import { freePort } from "../tests/support/server.ts";

const START = new URL("../../shared/peers/elasticsearch/start.sh", import.meta.url).pathname;

export interface Elasticsearch {
  readonly origin: string;
  readonly directory: string;
  stop(): Promise<void>;
}

/** Starts one and waits until it answers; undefined where it cannot be had. */
export async function startElasticsearch(heap: string): Promise<Elasticsearch | undefined> {
  for (const path of [START, "/usr/bin/env"]) if (!exists(path)) return undefined;
  if (!hasCommand("mvn") || !hasCommand("java")) return undefined;
  const directory = Deno.env.get("XERJ_BENCH_ES_DIR") ?? Deno.makeTempDirSync({ prefix: "xerj-bench-es-" });
  const port = freePort();
  const child = new Deno.Command(START, {
    args: [directory, String(port), heap],
    stdout: "null",
    stderr: "null",
    stdin: "null",
  }).spawn();
  const origin = `http://127.0.0.1:${port}`;
  const exited = child.status;
  const stop = async () => {
    try {
      child.kill("SIGTERM");
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error; // Already gone.
    }
    await exited;
    if (!Deno.env.get("XERJ_BENCH_ES_DIR")) Deno.removeSync(directory, { recursive: true });
  };
  const until = performance.now() + 180_000;
  let gone = false;
  exited.then(() => gone = true);
  while (performance.now() < until && !gone) {
    try {
      const response = await fetch(`${origin}/_cluster/health`);
      await response.body?.cancel();
      if (response.ok) return { origin, directory, stop };
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  await stop();
  return undefined;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function hasCommand(name: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((directory) => exists(`${directory}/${name}`));
}
