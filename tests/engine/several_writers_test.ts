/**
 * One bulk request over several writers and shards: every operation is done once, answered in its place.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { joinBulkReplies } from "../../src/engine/bulk_join.ts";
import type { BulkReply } from "../../src/engine/messages.ts";
import { type BulkItemAnswer, inWorld, shared, type World } from "./world.ts";

const DOCUMENTS = 500;

function reply(items: readonly (readonly [number, string])[], errors = false): BulkReply {
  let text = "";
  const ends: number[] = [];
  for (const [, item] of items) ends.push((text += item).length);
  return {
    items: utf8(text),
    ends: Uint32Array.from(ends),
    positions: Uint32Array.from(items.map(([position]) => position)),
    itemCount: items.length,
    errors,
    touched: [],
  };
}

Deno.test("items of several writers are joined by position", () => {
  const joined = joinBulkReplies([
    reply([[0, "a"], [3, "dd"]]),
    reply([]),
    reply([[1, "bbb"], [2, "c"]], true),
  ]);
  assertEquals(utf8Text(joined.items), "a,bbb,c,dd");
  assertEquals([joined.itemCount, joined.errors], [4, true]);
  const none = joinBulkReplies([reply([]), reply([])]);
  assertEquals([none.items.length, none.itemCount], [0, 0]);
});

Deno.test("an operation that no writer did is our mistake, not a silent gap", () => {
  assertThrows(() => joinBulkReplies([reply([[0, "a"]]), reply([[2, "c"]])]), Error);
});

async function inSeveral(test: (world: World) => Promise<void>): Promise<void> {
  await inWorld({ writers: 3 }, async (world) => {
    await world.create("logs", { settings: { number_of_shards: 5 } });
    await test(world);
  });
}

function expectCreated(items: readonly BulkItemAnswer[]): void {
  assertEquals(items.filter(({ status, result }) => status !== 201 || result !== "created"), []);
}

async function total(world: World): Promise<number> {
  await world.refresh("logs");
  const { total, hits } = await world.search("logs", { size: 2000, track_total_hits: true });
  assertEquals(hits.length, total);
  assertEquals(new Set(hits.map(({ _id }) => _id)).size, total);
  return total;
}

Deno.test("bulk with ids over 3 writers and 5 shards: found by id and by search, also after a restart", async () => {
  await inSeveral(async (world) => {
    const lines = Array.from(
      { length: DOCUMENTS },
      (_, i) => [{ index: { _id: `id-${i}` } }, { n: i, host: `h${i % 7}` }],
    ).flat();
    const items = await world.bulk("logs", lines);
    expectCreated(items);
    assertEquals(items.map(({ _id }) => _id), Array.from({ length: DOCUMENTS }, (_, i) => `id-${i}`));
    const check = async () => {
      assertEquals(await total(world), DOCUMENTS);
      for (let i = 0; i < DOCUMENTS; i += 13) {
        assertEquals(await world.get("logs", `id-${i}`), { n: i, host: `h${i % 7}` });
      }
      const { total: some } = await world.search("logs", { query: { term: { "host.keyword": "h3" } } });
      assertEquals(some, Math.ceil((DOCUMENTS - 3) / 7));
    };
    await check();
    await world.reopen();
    await check();
  });
});

Deno.test("bulk without ids over 3 writers: every document goes in once, to the shard of the id drawn for it", async () => {
  await inSeveral(async (world) => {
    const lines = Array.from({ length: DOCUMENTS }, (_, i) => [{ index: {} }, { n: i }]).flat();
    const items = await world.bulk("logs", lines);
    expectCreated(items);
    assertEquals(new Set(items.map(({ _id }) => _id)).size, DOCUMENTS);
    assertEquals(await total(world), DOCUMENTS);
    // Answers are in request order: the id in place i is that of document i.
    for (let i = 0; i < DOCUMENTS; i += 17) {
      assertEquals(await world.get("logs", items[i]!._id), { n: i });
    }
    const stats = await world.engine.stats();
    assertEquals(stats.length, 5);
    assert(stats.every(({ liveDocs }) => liveDocs === DOCUMENTS / 5), "no id: spread by position");
  });
});

Deno.test("deletes, updates, conflicts and refused names keep their places among several writers", async () => {
  await inSeveral(async (world) => {
    await world.bulk("logs", [{ index: { _id: "a" } }, { n: 1 }, { index: { _id: "b" } }, { n: 2 }]);
    const items = await world.bulk("logs", [
      { delete: { _id: "a" } },
      { create: { _id: "b" } },
      { n: 3 },
      { index: { _index: "_no", _id: "x" } },
      { n: 4 },
      { update: { _id: "b" } },
      { doc: { m: 5 } },
      { update: { _id: "nope" } },
      { doc: { m: 6 } },
      { index: { _index: "other", _id: "c" } },
      { n: 7 },
      { delete: { _id: "never" } },
    ]);
    assertEquals(items.map(({ status, _id, _index, error }) => [status, _index, _id, error?.type]), [
      [200, "logs", "a", undefined],
      [409, "logs", "b", "version_conflict_engine_exception"],
      [400, "_no", "x", "invalid_index_name_exception"],
      [200, "logs", "b", undefined],
      [404, "logs", "nope", "document_missing_exception"],
      [201, "other", "c", undefined],
      [404, "logs", "never", undefined],
    ]);
    assertEquals(await world.get("logs", "b"), { n: 2, m: 5 });
    assertEquals(await world.get("other", "c"), { n: 7 });
    assertEquals(await total(world), 1);
  });
});

Deno.test("a stream's lines go in once each over several writers, bad ones by number", async () => {
  await inSeveral(async (world) => {
    const lines = Array.from({ length: DOCUMENTS }, (_, i) => i % 50 === 10 ? "{broken" : `{"n":${i}}`);
    const answer = await world.engine.ingest(world.index("logs"), {
      lines: shared(lines.join("\n")),
      firstLine: 1,
      idField: undefined,
      maxErrors: 100,
    });
    assertEquals([answer.indexed, answer.failed], [DOCUMENTS - 10, 10]);
    assertEquals(answer.errors.map(({ line }) => line), [11, 61, 111, 161, 211, 261, 311, 361, 411, 461]);
    assertEquals(await total(world), DOCUMENTS - 10);
  });
});

Deno.test("a stream with an id field: the last line of an id counts, on whichever writer its shard is", async () => {
  await inSeveral(async (world) => {
    const lines = Array.from({ length: DOCUMENTS }, (_, i) => `{"key":"k${i % 100}","n":${i}}`);
    const answer = await world.engine.ingest(world.index("logs"), {
      lines: shared(lines.join("\n")),
      firstLine: 1,
      idField: "key",
      maxErrors: 100,
    });
    assertEquals([answer.indexed, answer.failed], [DOCUMENTS, 0]);
    assertEquals(await total(world), 100);
    for (let k = 0; k < 100; k += 9) {
      assertEquals((await world.get("logs", `k${k}`))?.["n"], DOCUMENTS - 100 + k);
    }
  });
});
