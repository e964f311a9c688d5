/** Searches over a handful of documents; scores and sort values are those of Elasticsearch 8.13. */
import { assert, assertEquals } from "@std/assert";
import { utf8 } from "../../src/base/bytes.ts";
import { countBits } from "../../src/base/bitset.ts";
import { renderJsonText } from "../../src/base/json.ts";
import { matchDocs } from "../../src/query/match.ts";
import { parseQuery } from "../../src/query/queries/parse.ts";
import { renderHits } from "../../src/query/render.ts";
import { executeSearch, parseSearch, reduceSearch, searchShare } from "../../src/query/search.ts";
import { buildTarget, contextOf, hitsJson, ids, search, TargetBuilder } from "./world.ts";

const PROPERTIES = {
  a: { type: "text" },
  k: { type: "keyword" },
  i: { type: "integer" },
  l: { type: "long" },
  f: { type: "float" },
  d: { type: "date" },
  ip: { type: "ip" },
  b: { type: "boolean" },
  db: { type: "double" },
  dn: { type: "date_nanos" },
  o: { properties: { x: { type: "keyword" }, y: { type: "text" } } },
};

const SOURCES = [
  '{"a":"quick brown fox","k":"x","i":1,"l":9007199254740993,"f":1.5,"d":"2025-01-01T00:00:00Z","ip":"10.0.0.1","b":true,' +
  '"db":0.1,"dn":"2025-01-01T00:00:00.123456789Z","o":{"x":"p","y":"hello world"}}',
  '{"a":"lazy dog","k":["y","z"],"i":[3,5],"b":false,"o":[{"x":"q","y":"u v"},{"x":"r"}]}',
  '{"a":"quick quick dog"}',
];

const builder = new TargetBuilder(PROPERTIES);
SOURCES.forEach((text, id) => {
  const source = utf8(text);
  builder.add(source, 0, source.length, String(id));
});
builder.cut();
const target = builder.target();

function found(body: unknown): [string, number | null][] {
  return hitsJson(search([target], body)).hits.map((hit) => [hit._id, hit._score]);
}

Deno.test("queries score as in Elasticsearch", () => {
  const table: [unknown, [string, number][]][] = [
    [{ match_all: {} }, [["0", 1], ["1", 1], ["2", 1]]],
    [{ term: { k: "x" } }, [["0", 0.8025915]]],
    [{ term: { k: "y" } }, [["1", 0.8025915]]],
    [{ term: { b: true } }, [["0", 0.6931471]]],
    [{ match: { b: "false" } }, [["1", 0.6931471]]],
    [{ term: { i: 1 } }, [["0", 1]]],
    [{ exists: { field: "o" } }, [["0", 1], ["1", 1]]],
    [{ range: { k: { gte: "x" } } }, [["0", 1], ["1", 1]]],
    [{ bool: {} }, [["0", 1], ["1", 1], ["2", 1]]],
    [{ bool: { must_not: [{ term: { k: "x" } }] } }, [["1", 0], ["2", 0]]],
    [{ bool: { filter: [{ term: { k: "x" } }] } }, [["0", 0]]],
    [{ bool: { should: [{ term: { k: "x" } }], minimum_should_match: 0 } }, [["0", 0.8025915]]],
    [
      { bool: { must: [{ match_all: {} }], should: [{ term: { k: "x" } }] } },
      [["0", 1.8025916], ["1", 1], ["2", 1]],
    ],
    [{ match_phrase: { a: "quick dog" } }, [["2", 0.8942772]]],
    [{ match_phrase: { a: { query: "quick dog", slop: 1 } } }, [["2", 0.8942772]]],
    [{ match_phrase: { a: { query: "quick quick", slop: 1 } } }, [["2", 0.8942772]]],
    [{ match_phrase: { a: { query: "dog quick", slop: 5 } } }, [["2", 0.41883862]]],
    [{ match: { a: "quick quick quick fox" } }, [["0", 2.274529], ["2", 1.8729202]]],
    [{ match: { a: { query: "quick quick", operator: "and" } } }, [["2", 1.2486134], ["0", 0.8942772]]],
    [{ constant_score: { filter: { term: { k: "x" } }, boost: 2.5 } }, [["0", 2.5]]],
    [{ ids: { values: ["2", 0, "9"] } }, [["0", 1], ["2", 1]]],
    [{ fuzzy: { a: "quikc" } }, [["2", 0.49944538], ["0", 0.35771087]]],
    [{ fuzzy: { a: { value: "dogg" } } }, [["1", 0.3490322], ["2", 0.29809237]]],
    [{ fuzzy: { a: { value: "quck", fuzziness: 2 } } }, [["2", 0.46823004], ["0", 0.33535394]]],
    [
      { match: { a: { query: "quick dogg", fuzziness: "AUTO" } } },
      [["2", 0.92239904], ["0", 0.4471386], ["1", 0.3490322]],
    ],
    [{ match_phrase_prefix: { a: "quick d" } }, [["2", 0.8942772]]],
    [{ match_phrase_prefix: { a: "la" } }, [["1", 1.0925692]]],
    [{ match_bool_prefix: { a: "lazy d" } }, [["1", 2.0925694], ["2", 1]]],
    [{ multi_match: { query: "quick hello", fields: ["a", "o.y^2"] } }, [["0", 1.3862942], ["2", 0.6243067]]],
    [
      { multi_match: { query: "quick hello", fields: ["a", "o.y^2"], type: "most_fields" } },
      [["0", 1.8334329], ["2", 0.6243067]],
    ],
  ];
  for (const [query, expected] of table) assertEquals(found({ query }), expected, JSON.stringify(query));
});

Deno.test("values, ranges and patterns find what Elasticsearch finds", () => {
  const table: [unknown, string[]][] = [
    [{ term: { l: 9007199254740993n } }, ["0"]],
    [{ term: { l: "9007199254740993" } }, ["0"]],
    [{ term: { l: "9007199254740992" } }, []],
    [{ range: { l: { gt: "9007199254740992" } } }, ["0"]],
    [{ term: { i: 3.5 } }, []],
    [{ range: { i: { gt: 2.5, lt: 4 } } }, ["1"]],
    [{ range: { f: { gte: 1.5, lt: 1.6 } } }, ["0"]],
    [{ range: { f: { gt: 1.5 } } }, []],
    [{ term: { d: "2025-01-01" } }, ["0"]],
    [{ range: { d: { gte: "2025-01-01||/d", lt: "2025-01-01||+1d/d" } } }, ["0"]],
    [{ range: { d: { gte: "now-1y", lte: "now" } } }, ["0"]],
    [{ range: { d: { gte: "2025-01-01T01:00:00", time_zone: "+01:00" } } }, ["0"]],
    [{ range: { d: { from: "2025-01-01", to: "2025-01-02", include_upper: false } } }, ["0"]],
    [{ range: { dn: { gte: "2025-01-01T00:00:00.123456789Z" } } }, ["0"]],
    [{ range: { dn: { gt: "2025-01-01T00:00:00.123456789Z" } } }, []],
    [{ term: { ip: "10.0.0.0/8" } }, ["0"]],
    [{ range: { ip: { gt: "10.0.0.0", lt: "10.0.0.2" } } }, ["0"]],
    [{ terms: { ip: ["10.0.0.1", "11.0.0.0/8"] } }, ["0"]],
    [{ term: { k: { value: "X", case_insensitive: true } } }, ["0"]],
    [{ prefix: { k: { value: "X", case_insensitive: true } } }, ["0"]],
    [{ prefix: { a: "qui" } }, ["0", "2"]],
    [{ wildcard: { "o.x": "?" } }, ["0", "1"]],
    [{ regexp: { k: "[yz]" } }, ["1"]],
    [{ fuzzy: { a: "quikc" } }, ["2", "0"]],
    [{ match: { a: { query: "quick dogg", fuzziness: "AUTO" } } }, ["2", "0", "1"]],
    [{ match_phrase_prefix: { a: "quick br" } }, ["0"]],
    [{ multi_match: { query: "hello dog", fields: ["a", "o.*"] } }, ["0", "1", "2"]],
    [{ term: { _id: "1" } }, ["1"]],
    [{ term: { _index: "t" } }, ["0", "1", "2"]],
    [{ term: { nope: 1 } }, []],
    [{ terms: { i: [5, 1] } }, ["0", "1"]],
    [{ match: { a: "" } }, []],
    [{ match: { a: { query: "!", zero_terms_query: "all" } } }, ["0", "1", "2"]],
  ];
  for (const [query, expected] of table) {
    assertEquals(ids(search([target], { query })), expected, renderJsonText(query as never));
  }
});

Deno.test("sort values print as Elasticsearch prints them", () => {
  const max = "9223372036854775807";
  const min = "-9223372036854775808";
  const table: [unknown, string][] = [
    [["i"], `[1] [3] [${max}]`],
    [[{ i: "desc" }], `[5] [1] [${min}]`],
    [[{ i: { order: "asc", missing: "_first" } }], `[${min}] [1] [3]`],
    [[{ i: { mode: "sum" } }], `[1] [8] [${max}]`],
    [[{ i: { mode: "avg" } }], `[1] [4] [${max}]`],
    [[{ i: { missing: 4 } }], "[1] [3] [4]"],
    [["l"], `[9007199254740993] [${max}] [${max}]`],
    [["f"], '[1.5] ["Infinity"] ["Infinity"]'],
    [[{ db: "desc" }], '[0.1] ["-Infinity"] ["-Infinity"]'],
    [[{ d: "desc" }], `[1735689600000] [${min}] [${min}]`],
    [["dn"], `[1735689600123456789] [${max}] [${max}]`],
    [[{ dn: "desc" }], "[1735689600123456789] [0] [0]"],
    [["b"], `[0] [1] [${max}]`],
    [["k"], '["x"] ["y"] [null]'],
    [[{ k: "desc" }], '["z"] ["x"] [null]'],
    [[{ k: { missing: "_first" } }], '[null] ["x"] ["y"]'],
    [[{ k: { missing: "xx" } }], '["x"] ["xx"] ["y"]'],
    [["ip"], '["10.0.0.1"] [null] [null]'],
    [[{ zz: { unmapped_type: "keyword" } }], "[null] [null] [null]"],
    [[{ zz: { unmapped_type: "date" } }], `[${max}] [${max}] [${max}]`],
    [["_score", "i"], `[1.0,1] [1.0,3] [1.0,${max}]`],
    [[{ _score: "asc" }], "[1.0] [1.0] [1.0]"],
    [[{ _doc: "desc" }], "[2] [1] [0]"],
  ];
  for (const [sort, expected] of table) {
    const { hits } = search([target], { sort });
    assertEquals(hits.map((hit) => renderJsonText(hit.sort!)).join(" "), expected, JSON.stringify(sort));
  }
});

Deno.test("search_after goes on behind a hit", () => {
  const table: [unknown, unknown[], string[]][] = [
    [["i"], [3], ["2"]],
    [["i"], ["3"], ["2"]],
    [["i"], [2.5], ["1", "2"]],
    [["i"], [9223372036854775807n], []],
    [["k"], ["x"], ["1", "2"]],
    [["k"], ["xa"], ["1", "2"]],
    [["k"], [null], []],
    [["d"], ["2024"], ["0", "1", "2"]],
    [["b"], [false], ["0", "2"]],
    [["_score", "_doc"], [1, 0], ["1", "2"]],
    [["ip"], ["10.0.0.0"], ["0", "1", "2"]],
  ];
  for (const [sort, after, expected] of table) {
    assertEquals(ids(search([target], { sort, search_after: after })), expected, `${sort} ${after}`);
  }
});

Deno.test("hits show what was asked for", () => {
  const hit = (body: unknown) => renderJsonText(renderHits(search([target], { size: 1, ...body as object })));
  const head = '{"total":{"value":3,"relation":"eq"},"max_score":1.0,"hits":[';
  assertEquals(hit({ _source: false }), `${head}{"_index":"t","_id":"0","_score":1.0}]}`);
  assertEquals(hit({ stored_fields: "_none_" }), `${head}{"_index":"t","_score":1.0}]}`);
  assertEquals(
    hit({ _source: ["l", "o.x"] }),
    `${head}{"_index":"t","_id":"0","_score":1.0,"_source":{"l":9007199254740993,"o":{"x":"p"}}}]}`,
  );
  assertEquals(hit({}), `${head}{"_index":"t","_id":"0","_score":1.0,"_source":${SOURCES[0]}}]}`);
  assertEquals(
    hit({ _source: false, version: true, seq_no_primary_term: true }),
    `${head}{"_index":"t","_id":"0","_version":1,"_seq_no":0,"_primary_term":1,"_score":1.0}]}`,
  );
  assertEquals(
    hit({ _source: false, sort: ["i"] }),
    '{"total":{"value":3,"relation":"eq"},"max_score":null,"hits":[{"_index":"t","_id":"0","_score":null,"sort":[1]}]}',
  );
});

Deno.test("fields and docvalue_fields are read by the mapping", () => {
  const fields = (body: unknown) =>
    search([target], { _source: false, ...body as object }).hits.map((hit) =>
      renderJsonText(hit.fields ?? null)
    );
  assertEquals(fields({ fields: ["i", "k", "o.*", "d", "f", "b", "ip", "l", "dn", "nope"] }), [
    '{"i":[1],"k":["x"],"o.x":["p"],"o.y":["hello world"],"d":["2025-01-01T00:00:00.000Z"],"f":[1.5],"b":[true],' +
    '"ip":["10.0.0.1"],"l":[9007199254740993],"dn":["2025-01-01T00:00:00.123456789Z"]}',
    '{"i":[3,5],"k":["y","z"],"o.x":["q","r"],"o.y":["u v"],"b":[false]}',
    "null",
  ]);
  assertEquals(fields({ docvalue_fields: ["i", "k", "d", "f", "b", "ip", "l", "o.x"], size: 2 }), [
    '{"i":[1],"k":["x"],"d":["2025-01-01T00:00:00.000Z"],"f":[1.5],"b":[true],"ip":["10.0.0.1"],' +
    '"l":[9007199254740993],"o.x":["p"]}',
    '{"i":[3,5],"k":["y","z"],"b":[false],"o.x":["q","r"]}',
  ]);
  assertEquals(fields({ fields: [{ field: "d", format: "epoch_millis" }], size: 1 }), [
    '{"d":["1735689600000"]}',
  ]);
  assertEquals(
    fields({ docvalue_fields: [{ field: "d", format: "yyyy-MM" }, { field: "i", format: "#.00" }], size: 2 }),
    ['{"d":["2025-01"],"i":["1.00"]}', '{"i":["3.00","5.00"]}'],
  );
});

const many = buildTarget({
  properties: PROPERTIES,
  segments: [0, 1, 2].map((s) =>
    Array.from({ length: 1000 }, (_, i) => ({ a: `word w${i % 10}`, i: s * 1000 + i }))
  ),
  dead: new Set([0, 1, 2, 1500]),
});

Deno.test("totals are exact as far as asked", () => {
  const total = (body: unknown) => search([many], body).total;
  const query = { match: { a: "word" } };
  assertEquals(total({ query }), { value: 2996, relation: "eq" });
  assertEquals(total({ query, track_total_hits: 100 }), { value: 100, relation: "gte" });
  assertEquals(total({ query, track_total_hits: 2996 }), { value: 2996, relation: "eq" });
  assertEquals(total({ query, track_total_hits: true }), { value: 2996, relation: "eq" });
  assertEquals(total({ query, track_total_hits: false }), undefined);
  assertEquals(total({ query, size: 0, track_total_hits: 0 }), { value: 0, relation: "gte" });
  assertEquals(total({ track_total_hits: 5 }), { value: 5, relation: "gte" });
  assertEquals(total({ query: { range: { i: { gte: 10, lt: 20 } } } }), { value: 10, relation: "eq" });
});

Deno.test("post_filter narrows hits, not aggregations; min_score narrows both", () => {
  const body = { query: { match: { a: "word w1" } }, aggs: { n: { value_count: { field: "i" } } }, size: 3 };
  const filtered = search([many], { ...body, post_filter: { range: { i: { gte: 2500 } } } });
  assertEquals(filtered.total!.value, 500);
  assertEquals(renderJsonText(filtered.aggs!), '{"n":{"value":2996}}');
  assertEquals(ids(filtered), ["2501", "2511", "2521"]);
  const scored = search([many], { ...body, min_score: 1 });
  assertEquals(scored.total!.value, 299);
  assertEquals(renderJsonText(scored.aggs!), '{"n":{"value":299}}');
});

Deno.test("terminate_after stops each shard", () => {
  const result = search([many], { query: { match: { a: "word" } }, terminate_after: 50 });
  assertEquals(result.terminatedEarly, true);
  assertEquals(result.total, { value: 50, relation: "eq" });
  assertEquals(search([many], { terminate_after: 5, size: 10 }).hits.length, 5);
});

Deno.test("a passed deadline gives what was found, and says so", () => {
  let now = 0;
  const clock = { deadlineMs: 3, monotonicMs: () => now++ };
  const result = search([many], { query: { match: { a: "word" } }, sort: [{ i: "desc" }] }, clock);
  assertEquals(result.timedOut, true);
  const late = search([many], { size: 5 }, { deadlineMs: 0, monotonicMs: () => 1 });
  assertEquals([late.timedOut, late.hits.length], [true, 0]);
  const own = search([many], { timeout: "10ms" }, { monotonicMs: () => (now += 1000) });
  assertEquals(own.timedOut, true);
  assertEquals(search([many], { timeout: "10ms" }, { monotonicMs: () => 7 }).timedOut, false);
});

Deno.test("several indices and several threads give one order", () => {
  const left = buildTarget({
    properties: PROPERTIES,
    index: "l",
    segments: [[{ i: 1 }, { i: 4 }], [{ i: 3 }]],
  });
  const right = buildTarget({
    properties: PROPERTIES,
    index: "r",
    firstOrdinal: 2,
    segments: [[{ i: 2 }, { i: 3 }, { a: "x" }]],
  });
  const context = contextOf([left, right]);
  for (
    const body of [{ sort: [{ i: "desc" }], size: 4 }, { size: 5 }, {
      query: { range: { i: { gte: 2 } } },
      sort: ["i"],
    }]
  ) {
    const request = parseSearch(body);
    const alone = executeSearch(request, context);
    const shares = [[0], [1, 2]].map((segments) =>
      structuredClone(searchShare(request, context, { segments: new Set(segments) }))
    );
    assertEquals(hitsJson(reduceSearch(request, shares, context)), hitsJson(alone));
  }
  const sorted = executeSearch(parseSearch({ sort: [{ i: "desc" }] }), context);
  assertEquals(sorted.hits.map((hit) => `${hit.target.index}${hit.id}`), [
    "l1",
    "l2",
    "r1",
    "r0",
    "l0",
    "r2",
  ]);
});

Deno.test("a set of matches holds live docs only", () => {
  const context = contextOf([many]);
  const set = (query: unknown, s: number) => {
    const found = matchDocs(parseQuery(query), many.segments[s]!, many, context);
    return found === "all" ? "all" : countBits(found);
  };
  assertEquals(set({ match_all: {} }, 0), "all");
  assertEquals(set({ match: { a: "w1" } }, 0), 99);
  assertEquals(set({ match: { a: "w1" } }, 1), 100);
  assertEquals(set({ bool: { must_not: [{ match: { a: "w1" } }] } }, 2), 900);
  assertEquals(set({ range: { i: { lt: 10 } } }, 0), 7);
});

Deno.test("a search that would hold too much is refused", () => {
  let refused = "";
  try {
    search([many], { query: { range: { i: { gte: 5 } } } }, { limits: { memoryBytes: 50 } });
  } catch (error) {
    refused = (error as Error).message;
  }
  assert(refused.startsWith("[request] Data too large"), refused);
});
