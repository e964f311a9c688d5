/**
 * What a handler gets and gives: the seam between the listener and the dialects.
 *
 * @module
 */
import type { Answer } from "./answer.ts";
import type { Principal } from "./auth.ts";
import type { BodyLimits } from "./body.ts";

/** Throws a `RequestError` (or another of the errors of `base/`) instead of making an error answer. */
export type Handler = (context: RequestContext) => HandlerResult | Promise<HandlerResult>;

/** An `Answer` for whole bodies, which is the fast way; a `Response` for streams. */
export type HandlerResult = Answer | Response;

/** Who may call a route: anyone; holders of the metrics token or of a key; holders of a key. */
export type Access = "public" | "metrics" | "key";

export interface RouteMeta {
  /** Shown in metrics, logs and generated documentation, such as "indices.create". */
  readonly name: string;
  /** "key" unless told. */
  readonly access?: Access;
  /** Query parameters that it takes, beside those that all routes of the router take. Others are 400. */
  readonly parameters?: readonly string[];
  /** Whether it takes any other query parameter too, such as one that refuses every request. */
  readonly anyParameter?: boolean;
  /** Content types that a body may have, as given by `media.ts`; undefined: any, or no body. */
  readonly accepts?: readonly string[];
  /** What else the dialect wants to say about it in generated documentation. */
  readonly note?: string;
}

export interface RequestContext {
  readonly request: Request;
  /** After `X-HTTP-Method-Override`; a HEAD that a GET route answers is HEAD still. */
  readonly method: string;
  /** As sent, percent-encoding included, without the query. */
  readonly path: string;
  /** What stands for `{name}` in the route's pattern, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly route: RouteMeta;
  readonly requestId: string;
  /** Who asks; undefined on public routes. */
  readonly principal: Principal | undefined;
  /** True when the request comes with a body, even an empty chunked one. */
  readonly hasBody: boolean;
  /**
   * The whole body, decompressed; empty when there is none. It counts against the limit of all running requests until
   * this one is answered. A second call returns the same bytes.
   *
   * @throws {RequestError} 400 it cannot be decompressed, 408 it stalls, 413 it is too large, 415 its encoding is
   * unknown, 429 too much is running.
   */
  readBody(limits?: Partial<BodyLimits>): Promise<Uint8Array<SharedArrayBuffer>>;
  /**
   * The body in pieces, decompressed, without a limit on their sum. All but the last are `pieceBytes` long. Nothing is
   * read ahead of the consumer by more than a piece.
   */
  bodyPieces(options?: { readonly pieceBytes?: number }): AsyncIterable<Uint8Array<SharedArrayBuffer>>;
  /** Aborted when the client goes away while the handler runs. Means nothing once it has answered. */
  readonly signal: AbortSignal;
}
