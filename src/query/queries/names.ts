/**
 * Names close to a misspelt one, as Elasticsearch suggests them.
 *
 * @module
 */

/** " did you mean [x]?", or "" when nothing is close. Source: `SuggestingErrorOnUnknown`. */
export function didYouMean(wrong: string, known: Iterable<string>): string {
  const close: { name: string; similarity: number }[] = [];
  for (const name of known) {
    const similarity = 1 - editDistance(wrong, name) / Math.max(wrong.length, name.length, 1);
    if (similarity > 0.5) close.push({ name, similarity });
  }
  if (close.length === 0) return "";
  close.sort((a, b) => b.similarity - a.similarity || (a.name < b.name ? -1 : 1));
  const names = close.map((c) => c.name);
  return names.length === 1 ? ` did you mean [${names[0]}]?` : ` did you mean any of [${names.join(", ")}]?`;
}

/** Levenshtein's distance in UTF-16 units. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length]!;
}

/** Queries of Elasticsearch that are answered with `not_supported_yet`. */
export const UNSUPPORTED_QUERIES: ReadonlySet<string> = new Set([
  "combined_fields",
  "distance_feature",
  "function_score",
  "geo_bounding_box",
  "geo_distance",
  "geo_grid",
  "geo_polygon",
  "geo_shape",
  "has_child",
  "has_parent",
  "intervals",
  "knn",
  "more_like_this",
  "nested",
  "parent_id",
  "percolate",
  "pinned",
  "query_string",
  "rank_feature",
  "rule_query",
  "script",
  "script_score",
  "shape",
  "simple_query_string",
  "span_containing",
  "span_first",
  "span_multi",
  "span_near",
  "span_not",
  "span_or",
  "span_term",
  "span_within",
  "sparse_vector",
  "terms_set",
  "text_expansion",
  "weighted_tokens",
  "wrapper",
]);
