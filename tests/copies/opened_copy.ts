/**
 * Opens a copy, as a linked clone, with a server of its own, and reads everything in it.
 *
 * @module
 */
import { type ServerProcess, startServer } from "../support/server.ts";
import { INDEX } from "./load.ts";
import { judge, type Model, type Moment, type Verdict } from "./model.ts";
import { remove, run } from "./tools.ts";

export type Outcome =
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "opened"; readonly verdict: Verdict; readonly instance: string };

export interface JudgeOptions {
  readonly ids: number;
  readonly floor: Moment;
  readonly ceiling: ReturnType<Model["ceiling"]>;
  /** Write to the clone too, and look whether the copy has changed by that. */
  readonly write?: boolean;
  readonly binary?: string;
}

/** Few threads: the server that is copied needs the machine too. */
const TOML = "[threads]\nwriters = 1\nsearchers = 1\n[storage]\nflush_interval_secs = 3600\n";
const PAGE = 10_000;
/** Whatever is asked of a copy's server is answered by then. */
const ANSWER_MS_MAX = 120_000;

/** Judges what a copy holds. The copy itself is not changed: a linked clone of it is opened. */
export async function judgeCopy(copy: string, options: JudgeOptions): Promise<Outcome> {
  const clone = `${copy}.clone`;
  remove(clone);
  run(`cp -al ${copy} ${clone} && rm -f ${clone}/LOCK`);
  const before = options.write ? listing(copy) : "";
  const server = await startServer({
    dataDir: clone,
    toml: TOML,
    waitReady: false,
    ...(options.binary === undefined ? {} : { binary: options.binary }),
  });
  try {
    const refusal = await opened(server);
    if (refusal !== undefined) return { kind: "refused", reason: refusal };
    const { found, wrongCounts } = await readAll(server, options.ids);
    const verdict = judge(found, options.floor, options.ceiling);
    const instance = (await get(`${server.es}/`))["cluster_uuid"];
    if (options.write) await write(server);
    await server.kill();
    if (options.write && listing(copy) !== before) {
      throw new Error("the copy changed when its clone was written to");
    }
    return { kind: "opened", verdict: { ...verdict, wrongCounts }, instance };
  } finally {
    await server.kill();
    server.remove();
    remove(clone);
  }
}

/** Why the server ended instead of getting ready; undefined: it is ready. */
async function opened(server: ServerProcess): Promise<string | undefined> {
  try {
    await server.ready(120_000);
    return undefined;
  } catch (error) {
    const lines = server.log.trim().split("\n");
    const reason = lines.findLast((line) => /Cannot|refus|fatal|error/i.test(line)) ?? lines.at(-1) ?? "";
    if (server.alive) throw error;
    return reason;
  }
}

/** Operation number of each id's document, 0: none. */
export async function readAll(
  server: ServerProcess,
  ids: number,
  index = INDEX,
): Promise<{ readonly found: Uint32Array; readonly wrongCounts: number }> {
  const found = new Uint32Array(ids);
  let documents = 0;
  let total = 0;
  let after: unknown[] | undefined;
  for (;;) {
    const { hits } = await get(`${server.es}/${index}/_search`, {
      size: PAGE,
      sort: [{ v: "asc" }],
      track_total_hits: true,
      ...(after ? { search_after: after } : {}),
    });
    total = hits.total.value;
    for (const { _id, _source: { v, k } } of hits.hits) {
      if (String(k) !== _id) throw new Error(`document ${_id} says that it is ${k}`);
      if (found[k] !== 0) throw new Error(`two documents with the id ${_id}`);
      found[k] = v;
    }
    documents += hits.hits.length;
    if (hits.hits.length < PAGE) break;
    after = hits.hits.at(-1).sort;
  }
  const { count } = await get(`${server.es}/${index}/_count`);
  return { found, wrongCounts: (total === documents ? 0 : 1) + (count === documents ? 0 : 1) };
}

async function write(server: ServerProcess): Promise<void> {
  const path = `${server.native}/v1/indices/${INDEX}/docs/probe`;
  const headers = { "content-type": "application/json" };
  const put = await fetch(path, { method: "PUT", headers, body: '{"v":1,"k":0}', signal: deadline() });
  if (put.status !== 201) throw new Error(`cannot write to the copy: ${await put.text()}`);
  await put.body?.cancel();
  const flush = await fetch(`${server.native}/v1/admin/flush`, { method: "POST", signal: deadline() });
  if (flush.status !== 200) throw new Error(`cannot flush the copy: ${await flush.text()}`);
  await flush.body?.cancel();
  await get(path);
}

/** Throws in whoever waits, so that a server that hangs is a failure and no silence. */
function deadline(): AbortSignal {
  return AbortSignal.timeout(ANSWER_MS_MAX);
}

// deno-lint-ignore no-explicit-any
async function get(url: string, body?: unknown): Promise<any> {
  const signal = deadline();
  const response = await fetch(
    url,
    body === undefined ? { signal } : {
      signal,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    },
  );
  const answer = await response.json();
  if (response.status !== 200) throw new Error(`${url}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Names, sizes and modification times of everything below a directory. */
function listing(path: string): string {
  return run(`cd ${path} && find . -type f -printf '%p %s %T@\\n' | sort`);
}
