/**
 * Answers and errors of Elasticsearch 8.13.4 to some two hundred aggregations over three small documents, byte for
 * byte: from one segment and from three, from summaries and from batches.
 */
import { assertEquals } from "@std/assert";
import { RequestError } from "../../../src/base/errors.ts";
import { buildTarget, type Feed, runOne } from "./agg_world.ts";

interface Case {
  readonly agg: unknown;
  /** The result's text. */
  readonly answer?: string;
  readonly error?: { readonly status: number; readonly type: string; readonly reason: string };
}

const properties = {
  k: { type: "keyword" },
  n: { type: "integer" },
  d: { type: "double" },
  f: { type: "float" },
  l: { type: "long" },
  b: { type: "boolean" },
  ts: { type: "date" },
  tsn: { type: "date_nanos" },
  tsf: { type: "date", format: "yyyy/MM/dd" },
  ip: { type: "ip" },
  msg: { type: "text" },
  fl: { type: "flattened" },
  nodv: { type: "keyword", doc_values: false },
  bin: { type: "binary" },
};

const documents = [
  `{"k":["a","b"],"n":[1,2],"d":1.5,"f":1.1,"l":9007199254740993,"b":true,"ts":"2025-01-01T10:00:00Z",` +
  `"tsn":"2025-01-01T10:00:00.123456789Z","tsf":"2025/01/01","ip":"10.0.0.1","msg":"hello","fl":{"x":"1","y":"2"}}`,
  `{"k":"a","n":5,"d":-2.5,"f":2.2,"l":3,"b":false,"ts":"2025-01-03T10:00:00Z","tsn":"2025-01-01T11:00:00Z",` +
  `"tsf":"2025/01/03","ip":"10.0.0.2","msg":"world","fl":{"x":"1"}}`,
  `{"k":"c"}`,
];

const cases = Deno.readTextFileSync(new URL("./answers.ndjson", import.meta.url)).trim().split("\n")
  .map((line) => JSON.parse(line) as Case);

const one = buildTarget({ properties, segments: [documents] });
const three = buildTarget({ properties, segments: documents.map((document) => [document]) });

function outcome(agg: unknown, segments: 1 | 3, feed: Feed): Omit<Case, "agg"> {
  try {
    return { answer: runOne([segments === 1 ? one : three], agg, { feed }) };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return { error: { status: error.status, type: error.type, reason: error.message } };
  }
}

for (const segments of [1, 3] as const) {
  for (const feed of ["all", "batches"] as const) {
    Deno.test(`answers are Elasticsearch's, ${segments} segments, ${feed}`, () => {
      for (const { agg, ...expected } of cases) {
        assertEquals(outcome(agg, segments, feed), expected, JSON.stringify(agg));
      }
    });
  }
}
