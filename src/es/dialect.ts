/**
 * How port 9200 answers beside its routes: headers, media types, `filter_path`, paths and methods that are not there.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import { utf8, utf8Text } from "../base/bytes.ts";
import { Answer, JSON_TYPE } from "../http/answer.ts";
import type { AppOptions, Unrouted } from "../http/app.ts";
import type { RequestContext } from "../http/context.ts";
import { filterJson } from "../http/filter_path.ts";
import { mediaType, PRODUCT_HEADERS } from "./answer.ts";

/** For `createApp`. */
export const ES_APP: Partial<AppOptions> = {
  headers: PRODUCT_HEADERS,
  echoHeaders: ["x-opaque-id"],
  contentTypeStatus: 406,
  rootCause: true,
  unrouted,
  finish,
};

function finish(context: RequestContext, answer: Answer): Answer {
  const { status, headers } = answer;
  if (!answer.contentType.includes("json")) return answer;
  const contentType = answer.contentType === JSON_TYPE ? mediaType(context) : answer.contentType;
  const filterPath = isFiltered(context, answer) ? wantsFilter(context) : null;
  if (filterPath === null) {
    return contentType === answer.contentType
      ? answer
      : new Answer(status, answer.body, contentType, headers);
  }
  const body = typeof answer.body === "string" ? utf8(answer.body) : answer.body;
  return new Answer(status, filterJson(body, filterPath), contentType, headers);
}

/** Errors and bare sources are shown whole. */
function isFiltered({ route }: RequestContext, { status, body }: Answer): boolean {
  if (route.name === "get_source") return false;
  if (status < 400) return true;
  const start = typeof body === "string"
    ? body.slice(0, ERROR.length)
    : utf8Text(body.slice(0, ERROR.length));
  return start !== ERROR;
}

const ERROR = '{"error":';

/** Read from the URL: an error's answer may be about a query that cannot be read at all. */
function wantsFilter({ request }: RequestContext): string | null {
  if (!request.url.includes("filter_path=")) return null;
  return new URLSearchParams(request.url.slice(request.url.indexOf("?") + 1)).get("filter_path");
}

/** Order in which Elasticsearch lists methods. */
const METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"];

function unrouted(match: Unrouted, { method, path }: RequestContext): Answer {
  if (match.kind === "none") {
    throw new RequestError(`no handler found for uri [${path}] and method [${method}]`, {
      status: 400,
      type: "no_handler_found_exception",
    });
  }
  const allowed = [...match.allowed].sort((a, b) => METHODS.indexOf(a) - METHODS.indexOf(b));
  const allow = allowed.join(",");
  if (method === "OPTIONS") return new Answer(200, "", "text/plain; charset=UTF-8", { allow });
  throw new RequestError(
    `Incorrect HTTP method for uri [${path}] and method [${method}], allowed: [${allowed.join(", ")}]`,
    { status: 405, type: "method_not_allowed_exception", headers: { allow } },
  );
}
