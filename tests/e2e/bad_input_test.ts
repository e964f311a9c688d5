/**
 * What clients should not send, each with the answer that it gets: a type and a reason, never a stack, never a 5xx, and
 * nothing of it left behind.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import type { ServerProcess } from "../support/server.ts";
import { hasCommand, inServer, logLines, run } from "./support.ts";

const MIB = 1024 * 1024;
const NDJSON = "application/x-ndjson";
const JSON_TYPE = "application/json";

interface Answered {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
}

/** A client that has the key. */
class Client {
  readonly #authorization: string;

  constructor(readonly server: ServerProcess) {
    this.#authorization = `ApiKey ${server.key()}`;
  }

  async send(
    method: string,
    path: string,
    body?: BodyInit,
    headers: Record<string, string> = {},
  ): Promise<Answered> {
    const url = path.startsWith("http") ? path : `${this.server.native}${path}`;
    const response = await fetch(url, {
      method,
      ...(body === undefined ? {} : { body }),
      headers: { authorization: this.#authorization, "content-type": JSON_TYPE, ...headers },
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? {} : JSON.parse(text) };
  }

  /** Sends, and expects an error of this status and type; prints and returns its reason. */
  async refused(
    expected: { readonly status: number; readonly type: string },
    ...request: Parameters<Client["send"]>
  ): Promise<string> {
    const { status, body } = await this.send(...request);
    const error = body["error"] as { type: string; reason: string };
    assertEquals({ status, type: error?.type }, expected, JSON.stringify(body).slice(0, 500));
    assertEquals(body["status"], status);
    assert(typeof body["request_id"] === "string", "an error names its request");
    const [method, path] = request;
    console.log(
      `${method} ${shorten(path.replace(/^http:..[^/]+/, ""))}: ${status} ${error.type}: ${
        shorten(error.reason)
      }`,
    );
    return error.reason;
  }

  ingest(index: string, body: BodyInit): Promise<Answered> {
    return this.send("POST", `/v1/indices/${index}/turbo-ingest?refresh=true`, body, {
      "content-type": NDJSON,
    });
  }

  bulk(path: string, body: BodyInit): Promise<Answered> {
    return this.send("POST", `${this.server.es}${path}`, body, { "content-type": NDJSON });
  }

  async total(index: string): Promise<number> {
    await this.send("POST", `/v1/indices/${index}/refresh`);
    return (await this.send("POST", `/v1/indices/${index}/search`, "{}")).body["total"] as number;
  }
}

function shorten(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 150)}... (${text.length} characters)`;
}

interface Item {
  readonly _id: string;
  readonly status: number;
  readonly error?: { readonly type: string; readonly reason: string };
}

function items({ status, body }: Answered): Item[] {
  assertEquals(status, 200, JSON.stringify(body));
  return (body["items"] as Record<string, Item>[]).map((item) => Object.values(item)[0]!);
}

function lines({ status, body }: Answered): { line: number; type: string; reason: string }[] {
  assertEquals(status, 200, JSON.stringify(body));
  return body["errors"] as { line: number; type: string; reason: string }[];
}

function anonymousBytes({ pid }: ServerProcess): number {
  const [, kib] = /RssAnon:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
  return Number(kib) * 1024;
}

/** A request exactly as written; `fetch` would tidy its path. @returns Status and body. */
async function raw({ native }: ServerProcess, head: string): Promise<{ status: number; body: string }> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(native).port) });
  try {
    await connection.write(new TextEncoder().encode(`${head}\r\nhost: x\r\nconnection: close\r\n\r\n`));
    const text = await new Response(connection.readable).text();
    return {
      status: Number(/^HTTP\/1.1 (\d+)/.exec(text)![1]),
      body: text.slice(text.indexOf("\r\n\r\n") + 4),
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}

Deno.test("what clients should not send is refused with type and reason, and harms nothing", async (t) => {
  const toml = "[limits]\nmax_body_bytes = 1048576\n";
  await inServer({ auth: true, toml }, async (server) => {
    const client = new Client(server);
    const { es } = server;

    await t.step(
      "a broken line in the middle of a stream is reported by number, the rest goes in",
      async () => {
        const errors = lines(
          await client.ingest("stream", '{"n":1}\n{"n":2\n{"n":3}\n\n{"n":"many"}\n[4]\n{"n":5}'),
        );
        console.log(errors);
        assertEquals(errors.map(({ line, type }) => [line, type]), [
          [2, "document_parsing_exception"],
          [5, "document_parsing_exception"],
          [6, "document_parsing_exception"],
        ]);
        assertEquals(await client.total("stream"), 3);
      },
    );

    await t.step(
      "a broken document in a bulk is one item's error; a broken action line refuses all of it",
      async () => {
        const done = items(
          await client.bulk(
            "/bulk/_bulk",
            '{"index":{"_id":"1"}}\n{"n":1}\n{"index":{"_id":"2"}}\n{"n":\n{"index":{"_id":"3"}}\n{"n":"x"}\n{"index":{"_id":"4"}}\n{"n":4}\n',
          ),
        );
        console.log(done.map(({ error }) => error));
        assertEquals(done.map(({ status, error }) => [status, error?.type]), [
          [201, undefined],
          [400, "document_parsing_exception"],
          [400, "document_parsing_exception"],
          [201, undefined],
        ]);
        const type = "x_content_e_o_f_exception";
        await client.refused(
          { status: 400, type },
          "POST",
          `${es}/bulk/_bulk`,
          '{"index":{}}\n{"n":8}\n{"ind\n{"n":9}\n',
          {
            "content-type": NDJSON,
          },
        );
        for (const body of ['{"frob":{}}\n{}\n', '{"index":{}}\n{"n":1}']) {
          await client.refused(
            { status: 400, type: "illegal_argument_exception" },
            "POST",
            `${es}/bulk/_bulk`,
            body,
            {
              "content-type": NDJSON,
            },
          );
        }
        assertEquals(await client.total("bulk"), 2);
      },
    );

    await t.step("bytes that are not UTF-8", async () => {
      const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
      const errors = lines(
        await client.ingest("utf8", bytes('{"m":"\xff\xfe"}\n{"m":"fine"}\n{"\xc3\x28":1}\n')),
      );
      assertEquals(errors.map(({ line }) => line), [1, 3]);
      const [item] = items(
        await client.bulk("/utf8/_bulk", bytes('{"index":{"_id":"u"}}\n{"m":"\xed\xa0\x80"}\n')),
      );
      assertEquals([item!.status, item!.error!.type], [400, "document_parsing_exception"]);
      await client.refused(
        { status: 400, type: "document_parsing_exception" },
        "POST",
        "/v1/indices/utf8/docs",
        bytes('{"m":"\x80"}'),
      );
      assertEquals(await client.total("utf8"), 1);
    });

    await t.step("100,000 fields", async () => {
      const many = Array.from({ length: 100_000 }, (_, i) => `"${i.toString(36)}":1`).join(",");
      const reason = await client.refused(
        { status: 400, type: "document_parsing_exception" },
        "POST",
        "/v1/indices/wide/docs",
        `{${many}}`,
      );
      assert(reason.includes("Limit of total fields [1000] has been exceeded"), reason);
      const { body } = await client.send("GET", "/v1/indices/wide/_mapping");
      assertEquals(body, { wide: { mappings: {} } });
    });

    await t.step("nesting 10,000 deep, in whatever has a body", async () => {
      const deep = `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`;
      const document = { status: 400, type: "document_parsing_exception" };
      await client.refused(document, "POST", "/v1/indices/deep/docs", deep);
      const array = `{"a":${"[".repeat(10_000)}${"]".repeat(10_000)}}`;
      await client.refused(document, "POST", "/v1/indices/deep/docs", array);
      const update = { status: 400, type: "x_content_parse_exception" };
      await client.refused(update, "POST", `${es}/deep/_update/1`, `{"doc":${deep}}`);
      const search = { status: 400, type: "parsing_exception" };
      await client.refused(search, "POST", "/v1/indices/deep/search", `{"query":${deep}}`);
      const other = { status: 400, type: "parse_exception" };
      await client.refused(other, "PUT", "/v1/indices/deeper", `{"settings":${deep}}`);
      await client.refused(other, "PUT", `${es}/deeper`, `{"mappings":{"properties":${deep}}}`);
      await client.refused(other, "POST", `${es}/deep/_mget`, `{"docs":[${deep}]}`);
      assertEquals(
        lines(await client.ingest("deep", `${deep}\n${array}\n{"n":1}\n`)).map(({ line }) => line),
        [1, 2],
      );
      const done = items(
        await client.bulk("/deep/_bulk", `{"update":{"_id":"1"}}\n{"doc":${deep}}\n{"index":{}}\n${deep}\n`),
      );
      assertEquals(done.map(({ status }) => status), [400, 400]);
    });

    await t.step(
      "a wrong key, none, or one of another scheme: 401 says which header is expected",
      async () => {
        for (
          const authorization of [
            undefined,
            "ApiKey nope",
            "Bearer",
            "Basic dTpw",
            `ApiKey ${"x".repeat(5000)}`,
          ]
        ) {
          const response = await fetch(
            `${es}/_search`,
            authorization === undefined ? {} : { headers: { authorization } },
          );
          const { error } = await response.json();
          assertEquals([response.status, error.type], [401, "security_exception"]);
          assert(error.reason.includes('"Authorization: ApiKey <key>"'), error.reason);
          assert(!error.reason.includes("nope") && !error.reason.includes("xxx"), "no key is repeated");
          assert(response.headers.get("www-authenticate")?.startsWith("ApiKey"));
          console.log(`${authorization?.slice(0, 20)}: 401 ${error.reason}`);
        }
        assertEquals((await fetch(`${server.native}/v1/health`).then((r) => r.json())).status, "green");
        assert(!server.log.includes(server.key()), "the log has no key");
      },
    );

    await t.step("index names that could do harm, in paths, percent-encoded, and in bulk lines", async () => {
      const expected = { status: 400, type: "invalid_index_name_exception" };
      for (
        const name of [
          "a/b",
          "../x",
          "_x",
          "cluster",
          "x".repeat(300),
          "Ab",
          "a b",
          "-x",
          "a*",
          "a\u0000",
          "a\\b",
        ]
      ) {
        const encoded = encodeURIComponent(name);
        await client.refused(expected, "PUT", `/v1/indices/${encoded}`, "{}");
        await client.refused(expected, "POST", `/v1/indices/${encoded}/docs`, '{"n":1}');
        await client.refused(expected, "PUT", `${es}/${encoded}`, "{}");
        await client.refused(expected, "PUT", `${es}/${encoded}/_doc/1`, '{"n":1}');
      }
      for (const name of ["..", ".", "a/b", "../../etc", "_x", "cluster", "x".repeat(300), "", "a\u0000"]) {
        const done = items(
          await client.bulk(
            "/_bulk",
            `${JSON.stringify({ index: { _index: name } })}\n{}\n{"index":{"_index":"good"}}\n{}\n`,
          ),
        );
        assertEquals([done[0]!.status, done[0]!.error!.type], [400, "invalid_index_name_exception"]);
        assertEquals(done[1]!.status, 201);
      }
      const authorization = `authorization: ApiKey ${server.key()}`;
      for (
        const path of ["/v1/indices/..", "/v1/indices/%2e%2e", "/v1/indices/../../x", "/v1/indices/.%2E"]
      ) {
        const { status } = await raw(server, `PUT ${path} HTTP/1.1\r\n${authorization}`);
        assert(status === 400 || status === 404 || status === 405, `${path}: ${status}`);
      }
      const { status, body } = await raw(
        server,
        `PUT /v1/indices/..%2f..%2fetc HTTP/1.1\r\n${authorization}`,
      );
      assertEquals(status, 400, body);
      for (
        const path of ["/v1/indices/%zz", "/v1/indices/%ff", "/v1/indices/%c3%28/docs/1", "/v1/indices/x%"]
      ) {
        await client.refused({ status: 400, type: "illegal_argument_exception" }, "GET", path);
      }
      const folders = [...Deno.readDirSync(server.dataDir)].filter(({ isDirectory }) => isDirectory).map((
        { name },
      ) => name);
      assertEquals(folders.sort(), ["_meta", "bulk", "deep", "good", "stream", "utf8", "wide"]);
    });

    await t.step("wrong content types, encodings, methods, routes, parameters", async () => {
      const text = { "content-type": "text/plain" };
      await client.refused(
        { status: 415, type: "media_type_header_exception" },
        "POST",
        "/v1/indices/x/docs",
        "n=1",
        text,
      );
      await client.refused(
        { status: 406, type: "media_type_header_exception" },
        "POST",
        `${es}/x/_doc`,
        "n=1",
        text,
      );
      await client.refused(
        { status: 415, type: "unsupported_encoding_exception" },
        "POST",
        "/v1/indices/x/docs",
        "{}",
        {
          "content-encoding": "br",
        },
      );
      await client.refused(
        { status: 400, type: "illegal_argument_exception" },
        "POST",
        "/v1/indices/x/docs",
        "{}",
        {
          "content-encoding": "gzip",
        },
      );
      await client.refused({ status: 404, type: "no_handler_found_exception" }, "GET", "/v1/nothing");
      const { status, headers } = await client.send("PATCH", "/v1/indices/good");
      assertEquals([status, headers.get("allow")], [405, "DELETE, GET, HEAD, PUT"]);
      await client.refused(
        { status: 400, type: "illegal_argument_exception" },
        "GET",
        `${es}/good/_search?frob=1`,
      );
      const reason = await client.refused(
        { status: 400, type: "parsing_exception" },
        "POST",
        "/v1/indices/good/search",
        '{"query":}',
      );
      assert(reason.includes("[1:11]"), reason);
      const update = { status: 400, type: "x_content_parse_exception" };
      const place = await client.refused(update, "POST", `${es}/good/_update/1`, '{"doc":\n{,}}');
      assert(place.includes("[2:"), place);
      await client.refused(
        { status: 404, type: "index_not_found_exception" },
        "POST",
        "/v1/indices/nope/search",
        "{}",
      );
    });

    await t.step("bodies beyond the limit, and small ones that unfold into large ones", async () => {
      const expected = { status: 413, type: "content_too_long_exception" };
      await client.refused(expected, "POST", "/v1/indices/x/docs", `{"m":"${"x".repeat(2 * MIB)}"}`);
      const bomb = new Uint8Array(gzipSync(new Uint8Array(256 * MIB).fill(0x20)));
      console.log(`a body of ${bomb.length} bytes that unfolds into 256 MiB:`);
      const gzip = { "content-encoding": "gzip" };
      await client.refused(expected, "POST", "/v1/indices/x/docs", bomb, gzip);
      await client.refused(expected, "POST", `${es}/_bulk`, bomb, { ...gzip, "content-type": NDJSON });
      const answer = await client.send("POST", "/v1/indices/bomb/turbo-ingest", bomb, {
        ...gzip,
        "content-type": NDJSON,
      });
      assertEquals(lines(answer).map(({ line, type }) => [line, type]), [[1, "illegal_argument_exception"]]);
    });

    assertEquals(
      logLines(server.log).filter(({ level }) => level === "ERROR"),
      [],
      "nothing was our mistake",
    );
  });
});

Deno.test("lines of 64 MiB: one too long for a stream is reported, memory stays bounded", async () => {
  await inServer({ auth: true }, async (server) => {
    const client = new Client(server);
    const before = anonymousBytes(server);
    await longLine(client, 64 * MIB);
    const grown = anonymousBytes(server) - before;
    console.log(`RssAnon grew by ${Math.round(grown / MIB)} MiB`);
    assert(grown < 256 * MIB, `grew by ${grown} bytes`);
    assertEquals(await client.total("long"), 2);
  });
});

Deno.test("a document of 32 MiB goes in, is found and comes back whole", async () => {
  await inServer({ auth: true }, async (server) => {
    const client = new Client(server);
    const message = "lorem ipsum ".repeat(32 * MIB / 12);
    const done = items(await client.bulk("/big/_bulk", `{"index":{"_id":"1"}}\n{"message":"${message}"}\n`));
    assertEquals(done[0]!.status, 201);
    assertEquals(await client.total("big"), 1);
    const { body } = await client.send("GET", "/v1/indices/big/docs/1");
    assert((body["_source"] as { message: string }).message === message, "the same text");
  });
});

const ignore = Deno.env.get("XERJ_LONG_TESTS") === undefined || !hasCommand("curl");

Deno.test({ name: "a line of 1 GiB, with XERJ_LONG_TESTS set", ignore }, async () => {
  await inServer({ auth: true }, async (server) => {
    await longLine(new Client(server), 1024 * MIB);
    const peak = Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${server.pid}/status`))![1]) *
      1024;
    console.log(`the server's memory was at most ${Math.round(peak / MIB)} MiB`);
    assert(peak < 512 * MIB);
  });
});

/** Streams a line of `size` bytes between two short ones, from a generator that never holds it. */
async function longLine({ server }: Client, size: number): Promise<void> {
  const answer = hasCommand("curl") && size > 512 * MIB
    ? curlLine(server, size)
    : await fetchLine(server, size);
  console.log(answer);
  const { indexed, failed, errors } = JSON.parse(answer);
  assertEquals([indexed, failed], [2, 1]);
  assertEquals([errors[0].line, errors[0].type], [2, "illegal_argument_exception"]);
  assertEquals(errors[0].reason, "the line exceeds [limits] max_line_bytes = 16777216");
}

async function fetchLine(server: ServerProcess, size: number): Promise<string> {
  const piece = new Uint8Array(MIB).fill(0x78);
  let left = size;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{"n":1}\n{"m":"')),
    pull: (controller) => {
      left -= MIB;
      if (left >= 0) return controller.enqueue(piece);
      controller.enqueue(new TextEncoder().encode('"}\n{"n":2}\n'));
      controller.close();
    },
  });
  const response = await fetch(`${server.native}/v1/indices/long/turbo-ingest`, {
    method: "POST",
    headers: { authorization: `ApiKey ${server.key()}`, "content-type": NDJSON },
    body,
  });
  return await response.text();
}

function curlLine(server: ServerProcess, size: number): string {
  const generator =
    `(echo '{"n":1}'; printf '{"m":"'; head -c ${size} /dev/zero | tr '\\0' x; echo '"}'; echo '{"n":2}')`;
  const headers = `-H 'authorization: ApiKey ${server.key()}' -H 'content-type: ${NDJSON}'`;
  return run(
    "sh",
    "-c",
    `${generator} | curl -sS -T - -X POST ${headers} ${server.native}/v1/indices/long/turbo-ingest`,
  );
}
