/**
 * Which parameters does each field type take? In the order in which Elasticsearch prints them.
 *
 * @module
 */

export type ParameterKind =
  | "boolean"
  | "integer"
  | "string"
  | "choice"
  | "analyzer"
  | "normalizer"
  | "meta"
  | "null"
  | "format"
  | "scaling"
  | "any";

export interface ParameterSpec {
  readonly name: string;
  readonly kind: ParameterKind;
  /** What holds where the parameter is not given; such values are not printed. */
  readonly otherwise: boolean | number | string | null;
  /** Whether an additive update may change it. `off`: only from true to false. */
  readonly updates: boolean | "off";
  /** `choice` only. */
  readonly choices?: readonly string[];
}

function flag(name: string, otherwise: boolean, updates: boolean | "off" = false): ParameterSpec {
  return { name, kind: "boolean", otherwise, updates };
}

function other(
  name: string,
  kind: ParameterKind,
  otherwise: boolean | number | string | null,
  updates = false,
  choices?: readonly string[],
): ParameterSpec {
  return choices ? { name, kind, otherwise, updates, choices } : { name, kind, otherwise, updates };
}

const INDEX = flag("index", true);
const DOC_VALUES = flag("doc_values", true);
const STORE = flag("store", false);
const IGNORE_MALFORMED = flag("ignore_malformed", false, true);
const COERCE = flag("coerce", true, true);
const META = other("meta", "meta", null, true);
const NULL_VALUE = other("null_value", "null", null);
const DIMENSION = flag("time_series_dimension", false);
const METRIC = other("time_series_metric", "choice", null, false, [
  "gauge",
  "counter",
  "summary",
  "histogram",
  "position",
]);
const EAGER = flag("eager_global_ordinals", false, true);
const SIMILARITY = other("similarity", "string", "BM25");
const SPLIT = flag("split_queries_on_whitespace", false, true);
const IGNORE_ABOVE = other("ignore_above", "integer", 2147483647, true);

const NUMBER: readonly ParameterSpec[] = [
  INDEX,
  DOC_VALUES,
  STORE,
  IGNORE_MALFORMED,
  COERCE,
  NULL_VALUE,
  META,
  DIMENSION,
  METRIC,
];

const DATE_PARAMETERS = (format: string): readonly ParameterSpec[] => [
  INDEX,
  DOC_VALUES,
  STORE,
  other("format", "format", format),
  other("locale", "string", "ROOT"),
  NULL_VALUE,
  IGNORE_MALFORMED,
  META,
];

const KEYWORD: readonly ParameterSpec[] = [
  INDEX,
  DOC_VALUES,
  STORE,
  NULL_VALUE,
  EAGER,
  IGNORE_ABOVE,
  other("index_options", "choice", "docs", false, ["docs", "freqs"]),
  flag("norms", false, "off"),
  SIMILARITY,
  other("normalizer", "normalizer", ""),
  SPLIT,
  META,
  DIMENSION,
];

const TEXT: readonly ParameterSpec[] = [
  INDEX,
  STORE,
  other("index_options", "choice", "positions", false, ["positions", "docs", "freqs", "offsets"]),
  flag("norms", true, "off"),
  other("term_vector", "string", "no"),
  other("analyzer", "analyzer", "default"),
  other("search_analyzer", "analyzer", "", true),
  other("search_quote_analyzer", "analyzer", "", true),
  SIMILARITY,
  flag("fielddata", false, true),
  other("fielddata_frequency_filter", "any", null, true),
  EAGER,
  other("position_increment_gap", "integer", 100),
  other("index_prefixes", "any", null),
  flag("index_phrases", false),
  META,
];

const BY_TYPE: Readonly<Record<string, readonly ParameterSpec[]>> = {
  text: TEXT,
  match_only_text: [other("analyzer", "analyzer", "default"), META],
  keyword: KEYWORD,
  wildcard: [NULL_VALUE, IGNORE_ABOVE, META],
  constant_keyword: [other("value", "string", null), META],
  boolean: [META, DOC_VALUES, INDEX, NULL_VALUE, STORE, IGNORE_MALFORMED, DIMENSION],
  byte: NUMBER,
  short: NUMBER,
  integer: NUMBER,
  long: NUMBER,
  float: NUMBER,
  half_float: NUMBER,
  double: NUMBER,
  unsigned_long: [INDEX, DOC_VALUES, STORE, IGNORE_MALFORMED, NULL_VALUE, META, DIMENSION, METRIC],
  scaled_float: [
    INDEX,
    DOC_VALUES,
    STORE,
    IGNORE_MALFORMED,
    META,
    other("scaling_factor", "scaling", null),
    COERCE,
    NULL_VALUE,
    METRIC,
  ],
  date: DATE_PARAMETERS("strict_date_optional_time||epoch_millis"),
  date_nanos: DATE_PARAMETERS("strict_date_optional_time_nanos||epoch_millis"),
  ip: [INDEX, DOC_VALUES, STORE, IGNORE_MALFORMED, NULL_VALUE, META, DIMENSION],
  binary: [META, STORE, flag("doc_values", false)],
  flattened: [
    INDEX,
    DOC_VALUES,
    other("depth_limit", "integer", 20, true),
    NULL_VALUE,
    EAGER,
    IGNORE_ABOVE,
    other("index_options", "choice", "docs", false, ["docs", "freqs"]),
    SIMILARITY,
    SPLIT,
    META,
  ],
};

/** Undefined: no such field type. */
export function parametersOf(type: string): readonly ParameterSpec[] | undefined {
  return Object.hasOwn(BY_TYPE, type) ? BY_TYPE[type] : undefined;
}

/** Types that Elasticsearch has and this engine does not: refused by name instead of as unknown. */
export const UNSUPPORTED_TYPES: ReadonlySet<string> = new Set([
  "nested",
  "join",
  "percolator",
  "geo_point",
  "geo_shape",
  "shape",
  "point",
  "histogram",
  "completion",
  "search_as_you_type",
  "token_count",
  "murmur3",
  "annotated_text",
  "aggregate_metric_double",
  "dense_vector",
  "sparse_vector",
  "rank_feature",
  "rank_features",
  "version",
  "integer_range",
  "float_range",
  "long_range",
  "double_range",
  "date_range",
  "ip_range",
]);
