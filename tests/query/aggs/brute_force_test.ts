/**
 * Random documents, several segments, deletes, missing and repeated values: every way of collecting and splitting
 * the work gives what a plain loop over the documents gives.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { buildTarget, type Document, type RunOptions, runText } from "./agg_world.ts";

function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Doc extends Document {
  readonly k?: string | string[];
  readonly n?: number | number[];
  readonly d?: number;
  readonly ts: number;
}

const properties = {
  k: { type: "keyword" },
  n: { type: "long" },
  d: { type: "double" },
  ts: { type: "date" },
};

function documents(seed: number, count: number): Doc[] {
  const random = randomOf(seed);
  const below = (n: number) => Math.floor(random() * n);
  return Array.from({ length: count }, () => {
    const k = random() < 0.1
      ? {}
      : { k: random() < 0.3 ? [`t${below(9)}`, `t${below(40)}`, "é"] : `t${below(40)}` };
    const n = random() < 0.1 ? {} : { n: random() < 0.2 ? [below(50), below(50)] : below(500) - 100 };
    const d = random() < 0.2 ? {} : { d: random() * 1000 };
    return { ...k, ...n, ...d, ts: 1_700_000_000_000 + below(40 * 86_400_000) };
  });
}

function listOf<T>(value: T | T[] | undefined): T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

const AGGS = {
  k: { terms: { field: "k", size: 100 }, aggs: { s: { sum: { field: "d" } }, n: { stats: { field: "n" } } } },
  leaf: { terms: { field: "k", size: 100 } },
  numbers: { terms: { field: "n", size: 1000, order: { _key: "asc" } } },
  days: {
    date_histogram: { field: "ts", fixed_interval: "1d", min_doc_count: 1 },
    aggs: { k: { terms: { field: "k", size: 100 } }, c: { cardinality: { field: "k" } } },
  },
  hist: { histogram: { field: "n", interval: 7, min_doc_count: 1 }, aggs: { top: { max: { field: "d" } } } },
  range: { range: { field: "d", ranges: [{ to: 300 }, { from: 200, to: 700 }, { from: 700 }] } },
  filtered: {
    filter: { range: { d: { gte: 500 } } },
    aggs: { k: { terms: { field: "k", size: 100 }, aggs: { v: { value_count: { field: "n" } } } } },
  },
  none: { missing: { field: "k" }, aggs: { v: { avg: { field: "d" } } } },
  distinct: { cardinality: { field: "n" } },
  half: { percentiles: { field: "d", percents: [0, 50, 100] } },
};

interface Value {
  readonly value: number | null;
}

interface Bucket {
  readonly key: string | number;
  readonly doc_count: number;
  readonly s: { readonly value: number };
  readonly n: { readonly count: number; readonly min: number | null; readonly sum: number };
  readonly k: Buckets;
  readonly c: Value;
  readonly v: Value;
  readonly top: Value;
}

interface Buckets {
  readonly buckets: readonly Bucket[];
}

function countBy(docs: readonly Doc[], keys: (doc: Doc) => (string | number)[]): Map<string | number, Doc[]> {
  const groups = new Map<string | number, Doc[]>();
  for (const doc of docs) {
    for (const key of distinct(keys(doc))) groups.set(key, [...groups.get(key) ?? [], doc]);
  }
  return groups;
}

function assertCounts(found: Buckets, groups: Map<string | number, Doc[]>, name: string): void {
  assertEquals(
    Object.fromEntries(found.buckets.map((bucket) => [bucket.key, bucket.doc_count])),
    Object.fromEntries([...groups].map(([key, docs]) => [key, docs.length])),
    name,
  );
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const terms = (doc: Doc) => listOf(doc.k);
const numbers = (doc: Doc) => listOf(doc.n);

function check(text: string, docs: readonly Doc[], name: string): void {
  const found = JSON.parse(text) as Record<keyof typeof AGGS, Buckets>;
  const byTerm = countBy(docs, terms);
  assertCounts(found.leaf, byTerm, name);
  assertCounts(found.k, byTerm, name);
  for (const bucket of found.k.buckets) {
    const own = byTerm.get(bucket.key)!;
    assertAlmostEquals(bucket.s.value, sum(own.flatMap((doc) => listOf(doc.d))), 1e-6);
    const values = own.flatMap(numbers);
    assertEquals(bucket.n.count, values.length);
    assertEquals(bucket.n.min, values.length > 0 ? Math.min(...values) : null);
    assertEquals(bucket.n.sum, sum(values));
  }
  // Most documents first, then by key.
  const order = found.leaf.buckets.map((bucket) => [-bucket.doc_count, bucket.key] as const);
  order.slice(1).forEach((one, i) =>
    assert(order[i]![0] < one[0] || (order[i]![0] === one[0] && order[i]![1] < one[1]))
  );
  assertCounts(found.numbers, countBy(docs, numbers), name);
  const dayOf = (doc: Doc) => Math.floor(doc.ts / 86_400_000) * 86_400_000;
  const byDay = countBy(docs, (doc) => [dayOf(doc)]);
  assertCounts(found.days, byDay, name);
  for (const bucket of found.days.buckets) {
    const own = countBy(byDay.get(bucket.key)!, terms);
    assertCounts(bucket.k, own, name);
    assertEquals(bucket.c.value, own.size);
  }
  const byStep = countBy(docs, (doc) => numbers(doc).map((value) => Math.floor(value / 7) * 7));
  assertCounts(found.hist, byStep, name);
  for (const bucket of found.hist.buckets) {
    const values = byStep.get(bucket.key)!.flatMap((doc) => listOf(doc.d));
    assertEquals(bucket.top.value, values.length > 0 ? Math.max(...values) : null);
  }
  const inside = (low: number, high: number) => docs.filter((doc) => doc.d! >= low && doc.d! < high).length;
  assertEquals(
    found.range.buckets.map((bucket) => bucket.doc_count),
    [inside(0, 300), inside(200, 700), inside(700, Infinity)],
  );
  const filtered = docs.filter((doc) => doc.d! >= 500);
  const { doc_count, k } = found.filtered as unknown as { doc_count: number; k: Buckets };
  assertEquals(doc_count, filtered.length);
  assertCounts(k, countBy(filtered, terms), name);
  for (const bucket of k.buckets) {
    assertEquals(bucket.v.value, countBy(filtered, terms).get(bucket.key)!.flatMap(numbers).length);
  }
  const without = docs.filter((doc) => doc.k === undefined);
  const none = found.none as unknown as { doc_count: number; v: { value: number | null } };
  assertEquals(none.doc_count, without.length);
  const values = without.flatMap((doc) => listOf(doc.d));
  if (values.length > 0) assertAlmostEquals(none.v.value!, sum(values) / values.length, 1e-9);
  assertEquals(
    (found.distinct as unknown as { value: number }).value,
    distinct(docs.flatMap(numbers)).length,
  );
  const sorted = docs.flatMap((doc) => listOf(doc.d)).sort((a, b) => a - b);
  const half = (found.half as unknown as { values: Record<string, number> }).values;
  assertEquals(half["0.0"], sorted[0]);
  assertEquals(half["100.0"], sorted[sorted.length - 1]);
  assertAlmostEquals(half["50.0"]!, sorted[Math.floor(sorted.length / 2)]!, 30);
}

const RUNS: readonly RunOptions[] = [
  { feed: "all" },
  { feed: "batches" },
  { feed: "all", split: "segments" },
  { feed: "batches", split: "segments" },
  { feed: "all", split: "targets" },
];

for (const seed of [1, 2, 3]) {
  Deno.test(`brute force, seed ${seed}`, () => {
    const docs = documents(seed, 1500);
    const cuts = seed === 1 ? [docs] : [docs.slice(0, 700), docs.slice(700, 705), docs.slice(705)];
    const isDead = seed === 3 ? (segment: number, doc: number) => (doc * 7 + segment) % 5 === 0 : undefined;
    const alive = isDead ? cuts.flatMap((cut, s) => cut.filter((_, i) => !isDead(s, i))) : docs;
    const target = buildTarget({ properties, segments: cuts, ...(isDead ? { dead: isDead } : {}) });
    for (const run of RUNS) check(runText([target], AGGS, run), alive, JSON.stringify(run));
    const other = buildTarget(
      { name: "u", properties, segments: cuts, ...(isDead ? { dead: isDead } : {}) },
      10,
    );
    for (const run of RUNS) {
      check(runText([target, other], AGGS, run), [...alive, ...alive], JSON.stringify(run));
    }
  });
}
