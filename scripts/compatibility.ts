/**
 * Writes `docs/compatibility.md` from the route table of port 9200 and from what its parsers take:
 *
 *     deno run -A scripts/compatibility.ts
 *
 * @module
 */
import { AnalyzerSet } from "../src/analysis/mod.ts";
import { RequestError } from "../src/base/errors.ts";
import { COMPATIBLE_VERSION } from "../src/es/answer.ts";
import { type EsOptions, esRouter } from "../src/es/routes.ts";
import type { Router } from "../src/http/router.ts";
import { parseAggs } from "../src/query/aggs/mod.ts";
import { parseQuery } from "../src/query/queries/parse.ts";
import { parseSearch } from "../src/query/request/parse.ts";
import { parametersOf } from "../src/schema/field_parameters.ts";
import {
  AGGREGATIONS,
  ANALYZERS,
  type ElasticsearchApi,
  FIELD_TYPES,
  OTHER_APIS,
  QUERIES,
  SEARCH_KEYS,
} from "./compatibility_names.ts";

const FILE = new URL("../docs/compatibility.md", import.meta.url);

if (import.meta.main) Deno.writeTextFileSync(FILE, compatibilityText());

/** The route table alone: no handler is ever called. */
export function routerOfPort9200(): Router {
  return esRouter({} as EsOptions);
}

/** What `docs/compatibility.md` has to say. */
export function compatibilityText(): string {
  const router = routerOfPort9200();
  const queries = split(QUERIES, (name) => takes(() => parseQuery({ [name]: {} })));
  const aggregations = split(AGGREGATIONS, (name) => takes(() => parseAggs({ a: { [name]: {} } })));
  const keys = split(SEARCH_KEYS, ({ key, example }) => takes(() => parseSearch({ [key]: example })));
  const types = split(FIELD_TYPES, (name) => parametersOf(name) !== undefined);
  const analyzers = split(ANALYZERS, hasAnalyzer);
  return `# What port 9200 has of Elasticsearch's API

Written by \`scripts/compatibility.ts\` from the route table and the parsers; a test keeps it up to date. The port follows
Elasticsearch ${COMPATIBLE_VERSION}, which is what \`GET /\` says.

What Elasticsearch has and this port has not answers 501 \`not_supported_yet\`: paths, queries, aggregations, keys of a
search. A path that Elasticsearch has not either answers 400 \`no_handler_found_exception\`, a path with the wrong method
405 with \`Allow\`, an unknown query parameter 400. Parameters that mean nothing on a single node (\`preference\`,
\`wait_for_active_shards\`, \`master_timeout\`, ...) are taken and have no effect. A \`pipeline\` other than \`_none\` is
refused: there are no ingest pipelines yet.

Every error has a type and a reason, and a \`request_id\` beside them; where Elasticsearch writes an error as a mere text
(no handler, wrong method, wrong content type), that text is the reason. Errors in a search body do not know their line
and column. Answers are JSON: \`format=yaml\` and the like answer 406. \`tests/es/differences.ts\` lists what else is
known to differ, each with its reason; a test holds it to be all over some 900 requests.

## Routes

| path | methods | name |
| --- | --- | --- |
${routeRows(router)}

HEAD is answered where Elasticsearch answers it.

## Queries

There: ${list(queries.there)}.

Not there, 501: ${list(queries.missing)}.

## Aggregations

There: ${list(aggregations.there)}.

Not there, 501: ${list(aggregations.missing)}.

## Keys of a search body

There: ${list(keys.there.map(({ key }) => key))}. \`profile\`, \`stats\` and \`ext\` have no effect.

Not there, 501 unless empty or off: ${list(keys.missing.map(({ key }) => key))}.

## Field types

There: ${list(types.there)}; \`object\` by its \`properties\`.

Not there, 400 \`mapper_parsing_exception\`: ${list(types.missing)}.

## Analyzers

There: ${list(analyzers.there)}, and custom ones from an index's \`analysis\` settings.

Not there: ${list(analyzers.missing)}.

## APIs that are not there

| API | for example | answers |
| --- | --- | --- |
${missingRows(router)}
`;
}

function routeRows({ routes }: Router): string {
  const byPattern = new Map<string, { methods: string[]; names: Set<string> }>();
  for (const { method, pattern, meta } of routes) {
    if (meta.name === "not_supported") continue;
    const row = byPattern.get(pattern) ?? { methods: [], names: new Set() };
    byPattern.set(pattern, row);
    row.methods.push(method);
    row.names.add(meta.name);
  }
  return [...byPattern].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([pattern, { methods, names }]) =>
      `| \`${pattern}\` | ${methods.sort().join(", ")} | ${[...names].join(", ")} |`
    ).join("\n");
}

function missingRows(router: Router): string {
  const rows: string[] = [];
  for (const api of OTHER_APIS) {
    const answer = answerTo(router, api);
    if (answer !== undefined) rows.push(`| ${api.name} | \`${api.method} ${api.path}\` | ${answer} |`);
  }
  return rows.join("\n");
}

/** Undefined: it is there. */
function answerTo(router: Router, { method, path }: ElasticsearchApi): string | undefined {
  const match = router.match(method, path);
  if (match.kind === "none") return "400";
  if (match.kind === "method") return "405";
  const index = match.params["index"];
  if (match.route.meta.name === "not_supported") return "501";
  // An API's own word, taken for the name of an index.
  return index?.startsWith("_") ? "400" : undefined;
}

/** Whether a parser takes a name at all; what it says about an empty value is another matter. */
function takes(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const known = !/^(unknown query|Unknown aggregation type|Unknown key)/.test(error.message);
    if (!known) throw new Error(`a name is neither there nor known to be missing: ${error.message}`);
    return error.type !== "not_supported_yet";
  }
}

function hasAnalyzer(name: string): boolean {
  return AnalyzerSet.fromSettings({}, "standard").has(name);
}

function split<T>(names: readonly T[], isThere: (name: T) => boolean): { there: T[]; missing: T[] } {
  const there: T[] = [];
  const missing: T[] = [];
  for (const name of names) (isThere(name) ? there : missing).push(name);
  return { there, missing };
}

function list(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(", ");
}
