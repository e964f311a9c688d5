/**
 * Indices that come, grow and go while documents pour in.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { inWorld, type World } from "./world.ts";

function bulkOf(index: string, round: number, fields: (i: number) => Record<string, unknown>): unknown[] {
  return Array.from({ length: 50 }, (_, i) => [{ index: { _index: index, _id: `${round}-${i}` } }, fields(i)])
    .flat();
}

async function count(world: World, name: string): Promise<number> {
  await world.refresh(name);
  return (await world.search(name, { size: 0, track_total_hits: true })).total;
}

Deno.test("mappings grow by many writers at once: every field is there once, and after a restart", async () => {
  await inWorld({ writers: 3 }, async (world) => {
    await world.create("logs", { settings: { number_of_shards: 5 } });
    await Promise.all(Array.from({ length: 6 }, async (_, writer) => {
      for (let round = 0; round < 5; round++) {
        const items = await world.bulk(
          undefined,
          bulkOf(
            "logs",
            writer * 100 + round,
            (i) => ({ [`f${(writer + round + i) % 40}`]: i, common: "x" }),
          ),
        );
        assertEquals(items.filter(({ status }) => status !== 201), []);
      }
    }));
    const fields = () =>
      Object.keys(
        (world.index("logs").mapping.toJson() as { properties: Record<string, unknown> }).properties,
      ).sort();
    const before = fields();
    assertEquals(before.length, 41);
    assertEquals(await count(world, "logs"), 6 * 5 * 50);
    await world.reopen();
    assertEquals(fields(), before);
    assertEquals(await count(world, "logs"), 6 * 5 * 50);
  });
});

Deno.test("bulks that grow mappings and make indices, while those are deleted: nothing waits for ever", async () => {
  await inWorld({ writers: 2 }, async (world) => {
    const names = ["a", "b", "c"];
    let over = false;
    const write = async (writer: number) => {
      for (let round = 0; round < 12; round++) {
        const lines = names.flatMap((_, n) =>
          bulkOf(names[(writer + n) % 3]!, writer * 1000 + round, (i) => ({ [`f${(i + round) % 9}`]: i }))
        );
        for (const { status, error } of await world.bulk(undefined, lines)) {
          const fine = status === 201 || status === 200 || error?.type === "index_not_found_exception";
          assert(fine, `${status} ${JSON.stringify(error)}`);
        }
      }
    };
    const remove = async () => {
      while (!over) {
        for (const name of names) {
          const state = world.engine.indices.get(name);
          if (state) await world.engine.indices.delete(state);
          await new Promise((resolve) => setTimeout(resolve, 3));
        }
      }
    };
    const removing = remove();
    await Promise.all([write(0), write(1), write(2)]);
    over = true;
    await removing;
    await world.reopen();
    for (const name of names) {
      if (world.engine.indices.get(name)) await count(world, name);
    }
  });
});

Deno.test("an index of a deleted one's name has none of its documents, mappings, versions", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    for (let life = 1; life <= 3; life++) {
      await world.write("logs", "a", { [`only${life}`]: life });
      await world.write("logs", `b${life}`, { n: life });
      if (life % 2 === 1) await world.flush("logs");
      await world.engine.indices.delete(world.index("logs"));
      const gone = await assertRejects(() => world.get("logs", "a"), RequestError) as RequestError;
      assertEquals([gone.status, gone.type], [404, "index_not_found_exception"]);
      await world.create("logs");
      assertEquals(await world.get("logs", "a"), undefined);
      assertEquals(await count(world, "logs"), 0);
      if (life === 2) await world.reopen();
      const { version, seqNo } = await world.write("logs", "a", { n: 1 });
      assertEquals([version, seqNo], [1, 0]);
      const properties = (world.index("logs").mapping.toJson() as { properties: object }).properties;
      assertEquals(Object.keys(properties), ["n"]);
    }
    await world.reopen();
    assertEquals(await count(world, "logs"), 1);
    assertEquals(await world.get("logs", "b3"), undefined);
  });
});

Deno.test("a refresh that waits while its index is deleted publishes nothing", async () => {
  await inWorld({}, async (world) => {
    const { incarnation } = await world.create("logs");
    await world.write("logs", "a", { n: 1 });
    await world.flush("logs");
    await world.write("logs", "b", { n: 2 });
    const index = world.index("logs");
    const deleted = world.engine.indices.delete(index);
    // Searchers would look at memory that the writer gives back.
    await Promise.all([deleted, world.engine.refresh([index])]);
    assertEquals(world.engine.snapshots.current(incarnation, 0), undefined);
  });
});

Deno.test("a flush that waits while its index is deleted leaves the files of the next one of that name alone", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    await world.write("logs", "a", { n: 1 });
    await world.flush("logs");
    await world.write("logs", "b", { n: 2 });
    const index = world.index("logs");
    const deleted = world.engine.indices.delete(index);
    const flushed = world.engine.flush([index]);
    await Promise.all([deleted.then(() => world.create("logs")), flushed]);
    await world.reopen();
    assertEquals((await world.search("logs")).hits, []);
  });
});

Deno.test("a deleted index stays deleted after a restart", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    await world.write("logs", "a", { n: 1 });
    await world.engine.indices.delete(world.index("logs"));
    await world.reopen();
    assertEquals(world.engine.indices.names(), []);
  });
});

Deno.test("an index exists once; a second create is refused, one by a document is not", async () => {
  await inWorld({}, async (world) => {
    const made = await Promise.allSettled(Array.from({ length: 4 }, () => world.create("logs")));
    assertEquals(made.filter(({ status }) => status === "fulfilled").length, 1);
    const states = await Promise.all(Array.from({ length: 4 }, () => world.engine.writeIndex("auto")));
    assertEquals(new Set(states).size, 1);
    const error = await assertRejects(() => world.create("logs"), RequestError) as RequestError;
    assertEquals([error.status, error.type], [400, "resource_already_exists_exception"]);
  });
});

Deno.test("a mapping that a client asks for is durable without a document", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    await world.engine.indices.putMapping(world.index("logs"), { properties: { host: { type: "keyword" } } });
    await world.reopen();
    assertEquals(world.index("logs").mapping.toJson(), { properties: { host: { type: "keyword" } } });
  });
});
