/** Everyday calls of Elasticsearch's own JavaScript client. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Client, errors } from "@elastic/elasticsearch";
import { startServer } from "../support/server.ts";

interface Line {
  message?: string;
  level?: string;
  n?: number;
}

async function withClient(run: (client: Client, origin: string) => Promise<void>): Promise<void> {
  const server = await startServer();
  const client = new Client({ node: server.es });
  try {
    await run(client, server.es);
  } finally {
    await client.close();
    assertEquals(await server.stop(), 0);
  }
}

/** The client's connection pool keeps timers of its own for a while after `close`: they are not ours to wait for. */
function clientTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

/** Status and type of the error that a call ends with. */
async function failure(call: Promise<unknown>): Promise<[number | undefined, string | undefined]> {
  const error = await assertRejects(() => call, errors.ResponseError) as errors.ResponseError;
  return [error.statusCode, (error.body as { error?: { type?: string } } | undefined)?.error?.type];
}

clientTest("the official client: server and indices", () =>
  withClient(async (client) => {
    assertEquals(await client.ping(), true);
    const info = await client.info();
    assertEquals([info.version.number.split(".")[0], info.tagline], ["8", "You Know, for Search"]);
    const made = await client.indices.create({
      index: "logs",
      settings: { number_of_shards: 2 },
      mappings: {
        properties: { level: { type: "keyword" }, n: { type: "long" }, message: { type: "text" } },
      },
      aliases: { all: {} },
    });
    assertEquals(made, { acknowledged: true, shards_acknowledged: true, index: "logs" });
    assertEquals(await failure(client.indices.create({ index: "logs" })), [
      400,
      "resource_already_exists_exception",
    ]);
    assertEquals(await failure(client.indices.create({ index: "_x" })), [
      400,
      "invalid_index_name_exception",
    ]);
    assertEquals(await client.indices.exists({ index: "logs" }), true);
    assertEquals(await client.indices.exists({ index: "none" }), false);
    const got = await client.indices.get({ index: "all" });
    assertEquals(got["logs"]?.mappings?.properties?.["level"], { type: "keyword" });
    assertEquals(got["logs"]?.aliases, { all: {} });
    assertEquals(
      await client.indices.putMapping({ index: "logs", properties: { host: { type: "ip" } } }),
      { acknowledged: true },
    );
    const mapping = await client.indices.getMapping({ index: "logs" });
    assertEquals(mapping["logs"]?.mappings.properties?.["host"], { type: "ip" });
    assertEquals(
      await failure(client.indices.putMapping({ index: "logs", properties: { n: { type: "text" } } })),
      [400, "illegal_argument_exception"],
    );
    assertEquals((await client.indices.refresh({ index: "logs" }))._shards?.failed, 0);
    assertEquals((await client.indices.flush({ index: "logs" }))._shards?.failed, 0);
    const rows = await client.cat.indices({ format: "json" });
    assertEquals(rows.map(({ index, health, pri }) => [index, health, pri]), [["logs", "green", "2"]]);
    const text = await client.cat.indices({ h: ["index"] }, { headers: { accept: "text/plain" } });
    assertEquals(String(text), "logs\n");
    const health = await client.cluster.health({ wait_for_status: "green", timeout: "5s" });
    assertEquals([health.status, health.number_of_nodes, health.active_shards], ["green", 1, 2]);
    assertEquals(await client.indices.delete({ index: "logs" }), { acknowledged: true });
    assertEquals(await failure(client.indices.delete({ index: "logs" })), [404, "index_not_found_exception"]);
    assertEquals(await client.indices.delete({ index: "logs", ignore_unavailable: true }), {
      acknowledged: true,
    });
  }));

clientTest("the official client: documents by id", () =>
  withClient(async (client) => {
    const index = "docs";
    const first = await client.index<Line>({
      index,
      id: "1",
      document: { message: "hello", n: 1 },
      refresh: true,
    });
    assertEquals([first.result, first._version, first._seq_no, first._primary_term], ["created", 1, 0, 1]);
    const drawn = await client.index<Line>({ index, document: { n: 2 } });
    assertEquals(drawn._id.length, 20);
    assertEquals(
      await failure(client.create({ index, id: "1", document: { n: 9 } })),
      [409, "version_conflict_engine_exception"],
    );
    const got = await client.get<Line>({ index, id: "1" });
    assertEquals([got.found, got._source], [true, { message: "hello", n: 1 }]);
    assertEquals(await client.getSource<Line>({ index, id: "1", _source_includes: ["n"] }), { n: 1 });
    assertEquals(await client.exists({ index, id: "1" }), true);
    assertEquals(await client.exists({ index, id: "none" }), false);
    assertEquals((await failure(client.get({ index, id: "none" })))[0], 404);
    const update = async (request: Parameters<typeof client.update>[0]) =>
      (await client.update(request)).result;
    assertEquals(await update({ index, id: "1", doc: { n: 5 } }), "updated");
    assertEquals(await update({ index, id: "1", doc: { n: 5 } }), "noop");
    assertEquals(await update({ index, id: "2", doc: { n: 5 }, upsert: { n: 1 } }), "created");
    assertEquals(await update({ index, id: "3", doc: { n: 5 }, doc_as_upsert: true }), "created");
    assertEquals(
      await failure(client.update({ index, id: "none", doc: { n: 5 } })),
      [404, "document_missing_exception"],
    );
    const found = await client.mget<Line>({ index, ids: ["1", "3", "none"] });
    assertEquals(found.docs.map((doc) => "found" in doc && doc.found), [true, true, false]);
    const { _seq_no, _primary_term } = await client.get({ index, id: "2" });
    const condition = { index, id: "2", if_seq_no: _seq_no!, if_primary_term: _primary_term! };
    assertEquals((await client.index({ ...condition, document: { n: 6 } })).result, "updated");
    assertEquals((await failure(client.index({ ...condition, document: { n: 7 } })))[0], 409);
    const external = (version: number) =>
      client.index({ index, id: "v", version, version_type: "external", document: { n: version } });
    assertEquals((await external(7))._version, 7);
    assertEquals((await failure(external(7)))[0], 409);
    assertEquals((await external(9))._version, 9);
    assertEquals((await client.delete({ index, id: "1" })).result, "deleted");
    assertEquals((await failure(client.delete({ index, id: "1" })))[0], 404);
  }));

clientTest("the official client: bulk", () =>
  withClient(async (client) => {
    const answer = await client.bulk<Line>({
      refresh: true,
      operations: [
        { index: { _index: "b", _id: "1" } },
        { n: 1 },
        { create: { _index: "b", _id: "1" } },
        { n: 2 },
        { update: { _index: "b", _id: "1" } },
        { doc: { n: 3 } },
        { delete: { _index: "b", _id: "none" } },
        { index: { _index: "b", _id: "2" } },
        { n: "no number" as unknown as number },
      ],
    });
    assertEquals(answer.errors, true);
    assertEquals(answer.items.map((item) => Object.values(item)[0]!.status), [201, 409, 200, 404, 400]);
    assertEquals(answer.items[4]!.index!.error?.type, "document_parsing_exception");
    const stats = await client.helpers.bulk<Line>({
      datasource: Array.from(
        { length: 2500 },
        (_, n) => ({ message: `line ${n}`, level: n % 3 ? "info" : "warn", n }),
      ),
      onDocument: () => ({ index: { _index: "many" } }),
      flushBytes: 20_000,
      refreshOnCompletion: true,
    });
    assertEquals([stats.total, stats.successful, stats.failed], [2500, 2500, 0]);
    assertEquals((await client.count({ index: "many" })).count, 2500);
    const warned = await client.count({ index: "many", query: { term: { "level.keyword": "warn" } } });
    assertEquals(warned.count, 834);
  }));

clientTest("the official client: searches, aggregations, pages", () =>
  withClient(async (client) => {
    const operations = Array.from({ length: 50 }, (_, n) => [
      { index: { _index: "s", _id: String(n) } },
      { message: n % 2 ? "the quick fox" : "a lazy dog", level: ["info", "warn"][n % 2], n },
    ]).flat();
    assertEquals((await client.bulk({ operations, refresh: "wait_for" })).errors, false);
    const found = await client.search<Line>({
      index: "s",
      query: { bool: { must: { match: { message: "fox" } }, filter: { range: { n: { gte: 40 } } } } },
      sort: [{ n: "desc" }],
      _source: ["n"],
      size: 2,
    });
    assertEquals(found.hits.total, { value: 5, relation: "eq" });
    assertEquals(found.hits.hits.map(({ _id, _source, sort }) => [_id, _source, sort]), [
      ["49", { n: 49 }, [49]],
      ["47", { n: 47 }, [47]],
    ]);
    const grouped = await client.search<
      Line,
      { levels: { buckets: { key: string; doc_count: number; n: { value: number } }[] } }
    >({
      index: "s",
      size: 0,
      aggs: { levels: { terms: { field: "level.keyword" }, aggs: { n: { max: { field: "n" } } } } },
    });
    assertEquals(
      grouped.aggregations?.levels.buckets.map(({ key, doc_count, n }) => [key, doc_count, n.value]),
      [
        ["info", 25, 48],
        ["warn", 25, 49],
      ],
    );
    const seen: number[] = [];
    let after: unknown[] | undefined;
    while (seen.length < 50) {
      const page = await client.search<Line>({
        index: "s",
        size: 7,
        sort: [{ n: "asc" }],
        ...(after ? { search_after: after as number[] } : {}),
      });
      assert(page.hits.hits.length > 0, "pages end before the documents do");
      seen.push(...page.hits.hits.map(({ _source }) => _source!.n!));
      after = page.hits.hits.at(-1)!.sort as unknown[];
    }
    assertEquals(seen, Array.from({ length: 50 }, (_, n) => n));
    assertEquals(await failure(client.search({ index: "none" })), [404, "index_not_found_exception"]);
    assertEquals(
      await failure(client.search({ index: "s", query: { match: { n: "text" } } })),
      [400, "search_phase_execution_exception"],
    );
    assertEquals(await failure(client.indices.stats({ index: "s" })), [501, "not_supported_yet"]);
  }));

Deno.test("clients of versions 8 and 9 are answered in the media type that they ask for", () =>
  withClient(async (_client, origin) => {
    for (const version of ["8", "9"]) {
      const type = (form: string) => `application/vnd.elasticsearch+${form};compatible-with=${version}`;
      const answer = await fetch(`${origin}/_bulk`, {
        method: "POST",
        headers: { accept: type("json"), "content-type": type("x-ndjson") },
        body: `{"index":{"_index":"v${version}"}}\n{"n":1}\n`,
      });
      assertEquals([answer.status, answer.headers.get("content-type")], [200, type("json")]);
      assertEquals(answer.headers.get("x-elastic-product"), "Elasticsearch");
      assertEquals((await answer.json()).errors, false);
    }
  }));
