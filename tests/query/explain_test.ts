import { assert, assertEquals } from "@std/assert";
import { renderJsonText } from "../../src/base/json.ts";
import { explainPlan } from "../../src/query/explain.ts";
import { parseSearch } from "../../src/query/search.ts";
import { buildTarget, contextOf } from "./world.ts";

interface PlanNode {
  readonly type: string;
  readonly estimated_rows: number;
  readonly actual_rows: number;
  readonly micros: number;
  readonly blocks_read?: number;
  readonly blocks_skipped?: number;
  readonly children?: readonly PlanNode[];
}

interface Explained {
  readonly total: number;
  readonly segments: readonly {
    readonly plan: PlanNode;
    readonly sort?: { readonly blocks_read: number; readonly blocks_skipped: number };
    readonly bytes_touched_by_run: Readonly<Record<string, number>>;
  }[];
}

const docs = Array.from({ length: 5000 }, (_, i) => ({
  at: Date.UTC(2025, 0, 1) + i * 1000,
  level: i % 50 === 0 ? "error" : "info",
  size: (i * 7919) % 1000,
  message: i % 3 === 0 ? "request failed badly" : "request completed",
}));

const target = buildTarget({
  properties: {
    at: { type: "date" },
    level: { type: "keyword" },
    size: { type: "long" },
    message: { type: "text" },
  },
  segments: [docs],
});

function explain(body: unknown): Explained {
  return JSON.parse(renderJsonText(explainPlan(parseSearch(body), contextOf([target]))));
}

Deno.test("a plan tells who led, how many rows were expected and how many came", () => {
  const { total, segments } = explain({
    query: { bool: { must: [{ match: { message: "failed" } }], filter: [{ term: { level: "error" } }] } },
    track_total_hits: true,
  });
  const plan = segments[0]!.plan;
  assertEquals(total, 34);
  assertEquals(plan.type, "bool");
  assertEquals(plan.actual_rows, 34);
  assertEquals(plan.children!.map((child) => [child.type, child.estimated_rows, child.actual_rows]), [
    ["term level", 100, 100],
    ["term message", 1667, 34],
  ]);
});

Deno.test("a search reads only the columns that it names", () => {
  const { segments } = explain({ query: { range: { size: { gte: 10, lt: 20 } } }, size: 0 });
  const runs = Object.keys(segments[0]!.bytes_touched_by_run);
  assert(runs.length > 0);
  assertEquals(runs.filter((run) => !run.startsWith("size")), []);
});

Deno.test("a range over an ordered column decodes its edges only", () => {
  const { segments } = explain({
    query: { range: { at: { gte: "2025-01-01T00:10:00Z", lt: "2025-01-01T00:30:00Z" } } },
    size: 0,
    track_total_hits: true,
  });
  const { plan } = segments[0]!;
  assertEquals(plan.actual_rows, 0, "the set was counted, not walked");
  assert(plan.blocks_read! <= 2);
  assert(plan.blocks_skipped! >= 28);
});

Deno.test("sorting by time reads a block or two", () => {
  const { segments } = explain({ sort: [{ at: "desc" }], size: 10 });
  // The last block has 8 docs.
  assertEquals(segments[0]!.sort, { blocks_read: 2, blocks_skipped: 38 });
});

Deno.test("blocks that cannot hold a good hit are not decoded", () => {
  const long = Array.from({ length: 20_000 }, (_, i) => ({
    message: i < 200 ? "needle needle needle" : `needle ${"hay ".repeat(30)}`,
  }));
  const index = buildTarget({ properties: { message: { type: "text" } }, segments: [long] });
  const request = parseSearch({ query: { match: { message: "needle" } }, size: 10 });
  const { segments } = JSON.parse(renderJsonText(explainPlan(request, contextOf([index])))) as Explained;
  const { plan } = segments[0]!;
  assert(plan.blocks_read! <= 3, JSON.stringify(plan));
  assert(plan.blocks_skipped! >= 150);
});
