import { assert, assertEquals } from "@std/assert";
import { utf8 } from "../../src/base/bytes.ts";
import { hashBytes, InternTable } from "../../src/base/intern.ts";

Deno.test("ids are dense, in order of first sight, and found again after growth", () => {
  const table = new InternTable();
  const model = new Map<string, number>();
  for (let i = 0; i < 60_000; i++) {
    const text = `key-${(i * 7919) % 40_000}`;
    const bytes = utf8(`..${text}.`);
    const id = table.intern(bytes, 2, bytes.length - 1);
    if (!model.has(text)) model.set(text, model.size);
    assertEquals(id, model.get(text));
  }
  assertEquals(table.count, model.size);
  for (const [text, id] of model) {
    const bytes = utf8(text);
    assertEquals(table.find(bytes, 0, bytes.length), id);
    assertEquals(new TextDecoder().decode(table.bytes(id)), text);
  }
  assertEquals(table.find(utf8("absent"), 0, 6), -1);
  assert(table.poolLength <= table.pool.length && table.sizeBytes >= table.poolLength);
});

Deno.test("the empty string and prefixes of one another are strings of their own", () => {
  const table = new InternTable();
  const bytes = utf8("aaaa");
  assertEquals([0, 1, 2, 3, 4].map((n) => table.intern(bytes, 0, n)), [0, 1, 2, 3, 4]);
  assertEquals([0, 1, 2, 3, 4].map((n) => table.find(bytes, 0, n)), [0, 1, 2, 3, 4]);
});

Deno.test("strings of one hash are told apart by their bytes", () => {
  const seen = new Map<number, string>();
  let pair: [string, string] | undefined;
  while (!pair) {
    const text = Math.random().toString(36).slice(2, 12).padEnd(10, "x");
    const hash = hashBytes(utf8(text), 0, text.length);
    const other = seen.get(hash);
    if (other !== undefined && other !== text) pair = [other, text];
    seen.set(hash, text);
  }
  const table = new InternTable();
  for (const text of [...pair, ...pair]) table.intern(utf8(text), 0, text.length);
  assertEquals(table.count, 2);
  assertEquals(pair.map((text) => table.find(utf8(text), 0, text.length)), [0, 1]);
});

Deno.test("a string put behind the others is interned where it lies", () => {
  const table = new InternTable();
  const put = (text: string): number => {
    const bytes = utf8(text);
    const pool = table.reserve(bytes.length);
    pool.set(bytes, table.poolLength);
    return table.internTail(bytes.length);
  };
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 5_000; i++) assertEquals(put(`term${i}`), i);
  }
  const bytes = utf8("term4321");
  assertEquals(table.intern(bytes, 0, bytes.length), 4321);
});

Deno.test("short strings that came lately are the same strings as ever", () => {
  const table = new InternTable();
  const short = (text: string): number => {
    const bytes = utf8(text);
    const words = new Uint8Array(8);
    words.set(bytes);
    const [low, high] = new Int32Array(words.buffer) as unknown as [number, number];
    return table.internShort(bytes.length, low, high);
  };
  const model = new Map<string, number>();
  for (let i = 0; i < 60_000; i++) {
    const text = ((i * 7919) % 20_011).toString(36).padStart(1 + i % 8, "k");
    const bytes = utf8(text);
    const id = i % 3 === 0 ? table.intern(bytes, 0, bytes.length) : short(text);
    if (!model.has(text)) model.set(text, model.size);
    assertEquals(id, model.get(text));
  }
  assertEquals(table.count, model.size);
});

Deno.test("shared memory is read like any other", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(8));
  shared.set(utf8("shared!!"));
  const table = new InternTable();
  assertEquals(table.intern(shared, 0, 6), 0);
  assertEquals(table.find(utf8("shared"), 0, 6), 0);
});
