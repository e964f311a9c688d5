import { assertEquals } from "@std/assert";
import { CorruptionError, IoError, RequestError } from "../../src/base/errors.ts";
import { Double } from "../../src/base/json.ts";
import type { Logger } from "../../src/base/log.ts";
import { Answer, jsonAnswer } from "../../src/http/answer.ts";
import type { AnsweredRequest } from "../../src/http/app.ts";
import { JSON_BODIES } from "../../src/http/media.ts";
import { ADMIN_KEY, METRICS_TOKEN, rawCall, serving } from "./serving.ts";

const health = () => jsonAnswer({ status: "green" });

Deno.test("every answer carries the request's id: the client's when it is sane, else a new one", () =>
  serving((router) => {
    router.add("GET", "/v1/health", health, { name: "health", access: "public" });
  }, async ({ call }) => {
    const idOf = async (sent?: string): Promise<string> => {
      const response = await call(
        "/v1/health",
        sent === undefined ? {} : { headers: { "x-request-id": sent } },
      );
      await response.body?.cancel();
      return response.headers.get("x-request-id") ?? "none";
    };
    assertEquals(await idOf("abc-1:2/3"), "abc-1:2/3");
    const made = await idOf();
    assertEquals(/^[0-9a-f]{12}-\w+$/.test(made), true);
    assertEquals(await idOf() === made, false);
    for (const bad of ["a b", "<script>", "x".repeat(129), '"']) {
      assertEquals((await idOf(bad)).startsWith(made.slice(0, 12)), true, bad);
    }
    const failed = await call("/nowhere", { headers: { "x-request-id": "mine" } });
    assertEquals((await failed.json()).request_id, "mine");
  }));

Deno.test("errors become answers of one shape, and no stack leaves the server", async () => {
  const logged: unknown[] = [];
  const logger: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (message, fields) => logged.push([message, fields]),
  };
  await serving((router) => {
    const fail = (path: string, error: () => unknown): void => {
      router.add("GET", path, () => {
        throw error();
      }, { name: path });
      router.add("GET", `/later${path}`, () => Promise.reject(error()), { name: path });
    };
    fail("/known", () =>
      new RequestError("no such index [logs]", {
        status: 404,
        type: "index_not_found_exception",
        details: { index: "logs" },
        causedBy: { type: "illegal_argument_exception", reason: "b" },
        headers: { "retry-after": "7" },
      }));
    fail("/bug", () => new TypeError("secret of the code"));
    fail("/thrown", () => "just text");
    fail("/io", () => new IoError("read", "seg-1", new Error("x (os error 5)")));
    fail("/corrupt", () => new CorruptionError("crc", { file: "seg-1", offset: 3 }));
  }, async ({ call }) => {
    for (const prefix of ["", "/later"]) {
      const known = await call(`${prefix}/known`);
      assertEquals(known.headers.get("retry-after"), "7");
      assertEquals(await known.json(), {
        error: {
          root_cause: [{ type: "index_not_found_exception", reason: "no such index [logs]", index: "logs" }],
          type: "index_not_found_exception",
          reason: "no such index [logs]",
          index: "logs",
          caused_by: { type: "illegal_argument_exception", reason: "b" },
        },
        status: 404,
        request_id: known.headers.get("x-request-id"),
      });
      for (const path of ["/bug", "/thrown"]) {
        const response = await call(prefix + path);
        const text = await response.text();
        assertEquals([response.status, JSON.parse(text).error.type], [500, "internal_server_error"]);
        assertEquals(/secret|just text|\.ts/.test(text), false);
      }
      assertEquals((await (await call(`${prefix}/io`)).json()).error.type, "io_exception");
      const corrupt = (await (await call(`${prefix}/corrupt`)).json()).error;
      assertEquals(corrupt, {
        ...corrupt,
        type: "corruption_exception",
        reason: "crc (file seg-1, offset 3)",
      });
    }
  }, { logger, rootCause: true });
  assertEquals(logged.length, 8);
  assertEquals(JSON.stringify(logged).includes(ADMIN_KEY), false);
});

Deno.test("unknown paths, wrong methods and unknown parameters", () =>
  serving((router) => {
    router.add("GET", "/a/{id}", ({ params }) => jsonAnswer({ id: params["id"]! }), { name: "a" });
    router.add("PUT", "/a/{id}", () => jsonAnswer({}), { name: "a.put" });
  }, async ({ call }) => {
    const missing = await call("/b/c");
    assertEquals([missing.status, (await missing.json()).error.reason], [
      404,
      "no handler found for uri [/b/c] and method [GET]",
    ]);
    const wrong = await call("/a/1", { method: "DELETE" });
    assertEquals([wrong.status, wrong.headers.get("allow")], [405, "GET, HEAD, PUT"]);
    assertEquals(
      (await wrong.json()).error.reason,
      "Incorrect HTTP method for uri [/a/1] and method [DELETE], allowed: [GET, HEAD, PUT]",
    );
    const options = await call("/a/1", { method: "OPTIONS" });
    assertEquals([options.status, options.headers.get("allow"), await options.text()], [
      200,
      "GET, HEAD, PUT",
      "",
    ]);
    const unknown = await call("/a/1?prety");
    assertEquals([unknown.status, (await unknown.json()).error.reason], [
      400,
      "request [/a/1] contains unrecognized parameter: [prety] -> did you mean [pretty]?",
    ]);
    assertEquals((await (await call("/a/%zz")).json()).status, 400);
    assertEquals((await (await call("/a/1?pretty=%zz")).json()).status, 400);
    assertEquals(await (await call("/a/x%2Fy")).json(), { id: "x/y" });
    const overridden = await call("/a/1", { method: "POST", headers: { "x-http-method-override": "put" } });
    assertEquals([overridden.status, await overridden.json()], [200, {}]);
  }));

Deno.test("nobody without a key learns which routes there are", () =>
  serving((router) => {
    router.add("GET", "/v1/health", health, { name: "health", access: "public" });
    router.add("GET", "/v1/metrics", health, { name: "metrics", access: "metrics" });
    router.add("GET", "/v1/secret", health, { name: "secret" });
  }, async ({ listener }) => {
    const status = async (path: string, method = "GET", key?: string): Promise<number> => {
      const response = await fetch(listener.origin + path, {
        method,
        headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
      });
      await response.body?.cancel();
      return response.status;
    };
    assertEquals(await status("/v1/health"), 200);
    assertEquals(await status("/v1/health", "HEAD"), 200);
    for (const path of ["/v1/secret", "/v1/nothing", "/v1/metrics", "/"]) {
      assertEquals(await status(path), 401);
    }
    assertEquals(await status("/v1/secret", "DELETE"), 401);
    assertEquals(await status("/v1/metrics", "GET", METRICS_TOKEN), 200);
    assertEquals(await status("/v1/secret", "GET", METRICS_TOKEN), 403);
    assertEquals(await status("/v1/secret", "GET", ADMIN_KEY), 200);
  }));

Deno.test("HEAD tells the length and sends no body", () =>
  serving((router) => {
    router.add("GET", "/x", () => new Answer(200, "12345", "text/plain"), { name: "x", access: "public" });
  }, async ({ listener }) => {
    const answer = await rawCall(
      listener.port,
      "HEAD /x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
    );
    assertEquals(/content-length: 5\r\n/i.test(answer), true);
    assertEquals(answer.endsWith("\r\n\r\n"), true);
  }));

Deno.test("answers are compressed when asked and worth it, from shared memory too", () =>
  serving((router) => {
    const text = JSON.stringify({ text: "abc ".repeat(1000) });
    const shared = new Uint8Array(new SharedArrayBuffer(text.length));
    shared.set(new TextEncoder().encode(text));
    router.add("GET", "/big", () => new Answer(200, shared), { name: "big" });
    router.add("GET", "/small", () => new Answer(200, '{"a":"' + "b".repeat(500) + '"}'), { name: "small" });
    router.add("GET", "/stream", () => new Response(new Blob([text]).stream()), { name: "stream" });
  }, async ({ call, listener }) => {
    const encodingOf = async (path: string, accept: string): Promise<string | null> => {
      const response = await call(path, { headers: { "accept-encoding": accept } });
      await response.arrayBuffer();
      return response.headers.get("content-encoding");
    };
    // fetch decodes gzip and drops the header, so look at the wire.
    const wire = await rawCall(
      listener.port,
      `GET /big HTTP/1.1\r\nHost: a\r\nAuthorization: ApiKey ${ADMIN_KEY}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n`,
    );
    assertEquals(/content-encoding: gzip/i.test(wire), true);
    assertEquals(await encodingOf("/big", "zstd"), "zstd");
    assertEquals(await encodingOf("/big", "zstd;q=0"), null);
    assertEquals(await encodingOf("/big", "identity"), null);
    assertEquals(await encodingOf("/small", "zstd, gzip"), null);
    assertEquals((await (await call("/big")).json()).text.length, 4000);
    const stream = await call("/stream");
    assertEquals(stream.headers.has("x-request-id"), true);
    assertEquals((await stream.json()).text.length, 4000);
  }));

Deno.test("bodies of a type that the route does not take are refused, as the dialect does it", async () => {
  for (const contentTypeStatus of [406, 415] as const) {
    await serving((router) => {
      router.add("POST", "/x", health, { name: "x", accepts: JSON_BODIES });
    }, async ({ call }) => {
      const send = async (contentType: string | undefined, body: string | undefined): Promise<unknown> => {
        const response = await call("/x", {
          method: "POST",
          body: body === undefined ? undefined : new Blob([body], { type: contentType ?? "" }),
        });
        return [response.status, (await response.json()).error?.reason];
      };
      assertEquals(await send("application/json", "{}"), [200, undefined]);
      assertEquals(await send("application/json; charset=UTF-8", "{}"), [200, undefined]);
      assertEquals(await send("application/vnd.elasticsearch+json;compatible-with=8", "{}"), [
        200,
        undefined,
      ]);
      assertEquals(await send(undefined, undefined), [200, undefined]);
      assertEquals(await send("text/plain", "{}"), [
        contentTypeStatus,
        contentTypeStatus === 406
          ? "Content-Type header [text/plain] is not supported"
          : "Content-Type header [text/plain] is not supported; send application/json",
      ]);
      assertEquals(await send(undefined, "{}"), [
        contentTypeStatus,
        contentTypeStatus === 406
          ? "Content-Type header [] is not supported"
          : "Content-Type header is missing; send application/json",
      ]);
    }, { contentTypeStatus });
  }
});

Deno.test("pretty indents as Elasticsearch does and keeps every number's form", () =>
  serving((router) => {
    router.add("GET", "/x", () => jsonAnswer({ a: new Double(1), b: [], c: {}, d: ['x"{', { e: null }] }), {
      name: "x",
    });
  }, async ({ call }) => {
    const expected = `{
  "a" : 1.0,
  "b" : [ ],
  "c" : { },
  "d" : [
    "x\\"{",
    {
      "e" : null
    }
  ]
}
`;
    assertEquals(await (await call("/x?pretty")).text(), expected);
    assertEquals(await (await call("/x?pretty=true")).text(), expected);
    assertEquals(
      await (await call("/x?pretty=false")).text(),
      '{"a":1.0,"b":[],"c":{},"d":["x\\"{",{"e":null}]}',
    );
    assertEquals((await (await call("/y?pretty")).text()).startsWith('{\n  "error" : {\n'), true);
  }));

Deno.test("a dialect's own headers, echoes and last changes are on errors too; each answer is reported", async () => {
  const records: AnsweredRequest[] = [];
  await serving((router) => {
    router.add("GET", "/x", health, { name: "the x" });
  }, async ({ call }) => {
    for (const path of ["/x?pretty", "/y"]) {
      const response = await call(path, { headers: { "x-opaque-id": "o1" } });
      await response.body?.cancel();
      assertEquals(response.headers.get("x-elastic-product"), "Elasticsearch");
      assertEquals(response.headers.get("x-opaque-id"), "o1");
      assertEquals(response.headers.get("content-type"), "application/vnd.test+json");
    }
  }, {
    headers: { "x-elastic-product": "Elasticsearch" },
    echoHeaders: ["x-opaque-id"],
    finish: (_context, { status, body, headers }) =>
      new Answer(status, body, "application/vnd.test+json", headers),
    onAnswered: (record) => records.push(record),
  });
  assertEquals(records.map(({ route, path, status, tookMs }) => [route?.name, path, status, tookMs >= 0]), [
    ["the x", "/x", 200, true],
    [undefined, "/y", 404, true],
  ]);
});

Deno.test("while stopping, requests that run are finished and new ones get 503", () =>
  serving((router) => {
    router.add("GET", "/fast", health, { name: "fast" });
    router.add("GET", "/slow", async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return health();
    }, { name: "slow" });
  }, async ({ app, call }) => {
    const running = call("/slow");
    while (app.runningCount === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    app.stop();
    const refused = await call("/fast");
    assertEquals([refused.status, refused.headers.get("retry-after")], [503, "5"]);
    assertEquals((await refused.json()).error.reason, "the server is shutting down");
    const finished = await running;
    assertEquals([finished.status, await finished.json()], [200, { status: "green" }]);
    assertEquals(app.runningCount, 0);
  }));
