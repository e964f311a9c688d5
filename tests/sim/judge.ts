/**
 * Compares what an opened server answers with what was promised: documents by id, searches, counts, indices.
 *
 * @module
 */
import { utf8Text } from "../../src/base/bytes.ts";
import type { IndexState } from "../../src/engine/index_state.ts";
import { DYNAMIC_FIELDS, type FoundDocument, IDS, type Listing, type ServerModel } from "./model.ts";
import type { SimServer } from "./sim_server.ts";

/** Everything that a server answers about one index. */
export interface FoundIndex {
  readonly state: IndexState;
  readonly shards: readonly {
    readonly documents: ReadonlyMap<string, FoundDocument>;
    readonly upTo: number;
  }[];
  /** Where the server contradicts itself. */
  readonly contradictions: readonly string[];
}

export interface FoundServer {
  readonly indices: readonly FoundIndex[];
  readonly listing: Listing;
}

/** Asks a quiet server for everything. */
export async function lookInto(
  server: SimServer,
  dying: ReadonlySet<string> = new Set(),
): Promise<FoundServer> {
  const { engine, catalog } = server;
  const indices: FoundIndex[] = [];
  const states = engine.indices.all();
  // One whose delete failed half-way may have no shards until the next start.
  for (const state of states) {
    if (!dying.has(state.incarnation)) indices.push(await lookIntoIndex(server, state));
  }
  const alias = Object.keys(catalog.aliases["current"] ?? {})[0];
  return {
    indices,
    listing: { indices: new Map(states.map(({ name, incarnation }) => [name, incarnation])), alias },
  };
}

async function lookIntoIndex(server: SimServer, state: IndexState): Promise<FoundIndex> {
  const { engine } = server;
  const contradictions: string[] = [];
  await engine.refresh([state]);
  const all = await server.search(state.name, { query: { match_all: {} }, size: 10_000 });
  const hits = new Map<string, Record<string, unknown>>();
  for (const { _id, _source } of all.hits) {
    if (hits.has(_id)) contradictions.push(`wrong: ${_id} is found twice`);
    hits.set(_id, _source);
  }
  if (all.total !== all.hits.length) {
    contradictions.push(`wrong: ${all.total} in all, ${all.hits.length} hits`);
  }
  const ids = [...new Set([...IDS, ...hits.keys()])];
  const replies = await engine.get(state, ids);
  const documents = Array.from({ length: state.shards }, () => new Map<string, FoundDocument>());
  ids.forEach((id, i) => {
    const reply = replies[i];
    const source = reply && JSON.parse(utf8Text(reply.source));
    const hit = hits.get(id);
    if (JSON.stringify(source) !== JSON.stringify(hit)) {
      contradictions.push(
        `wrong: get of ${id} brings ${JSON.stringify(source)}, a search ${JSON.stringify(hit)}`,
      );
    }
    if (reply) documents[shardOf(state, id)]!.set(id, { value: source.v, seqNo: reply.seqNo });
  });
  await countFields(server, { state, hits: [...hits.values()], contradictions });
  const stats = (await engine.stats()).filter(({ incarnation }) => incarnation === state.incarnation);
  const live = stats.reduce((sum, { liveDocs }) => sum + liveDocs, 0);
  if (live !== hits.size) contradictions.push(`wrong: ${live} documents are counted, ${hits.size} found`);
  const shards = documents.map((found, shard) => ({
    documents: found,
    upTo: stats.find((one) => one.shard === shard)!.maxSeqNo,
  }));
  return { state, shards, contradictions };
}

/** Fields by the mapping, and terms by the dictionaries. */
async function countFields(
  server: SimServer,
  { state, hits, contradictions }: {
    readonly state: IndexState;
    readonly hits: readonly Record<string, unknown>[];
    readonly contradictions: string[];
  },
): Promise<void> {
  const count = async (query: unknown) => (await server.search(state.name, { query, size: 0 })).total;
  const check = (what: string, found: number, expected: number) => {
    if (found !== expected) contradictions.push(`wrong: ${found} documents have ${what}, not ${expected}`);
  };
  for (const field of DYNAMIC_FIELDS) {
    const expected = hits.filter((source) => source[field] !== undefined).length;
    if (expected === 0) continue;
    check(field, await count({ exists: { field } }), expected);
  }
  const some = hits[0];
  if (some) {
    check(
      `k = ${some["k"]}`,
      await count({ term: { k: some["k"] } }),
      hits.filter(({ k }) => k === some["k"]).length,
    );
  }
}

export function shardOf(state: Pick<IndexState, "shardOf">, id: string): number {
  return state.shardOf(new TextEncoder().encode(id));
}

export interface Promised {
  readonly model: ServerModel;
  /** Highest position promised, by incarnation and shard. */
  readonly floors: ReadonlyMap<string, readonly number[]>;
  /** Index in `model.listings` of the oldest catalogue that may be found. */
  readonly listing: number;
  /** Names of folders that the catalogue found did not list. */
  readonly adopted?: readonly string[];
}

/** What is wrong with a server, by what was promised; [] when nothing is. */
export function judge(found: FoundServer, promised: Promised): string[] {
  return [...judgeListing(found, promised), ...found.indices.flatMap((one) => judgeIndex(one, promised))];
}

export function judgeListing(found: FoundServer, { model, listing, adopted = [] }: Promised): string[] {
  const listings = model.listings.slice(listing);
  // A folder of an index that was made after the catalogue was copied.
  const listed = new Map([...found.listing.indices].filter(([name]) => !adopted.includes(name)));
  const young = adopted.length > 0 ? { ...found.listing, indices: listed } : found.listing;
  const isKnown = [found.listing, young].some((one) =>
    listings.some((known) => sameListing(known, one)) || isPending(model, one)
  );
  if (isKnown) return [];
  return [`wrong: the catalogue lists ${show(found.listing)}, not ${listings.map(show).join(" or ")}`];
}

export function judgeIndex(
  { state, shards, contradictions }: FoundIndex,
  { model, floors }: Promised,
): string[] {
  const problems = contradictions.map((text) => `${text} [${state.name}]`);
  const known = model.indices.get(state.incarnation);
  shards.forEach(({ documents, upTo }, shard) => {
    const where = ` [${state.name}/${shard} up to ${upTo}]`;
    const modelled = known?.shards[shard];
    if (!modelled) {
      if (documents.size > 0) {
        problems.push(`resurrected: ${documents.size} documents of an unknown index${where}`);
      }
      return;
    }
    const floor = floors.get(state.incarnation)?.[shard] ?? -1;
    if (upTo < floor) problems.push(`lost: everything behind ${upTo}, though ${floor} was promised${where}`);
    problems.push(...modelled.problems(documents, upTo).map((text) => text + where));
  });
  return problems;
}

function sameListing(a: Listing, b: Listing): boolean {
  return a.alias === b.alias && a.indices.size === b.indices.size &&
    [...a.indices].every(([name, incarnation]) => b.indices.get(name) === incarnation);
}

/** The newest listing with the change that was never answered. */
function isPending({ listing, pending, indices }: ServerModel, found: Listing): boolean {
  if (!pending) return false;
  const { name } = pending;
  const changed = new Map(listing.indices);
  let { alias } = listing;
  if (pending.kind === "create") {
    const incarnation = found.indices.get(name);
    if (incarnation === undefined || indices.has(incarnation)) return false;
    changed.set(name, incarnation);
  } else if (pending.kind === "delete") {
    changed.delete(name);
    if (alias === name) alias = undefined;
  } else alias = name;
  return sameListing({ indices: changed, alias }, found);
}

function show({ indices, alias }: Listing): string {
  const names = [...indices].map(([name, incarnation]) => `${name}:${incarnation.slice(0, 4)}`).sort();
  return `{${names.join(" ")}${alias === undefined ? "" : ` current=${alias}`}}`;
}

/** After a crash: the model goes on from what was found. */
export function settle(model: ServerModel, found: FoundServer): void {
  if (!sameListing(model.listing, found.listing)) {
    const { pending } = model;
    if (pending?.kind === "create") {
      const state = found.indices.find(({ state: { name } }) => name === pending.name)!.state;
      model.created(pending.name, state);
    } else if (pending?.kind === "delete") model.deleted(pending.name);
    else if (pending?.kind === "alias") model.aliased(pending.name);
  }
  model.pending = undefined;
  model.dying.clear();
  for (const { state, shards } of found.indices) {
    shards.forEach(({ documents, upTo }, shard) =>
      model.indices.get(state.incarnation)?.shards[shard]?.settle(documents, upTo)
    );
  }
}
