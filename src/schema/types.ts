/**
 * Which fields an index has and how each is stored and searched.
 *
 * @module
 */

export type FieldType =
  | "text"
  | "keyword"
  | "boolean"
  | "byte"
  | "short"
  | "integer"
  | "long"
  | "unsigned_long"
  | "float"
  | "half_float"
  | "double"
  | "scaled_float"
  | "date"
  | "date_nanos"
  | "ip"
  | "binary"
  | "flattened";

/**
 * How a field's values lie in a column.
 *
 * - `number`: IEEE doubles, exact. Booleans are 0 and 1, dates ms since the epoch. A `long` column too, until a
 *   value beyond 2^53 makes it `wide`.
 * - `wide`: signed 64-bit integers. Always so for `date_nanos` (ns since the epoch) and `unsigned_long` (stored
 *   as value - 2^63, so that signed order is value order).
 * - `term`: a byte string from a sorted dictionary: `keyword` (UTF-8), `ip` (16 bytes, IPv4 mapped into IPv6,
 *   network order), `flattened`, `binary` with doc_values.
 * - `text`: analysed into postings; no column.
 * - `none`: neither (a `binary` without doc_values).
 */
export type ColumnKind = "number" | "wide" | "term" | "text" | "none";

/** A leaf that documents put values into: a mapped field, a multi-field, or a part of a flattened one. */
export interface Field {
  /** Dense number within the mapping. Never reused: an additive change appends. */
  readonly ordinal: number;
  /** Full dotted path, multi-fields included: `message.raw`. */
  readonly name: string;
  readonly type: FieldType;
  readonly kind: ColumnKind;
  /** Whether term queries and the like may use it (postings for terms and text; columns serve numbers anyway). */
  readonly indexed: boolean;
  readonly docValues: boolean;
  /** Name of the analyzer, `text` only. */
  readonly analyzer: string;
  readonly searchAnalyzer: string;
  readonly norms: boolean;
  readonly positions: boolean;
  readonly ignoreAbove: number;
  readonly ignoreMalformed: boolean;
  /** Milliseconds or nanoseconds etc. parsed once from `null_value`; undefined: nulls count as missing. */
  readonly nullValue: unknown;
  /** Full paths of fields that receive this one's values. */
  readonly copyTo: readonly string[];
  /** `scaled_float` only; else 1. */
  readonly scalingFactor: number;
  /** Format list of a date, such as `strict_date_optional_time||epoch_millis`; else "". */
  readonly format: string;
  /** Ordinals of the multi-fields that get the same input. */
  readonly multiFields: readonly number[];
  /** Type as the mapping names it, for `_mapping` and `_field_caps`; differs from `type` for kin of it (`wildcard`). */
  readonly declaredType: string;
  /** Name of the normalizer of a `keyword`, "" without one. Only the exact parser applies it. */
  readonly normalizer: string;
  /** Whether text converts to numbers, and fractions are cut off for whole-number types. */
  readonly coerce: boolean;
  /** Position gap between two values of one text field. */
  readonly positionIncrementGap: number;
  /** Whether frequencies count (`index_options` other than `docs`). */
  readonly freqs: boolean;
  /**
   * The key, when this stands for one key of a flattened field (`labels.x`): then `name` and `ordinal` are those of
   * the keyed column (`labels._keyed`), and its terms are `key \0 value`. Else "".
   */
  readonly flattenedKey: string;
  /** Levels of objects that a flattened field takes. */
  readonly depthLimit: number;
  /** Full path of the field that this is a multi-field of, or "". */
  readonly parent: string;
  readonly meta: Readonly<Record<string, string>>;
}
