/** What people type: curl with bodies from the command line, from files, compressed. */
import { assertEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import { startServer } from "../support/server.ts";

async function curl(...args: string[]): Promise<{ status: number; body: string }> {
  const command = new Deno.Command("curl", {
    args: ["-s", "-w", "\n%{http_code}", ...args],
    stderr: "inherit",
  });
  const text = new TextDecoder().decode((await command.output()).stdout);
  const end = text.lastIndexOf("\n");
  return { status: Number(text.slice(end + 1)), body: text.slice(0, end) };
}

const JSON_HEADER = ["-H", "Content-Type: application/json"];

function hasCurl(): boolean {
  try {
    return new Deno.Command("curl", { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test({ name: "curl: PUT, POST, GET, files, gzip", ignore: !hasCurl() }, async () => {
  const server = await startServer();
  const folder = Deno.makeTempDirSync({ prefix: "xerj-curl-" });
  try {
    const url = server.es;
    const put = await curl(
      "-X",
      "PUT",
      `${url}/logs/_doc/1?refresh`,
      ...JSON_HEADER,
      "-d",
      '{"n": 1, "message": "hi"}',
    );
    assertEquals([put.status, JSON.parse(put.body).result], [201, "created"]);
    const post = await curl(`${url}/logs/_doc`, ...JSON_HEADER, "-d", '{"n": 2}');
    assertEquals([post.status, JSON.parse(post.body)._id.length], [201, 20]);
    const got = await curl(`${url}/logs/_doc/1?pretty&filter_path=_source`);
    assertEquals(got, {
      status: 200,
      body: '{\n  "_source" : {\n    "n" : 1,\n    "message" : "hi"\n  }\n}\n',
    });

    const lines = Array.from({ length: 1000 }, (_, n) => `{"index":{"_index":"bulk"}}\n{"n":${n}}\n`).join(
      "",
    );
    Deno.writeTextFileSync(`${folder}/lines.ndjson`, lines);
    Deno.writeFileSync(`${folder}/lines.ndjson.gz`, gzipSync(lines));
    const ndjson = ["-H", "Content-Type: application/x-ndjson"];
    const bulk = (...args: string[]) =>
      curl("-X", "POST", `${url}/_bulk?refresh&filter_path=errors,took`, ...ndjson, ...args);
    const plain = await bulk("--data-binary", `@${folder}/lines.ndjson`);
    assertEquals([plain.status, JSON.parse(plain.body).errors], [200, false]);
    const zipped = await bulk("-H", "Content-Encoding: gzip", "--data-binary", `@${folder}/lines.ndjson.gz`);
    assertEquals([zipped.status, JSON.parse(zipped.body).errors], [200, false]);
    // -d takes the newlines away.
    assertEquals((await bulk("-d", `@${folder}/lines.ndjson`)).status, 400);
    const count = await curl(`${url}/bulk/_count?filter_path=count`);
    assertEquals(count, { status: 200, body: '{"count":2000}' });

    const query = '{"query": {"range": {"n": {"gte": 998}}}, "sort": ["n"], "_source": false}';
    Deno.writeTextFileSync(`${folder}/query.json`, query);
    for (const args of [["-X", "GET", "-d", query], ["-d", `@${folder}/query.json`]]) {
      const found = await curl(`${url}/bulk/_search?filter_path=hits.total.value`, ...JSON_HEADER, ...args);
      assertEquals(found, { status: 200, body: '{"hits":{"total":{"value":4}}}' });
    }
    const answer = await curl("--compressed", `${url}/bulk/_search?size=100`);
    assertEquals(JSON.parse(answer.body).hits.hits.length, 100);

    // curl's own content type, which a body from the command line has unless told otherwise.
    const form = await curl(`${url}/bulk/_search`, "-d", "{}");
    assertEquals(
      [form.status, JSON.parse(form.body).error.reason],
      [406, "Content-Type header [application/x-www-form-urlencoded] is not supported"],
    );
    const broken = await bulk("-H", "Content-Encoding: gzip", "--data-binary", "no gzip");
    assertEquals([broken.status, JSON.parse(broken.body).error.type], [400, "illegal_argument_exception"]);
    const table = await curl(`${url}/_cat/indices?v&h=index,docs.count&s=index`);
    assertEquals(table.body, "index docs.count\nbulk        2000\nlogs           2\n");
    assertEquals((await curl("-I", `${url}/logs`)).status, 200);
    assertEquals((await curl("-I", `${url}/none`)).status, 404);
    assertEquals((await curl("-X", "DELETE", `${url}/bulk,logs`)).body, '{"acknowledged":true}');
  } finally {
    Deno.removeSync(folder, { recursive: true });
    assertEquals(await server.stop(), 0);
  }
});
