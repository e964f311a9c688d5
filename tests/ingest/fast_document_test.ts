import { assert, assertEquals } from "@std/assert";
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { FastParser } from "../../src/ingest/fast_document.ts";
import { parseDocument } from "../../src/schema/document.ts";
import { Mapping } from "../../src/schema/mapping.ts";
import { StagedDocument } from "../../src/schema/staged.ts";
import { type Random, randomOf } from "./random.ts";
import { stagedText } from "./staged_text.ts";

const MAX_DEPTH = 20;
const mapping = Mapping.parse({
  dynamic: "strict",
  properties: {
    "@timestamp": { type: "date" },
    day: { type: "date", format: "yyyy-MM-dd" },
    epoch: { type: "date", format: "epoch_second" },
    nanos: { type: "date_nanos" },
    message: { type: "text", fields: { raw: { type: "keyword", ignore_above: 12 } } },
    tag: { type: "keyword", copy_to: "all" },
    all: { type: "text" },
    lower: { type: "keyword", normalizer: "lowercase" },
    standin: { type: "keyword", null_value: "none" },
    byte: { type: "byte" },
    short: { type: "short" },
    int: { type: "integer" },
    long: { type: "long" },
    unsigned: { type: "unsigned_long" },
    float: { type: "float" },
    half: { type: "half_float" },
    scaled: { type: "scaled_float", scaling_factor: 100 },
    double: { type: "double" },
    lenient: { type: "double", ignore_malformed: true },
    flag: { type: "boolean" },
    ip: { type: "ip" },
    labels: { type: "flattened" },
    off: { type: "object", enabled: false },
    "http": {
      properties: {
        status: { type: "short" },
        request: { properties: { method: { type: "keyword" }, bytes: { type: "long" } } },
      },
    },
  },
}, { maxFields: 1000 });

const fast = new FastParser(mapping, MAX_DEPTH);
const fastStaged = new StagedDocument();
const exactStaged = new StagedDocument();

/** Whether the fast parser took the document; fails unless the exact one then agrees in everything. */
function agrees(document: Uint8Array, around: Uint8Array = new Uint8Array(0)): boolean {
  // What stands around a document must not matter.
  const bytes = new Uint8Array(document.length + 2 * around.length);
  bytes.set(around);
  bytes.set(document, around.length);
  bytes.set(around, around.length + document.length);
  const start = around.length;
  const end = start + document.length;
  const taken = fast.parse(bytes, start, end, fastStaged);
  const outcome = parseDocument(mapping, bytes, start, end, exactStaged, { maxDepth: MAX_DEPTH });
  if (!taken) return false;
  const shown = () => JSON.stringify(utf8Text(document));
  assertEquals(
    outcome.kind,
    "ok",
    `taken, yet not by the exact parser: ${shown()} ${JSON.stringify(outcome)}`,
  );
  assertEquals(stagedText(fastStaged), stagedText(exactStaged), shown());
  return true;
}

const STRINGS = [
  '""',
  '"a"',
  '"some words here"',
  '"naïve é"',
  '"日本語 text"',
  '"😀"',
  '"quote \\" inside"',
  '"tab\\tnew\\nline"',
  '"\\u00e9\\u20ac\\ud83d\\ude00"',
  '"\\ud800"',
  '"\\ud800x"',
  '"\\udc00\\ud800"',
  '"slash \\/ \\\\ \\b\\f\\r"',
  '"\\x"',
  '"\\u12g4"',
  '"exactly 12.."',
  '"exactly 12.é"',
  '"longer than twelve"',
  '"longer é than twelve"',
  '"\\u0000"',
  '"a\u007fb"',
  `"${"long ".repeat(60)}"`,
  '"unterminated',
  '"control \u0001"',
  '"2024-01-01"',
  '"true"',
  '"1"',
];
const NUMBERS = [
  "0",
  "-0",
  "1",
  "-1",
  "7",
  "127",
  "128",
  "-128",
  "-129",
  "32767",
  "32768",
  "2147483647",
  "2147483648",
  "-2147483648",
  "9007199254740991",
  "9007199254740992",
  "9007199254740993",
  "9223372036854775807",
  "9223372036854775808",
  "-9223372036854775808",
  "18446744073709551615",
  "1.0",
  "1.5",
  "-1.5",
  "0.1",
  "0.000086",
  "123456.789",
  "1e3",
  "1E-2",
  "1e400",
  "-1e400",
  "1e-400",
  "-1e-400",
  "0.0",
  "-0.0",
  "0e5",
  "3.4028236e38",
  "1e39",
  "65504",
  "65519",
  "65520",
  "1e-8",
  "-1e-10",
  "0.1234567890123456789",
  "179769313486231570000000000000",
  "5e-324",
  "2.2250738585072011e-308",
  "9007199254740993.5",
  "0.30000000000000004",
  "12345678901234567890123456789",
  "01",
  "1.",
  ".5",
  "+1",
  "1e",
  "1e+",
  "--1",
  "0x10",
  "NaN",
  "0.005",
  "0.015",
  "1.005",
  "1e22",
  "1e23",
  "123e-22",
  "0.1e1",
];
const DATES = [
  '"2024-02-29T12:34:56.789Z"',
  '"2024-02-29T12:34:56Z"',
  '"2023-02-29T00:00:00Z"',
  '"2024-12-31T23:59:59.999Z"',
  '"1969-12-31T23:59:59.999Z"',
  '"0001-01-01T00:00:00Z"',
  '"0000-01-01T00:00:00Z"',
  '"9999-12-31T23:59:59Z"',
  '"2024-01-01T24:00:00Z"',
  '"2024-01-01T00:00:60Z"',
  '"2024-13-01T00:00:00Z"',
  '"2024-04-31T00:00:00Z"',
  '"1900-02-29T00:00:00Z"',
  '"2000-02-29T00:00:00Z"',
  '"2024-01-01"',
  '"2024-01"',
  '"2024"',
  '"2024-01-01T10"',
  '"2024-01-01T10:20"',
  '"2024-01-01T10:20:30"',
  '"2024-01-01T10:20:30.1Z"',
  '"2024-01-01T10:20:30.123456Z"',
  '"2024-01-01T10:20:30.123456789Z"',
  '"2024-01-01T10:20:30.1234567890Z"',
  '"2024-01-01T10:20:30.Z"',
  '"2024-01-01T10:20:30+02:00"',
  '"2024-01-01T10:20:30.5-05:30"',
  '"2024-01-01T10:20:30+0200"',
  '"2024-01-01T10:20:30+02"',
  '"2024-01-01T10:20:30+17:59"',
  '"2024-01-01T10:20:30+18:00"',
  '"2024-01-01T10:20:30+18:01"',
  '"2024-01-01T10:20:30-00:00"',
  '"2024-01-01T10:20:30+25:00"',
  '"2024-01-01t10:20:30z"',
  '"2024-01-01 10:20:30"',
  '"2024-01-01T10:20:30Z "',
  '"1700000000000"',
  '"-1"',
  '"1960-01-01T00:00:00Z"',
  '"2263-01-01T00:00:00Z"',
  "1700000000000",
  "1700000000",
  "2024",
  "20240101",
  "99999",
  "100000",
  "-5",
  "1.5e12",
  "1700000000000.5",
  "9223372036854",
  "9223372036855",
  "0",
  '"1677-09-21T00:12:43Z"',
  '"2262-04-11T23:47:16.854775807Z"',
  '"2262-04-11T23:47:16.855Z"',
  '"+12024-01-01T00:00:00Z"',
  '""',
  '"x"',
];
const IPS = [
  '"1.2.3.4"',
  '"0.0.0.0"',
  '"255.255.255.255"',
  '"256.1.1.1"',
  '"1.2.3"',
  '"1.2.3.4.5"',
  '"01.2.3.4"',
  '"1.2.3.4 "',
  '"::1"',
  '"2001:db8::ff00:42:8329"',
  '"::ffff:1.2.3.4"',
  '"fe80::1%eth0"',
  '"1..2.3"',
  '""',
  '"x"',
  "1",
  '"1.2.3.999"',
  '"1.2.3.0000"',
];
const OTHERS = [
  "null",
  "true",
  "false",
  "nul",
  "tru",
  "falsey",
  "{}",
  "[]",
  '{"a":1}',
  "[null]",
  "[[1]]",
  '[{"a":1}]',
  "",
  "'x'",
];

const FIELDS: readonly (readonly [string, readonly string[]])[] = [
  ["@timestamp", DATES],
  ["day", DATES],
  ["epoch", DATES],
  ["nanos", DATES],
  ["message", STRINGS],
  ["message", STRINGS],
  ["tag", STRINGS],
  ["all", STRINGS],
  ["lower", STRINGS],
  ["standin", STRINGS],
  ["byte", NUMBERS],
  ["short", NUMBERS],
  ["int", NUMBERS],
  ["long", NUMBERS],
  ["unsigned", NUMBERS],
  ["float", NUMBERS],
  ["half", NUMBERS],
  ["scaled", NUMBERS],
  ["double", NUMBERS],
  ["lenient", NUMBERS],
  ["flag", OTHERS],
  ["ip", IPS],
  ["labels", OTHERS],
  ["off", OTHERS],
  ["http.status", NUMBERS],
  ["http.request.method", STRINGS],
  ["http.request", OTHERS],
  ["http", OTHERS],
  ["message.raw", STRINGS],
  ["unknown", NUMBERS],
  ["_id", STRINGS],
];

function space(random: Random): string {
  return random.below(12) === 0 ? random.pick([" ", "\t", "\n", "\r\n", "  "]) : "";
}

function value(random: Random, usual: readonly string[]): string {
  const chance = random.below(20);
  if (chance === 0) return random.pick(random.pick([STRINGS, NUMBERS, DATES, IPS, OTHERS]));
  if (chance === 1) {
    const items = Array.from({ length: random.below(4) }, () => random.pick(usual));
    return `[${items.map((item) => space(random) + item).join(space(random) + ",")}${space(random)}]`;
  }
  if (chance === 2) return random.pick(OTHERS);
  return random.pick(usual);
}

function member(random: Random, path: string, usual: readonly string[]): string {
  const parts = path.split(".");
  // Written as one dotted name, or as objects within objects.
  const split = parts.length > 1 && random.below(2) === 0 ? 1 + random.below(parts.length - 1) : parts.length;
  const name = `${space(random)}"${parts.slice(0, split).join(".")}"${space(random)}:${space(random)}`;
  if (split === parts.length) return name + value(random, usual) + space(random);
  return `${name}{${member(random, parts.slice(split).join("."), usual)}}`;
}

function generate(random: Random): string {
  const members: string[] = [];
  const count = random.below(5);
  for (let i = 0; i < count; i++) {
    const [path, usual] = random.pick(FIELDS);
    members.push(member(random, path, usual));
  }
  return `${space(random)}{${members.join(",")}${space(random)}}${space(random)}`;
}

Deno.test("generated documents are staged as the exact parser stages them, or handed over", () => {
  const random = randomOf(1);
  let taken = 0;
  for (let i = 0; i < 30_000; i++) if (agrees(utf8(generate(random)))) taken++;
  assert(taken > 8_000, `only ${taken} of 30000 were taken`);
});

Deno.test("each value of each type is staged as the exact parser stages it, or handed over", () => {
  const values = [...new Set([...STRINGS, ...NUMBERS, ...DATES, ...IPS, ...OTHERS])];
  for (const name of new Set(FIELDS.map(([path]) => path))) {
    for (const value of values) {
      agrees(utf8(`{"${name}":${value}}`));
      agrees(utf8(`{"${name}":[${value},${value}]}`));
    }
  }
});

Deno.test("mutated bytes never get a document taken that the exact parser refuses", () => {
  const random = randomOf(2);
  const seeds = Array.from({ length: 400 }, () => utf8(generate(random))).filter((document) =>
    agrees(document)
  );
  const marks = utf8('{}[]",:\\ 0123456789.eE+-tfn/\u0000\u001f\n').values().toArray();
  let taken = 0;
  for (let i = 0; i < 40_000; i++) {
    let bytes = random.pick(seeds).slice();
    for (let k = random.below(3); k >= 0 && bytes.length > 0; k--) {
      const at = random.below(bytes.length);
      const byte = random.below(3) === 0 ? random.below(256) : random.pick(marks);
      const tail = random.below(3);
      if (tail === 0) bytes[at] = byte;
      else if (tail === 1) bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1)]);
      else bytes = Uint8Array.from([...bytes.subarray(0, at), byte, ...bytes.subarray(at)]);
    }
    if (agrees(bytes)) taken++;
  }
  assert(taken > 1_500, `only ${taken} of 40000 were taken`);
});

Deno.test("a document ends where its range ends, whatever follows", () => {
  const whole = utf8('{"tag":"value","int":12,"http":{"status":200},"message":["a","b"]}');
  for (const around of ["", "}", '"}', "]}", '":1}', "0", " }", '{"tag":"x"}', "\n\n\n"].map(utf8)) {
    assert(agrees(whole, around));
    for (let end = 0; end < whole.length; end++) assert(!agrees(whole.subarray(0, end), around));
  }
});

Deno.test("keys may come in any order, but each once", () => {
  assert(agrees(utf8('{"int":1,"long":2,"tag":"x"}')));
  assert(agrees(utf8('{"tag":"x","int":1,"long":2}')));
  assert(agrees(utf8('{"long":2}')));
  assert(!agrees(utf8('{"int":1,"long":2,"int":3}')));
  assert(!agrees(utf8('{"http":{"status":1},"http":{"status":2}}')));
  assert(!agrees(utf8('{"http":{"status":1,"status":2}}')));
  assert(agrees(utf8('{"http.status":1,"http":{"status":2}}')));
  assert(!agrees(utf8('{"i\\u006et":1}')), "a name with escapes is the exact parser's");
});

Deno.test("nesting beyond the limit is handed over", () => {
  const deep = '{"http":{"request":{"bytes":[1]}}}';
  for (let maxDepth = 1; maxDepth <= 5; maxDepth++) {
    const bytes = utf8(deep);
    const taken = new FastParser(mapping, maxDepth).parse(bytes, 0, bytes.length, fastStaged);
    const outcome = parseDocument(mapping, bytes, 0, bytes.length, exactStaged, { maxDepth });
    assertEquals(taken, outcome.kind === "ok");
  }
});

Deno.test("a field whose name needs escapes is no trap", () => {
  const odd = Mapping.parse({ properties: { 'a"b': { type: "keyword" }, "c\\d": { type: "keyword" } } }, {
    maxFields: 10,
  });
  const parser = new FastParser(odd);
  for (const text of ['{"a"b":"x"}', '{"c\\d":"x"}', '{"a\\"b":"x"}']) {
    const bytes = utf8(text);
    assertEquals(parser.parse(bytes, 0, bytes.length, fastStaged), false);
  }
});

Deno.test("a mapping that is switched off takes nothing", () => {
  const off = Mapping.parse({ enabled: false, properties: {} }, { maxFields: 10 });
  const bytes = utf8('{"a":1}');
  assertEquals(new FastParser(off).parse(bytes, 0, bytes.length, fastStaged), false);
});
