import { assertEquals, assertThrows } from "@std/assert";
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { RequestError } from "../../src/base/errors.ts";
import { regexpAutomaton } from "../../src/query/plan/regexp.ts";
import { wildcardAutomaton } from "../../src/query/plan/wildcard.ts";
import { matches } from "../../src/query/fetch/source_filter.ts";

const WORDS = [
  "",
  "a",
  "b",
  "ab",
  "aab",
  "ba",
  "abc",
  "é",
  "aé",
  "日本",
  "a😀",
  "A",
  "a.b",
  "a*b",
  "k01",
  "k12",
  "007",
];

Deno.test("wildcards match whole terms, character by character", () => {
  const table: [string, RegExp][] = [
    ["*", /^.*$/u],
    ["?", /^.$/u],
    ["a*", /^a.*$/u],
    ["*b", /^.*b$/u],
    ["a?b", /^a.b$/u],
    ["*a*b*", /^.*a.*b.*$/u],
    ["a\\*b", /^a\*b$/u],
    ["a?", /^a.$/u],
    ["", /^$/u],
  ];
  for (const [pattern, expected] of table) {
    const automaton = wildcardAutomaton(pattern, { caseInsensitive: false });
    for (const word of WORDS) {
      assertEquals(automaton.accepts(utf8(word)), expected.test(word), `${pattern} ${word}`);
    }
  }
});

Deno.test("case is ignored on request", () => {
  const automaton = wildcardAutomaton("aÉ*", { caseInsensitive: true });
  for (const word of ["aé", "Aé", "AÉx", "aéx"]) assertEquals(automaton.accepts(utf8(word)), true);
  assertEquals(automaton.accepts(utf8("be")), false);
});

Deno.test("regular expressions match whole terms", () => {
  const table: [string, RegExp][] = [
    ["a|b", /^(?:a|b)$/u],
    ["(a|b)+", /^(?:a|b)+$/u],
    ["a?b*", /^a?b*$/u],
    ["[a-c]{2,3}", /^[a-c]{2,3}$/u],
    ["[^a]", /^[^a]$/u],
    ["k[0-9]{2}", /^k[0-9]{2}$/u],
    ["a\\.b", /^a\.b$/u],
    ["a.", /^a.$/u],
    [".{2}", /^.{2}$/u],
    ["a{2}b", /^a{2}b$/u],
    ["@", /^.*$/u],
    ['"a*b"', /^a\*b$/u],
    ["\\d+", /^[0-9]+$/u],
    ["<1-12>", /^(?:[1-9]|1[0-2])$/u],
    ["<000-010>", /^00[0-9]|010$/u],
    ["k<01-09>", /^k0[1-9]$/u],
    ["()", /^$/u],
    ["[日-本😀]+|日本", /^日本$/u],
  ];
  for (const [pattern, expected] of table) {
    const automaton = regexpAutomaton(pattern, false);
    for (const word of WORDS) {
      assertEquals(automaton.accepts(utf8(word)), expected.test(word), `${pattern} ${word}`);
    }
  }
});

Deno.test("a regular expression that does not follow the grammar is refused", () => {
  for (const pattern of ["a[b", "(a", "a)", "a{", "a{2", "a{3,1}", "[z-a]", "<1-x>", "\\", '"a', "a{1001}"]) {
    assertThrows(() => regexpAutomaton(pattern, false), RequestError, "failed to create query", pattern);
  }
  assertThrows(() => regexpAutomaton("~a", false), RequestError, "not supported yet");
});

Deno.test("a pattern that backtracking would never finish is matched in linear time", () => {
  const automaton = regexpAutomaton("(a|a)*(a*)*b", false);
  assertEquals(automaton.accepts(utf8("a".repeat(5000))), false);
  assertEquals(automaton.accepts(utf8(`${"a".repeat(5000)}b`)), true);
});

Deno.test("the literal beginning of a pattern is known", () => {
  const prefix = (pattern: string) =>
    utf8Text(wildcardAutomaton(pattern, { caseInsensitive: false }).literalPrefix());
  assertEquals(prefix("/api/v1/*/orders"), "/api/v1/");
  assertEquals(prefix("abc"), "abc");
  assertEquals(prefix("*x"), "");
  assertEquals(prefix("é?"), "é");
});

Deno.test("path patterns of _source match any text for a star", () => {
  const table: [string, string, boolean][] = [
    ["a.b", "a.b", true],
    ["a.*", "a.b.c", true],
    ["*.id", "user.id", true],
    ["*.id", "id", false],
    ["*a*a*", "a", false],
    ["*a*a*", "aa", true],
    ["a*a", "a", false],
    ["*", "anything", true],
    ["**", "x", true],
  ];
  for (const [pattern, text, expected] of table) {
    assertEquals(matches(pattern, text), expected, `${pattern} ${text}`);
  }
});
