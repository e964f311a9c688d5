import { assertEquals } from "@std/assert";
import type { RequestError } from "../../../src/base/errors.ts";
import { buildTarget, runText } from "./agg_world.ts";

const DAY = 86_400_000;
const properties = { ts: { type: "date" }, v: { type: "double" }, k: { type: "keyword" } };
const docs = [
  { ts: 0, v: 1, k: "a" },
  { ts: 1, v: 2, k: "b" },
  { ts: DAY, v: 10, k: "a" },
  { ts: 3 * DAY, v: 4, k: "c" },
];
const target = buildTarget({ properties, segments: [docs] });
const daily = { date_histogram: { field: "ts", fixed_interval: "1d" } };
const sum = { sum: { field: "v" } };

function buckets(aggs: unknown): Record<string, { value?: number }>[] {
  return JSON.parse(runText([target], { d: { ...daily, aggs } })).d.buckets;
}

const pick = (list: Record<string, { value?: number }>[], name: string) =>
  list.map((bucket) => bucket[name]?.value);

Deno.test("derivatives, running sums and differences skip gaps", () => {
  const found = buckets({
    s: sum,
    c: { cumulative_sum: { buckets_path: "s" } },
    n: { cumulative_sum: { buckets_path: "_count" } },
    d: { derivative: { buckets_path: "s" } },
    dd: { derivative: { buckets_path: "d" } },
    z: { derivative: { buckets_path: "s", gap_policy: "insert_zeros" } },
    l: { serial_diff: { buckets_path: "s", lag: 1 } },
  });
  assertEquals(pick(found, "c"), [3, 13, 13, 17]);
  assertEquals(pick(found, "n"), [2, 3, 3, 4]);
  assertEquals(pick(found, "d"), [undefined, 7, undefined, undefined]);
  assertEquals(pick(found, "z"), [undefined, 7, -10, 4]);
  assertEquals(pick(found, "l"), [undefined, 7, undefined, undefined]);
  assertEquals(pick(found, "dd"), [undefined, undefined, undefined, undefined]);
});

Deno.test("siblings look over buckets", () => {
  const text = runText([target], {
    d: { ...daily, aggs: { s: sum } },
    most: { max_bucket: { buckets_path: "d>s" } },
    least: { min_bucket: { buckets_path: "d>s" } },
    mean: { avg_bucket: { buckets_path: "d>s" } },
    total: { sum_bucket: { buckets_path: "d>_count" } },
    stats: { stats_bucket: { buckets_path: "d>s" } },
    spread: { percentiles_bucket: { buckets_path: "d>s", percents: [50] } },
  });
  assertEquals(
    text.slice(text.indexOf('"most"')),
    '"most":{"value":10.0,"keys":["1970-01-02T00:00:00.000Z"]},' +
      '"least":{"value":3.0,"keys":["1970-01-01T00:00:00.000Z"]},' +
      '"mean":{"value":5.666666666666667},"total":{"value":4.0},' +
      '"stats":{"count":3,"min":3.0,"max":10.0,"avg":5.666666666666667,"sum":17.0},' +
      '"spread":{"values":{"50.0":4.0}}}',
  );
});

Deno.test("bucket_sort orders and pages buckets of any kind", () => {
  const found = JSON.parse(runText([target], {
    k: {
      terms: { field: "k" },
      aggs: { s: sum, order: { bucket_sort: { sort: [{ s: { order: "asc" } }], from: 1, size: 1 } } },
    },
  })).k.buckets;
  assertEquals(found.map((bucket: { key: string }) => bucket.key), ["c"]);
});

Deno.test("a path that names nothing is refused", () => {
  let error: unknown;
  try {
    runText([target], { d: { ...daily, aggs: { s: sum } }, m: { max_bucket: { buckets_path: "d>nope" } } });
  } catch (thrown) {
    error = thrown;
  }
  assertEquals((error as RequestError).status, 400);
});
