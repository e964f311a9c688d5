import { assert, assertEquals, assertThrows } from "@std/assert";
import { RequestError } from "../../../src/base/errors.ts";
import { AggExecution, parseAggs } from "../../../src/query/aggs/mod.ts";
import { buildTarget, collect, contextOf, runOne, runText } from "./agg_world.ts";

const properties = {
  k: { type: "keyword" },
  n: { type: "integer" },
  other: { type: "double" },
  ts: { type: "date" },
};

function caught(run: () => unknown): RequestError {
  try {
    run();
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
  throw new Error("no error was thrown");
}

const docs = Array.from(
  { length: 5000 },
  (_, i) => ({ k: `term ${i}`, n: i, other: i / 2, ts: i * 86_400_000 }),
);

Deno.test("more buckets than the limit are refused before they are made", () => {
  const target = buildTarget({ properties, segments: [[{ n: 0 }, { n: 2_000_000_000 }]] });
  const started = performance.now();
  const error = caught(() => runOne([target], { histogram: { field: "n", interval: 1 } }));
  assertEquals(error.type, "too_many_buckets_exception");
  assertEquals(error.details, { max_buckets: 65_536 });
  assert(performance.now() - started < 1000);
});

Deno.test("buckets of sub-aggregations count, those that terms leave out do not", () => {
  const target = buildTarget({ properties, segments: [docs.slice(0, 40)] });
  const agg = (size: number) => ({
    terms: { field: "k", size },
    aggs: { h: { histogram: { field: "n", interval: 1, min_doc_count: 1 } } },
  });
  const limits = { maxBuckets: 20 };
  runOne([target], agg(10), { limits });
  runOne([target], {
    ...agg(10),
    terms: { field: "k", size: 10, order: { "m": "desc" } },
    aggs: { m: { max: { field: "n" } } },
  }, {
    limits,
  });
  assertEquals(caught(() => runOne([target], agg(11), { limits })).type, "too_many_buckets_exception");
});

Deno.test("more memory than the limit is refused with 429", () => {
  const target = buildTarget({ properties, segments: [docs] });
  const agg = { terms: { field: "k", size: 5 }, aggs: { p: { percentiles: { field: "other" } } } };
  const error = caught(() => runOne([target], agg, { limits: { memoryBytes: 100_000 } }));
  assertEquals(error.status, 429);
  assertEquals(error.type, "circuit_breaking_exception");
  assertEquals(error.details.bytes_limit, 100_000);
  runOne([target], agg);
});

Deno.test("an aggregation reads only its own columns", () => {
  const target = buildTarget({ properties, segments: [docs] });
  const { reader } = target.segments[0]!;
  const before = new Map(reader.touched);
  const tree = parseAggs({ a: { terms: { field: "k" }, aggs: { b: { avg: { field: "n" } } } } });
  const execution = new AggExecution(tree, contextOf([target]));
  collect(execution, target, target.segments, "batches");
  execution.partial();
  const read = [...reader.touched].filter(([run, bytes]) => bytes !== (before.get(run) ?? 0)).map(([run]) =>
    run
  );
  assert(read.length > 0);
  for (const run of read) assert(/^(k|n):/.test(run), run);
});

Deno.test("figures over everything come from summaries, without values", () => {
  const target = buildTarget({ properties, segments: [docs] });
  const { reader } = target.segments[0]!;
  const bytes = () => [...reader.touched].reduce((sum, [, size]) => sum + size, 0);
  const before = bytes();
  runText([target], {
    a: { avg: { field: "n" } },
    b: { min: { field: "other" } },
    c: { value_count: { field: "k" } },
  });
  assert(bytes() - before < 2000, `${bytes() - before} bytes`);
});

Deno.test("keys of two kinds cannot be merged", () => {
  const words = buildTarget({ properties, segments: [docs.slice(0, 3)] });
  const numbers = buildTarget({ name: "u", properties: { k: { type: "long" } }, segments: [[{ k: 1 }]] }, 1);
  const error = caught(() => runOne([words, numbers], { terms: { field: "k" } }));
  assertEquals(error.status, 400);
  assert(error.message.includes("existed as two different types"));
});

Deno.test("an index without the field adds nothing", () => {
  const words = buildTarget({ properties, segments: [[{ k: "a" }, { k: "b" }]] });
  const empty = buildTarget({ name: "u", properties: {}, segments: [[{}]] }, 1);
  const expected = runOne([words], { terms: { field: "k" } });
  for (const split of ["none", "targets", "segments"] as const) {
    assertEquals(runOne([words, empty], { terms: { field: "k" } }, { split }), expected);
    assertEquals(runOne([empty, words], { terms: { field: "k" } }, { split }), expected);
  }
});

Deno.test("what is not there yet says so by name", () => {
  const error = assertThrows(() => parseAggs({ a: { significant_terms: { field: "k" } } })) as RequestError;
  assertEquals(error.status, 501);
  assertEquals(error.type, "not_supported_yet");
  assert(error.message.includes("[significant_terms]"));
});
