/** Random queries over random documents against brute force; pruning against none; paging against one long page. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { executeSearch, parseSearch } from "../../src/query/search.ts";
import type { SearchTarget } from "../../src/query/target.ts";
import { type Random, randomOf } from "../ingest/random.ts";
import { BruteForce, type PlainDoc, PROPERTIES } from "./brute_force.ts";
import { buildTarget, contextOf, hitsJson, ids, search } from "./world.ts";

const WORDS = "alpha alpha alpha beta beta gamma delta eps zeta eta theta iota kappa lambda".split(" ");

function makeDoc(random: Random): PlainDoc {
  const maybe = <T>(make: () => T): T | undefined => random.below(5) === 0 ? undefined : make();
  const times = <T>(most: number, make: () => T): T[] => Array.from({ length: 1 + random.below(most) }, make);
  return {
    a: maybe(() => times(15, () => random.pick(WORDS)).join(" ")),
    k: maybe(() => times(3, () => `k${random.below(random.below(3) === 0 ? 30 : 4)}`)),
    i: maybe(() => times(2, () => random.below(60) - 30)),
    f: maybe(() => random.below(1000) / 16),
    d: maybe(() => new Date(Date.UTC(2025, random.below(12), 1 + random.below(28))).toISOString()),
    t: maybe(() => random.below(3) === 0),
  };
}

function makeQuery(random: Random, depth: number): unknown {
  const list = (most: number) =>
    Array.from({ length: random.below(most + 1) }, () => makeQuery(random, depth + 1));
  switch (random.below(depth >= 2 ? 13 : 20)) {
    case 0:
      return { match_all: {} };
    case 1:
    case 2: {
      const query = Array.from({ length: 1 + random.below(4) }, () => random.pick(WORDS)).join(" ");
      return { match: { a: random.below(3) === 0 ? { query, operator: "and" } : query } };
    }
    case 3:
    case 4:
      return {
        match_phrase: { a: Array.from({ length: 1 + random.below(3) }, () => random.pick(WORDS)).join(" ") },
      };
    case 5:
      return { term: { k: `k${random.below(6)}` } };
    case 6:
      return { term: { t: random.below(2) === 0 } };
    case 7:
      return { term: { i: random.below(60) - 30 } };
    case 8:
      return { terms: { k: [`k${random.below(6)}`, `k${random.below(40)}`, "k1"] } };
    case 9:
      return { prefix: { k: random.pick(["k", "k1", "k2", "x"]) } };
    case 10:
      return random.pick([
        { exists: { field: "a" } },
        { exists: { field: "f" } },
        { exists: { field: "k" } },
        { ids: { values: [String(random.below(900)), String(random.below(900)), "7"] } },
      ]);
    case 11:
      return random.pick([
        { range: { i: { gte: -5, lt: 10 } } },
        { range: { i: { gt: 20 } } },
        { range: { f: { gte: 10.5, lte: 30 } } },
        { range: { f: { lt: 2.25 } } },
      ]);
    case 12:
      return { range: { d: { gte: "2025-03-01T00:00:00Z", lt: "2025-08-01T00:00:00Z" } } };
    case 13:
      return { constant_score: { filter: makeQuery(random, depth + 1), boost: 1.5 } };
    case 14:
      return { dis_max: { queries: [makeQuery(random, depth + 1), ...list(2)], tie_breaker: 0.3 } };
    default: {
      const should = list(3);
      return {
        bool: {
          must: list(2),
          filter: list(1),
          should,
          must_not: random.below(3) === 0 ? list(1) : [],
          minimum_should_match: random.below(Math.min(3, should.length + 1)),
        },
      };
    }
  }
}

interface Corpus {
  readonly docs: readonly PlainDoc[];
  readonly dead: ReadonlySet<number>;
  readonly target: SearchTarget;
}

function makeCorpus(
  seed: number,
  options: { readonly cuts: readonly number[]; readonly deletes: boolean },
): Corpus {
  const random = randomOf(seed);
  const total = options.cuts.reduce((sum, cut) => sum + cut, 0);
  const docs = Array.from({ length: total }, () => makeDoc(random));
  const dead = new Set<number>();
  if (options.deletes) { for (let i = 0; i < total / 8; i++) dead.add(random.below(total)); }
  let at = 0;
  const segments = options.cuts.map((cut) => docs.slice(at, at += cut));
  const target = buildTarget({ properties: PROPERTIES, segments, ...(options.deletes ? { dead } : {}) });
  return { docs, dead, target };
}

const SHAPES = [
  { cuts: [700], deletes: false },
  { cuts: [300, 1, 399], deletes: false },
  { cuts: [350, 350], deletes: true },
];

for (const [seed, shape] of SHAPES.entries()) {
  const name = `${shape.cuts.length} segments${shape.deletes ? " with deletes" : ""}`;
  Deno.test(`random queries find and score what brute force does: ${name}`, () => {
    const { docs, dead, target } = makeCorpus(100 + seed, shape);
    const brute = new BruteForce(docs);
    const random = randomOf(seed + 1);
    for (let round = 0; round < 150; round++) {
      const query = makeQuery(random, 0);
      const expected: { id: string; score: number }[] = [];
      docs.forEach((_, i) => {
        const score = dead.has(i) ? undefined : brute.score(query, i);
        if (score !== undefined) expected.push({ id: String(i), score });
      });
      const size = random.pick([1, 10, 700]);
      const { total, hits } = hitsJson(
        search([target], { query, size, track_total_hits: true, _source: false }),
      );
      const why = JSON.stringify(query);
      assertEquals(total, { value: expected.length, relation: "eq" }, why);
      const scores = new Map(expected.map(({ id, score }) => [id, score]));
      expected.sort((a, b) => b.score - a.score);
      assertEquals(hits.length, Math.min(size, expected.length), why);
      let last = Infinity;
      let lastId = -1;
      hits.forEach((hit, i) => {
        const score = hit._score!;
        assertAlmostEquals(score, expected[i]!.score, 1e-6 * (1 + expected[i]!.score), why);
        assertAlmostEquals(score, scores.get(hit._id)!, 1e-6 * (1 + score), why);
        if (score === last && Number(hit._id) < lastId) throw new Error(`ties out of order: ${why}`);
        if (score > last) throw new Error(`scores out of order: ${why}`);
        last = score;
        lastId = Number(hit._id);
      });
    }
  });

  Deno.test(`skipping blocks finds the same best hits as scoring all: ${name}`, () => {
    const random = randomOf(seed + 50);
    const docs = Array.from({ length: 20_000 }, () => ({
      a: Array.from(
        { length: 1 + random.below(20) },
        () => WORDS[Math.floor(random.below(WORDS.length * WORDS.length) ** 0.5)],
      )
        .join(" "),
    }));
    const cut = shape.cuts.length === 1 ? docs.length : 7001;
    const segments = [];
    for (let at = 0; at < docs.length; at += cut) segments.push(docs.slice(at, at + cut));
    const dead = new Set(Array.from({ length: 3000 }, () => random.below(docs.length)));
    const target = buildTarget({ properties: PROPERTIES, segments, ...(shape.deletes ? { dead } : {}) });
    for (let round = 0; round < 60; round++) {
      const query = {
        match: { a: Array.from({ length: 1 + random.below(5) }, () => random.pick(WORDS)).join(" ") },
      };
      const size = random.pick([1, 10, 100]);
      const skipped = search([target], {
        query,
        size,
        _source: false,
        track_total_hits: random.pick([false, 10, 5000]),
      });
      // A least score makes the engine look at every match.
      const scored = search([target], { query, size, _source: false, track_total_hits: true, min_score: 0 });
      assertEquals(hitsJson(skipped).hits, hitsJson(scored).hits, JSON.stringify(query));
      const counted = search([target], { query, size, _source: false, track_total_hits: true });
      assertEquals(counted.total, scored.total);
      assertEquals(hitsJson(counted).hits, hitsJson(scored).hits);
    }
  });

  Deno.test(`walking by search_after and by pages gives the whole order: ${name}`, () => {
    const { target } = makeCorpus(200 + seed, shape);
    const random = randomOf(seed + 9);
    const sorts = ["i", "f", "d", "k", "t"];
    for (let round = 0; round < 25; round++) {
      const query = makeQuery(random, 1);
      const sort = [
        ...Array.from({ length: 1 + random.below(3) }, () => {
          const field = random.pick(sorts);
          const missing = random.below(3) === 0 ? { missing: "_first" } : {};
          return { [field]: { order: random.pick(["asc", "desc"]), ...missing } };
        }),
        ...random.pick([[], ["_score"]]),
        "_doc",
      ];
      const context = contextOf([target]);
      const whole = executeSearch(parseSearch({ query, sort, size: 1000, _source: false }), context);
      const step = random.pick([7, 50]);
      const walked: string[] = [];
      let after: unknown;
      for (;;) {
        const body = {
          query,
          sort,
          size: step,
          _source: false,
          ...(after === undefined ? {} : { search_after: after }),
        };
        const page = executeSearch(parseSearch(body), context);
        if (page.hits.length === 0) break;
        walked.push(...ids(page));
        after = hitsJson(page).hits.at(-1)!.sort;
      }
      assertEquals(walked, ids(whole), JSON.stringify({ query, sort }));
      const paged: string[] = [];
      for (let from = 0; from < whole.hits.length; from += step) {
        paged.push(
          ...ids(executeSearch(parseSearch({ query, sort, from, size: step, _source: false }), context)),
        );
      }
      assertEquals(paged, ids(whole));
    }
  });
}

Deno.test("sorting by a column agrees with sorting the documents", () => {
  const { docs, target } = makeCorpus(300, { cuts: [500, 200], deletes: false });
  for (const order of ["asc", "desc"] as const) {
    const sign = order === "asc" ? 1 : -1;
    const found = ids(search([target], { sort: [{ f: order }], size: 700, _source: false })).map(Number);
    const expected = docs.map((doc, i) => ({ i, f: doc.f })).sort((a, b) => {
      if (a.f === undefined || b.f === undefined) {
        return Number(a.f === undefined) - Number(b.f === undefined) || a.i - b.i;
      }
      return (a.f - b.f) * sign || a.i - b.i;
    }).map(({ i }) => i);
    assertEquals(found, expected);
  }
});

Deno.test("the newest of a dense column are found without reading all of it, whatever the order of arrival", () => {
  const random = randomOf(77);
  for (const arrival of ["ascending", "random", "equal"]) {
    const docs = Array.from({ length: 6000 }, (_, i) => ({
      i: [arrival === "ascending" ? i : arrival === "random" ? random.below(3000) : 5],
      k: [`k${random.below(5)}`],
    }));
    const target = buildTarget({ properties: PROPERTIES, segments: [docs.slice(0, 4000), docs.slice(4000)] });
    for (const order of ["asc", "desc"] as const) {
      for (
        const query of [{ match_all: {} }, { term: { k: "k1" } }, { range: { i: { gte: 100, lt: 2500 } } }]
      ) {
        const sort = [{ i: order }];
        const quick = search([target], { query, sort, size: 40, _source: false, track_total_hits: true });
        const expected = docs.map((doc, id) => ({ id, ...doc }))
          .filter((doc) => !("term" in query) || doc.k[0] === "k1")
          .filter((doc) => !("range" in query) || (doc.i[0]! >= 100 && doc.i[0]! < 2500))
          .sort((a, b) => (a.i[0]! - b.i[0]!) * (order === "asc" ? 1 : -1) || a.id - b.id);
        assertEquals(ids(quick).map(Number), expected.slice(0, 40).map((doc) => doc.id));
        assertEquals(quick.total!.value, expected.length);
      }
    }
  }
});

Deno.test("a doc that matches hundreds of clauses is found once", () => {
  const text = Array.from({ length: 600 }, (_, i) => `w${i}`).join(" ");
  const target = buildTarget({
    properties: PROPERTIES,
    segments: [[{ a: text }, { a: "w1" }, { a: "other" }]],
  });
  for (const extra of [{}, { min_score: 0 }, { sort: ["_doc"] }]) {
    assertEquals(ids(search([target], { query: { match: { a: text } }, ...extra })), ["0", "1"]);
  }
  const most = { match: { a: { query: text, minimum_should_match: "50%" } } };
  assertEquals(ids(search([target], { query: most })), ["0"]);
});
