import { assert, assertEquals } from "@std/assert";
import { idsOf, openPlain } from "./segment_fixture.ts";
import { type Random, randomOf } from "./terms_random.ts";

/** Generators of single values. */
const NUMBERS: Record<string, (random: Random, i: number) => number> = {
  constant: () => 7,
  "a constant fraction": () => 0.1,
  "linear": (_, i) => 1000 + 3 * i,
  "falling linear": (_, i) => 1000 - 3 * i,
  "small integers": (random) => random.below(200),
  "negative integers": (random) => -random.below(100_000),
  "bits": (random) => random.below(2),
  "timestamps with jitter": (random, i) => 1_735_689_600_000 + i * 1000 + random.below(40),
  "random walk": (() => {
    let at = 0;
    return (random: Random) => at += random.below(3000);
  })(),
  "steps": (_, i) => Math.floor(i / 100) * 1_000_000,
  "up to 2^53": (random) => random.below(2) * Number.MAX_SAFE_INTEGER - random.below(5) * (random.below(2)),
  "more than 2^53 apart": (random) => (random.below(2) * 2 - 1) * (Number.MAX_SAFE_INTEGER - random.below(9)),
  "wide residuals": (random) => random.below(2 ** 22) * 2 ** 20 + random.below(1000),
  "three decimals": (random) => random.below(1_000_000) / 1000,
  "six decimals": (random) => random.below(1000) / 1_000_000,
  "quarters": (random) => random.below(1000) / 4 + 1 / 2 ** 20,
  "floats of three decimals": (random) => Math.fround(random.below(100_000) / 1000),
  "any float": (random) => Math.fround(random.below(2 ** 30) / 7),
  "any double": (random) => random.below(2 ** 30) / 7 * 10 ** (random.below(600) - 300),
  "infinities": (random) => [Infinity, -Infinity, 1.5, 0][random.below(4)]!,
  "both zeros": (random) => [0, -0][random.below(2)]!,
  "the smallest and the largest": (random) =>
    [5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 0, 1][random.below(5)]!,
};

const WIDES: Record<string, (random: Random, i: number) => bigint> = {
  "a constant": () => -(2n ** 63n),
  "nanoseconds": (random, i) =>
    1_735_689_600_000_000_000n + BigInt(i) * 1_000_000_000n + BigInt(random.below(1000)),
  "linear nanoseconds": (_, i) => 1_735_689_600_000_000_000n - BigInt(i) * 1_000_000n,
  "all of 64 bits": (random) =>
    BigInt.asIntN(
      64,
      BigInt(random.below(2 ** 30)) * 2n ** 35n * BigInt(random.below(97)) + BigInt(random.below(9)),
    ),
  "far apart in time": (_, i) => BigInt(i) * 10n ** 14n - 2n ** 62n,
  "the extremes": (random) => [-(2n ** 63n), 2n ** 63n - 1n, 0n][random.below(3)]!,
};

type Shape = "dense" | "sparse" | "rare" | "multi" | "dense multi" | "one" | "empty";
const SHAPES: readonly Shape[] = ["dense", "sparse", "rare", "multi", "dense multi", "one", "empty"];

function valuesOf<V extends number | bigint>(
  make: (random: Random, i: number) => V,
  shape: Shape,
  docCount: number,
  random: Random,
): V[][] {
  let made = 0;
  const several = (n: number) => {
    const list = Array.from({ length: n }, () => make(random, made++));
    return list.sort((a, b) => a < b ? -1 : a > b ? 1 : 0);
  };
  return Array.from({ length: docCount }, (_, doc) => {
    if (shape === "dense") return several(1);
    if (shape === "sparse") return several(random.below(3) === 0 ? 0 : 1);
    if (shape === "rare") return several(random.below(60) === 0 ? 1 : 0);
    if (shape === "multi") return several(Math.max(0, random.below(6) - 1));
    if (shape === "dense multi") return several(1 + random.below(3));
    if (shape === "one") return several(doc === docCount >>> 1 ? 1 : 0);
    return [];
  });
}

function ascendingDocs(random: Random, docCount: number): Uint32Array {
  const kind = random.below(3);
  if (kind === 0) {
    const from = random.below(docCount);
    return Uint32Array.from({ length: Math.min(docCount - from, 1 + random.below(700)) }, (_, i) => from + i);
  }
  const keep = kind === 1 ? 2 : 40;
  return Uint32Array.from({ length: docCount }, (_, doc) => doc).filter(() => random.below(keep) === 0);
}

function bitsOfDocs(bits: Uint32Array): number[] {
  const docs: number[] = [];
  for (let doc = 0; doc < bits.length * 32; doc++) {
    if ((bits[doc >>> 5]! & (1 << (doc & 31))) !== 0) docs.push(doc);
  }
  return docs;
}

function checkColumn<V extends number | bigint>(lists: V[][], wide: boolean, random: Random): string {
  const docCount = lists.length;
  const values = lists as never;
  const reader = openPlain({
    fields: { n: { kind: wide ? "wides" : "numbers", values } },
    ids: idsOf(docCount),
  });
  const column = reader.numeric("n")!;
  const flat = lists.flat();
  assertEquals(column.valueCount, flat.length);
  assertEquals(column.docsWithValue, lists.filter((list) => list.length > 0).length);
  const sorted = [...flat].sort((a, b) => a < b ? -1 : a > b ? 1 : 0);
  if (!Object.is(column.min, -0) && !Object.is(column.max, -0) && flat.every((v) => v !== 0)) {
    assertEquals([column.min, column.max], [sorted[0], sorted.at(-1)]);
  }
  const exists = new Uint32Array(Math.ceil(docCount / 32));
  assert(reader.exists("n", exists));
  assertEquals(bitsOfDocs(exists), lists.flatMap((list, doc) => list.length > 0 ? [doc] : []));

  const cursor = column.cursor();
  let docs: Uint32Array = Uint32Array.from({ length: docCount }, (_, doc) => doc);
  for (let round = 0; round < 8; round++) {
    const n = cursor.gather(docs, docs.length);
    const expected = [...docs].flatMap((doc, i) => lists[doc]!.map((value) => [i, value] as const));
    assertEquals(n, expected.length);
    for (let i = 0; i < n; i++) {
      const [owner, value] = expected[i]!;
      const actual = wide ? cursor.wides[i] : cursor.values[i];
      assert(
        cursor.owners[i] === owner && Object.is(actual, value),
        `pair ${i}: ${actual} instead of ${value}`,
      );
      if (wide) assertEquals(cursor.values[i], Number(value));
    }
    docs = ascendingDocs(random, docCount);
  }
  for (let block = 0; block * 128 < flat.length; block++) {
    const within = flat.slice(block * 128, block * 128 + 128);
    for (const value of within) assert(column.blockMin(block) <= value && column.blockMax(block) >= value);
  }
  const bound = () => {
    const value: number | bigint = flat.length === 0 ? 0 : flat[random.below(flat.length)]!;
    if (typeof value === "bigint") return BigInt.asIntN(64, value + BigInt(random.below(3) - 1));
    return random.below(3) === 0 ? value + (random.below(3) - 1) * Math.abs(value) / 1000 : value;
  };
  for (let round = 0; round < 25; round++) {
    const [a, b] = [bound(), bound()];
    const [lo, hi] = round % 5 === 0 ? [a, b] : a < b ? [a, b] : [b, a];
    const into = new Uint32Array(Math.ceil(docCount / 32));
    const { blocks, skipped, whole } = column.matchRange(lo, hi, into);
    assertEquals(
      bitsOfDocs(into),
      lists.flatMap((list, doc) => list.some((value) => lo <= value && value <= hi) ? [doc] : []),
      `${lo} to ${hi}`,
    );
    assertEquals(blocks, Math.ceil(flat.length / 128));
    assert(skipped + whole <= blocks);
  }
  return column.encoding;
}

for (const shape of SHAPES) {
  Deno.test(`numbers come back as they were: ${shape}`, () => {
    for (const [seed, [name, make]] of Object.entries(NUMBERS).entries()) {
      for (const docCount of [1, 130, 1000]) {
        const random = randomOf(seed * 31 + docCount);
        try {
          checkColumn(valuesOf(make, shape, docCount, random), false, random);
        } catch (error) {
          throw new Error(`${name}, ${docCount} docs: ${error}`, { cause: error });
        }
      }
    }
  });

  Deno.test(`64-bit integers come back as they were: ${shape}`, () => {
    for (const [seed, [name, make]] of Object.entries(WIDES).entries()) {
      for (const docCount of [1, 130, 1000]) {
        const random = randomOf(seed * 31 + docCount);
        try {
          checkColumn(valuesOf(make, shape, docCount, random), true, random);
        } catch (error) {
          throw new Error(`${name}, ${docCount} docs: ${error}`, { cause: error });
        }
      }
    }
  });
}

Deno.test("the encoding follows the values", () => {
  const expected: Record<string, string> = {
    "constant": "constant",
    "linear": "linear",
    "falling linear": "linear",
    "small integers": "for",
    "bits": "bitset",
    "random walk": "delta",
    "three decimals": "scaled",
    "floats of three decimals": "scaled",
    "quarters": "scaled",
    "any double": "raw",
    "any float": "raw",
    "both zeros": "raw",
  };
  for (const [name, encoding] of Object.entries(expected)) {
    const random = randomOf(1);
    assertEquals([name, checkColumn(valuesOf(NUMBERS[name]!, "dense", 3000, random), false, random)], [
      name,
      encoding,
    ]);
  }
  const random = randomOf(1);
  let at = 0;
  let step = 1000;
  const accelerating = () => at += step += random.below(3) + 5;
  assertEquals(checkColumn(valuesOf(accelerating, "dense", 3000, random), false, random), "delta_of_delta");
});

Deno.test("sequence numbers of neighbouring documents cost no bytes a document", () => {
  const values = Array.from({ length: 5000 }, (_, doc) => [90_000 + doc]);
  const reader = openPlain({ fields: { _seq_no: { kind: "numbers", values } }, ids: idsOf(5000) });
  assertEquals(reader.columns.map(({ encoding, bytes }) => [encoding, bytes]), [["linear", 0]]);
});

Deno.test("a sum does not lose small values beside large ones", () => {
  const values = [[1e16], [1], [1], [-1e16]];
  const reader = openPlain({ fields: { n: { kind: "numbers", values } }, ids: idsOf(4) });
  assertEquals(reader.numeric("n")!.sum, 2);
});
