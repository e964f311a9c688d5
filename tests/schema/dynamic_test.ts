import { assert, assertEquals, assertThrows } from "@std/assert";
import { utf8 } from "../../src/base/bytes.ts";
import { RequestError } from "../../src/base/errors.ts";
import { parseDocument } from "../../src/schema/document.ts";
import { Mapping } from "../../src/schema/mapping.ts";
import { StagedDocument } from "../../src/schema/staged.ts";

const staged = new StagedDocument();

/** Properties of the mapping after the document came. */
function after(json: unknown, source: string): unknown {
  const mapping = Mapping.parse(json, { maxFields: 1000 });
  const bytes = utf8(source);
  const outcome = parseDocument(mapping, bytes, 0, bytes.length, staged, { maxDepth: 20, id: "1" });
  if (outcome.kind === "error") return outcome.reason;
  const merged = outcome.kind === "mapping" ? mapping.merge(outcome.update) : mapping;
  return JSON.parse(JSON.stringify(merged.toJson()))["properties"];
}

const TEXT = { type: "text", fields: { keyword: { type: "keyword", ignore_above: 256 } } };

Deno.test("types by the first value", () => {
  assertEquals(
    after(
      {},
      '{"s":"x","i":1,"f":1.5,"b":true,"d":"2020-01-01","d2":"2020/01/01 10:00:00","y":"2020","n":null,"e":[],' +
        '"en":[null],"o":{},"a":[1,2],"ab":[[true]],"x.y.z":1,"t":"10:00","big":1e300}'.replace(
          ',"big":1e300',
          "",
        ),
    ),
    {
      s: TEXT,
      i: { type: "long" },
      f: { type: "float" },
      b: { type: "boolean" },
      d: { type: "date" },
      d2: { type: "date", format: "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis" },
      y: TEXT,
      o: { type: "object" },
      a: { type: "long" },
      ab: { type: "boolean" },
      x: { properties: { y: { properties: { z: { type: "long" } } } } },
      t: TEXT,
    },
  );
});

Deno.test("detection: dates off, own formats, numbers in text on", () => {
  assertEquals(after({ date_detection: false }, '{"d":"2020-01-01"}'), { d: TEXT });
  assertEquals(after({ dynamic_date_formats: ["dd.MM.yyyy"] }, '{"d":"01.02.2020","e":"2020-01-01"}'), {
    d: { type: "date", format: "dd.MM.yyyy" },
    e: TEXT,
  });
  assertEquals(after({ numeric_detection: true }, '{"i":"5","f":"1.5","s":"5x"}'), {
    i: { type: "long" },
    f: { type: "float" },
    s: TEXT,
  });
});

Deno.test("dynamic false leaves out, strict refuses, by object", () => {
  const mapping = {
    dynamic: "strict",
    properties: { open: { type: "object", dynamic: true }, shut: { type: "object", dynamic: false } },
  };
  const open = { dynamic: "true", properties: { x: { type: "long" } } };
  assertEquals(after(mapping, '{"open":{"x":1},"shut":{"x":{"y":1}}}'), {
    open,
    shut: { type: "object", dynamic: "false" },
  });
  assertEquals(
    after(mapping, '{"z":1}'),
    "[1:6] mapping set to strict, dynamic introduction of [z] within [_doc] is not allowed",
  );
});

Deno.test("objects in arrays join their fields; types must agree within a document", () => {
  assertEquals(after({}, '{"a":[{"x":1},{"y":true},{"x":2}]}'), {
    a: { properties: { x: { type: "long" }, y: { type: "boolean" } } },
  });
  assertEquals(after({}, '{"a":[1.5,2]}'), "mapper [a] cannot be changed from type [float] to [long]");
  assertEquals(
    after({ properties: { o: { properties: { k: { type: "keyword" } } } } }, '{"o":[{"n":1},{"m":{"q":1}}]}'),
    {
      o: {
        properties: {
          k: { type: "keyword" },
          m: { properties: { q: { type: "long" } } },
          n: { type: "long" },
        },
      },
    },
  );
});

function template(body: unknown): unknown {
  return { dynamic_templates: [{ one: body }] };
}

Deno.test("templates: what they match and what they make", () => {
  const keyword = { type: "keyword" };
  const cases: [unknown, string, unknown][] = [
    [{ match_mapping_type: "string", mapping: keyword }, '{"a":"x","i":1}', {
      a: keyword,
      i: { type: "long" },
    }],
    [{ match_mapping_type: "*", mapping: { type: "{dynamic_type}", index: false } }, '{"i":1,"t":"x"}', {
      i: { type: "long", index: false },
      t: { type: "text", index: false },
    }],
    [{ match: "*_k", unmatch: "x*", mapping: keyword }, '{"a_k":1,"x_k":1}', {
      a_k: keyword,
      x_k: { type: "long" },
    }],
    [{ match: "^k\\d+$", match_pattern: "regex", mapping: keyword }, '{"k1":1,"k":1}', {
      k1: keyword,
      k: { type: "long" },
    }],
    [
      { path_match: "o.*", path_unmatch: "*.z", mapping: keyword, match_mapping_type: "long" },
      '{"o":{"a":1,"z":1}}',
      {
        o: { properties: { a: keyword, z: { type: "long" } } },
      },
    ],
    [
      { match: "a", match_mapping_type: "string", mapping: { type: "text", copy_to: "{name}_all" } },
      '{"a":"x"}',
      {
        a: { type: "text", copy_to: ["a_all"] },
        a_all: TEXT,
      },
    ],
    [
      { match_mapping_type: "object", match: "o", mapping: { type: "object", enabled: false } },
      '{"o":{"a":1}}',
      {
        o: { type: "object", enabled: false },
      },
    ],
    [{ match_mapping_type: "object", match: "o", mapping: { type: "flattened" } }, '{"o":{"a":1}}', {
      o: { type: "flattened" },
    }],
    [{ match_mapping_type: "date", mapping: { type: "date" } }, '{"d":"2020/01/01"}', {
      d: { type: "date", format: "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis" },
    }],
    [{ match: ["a", "b"], mapping: keyword }, '{"a":1,"b":1,"c":1}', {
      a: keyword,
      b: keyword,
      c: { type: "long" },
    }],
    [{ match_mapping_type: "string", mapping: {} }, '{"a":"x"}', { a: { type: "text" } }],
  ];
  for (const [body, source, expected] of cases) {
    assertEquals(after(template(body), source), expected, JSON.stringify(body));
  }
});

Deno.test("templates: the first that matches wins", () => {
  const mapping = {
    dynamic_templates: [
      { a: { match: "k*", mapping: { type: "keyword" } } },
      { b: { match_mapping_type: "string", mapping: { type: "text" } } },
    ],
  };
  assertEquals(after(mapping, '{"k":"x","t":"x"}'), { k: { type: "keyword" }, t: { type: "text" } });
});

Deno.test("templates without any condition are refused", () => {
  const error = assertThrows(() => Mapping.parse(template({ mapping: {} }), { maxFields: 10 }), RequestError);
  assert(
    (error as unknown as RequestError).message.includes(
      "must have match, path_match or match_mapping_type set",
    ),
  );
});
