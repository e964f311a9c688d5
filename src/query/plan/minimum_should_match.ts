/**
 * `minimum_should_match`: `3`, `-2`, `75%`, `-25%`, `3<90%`, `2<-25% 9<-3`.
 *
 * Source: `Queries.calculateMinShouldMatch` of Elasticsearch, whose float rounding is kept.
 *
 * @module
 */
import { RequestError } from "../../base/errors.ts";

/** How many of `optional` clauses must match; may exceed them, and then nothing matches. */
export function minimumShouldMatch(spec: string, optional: number): number {
  const text = spec.trim();
  if (text.includes("<")) {
    let result = optional;
    for (const condition of text.replace(/\s*<\s*/g, "<").split(/\s+/)) {
      const [bound, then] = condition.split("<");
      if (optional <= integer(bound ?? "")) return result;
      result = minimumShouldMatch(then ?? "", optional);
    }
    return result;
  }
  let result: number;
  if (text.includes("%")) {
    const percent = integer(text.slice(0, -1));
    const part = Math.trunc(Math.fround(Math.fround(optional * percent) * Math.fround(1 / 100)));
    result = percent < 0 ? optional + part : part;
  } else {
    const count = integer(text);
    result = count < 0 ? optional + count : count;
  }
  return Math.max(0, result);
}

function integer(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) {
    throw new RequestError(`For input string: "${text}"`, { status: 400, type: "number_format_exception" });
  }
  return Number(text);
}
