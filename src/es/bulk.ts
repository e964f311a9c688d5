/**
 * `_bulk` on port 9200: the body goes to the writers as it came, their items come back rendered.
 *
 * @module
 */
import { utf8 } from "../base/bytes.ts";
import type { Engine } from "../engine/engine.ts";
import { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import { bodyRequired, flag, mediaType, refusePipeline } from "./answer.ts";
import { refreshPolicy, sourceParameter } from "./documents.ts";
import { validation } from "./validation.ts";

/** POST or PUT of `/_bulk` and `/{index}/_bulk`. */
export async function bulk(engine: Engine, context: RequestContext): Promise<Answer> {
  const started = performance.now();
  refusePipeline(context);
  const body = await context.readBody();
  if (body.length === 0) throw bodyRequired();
  const refresh = refreshPolicy(context);
  const source = sourceParameter(context);
  const { items, errors, itemCount } = await engine.bulk({
    body,
    defaultIndex: context.params["index"],
    renderer: "es",
    requireAlias: flag(context, "require_alias"),
    options: {
      ...(refresh === "true" ? { forcedRefresh: "true" } : {}),
      ...(source === undefined ? {} : { source: JSON.stringify(source) }),
    },
  }, refresh);
  if (itemCount === 0) throw validation("no requests added");
  const took = Math.round(performance.now() - started);
  const head = utf8(`{"errors":${errors},"took":${took},"items":[`);
  const answer = new Uint8Array(head.length + items.length + 2);
  answer.set(head);
  answer.set(items, head.length);
  answer.set(utf8("]}"), head.length + items.length);
  return new Answer(200, answer, mediaType(context));
}
