/** Refused bodies, with the type and the words of Elasticsearch 8.13. */
import { assertEquals } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { buildTarget, search } from "./world.ts";

const target = buildTarget({
  properties: {
    a: { type: "text" },
    k: { type: "keyword" },
    i: { type: "integer" },
    d: { type: "date" },
    ip: { type: "ip" },
    o: { properties: { x: { type: "keyword" } } },
  },
  segments: [[{ a: "quick brown fox", k: "x", i: 1 }]],
});

const WINDOW = (wanted: number) =>
  `Result window is too large, from + size must be less than or equal to: [10000] but was [${wanted}]. ` +
  "See the scroll api for a more efficient way to request large data sets. " +
  "This limit can be set by changing the [index.max_result_window] index level setting.";

const FIELDDATA =
  "Fielddata is disabled on [a] in [t]. Text fields are not optimised for operations that require per-document " +
  "field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword " +
  "field instead. Alternatively, set fielddata=true on [a] in order to load field data by uninverting the inverted " +
  "index. Note that this can use significant memory.";

const parsing = "parsing_exception";
const illegal = "illegal_argument_exception";
const content = "x_content_parse_exception";
const shard = "query_shard_exception";
const number = "number_format_exception";

const QUERIES: [unknown, string, string][] = [
  [{ mtach: { a: "x" } }, parsing, "unknown query [mtach] did you mean [match]?"],
  [{ foo_bar_q: { a: "x" } }, parsing, "unknown query [foo_bar_q]"],
  [{}, illegal, "query malformed, empty clause found"],
  [{ match: {} }, parsing, "No text specified for text query"],
  [
    { match: { a: "x", b: "y" } },
    parsing,
    "[match] query doesn't support multiple fields, found [a] and [b]",
  ],
  [
    { match_all: {}, term: { a: 1 } },
    parsing,
    "[match_all] malformed query, expected [END_OBJECT] but found [FIELD_NAME]",
  ],
  [{ match: "x" }, parsing, "[match] query malformed, no start_object after query name"],
  [{ match: { a: { query: "x", foo: 1 } } }, parsing, "[match] query does not support [foo]"],
  [{ match: { a: { operator: "and" } } }, parsing, "No text specified for text query"],
  [
    { match: { a: { query: "x", operator: "xor" } } },
    illegal,
    "No enum constant org.elasticsearch.index.query.Operator.XOR",
  ],
  [{ match: { a: { query: ["x"] } } }, parsing, "[match] unknown token [START_ARRAY] after [query]"],
  [{ match: { a: { query: "x", analyzer: "nope" } } }, shard, "[match] analyzer [nope] not found"],
  [{ term: { a: { foo: 1 } } }, parsing, "[term] query does not support [foo]"],
  [{ term: { a: ["x"] } }, parsing, "[term] query does not support array of values"],
  [{ term: { a: null } }, illegal, "field name is null or empty"],
  [{ term: { a: { boost: 2 } } }, illegal, "value cannot be null"],
  [{ term: { i: "abc" } }, shard, 'failed to create query: For input string: "abc"'],
  [{ terms: { k: "x" } }, parsing, "[terms] query does not support [k]"],
  [{ terms: { k: ["x"], i: [1] } }, parsing, "[terms] query does not support multiple fields"],
  [{ terms: { k: [null] } }, parsing, "No value specified for terms query"],
  [
    { terms: {} },
    parsing,
    "[terms] query requires a field name, followed by array of terms or a document lookup specification",
  ],
  [{ range: { i: { foo: 1 } } }, parsing, "[range] query does not support [foo]"],
  [{ range: { i: 5 } }, parsing, "[range] query does not support [i]"],
  [{ range: { i: { gte: "abc" } } }, shard, 'failed to create query: For input string: "abc"'],
  [
    { range: { d: { gte: "abc" } } },
    "parse_exception",
    "failed to parse date field [abc] with format [strict_date_optional_time||epoch_millis]: " +
    "[failed to parse date field [abc] with format [strict_date_optional_time||epoch_millis]]",
  ],
  [{ range: { d: { gte: "now/q" } } }, "parse_exception", "unit [q] not supported for date math [/q]"],
  [{ range: { ip: { gte: "abc" } } }, shard, "failed to create query: 'abc' is not an IP string literal."],
  [
    { prefix: { i: "1" } },
    shard,
    "Can only use prefix queries on keyword, text and wildcard fields - not on [i] which is of type [integer]",
  ],
  [{ prefix: { k: { value: "a", foo: 1 } } }, parsing, "[prefix] query does not support [foo]"],
  [{ regexp: { k: "a[b" } }, shard, "failed to create query: expected ']' at position 3"],
  [{ exists: {} }, parsing, "[exists] must be provided with a [field]"],
  [{ ids: { foo: ["1"] } }, parsing, "[ids] unknown field [foo]"],
  [{ bool: { foo: [] } }, content, "[bool] unknown field [foo]"],
  [{ bool: { must: "x" } }, content, "[bool] must doesn't support values of type: VALUE_STRING"],
  [{ bool: { must: { nope: {} } } }, content, "[bool] failed to parse field [must]"],
  [{ bool: [] }, parsing, "[bool] query malformed, no start_object after query name"],
  [{ constant_score: {} }, parsing, "[constant_score] requires a 'filter' element"],
  [{ dis_max: {} }, parsing, "[dis_max] requires 'queries' field with at least one clause"],
  [
    { boosting: { positive: { match_all: {} } } },
    parsing,
    "[boosting] query requires 'negative' query to be set'",
  ],
  [{ match_phrase: { a: { query: "x y", slop: -1 } } }, illegal, "No negative slop allowed."],
  [
    { match_phrase_prefix: { k: "x" } },
    shard,
    "failed to create query: Can only use phrase prefix queries on text fields - not on [k] which is of type [keyword]",
  ],
  [{ fuzzy: { a: { value: "x", fuzziness: 3 } } }, illegal, "Valid edit distances are [0, 1, 2] but was [3]"],
  [
    { multi_match: { query: "x", type: "foo" } },
    "parse_exception",
    "failed to parse [multi_match] query type [foo]. unknown type.",
  ],
  [{ multi_match: { fields: ["a"] } }, parsing, "No text specified for multi_match query"],
  [{ nested: { path: "o" } }, "not_supported_yet", "The query [nested] is not supported yet"],
  [{ query_string: { query: "x" } }, "not_supported_yet", "The query [query_string] is not supported yet"],
];

const BODIES: [unknown, string, string][] = [
  [{ qeury: {} }, parsing, "Unknown key for a START_OBJECT in [qeury]."],
  [{ foo: "x" }, parsing, "Unknown key for a VALUE_STRING in [foo]."],
  [{ foo: ["x"] }, parsing, "Unknown key for a START_ARRAY in [foo]."],
  [{ foo: 1 }, parsing, "Unknown key for a VALUE_NUMBER in [foo]."],
  [{ query: "x" }, parsing, "Unknown key for a VALUE_STRING in [query]."],
  [{ query: [] }, parsing, "Unknown key for a START_ARRAY in [query]."],
  [{ from: -1 }, illegal, "[from] parameter cannot be negative but was [-1]"],
  [{ size: -1 }, illegal, "[size] parameter cannot be negative, found [-1]"],
  [{ size: "x" }, number, 'For input string: "x"'],
  [{ from: 9990, size: 20 }, illegal, WINDOW(10_010)],
  [{ size: 10_001 }, illegal, WINDOW(10_001)],
  [{ sort: "nope" }, shard, "No mapping found for [nope] in order to sort on"],
  [{ sort: "o" }, shard, "No mapping found for [o] in order to sort on"],
  [{ sort: "a" }, illegal, FIELDDATA],
  [{ sort: [{ i: "foo" }] }, illegal, "No enum constant org.elasticsearch.search.sort.SortOrder.FOO"],
  [{ sort: [{ i: { order: "foo" } }] }, content, "[field_sort] failed to parse field [order]"],
  [{ sort: [{ i: { foo: "x" } }] }, content, "[field_sort] unknown field [foo]"],
  [{ sort: [{ k: { mode: "sum" } }] }, shard, "we only support AVG, MEDIAN and SUM on number based fields"],
  [{ sort: [{ _score: { mode: "max" } }] }, content, "[_score] unknown field [mode]"],
  [
    { sort: [1] },
    illegal,
    "malformed sort format, within the sort array, an object, or an actual string are allowed",
  ],
  [{ sort: [{ i: { missing: "abc" } }] }, number, 'For input string: "abc"'],
  [
    { sort: "_id" },
    illegal,
    "Fielddata access on the _id field is disallowed, you can re-enable it by updating the dynamic cluster setting: indices.id_field_data.enabled",
  ],
  [{ search_after: [1] }, illegal, "Sort must contain at least one field."],
  [{ sort: ["i"], search_after: [1, 2] }, illegal, "search_after has 2 value(s) but sort has 1."],
  [{ sort: ["i"], search_after: ["abc"] }, illegal, "Failed to parse search_after value for field [i]."],
  [{ sort: ["i"], search_after: [] }, illegal, "Values must contains at least one value."],
  [
    { sort: ["i"], search_after: [1], from: 1 },
    "action_request_validation_exception",
    "Validation Failed: 1: [from] parameter must be set to 0 when [search_after] is used;",
  ],
  [
    { sort: ["i"], search_after: [{}] },
    parsing,
    "Expected [VALUE_STRING] or [VALUE_NUMBER] or [VALUE_BOOLEAN] or [VALUE_NULL] but found [START_OBJECT] inside search_after.",
  ],
  [
    { _source: 1 },
    parsing,
    "Expected one of [VALUE_BOOLEAN, VALUE_STRING, START_ARRAY, START_OBJECT] but found [VALUE_NUMBER]",
  ],
  [{ _source: { foo: ["a"] } }, parsing, "Unknown key for a START_ARRAY in [foo]."],
  [{ fields: "a" }, parsing, "Unknown key for a VALUE_STRING in [fields]."],
  [{ fields: [{ foo: "a" }] }, content, "[fetch_field_and_format] unknown field [foo]"],
  [
    { fields: [{ field: "k", format: "x" }] },
    illegal,
    "error fetching [k]: Field [k] of type [keyword] doesn't support formats.",
  ],
  [{ docvalue_fields: ["a"] }, illegal, FIELDDATA],
  [
    { track_total_hits: -2 },
    illegal,
    "[track_total_hits] parameter must be positive or equals to -1, got -2",
  ],
  [
    { timeout: "abc" },
    illegal,
    "failed to parse setting [timeout] with value [abc] as a time value: unit is missing or unrecognized",
  ],
  [
    { timeout: "-5ms" },
    illegal,
    "failed to parse setting [timeout] with value [-5ms] as a time value: negative durations are not supported",
  ],
  [{ terminate_after: -1 }, illegal, "terminateAfter must be > 0"],
  [
    { stored_fields: "_none_", _source: true },
    "action_request_validation_exception",
    "Validation Failed: 1: [stored_fields] cannot be disabled if [_source] is requested;",
  ],
  [{ post_filter: { nope: {} } }, parsing, "unknown query [nope]"],
  [{ collapse: { field: "k" } }, "not_supported_yet", "The key [collapse] of a search is not supported yet"],
];

function refusal(body: unknown): { type: string; reason: string; status: number } {
  try {
    search([target], body);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return { type: error.type, reason: error.message, status: error.status };
  }
  throw new Error(`${JSON.stringify(body)} was accepted`);
}

Deno.test("queries that do not follow the grammar or the mapping are refused in Elasticsearch's words", () => {
  for (const [query, type, reason] of QUERIES) {
    const status = type === "not_supported_yet" ? 501 : 400;
    assertEquals(refusal({ query }), { type, reason, status }, JSON.stringify(query));
  }
});

Deno.test("bodies that do not follow the grammar are refused in Elasticsearch's words", () => {
  for (const [body, type, reason] of BODIES) {
    const status = type === "not_supported_yet" ? 501 : 400;
    assertEquals(refusal(body), { type, reason, status }, JSON.stringify(body));
  }
});

Deno.test("queries nest only so deep, and expand to only so many clauses", () => {
  let query: unknown = { match_all: {} };
  for (let i = 0; i < 40; i++) query = { bool: { filter: [query] } };
  assertEquals(refusal({ query }).status, 400);
  const text = Array.from({ length: 5000 }, (_, i) => `w${i}`).join(" ");
  assertEquals(refusal({ query: { match: { a: text } } }).type, "too_many_clauses");
});
