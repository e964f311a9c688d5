import { assertEquals, assertThrows } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { checkIndexName, expandExpression, wildcardMatches } from "../../src/engine/index_names.ts";

/** As Java prints Elasticsearch's set. */
const FORBIDDEN = `must not contain the following characters ['\\','/','*','?','"','<','>','|',' ',',']`;

function refusalOf(name: string): string {
  const error = assertThrows(() => checkIndexName(name), RequestError) as RequestError;
  assertEquals([error.status, error.type], [400, "invalid_index_name_exception"]);
  return error.message;
}

Deno.test("names that could leave the folder, hide, or clash are refused in Elasticsearch's words", () => {
  for (
    const [name, reason] of [
      ["", "must not be empty"],
      [".", "must not be '.' or '..'"],
      ["..", "must not be '.' or '..'"],
      ["a/b", FORBIDDEN],
      ["../a", FORBIDDEN],
      ["a\\b", FORBIDDEN],
      ["a*", FORBIDDEN],
      ["a#b", "must not contain '#'"],
      ["a:b", "must not contain ':'"],
      ["_x", "must not start with '_', '-', or '+'"],
      ["-x", "must not start with '_', '-', or '+'"],
      ["+x", "must not start with '_', '-', or '+'"],
      ["Logs", "must be lowercase"],
      ["ÄÖ", "must be lowercase"],
      ["a\u0000", "must not contain control characters"],
      ["a\nb", "must not contain control characters"],
      ["cluster", "the name is taken by the server's own folder"],
    ] as const
  ) assertEquals(refusalOf(name), `Invalid index name [${name}], ${reason}`);
});

Deno.test("255 bytes are a name, 256 are not, whatever their characters", () => {
  checkIndexName("a".repeat(255));
  assertEquals(refusalOf("a".repeat(300)).endsWith("index name is too long, (300 > 255)"), true);
  checkIndexName("ä".repeat(127));
  assertEquals(refusalOf("ä".repeat(128)).endsWith("index name is too long, (256 > 255)"), true);
});

Deno.test("ordinary names, hidden ones and clusters of words pass", () => {
  for (const name of ["logs", ".hidden", "logs-2026.04.15", "clusters", "日本語", "a_b-c+d"]) {
    checkIndexName(name);
  }
});

const known = ["logs-1", "logs-2", "metrics"];
const aliases = new Map([["all-logs", ["logs-1", "logs-2"]]]);
const expand = (text: string | undefined, options = {}) =>
  expandExpression(text, { known, aliases, options });

Deno.test("expressions expand names, wildcards, exclusions and aliases, each index once", () => {
  assertEquals(expand(undefined), known);
  assertEquals(expand("_all"), known);
  assertEquals(expand("*"), known);
  assertEquals(expand("logs-*"), ["logs-1", "logs-2"]);
  assertEquals(expand("logs-*,-logs-1"), ["logs-2"]);
  assertEquals(expand("*,-logs-*"), ["metrics"]);
  assertEquals(expand("all-logs,logs-1"), ["logs-1", "logs-2"]);
  assertEquals(expand("all-*"), ["logs-1", "logs-2"]);
  assertEquals(expand("nothing-*"), []);
});

Deno.test("a missing name is an error unless it may be missing", () => {
  const error = assertThrows(
    () => expand("logs-1,nope"),
    RequestError,
    "no such index [nope]",
  ) as RequestError;
  assertEquals(error.status, 404);
  assertEquals(expand("logs-1,nope", { ignoreUnavailable: true }), ["logs-1"]);
  assertThrows(
    () => expand("nothing-*", { allowNoIndices: false }),
    RequestError,
    "no such index [nothing-*]",
  );
  assertThrows(() => expand("-logs-1"), RequestError, "no such index [-logs-1]");
});

Deno.test("wildcards match without backtracking without end", () => {
  assertEquals(wildcardMatches("a*b*c", "aXXbYYc"), true);
  assertEquals(wildcardMatches("a*b*c", "aXXbYY"), false);
  assertEquals(wildcardMatches("**", ""), true);
  const started = performance.now();
  assertEquals(wildcardMatches("*a".repeat(200) + "b", "a".repeat(5000)), false);
  assertEquals(performance.now() - started < 1000, true);
});
