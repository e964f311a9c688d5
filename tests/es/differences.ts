/**
 * Where port 9200 answers otherwise than Elasticsearch, each with its reason. Transcripts name them.
 *
 * What is left out for every request is in `normalise.ts`.
 *
 * @module
 */

/**
 * What may differ: `order` of lines; `headers` but the content type; `causes` of an error; `words` of an error and its
 * causes, its type being the same; the `body`; or `all`, the status included.
 */
export type Allowed = "order" | "headers" | "causes" | "words" | "body" | "all";

export interface Difference {
  readonly what: Allowed;
  readonly reason: string;
}

export const DIFFERENCES: Readonly<Record<string, Difference>> = {
  "json-words": {
    what: "words",
    reason:
      "Elasticsearch quotes its JSON library, with the whole body in the reason; here the fault and where it is",
  },
  "json-type": {
    what: "all",
    reason:
      "malformed JSON is 400; Elasticsearch answers 400 or 500 and a type that depends on which parser met it",
  },
  "java-500": {
    what: "all",
    reason:
      "a mistake of the client that Elasticsearch answers with 500 and the name of a Java class is 400 here",
  },
  "update-lines": {
    what: "all",
    reason: "a malformed update in a bulk fails alone; Elasticsearch refuses the whole request",
  },
  "meta-numbers": { what: "body", reason: "`meta` of an aggregation is parsed as JSON: 1.0 is printed as 1" },
  "strict": {
    what: "all",
    reason: "a value that means nothing is refused; Elasticsearch ignores it, or takes it",
  },
  "causes": {
    what: "causes",
    reason: "causes within causes name classes of Java's library; the error is the same",
  },
  "shards-or-before": {
    what: "body",
    reason:
      "found out before the shards are asked, or by them, where Elasticsearch has it the other way round",
  },
  "plus-in-path": {
    what: "headers",
    reason: "`Location` encodes a space as %20: a plus in a path is a plus",
  },
  "routing-not-stored": {
    what: "body",
    reason: "routing places a document and is not kept with it: no `_routing`",
  },
  "other-router": {
    what: "all",
    reason: "a path nobody serves: empty segments do not count, `_x` is never an index",
  },
  "peer-without-root": {
    what: "all",
    reason: "the Elasticsearch that was asked lacks the module that serves `/`",
  },
  "hints": { what: "words", reason: "unknown parameters get a hint in more cases" },
  "no-stack": { what: "body", reason: "`error_trace` shows no stack: they belong into the log" },
  "empty-list": {
    what: "body",
    reason: "a filter that leaves nothing of a list answers [], not an empty body",
  },
  "json-only": {
    what: "all",
    reason: "answers and bodies are JSON; YAML, CBOR and SMILE are refused with 406",
  },
  "no-types": { what: "body", reason: "clients of version 7 are served, but documents have no `_type`" },
  "versions": { what: "words", reason: "versions that are served are named, and those are more" },
  "newer-clients": { what: "all", reason: "clients of version 9 are served" },
  "no-query-string": { what: "all", reason: "`q` is not there yet and answers 501" },
  "escapes": {
    what: "all",
    reason: "bad percent-encoding is an illegal_argument_exception, in words of our own",
  },
  "hash-order": { what: "order", reason: "indices come by name; Elasticsearch's order is a hash table's" },
  "total-fields": { what: "all", reason: "the limit on fields is an illegal_argument_exception of its own" },
  "year-of-era": { what: "body", reason: "the sort value of a missing date is shown in another era" },
  "terminate": {
    what: "body",
    reason: "terminate_after counts documents, also where statistics would tell more",
  },
  "order-of-checks": { what: "all", reason: "a missing index is found before the body is parsed" },
  "preview": { what: "words", reason: "the preview of a refused number is the number as it came" },
  "ignored-values": {
    what: "body",
    reason: "`fields` does not list the values that were left out of the index",
  },
  "ignored-score": { what: "body", reason: "a term of `_ignored` scores 1 wherever it is found" },
  "keyed-columns": { what: "body", reason: "docvalue_fields shows no single key of a flattened field" },
};
