import { assertEquals } from "@std/assert";
import {
  andBits,
  andNotBits,
  bitsToDocs,
  clearBit,
  countAnd,
  countBits,
  hasBit,
  newBits,
  nextBit,
  orBits,
  setBit,
  setDocs,
  setRange,
  wordsFor,
} from "../../src/base/bitset.ts";

/** Numbers in [0, size), drawn by a linear congruence. */
function draw(seed: number, size: number, count: number): Set<number> {
  const drawn = new Set<number>();
  let state = seed;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    drawn.add(state % size);
  }
  return drawn;
}

function bitsOf(docs: Iterable<number>, size: number): Uint32Array {
  const bits = newBits(size);
  for (const doc of docs) setBit(bits, doc);
  return bits;
}

function docsOf(bits: Uint32Array, from: number, to: number): number[] {
  const docs = new Uint32Array(Math.max(0, to - from));
  return Array.from(docs.subarray(0, bitsToDocs(bits, from, to, docs)));
}

const ascending = (docs: Iterable<number>) => Array.from(docs).sort((a, b) => a - b);

Deno.test("a bitset holds what was put in, at any size", () => {
  for (const size of [1, 31, 32, 33, 64, 1000]) {
    const docs = draw(size, size, size / 2);
    const bits = bitsOf(docs, size);
    assertEquals(bits.length, wordsFor(size));
    assertEquals(docsOf(bits, 0, size), ascending(docs));
    assertEquals(countBits(bits), docs.size);
    for (let doc = 0; doc < size; doc++) assertEquals(hasBit(bits, doc), docs.has(doc));
    const array = Uint32Array.from(ascending(docs));
    const again = newBits(size);
    setDocs(again, array, array.length);
    assertEquals(again, bits);
    for (const doc of docs) clearBit(bits, doc);
    assertEquals(countBits(bits), 0);
  }
});

Deno.test("ranges are set and read out to the bit", () => {
  for (
    const [from, to] of [[0, 0], [0, 1], [5, 27], [31, 33], [32, 64], [3, 99], [64, 100], [99, 100]] as const
  ) {
    const bits = newBits(100);
    setRange(bits, from, to);
    assertEquals(docsOf(bits, 0, 100), Array.from({ length: to - from }, (_, i) => from + i));
    assertEquals(docsOf(bits, 10, 90), docsOf(bits, 0, 100).filter((doc) => doc >= 10 && doc < 90));
  }
});

Deno.test("sets combine as sets do", () => {
  const size = 300;
  const a = draw(1, size, 150);
  const b = draw(2, size, 150);
  const combined = (combine: (into: Uint32Array, other: Uint32Array) => void) => {
    const bits = bitsOf(a, size);
    combine(bits, bitsOf(b, size));
    return docsOf(bits, 0, size);
  };
  assertEquals(combined(andBits), ascending(a).filter((doc) => b.has(doc)));
  assertEquals(combined(orBits), ascending(new Set([...a, ...b])));
  assertEquals(combined(andNotBits), ascending(a).filter((doc) => !b.has(doc)));
  assertEquals(countAnd(bitsOf(a, size), bitsOf(b, size)), ascending(a).filter((doc) => b.has(doc)).length);
});

Deno.test("the next bit is found across words, and none past the last", () => {
  const bits = bitsOf([0, 31, 32, 200], 256);
  const walked: number[] = [];
  for (let doc = nextBit(bits, 0, 256); doc >= 0; doc = nextBit(bits, doc + 1, 256)) walked.push(doc);
  assertEquals(walked, [0, 31, 32, 200]);
  assertEquals(nextBit(bits, 201, 256), -1);
  assertEquals(nextBit(bits, 256, 256), -1);
});
