import { assert, assertEquals, assertThrows } from "@std/assert";
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { RequestError } from "../../src/base/errors.ts";
import { BulkFramer, type BulkFramerOptions, checkBulk } from "../../src/ingest/bulk.ts";

/** One line an operation: kind, index, id, source. */
function operations(body: string, options: BulkFramerOptions = {}): string[] {
  const bytes = utf8(body);
  const framer = new BulkFramer(bytes, options);
  const out: string[] = [];
  while (framer.next()) {
    const { kind, index, id } = framer.action;
    const source = utf8Text(bytes.subarray(framer.sourceStart, framer.sourceEnd));
    assertEquals(framer.position, out.length);
    out.push(`${framer.line} ${kind} ${index ?? "-"} ${id ?? "-"} ${source}`.trimEnd());
  }
  return out;
}

function refusal(body: string, options: BulkFramerOptions = {}): RequestError {
  return assertThrows(() => checkBulk(utf8(body), options), RequestError) as RequestError;
}

Deno.test("operations of a body, in the forms that clients send", () => {
  assertEquals(
    operations(
      '{"index":{}}\n{"a":1}\n{"create":{"_id":"1"}}\n{"a":2}\n{ "index" : { "_index" : "x" , "_id" : "2" } }\n{}\n' +
        '{"delete":{"_index":"x","_id":"3"}}\n{"update":{"_id":"4"}}\n{"doc":{}}\n',
    ),
    [
      '1 index - - {"a":1}',
      '3 create - 1 {"a":2}',
      "5 index x 2 {}",
      "7 delete x 3",
      '8 update - 4 {"doc":{}}',
    ],
  );
});

Deno.test("line ends may be \\r\\n, blank lines between operations are passed over but counted", () => {
  assertEquals(operations('{"index":{}}\r\n{"a":1}\r\n'), ['1 index - - {"a":1}']);
  assertEquals(operations('\n \r\n{"index":{}}\n{"a":1}\n\n\n{"index":{}}\n{"b":1}\n'), [
    '3 index - - {"a":1}',
    '7 index - - {"b":1}',
  ]);
});

Deno.test("a source line may be empty: the document is refused, not the request", () => {
  assertEquals(operations('{"index":{}}\n\n{"index":{}}\n{}\n'), ["1 index - -", "3 index - - {}"]);
});

Deno.test("what stands behind the metadata object, or a missing last source, is let pass", () => {
  assertEquals(operations('{"index":{}} {"x":1}\n{"a":1}\n'), ['1 index - - {"a":1}']);
  assertEquals(operations('{"index":{},"b":1}\n{"a":1}\n'), ['1 index - - {"a":1}']);
  assertEquals(operations('{"index":{}\n{"a":1}\n'), ['1 index - - {"a":1}']);
  assertEquals(operations('{"index":{}}\n{"a":1}\n{"index":{}}\n'), ['1 index - - {"a":1}']);
  assertEquals(operations(""), []);
  assertEquals(operations("\n"), []);
});

Deno.test("ids are text, whatever they are written as", () => {
  const ids = (list: string[]) => operations(list.map((id) => `{"index":{"_id":${id}}}\n{}\n`).join(""));
  assertEquals(
    ids(['"a\\u00e9\\n"', "7", "1.50", "true", "null", '""', '"é€😀"']).map((line) => line.split(" ")[3]),
    [
      "aé\n",
      "7",
      "1.50",
      "true",
      "-",
      "",
      "é€😀",
    ],
  );
});

Deno.test("an id without escapes is a range of the body", () => {
  const bytes = utf8('{"index":{"_id":"abc"}}\n{}\n{"index":{"_id":"a\\u0062c"}}\n{}\n');
  const framer = new BulkFramer(bytes);
  assert(framer.next());
  assertEquals(framer.action.idBytes, bytes);
  assertEquals([framer.action.idStart, framer.action.idEnd], [17, 20]);
  assert(framer.next());
  assertEquals(utf8Text(framer.action.idBytes), "abc");
});

Deno.test("all parameters of a line are read, and none is left over for the next", () => {
  const framer = new BulkFramer(utf8(
    '{"index":{"_index":"i","_id":"1","routing":"r","pipeline":"p","if_seq_no":"5","if_primary_term":1,"version":7,' +
      '"version_type":"external_gt","require_alias":"true","require_data_stream":false,"dynamic_templates":{"a":"b"},' +
      '"list_executed_pipelines":true}}\n{}\n{"update":{"retry_on_conflict":3,"_source":["a"]}}\n{}\n'
        .replace(
          '["a"]',
          '{"includes":["a]"]}',
        ),
  ));
  assert(framer.next());
  const { action } = framer;
  assertEquals(
    [
      action.index,
      action.id,
      action.routing,
      action.pipeline,
      action.ifSeqNo,
      action.ifPrimaryTerm,
      action.version,
    ],
    ["i", "1", "r", "p", 5, 1, 7],
  );
  assertEquals(
    [action.versionType, action.requireAlias, action.requireDataStream, action.listExecutedPipelines],
    ["external", true, false, true],
  );
  assertEquals(action.dynamicTemplates, { a: "b" });
  assert(framer.next());
  assertEquals(
    [
      action.index,
      action.id,
      action.routing,
      action.pipeline,
      action.ifSeqNo,
      action.version,
      action.versionType,
    ],
    [undefined, undefined, undefined, undefined, -1, undefined, "internal"],
  );
  assertEquals([action.requireAlias, action.dynamicTemplates, action.retryOnConflict], [
    undefined,
    undefined,
    3,
  ]);
  assertEquals(action.source, { includes: ["a]"] });
});

Deno.test("op_type turns an index into a create, and nothing else into anything", () => {
  assertEquals(
    operations(
      '{"index":{"op_type":"create"}}\n{}\n{"index":{"op_type":"x"}}\n{}\n{"create":{"op_type":"index"}}\n{}\n',
    ),
    ["1 create - - {}", "3 index - - {}", "5 create - - {}"],
  );
});

const BAD_LINES: readonly (readonly [string, string])[] = [
  ['["x"]\n', "Malformed action/metadata line [1], expected START_OBJECT but found [START_ARRAY]"],
  ['"x"\n', "Malformed action/metadata line [1], expected START_OBJECT but found [VALUE_STRING]"],
  ["1\n", "Malformed action/metadata line [1], expected START_OBJECT but found [VALUE_NUMBER]"],
  ["true\n", "Malformed action/metadata line [1], expected START_OBJECT but found [VALUE_BOOLEAN]"],
  ["null\n", "Malformed action/metadata line [1], expected START_OBJECT but found [VALUE_NULL]"],
  ["{}\n", "Malformed action/metadata line [1], expected FIELD_NAME but found [END_OBJECT]"],
  [
    '{"foo":{}}\n{"a":1}\n',
    "Malformed action/metadata line [1], expected field [create], [delete], [index] or [update] but found [foo]",
  ],
  [
    '{"index":1}\n{}\n',
    "Malformed action/metadata line [1], expected START_OBJECT or END_OBJECT but found [VALUE_NUMBER]",
  ],
  [
    '{"index":{}}\n{}\n{"index":{"_id":[1]}}\n{}\n',
    "Malformed action/metadata line [3], expected a simple value for field [_id] but found [START_ARRAY]",
  ],
  [
    '{"index":{"_id":{"a":1}}}\n{}\n',
    "Malformed action/metadata line [1], expected a simple value for field [_id] but found [START_OBJECT]",
  ],
  ['{"index":{"foo":1}}\n{}\n', "Action/metadata line [1] contains an unknown parameter [foo]"],
  ['{"index":{"_type":"t"}}\n{}\n', "Action/metadata line [1] contains an unknown parameter [_type]"],
  ['{"index":{"version":"x"}}\n{"a":1}\n', 'For input string: "x"'],
  ['{"index":{"version_type":"foo"}}\n{"a":1}\n', "No version type match [foo]"],
  [
    '{"index":{"require_alias":"yes"}}\n{}\n',
    "Failed to parse value [yes] as only [true] or [false] are allowed.",
  ],
  [
    '{"update":{"_id":"1","version":1}}\n{"doc":{}}\n',
    "Update requests do not support versioning. Please use `if_seq_no` and `if_primary_term` instead",
  ],
  ['{"delete":{"dynamic_templates":{}}}\n', "Delete request in line [1] does not accept dynamic_templates"],
  ['{"index":{}}\n{"a":1}', "The bulk request must be terminated by a newline [\\n]"],
  ['{"index":{}}', "The bulk request must be terminated by a newline [\\n]"],
];

Deno.test("a malformed line refuses the request in Elasticsearch's words", () => {
  for (const [body, reason] of BAD_LINES) {
    const error = refusal(body);
    assertEquals([error.message, error.status, error.type], [reason, 400, "illegal_argument_exception"]);
  }
});

Deno.test("an action line that is no JSON says at which column", () => {
  const reasons: readonly (readonly [string, string])[] = [
    [
      "garbage\n",
      "[1:8] Unrecognized token 'garbage': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
    ],
    ['{"index":{"_id":1,"_id":2}}\n{}\n', "[1:24] Duplicate field '_id'"],
    [
      "{index:{}}\n{}\n",
      "[1:2] Unexpected character ('i' (code 105)): was expecting double-quote to start field name",
    ],
    [
      '{"index":{"_id":01}}\n{}\n',
      "[1:19] Unrecognized token '01': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
    ],
  ];
  for (const [body, reason] of reasons) {
    const error = refusal(body);
    assertEquals([error.message, error.status, error.type], [reason, 400, "x_content_parse_exception"]);
  }
  assertEquals(refusal('{"index"\n').type, "x_content_e_o_f_exception");
  assertEquals(refusal('{"index":{"_id":"\n').type, "x_content_e_o_f_exception");
});

Deno.test("bad UTF-8, control characters and bad escapes in an action line are refused", () => {
  const line = utf8('{"index":{"_id":"x"}}\n{}\n');
  for (const bad of [0xff, 0xc0, 0x01, 0x80]) {
    const body = line.slice();
    body[17] = bad;
    assertThrows(() => checkBulk(body), RequestError);
  }
  refusal('{"index":{"_id":"\\x"}}\n{}\n');
  refusal('{"index":{"_id":"\\ud800"}}\n{}\n');
});

Deno.test("an index in the line can be forbidden", () => {
  const body = '{"index":{"_index":"x"}}\n{}\n';
  assertEquals(refusal(body, { explicitIndex: false }).message, "explicit index in bulk is not allowed");
  assertEquals(operations('{"index":{}}\n{}\n', { explicitIndex: false }), ["1 index - - {}"]);
});

Deno.test("one index name after another is read right", () => {
  const names = ["a", "a", "b", "ab", "ab", "a\\u0062", "ab", "c"];
  const body = names.map((name) => `{"delete":{"_index":"${name}","_id":"1"}}\n`).join("");
  assertEquals(operations(body).map((line) => line.split(" ")[2]), [
    "a",
    "a",
    "b",
    "ab",
    "ab",
    "ab",
    "ab",
    "c",
  ]);
});

Deno.test("a range of a shared buffer is framed like a whole one", () => {
  const inner = utf8('{"index":{"_id":"é"}}\n{"a":1}\n');
  const shared = new Uint8Array(new SharedArrayBuffer(inner.length + 20));
  shared.fill(0x0a);
  shared.set(inner, 7);
  const framer = new BulkFramer(shared, { start: 7, end: 7 + inner.length });
  assert(framer.next());
  assertEquals(framer.action.id, "é");
  assertEquals(utf8Text(shared.subarray(framer.sourceStart, framer.sourceEnd)), '{"a":1}');
  assertEquals(framer.next(), false);
});
