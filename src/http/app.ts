/**
 * One dialect's front: from a request to its answer, whatever happens between.
 *
 * Order: request id, route, key, method, query parameters, content type, handler. So that nobody without a key learns
 * which routes there are, and a refused request's body is not read.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../os/fs.ts";
import { Answer, deliver } from "./answer.ts";
import type { Authenticator } from "./auth.ts";
import type { BodyBudget, BodyLimits } from "./body.ts";
import type { HandlerResult, RequestContext, RouteMeta } from "./context.ts";
import { errorAnswer, viewError } from "./error_answer.ts";
import { announcesBody } from "./get_body.ts";
import { checkContentType } from "./media.ts";
import { checkParameters } from "./query.ts";
import { LiveContext, UNKNOWN_ROUTE } from "./live_context.ts";
import type { RequestIds } from "./request_id.ts";
import type { Match, Route, Router } from "./router.ts";

export interface AppOptions {
  readonly router: Router;
  readonly authenticator: Authenticator;
  readonly requestIds: RequestIds;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Shared by the dialects of one server. */
  readonly budget: BodyBudget;
  /** Asked at every body, so that a reload counts at once. */
  readonly bodyLimits: () => BodyLimits;
  /** On every answer, names in lower case, such as `x-elastic-product`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Request headers that are echoed, such as `x-opaque-id`. */
  readonly echoHeaders?: readonly string[];
  /** What a body of an unwelcome type is answered with: 415, or 406 as Elasticsearch does. */
  readonly contentTypeStatus?: 406 | 415;
  /** Whether errors repeat themselves under `root_cause`, as Elasticsearch's do. */
  readonly rootCause?: boolean;
  /** Answers a request that no route takes; default: 404, 405 with `Allow`, an OPTIONS with what is allowed. */
  readonly unrouted?: (match: Unrouted, context: RequestContext) => Answer;
  /** Last change of an answer, errors included, such as its media type. */
  readonly finish?: (context: RequestContext, answer: Answer) => Answer;
  /** Told of every answer: metrics, request log. */
  readonly onAnswered?: (record: AnsweredRequest) => void;
}

export interface AnsweredRequest {
  /** undefined when no route fits. */
  readonly route: RouteMeta | undefined;
  readonly method: string;
  /** Without the query, which may hold secrets. */
  readonly path: string;
  readonly status: number;
  readonly requestId: string;
  readonly tookMs: number;
}

export interface App {
  readonly handle: (request: Request) => Response | Promise<Response>;
  /** Requests that have no answer yet. */
  readonly runningCount: number;
  /** From now on requests are answered 503; those that run go on. */
  stop(): void;
}

export function createApp(options: AppOptions): App {
  return new LiveApp(options);
}

class LiveApp implements App {
  #running = 0;
  #stopping = false;

  constructor(private readonly options: AppOptions) {}

  get runningCount(): number {
    return this.#running;
  }

  stop(): void {
    this.#stopping = true;
  }

  readonly handle = (request: Request): Response | Promise<Response> => {
    const { requestIds, budget, bodyLimits, clock, onAnswered } = this.options;
    const requestId = requestIds.next(request.headers.get("x-request-id"));
    const context = new LiveContext(request, requestId, budget, bodyLimits);
    const startMs = onAnswered ? clock.monotonicMs() : 0;
    this.#running++;
    try {
      const result = this.#dispatch(context);
      if (!(result instanceof Promise)) return this.#finish(context, result, startMs);
      return result.then(
        (settled) => this.#finish(context, settled, startMs),
        (error) => this.#finish(context, this.#failure(context, error), startMs),
      );
    } catch (error) {
      return this.#finish(context, this.#failure(context, error), startMs);
    }
  };

  #dispatch(context: LiveContext): HandlerResult | Promise<HandlerResult> {
    const { router, authenticator, contentTypeStatus = 415 } = this.options;
    if (this.#stopping) throw shuttingDown();
    const match = router.match(context.method, context.path);
    if (match.kind === "route") context.route = match.route.meta;
    const access = context.route.access ?? "key";
    if (access !== "public") {
      const authorization = context.request.headers.get("authorization");
      context.principal = authenticator.check(authorization, access, context.path);
    }
    if (match.kind !== "route") return (this.options.unrouted ?? noRoute)(match, context);
    context.params = match.params;
    const { meta, knownParameters, handler }: Route = match.route;
    if (context.hasQuery && meta.anyParameter !== true) {
      checkParameters(context.query, knownParameters, context.path);
    }
    if (meta.accepts !== undefined && announcesBody(context.request)) {
      checkContentType(context.request.headers.get("content-type"), meta.accepts, contentTypeStatus);
    }
    return handler(context);
  }

  #failure(context: LiveContext, error: unknown): Answer {
    const { logger, rootCause = false } = this.options;
    const { status, type, reason } = viewError(error, context.requestId);
    if (status >= 500 && !(error instanceof RequestError)) {
      const { method, path, requestId: request_id } = context;
      logger.error("request failed", { method, path, request_id, status, type, reason, error });
    }
    return errorAnswer(error, context.requestId, rootCause);
  }

  #finish(context: LiveContext, result: HandlerResult, startMs: number): Response {
    const { finish, headers, echoHeaders, onAnswered, clock } = this.options;
    this.#running--;
    context.release();
    const common: Record<string, string> = { "content-type": "", "x-request-id": context.requestId };
    if (headers) Object.assign(common, headers);
    if (echoHeaders) echo(context.request, echoHeaders, common);
    if (this.#stopping) common["connection"] = "close";
    onAnswered?.({
      route: context.route === UNKNOWN_ROUTE ? undefined : context.route,
      method: context.method,
      path: context.path,
      status: result.status,
      requestId: context.requestId,
      tookMs: clock.monotonicMs() - startMs,
    });
    if (!(result instanceof Answer)) return withHeaders(result, common);
    return deliver(finish ? finish(context, result) : result, {
      isHead: context.method === "HEAD",
      request: context.request,
      pretty: context.hasQuery && context.wantsPretty,
      headers: common,
    });
  }
}

/** A path that is not known, or not with this method. */
export type Unrouted = Exclude<Match, { kind: "route" }>;

function noRoute(match: Unrouted, { method, path }: RequestContext): Answer {
  if (match.kind === "none") {
    throw new RequestError(`no handler found for uri [${path}] and method [${method}]`, {
      status: 404,
      type: "no_handler_found_exception",
    });
  }
  const allow = match.allowed.join(", ");
  if (method === "OPTIONS") return new Answer(200, "", "text/plain", { allow });
  throw new RequestError(
    `Incorrect HTTP method for uri [${path}] and method [${method}], allowed: [${allow}]`,
    { status: 405, type: "method_not_allowed_exception", headers: { allow } },
  );
}

function shuttingDown(): RequestError {
  return new RequestError("the server is shutting down", {
    status: 503,
    type: "node_closed_exception",
    headers: { "retry-after": "5" },
  });
}

function echo(request: Request, names: readonly string[], headers: Record<string, string>): void {
  for (const name of names) {
    const value = request.headers.get(name);
    if (value !== null) headers[name] = value;
  }
}

function withHeaders(response: Response, headers: Readonly<Record<string, string>>): Response {
  for (const name in headers) if (headers[name] !== "") response.headers.set(name, headers[name]!);
  return response;
}
