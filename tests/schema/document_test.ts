// The exact parser. Errors are what Elasticsearch 8.13 answers, without Jackson's "at [Source: ...]".
import { assert, assertEquals } from "@std/assert";
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { parseDocument, type ParseOutcome } from "../../src/schema/document.ts";
import { Mapping } from "../../src/schema/mapping.ts";
import { StagedDocument, StagedKind } from "../../src/schema/staged.ts";
import cases from "./document_cases.json" with { type: "json" };

const LIMITS = { maxFields: 1000 };
const staged = new StagedDocument();

/** Parses, adding what the document needs to the mapping. */
function parse(
  mapping: Mapping,
  source: string,
  maxDepth = 1000,
): { mapping: Mapping; outcome: ParseOutcome } {
  // Never at offset 0: positions must not depend on where in a body the document lies.
  const bytes = utf8(`\n\n  ${source}`);
  let outcome = parseDocument(mapping, bytes, 4, bytes.length, staged, { maxDepth, id: "1" });
  if (outcome.kind === "mapping") {
    mapping = mapping.merge(outcome.update);
    outcome = parseDocument(mapping, bytes, 4, bytes.length, staged, { maxDepth, id: "1" });
    assert(outcome.kind !== "mapping", "the second round must not need more");
  }
  return { mapping, outcome };
}

/** What is staged, by field, in order. */
function values(mapping: Mapping): Record<string, unknown[]> {
  const out: Record<string, unknown[]> = {};
  for (let i = 0; i < staged.count; i++) {
    const name = mapping.fields[staged.fields[i]!]!.name;
    const kind = staged.kinds[i]!;
    const range = [staged.starts[i]!, staged.ends[i]!] as const;
    let value: unknown;
    if (kind === StagedKind.Number) value = staged.numbers[i];
    else if (kind === StagedKind.Wide) value = staged.wides[i];
    else if (kind === StagedKind.SourceTerm || kind === StagedKind.SourceText) {
      value = utf8Text(staged.source.subarray(...range));
    } else value = utf8Text(staged.scratch.subarray(...range));
    (out[name] ??= []).push(value);
  }
  return out;
}

function staging(properties: unknown, source: string): Record<string, unknown[]> {
  const { mapping, outcome } = parse(Mapping.parse({ properties }, LIMITS), source);
  assertEquals(outcome, { kind: "ok" });
  return values(mapping);
}

type Refusal = Extract<ParseOutcome, { kind: "error" }>;

function refusal(outcome: ParseOutcome): Refusal {
  if (outcome.kind !== "error") throw new Error(`taken: ${outcome.kind}`);
  return outcome;
}

function reasonOf(mapping: Mapping, source: string, maxDepth = 1000): string {
  return refusal(parse(mapping, source, maxDepth).outcome).reason;
}

Deno.test("accepts and refuses as Elasticsearch does, with its words and positions", () => {
  for (const { limits, mapping: json, docs } of cases) {
    let mapping = Mapping.parse(json, limits);
    for (const { source, error } of docs as { source: string; error?: string[] }[]) {
      const parsed = parse(mapping, source);
      mapping = parsed.mapping;
      const { outcome } = parsed;
      const got = outcome.kind === "error"
        ? [
          outcome.type,
          outcome.reason,
          ...(outcome.causedBy ? [outcome.causedBy.type, outcome.causedBy.reason] : []),
        ]
        : undefined;
      assertEquals(got, error, source);
    }
  }
});

Deno.test("numbers: exact to 64 bits, rounded as their type keeps them", () => {
  const properties = {
    l: { type: "long" },
    u: { type: "unsigned_long" },
    f: { type: "float" },
    h: { type: "half_float" },
    s: { type: "scaled_float", scaling_factor: 100 },
    i: { type: "integer" },
  };
  assertEquals(
    staging(
      properties,
      '{"l":[9007199254740993,-9223372036854775808,"9223372036854775807",1.9,"-1.9",-0,5e2]}',
    ),
    {
      l: [9007199254740993n, -(2n ** 63n), 2n ** 63n - 1n, 1, -1, 0, 500],
    },
  );
  assertEquals(staging(properties, '{"u":[0,18446744073709551615,"5"]}'), {
    u: [-(2n ** 63n), 2n ** 63n - 1n, 5n - 2n ** 63n],
  });
  assertEquals(staging(properties, '{"f":0.1,"h":[0.1,65504,1e-8,2049],"s":[1.005,0.015,-0.015]}'), {
    f: [Math.fround(0.1)],
    h: [0.0999755859375, 65504, 0, 2048],
    s: [1, 0.02, -0.01],
  });
  assertEquals(staging(properties, '{"i":[1.9,"1.9",-1.9,"",null,2147483647]}'), {
    i: [1, 1, -1, 2147483647],
  });
});

Deno.test("keyword: scalars as written, ignore_above, null_value, escapes, normalizer", () => {
  const properties = {
    k: { type: "keyword", ignore_above: 4, null_value: "none" },
    n: { type: "keyword", normalizer: "lowercase" },
  };
  assertEquals(staging(properties, '{"k":["ab",1.50,true,null,"a\\u00e9\\n","abcde","éééé"],"n":"ÀB"}'), {
    k: ["ab", "1.50", "true", "none", "aé\n", "éééé"],
    n: ["àb"],
  });
  assertEquals(staged.ignored, ["k"]);
});

Deno.test("strings without escapes are ranges of the source", () => {
  staging({ k: { type: "keyword" }, t: { type: "text" } }, '{"k":"é","t":"plain","k2":"x\\ty"}');
  assertEquals([...staged.kinds.slice(0, 2)], [StagedKind.SourceTerm, StagedKind.SourceText]);
});

Deno.test("text, multi-fields, copy_to, arrays", () => {
  const properties = {
    t: { type: "text", fields: { raw: { type: "keyword" }, n: { type: "integer", ignore_malformed: true } } },
    from: { type: "keyword", copy_to: ["all", "new.deep"] },
    all: { type: "text", fields: { raw: { type: "keyword" } } },
  };
  assertEquals(staging(properties, '{"t":["5",["x"]]}'), { t: ["5", "x"], "t.raw": ["5", "x"], "t.n": [5] });
  assertEquals(staged.ignored, ["t.n"]);
  assertEquals(staging(properties, '{"from":["a","b",null]}'), {
    from: ["a", "b"],
    all: ["a", "b"],
    "all.raw": ["a", "b"],
    "new.deep": ["a", "b"],
    "new.deep.keyword": ["a", "b"],
  });
});

Deno.test("dates, addresses, booleans, binaries", () => {
  const properties = {
    d: { type: "date" },
    n: { type: "date_nanos" },
    f: { type: "date", format: "dd/MMM/yyyy:HH:mm:ss Z||epoch_second", null_value: "0" },
    b: { type: "boolean" },
    bi: { type: "binary", doc_values: true },
    ip: { type: "ip" },
  };
  assertEquals(
    staging(
      properties,
      '{"d":["2020-01-02T03:04:05.678901+01:00",1.5,"-1"],"n":"2020-01-01T00:00:00.123456789Z"}',
    ),
    {
      d: [1577930645678, 1, -1],
      n: [1577836800123456789n],
    },
  );
  assertEquals(staging(properties, '{"f":["10/Oct/2000:13:55:36 -0700",null,"1.5"]}'), {
    f: [971211336000, 0, 1500],
  });
  assertEquals(staging(properties, '{"b":[true,"false","","true"],"bi":"aGVs bG8="}'), {
    b: [1, 0, 0, 1],
    bi: ["hello"],
  });
  staging(properties, '{"ip":["1.2.3.4","2001:DB8::1"]}');
  assertEquals([...staged.scratch.slice(0, 16)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4]);
  assertEquals(staged.scratchLength, 32);
});

Deno.test("flattened: root values, and keyed ones with a zero between", () => {
  const properties = { l: { type: "flattened", null_value: "?", ignore_above: 5 } };
  assertEquals(staging(properties, '{"l":{"a":"x","b":{"c":[1,true,null,[{"d":2.50}]]},"e":"too long"}}'), {
    l: ["x", "1", "true", "?", "2.50"],
    "l._keyed": ["a\0x", "b.c\x001", "b.c\0true", "b.c\0?", "b.c.d\x002.50"],
  });
  assertEquals(staged.ignored, ["l"]);
});

Deno.test("a bad document leaves nothing in the mapping, and a good one follows", () => {
  const mapping = Mapping.parse({ properties: { i: { type: "integer" } } }, LIMITS);
  const bytes = utf8('{"new":1,"i":"x"}');
  assertEquals(parseDocument(mapping, bytes, 0, bytes.length, staged, { maxDepth: 20 }).kind, "error");
  assertEquals(parse(mapping, '{"i":1}').outcome, { kind: "ok" });
});

Deno.test("without an id, errors do not speak of one", () => {
  const mapping = Mapping.parse({ properties: { i: { type: "integer" } } }, LIMITS);
  const bytes = utf8('{"i":"x"}');
  const outcome = refusal(parseDocument(mapping, bytes, 0, bytes.length, staged, { maxDepth: 20 }));
  assertEquals(
    outcome.reason,
    "[1:6] failed to parse field [i] of type [integer]. Preview of field's value: 'x'",
  );
});

Deno.test("bytes that are not UTF-8 are refused with their position", () => {
  const mapping = Mapping.parse({ properties: { k: { type: "keyword" } } }, LIMITS);
  for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80]]) {
    const bytes = new Uint8Array([...utf8('{"k":"'), ...bad, ...utf8('"}')]);
    const outcome = refusal(parseDocument(mapping, bytes, 0, bytes.length, staged, { maxDepth: 20 }));
    assertEquals(outcome.causedBy?.reason, `[1:8] Invalid UTF-8 start byte 0x${bad[0]!.toString(16)}`);
  }
});

Deno.test("10,000 levels: a clean error or the right answer, never a full stack", () => {
  const objects = '{"a":'.repeat(10_000) + "1" + "}".repeat(10_000);
  const arrays = `{"a":${"[".repeat(10_000)}1${"]".repeat(10_000)}}`;
  const empty = Mapping.empty(LIMITS);
  assertEquals(
    reasonOf(empty, objects, 100),
    `[1:101] failed to parse: Limit of mapping depth [20] has been exceeded due to object field [${
      Array(20).fill("a").join(".")
    }]`,
  );
  assert(
    reasonOf(empty, arrays, 100).endsWith("Document nesting depth (101) exceeds the maximum allowed (100)"),
  );
  assertEquals(parse(empty, arrays, 20_000).outcome, { kind: "ok" });
  const open = Mapping.empty({ maxFields: 100_000, maxDepth: 100_000 });
  assert(reasonOf(open, objects, 20_000).includes("exceeds the maximum allowed (1000)"));
  const off = Mapping.parse({ properties: { a: { type: "object", enabled: false } } }, LIMITS);
  assertEquals(parse(off, objects, 20_000).outcome, { kind: "ok" });
  const keyword = Mapping.parse({ properties: { a: { type: "keyword" } } }, LIMITS);
  assert(reasonOf(keyword, objects, 20_000).includes("Can't get text") === false);
  const flattened = Mapping.parse({ properties: { a: { type: "flattened" } } }, LIMITS);
  assert(reasonOf(flattened, objects, 20_000).includes("Preview of field's value: '{a={a="));
});

Deno.test("100,000 new fields: a clean error, quickly", () => {
  const source = `{${Array.from({ length: 100_000 }, (_, i) => `"f${i}":${i}`).join(",")}}`;
  const start = performance.now();
  assert(
    reasonOf(Mapping.empty(LIMITS), source).endsWith(
      "Limit of total fields [1000] has been exceeded while adding new fields [1001]",
    ),
  );
  assert(performance.now() - start < 5000);
});
