/** What every store promises, tried on each. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { ObjectStore } from "../../src/objectstore/store.ts";
import {
  collect,
  failureOf,
  namesOf,
  noise,
  noS3,
  sha256,
  sourceOf,
  text,
  withBucket,
  withDirectory,
} from "./stores.ts";

async function promises(store: ObjectStore, test: Deno.TestContext): Promise<void> {
  await test.step("what is not there is undefined, not an error, but for a stream", async () => {
    assertEquals([await store.head("no/thing"), await store.get("no/thing")], [undefined, undefined]);
    assertEquals((await failureOf(collect(store.stream("no/thing")))).kind, "missing");
    assertEquals(await namesOf(store), []);
  });

  await test.step("what was put is there, under one etag", async () => {
    const etag = await store.put("one/a", text("hello"));
    const found = await store.get("one/a");
    assertEquals([found?.bytes, found?.etag], [text("hello"), etag]);
    const info = await store.head("one/a");
    assertEquals([info?.name, info?.sizeBytes, info?.etag], ["one/a", 5, etag]);
    assert(Math.abs((info?.modifiedMs ?? 0) - Date.now()) < 60_000);
    assertNotEquals(await store.put("one/a", text("hullo")), etag);
    await store.put("one/empty", new Uint8Array(0));
    assertEquals((await store.get("one/empty"))?.bytes.length, 0);
    assertEquals(await collect(store.stream("one/empty")), new Uint8Array(0));
  });

  await test.step("memory that threads share can be put", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    shared.set([1, 2, 3, 4]);
    await store.put("one/shared", shared);
    assertEquals((await store.get("one/shared"))?.bytes, Uint8Array.of(1, 2, 3, 4));
    await store.putFile("one/shared2", sourceOf(shared));
    assertEquals((await store.get("one/shared2"))?.bytes, Uint8Array.of(1, 2, 3, 4));
  });

  await test.step("ifAbsent holds", async () => {
    await store.put("if/absent", text("1"), { condition: { ifAbsent: true } });
    const error = await failureOf(store.put("if/absent", text("2"), { condition: { ifAbsent: true } }));
    assertEquals(error.kind, "precondition");
    assertEquals(error.message, `Cannot put ${store.place}/if/absent: there is one already`);
    assertEquals((await store.get("if/absent"))?.bytes, text("1"));
  });

  await test.step("ifMatch holds", async () => {
    const first = await store.put("if/match", text("1"));
    const second = await store.put("if/match", text("2"), { condition: { ifMatch: first } });
    const late = await failureOf(store.put("if/match", text("3"), { condition: { ifMatch: first } }));
    assertEquals(late.kind, "precondition");
    await store.put("if/match", text("4"), { condition: { ifMatch: second } });
    const nothing = await failureOf(store.put("if/nothing", text("3"), { condition: { ifMatch: first } }));
    assertEquals(nothing.kind, "precondition");
    assertEquals((await store.get("if/match"))?.bytes, text("4"));
  });

  await test.step("of many at once one wins, by the count of what they did", async () => {
    await store.put("if/count", text("0"));
    const add = async (): Promise<void> => {
      for (;;) {
        const { bytes, etag } = (await store.get("if/count"))!;
        const next = text(String(Number(new TextDecoder().decode(bytes)) + 1));
        try {
          await store.put("if/count", next, { condition: { ifMatch: etag } });
          return;
        } catch (error) {
          if ((error as { kind?: string }).kind !== "precondition") throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, add));
    assertEquals((await store.get("if/count"))?.bytes, text("8"));
  });

  await test.step("large objects go up in parts and come back, whole and in ranges", async () => {
    const bytes = noise(13 * 1024 * 1024 + 17);
    let sent = 0;
    const condition = { ifAbsent: true } as const;
    await store.putFile("large", sourceOf(bytes), { condition, onSent: (count) => sent += count });
    assertEquals(sent, bytes.length);
    assertEquals(sha256(await collect(store.stream("large"))), sha256(bytes));
    const range = { offset: 6_000_000, length: 5_000_000 };
    const part = await collect(store.stream("large", { range }));
    assertEquals(sha256(part), sha256(bytes.subarray(6_000_000, 11_000_000)));
    assertEquals((await collect(store.stream("large", { range: { offset: 5, length: 0 } }))).length, 0);
    const beyond = { offset: bytes.length - 10, length: 20 };
    assertEquals((await failureOf(collect(store.stream("large", { range: beyond })))).kind, "damaged");
    sent = 0;
    const again = store.putFile("large", sourceOf(bytes), { condition, onSent: (count) => sent += count });
    assertEquals([(await failureOf(again)).kind, sent], ["precondition", 0]);
  });

  await test.step("bytes that are not what their hash says are not stored", async () => {
    for (const length of [1000, 6 * 1024 * 1024]) {
      const source = { ...sourceOf(noise(length)), sha256: sha256(text("other")) };
      let sent = 0;
      const error = await failureOf(store.putFile("wrong", source, { onSent: (count) => sent += count }));
      assertEquals([error.kind, sent, await store.head("wrong")], ["damaged", 0, undefined]);
      assert(error.message.includes(sha256(noise(length))), error.message);
    }
    assertEquals(await store.abortUploads(""), 0);
  });

  await test.step("an error of the source ends the write as it is", async () => {
    const source = {
      ...sourceOf(noise(13 * 1024 * 1024)),
      read: (offset: number, length: number) => {
        if (offset > 0) throw new RangeError("the source's own");
        return new Uint8Array(length);
      },
    };
    let caught: unknown;
    await store.putFile("wrong", source).catch((error) => caught = error);
    assert(caught instanceof RangeError, String(caught));
    assertEquals([await store.head("wrong"), await store.abortUploads("")], [undefined, 0]);
  });

  await test.step("lists are in order and begin as asked", async () => {
    for (const name of ["list/b/2", "list/a", "list/b/1", "list/b.x", "list/c", "listed"]) {
      await store.put(name, text(name));
    }
    assertEquals(await namesOf(store, "list/"), ["list/a", "list/b.x", "list/b/1", "list/b/2", "list/c"]);
    assertEquals(await namesOf(store, "list/b"), ["list/b.x", "list/b/1", "list/b/2"]);
    assertEquals((await namesOf(store, "list")).length, 6);
    for await (const info of store.list("list/a")) assertEquals(info, (await store.head("list/a"))!);
  });

  await test.step("deleting is done when nothing is there", async () => {
    await store.delete(["list/a", "list/b/1", "list/never"]);
    await store.delete(["list/a"]);
    await store.delete([]);
    assertEquals(await namesOf(store, "list/"), ["list/b.x", "list/b/2", "list/c"]);
    await store.delete(await namesOf(store));
    assertEquals(await namesOf(store), []);
  });

  await test.step("a signal ends a call", async () => {
    const stop = new AbortController();
    stop.abort();
    const options = { signal: stop.signal };
    const calls = [
      () => store.get("a", options),
      () => store.put("a", text("a"), options),
      () => store.putFile("a", sourceOf(text("a")), options),
      () => store.delete(["a"], options),
      () => collect(store.stream("a", options)),
    ];
    for (const call of calls) assertEquals((await failureOf(call())).kind, "cancelled");
    const later = new AbortController();
    const bytes = noise(24 * 1024 * 1024);
    const source = sourceOf(bytes);
    const stopping = {
      ...source,
      read: (offset: number, length: number) => {
        if (offset > 0) later.abort();
        return bytes.subarray(offset, offset + length);
      },
    };
    const error = await failureOf(store.putFile("cut", stopping, { signal: later.signal }));
    assertEquals([error.kind, await store.head("cut")], ["cancelled", undefined]);
    assertEquals(await store.abortUploads(""), 0);
  });
}

Deno.test("a directory keeps a store's promises", (test) => withDirectory((store) => promises(store, test)));

Deno.test({
  name: "a bucket keeps a store's promises",
  ignore: noS3,
  fn: (test) => withBucket(({ store }) => promises(store, test)),
});
