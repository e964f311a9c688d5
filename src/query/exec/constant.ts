/**
 * Plans whose every match scores the same: nothing need be scored, and the first docs are the best.
 *
 * @module
 */
import type { Plan } from "../plan/plan.ts";

/** The score of every match; undefined: they differ. */
export function constantScore(plan: Plan): number | undefined {
  switch (plan.kind) {
    case "none":
      return 0;
    case "term":
      return plan.scorer === null ? plan.score : undefined;
    case "synonyms":
    case "phrase":
    case "dis_max":
    case "boosting":
      return undefined;
    case "bool":
      if (plan.should.length > 0) return undefined;
      if (plan.must.length === 0) return 0;
      return plan.must.length === 1 ? constantScore(plan.must[0]!) : undefined;
    default:
      return plan.score;
  }
}
