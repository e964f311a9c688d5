import { assertEquals, assertThrows } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { Answer } from "../../src/http/answer.ts";
import { checkParameters, parseQuery } from "../../src/http/query.ts";
import { Router } from "../../src/http/router.ts";

function routerOf(...routes: [string, string][]): Router {
  const router = new Router({ commonParameters: ["pretty"] });
  for (const [method, pattern] of routes) {
    router.add(method, pattern, () => new Answer(200, ""), { name: pattern, parameters: ["size", "from"] });
  }
  return router;
}

function found(router: Router, method: string, path: string): unknown {
  const match = router.match(method, path);
  if (match.kind === "route") return { [match.route.pattern]: match.params };
  return match.kind === "method" ? match.allowed : undefined;
}

const router = routerOf(
  ["GET", "/"],
  ["GET", "/_search"],
  ["POST", "/_search"],
  ["GET", "/{index}"],
  ["PUT", "/{index}"],
  ["GET", "/{index}/_search"],
  ["GET", "/{index}/_doc/{id}"],
  ["PUT", "/{index}/_doc/{id}"],
  ["POST", "/_aliases"],
  ["GET", "/console/{path*}"],
);

Deno.test("a literal is preferred, a parameter takes what is left", () => {
  assertEquals(found(router, "GET", "/"), { "/": {} });
  assertEquals(found(router, "GET", "/_search"), { "/_search": {} });
  assertEquals(found(router, "GET", "/logs"), { "/{index}": { index: "logs" } });
  assertEquals(found(router, "GET", "/logs/_search"), { "/{index}/_search": { index: "logs" } });
  assertEquals(found(router, "PUT", "/a/_doc/b"), { "/{index}/_doc/{id}": { index: "a", id: "b" } });
  assertEquals(found(router, "GET", "/console/a/b.js"), { "/console/{path*}": { path: "a/b.js" } });
});

Deno.test("a parameter's route serves a method that the literal's lacks", () => {
  assertEquals(found(router, "PUT", "/_search"), { "/{index}": { index: "_search" } });
});

Deno.test("slashes too many do not count", () => {
  assertEquals(found(router, "GET", "/logs/"), { "/{index}": { index: "logs" } });
  assertEquals(found(router, "GET", "//_search//"), { "/_search": {} });
  assertEquals(found(router, "GET", "//"), { "/": {} });
});

Deno.test("GET answers HEAD, other methods name what is allowed", () => {
  assertEquals(found(router, "HEAD", "/_search"), { "/_search": {} });
  assertEquals(found(router, "HEAD", "/logs"), { "/{index}": { index: "logs" } });
  assertEquals(found(router, "DELETE", "/_search"), ["GET", "HEAD", "POST", "PUT"]);
  assertEquals(found(router, "DELETE", "/a/_doc/1"), ["GET", "HEAD", "PUT"]);
  assertEquals(found(router, "GET", "/a/b/c/d"), undefined);
});

Deno.test("parameters are percent-decoded after the path is split, and strictly", () => {
  assertEquals(found(router, "GET", "/a/_doc/x%2Fy%20z"), {
    "/{index}/_doc/{id}": { index: "a", id: "x/y z" },
  });
  assertEquals(found(router, "GET", "/%C3%A9"), { "/{index}": { index: "é" } });
  assertEquals(found(router, "GET", "/%5Fsearch"), { "/_search": {} });
  assertEquals(found(router, "GET", "/%2e%2e"), { "/{index}": { index: ".." } });
  for (const bad of ["/%", "/%zz", "/%C3", "/a/_doc/%e0%a4"]) {
    const error = assertThrows(() => router.match("GET", bad), RequestError) as RequestError;
    assertEquals([error.status, error.message.startsWith("bad percent-encoding")], [400, true]);
  }
});

Deno.test("two routes for one method and pattern are our own mistake", () => {
  assertThrows(() => routerOf(["GET", "/a/{x}"], ["GET", "/a/{y}"]), Error, "one route for GET /a/{y}");
});

Deno.test("unknown query parameters are refused in Elasticsearch's words", () => {
  const known = new Set(["size", "from", "pretty"]);
  const reason = (query: string): string =>
    (assertThrows(() => checkParameters(parseQuery(query), known, "/x"), RequestError) as RequestError)
      .message;
  checkParameters(parseQuery("size=1&from=2&pretty"), known, "/x");
  assertEquals(reason("y=1"), "request [/x] contains unrecognized parameter: [y]");
  assertEquals(
    reason("sizee=1"),
    "request [/x] contains unrecognized parameter: [sizee] -> did you mean [size]?",
  );
  assertEquals(
    reason("z=1&frm=1&z=2"),
    "request [/x] contains unrecognized parameters: [frm] -> did you mean [from]?, [z]",
  );
  assertThrows(() => parseQuery("a=%zz"), RequestError, "bad percent-encoding");
});
