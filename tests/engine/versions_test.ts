/**
 * Versions, sequence numbers and conflicts, in Elasticsearch's numbers and words, wherever the newest version lies.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import type { WriteCall } from "../../src/engine/messages.ts";
import { inWorld, type World } from "./world.ts";

/** Where a document may be when the next write comes for it. */
const PLACES: Readonly<Record<string, (world: World) => Promise<void>>> = {
  "in the memtable": () => Promise.resolve(),
  "in a segment in memory": (world) => world.refresh("logs"),
  "in a segment on disk": (world) => world.flush("logs"),
  "in a reopened server": (world) => world.reopen(),
};

async function conflict(work: Promise<unknown>, reason: string): Promise<void> {
  const error = await assertRejects(() => work, RequestError) as RequestError;
  assertEquals([error.status, error.type, error.message], [
    409,
    "version_conflict_engine_exception",
    reason,
  ]);
}

for (const [place, move] of Object.entries(PLACES)) {
  Deno.test(`versions and sequence numbers go on with the document ${place}`, async () => {
    await inWorld({}, async (world) => {
      await world.create("logs");
      const put = (n: number, options: Partial<WriteCall> = {}) => world.write("logs", "a", { n }, options);
      const seen = async (reply: Promise<{ result: string; version: number; seqNo: number }>) => {
        const { result, version, seqNo } = await reply;
        return [result, version, seqNo];
      };
      assertEquals(await seen(put(1)), ["created", 1, 0]);
      await move(world);
      assertEquals(await seen(put(2)), ["updated", 2, 1]);
      await move(world);
      await conflict(
        put(3, { action: "create" }),
        "[a]: version conflict, document already exists (current version [2])",
      );
      await conflict(
        put(3, { ifSeqNo: 0, ifPrimaryTerm: 1 }),
        "[a]: version conflict, required seqNo [0], primary term [1]. current document has seqNo [1] and primary term [1]",
      );
      await conflict(
        put(3, { ifSeqNo: 1, ifPrimaryTerm: 2 }),
        "[a]: version conflict, required seqNo [1], primary term [2]. current document has seqNo [1] and primary term [1]",
      );
      assertEquals(await seen(put(3, { ifSeqNo: 1, ifPrimaryTerm: 1 })), ["updated", 3, 2]);
      await move(world);
      assertEquals(await seen(world.delete("logs", "a")), ["deleted", 4, 3]);
      await conflict(
        put(9, { ifSeqNo: 3, ifPrimaryTerm: 1 }),
        "[a]: version conflict, required seqNo [3], primary term [1]. but no document was found",
      );
      assertEquals(await seen(put(4)), ["created", 5, 4]);
      assertEquals(await world.get("logs", "a"), { n: 4 });
    });
  });

  Deno.test(`external versions only go up with the document ${place}`, async () => {
    await inWorld({}, async (world) => {
      await world.create("logs");
      const put = (version: number, versionType: WriteCall["versionType"] = "external") =>
        world.write("logs", "a", { version }, { version, versionType });
      assertEquals((await put(5)).version, 5);
      await move(world);
      await conflict(
        put(5),
        "[a]: version conflict, current version [5] is higher or equal to the one provided [5]",
      );
      await conflict(
        put(4, "external_gte"),
        "[a]: version conflict, current version [5] is higher than the one provided [4]",
      );
      assertEquals((await put(5, "external_gte")).version, 5);
      assertEquals((await put(1_000_000_000_000)).version, 1_000_000_000_000);
      await move(world);
      assertEquals((await world.write("logs", "a", { n: 1 })).version, 1_000_000_000_001);
      const gone = await world.delete("logs", "a", { version: 2_000_000_000_000, versionType: "external" });
      assertEquals([gone.result, gone.version], ["deleted", 2_000_000_000_000]);
      await conflict(
        put(7),
        "[a]: version conflict, current version [2000000000000] is higher or equal to the one provided [7]",
      );
    });
  });

  Deno.test(`partial updates with the document ${place}`, async () => {
    await inWorld({}, async (world) => {
      await world.create("logs");
      await world.write("logs", "a", { n: 1, big: 1 });
      await move(world);
      const update = (body: unknown) => world.write("logs", "a", body, { action: "update" });
      const noop = await update({ doc: { n: 1 } });
      assertEquals([noop.result, noop.version, noop.seqNo], ["noop", 1, 0]);
      const changed = await update({ doc: { m: { x: 2 } } });
      assertEquals([changed.result, changed.version, changed.seqNo], ["updated", 2, 1]);
      assertEquals(await world.get("logs", "a"), { n: 1, big: 1, m: { x: 2 } });
      const missing = await assertRejects(
        () => world.write("logs", "b", { doc: { n: 1 } }, { action: "update" }),
        RequestError,
      ) as RequestError;
      assertEquals([missing.status, missing.type, missing.message], [
        404,
        "document_missing_exception",
        "[b]: document missing",
      ]);
      const upserted = await world.write("logs", "b", { doc: { n: 1 }, upsert: { n: 7 } }, {
        action: "update",
      });
      assertEquals([upserted.result, upserted.version], ["created", 1]);
      assertEquals(await world.get("logs", "b"), { n: 7 });
    });
  });
}

Deno.test("of concurrent creates of one id one wins; of concurrent conditional writes one wins", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    const creates = await Promise.allSettled(
      Array.from({ length: 8 }, (_, n) => world.write("logs", "a", { n }, { action: "create" })),
    );
    assertEquals(creates.filter(({ status }) => status === "fulfilled").length, 1);
    const writes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, n) => world.write("logs", "a", { n }, { ifSeqNo: 0, ifPrimaryTerm: 1 })),
    );
    assertEquals(writes.filter(({ status }) => status === "fulfilled").length, 1);
  });
});

Deno.test("a document under an id that the server drew is found, changed and deleted by it at once", async () => {
  await inWorld({}, async (world) => {
    await world.create("logs");
    const single = await world.write("logs", undefined, { n: 1 });
    const [bulk] = await world.bulk("logs", [{ index: {} }, { n: 2 }]);
    assertEquals(await world.get("logs", single.id), { n: 1 });
    assertEquals(await world.get("logs", bulk!._id), { n: 2 });
    await conflict(
      world.write("logs", bulk!._id, { n: 3 }, { action: "create" }),
      `[${bulk!._id}]: version conflict, document already exists (current version [1])`,
    );
    const updated = await world.write("logs", single.id, { n: 4 }, { ifSeqNo: 0, ifPrimaryTerm: 1 });
    assertEquals([updated.result, updated.version], ["updated", 2]);
    assertEquals((await world.delete("logs", bulk!._id)).result, "deleted");
    await world.refresh("logs");
    const { hits } = await world.search("logs");
    assertEquals(hits.map(({ _id, _source }) => [_id, _source["n"]]), [[single.id, 4]]);
  });
});
