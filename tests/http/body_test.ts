import { assertEquals } from "@std/assert";
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { jsonAnswer } from "../../src/http/answer.ts";
import type { RequestContext } from "../../src/http/context.ts";
import type { Router } from "../../src/http/router.ts";
import { ADMIN_KEY, rawCall, serving } from "./serving.ts";

/** Answers with the body's length and a sum, and whether it lies in shared memory. */
function echo(router: Router): void {
  const handler = async (context: RequestContext) => {
    const body = await context.readBody();
    if (await context.readBody() !== body) throw new Error("read twice, two bodies");
    return jsonAnswer({
      bytes: body.length,
      sum: body.reduce((a, b) => a + b, 0),
      shared: body.buffer instanceof SharedArrayBuffer,
    });
  };
  for (const method of ["GET", "POST", "DELETE"]) router.add(method, "/echo", handler, { name: "echo" });
  router.add("POST", "/pieces", async (context) => {
    const sizes: number[] = [];
    let sum = 0;
    for await (const piece of context.bodyPieces({ pieceBytes: 1000 })) {
      sizes.push(piece.length);
      sum += piece.reduce((a, b) => a + b, 0);
    }
    return jsonAnswer({ sizes, sum });
  }, { name: "pieces" });
}

const content = (size: number): Uint8Array<ArrayBuffer> => new Uint8Array(size).map((_, i) => (i * 7) % 251);
const sumOf = (bytes: Uint8Array): number => bytes.reduce((a, b) => a + b, 0);

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** A body without a length known before. */
function chunked(bytes: Uint8Array<ArrayBuffer>, chunkBytes = 5000): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at += chunkBytes));
    },
  });
}

Deno.test("bodies of all sizes arrive whole and in shared memory, with a length and without", () =>
  serving(echo, async ({ call, budget }) => {
    for (const size of [0, 1, 1000, 65536, 65537, 1 << 20]) {
      const bytes = content(size);
      for (const body of [bytes, chunked(bytes)]) {
        const response = await call("/echo", { method: "POST", body });
        assertEquals(await response.json(), { bytes: size, sum: sumOf(bytes), shared: true });
      }
    }
    assertEquals(budget.takenBytes, 0);
  }));

Deno.test("GET and DELETE bring bodies, which Deno hides with GET", () =>
  serving(echo, async ({ listener, call }) => {
    const send = (head: string, body: string): Promise<string> =>
      rawCall(
        listener.port,
        `GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: ApiKey ${ADMIN_KEY}\r\n${head}\r\n\r\n${body}`,
      );
    assertEquals((await send("Content-Length: 3", "abc")).includes('{"bytes":3,"sum":294,'), true);
    assertEquals(
      (await send("Transfer-Encoding: chunked", "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")).includes(
        '{"bytes":3,"sum":294,',
      ),
      true,
    );
    assertEquals((await (await call("/echo", { method: "DELETE", body: "abc" })).json()).bytes, 3);
    assertEquals((await (await call("/echo")).json()).bytes, 0);
    assertEquals((await send("Content-Length: 0", "")).includes('"bytes":0'), true);
  }));

Deno.test("gzip, deflate in both forms and zstd are undone, also chunk by chunk", () =>
  serving(echo, async ({ call, budget }) => {
    const bytes = content(300_000);
    const encoded: [string, Uint8Array][] = [
      ["gzip", gzipSync(bytes)],
      ["x-gzip", gzipSync(bytes)],
      ["GZIP", gzipSync(bytes)],
      ["deflate", deflateSync(bytes)],
      ["deflate", deflateRawSync(bytes)],
      ["zstd", zstdCompressSync(bytes)],
      ["zstd", joined(zstdCompressSync(bytes.subarray(0, 9)), zstdCompressSync(bytes.subarray(9)))],
      ["zstd", joined(zstdCompressSync(bytes), new Uint8Array([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]))],
      ["gzip", joined(gzipSync(bytes.subarray(0, 9)), gzipSync(bytes.subarray(9)))],
      ["identity", bytes],
    ];
    for (const [encoding, sent] of encoded) {
      const whole = new Uint8Array(sent);
      for (const body of [whole, chunked(whole, 100)]) {
        const response = await call("/echo", {
          method: "POST",
          body,
          headers: { "content-encoding": encoding },
        });
        assertEquals(
          await response.json(),
          { bytes: bytes.length, sum: sumOf(bytes), shared: true },
          encoding,
        );
      }
    }
    assertEquals(budget.takenBytes, 0);
  }));

Deno.test("a body over the limit is 413, announced or not, zipped or not", () =>
  serving(echo, async ({ call, budget }) => {
    const limit = 1 << 20;
    const bomb = new Uint8Array(64 << 20);
    const cases: [BodyInit, string][] = [
      [content(limit + 1), "identity"],
      [chunked(content(limit + 1)), "identity"],
      [new Uint8Array(gzipSync(bomb)), "gzip"],
      [new Uint8Array(zstdCompressSync(bomb)), "zstd"],
      [new Uint8Array(deflateSync(bomb)), "deflate"],
    ];
    for (const [body, encoding] of cases) {
      const response = await call("/echo", {
        method: "POST",
        body,
        headers: { "content-encoding": encoding },
      });
      assertEquals([response.status, (await response.json()).error.type], [
        413,
        "content_too_long_exception",
      ]);
    }
    assertEquals(budget.takenBytes, 0);
  }));

Deno.test("bodies that are not what they say are 400, unknown encodings 415", () =>
  serving(echo, async ({ call }) => {
    const status = async (body: Uint8Array, encoding: string): Promise<unknown> => {
      const response = await call("/echo", {
        method: "POST",
        body: new Uint8Array(body),
        headers: { "content-encoding": encoding },
      });
      return [response.status, (await response.json()).error?.type];
    };
    const bytes = content(100_000);
    for (const encoding of ["gzip", "zstd", "deflate"]) {
      assertEquals(await status(bytes, encoding), [400, "illegal_argument_exception"], encoding);
    }
    const zipped: [string, Uint8Array][] = [
      ["gzip", gzipSync(bytes)],
      ["zstd", zstdCompressSync(bytes)],
      ["deflate", deflateSync(bytes)],
    ];
    for (const [encoding, whole] of zipped) {
      const cut = whole.subarray(0, whole.length - 20);
      assertEquals(await status(cut, encoding), [400, "illegal_argument_exception"], `${encoding} cut short`);
    }
    assertEquals(await status(bytes, "br"), [415, "unsupported_encoding_exception"]);
    assertEquals(await status(bytes, "gzip, gzip"), [415, "unsupported_encoding_exception"]);
  }));

Deno.test("pieces are full but for the last, whatever the chunks, and unzipped", () =>
  serving(echo, async ({ call, budget }) => {
    const bytes = content(2500);
    const expected = { sizes: [1000, 1000, 500], sum: sumOf(bytes) };
    const send = async (body: BodyInit, encoding = "identity"): Promise<unknown> =>
      await (await call("/pieces", { method: "POST", body, headers: { "content-encoding": encoding } }))
        .json();
    assertEquals(await send(bytes), expected);
    assertEquals(await send(chunked(bytes, 7)), expected);
    assertEquals(await send(new Uint8Array(gzipSync(bytes)), "gzip"), expected);
    assertEquals(await send(new Uint8Array(0)), { sizes: [], sum: 0 });
    assertEquals((await send(content(2000)) as { sizes: number[] }).sizes, [1000, 1000]);
    assertEquals((await send(new Uint8Array([1]), "zstd") as { status: number }).status, 400);
    assertEquals(budget.takenBytes, 0);
  }, { maxBytes: 1000 }));

Deno.test("bodies of running requests together have a limit of their own", () =>
  serving((router) => {
    router.add("POST", "/hold", async (context) => {
      await context.readBody();
      await new Promise((resolve) => setTimeout(resolve, 150));
      return jsonAnswer({});
    }, { name: "hold" });
  }, async ({ call, budget }) => {
    const send = (): Promise<Response> => call("/hold", { method: "POST", body: content(60_000) });
    const first = send();
    while (budget.takenBytes === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await send();
    assertEquals([second.status, second.headers.get("retry-after")], [429, "1"]);
    assertEquals((await second.json()).error.type, "es_rejected_execution_exception");
    await (await first).json();
    assertEquals(await (await send()).json(), {});
    assertEquals(budget.takenBytes, 0);
  }, { budgetBytes: 100_000 }));

Deno.test("a body that stalls is 408, one that breaks off gives its memory back", () =>
  serving(echo, async ({ listener, app, budget }) => {
    const head = `POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: ApiKey ${ADMIN_KEY}\r\n`;
    const answer = await rawCall(listener.port, `${head}Content-Length: 100000\r\n\r\nabc`, 2000);
    assertEquals(answer.startsWith("HTTP/1.1 408"), true);
    await rawCall(listener.port, `${head}Content-Length: 100000\r\n\r\nabc`, 20);
    while (app.runningCount > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    assertEquals(budget.takenBytes, 0);
  }, { stallMs: 200 }));
