/**
 * One running request. Everything that costs is found out only when it is asked for.
 *
 * @module
 */
import {
  BodyAccount,
  type BodyBudget,
  type BodyLimits,
  bodyPieces,
  DEFAULT_PIECE_BYTES,
  DEFAULT_STALL_MS,
  readBody,
  sharedBytes,
} from "./body.ts";
import type { Principal } from "./auth.ts";
import type { RequestContext, RouteMeta } from "./context.ts";
import { announcesBody, bodyStream } from "./get_body.ts";
import { parseQuery } from "./query.ts";

export const UNKNOWN_ROUTE: RouteMeta = { name: "unknown" };

const OVERRIDABLE = new Set(["GET", "HEAD", "PUT", "DELETE", "PATCH"]);

export class LiveContext implements RequestContext {
  readonly method: string;
  readonly path: string;
  params: Readonly<Record<string, string>> = {};
  route: RouteMeta = UNKNOWN_ROUTE;
  principal: Principal | undefined = undefined;

  /** Where the query begins in the URL, after the question mark; -1 without one. */
  readonly #queryAt: number;
  #query: URLSearchParams | undefined;
  #account: BodyAccount | undefined;
  #body: Promise<Uint8Array<SharedArrayBuffer>> | undefined;

  constructor(
    readonly request: Request,
    readonly requestId: string,
    private readonly budget: BodyBudget,
    private readonly bodyLimits: () => BodyLimits,
  ) {
    const { url } = request;
    // Behind "http://" or "https://" and a host of at least one character.
    const pathAt = url.indexOf("/", 8);
    const mark = url.indexOf("?", 8);
    this.#queryAt = mark < 0 ? -1 : mark + 1;
    const path = pathAt < 0 || (mark >= 0 && pathAt > mark)
      ? "/"
      : url.slice(pathAt, mark < 0 ? undefined : mark);
    this.path = path;
    this.method = request.method === "POST" ? overridden(request) : request.method;
  }

  get hasQuery(): boolean {
    return this.#queryAt >= 0;
  }

  get query(): URLSearchParams {
    return this.#query ??= parseQuery(this.#queryAt < 0 ? "" : this.request.url.slice(this.#queryAt));
  }

  /** `?pretty`, where the query can be read at all. */
  get wantsPretty(): boolean {
    const value = /(?:^|&)pretty(?:=([^&]*))?(?:&|$)/.exec(this.request.url.slice(this.#queryAt));
    return value !== null && value[1] !== "false";
  }

  get hasBody(): boolean {
    return announcesBody(this.request);
  }

  get signal(): AbortSignal {
    return this.request.signal;
  }

  readBody(limits: Partial<BodyLimits> = {}): Promise<Uint8Array<SharedArrayBuffer>> {
    return this.#body ??= this.#read({ ...this.bodyLimits(), ...limits });
  }

  async *bodyPieces(
    { pieceBytes = DEFAULT_PIECE_BYTES }: { readonly pieceBytes?: number } = {},
  ): AsyncGenerator<Uint8Array<SharedArrayBuffer>, void, void> {
    const stream = bodyStream(this.request);
    if (stream === null) return;
    const { stallMs = DEFAULT_STALL_MS } = this.bodyLimits();
    yield* bodyPieces({ request: this.request, stream, account: this.#open() }, { pieceBytes, stallMs });
  }

  /** Gives back what the body held of the budget. */
  release(): void {
    this.#account?.close();
  }

  async #read(limits: BodyLimits): Promise<Uint8Array<SharedArrayBuffer>> {
    const stream = bodyStream(this.request);
    if (stream === null) return sharedBytes(0);
    return await readBody({ request: this.request, stream, account: this.#open() }, limits);
  }

  #open(): BodyAccount {
    return this.#account ??= new BodyAccount(this.budget);
  }
}

function overridden(request: Request): string {
  const method = request.headers.get("x-http-method-override")?.toUpperCase();
  return method !== undefined && OVERRIDABLE.has(method) ? method : "POST";
}
