/**
 * Answers with what must differ between two servers made equal: times, uuids, names of nodes.
 *
 * Numbers keep their text, so that `1` and `1.0` differ; keys keep their order, except where Elasticsearch's own is
 * that of a hash table.
 *
 * @module
 */
import type { Answered } from "./transcript.ts";

export type Tree = null | boolean | string | NumberText | Tree[] | Map<string, Tree>;

/** A number as it was written. */
export class NumberText {
  constructor(readonly text: string) {}
}

/** Values that are the server's own, by key. */
const OWN_VALUES: readonly string[] = [
  "took",
  "uuid",
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
const OWN_KEYS: readonly string[] = ["request_id", "_tier_preference"];
/** Objects whose keys Elasticsearch prints in the order of a hash table. */
const UNORDERED: readonly string[] = ["settings", "aliases"];

export interface Normal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function normalise({ status, headers, body }: Answered): Normal {
  const location = headers["location"];
  const seen = location === undefined ? headers : { ...headers, location: location.replace(/[\w-]{20}$/, "*id*") };
  return { status, headers: seen, body: normalBody(body, headers["content-type"] ?? "") };
}

function normalBody(body: string, contentType: string): string {
  if (!contentType.includes("json")) {
    return body.replaceAll(/\b[\w-]{22}\b/g, "*uuid*").replaceAll(/\b\d+(\.\d+)?[kmg]?b\b/g, "*size*").replaceAll(/ +/g, " ");
  }
  if (body === "") return "";
  let tree: Tree;
  try {
    tree = treeOf(body);
  } catch (error) {
    return `not JSON: ${(error as Error).message}: ${body}`;
  }
  // One value a line, so that two answers can be read side by side.
  return textOf(clean(tree, ""), "");
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

function clean(tree: Tree, key: string, isUnordered = UNORDERED.includes(key)): Tree {
  if (OWN_VALUES.includes(key) && !(tree instanceof Map)) return "*";
  if (typeof tree === "string") return cleanText(tree, key);
  if (Array.isArray(tree)) return tree.map((item) => clean(item, ""));
  if (!(tree instanceof Map)) return tree;
  let entries = [...tree].filter(([name]) => !OWN_KEYS.includes(name)).map(([name, value]): [string, Tree] => [
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
  return text.replaceAll(/(\[[^\][/]+\/)[\w-]{22}\]/g, "$1*uuid*]");
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
