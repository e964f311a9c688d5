/**
 * What Elasticsearch has and port 9200 has not: known by name, so that a client hears 501 instead of a riddle about an
 * index called `_nodes`.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { Router } from "../http/router.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"];

/** First segments of paths. */
const GLOBAL: readonly string[] = [
  "_alias",
  "_aliases",
  "_analyze",
  "_application",
  "_async_search",
  "_cache",
  "_component_template",
  "_data_stream",
  "_delete_by_query",
  "_enrich",
  "_eql",
  "_features",
  "_field_caps",
  "_ilm",
  "_index_template",
  "_ingest",
  "_license",
  "_migration",
  "_ml",
  "_msearch",
  "_mtermvectors",
  "_nodes",
  "_pit",
  "_query",
  "_query_rules",
  "_rank_eval",
  "_recovery",
  "_reindex",
  "_render",
  "_resolve",
  "_rollup",
  "_script_language",
  "_scripts",
  "_search_shards",
  "_security",
  "_segments",
  "_shard_stores",
  "_slm",
  "_sql",
  "_ssl",
  "_stats",
  "_synonyms",
  "_tasks",
  "_template",
  "_transform",
  "_validate",
  "_watcher",
  "_xpack",
];

/** Second segments, behind the name of an index. */
const OF_INDEX: readonly string[] = [
  "_alias",
  "_aliases",
  "_analyze",
  "_async_search",
  "_block",
  "_cache",
  "_clone",
  "_close",
  "_delete_by_query",
  "_disk_usage",
  "_downsample",
  "_eql",
  "_explain",
  "_field_caps",
  "_field_usage_stats",
  "_graph",
  "_ilm",
  "_knn_search",
  "_migrate",
  "_msearch",
  "_mtermvectors",
  "_mvt",
  "_open",
  "_pit",
  "_rank_eval",
  "_recovery",
  "_reload_search_analyzers",
  "_rollover",
  "_rollup_search",
  "_search_shards",
  "_segments",
  "_shard_stores",
  "_shrink",
  "_split",
  "_stats",
  "_terms_enum",
  "_termvectors",
  "_update_by_query",
  "_validate",
];

/** Whole paths, where the first segments are served. */
const PATHS: readonly string[] = [
  "/_snapshot/{repository}/_analyze",
  "/_snapshot/{repository}/_cleanup",
  "/_snapshot/{repository}/{snapshot}/_clone/{target}",
  "/_snapshot/{repository}/{snapshot}/_mount",
  "/_search/scroll",
  "/_search/scroll/{id}",
  "/_search/template",
  "/_search/point_in_time",
  "/{index}/_search/template",
  "/{index}/_search/point_in_time",
  "/{index}/_mapping/field/{fields}",
  "/{index}/_settings/{name}",
];

/** Tables of `_cat`, and what `_cluster` tells, beside those that are there. */
const CAT: readonly string[] = [
  "aliases",
  "allocation",
  "component_templates",
  "count",
  "fielddata",
  "health",
  "master",
  "ml",
  "nodeattrs",
  "nodes",
  "pending_tasks",
  "plugins",
  "recovery",
  "repositories",
  "segments",
  "shards",
  "snapshots",
  "tasks",
  "templates",
  "thread_pool",
  "transforms",
];
const CLUSTER: readonly string[] = [
  "allocation",
  "nodes",
  "pending_tasks",
  "reroute",
  "settings",
  "state",
  "stats",
  "voting_config_exclusions",
];

/** Methods that are not there of paths that are. */
const OTHER_METHODS: readonly (readonly [method: string, path: string])[] = [
  ["PUT", "/_settings"],
  ["PUT", "/{index}/_settings"],
];

/** Adds a route for each, named `not_supported`. */
export function addMissingApis(router: Router): void {
  const refuse = (method: string, pattern: string) =>
    router.add(method, pattern, ({ path }) => {
      throw new RequestError(`[${method} ${path}] is not supported yet`, {
        status: 501,
        type: "not_supported_yet",
      });
    }, { name: "not_supported", anyParameter: true });
  const paths = [
    ...GLOBAL.flatMap((word) => [`/${word}`, `/${word}/{rest*}`]),
    ...OF_INDEX.flatMap((word) => [`/{index}/${word}`, `/{index}/${word}/{rest*}`]),
    ...CAT.flatMap((table) => [`/_cat/${table}`, `/_cat/${table}/{rest*}`]),
    ...CLUSTER.flatMap((what) => [`/_cluster/${what}`, `/_cluster/${what}/{rest*}`]),
    "/_cat",
    ...PATHS,
  ];
  for (const path of paths) for (const method of METHODS) refuse(method, path);
  for (const [method, path] of OTHER_METHODS) refuse(method, path);
}
