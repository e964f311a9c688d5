/**
 * Terms within an edit distance, and the clauses that they become.
 *
 * @module
 */
import { utf8, utf8Text } from "../../base/bytes.ts";
import { editsFor } from "../queries/fuzziness.ts";
import type { FuzzyOptions } from "../queries/query.ts";
import { NONE, type Plan } from "./plan.ts";
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
  const points = Array.from(text);
  const edits = editsFor(options.fuzziness, points.length);
  const found = new Map<string, FuzzyTerm>();
  if (edits === 0) return [{ text, term: utf8(text), boost: 1 }];
  const prefix = points.slice(0, options.prefixLength).join("");
  const distance = new EditDistance(points, edits, options.transpositions);
  for (const { reader } of planner.target.segments) {
    const terms = reader.terms(field)?.iterate(utf8(prefix));
    while (terms?.next()) {
      const candidate = utf8Text(terms.term);
      if (!candidate.startsWith(prefix)) break;
      if (Math.abs(candidate.length - text.length) > edits * 2 || found.has(candidate)) continue;
      const other = Array.from(candidate);
      const between = distance.to(other);
      if (between > edits) continue;
      const boost = between === 0
        ? 1
        : Math.fround(1 - Math.fround(between / Math.min(points.length, other.length)));
      found.set(candidate, { text: candidate, term: terms.term.slice(), boost });
    }
  }
  return Array.from(found.values())
    .filter((term) => term.boost > 0)
    .sort((a, b) => b.boost - a.boost || (a.text < b.text ? -1 : 1))
    .slice(0, Math.max(1, options.maxExpansions));
}

/** Damerau-Levenshtein distance (adjacent swaps count once) from one text, up to a limit. */
class EditDistance {
  readonly #from: readonly string[];
  readonly #limit: number;
  readonly #swaps: boolean;

  constructor(from: readonly string[], limit: number, swaps: boolean) {
    this.#from = from;
    this.#limit = limit;
    this.#swaps = swaps;
  }

  /** Distance, or more than the limit. */
  to(other: readonly string[]): number {
    const from = this.#from;
    if (Math.abs(from.length - other.length) > this.#limit) return this.#limit + 1;
    let before: number[] = [];
    let previous = Array.from({ length: other.length + 1 }, (_, i) => i);
    for (let i = 1; i <= from.length; i++) {
      const row = [i];
      let least = i;
      for (let j = 1; j <= other.length; j++) {
        let cost = Math.min(
          previous[j - 1]! + (from[i - 1] === other[j - 1] ? 0 : 1),
          previous[j]! + 1,
          row[j - 1]! + 1,
        );
        if (this.#swaps && i > 1 && j > 1 && from[i - 1] === other[j - 2] && from[i - 2] === other[j - 1]) {
          cost = Math.min(cost, before[j - 2]! + 1);
        }
        row.push(cost);
        if (cost < least) least = cost;
      }
      if (least > this.#limit) return least;
      before = previous;
      previous = row;
    }
    return previous[other.length]!;
  }
}
