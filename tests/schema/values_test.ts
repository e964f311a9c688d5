import { assert, assertEquals, assertThrows } from "@std/assert";
import { utf8 } from "../../src/base/bytes.ts";
import { RequestError } from "../../src/base/errors.ts";
import { renderJsonText } from "../../src/base/json.ts";
import { Mapping } from "../../src/schema/mapping.ts";
import {
  bucketKey,
  docValue,
  formatIp,
  ipRange,
  type NumberRange,
  numberRange,
  numberTerm,
  parseCidr,
  parseIp,
  queryTerm,
  type RangeBounds,
  sortValue,
  type TermRange,
  timeZone,
  tryParseIp,
} from "../../src/schema/values.ts";
import { nativeSchema } from "../../src/schema/native_schema.ts";

const mapping = Mapping.parse({
  properties: {
    b: { type: "byte" },
    i: { type: "integer" },
    l: { type: "long" },
    u: { type: "unsigned_long" },
    f: { type: "float" },
    h: { type: "half_float" },
    d: { type: "double" },
    s: { type: "scaled_float", scaling_factor: 100 },
    bo: { type: "boolean" },
    dt: { type: "date" },
    dn: { type: "date_nanos" },
    dy: { type: "date", format: "yyyy" },
    ip: { type: "ip" },
    k: { type: "keyword" },
    bi: { type: "binary", doc_values: true },
    fl: { type: "flattened" },
  },
}, { maxFields: 1000 });
const dates = { nowMs: Date.UTC(2024, 0, 31, 12) };

function field(name: string) {
  return mapping.field(name)!;
}

function matches(range: NumberRange, value: number | bigint): boolean {
  if (typeof value === "bigint") return range.lowWide <= value && value <= range.highWide;
  return range.low <= value && value <= range.high;
}

function thrown(work: () => unknown): string {
  const error = assertThrows(work, RequestError) as unknown as RequestError;
  assertEquals(error.status, 400);
  return error.message;
}

Deno.test("term: which stored value it matches, as in Elasticsearch", () => {
  const yes: [string, unknown, number | bigint][] = [
    ["i", 5, 5],
    ["i", "5", 5],
    ["i", "5.0", 5],
    ["l", 9007199254740993n, 9007199254740993n],
    ["l", "9007199254740993.5", 9007199254740993n],
    ["u", "18446744073709551615", 2n ** 63n - 1n],
    ["f", 0.1, Math.fround(0.1)],
    ["h", 0.1, 0.0999755859375],
    ["d", "0.1", 0.1],
    ["s", 1.006, 1.01],
    ["bo", true, 1],
    ["bo", "false", 0],
    ["dt", 1577934245678, 1577934245678],
    ["dt", "2020-01-02", Date.UTC(2020, 0, 2, 23, 59, 59, 999)],
    ["dn", "2020-01-02T03:04:05.678901234Z", 1577934245678901234n],
  ];
  for (const [name, value, stored] of yes) {
    assert(matches(numberTerm(field(name), value, dates), stored), `${name} ${value}`);
  }
  const no: [string, unknown, number | bigint][] = [
    ["i", 5.5, 5],
    ["b", 300, 44],
    ["l", 9007199254740992, 9007199254740993n],
    ["u", -1, 0n],
    ["dn", "2020-01-02T03:04:05.678Z", 1577934245678901234n],
  ];
  for (const [name, value, stored] of no) {
    assert(!matches(numberTerm(field(name), value, dates), stored), `${name} ${value}`);
  }
});

Deno.test("term: what cannot be read is worded as in Elasticsearch", () => {
  const cases: [string, unknown, string][] = [
    ["i", "abc", 'For input string: "abc"'],
    ["i", 99999999999, "Value [99999999999] is out of range for an integer"],
    ["i", "", "empty String"],
    ["i", true, 'For input string: "true"'],
    ["l", 1e30, "Value [1.0E30] is out of range for a long"],
    ["d", Infinity, "[double] supports only finite values, but got [Infinity]"],
    ["bo", "abc", "Can't parse boolean value [abc], expected [true] or [false]"],
    ["bo", 1, "Can't parse boolean value [1], expected [true] or [false]"],
  ];
  for (const [name, value, message] of cases) {
    assertEquals(thrown(() => numberTerm(field(name), value, dates)), message, name);
  }
});

Deno.test("range: which stored values it takes", () => {
  const cases: [string, RangeBounds, number | bigint, boolean][] = [
    ["i", { gt: 4.5, lt: 5.5 }, 5, true],
    ["i", { gt: 4, lt: 5 }, 4, false],
    ["i", { gt: 2147483647 }, 2147483647, false],
    ["b", { gte: -300, lte: 300 }, 1, true],
    ["l", { gte: 9007199254740993n }, 9007199254740993n, true],
    ["l", { gte: 9007199254740993n }, 9007199254740992n, false],
    ["l", { gt: "9007199254740992.5" }, 9007199254740993n, true],
    ["l", { lt: "-1.5" }, -2, true],
    ["l", { lt: "-1.5" }, -1, false],
    ["f", { gte: 0.1, lte: 0.1 }, Math.fround(0.1), true],
    ["f", { gt: 0.1 }, Math.fround(0.1), false],
    ["f", { gt: 0.09999 }, Math.fround(0.1), true],
    ["h", { gte: 0.1, lte: 0.1 }, 0.0999755859375, false],
    ["d", { gt: 0.09, lt: "0.11" }, 0.1, true],
    ["d", { gt: 0 }, 5e-324, true],
    ["s", { gt: 1, lte: 1.019 }, 1.01, true],
    ["s", { gt: 1.01 }, 1.01, false],
    ["u", { gte: "9223372036854775808", lt: 1e30 }, 0n, true],
    ["bo", { gte: true }, 1, true],
    ["bo", { gt: false, lte: true }, 0, false],
    ["dt", { gt: "2020-01-02||/d" }, Date.UTC(2020, 0, 2, 3), false],
    ["dt", { lte: "2020-01-02||/d" }, Date.UTC(2020, 0, 2, 3), true],
    ["dt", { lt: "2020-01-02||/d" }, Date.UTC(2020, 0, 2, 3), false],
    ["dt", { lte: "2020-01-02", gt: "2020-01-01" }, Date.UTC(2020, 0, 2, 3), true],
    ["dt", { lte: "2020" }, Date.UTC(2020, 0, 1, 23, 59), true],
    ["dt", { lte: "2020" }, Date.UTC(2020, 0, 2), false],
    ["dt", { gte: "now-1M/d", lt: "now" }, Date.UTC(2023, 11, 31), true],
    ["dn", { gte: "2020-01-02T03:04:05.678901234Z" }, 1577934245678901234n, true],
    ["dn", { gt: "2020-01-02T03:04:05.678901234Z" }, 1577934245678901234n, false],
  ];
  for (const [name, bounds, value, expected] of cases) {
    assertEquals(
      matches(numberRange(field(name), bounds, dates), value),
      expected,
      `${name} ${JSON.stringify(bounds, text)}`,
    );
  }
});

function text(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

Deno.test("range: time zone and format", () => {
  const zone = { ...dates, timeZone: timeZone("+01:00") };
  assertEquals(numberRange(field("dt"), { gte: "2020-01-02" }, zone).low, Date.UTC(2020, 0, 1, 23));
  assertEquals(numberRange(field("dt"), { gte: "2020-01-02T00:00:00Z" }, zone).low, Date.UTC(2020, 0, 2));
  assertEquals(
    numberRange(field("dt"), { gte: "02/2020" }, { ...dates, format: "MM/yyyy" }).low,
    Date.UTC(2020, 1, 1),
  );
  const berlin = { ...dates, timeZone: timeZone("Europe/Berlin") };
  assertEquals(numberRange(field("dt"), { gte: "now/d" }, berlin).low, Date.UTC(2024, 0, 30, 23));
});

Deno.test("addresses: text and bytes", () => {
  const same = [
    "1.2.3.4",
    "0.0.0.0",
    "255.255.255.255",
    "::",
    "::1",
    "2001:db8::1",
    "fe80::1:0:0:1",
    "1:2:3:4:5:6:7:8",
  ];
  for (const address of same) assertEquals(formatIp(parseIp(address)), address);
  assertEquals(formatIp(parseIp("::ffff:1.2.3.4")), "1.2.3.4");
  assertEquals(formatIp(parseIp("2001:DB8:0:0:0:0:0:1")), "2001:db8::1");
  for (
    const bad of [
      "",
      "1.2.3",
      "1.2.3.256",
      "01.2.3.4",
      ":::",
      "1::2::3",
      "12345::",
      "1.2.3.4.5",
      "g::",
      "::1%eth0",
      "1:2:3:4:5:6:7",
    ]
  ) {
    assertEquals(tryParseIp(bad), undefined, bad);
  }
});

Deno.test("addresses: blocks and ranges", () => {
  const block = parseCidr("10.1.2.3/12");
  assertEquals([formatIp(block.low), formatIp(block.high)], ["10.0.0.0", "10.15.255.255"]);
  const six = parseCidr("2001:db8::/33");
  assertEquals([formatIp(six.low), formatIp(six.high)], [
    "2001:db8::",
    "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff",
  ]);
  const range = ipRange({ gt: "1.2.3.255", lt: "1.2.4.2" })!;
  assertEquals([formatIp(range.low), formatIp(range.high)], ["1.2.4.0", "1.2.4.1"]);
  assertEquals(ipRange({ lt: "::" }), undefined);
  assertEquals(
    thrown(() => queryTerm(field("ip"), "1.2.3.4/33")),
    "Illegal prefix length [33] in [1.2.3.4/33]. Must be 0-32 for IPv4 ranges, 0-128 for IPv6 ranges",
  );
  assertEquals(thrown(() => queryTerm(field("ip"), "abc")), "'abc' is not an IP string literal.");
  assertEquals(formatIp((queryTerm(field("ip"), "1.2.3.0/24") as TermRange).high), "1.2.3.255");
});

Deno.test("terms: keywords as text, flattened keys in front", () => {
  assertEquals(queryTerm(field("k"), 5), utf8("5"));
  assertEquals(queryTerm(field("k"), true), utf8("true"));
  assertEquals(queryTerm(field("fl.a.b"), "x"), utf8("a.b\0x"));
  assertEquals(queryTerm(field("k"), "X", (one) => one.toLowerCase()), utf8("X"));
});

Deno.test("shown: sort values, bucket keys, doc values, as Elasticsearch renders them", () => {
  const nanos = 1577934245678901234n;
  const ms = 1577934245678;
  const cases: [string, number | bigint | Uint8Array, string, string, string][] = [
    ["i", 5, "5", '{"key":5}', "5"],
    ["l", 9007199254740993n, "9007199254740993", '{"key":9007199254740993}', "9007199254740993"],
    ["u", 2n ** 63n - 1n, "18446744073709551615", '{"key":18446744073709551615}', "18446744073709551615"],
    ["f", Math.fround(0.1), "0.1", '{"key":0.10000000149011612}', "0.10000000149011612"],
    ["h", 0.0999755859375, "0.099975586", '{"key":0.0999755859375}', "0.0999755859375"],
    ["d", 5, "5.0", '{"key":5.0}', "5.0"],
    ["bo", 1, "1", '{"key":1,"keyAsString":"true"}', "true"],
    [
      "dt",
      ms,
      String(ms),
      `{"key":${ms},"keyAsString":"2020-01-02T03:04:05.678Z"}`,
      '"2020-01-02T03:04:05.678Z"',
    ],
    [
      "dn",
      nanos,
      String(nanos),
      `{"key":${ms},"keyAsString":"2020-01-02T03:04:05.678Z"}`,
      '"2020-01-02T03:04:05.678901234Z"',
    ],
    ["dy", 1577836800000, "1577836800000", '{"key":1577836800000,"keyAsString":"2020"}', '"2020"'],
    ["ip", parseIp("1.2.3.4"), '"1.2.3.4"', '{"key":"1.2.3.4"}', '"1.2.3.4"'],
    ["k", utf8("x"), '"x"', '{"key":"x"}', '"x"'],
    ["bi", utf8("hello"), '"aGVsbG8="', '{"key":"aGVsbG8="}', '"aGVsbG8="'],
    ["fl.a", utf8("a\0b"), '"b"', '{"key":"b"}', '"b"'],
  ];
  for (const [name, value, sort, key, doc] of cases) {
    assertEquals(renderJsonText(sortValue(field(name), value)), sort, name);
    assertEquals(renderJsonText({ ...bucketKey(field(name), value) }), key, name);
    assertEquals(renderJsonText(docValue(field(name), value)), doc, name);
  }
  assertEquals(
    docValue(field("dt"), ms, { format: "yyyy-MM-dd HH:mm", timeZone: timeZone("Asia/Tokyo") }),
    "2020-01-02 12:04",
  );
});

Deno.test("native schema: names of types, objects, synonyms", () => {
  assertEquals(
    nativeSchema({
      "@timestamp": "date",
      host: "keyword",
      n: "int",
      message: { type: "string", analyzer: "english" },
    }),
    {
      properties: {
        "@timestamp": { type: "date" },
        host: { type: "keyword" },
        n: { type: "integer" },
        message: { type: "text", analyzer: "english" },
      },
    },
  );
  const full = { properties: { a: { type: "keyword" } } };
  assertEquals(nativeSchema(full), full);
  assertEquals(
    thrown(() => nativeSchema({ a: "nope" })),
    "Failed to parse schema: No handler for type [nope] declared on field [a]",
  );
  assertEquals(
    thrown(() => nativeSchema([])),
    "Failed to parse schema: schema must be an object of field names and types",
  );
});
