/**
 * Small JSON bodies, parsed on main.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { checkJsonDepth } from "../base/json_depth.ts";
import type { RequestContext } from "./context.ts";

/** These bodies are settings and lists, which recursive code walks; the highest value of `max_json_depth`. */
const MAX_DEPTH = 1000;

/** The body as a JSON object, `{}` when there is none. @throws {RequestError} 400 with the parser's position. */
export async function objectBody(context: RequestContext): Promise<Record<string, unknown>> {
  const bytes = await context.readBody();
  if (bytes.length === 0) return {};
  checkJsonDepth(bytes, { maxDepth: MAX_DEPTH, what: "the request body", type: "parse_exception" });
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.slice()));
  } catch (error) {
    throw new RequestError(`cannot parse the request body: ${(error as Error).message}`, {
      status: 400,
      type: "parse_exception",
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RequestError("the request body must be a JSON object", {
      status: 400,
      type: "parse_exception",
    });
  }
  return value as Record<string, unknown>;
}
