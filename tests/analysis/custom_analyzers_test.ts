import { assertEquals, assertThrows } from "@std/assert";
import { type Analyzer, AnalyzerSet, type Token } from "../../src/analysis/mod.ts";
import { RequestError } from "../../src/base/errors.ts";

function custom(analysis: unknown, name = "a"): Analyzer {
  return AnalyzerSet.fromSettings({ analysis }, "standard").get(name);
}

function terms(analyzer: Analyzer, text: string): string[] {
  return analyzer.analyze(text).map((token) => token.term);
}

/** Terms of one tokenizer or filter, put into an otherwise plain analyzer. */
function withFilter(filter: unknown, text: string, tokenizer: unknown = "whitespace"): Token[] {
  const set = AnalyzerSet.fromSettings({}, "standard");
  return set.custom({ tokenizer, filter: [filter] }).analyze(text);
}

Deno.test("mistakes in settings are worded as in Elasticsearch", () => {
  const cases: [unknown, string][] = [
    [{ analyzer: { a: { type: "foo" } } }, "Unknown analyzer type [foo] for [a]"],
    [{ analyzer: { a: { type: "custom" } } }, "Custom Analyzer [a] must be configured with a tokenizer"],
    [
      { analyzer: { a: { tokenizer: "foo" } } },
      "Custom Analyzer [a] failed to find tokenizer under name [foo]",
    ],
    [
      { analyzer: { a: { tokenizer: "standard", filter: ["foo"] } } },
      "Custom Analyzer [a] failed to find filter under name [foo]",
    ],
    [
      { analyzer: { a: { tokenizer: "standard", char_filter: ["foo"] } } },
      "Custom Analyzer [a] failed to find char_filter under name [foo]",
    ],
    [{ tokenizer: { x: { type: "foo" } } }, "Unknown tokenizer type [foo] for [x]"],
    [{ filter: { x: { type: "foo" } } }, "Unknown filter type [foo] for [x]"],
    [{ char_filter: { x: { type: "foo" } } }, "Unknown char_filter type [foo] for [x]"],
    [
      { normalizer: { x: { type: "custom", filter: ["stop"] } } },
      "Custom normalizer [x] may not use filter [stop]",
    ],
    [
      { normalizer: { x: { type: "custom", filter: ["foo"] } } },
      "Custom Analyzer [x] failed to find filter under name [foo]",
    ],
    [{ normalizer: { x: { type: "foo" } } }, "Unknown normalizer type [foo] for [x]"],
    [
      { analyzer: { a: { type: "standard", max_token_length: 0 } } },
      "maxTokenLength must be greater than zero",
    ],
  ];
  for (const [analysis, message] of cases) {
    const error = assertThrows(() => custom(analysis), RequestError) as unknown as RequestError;
    assertEquals([error.message, error.type, error.status], [message, "illegal_argument_exception", 400]);
  }
});

Deno.test("settings may be nested, below index, or dotted", () => {
  const shapes = [
    { analysis: { analyzer: { a: { type: "stop" } } } },
    { index: { analysis: { analyzer: { a: { type: "stop" } } } } },
    { "index.analysis.analyzer.a.type": "stop" },
    { index: { "analysis.analyzer.a.type": "stop" } },
  ];
  for (const shape of shapes) {
    assertEquals(terms(AnalyzerSet.fromSettings(shape, "standard").get("a"), "The dog"), ["dog"]);
  }
});

Deno.test("default: what the index defines, else what the server is configured with", () => {
  assertEquals(AnalyzerSet.fromSettings({}, "english").resolve("default"), "english");
  const own = AnalyzerSet.fromSettings(
    { analysis: { analyzer: { default: { type: "keyword" } } } },
    "english",
  );
  assertEquals(terms(own.get("default"), "Two words"), ["Two words"]);
});

Deno.test("english: possessives and stop words go, positions stay, Porter2 stems", () => {
  const tokens = AnalyzerSet.fromSettings({}, "standard").get("english").analyze(
    "The dog's owner was Running happily",
  );
  assertEquals(tokens.map(({ term, position }) => [term, position]), [
    ["dog", 1],
    ["owner", 2],
    ["run", 4],
    ["happili", 5],
  ]);
});

Deno.test("the byte rule holds only where nothing but lower-casing is done", () => {
  const rule = (analysis: unknown) => custom(analysis).asciiRule;
  assertEquals(rule({ analyzer: { a: { type: "standard" } } }), "standard");
  assertEquals(rule({ analyzer: { a: { type: "standard", stopwords: "_english_" } } }), "none");
  assertEquals(rule({ analyzer: { a: { type: "standard", max_token_length: 9 } } }), "none");
  assertEquals(rule({ analyzer: { a: { tokenizer: "standard", filter: ["lowercase"] } } }), "standard");
  assertEquals(rule({ analyzer: { a: { tokenizer: "standard", filter: ["lowercase", "stop"] } } }), "none");
  assertEquals(rule({ analyzer: { a: { tokenizer: "standard" } } }), "none");
  const own = {
    tokenizer: { standard: { type: "keyword" } },
    analyzer: { a: { tokenizer: "standard", filter: ["lowercase"] } },
  };
  assertEquals(rule(own), "none");
});

Deno.test("tokenizers", () => {
  const cases: [unknown, string, string[]][] = [
    [{ type: "ngram", min_gram: 2, max_gram: 3 }, "abcd", ["ab", "abc", "bc", "bcd", "cd"]],
    [{ type: "ngram", min_gram: 1, max_gram: 1, token_chars: ["letter"] }, "a1b", ["a", "b"]],
    [{ type: "edge_ngram", min_gram: 1, max_gram: 3, token_chars: "letter,digit" }, "ab cdef", [
      "a",
      "ab",
      "c",
      "cd",
      "cde",
    ]],
    ["path_hierarchy", "/one/two/three", ["/one", "/one/two", "/one/two/three"]],
    [{ type: "path_hierarchy", delimiter: "-", replacement: "/", skip: 2 }, "one-two-three-four", [
      "/three",
      "/three/four",
    ]],
    [{ type: "path_hierarchy", reverse: true }, "one/two/three", ["one/two/three", "two/three", "three"]],
    [{ type: "char_group", tokenize_on_chars: ["whitespace", "-", "\n"] }, "The QUICK brown-fox", [
      "The",
      "QUICK",
      "brown",
      "fox",
    ]],
    ["pattern", "The foo_bar_size's default is 5.", ["The", "foo_bar_size", "s", "default", "is", "5"]],
    [{ type: "pattern", pattern: '"((?:\\\\"|[^"]|\\\\")+)"', group: 1 }, 'a "b c" "d"', ["b c", "d"]],
    ["letter", "You're the 1st", ["You", "re", "the", "st"]],
    ["lowercase", "You're THE", ["you", "re", "the"]],
    ["uax_url_email", "Mail john.smith@example.com or see https://example.com/a?b=1, ok", [
      "Mail",
      "john.smith@example.com",
      "or",
      "see",
      "https://example.com/a?b=1",
      "ok",
    ]],
  ];
  const set = AnalyzerSet.fromSettings({}, "standard");
  for (const [tokenizer, text, expected] of cases) {
    assertEquals(terms(set.custom({ tokenizer }), text), expected, JSON.stringify(tokenizer));
  }
});

Deno.test("filters", () => {
  const cases: [unknown, string, string[]][] = [
    ["uppercase", "straße é", ["STRAßE", "É"]],
    ["asciifolding", "açaí à la carte Œuvre ﬁn ① ａ ĳ", [
      "acai",
      "a",
      "la",
      "carte",
      "OEuvre",
      "fin",
      "1",
      "a",
      "ij",
    ]],
    [{ type: "asciifolding", preserve_original: true }, "é a", ["e", "é", "a"]],
    [{ type: "stop", stopwords: ["b"], ignore_case: true }, "a B c", ["a", "c"]],
    [{ type: "length", min: 2, max: 3 }, "a ab abc abcd", ["ab", "abc"]],
    [{ type: "truncate", length: 2 }, "abc a", ["ab", "a"]],
    ["unique", "the dog the cat", ["the", "dog", "cat"]],
    ["reverse", "abc de", ["cba", "ed"]],
    ["porter_stem", "running generously", ["run", "gener"]],
    ["snowball", "running generously", ["run", "generous"]],
    [{ type: "stemmer", language: "porter2" }, "generously", ["generous"]],
    [{ type: "stemmer", language: "possessive_english" }, "dog's", ["dog"]],
    ["shingle", "a b c", ["a", "a b", "b", "b c", "c"]],
    [{ type: "shingle", min_shingle_size: 2, max_shingle_size: 3, output_unigrams: false }, "a b c", [
      "a b",
      "a b c",
      "b c",
    ]],
    [{ type: "ngram", min_gram: 1, max_gram: 2 }, "abc", ["a", "ab", "b", "bc", "c"]],
    [{ type: "edge_ngram", min_gram: 1, max_gram: 3 }, "abcd e", ["a", "ab", "abc", "e"]],
    [{ type: "synonym", synonyms: ["laptop, notebook", "i-pod => ipod"] }, "laptop i-pod x", [
      "laptop",
      "notebook",
      "ipod",
      "x",
    ]],
    [{ type: "pattern_replace", pattern: "(\\d)", replacement: "<$1>" }, "a1b2", ["a<1>b<2>"]],
    ["apostrophe", "Istanbul'da x", ["Istanbul", "x"]],
    ["elision", "l'avion qu'il", ["avion", "il"]],
    ["decimal_digit", "١٢٣ ४", ["123", "4"]],
    ["fingerprint", "b a b c", ["a b c"]],
    [{ type: "limit", max_token_count: 2 }, "a b c", ["a", "b"]],
    ["trim", "a", ["a"]],
  ];
  for (const [filter, text, expected] of cases) {
    assertEquals(withFilter(filter, text).map((token) => token.term), expected, JSON.stringify(filter));
  }
});

Deno.test("keyword_marker protects from stemming; keyword_repeat keeps both", () => {
  const set = AnalyzerSet.fromSettings({}, "standard");
  const marker = { type: "keyword_marker", keywords: ["running"] };
  assertEquals(
    terms(set.custom({ tokenizer: "whitespace", filter: [marker, "porter_stem"] }), "running jumping"),
    [
      "running",
      "jump",
    ],
  );
  assertEquals(
    terms(set.custom({ tokenizer: "whitespace", filter: ["keyword_repeat", "porter_stem"] }), "jumping"),
    [
      "jumping",
      "jump",
    ],
  );
});

Deno.test("synonyms share a position; removed words leave theirs empty", () => {
  const synonyms = withFilter({ type: "synonym", synonyms: ["a, b"] }, "x a y");
  assertEquals(synonyms.map(({ term, position, type }) => [term, position, type]), [
    ["x", 0, "word"],
    ["a", 1, "word"],
    ["b", 1, "SYNONYM"],
    ["y", 2, "word"],
  ]);
  assertEquals(withFilter("stop", "the dog is x").map(({ position }) => position), [1, 3]);
});

Deno.test("shingles put a filler where a stop word was", () => {
  const set = AnalyzerSet.fromSettings({}, "standard");
  const analyzer = set.custom({
    tokenizer: "whitespace",
    filter: ["stop", { type: "shingle", output_unigrams: false }],
  });
  assertEquals(terms(analyzer, "wizard of oz"), ["wizard _", "_ oz"]);
});

Deno.test("char filters: text changes, offsets lead back to the original", () => {
  const set = AnalyzerSet.fromSettings({}, "standard");
  const html = set.custom({ tokenizer: "standard", charFilter: ["html_strip"] });
  const text = "<p>I&apos;m so <b>happy</b>!</p><script>x()</script> &lt;ok&gt; &#233;t&#xE9;";
  const tokens = html.analyze(text);
  assertEquals(tokens.map((token) => token.term), ["I'm", "so", "happy", "ok", "été"]);
  assertEquals(text.slice(tokens[2]!.start, tokens[2]!.start + 5), "happy");
  const arabic = { type: "mapping", mappings: ["٠ => 0", "١ => 1", ":) => _happy_"] };
  assertEquals(terms(set.custom({ tokenizer: "whitespace", charFilter: [arabic] }), "١٠ :)"), [
    "10",
    "_happy_",
  ]);
  const dashes = { type: "pattern_replace", pattern: "(\\d+)-(?=\\d)", replacement: "$1_" };
  assertEquals(terms(set.custom({ tokenizer: "standard", charFilter: [dashes] }), "My card is 123-456-789"), [
    "My",
    "card",
    "is",
    "123_456_789",
  ]);
});

Deno.test("normalizers", () => {
  const set = AnalyzerSet.fromSettings({
    analysis: {
      char_filter: { quote: { type: "mapping", mappings: ['« => "', '» => "'] } },
      normalizer: { mine: { type: "custom", char_filter: ["quote"], filter: ["lowercase", "asciifolding"] } },
    },
  }, "standard");
  assertEquals(set.normalizer("mine")("«BÀR»"), '"bar"');
  assertEquals(set.normalizer("lowercase")("ΣAS"), "σas");
  assertEquals(set.hasNormalizer("none"), false);
});
