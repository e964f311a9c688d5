import { assertEquals } from "@std/assert";
import { BlockCache } from "../../src/segment/block_cache.ts";

const block = (size: number) => ({ raw: new Uint8Array(size), ends: new Uint32Array(0) });

Deno.test("the least recently used block goes when the limit is passed", () => {
  const cache = new BlockCache(100);
  const [a, b, c] = [block(40), block(40), block(40)];
  cache.put("1/0", a);
  cache.put("1/1", b);
  assertEquals(cache.get("1/0"), a);
  cache.put("1/2", c);
  assertEquals(cache.get("1/1"), undefined);
  assertEquals(cache.get("1/0"), a);
  assertEquals(cache.get("1/2"), c);
  assertEquals(cache.bytes, 80);
});

Deno.test("a block larger than the cache is not kept, and puts nothing out", () => {
  const cache = new BlockCache(100);
  const kept = block(60);
  cache.put("1/0", kept);
  cache.put("1/1", block(101));
  assertEquals(cache.get("1/1"), undefined);
  assertEquals(cache.get("1/0"), kept);
});

Deno.test("readers have keys of their own", () => {
  const cache = new BlockCache(100);
  const [one, other] = [cache.newOwner(), cache.newOwner()];
  cache.put(`${one}0`, block(10));
  assertEquals(cache.get(`${other}0`), undefined);
});
