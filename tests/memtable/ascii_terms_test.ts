import { assert, assertEquals } from "@std/assert";
import { AnalyzerSet, asciiTokens } from "../../src/analysis/mod.ts";
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { InternTable } from "../../src/base/intern.ts";
import { asciiTokenizer, type TermLog } from "../../src/memtable/ascii_terms.ts";
import { type Random, randomOf } from "../ingest/random.ts";

const analyzers = AnalyzerSet.fromSettings({}, "standard");

/** Terms by bytes, or undefined when the analyzer must be asked. */
function byBytes(
  rule: "standard" | "simple" | "whitespace" | "keyword",
  text: Uint8Array,
): string[] | undefined {
  const log: TermLog = { table: new InternTable(), entries: new Uint32Array(text.length + 1), length: 0 };
  const padded = new Uint8Array(text.length + 4).fill(0x78);
  padded.set(text, 2);
  if (!asciiTokenizer(rule)!(log, padded, 2, 2 + text.length, 255)) return undefined;
  return Array.from(log.entries.subarray(0, log.length), (id) => utf8Text(log.table.bytes(id)));
}

const PIECES = [
  "a",
  "B",
  "word",
  "Words",
  "x1",
  "1",
  "23",
  "4.5",
  "_",
  "__",
  ".",
  "'",
  ":",
  ",",
  ";",
  "-",
  "/",
  " ",
  "  ",
  "\t",
  "\n",
  "can't",
  "a.b",
  "1,000",
  "10:20",
  "a:b",
  "http://x.y/z?q=1",
  "user@example.com",
  "C++",
  "\u007f",
  "\u000b",
  "\u001c",
  "é",
];

function randomText(random: Random): string {
  return Array.from({ length: random.below(14) }, () => random.pick(PIECES)).join("");
}

Deno.test("standard: terms by bytes are asciiTokens', lower-cased", () => {
  const random = randomOf(9);
  for (let i = 0; i < 20_000; i++) {
    const text = utf8(randomText(random));
    const starts = new Uint32Array(text.length + 1);
    const ends = new Uint32Array(text.length + 1);
    const count = asciiTokens(text, 0, text.length, starts, ends);
    const expected = count < 0
      ? undefined
      : Array.from({ length: count }, (_, k) => utf8Text(text.subarray(starts[k]!, ends[k]!)).toLowerCase());
    assertEquals(byBytes("standard", text), expected, JSON.stringify(utf8Text(text)));
  }
});

Deno.test("terms by bytes are those of the analyzer, at positions that count up", () => {
  const random = randomOf(10);
  const compared = new Map<string, number>();
  for (const name of ["standard", "simple", "whitespace", "keyword"]) {
    const analyzer = analyzers.get(name);
    const rule = analyzer.asciiRule;
    if (rule === "none") continue;
    for (let i = 0; i < 5_000; i++) {
      const text = randomText(random);
      const terms = byBytes(rule, utf8(text));
      if (terms === undefined) continue;
      const tokens = analyzer.analyze(text);
      assertEquals(terms, tokens.map((token) => token.term), `${name} ${JSON.stringify(text)}`);
      tokens.forEach((token, k) => assertEquals(token.position, k));
      compared.set(name, (compared.get(name) ?? 0) + 1);
    }
  }
  assert((compared.get("standard") ?? 0) > 3_000);
});

Deno.test("what is not ASCII, and what is too long, is left to the analyzer", () => {
  for (const rule of ["standard", "simple", "whitespace", "keyword"] as const) {
    assertEquals(byBytes(rule, utf8("word é")), undefined);
    assertEquals(byBytes(rule, utf8("é")), undefined);
    assertEquals(byBytes(rule, utf8("a".repeat(256))), undefined);
    assertEquals(byBytes(rule, utf8("a".repeat(255))), ["a".repeat(255)]);
    assertEquals(byBytes(rule, utf8("")), rule === "keyword" ? undefined : []);
  }
});
