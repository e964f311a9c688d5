import { assertEquals } from "@std/assert";
import { renderJsonText } from "../../../src/base/json.ts";
import type { RequestError } from "../../../src/base/errors.ts";
import { AggExecution, parseAggs, reduceAggs, renderAggs } from "../../../src/query/aggs/mod.ts";
import { buildTarget, contextOf, runOne } from "./agg_world.ts";

const properties = { k: { type: "keyword" }, n: { type: "integer" }, ts: { type: "date" } };
const docs = Array.from({ length: 60 }, (_, i) => ({
  k: i % 7 === 0 ? ["a", "b"] : i % 2 === 0 ? "a" : "b",
  n: i % 5,
  ...(i % 3 === 0 ? {} : { ts: 1_700_000_000_000 + i * 1000 }),
}));
const whole = buildTarget({ properties, segments: [docs] });
const cut = buildTarget({ properties, segments: [docs.slice(0, 11), docs.slice(11, 12), docs.slice(12)] });

Deno.test("hits by sort keys, with what a search would show of them", () => {
  const agg = {
    top_hits: {
      size: 2,
      sort: [{ n: "desc" }, { ts: { order: "asc" } }],
      _source: ["n"],
      docvalue_fields: ["k"],
    },
  };
  assertEquals(
    runOne([whole], agg),
    '{"hits":{"total":{"value":60,"relation":"eq"},"max_score":null,"hits":[' +
      '{"_index":"t","_id":"4","_score":null,"_source":{"n":4},"fields":{"k":["a"]},"sort":[4,1700000004000]},' +
      '{"_index":"t","_id":"14","_score":null,"_source":{"n":4},"fields":{"k":["a","b"]},"sort":[4,1700000014000]}]}}',
  );
});

Deno.test("segments, batches and partials change no hit", () => {
  const sorts = [
    undefined,
    [{ ts: "desc" }],
    [{ ts: { order: "asc", missing: "_first" } }, { n: "desc" }],
    [{ k: "asc" }, "_score", "_doc"],
  ];
  for (const sort of sorts) {
    const agg = {
      terms: { field: "k" },
      aggs: { t: { top_hits: { from: 1, size: 4, sort, track_scores: true } } },
    };
    const expected = runOne([whole], agg);
    for (const split of ["none", "segments"] as const) {
      for (const feed of ["all", "batches"] as const) {
        assertEquals(runOne([cut], agg, { feed, split }), expected, JSON.stringify([sort, split, feed]));
      }
    }
  }
});

Deno.test("hits by score take the scores of the batch, below other buckets too", () => {
  const tree = parseAggs({
    f: { filter: { range: { n: { gte: 3 } } }, aggs: { t: { top_hits: { size: 2, _source: false } } } },
  });
  const execution = new AggExecution(tree, contextOf([whole]));
  assertEquals(execution.needsScores, true);
  const collector = execution.segment(whole, whole.segments[0]!);
  collector.collect(Uint32Array.of(1, 3, 4, 8, 9), 5, Float64Array.of(9, 1, 2, 4, 3));
  collector.collect(Uint32Array.of(13, 14), 2, 3);
  const reduced = reduceAggs(tree, [execution.partial()], { nowMs: 0, maxBuckets: 10 });
  assertEquals(
    renderJsonText(renderAggs(tree, reduced)),
    '{"f":{"doc_count":6,"t":{"hits":{"total":{"value":6,"relation":"eq"},"max_score":4.0,"hits":[' +
      '{"_index":"t","_id":"8","_score":4.0},{"_index":"t","_id":"9","_score":3.0}]}}}}',
  );
});

Deno.test("unknown scores are no scores", () => {
  const execution = new AggExecution(parseAggs({ t: { top_hits: {} } }), contextOf([whole]));
  const collector = execution.segment(whole, whole.segments[0]!);
  let status = 0;
  try {
    collector.collect(Uint32Array.of(1), 1);
  } catch (error) {
    status = (error as RequestError).status;
  }
  assertEquals(status, 501);
});
