// The standard tokenizer and its ASCII twin. Expected tokens are what Elasticsearch 8.13's `_analyze` answers.
import { assertEquals } from "@std/assert";
import { AnalyzerSet, asciiBlankTokens, asciiLetterTokens, asciiTokens } from "../../src/analysis/mod.ts";
import builtInCases from "./built_in_cases.json" with { type: "json" };
import standardCases from "./standard_cases.json" with { type: "json" };

const analyzers = AnalyzerSet.fromSettings({}, "standard");

Deno.test("standard: tokens, offsets, types and positions as in Elasticsearch", () => {
  const analyzer = analyzers.get("standard");
  for (const [text, expected] of standardCases as [string, [string, number, number, string, number?][]][]) {
    const got = analyzer.analyze(text).map((
      { term, start, end, type },
    ) => [term, start, end, type?.slice(1, -1)]);
    assertEquals(got, expected, JSON.stringify(text));
    assertEquals(analyzer.analyze(text).map((token) => token.position), expected.map((_, i) => i));
  }
});

Deno.test("simple, whitespace, keyword, stop: as in Elasticsearch", () => {
  for (const [name, text, expected] of builtInCases as [string, string, unknown[]][]) {
    const got = analyzers.get(name).analyze(text).map((
      { term, start, end, position },
    ) => [term, start, end, position]);
    assertEquals(got, expected, `${name} ${JSON.stringify(text)}`);
  }
});

const byRule = { standard: asciiTokens, simple: asciiLetterTokens, whitespace: asciiBlankTokens };

/** A small generator, so that a failure can be repeated. */
function random(seed: number): () => number {
  return () => {
    seed = (seed * 1103515245 + 12345) & 0x7fff_ffff;
    return seed / 0x8000_0000;
  };
}

Deno.test("bytes of ASCII text: the same tokens as from text", () => {
  const next = random(42);
  const alphabet = "abcXYZ019__..::,,;;''\"--  \n\t/@#*";
  const starts = new Uint32Array(2000);
  const ends = new Uint32Array(2000);
  for (let round = 0; round < 3000; round++) {
    let text = "";
    // Some are long, so that the cut at 255 is met with all sorts of neighbours.
    const length = round % 50 === 0 ? 600 : Math.floor(next() * 20);
    const letters = round % 100 === 0 ? "a_." : alphabet;
    for (let i = 0; i < length; i++) text += letters[Math.floor(next() * letters.length)];
    const bytes = new TextEncoder().encode(text);
    for (const [rule, tokenize] of Object.entries(byRule)) {
      const count = tokenize(bytes, 0, bytes.length, starts, ends);
      const got = Array.from({ length: count }, (_, i) => [starts[i], ends[i], i]);
      const expected = analyzers.get(rule).analyze(text).map((
        { start, end, position },
      ) => [start, end, position]);
      assertEquals(got, expected, `${rule} ${JSON.stringify(text)}`);
    }
  }
});

Deno.test("bytes: text that is not ASCII is left to analyze()", () => {
  const bytes = new TextEncoder().encode("abc né def");
  const room = new Uint32Array(bytes.length);
  for (const tokenize of Object.values(byRule)) {
    assertEquals(tokenize(bytes, 0, bytes.length, room, room.slice()), -1);
  }
});

Deno.test("a token longer than 255 is cut, and what follows is a token of its own", () => {
  const got = analyzers.get("standard").analyze("x".repeat(600)).map(({ start, end }) => [start, end]);
  assertEquals(got, [[0, 255], [255, 510], [510, 600]]);
});
