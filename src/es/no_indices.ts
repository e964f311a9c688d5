/**
 * What a search over no index at all answers.
 *
 * @module
 */
import type { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { answer } from "./answer.ts";
import { Double } from "../base/json.ts";

const NO_SHARDS = { total: 0, successful: 0, skipped: 0, failed: 0 };

export function noIndices(context: RequestContext, handler: string): Answer {
  if (handler === "es.count") return answer(context, { count: 0, _shards: NO_SHARDS });
  return answer(context, {
    took: 0,
    timed_out: false,
    _shards: NO_SHARDS,
    hits: { total: { value: 0, relation: "eq" }, max_score: new Double(0), hits: [] },
  });
}
