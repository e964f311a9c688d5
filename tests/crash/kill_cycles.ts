/**
 * kill -9 at random instants under concurrent bulk, update, delete and flush: every acknowledged operation is there
 * afterwards, every acknowledged delete stays deleted, counts are exact.
 *
 * Each client owns ids of its own and has one request under way, so that what must be true after a kill is known for
 * each id: the state of its last acknowledged operation, or that of the one operation that was not answered.
 *
 * @module
 */
import { type ServerProcess, startServer } from "../support/server.ts";

export interface KillOptions {
  readonly cycles: number;
  readonly seed: number;
  readonly binary?: string;
  readonly log?: (line: string) => void;
  /** Longest time that a server lives, ms. */
  readonly liveMsMax?: number;
  /** Few ids make whole segments die; default 400. */
  readonly idsPerClient?: number;
}

export interface KillReport {
  readonly cycles: number;
  readonly acknowledged: number;
  readonly checkedIds: number;
  readonly missing: number;
  readonly resurrected: number;
  readonly wrong: number;
  readonly countMismatches: number;
}

const INDEX = "crash";
/** Gets documents without ids. */
const LOG_INDEX = "crash-log";
const CLIENTS = 4;
const IDS_PER_CLIENT = 400;
const POLICIES = ["sync", "batched", "async"] as const;

/** Value of an id: undefined is deleted or never written. */
type State = number | undefined;

interface IdModel {
  /** State after the last acknowledged operation. */
  sure: State;
  /** State that an unanswered operation may have led to. */
  maybe: { readonly state: State } | undefined;
}

export async function killCycles(options: KillOptions): Promise<KillReport> {
  const random = mulberry32(options.seed);
  const dataDir = Deno.makeTempDirSync({ prefix: "xerj-kill-" });
  const models = Array.from({ length: CLIENTS }, () => new Map<string, IdModel>());
  const appended: Appended = { sure: new Set(), maybe: new Set() };
  const report = {
    cycles: 0,
    acknowledged: 0,
    checkedIds: 0,
    missing: 0,
    resurrected: 0,
    wrong: 0,
    countMismatches: 0,
  };
  let nextValue = 1;
  try {
    for (let cycle = 0; cycle < options.cycles; cycle++) {
      const policy = POLICIES[cycle % POLICIES.length]!;
      const server = await start(dataDir, policy, options.binary);
      if (cycle > 0) await check(server, { models, appended }, report);
      const stop = { now: false };
      const clients = models.map((model, client) =>
        runClient(server, {
          model,
          client,
          appended,
          ids: options.idsPerClient ?? IDS_PER_CLIENT,
          random,
          stop,
          next: () => nextValue++,
          report,
        })
      );
      const flusher = runFlusher(server, random, stop);
      const liveMs = 20 + random() * (options.liveMsMax ?? 600);
      await new Promise((resolve) => setTimeout(resolve, liveMs));
      await server.kill();
      stop.now = true;
      await Promise.all([...clients, flusher]);
      Deno.removeSync(server.configPath);
      report.cycles++;
      options.log?.(
        `cycle ${cycle + 1}/${options.cycles} ${policy.padEnd(7)} lived ${
          liveMs.toFixed(0)
        } ms, acknowledged ${report.acknowledged}, ` +
          `missing ${report.missing}, resurrected ${report.resurrected}, wrong ${report.wrong}, counts off ${report.countMismatches}`,
      );
    }
    const last = await start(dataDir, "batched", options.binary);
    await check(last, { models, appended }, report);
    await last.kill();
    Deno.removeSync(last.configPath);
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
  return report;
}

function start(dataDir: string, policy: string, binary: string | undefined): Promise<ServerProcess> {
  return startServer({
    dataDir,
    ...(binary === undefined ? {} : { binary }),
    toml:
      `[storage]\nwal_sync = "${policy}"\nwal_max_size_mb = 1\nflush_size_mb = 1\nflush_interval_secs = 1\n` +
      `retain_superseded_secs = 1\n[merge]\nmin_segments = 2\nio_rate_mb_per_sec = 0\n`,
  });
}

/** Documents that the server drew ids for, by their value. */
interface Appended {
  readonly sure: Set<number>;
  /** Sent, but not answered: all or none of a request. */
  readonly maybe: Set<number>;
}

interface Client {
  readonly appended: Appended;
  readonly model: Map<string, IdModel>;
  readonly client: number;
  readonly ids: number;
  readonly random: () => number;
  readonly stop: { now: boolean };
  readonly next: () => number;
  readonly report: { acknowledged: number };
}

async function runClient(server: ServerProcess, options: Client): Promise<void> {
  while (!options.stop.now) {
    try {
      const roll = options.random();
      if (roll < 0.6) await bulk(server, options);
      else if (roll < 0.8) await append(server, options);
      else await single(server, options);
    } catch (error) {
      if (error instanceof TypeError) return; // The server was killed.
      throw error;
    }
  }
}

function pick({ client, ids, random }: Client): string {
  return `c${client}-${Math.floor(random() * ids)}`;
}

function modelOf(model: Map<string, IdModel>, id: string): IdModel {
  let entry = model.get(id);
  if (!entry) model.set(id, entry = { sure: undefined, maybe: undefined });
  return entry;
}

/** A bulk of index, update and delete over distinct ids: all or nothing may be lost when it is not answered. */
async function bulk(server: ServerProcess, options: Client): Promise<void> {
  const { model, random, next, report } = options;
  const planned = new Map<string, State>();
  const lines: string[] = [];
  const size = 1 + Math.floor(random() * 200);
  for (let i = 0; i < size; i++) {
    const id = pick(options);
    if (planned.has(id)) continue;
    const roll = random();
    const value = next();
    if (roll < 0.2) {
      lines.push(`{"delete":{"_id":"${id}"}}`);
      planned.set(id, undefined);
    } else if (roll < 0.4) {
      lines.push(`{"update":{"_id":"${id}"}}`, `{"doc":{"value":${value}},"doc_as_upsert":true}`);
      planned.set(id, value);
    } else {
      lines.push(
        `{"index":{"_id":"${id}"}}`,
        `{"value":${value},"text":"word${value % 97} of document ${id}"}`,
      );
      planned.set(id, value);
    }
  }
  for (const [id, state] of planned) modelOf(model, id).maybe = { state };
  const response = await fetch(`${server.es}/${INDEX}/_bulk`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: lines.join("\n") + "\n",
  });
  const answer = await response.json();
  if (
    response.status !== 200 ||
    (answer.errors &&
      answer.items.some((item: Record<string, { status: number }>) => Object.values(item)[0]!.status >= 405))
  ) {
    throw new Error(`unexpected answer: ${JSON.stringify(answer).slice(0, 500)}`);
  }
  for (const [id, state] of planned) settle(model, id, state);
  report.acknowledged += planned.size;
}

/** A bulk without ids. */
async function append(server: ServerProcess, { appended, random, next, report }: Client): Promise<void> {
  const values = Array.from({ length: 1 + Math.floor(random() * 100) }, next);
  for (const value of values) appended.maybe.add(value);
  const response = await fetch(`${server.es}/${LOG_INDEX}/_bulk`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: values.map((value) => `{"create":{}}\n{"value":${value}}\n`).join(""),
  });
  const answer = await response.json();
  if (response.status !== 200 || answer.errors) {
    throw new Error(`unexpected answer: ${JSON.stringify(answer).slice(0, 500)}`);
  }
  for (const value of values) {
    appended.maybe.delete(value);
    appended.sure.add(value);
  }
  report.acknowledged += values.length;
}

async function single(server: ServerProcess, options: Client): Promise<void> {
  const { model, random, next, report } = options;
  const id = pick(options);
  const value = next();
  const remove = random() < 0.3;
  const state = remove ? undefined : value;
  modelOf(model, id).maybe = { state };
  const response = await fetch(`${server.native}/v1/indices/${INDEX}/docs/${id}`, {
    method: remove ? "DELETE" : "PUT",
    ...(remove ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify({ value }) }),
  });
  const text = await response.text();
  if (response.status >= 405 || response.status === 400) {
    throw new Error(`unexpected answer ${response.status}: ${text}`);
  }
  // 404 with an error: the index does not exist yet.
  settle(model, id, state);
  report.acknowledged++;
}

function settle(model: Map<string, IdModel>, id: string, state: State): void {
  const entry = modelOf(model, id);
  entry.sure = state;
  entry.maybe = undefined;
}

async function runFlusher(
  server: ServerProcess,
  random: () => number,
  stop: { now: boolean },
): Promise<void> {
  while (!stop.now) {
    await new Promise((resolve) => setTimeout(resolve, random() * 150));
    try {
      const path = random() < 0.5 ? `${server.native}/v1/admin/flush` : `${server.es}/_refresh`;
      const response = await fetch(path, { method: "POST" });
      await response.body?.cancel();
    } catch (error) {
      if (error instanceof TypeError) return;
      throw error;
    }
  }
}

/** Compares every document with its model, and the counts. */
async function check(
  server: ServerProcess,
  { models, appended }: { readonly models: readonly Map<string, IdModel>[]; readonly appended: Appended },
  report: {
    checkedIds: number;
    missing: number;
    resurrected: number;
    wrong: number;
    countMismatches: number;
  },
): Promise<void> {
  await (await fetch(`${server.es}/_refresh`, { method: "POST" })).body?.cancel();
  const found = await documentsOf(server, INDEX);
  const stored = new Map(found.documents.map(({ _id, _source }) => [_id, _source.value]));
  if (found.total !== stored.size) report.countMismatches++;
  let expected = 0;
  for (const model of models) {
    for (const [id, entry] of model) {
      report.checkedIds++;
      const found = stored.get(id);
      if (found === entry.sure) entry.maybe = undefined;
      else if (entry.maybe && found === entry.maybe.state) settle(model, id, found);
      else if (found === undefined) report.missing++;
      else if (entry.sure === undefined) report.resurrected++;
      else report.wrong++;
      if (found !== undefined) expected++;
      entry.maybe = undefined;
      entry.sure = found;
    }
  }
  if (expected !== stored.size) report.countMismatches++;
  await checkAppended(server, appended, report);
}

interface StoredDocument {
  readonly _id: string;
  readonly _source: { readonly value: number };
}

/** All documents of an index by value, and the total that a search says. */
async function documentsOf(
  server: ServerProcess,
  index: string,
): Promise<{ readonly documents: StoredDocument[]; readonly total: number }> {
  const documents: StoredDocument[] = [];
  let after: unknown[] | undefined;
  for (;;) {
    const response = await fetch(`${server.es}/${index}/_search`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        size: 5000,
        // A kill may come before the first document, and with it the mapping, was there.
        sort: [{ value: { order: "asc", unmapped_type: "long" } }],
        track_total_hits: true,
        ...(after ? { search_after: after } : {}),
      }),
    });
    const answer = await response.json();
    if (response.status === 404) return { documents, total: 0 };
    if (response.status !== 200) {
      throw new Error(`unexpected answer: ${JSON.stringify(answer).slice(0, 500)}`);
    }
    const { hits, total } = answer.hits;
    documents.push(...hits);
    if (hits.length < 5000) return { documents, total: total.value };
    after = hits.at(-1).sort;
  }
}

/** Every acknowledged value once, none that was not sent. */
async function checkAppended(
  server: ServerProcess,
  { sure, maybe }: Appended,
  report: { checkedIds: number; missing: number; wrong: number; countMismatches: number },
): Promise<void> {
  const { documents, total } = await documentsOf(server, LOG_INDEX);
  const values = new Set(documents.map(({ _source }) => _source.value));
  if (total !== documents.length || values.size !== total) report.countMismatches++;
  for (const value of sure) if (!values.has(value)) report.missing++;
  for (const value of values) if (!sure.has(value) && !maybe.has(value)) report.wrong++;
  report.checkedIds += sure.size;
  for (const value of maybe) if (values.has(value)) sure.add(value);
  maybe.clear();
}

/** A small seeded generator; the seed and the cycle decide everything but the timing. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

if (import.meta.main) {
  const [cycles = "200", binary = "dist/xerj", seed = String(Date.now() % 1_000_000)] = Deno.args;
  const report = await killCycles({
    cycles: Number(cycles),
    seed: Number(seed),
    ...(binary === "source" ? {} : { binary }),
    log: console.log,
  });
  console.log(`seed ${seed}`, report);
  const { missing, resurrected, wrong, countMismatches } = report;
  Deno.exit(missing + resurrected + wrong + countMismatches === 0 ? 0 : 1);
}
