import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { formatDecimal } from "../../../src/query/aggs/decimal_format.ts";
import { DistinctCounter, hashBytes, hashNumber, hashWide } from "../../../src/query/aggs/hyperloglog.ts";
import { exactQuantile, TDigest } from "../../../src/query/aggs/tdigest.ts";
import { utf8 } from "../../../src/base/bytes.ts";

function lcg(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

Deno.test("a digest is exact while values are few", () => {
  const digest = new TDigest(100);
  for (const value of [5, 1, 2]) digest.add(value);
  assertEquals([0, 0.01, 0.5, 0.75, 1].map((q) => digest.quantile(q)), [1, 1.02, 2, 3.5, 5]);
  assertEquals([0, 1, 1.5, 5, 7].map((x) => digest.cdf(x)), [0, 1 / 6, 1 / 3, 5 / 6, 1]);
  assert(Number.isNaN(new TDigest(100).quantile(0.5)));
});

Deno.test("a digest of many values is near at the median and nearer at the ends, split or not", () => {
  const random = lcg(3);
  const values = Float64Array.from({ length: 100_000 }, () => Math.exp(random() * 8));
  const whole = new TDigest(100);
  const parts = Array.from({ length: 7 }, () => new TDigest(100));
  values.forEach((value, i) => {
    whole.add(value);
    parts[i % 7]!.add(value);
  });
  const joined = new TDigest(100);
  for (const part of parts) {
    const { means, weights } = part.snapshot();
    assert(means.length < 300, `${means.length} centroids`);
    joined.addAll(means, weights, part.min, part.max);
  }
  const sorted = values.slice().sort();
  for (const digest of [whole, joined]) {
    assertEquals(digest.count, values.length);
    assertEquals(digest.quantile(0), sorted[0]);
    assertEquals(digest.quantile(1), sorted[sorted.length - 1]);
    for (const q of [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999]) {
      const rank = sorted.findIndex((value) => value > digest.quantile(q)) / sorted.length;
      assertAlmostEquals(rank, q, 0.015 * Math.sqrt(q * (1 - q)) + 2e-4, `quantile ${q}`);
      assertAlmostEquals(digest.cdf(exactQuantile(sorted, sorted.length, q)), q, 0.01);
    }
  }
});

Deno.test("distinct counts are exact up to the threshold and close beyond", () => {
  for (const count of [0, 1, 100, 3000, 20_000, 300_000]) {
    const counter = new DistinctCounter(3000);
    for (let i = 0; i < count; i++) {
      counter.add(hashNumber(i * 3));
      if (i % 5 === 0) counter.add(hashNumber(i * 3));
    }
    const estimate = counter.estimate();
    if (count <= 3000) assertEquals(estimate, count);
    else assertAlmostEquals(estimate, count, count * 0.03);
  }
});

Deno.test("distinct counters join: sets, registers, and one with the other", () => {
  for (const [a, b] of [[100, 50], [10_000, 50], [50, 10_000], [10_000, 20_000]] as const) {
    const left = new DistinctCounter(3000);
    const right = new DistinctCounter(3000);
    const both = new DistinctCounter(3000);
    for (let i = 0; i < a; i++) left.add(hashBytes(utf8(`t${i}`)));
    for (let i = 0; i < b; i++) right.add(hashBytes(utf8(`t${i + 25}`)));
    for (const one of [left, right]) {
      const { hashes, registers } = one.snapshot();
      both.addAll(hashes, registers);
    }
    const expected = Math.max(a, b + 25);
    assertAlmostEquals(both.estimate(), expected, expected > 3000 ? expected * 0.03 : 0);
  }
});

Deno.test("hashes of integers agree however they are held", () => {
  for (const value of [0, -1, 7, 2 ** 40, -(2 ** 53 - 1)]) {
    assertEquals(hashWide(BigInt(value)), hashNumber(value));
  }
  assertEquals(hashNumber(-0), hashNumber(0));
  assert(hashWide(2n ** 60n) !== hashWide(2n ** 60n + 1n));
});

Deno.test("numbers by pattern, as java.text.DecimalFormat prints them", () => {
  const table: [string, number, string][] = [
    ["0.000", -1, "-1.000"],
    ["000.0", 5, "005.0"],
    ["#.00", 0, ".00"],
    ["#,##0.00", 1234567.891, "1,234,567.89"],
    ["0", 2.5, "2"],
    ["0", 3.5, "4"],
    ["0.0#", 1.25, "1.25"],
    ["#", 0, "0"],
    ["0%", 0.256, "26%"],
    ["$0.0", 12, "$12.0"],
    ["0.00", 1e21, "1000000000000000000000.00"],
    ["0.00", 1e-9, "0.00"],
  ];
  for (const [pattern, value, text] of table) assertEquals(formatDecimal(pattern, value), text, pattern);
});
