/**
 * The query language as a tree, after its grammar and before any mapping is looked at.
 *
 * `boost` is a float and multiplies down the tree. Values of leaves stay as the JSON gave them: only the
 * field's type knows what they mean.
 *
 * @module
 */

export type Query =
  | MatchAllQuery
  | MatchNoneQuery
  | MatchQuery
  | MatchPhraseQuery
  | MultiMatchQuery
  | TermQuery
  | TermsQuery
  | RangeQuery
  | PrefixQuery
  | WildcardQuery
  | RegexpQuery
  | FuzzyQuery
  | ExistsQuery
  | IdsQuery
  | BoolQuery
  | ConstantScoreQuery
  | DisMaxQuery
  | BoostingQuery;

/** A JSON scalar as a query holds it; a bigint is an integer beyond 2^53. */
export type Scalar = string | number | bigint | boolean;

interface Boosted {
  readonly boost: number;
}

export interface MatchAllQuery extends Boosted {
  readonly kind: "match_all";
}

export interface MatchNoneQuery extends Boosted {
  readonly kind: "match_none";
}

/** How unequal a term may be. `auto`: by length, 0 below `low`, 1 below `high`, 2 from there. */
export type Fuzziness =
  | { readonly kind: "edits"; readonly edits: number }
  | { readonly kind: "auto"; readonly low: number; readonly high: number };

export interface FuzzyOptions {
  readonly fuzziness: Fuzziness;
  readonly prefixLength: number;
  readonly maxExpansions: number;
  readonly transpositions: boolean;
}

export interface MatchQuery extends Boosted {
  readonly kind: "match";
  readonly field: string;
  readonly value: Scalar;
  readonly operator: "or" | "and";
  /** As written, such as `2`, `-25%` or `2<75%`; undefined: by the operator. */
  readonly minimumShouldMatch: string | undefined;
  readonly analyzer: string | undefined;
  readonly zeroTerms: "none" | "all";
  readonly lenient: boolean;
  readonly fuzzy: FuzzyOptions | undefined;
  /** The last term is a prefix (`match_bool_prefix`). */
  readonly lastIsPrefix: boolean;
}

export interface MatchPhraseQuery extends Boosted {
  readonly kind: "match_phrase";
  readonly field: string;
  readonly value: Scalar;
  readonly slop: number;
  readonly analyzer: string | undefined;
  readonly zeroTerms: "none" | "all";
  /** 0: an ordinary phrase; else the last term is a prefix that stands for at most so many terms. */
  readonly prefixExpansions: number;
}

export type MultiMatchType = "best_fields" | "most_fields" | "phrase" | "phrase_prefix" | "bool_prefix";

export interface MultiMatchQuery extends Boosted {
  readonly kind: "multi_match";
  /** Names and patterns; empty: every text and keyword field. */
  readonly fields: readonly { readonly pattern: string; readonly boost: number }[];
  readonly type: MultiMatchType;
  readonly tieBreaker: number;
  /** Applied to each field; its `field` and `boost` are replaced. */
  readonly match: MatchQuery;
  readonly slop: number;
  readonly maxExpansions: number;
}

export interface TermQuery extends Boosted {
  readonly kind: "term";
  readonly field: string;
  readonly value: Scalar;
  readonly caseInsensitive: boolean;
}

export interface TermsQuery extends Boosted {
  readonly kind: "terms";
  readonly field: string;
  readonly values: readonly Scalar[];
}

export interface RangeQuery extends Boosted {
  readonly kind: "range";
  readonly field: string;
  readonly from: Scalar | undefined;
  readonly to: Scalar | undefined;
  readonly includeFrom: boolean;
  readonly includeTo: boolean;
  readonly format: string | undefined;
  readonly timeZone: string | undefined;
}

export interface PrefixQuery extends Boosted {
  readonly kind: "prefix";
  readonly field: string;
  readonly value: string;
  readonly caseInsensitive: boolean;
}

export interface WildcardQuery extends Boosted {
  readonly kind: "wildcard";
  readonly field: string;
  readonly value: string;
  readonly caseInsensitive: boolean;
}

export interface RegexpQuery extends Boosted {
  readonly kind: "regexp";
  readonly field: string;
  readonly value: string;
  readonly caseInsensitive: boolean;
}

export interface FuzzyQuery extends Boosted {
  readonly kind: "fuzzy";
  readonly field: string;
  readonly value: string;
  readonly fuzzy: FuzzyOptions;
}

export interface ExistsQuery extends Boosted {
  readonly kind: "exists";
  readonly field: string;
}

export interface IdsQuery extends Boosted {
  readonly kind: "ids";
  readonly values: readonly string[];
}

export interface BoolQuery extends Boosted {
  readonly kind: "bool";
  readonly must: readonly Query[];
  readonly filter: readonly Query[];
  readonly should: readonly Query[];
  readonly mustNot: readonly Query[];
  readonly minimumShouldMatch: string | undefined;
}

export interface ConstantScoreQuery extends Boosted {
  readonly kind: "constant_score";
  readonly filter: Query;
}

export interface DisMaxQuery extends Boosted {
  readonly kind: "dis_max";
  readonly queries: readonly Query[];
  readonly tieBreaker: number;
}

export interface BoostingQuery extends Boosted {
  readonly kind: "boosting";
  readonly positive: Query;
  readonly negative: Query;
  readonly negativeBoost: number;
}
