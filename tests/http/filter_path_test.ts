import { assertEquals } from "@std/assert";
import { filterJson } from "../../src/http/filter_path.ts";

const ANSWER = '{"took":3,"hits":{"total":{"value":1.0,"relation":"eq"},"max_score":null,"hits":' +
  '[{"_id":"1","_source":{"a.b":1,"l":[{"p":1,"q":2},{"p":9007199254740993}]}}]},"_shards":{"failed":0}}';

function filtered(json: string, path: string): string {
  return new TextDecoder().decode(filterJson(new TextEncoder().encode(json), path));
}

Deno.test("includes keep what they name, values untouched", () => {
  assertEquals(filtered(ANSWER, "hits.total.value"), '{"hits":{"total":{"value":1.0}}}');
  assertEquals(filtered(ANSWER, "took,_shards"), '{"took":3,"_shards":{"failed":0}}');
  assertEquals(filtered(ANSWER, " took , nothing "), '{"took":3}');
  assertEquals(
    filtered(ANSWER, "hits.hits._source.l.p"),
    '{"hits":{"hits":[{"_source":{"l":[{"p":1},{"p":9007199254740993}]}}]}}',
  );
  assertEquals(filtered(ANSWER, "hits.hits._source.a\\.b"), '{"hits":{"hits":[{"_source":{"a.b":1}}]}}');
  assertEquals(filtered(ANSWER, "nothing.at.all"), "{}");
  assertEquals(filtered(ANSWER, "took.deeper"), "{}");
});

Deno.test("stars stand for a part of a name, two for any names", () => {
  assertEquals(filtered(ANSWER, "to*"), '{"took":3}');
  assertEquals(filtered(ANSWER, "*s.t*l.va*e"), '{"hits":{"total":{"value":1.0}}}');
  assertEquals(
    filtered(ANSWER, "**.p"),
    '{"hits":{"hits":[{"_source":{"l":[{"p":1},{"p":9007199254740993}]}}]}}',
  );
  assertEquals(filtered(ANSWER, "hits.**.q"), '{"hits":{"hits":[{"_source":{"l":[{"q":2}]}}]}}');
  assertEquals(filtered(ANSWER, "**"), ANSWER);
});

Deno.test("excludes leave out, also of what is included", () => {
  assertEquals(filtered(ANSWER, "-hits,-took"), '{"_shards":{"failed":0}}');
  assertEquals(
    filtered(ANSWER, "-hits.hits,-_shards,-took"),
    '{"hits":{"total":{"value":1.0,"relation":"eq"},"max_score":null}}',
  );
  assertEquals(filtered(ANSWER, "hits.total,-**.relation"), '{"hits":{"total":{"value":1.0}}}');
  assertEquals(filtered(ANSWER, "-*"), "{}");
});

Deno.test("blank filters change nothing; lists may be at the top; text may look like structure", () => {
  assertEquals(filtered(ANSWER, ""), ANSWER);
  assertEquals(filtered(ANSWER, " , "), ANSWER);
  assertEquals(filtered('[{"a":1,"b":2},{"b":3}]', "a"), '[{"a":1}]');
  assertEquals(filtered('[{"b":3}]', "a"), "[]");
  assertEquals(filtered('{ "x" : "}],\\"{" , "y" : [ 1 , "]" ] }', "-x"), '{"y":[ 1 , "]" ]}');
  assertEquals(filtered('{"caf\\u00e9":1}', "café"), '{"caf\\u00e9":1}');
});
