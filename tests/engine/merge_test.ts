/**
 * Nobody can tell from an answer whether segments were merged: searches, gets, versions and sequence numbers stay as they
 * were, whatever is written, deleted and flushed meanwhile, and after a reopening.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { ShardStats } from "../../src/engine/messages.ts";
import { inWorld, SETTINGS, type World } from "./world.ts";

const MAPPINGS = {
  properties: {
    "@timestamp": { type: "date" },
    host: { type: "keyword" },
    tags: { type: "keyword" },
    message: { type: "text" },
    n: { type: "long" },
    wide: { type: "long" },
    score: { type: "double" },
    ok: { type: "boolean" },
    ip: { type: "ip" },
  },
};

const WORDS = ["connection", "refused", "timeout", "disk", "full", "retry", "user", "login", "failed", "ok"];

interface Document {
  readonly [field: string]: unknown;
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function randomDocument(random: () => number, n: number): Document {
  const word = () => WORDS[Math.floor(random() * WORDS.length)]!;
  return {
    "@timestamp": new Date(1.7e12 + Math.floor(random() * 1e9)).toISOString(),
    n,
    ...(random() < 0.8 ? { host: `host-${Math.floor(random() * 20)}` } : {}),
    ...(random() < 0.5 ? { tags: Array.from({ length: Math.floor(random() * 4) }, word) } : {}),
    ...(random() < 0.9
      ? { message: Array.from({ length: 1 + Math.floor(random() * 20) }, word).join(" ") + ` id${n}` }
      : {}),
    ...(random() < 0.3 ? { wide: Math.floor(random() * 2 ** 52) } : {}),
    ...(random() < 0.6 ? { score: Math.round(random() * 1000) / 8 } : {}),
    ok: random() < 0.5,
    ...(random() < 0.4 ? { ip: `10.0.${Math.floor(random() * 4)}.${Math.floor(random() * 256)}` } : {}),
  };
}

/** What was written, and with which version. */
class Model {
  readonly documents = new Map<string, Document>();
  readonly #world: World;
  readonly #random: () => number;
  readonly #ids: number;
  #next = 0;

  constructor(world: World, { seed, ids }: { seed: number; ids: number }) {
    this.#world = world;
    this.#random = mulberry32(seed);
    this.#ids = ids;
  }

  async write(operations: number): Promise<void> {
    const lines: unknown[] = [];
    const seen = new Set<string>();
    for (let i = 0; i < operations; i++) {
      const id = `id-${Math.floor(this.#random() * this.#ids)}`;
      if (seen.has(id)) continue;
      seen.add(id);
      if (this.#random() < 0.2) {
        lines.push({ delete: { _id: id } });
        this.documents.delete(id);
      } else {
        const document = randomDocument(this.#random, this.#next++);
        lines.push({ index: { _id: id } }, document);
        this.documents.set(id, document);
      }
    }
    await this.#world.bulk("logs", lines);
  }
}

/** Everything that can be asked, in an order that does not depend on segments. */
async function answers(world: World): Promise<unknown> {
  await world.refresh("logs");
  const ask = async (body: Record<string, unknown>) => {
    const answer = await world.search("logs", { size: 10_000, track_total_hits: true, ...body });
    const { hits, total, ...rest } = answer as unknown as Record<string, unknown>;
    delete (rest as Record<string, unknown>)["took_us"];
    delete (rest as Record<string, unknown>)["took_ms"];
    delete (rest as Record<string, unknown>)["took"];
    delete (rest as Record<string, unknown>)["max_score"];
    const sorted = (hits as { _id: string; _source: unknown; sort?: unknown }[])
      .map(({ _id, _source, sort }) => ({ _id, _source, sort })).sort((a, b) => a._id < b._id ? -1 : 1);
    return { total, hits: sorted, rest };
  };
  return {
    all: await ask({}),
    term: await ask({ query: { term: { host: "host-3" } } }),
    match: await ask({ query: { match: { message: "disk full" } } }),
    phrase: await ask({ query: { match_phrase: { message: "disk full" } } }),
    range: await ask({ query: { range: { n: { gte: 100, lt: 400 } } } }),
    wide: await ask({ query: { range: { wide: { gte: 2 ** 51 } } }, sort: [{ n: "asc" }] }),
    exists: await ask({ query: { exists: { field: "ip" } } }),
    ip: await ask({ query: { term: { ip: "10.0.1.0/24" } } }),
    prefix: await ask({ query: { prefix: { host: "host-1" } } }),
    sorted: await ask({ sort: [{ "@timestamp": "desc" }, { n: "asc" }] }),
    aggs: await ask({
      size: 0,
      aggs: {
        hosts: { terms: { field: "host", size: 100 } },
        tags: { terms: { field: "tags", size: 100, order: { _key: "asc" } } },
        days: { date_histogram: { field: "@timestamp", fixed_interval: "1d" } },
        sum: { sum: { field: "n" } },
        least: { min: { field: "wide" } },
        ok: { terms: { field: "ok" } },
      },
    }),
  };
}

async function versions(world: World, ids: number): Promise<unknown> {
  const names = Array.from({ length: ids }, (_, i) => `id-${i}`);
  const found = await world.engine.get(world.index("logs"), names);
  return found.map((one, i) =>
    one && [names[i], one.seqNo, one.version, new TextDecoder().decode(one.source)]
  );
}

async function checkModel(world: World, { documents }: Model, ids: number): Promise<void> {
  const names = Array.from({ length: ids }, (_, i) => `id-${i}`);
  const found = await world.engine.get(world.index("logs"), names);
  names.forEach((id, i) => {
    const one = found[i];
    assertEquals(one && JSON.parse(new TextDecoder().decode(one.source)), documents.get(id), id);
  });
  await world.refresh("logs");
  const { total } = await world.search("logs", { size: 0, track_total_hits: true });
  assertEquals(total, documents.size);
}

async function stats(world: World): Promise<ShardStats> {
  return (await world.engine.stats())[0]!;
}

async function diskSegments(world: World): Promise<number> {
  return (await stats(world)).segments.filter(({ inMemory }) => !inMemory).length;
}

async function force(world: World, maxSegments: number | undefined, expungeOnly = false): Promise<void> {
  const reports = await world.engine.forceMerge([world.index("logs")], { maxSegments, expungeOnly });
  for (const { failure } of reports) assertEquals(failure, undefined);
}

const IDS = 600;

for (const seed of [1, 2, 3]) {
  Deno.test(`answers are the same before and after merges, seed ${seed}`, async () => {
    await inWorld({}, async (world) => {
      await world.create("logs", { mappings: MAPPINGS });
      const model = new Model(world, { seed, ids: IDS });
      for (let i = 0; i < 12; i++) {
        await model.write(120);
        await world.flush("logs");
      }
      await model.write(100); // Some deletes are in memory alone.
      const before = [await answers(world), await versions(world, IDS)];
      const segments = await diskSegments(world);
      assert(segments >= 8, `${segments} segments`);
      await force(world, 3);
      assertEquals([await answers(world), await versions(world, IDS)], before);
      assert(await diskSegments(world) <= 4);
      await force(world, 1);
      assertEquals(await diskSegments(world), 1);
      assertEquals([await answers(world), await versions(world, IDS)], before);
      await world.reopen();
      assertEquals([await answers(world), await versions(world, IDS)], before);
      await checkModel(world, model, IDS);
    });
  });

  Deno.test(`writes, deletes and flushes during merges are all there, seed ${seed}`, async () => {
    const merge = { ...SETTINGS.merge, minSegments: 2, ioBytesPerSec: 2 << 20 };
    await inWorld({ settings: { merge } }, async (world) => {
      await world.create("logs", { mappings: MAPPINGS });
      const model = new Model(world, { seed: seed + 100, ids: IDS });
      for (let round = 0; round < 30; round++) {
        await model.write(40);
        if (round % 3 !== 1) await world.flush("logs");
        if (round % 7 === 6) await checkModel(world, model, IDS);
      }
      const { merges } = await stats(world);
      assertEquals(merges.failure, undefined);
      assert(merges.total > 3, `${merges.total} merges`);
      await checkModel(world, model, IDS);
      await world.reopen();
      await checkModel(world, model, IDS);
    });
  });

  Deno.test(`a merge that meets deletes, durable and pending, while it is built, seed ${seed}`, async () => {
    await inWorld({}, async (world) => {
      await world.create("logs", { mappings: MAPPINGS });
      const model = new Model(world, { seed: seed + 200, ids: 400 });
      for (let i = 0; i < 4; i++) {
        await model.write(300);
        await world.flush("logs");
      }
      // So slow that everything below happens before its end.
      const slow = { ...SETTINGS, merge: { ...SETTINGS.merge, ioBytesPerSec: 1 << 20 } };
      await world.engine.configure(slow, world.limits);
      const merged = force(world, 1);
      await until(async () => (await stats(world)).merges.running.some(({ started }) => started));
      await model.write(200);
      await world.flush("logs");
      await model.write(200);
      await world.refresh("logs");
      await model.write(100);
      assertEquals((await stats(world)).merges.running.length, 1, "it is still running");
      await world.engine.configure(SETTINGS, world.limits);
      await merged;
      await checkModel(world, model, 400);
      await world.flush("logs");
      await world.reopen();
      await checkModel(world, model, 400);
    });
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 10_000; !(await condition());) {
    assert(performance.now() < end, "it came to pass within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
