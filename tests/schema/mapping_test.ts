// Mappings: what is accepted, how it is printed, what may change. Cases are what Elasticsearch 8.13 answers.
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { renderJsonText } from "../../src/base/json.ts";
import { Mapping } from "../../src/schema/mapping.ts";
import cases from "./mapping_cases.json" with { type: "json" };

const LIMITS = { maxFields: 1000 };

interface Case {
  create?: unknown;
  update?: unknown;
  error?: { type: string; reason: string };
  prints?: string;
}

function thrown(work: () => unknown): RequestError {
  return assertThrows(work, RequestError) as unknown as RequestError;
}

Deno.test("create, update and print as Elasticsearch does", () => {
  let mapping = Mapping.empty(LIMITS);
  for (const { create, update, error, prints } of cases as Case[]) {
    const name = JSON.stringify(create ?? update);
    const work = () => create === undefined ? mapping.merge(update) : Mapping.parse(create, LIMITS);
    if (error) {
      const got = thrown(work);
      assertEquals(
        { type: got.type, reason: got.message, status: got.status },
        { ...error, status: 400 },
        name,
      );
      continue;
    }
    mapping = work();
    if (prints !== undefined) assertEquals(renderJsonText(mapping.toJson()), prints, name);
    const stored = JSON.parse(JSON.stringify(mapping.toStored()));
    assertEquals(
      renderJsonText(Mapping.fromStored(stored, LIMITS).toJson()),
      renderJsonText(mapping.toJson()),
      name,
    );
  }
});

Deno.test("what Elasticsearch has in modules: scaled_float and unsigned_long", () => {
  const mapping = Mapping.parse({
    properties: {
      price: { type: "scaled_float", scaling_factor: 100, null_value: 1.006 },
      count: { type: "unsigned_long", null_value: "18446744073709551615" },
      exact: { type: "long", null_value: "9007199254740993" },
    },
  }, LIMITS);
  assertEquals(mapping.field("price")!.nullValue, 1.01);
  assertEquals(mapping.field("count")!.nullValue, 2n ** 63n - 1n);
  assertEquals(mapping.field("exact")!.nullValue, 9007199254740993n);
  assert(renderJsonText(mapping.toJson()).includes('"null_value":18446744073709551615'));
  const stored = JSON.parse(JSON.stringify(mapping.toStored()));
  assertEquals(Mapping.fromStored(stored, LIMITS).field("exact")!.nullValue, 9007199254740993n);
  assertEquals(
    thrown(() => Mapping.parse({ properties: { p: { type: "scaled_float" } } }, LIMITS)).message,
    "Failed to parse mapping: Field [p] misses required parameter [scaling_factor]",
  );
});

Deno.test("types that are not there are refused by name", () => {
  for (const type of ["nested", "geo_point", "dense_vector"]) {
    assertEquals(
      thrown(() => Mapping.parse({ properties: { f: { type } } }, LIMITS)).message,
      `Failed to parse mapping: Type [${type}] declared on field [f] is not supported yet`,
    );
  }
});

Deno.test("ordinals are dense, stay through merges, and survive being stored", () => {
  let mapping = Mapping.parse({ properties: { b: { type: "keyword" }, l: { type: "flattened" } } }, LIMITS);
  const before = mapping.fields.map((field) => field.name);
  mapping = mapping.merge({
    properties: { a: { type: "text", fields: { raw: { type: "keyword" } } }, "o.x": { type: "long" } },
  });
  const after = mapping.fields.map((field) => field.name);
  assertEquals(after.slice(0, before.length), before);
  assertEquals(after.toSorted(), ["a", "a.raw", "b", "l", "l._keyed", "o.x"]);
  mapping.fields.forEach((field, i) => assertEquals(field.ordinal, i));
  const again = Mapping.fromStored(JSON.parse(JSON.stringify(mapping.toStored())), LIMITS);
  assertEquals(again.fields.map((field) => field.name), after);
  assertEquals(again.version, mapping.version);
  assertEquals(mapping.fields[mapping.field("a")!.multiFields[0]!]!.name, "a.raw");
});

Deno.test("merging nothing new gives the same object", () => {
  const mapping = Mapping.parse({
    properties: { a: { type: "text" }, o: { properties: { x: { type: "long" } } } },
  }, LIMITS);
  assertStrictEquals(mapping.merge({}), mapping);
  assertStrictEquals(mapping.merge({ properties: { a: { type: "text" } } }), mapping);
  assertStrictEquals(mapping.merge({ properties: { o: { properties: { x: { type: "long" } } } } }), mapping);
  assertEquals(mapping.merge({ dynamic: "strict" }).version, mapping.version + 1);
});

Deno.test("fields: what each parameter amounts to", () => {
  const mapping = Mapping.parse({
    properties: {
      t: {
        type: "text",
        analyzer: "english",
        search_analyzer: "simple",
        norms: false,
        index_options: "freqs",
      },
      p: { type: "text" },
      k: {
        type: "keyword",
        ignore_above: 10,
        normalizer: "lowercase",
        doc_values: false,
        meta: { unit: "ms" },
      },
      d: { type: "date_nanos", index: false },
      b: { type: "binary" },
      bd: { type: "binary", doc_values: true },
      l: { type: "flattened", depth_limit: 3 },
      al: { type: "alias", path: "k" },
      w: { type: "wildcard" },
    },
  }, LIMITS);
  const t = mapping.field("t")!;
  assertEquals([t.analyzer, t.searchAnalyzer, t.norms, t.positions, t.freqs], [
    "english",
    "simple",
    false,
    false,
    true,
  ]);
  const p = mapping.field("p")!;
  assertEquals([p.analyzer, p.searchAnalyzer, p.norms, p.positions, p.docValues], [
    "standard",
    "standard",
    true,
    true,
    false,
  ]);
  const k = mapping.field("k")!;
  assertEquals([k.ignoreAbove, k.normalizer, k.docValues, k.kind, k.meta], [10, "lowercase", false, "term", {
    unit: "ms",
  }]);
  const d = mapping.field("d")!;
  assertEquals([d.kind, d.indexed, d.docValues, d.format], [
    "wide",
    false,
    true,
    "strict_date_optional_time_nanos||epoch_millis",
  ]);
  assertEquals([mapping.field("b")!.kind, mapping.field("bd")!.kind], ["none", "term"]);
  assertStrictEquals(mapping.field("al"), k);
  assertEquals(mapping.aliasTarget("al"), "k");
  assertEquals([mapping.field("w")!.type, mapping.field("w")!.declaredType], ["keyword", "wildcard"]);
  const key = mapping.field("l.some.key")!;
  assertEquals([key.name, key.flattenedKey, key.ordinal], [
    "l._keyed",
    "some.key",
    mapping.field("l")!.ordinal + 1,
  ]);
  assertEquals(mapping.field("nope"), undefined);
  assertEquals(mapping.names(), ["al", "b", "bd", "d", "k", "l", "p", "t", "w"]);
});

Deno.test("settings of the index: default analyzer, ignore_malformed, coerce", async () => {
  const { AnalyzerSet } = await import("../../src/analysis/mod.ts");
  const mapping = Mapping.parse({
    properties: { t: { type: "text" }, i: { type: "integer" }, k: { type: "keyword" } },
  }, {
    maxFields: 10,
    analyzers: AnalyzerSet.fromSettings({}, "english"),
    ignoreMalformed: true,
    coerce: false,
  });
  assertEquals(mapping.field("t")!.analyzer, "english");
  assertEquals([mapping.field("i")!.ignoreMalformed, mapping.field("i")!.coerce], [true, false]);
  assertEquals(mapping.field("k")!.ignoreMalformed, false);
});

Deno.test("limits: fields count objects, multi-fields and aliases; depth counts levels", () => {
  const four = {
    properties: {
      o: { properties: { a: { type: "text", fields: { k: { type: "keyword" } } } } },
      z: { type: "alias", path: "o.a" },
    },
  };
  assertEquals(Mapping.parse(four, { maxFields: 4 }).fieldCount, 4);
  assertEquals(
    thrown(() => Mapping.parse(four, { maxFields: 3 })).message,
    "Limit of total fields [3] has been exceeded",
  );
  const mapping = Mapping.parse(four, { maxFields: 4 });
  assertEquals(
    thrown(() => mapping.merge({ properties: { y: { type: "long" } } })).message,
    "Limit of total fields [4] has been exceeded",
  );
  const deep = (levels: number): unknown => {
    let json: unknown = { type: "long" };
    for (let i = 0; i < levels; i++) json = { properties: { o: json } };
    return json;
  };
  Mapping.parse(deep(20), LIMITS);
  assertEquals(
    thrown(() => Mapping.parse(deep(21), LIMITS)).message,
    `Limit of mapping depth [20] has been exceeded due to object field [${Array(20).fill("o").join(".")}]`,
  );
  assertEquals(thrown(() => Mapping.parse(deep(10_000), LIMITS)).type, "illegal_argument_exception");
});

Deno.test("a stored mapping is read even when limits are lower by now", () => {
  const mapping = Mapping.parse({ properties: { a: { type: "long" }, b: { type: "long" } } }, LIMITS);
  assertEquals(Mapping.fromStored(mapping.toStored(), { maxFields: 1 }).fieldCount, 2);
});

Deno.test("100,000 fields are refused quickly", () => {
  const properties: Record<string, unknown> = {};
  for (let i = 0; i < 100_000; i++) properties[`f${i}`] = { type: "keyword" };
  const start = performance.now();
  assertEquals(
    thrown(() => Mapping.parse({ properties }, LIMITS)).message,
    "Limit of total fields [1000] has been exceeded",
  );
  assert(performance.now() - start < 10_000);
});

Deno.test("dynamic runtime is taken as true, with a warning", () => {
  const mapping = Mapping.parse({ dynamic: "runtime" }, LIMITS);
  assertEquals(mapping.dynamic, "runtime");
  assertEquals(mapping.warnings.length, 1);
});
