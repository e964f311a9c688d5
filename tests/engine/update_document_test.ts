import { assertEquals, assertThrows } from "@std/assert";
import { utf8, utf8Text } from "../../src/base/bytes.ts";
import { RequestError } from "../../src/base/errors.ts";
import { mergeSource, parseExact, parseUpdateBody } from "../../src/engine/update_document.ts";

function merge(source: string, partial: string): string | undefined {
  const merged = mergeSource(utf8(source), parseExact(partial));
  return merged && utf8Text(merged);
}

Deno.test("objects are merged, all else is replaced, keys keep their order", () => {
  assertEquals(
    merge(`{"a":1,"o":{"x":1,"y":[1,2]},"z":null}`, `{"o":{"y":[3],"n":{"m":1}},"b":2}`),
    `{"a":1,"o":{"x":1,"y":[3],"n":{"m":1}},"z":null,"b":2}`,
  );
  assertEquals(merge(`{"a":{"b":1}}`, `{"a":5}`), `{"a":5}`);
  assertEquals(merge(`{"a":5}`, `{"a":{"b":1}}`), `{"a":{"b":1}}`);
  assertEquals(merge(`{"a":5}`, `{"a":null}`), `{"a":null}`);
});

Deno.test("an update that changes nothing is seen", () => {
  assertEquals(merge(`{"a":1,"o":{"x":[1,{"k":2}]}}`, `{"a":1,"o":{"x":[1,{"k":2}]}}`), undefined);
  assertEquals(merge(`{"a":1}`, `{}`), undefined);
});

Deno.test("digits that a double would lose survive an update of other fields", () => {
  assertEquals(
    merge(`{"id":9007199254740993,"price":1.10,"n":18446744073709551615}`, `{"b":0.10}`),
    `{"id":9007199254740993,"price":1.10,"n":18446744073709551615,"b":0.10}`,
  );
  assertEquals(merge(`{"id":9007199254740993}`, `{"id":9007199254740992}`), `{"id":9007199254740992}`);
});

Deno.test("keys that JavaScript knows are fields like others", () => {
  assertEquals(
    merge(`{"a":1}`, `{"__proto__":{"x":1},"constructor":2}`),
    `{"a":1,"__proto__":{"x":1},"constructor":2}`,
  );
  assertEquals(({} as Record<string, unknown>)["x"], undefined);
});

Deno.test("update bodies are checked", () => {
  const refused = (text: string, status: number, type: string, reason: string) => {
    const error = assertThrows(
      () => parseUpdateBody(utf8(text), { maxDepth: 100 }),
      RequestError,
      reason,
    ) as RequestError;
    assertEquals([error.status, error.type], [status, type]);
  };
  refused("{", 400, "x_content_parse_exception", "Failed to parse update request");
  refused("[]", 400, "x_content_parse_exception", "Expected START_OBJECT but was: START_ARRAY");
  refused("{}", 400, "action_request_validation_exception", "script or doc is missing");
  refused(`{"doc":[]}`, 400, "x_content_parse_exception", "doc doesn't support values of type: START_ARRAY");
  refused(`{"doc":{},"dok":1}`, 400, "x_content_parse_exception", "[UpdateRequest] unknown field [dok]");
  refused(`{"script":"x"}`, 501, "not_supported_yet", "scripts are not supported");
  refused(
    `{"upsert":{},"doc_as_upsert":true}`,
    400,
    "action_request_validation_exception",
    "doc must be specified",
  );
  const { doc, upsert, docAsUpsert, detectNoop } = parseUpdateBody(
    utf8(`{"doc":{"a":1},"doc_as_upsert":true,"detect_noop":false}`),
    { maxDepth: 100 },
  );
  assertEquals([doc, upsert, docAsUpsert, detectNoop], [{ a: 1 }, undefined, true, false]);
});
