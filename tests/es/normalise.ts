/**
 * Answers with what must differ between two servers made equal: times, uuids, names of nodes.
 *
 * Numbers keep their text, so that `1` and `1.0` differ; keys keep their order, except where Elasticsearch's own is
 * that of a hash table.
 *
 * @module
 */
import type { Answered, Asked } from "./transcript.ts";

export type Tree = null | boolean | string | NumberText | Tree[] | Map<string, Tree>;

/** A number as it was written. */
export class NumberText {
  constructor(readonly text: string) {}
}

/** Values that are the server's own, by key. */
const OWN_VALUES: readonly string[] = [
  "took",
  "uuid",
  "index.uuid",
  "index.creation_date",
  "creation_date",
  "created",
  "node",
  "stack_trace",
  "cluster_name",
  "cluster_uuid",
  "build_hash",
  "build_date",
  "build_type",
  "store.size",
  "pri.store.size",
  "dataset.size",
];
/** Keys that only one of the two has, for good: `request_id` is ours; allocation of shards to tiers is Elasticsearch's. */
const OWN_KEYS: readonly string[] = [
  "request_id",
  "_tier_preference",
  "index.routing.allocation.include._tier_preference",
];
/** Objects whose keys Elasticsearch prints in the order of a hash table. */
const UNORDERED: readonly string[] = ["settings", "aliases", "fields"];

export interface Normal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function normalise({ path }: Pick<Asked, "path">, { status, headers, body }: Answered): Normal {
  const location = headers["location"];
  const seen = location === undefined
    ? headers
    : { ...headers, location: location.replace(/[\w-]{20}$/, "*id*") };
  const withoutPositions = UNPOSITIONED.test(path);
  return { status, headers: seen, body: normalBody(body, headers["content-type"] ?? "", withoutPositions) };
}

/**
 * These bodies are parsed as a whole here, so that an error in them that is no error of JSON does not know where it
 * is: `line` and `col` are left out of Elasticsearch's answer, and `[1:24] ` before a reason.
 */
const UNPOSITIONED = /\/(_search|_count|_mget|_update|_bulk)\b/;

const DATE = /\b20\d\d-\d\d-\d\dT[\d:.]+Z/g;

function normalBody(body: string, contentType: string, withoutPositions: boolean): string {
  if (!contentType.includes("json")) {
    return body.replaceAll(/(?<=\s|^)([\w-]{36}|[\w-]{22})(?=\s|$)/g, "*uuid*").replaceAll(DATE, "*date*")
      .replaceAll(
        /\b\d+(\.\d+)?[kmg]?b\b/g,
        "*size*",
      ).replaceAll(/ +/g, " ");
  }
  if (body === "") return "";
  let tree: Tree;
  try {
    tree = treeOf(body);
  } catch (error) {
    return `not JSON: ${(error as Error).message}: ${body}`;
  }
  // One value a line, so that two answers can be read side by side.
  const cleaned = clean(asObject(tree), "");
  return textOf(withoutPositions ? unpositioned(cleaned) : cleaned, "");
}

export function treeOf(json: string): Tree {
  const convert = JSON.parse as (
    text: string,
    reviver: (key: string, value: unknown, context: { source: string }) => unknown,
  ) => Tree;
  return convert(json, (_key, value, { source }) => {
    if (typeof value === "number") return new NumberText(source);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return value instanceof NumberText || value instanceof Map ? value : new Map(Object.entries(value));
  });
}

/** Errors that Elasticsearch writes as a mere text. Here every error has a type and a reason. */
const TEXT_ERRORS: readonly string[] = ["no_handler_found_exception", "method_not_allowed_exception"];

function asObject(tree: Tree): Tree {
  if (!(tree instanceof Map)) return tree;
  const error = tree.get("error");
  if (!(error instanceof Map)) return tree;
  const type = error.get("type");
  const status = tree.get("status");
  const isText = TEXT_ERRORS.includes(type as string) ||
    type === "media_type_header_exception" && status instanceof NumberText && status.text === "406";
  if (!isText) return tree;
  const text: Tree = new Map<string, Tree>([["error", error.get("reason")!]]);
  if (type !== "no_handler_found_exception") text.set("status", status!);
  return text;
}

function unpositioned(tree: Tree): Tree {
  if (Array.isArray(tree)) return tree.map(unpositioned);
  if (!(tree instanceof Map)) return tree;
  const isError = tree.has("reason");
  const entries = [...tree].map(([key, value]): [string, Tree] => {
    const isReason = key === "reason" && typeof value === "string";
    return [
      key,
      isReason ? value.replace(/^\[\d+:\d+\] /, "").replace(/ at \[\d+:\d+\]$/, "") : unpositioned(value),
    ];
  });
  return new Map(entries.filter(([key]) => !isError || (key !== "line" && key !== "col")));
}

function clean(tree: Tree, key: string, isUnordered = UNORDERED.includes(key)): Tree {
  if (OWN_VALUES.includes(key) && !(tree instanceof Map)) return "*";
  if (typeof tree === "string") return cleanText(tree, key);
  if (Array.isArray(tree)) {
    const items = tree.map((item) => clean(item, ""));
    return key === "_ignored" ? items.sort() : items;
  }
  if (!(tree instanceof Map)) return tree;
  let entries = [...tree].filter(([name]) => !OWN_KEYS.includes(name)).map((
    [name, value],
  ): [string, Tree] => [
    name,
    clean(value, name, isUnordered || UNORDERED.includes(name)),
  ]);
  entries = entries.filter(([name, value]) =>
    !(["routing", "allocation", "include"].includes(name) && value instanceof Map && value.size === 0)
  );
  if (isUnordered) entries.sort(([a], [b]) => a < b ? -1 : 1);
  return new Map(entries);
}

function cleanText(text: string, key: string): string {
  if (key === "_id" && /^[\w-]{20}$/.test(text)) return "*id*";
  if (key === "index_uuid" && text !== "_na_") return "*uuid*";
  return text.replaceAll(/(\[[^\][/]+\/)([\w-]{22}|[\w-]{36})\]/g, "$1*uuid*]").replace(
    /characters \[('.*)\]$/,
    (_, list: string) => `characters [${list.split(/,(?=')/).sort().join(",")}]`,
  );
}

function textOf(tree: Tree, indent: string): string {
  if (tree instanceof NumberText) return tree.text;
  const inner = `${indent}  `;
  if (Array.isArray(tree)) {
    if (tree.length === 0) return "[]";
    return `[\n${tree.map((item) => inner + textOf(item, inner)).join(",\n")}\n${indent}]`;
  }
  if (tree instanceof Map) {
    if (tree.size === 0) return "{}";
    const lines = [...tree].map(([key, value]) => `${inner}${JSON.stringify(key)}: ${textOf(value, inner)}`);
    return `{\n${lines.join(",\n")}\n${indent}}`;
  }
  return JSON.stringify(tree);
}
