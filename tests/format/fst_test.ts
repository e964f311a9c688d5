import { assert, assertEquals, assertThrows } from "@std/assert";
import { compareBytes, utf8 } from "../../src/base/bytes.ts";
import { CorruptionError } from "../../src/base/errors.ts";
import { type Fst, FstBuilder, fstFloor } from "../../src/format/fst.ts";
import { type Random, randomOf } from "../segment/terms_random.ts";

function build(keys: readonly Uint8Array[]): Fst {
  const builder = new FstBuilder();
  for (const key of keys) builder.add(key);
  return builder.finish();
}

function distinct(keys: Uint8Array[]): Uint8Array[] {
  keys.sort(compareBytes);
  return keys.filter((key, i) => i === 0 || compareBytes(keys[i - 1]!, key) !== 0);
}

/** The slow truth. */
function floorOf(keys: readonly Uint8Array[], target: Uint8Array): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(keys[middle]!, target) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function randomKey(random: Random, symbols: number): Uint8Array {
  return Uint8Array.from(
    { length: random.below(8) },
    () => random.below(symbols) * Math.floor(256 / symbols),
  );
}

Deno.test("floor is what binary search over the keys finds", () => {
  for (
    const [seed, symbols, count] of [[1, 2, 60], [2, 3, 900], [3, 16, 5000], [4, 256, 5000], [
      5,
      256,
      3,
    ]] as const
  ) {
    const random = randomOf(seed);
    const keys = distinct(Array.from({ length: count }, () => randomKey(random, symbols)));
    const fst = build(keys);
    assertEquals(fst.keyCount, keys.length);
    keys.forEach((key, rank) => assertEquals(fstFloor(fst.bytes, fst.root, fst.keyCount, key), rank));
    for (let i = 0; i < 3000; i++) {
      const target = randomKey(random, i % 2 === 0 ? symbols : 256);
      assertEquals(fstFloor(fst.bytes, fst.root, fst.keyCount, target), floorOf(keys, target));
    }
  }
});

Deno.test("none, the empty key, and one key", () => {
  const none = build([]);
  assertEquals(fstFloor(none.bytes, none.root, 0, utf8("a")), -1);
  const empty = build([utf8("")]);
  assertEquals(fstFloor(empty.bytes, empty.root, 1, utf8("")), 0);
  assertEquals(fstFloor(empty.bytes, empty.root, 1, utf8("zz")), 0);
  const one = build([utf8("m")]);
  for (const [target, floor] of [["", -1], ["a", -1], ["m", 0], ["ma", 0], ["z", 0]] as const) {
    assertEquals(fstFloor(one.bytes, one.root, 1, utf8(target)), floor);
  }
});

Deno.test("equal suffixes are stored once", () => {
  const suffixes = Array.from({ length: 200 }, (_, i) => String(i).padStart(4, "0"));
  const few = build(suffixes.map((suffix) => utf8(`a${suffix}`)));
  const many = build(
    ["a", "b", "c", "d", "e", "f"].flatMap((head) => suffixes.map((suffix) => utf8(head + suffix))),
  );
  assert(many.bytes.length < few.bytes.length + 40, `${many.bytes.length} bytes after ${few.bytes.length}`);
});

Deno.test("keys out of order are refused", () => {
  const builder = new FstBuilder();
  builder.add(utf8("b"));
  assertThrows(() => builder.add(utf8("a")), Error, "ascend");
  assertThrows(() => builder.add(utf8("b")), Error, "ascend");
});

Deno.test("flipped bytes end in an answer or a CorruptionError, never in a hang", () => {
  const random = randomOf(6);
  const keys = distinct(Array.from({ length: 300 }, () => randomKey(random, 6)));
  const fst = build(keys);
  for (let i = 0; i < 4000; i++) {
    const bytes = fst.bytes.slice(0, random.below(5) === 0 ? random.below(fst.bytes.length) : undefined);
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
    try {
      const rank = fstFloor(bytes, fst.root, fst.keyCount, randomKey(random, 6));
      assert(rank >= -1 && rank < keys.length);
    } catch (error) {
      assert(error instanceof CorruptionError);
    }
  }
});
