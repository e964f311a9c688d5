/**
 * The search bodies of the shared data set against what a brute-force evaluator found, over 100,000 generated log
 * documents, in one segment and in seven.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { RequestError } from "../../src/base/errors.ts";
import { renderJsonText } from "../../src/base/json.ts";
import { executeSearch, parseSearch } from "../../src/query/search.ts";
import { contextOf, hitsJson, targetOfLines } from "./world.ts";

const DATA = "../shared/data";
const DOCS = 100_000;

interface Judged {
  readonly total: number;
  readonly scores?: readonly number[];
  readonly page?: readonly string[];
  readonly page_ties?: boolean;
  readonly best?: string;
  readonly aggs?: unknown;
}

interface Body {
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly equivalent?: unknown;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function generate(): Promise<Uint8Array> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", `${DATA}/gen_logs.mjs`, "--n", String(DOCS), "--seed", "42"],
  }).output();
  assert(success, "the generator ran");
  return stdout;
}

/** Aggregations whose answer is an estimate. */
const ESTIMATES = /^(percentile|cardinality|service_overview|nested_three_levels)/;

function compareAggs(actual: unknown, expected: unknown, path: string, tolerance: number): void {
  if (typeof expected === "number" && typeof actual === "number") {
    const slack = Math.max(Math.abs(expected) * tolerance, 1e-9);
    assertAlmostEquals(actual, expected, slack, path);
  } else if (Array.isArray(expected)) {
    const items = actual as readonly unknown[];
    assertEquals(items.length, expected.length, path);
    expected.forEach((item, i) => compareAggs(items[i], item, `${path}[${i}]`, tolerance));
  } else if (typeof expected === "object" && expected !== null) {
    for (const [key, value] of Object.entries(expected)) {
      // The evaluator repeats the bounds of a date range as they were written.
      if ((key === "from" || key === "to") && typeof value === "string") continue;
      // Of top hits the evaluator gives the ids.
      if (key === "ids" && Array.isArray(value)) {
        const { hits } =
          (actual as { readonly hits: { readonly hits: readonly { readonly _id: string }[] } }).hits;
        assertEquals(hits.map((hit) => hit._id), value, path);
        continue;
      }
      compareAggs((actual as Readonly<Record<string, unknown>>)?.[key], value, `${path}.${key}`, tolerance);
    }
  } else assertEquals(actual, expected, path);
}

const present = exists(`${DATA}/queries_expected.json.gz`) && exists(`${DATA}/gen_logs.mjs`);
if (!present) console.log("judged queries: skipped, the shared data is not there");

Deno.test({
  name: "judged queries answer as the brute-force evaluator does",
  ignore: !present,
  fn: async (t) => {
    const { queries } = JSON.parse(Deno.readTextFileSync(`${DATA}/queries.json`)) as {
      queries: readonly Body[];
    };
    const { results } = JSON.parse(
      new TextDecoder().decode(gunzipSync(Deno.readFileSync(`${DATA}/queries_expected.json.gz`))),
    ) as { results: Readonly<Record<string, Judged>> };
    const { mappings } = JSON.parse(Deno.readTextFileSync(`${DATA}/gen_logs.mapping.json`));
    const lines = await generate();
    for (const perSegment of [DOCS, 16_000]) {
      const target = targetOfLines(lines, mappings.properties, perSegment);
      const context = contextOf([target]);
      const unsupported: string[] = [];
      for (const { name, body, equivalent } of queries) {
        await t.step(`${name}, ${target.segments.length} segments`, () => {
          const expected = results[name]!;
          const asked: Record<string, unknown> = { ...body };
          if (equivalent !== undefined) asked.query = equivalent;
          let request;
          try {
            request = parseSearch(asked);
          } catch (error) {
            if (!(error instanceof RequestError) || error.status !== 501) throw error;
            unsupported.push(name);
            return;
          }
          const limited = executeSearch(request, context);
          const result = executeSearch({ ...request, trackTotalHits: Infinity }, context);
          assertEquals(result.total, { value: expected.total, relation: "eq" });
          const { hits } = hitsJson(result);
          // Skipping what cannot be among the best changes nothing but the count.
          assertEquals(hitsJson(limited).hits, hits);
          if (expected.scores !== undefined) {
            assertEquals(hits.length, expected.scores.length);
            hits.forEach((hit, i) => {
              assertAlmostEquals(
                hit._score!,
                expected.scores![i]!,
                Math.max(1e-5, expected.scores![i]! * 2e-6),
              );
            });
            if (expected.best !== undefined && expected.best !== "") {
              assertEquals(hits[0]!._id, expected.best);
            }
          }
          if (expected.page !== undefined && expected.page_ties !== true) {
            assertEquals(hits.map((hit) => hit._id), expected.page);
          }
          if (expected.aggs !== undefined) {
            compareAggs(
              JSON.parse(renderJsonText(result.aggs!)),
              expected.aggs,
              name,
              ESTIMATES.test(name) ? 0.05 : 1e-9,
            );
          }
        });
      }
      console.log(`not supported yet: ${unsupported.join(", ")}`);
    }
  },
});
