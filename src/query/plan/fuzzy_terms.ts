/**
 * Terms within an edit distance, and the clauses that they become.
 *
 * @module
 */
import { utf8, utf8Text } from "../../base/bytes.ts";
import { editsFor } from "../queries/fuzziness.ts";
import type { FuzzyOptions } from "../queries/query.ts";
import { NONE, type Plan } from "./plan.ts";
import { startsWith } from "./plan_text.ts";
import type { Planner } from "./planner.ts";

interface FuzzyTerm {
  readonly text: string;
  readonly term: Uint8Array;
  /** 1 - edits / length of the shorter: Lucene's boost of an expansion. */
  readonly boost: number;
}

/**
 * The best `maxExpansions` terms, each scored as itself at a boost that falls with the distance, with the
 * blended document frequency that Lucene gives them.
 */
export function fuzzyPlan(
  planner: Planner,
  field: string,
  text: string,
  options: FuzzyOptions,
  boost: number,
  scored: boolean,
): Plan {
  const { statistics } = planner;
  const found = expandFuzzy(planner, field, text, options);
  if (found.length === 0) return NONE;
  planner.countClauses(found.length);
  const docFreq = scored ? Math.max(...found.map(({ term }) => statistics.docFreq(field, term))) : 0;
  const plans = found.map(({ term, boost: own }): Plan => {
    const product = Math.fround(boost * own);
    const scorer = scored ? statistics.scorer(field, [docFreq], product) : null;
    return { kind: "term", field, term, scorer, score: product };
  });
  if (plans.length === 1) return plans[0]!;
  return { kind: "bool", must: [], filter: [], should: plans, mustNot: [], minimum: 1 };
}

function expandFuzzy(planner: Planner, field: string, text: string, options: FuzzyOptions): FuzzyTerm[] {
  const points = pointsOf(text);
  const edits = editsFor(options.fuzziness, points.length);
  const found = new Map<string, FuzzyTerm>();
  if (edits === 0) return [{ text, term: utf8(text), boost: 1 }];
  const prefix = utf8(Array.from(text).slice(0, options.prefixLength).join(""));
  const distance = new EditDistance(points, edits, options.transpositions);
  for (const { reader } of planner.target.segments) {
    const terms = reader.terms(field)?.iterate(prefix);
    while (terms?.next()) {
      const term = terms.term;
      if (!startsWith(term, prefix)) break;
      // A character takes one to four bytes.
      if (term.length < points.length - edits || term.length > (points.length + edits) * 4) continue;
      const other: ArrayLike<number> = isAscii(term) ? term : pointsOf(utf8Text(term));
      const between = distance.to(other);
      if (between > edits) continue;
      const candidate = utf8Text(term);
      if (found.has(candidate)) continue;
      const boost = between === 0
        ? 1
        : Math.fround(1 - Math.fround(between / Math.min(points.length, other.length)));
      found.set(candidate, { text: candidate, term: term.slice(), boost });
    }
  }
  return Array.from(found.values())
    .filter((term) => term.boost > 0)
    .sort((a, b) => b.boost - a.boost || (a.text < b.text ? -1 : 1))
    .slice(0, Math.max(1, options.maxExpansions));
}

function pointsOf(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0)!);
}

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! >= 0x80) return false;
  return true;
}

/** Damerau-Levenshtein distance (adjacent swaps count once) from one text, up to a limit. */
class EditDistance {
  readonly #from: readonly number[];
  readonly #limit: number;
  readonly #swaps: boolean;
  // Rows of the table, by length of the other text's beginning: two back, one back, current.
  #rows: [Int32Array, Int32Array, Int32Array];

  constructor(from: readonly number[], limit: number, swaps: boolean) {
    this.#from = from;
    this.#limit = limit;
    this.#swaps = swaps;
    const size = from.length + limit + 1;
    this.#rows = [new Int32Array(size), new Int32Array(size), new Int32Array(size)];
  }

  /** Distance, or more than the limit. */
  to(other: ArrayLike<number>): number {
    const from = this.#from;
    const limit = this.#limit;
    const m = from.length;
    const n = other.length;
    if (Math.abs(m - n) > limit) return limit + 1;
    let [before, previous, row] = this.#rows;
    for (let j = 0; j <= n; j++) previous[j] = j;
    for (let i = 1; i <= m; i++) {
      row[0] = i;
      let least = i;
      const own = from[i - 1]!;
      for (let j = 1; j <= n; j++) {
        const change = previous[j - 1]! + (own === other[j - 1] ? 0 : 1);
        let cost = Math.min(change, previous[j]! + 1, row[j - 1]! + 1);
        if (this.#swaps && i > 1 && j > 1 && own === other[j - 2] && from[i - 2] === other[j - 1]) {
          cost = Math.min(cost, before[j - 2]! + 1);
        }
        row[j] = cost;
        if (cost < least) least = cost;
      }
      if (least > limit) return least;
      [before, previous, row] = [previous, row, before];
    }
    return previous[n]!;
  }
}
