/**
 * An HTTP proxy that stands before an S3 server and does to it what networks and stores do.
 *
 * Clients sign for the proxy's own address, which is passed on unchanged: the server takes what `Host` says. One request
 * a connection to the server; connections of clients are kept.
 *
 * @module
 */
import { type Head, WireReader, writeAll, writeHead } from "./http_wire.ts";
import { withoutHeaders } from "./resign.ts";

export type Fault =
  /** Waits before the request is passed on. */
  | { readonly kind: "latency"; readonly ms: number }
  /** Ends the connection: before the request is passed on, or after so many bytes of its body. */
  | { readonly kind: "reset"; readonly afterBytes?: number }
  /** Ends the answer's body after so many bytes. */
  | { readonly kind: "truncate"; readonly afterBytes: number }
  /** Answers so, without asking the server. */
  | { readonly kind: "status"; readonly status: number; readonly code: string; readonly retryAfter?: number }
  /** Answers with 200 and an error as the body; the request is not passed on. */
  | { readonly kind: "error in 200"; readonly code: string }
  /** The request is done, its answer thrown away, the connection ended. */
  | { readonly kind: "lost reply" }
  /** Passes conditional requests on without their condition. Needs `secretKey`. */
  | { readonly kind: "ignored condition" }
  /** Passes the request on without `Range`. Needs `secretKey`. */
  | { readonly kind: "ignored range" }
  /** Turns one bit of the answer's body. */
  | { readonly kind: "flip"; readonly atByte: number }
  /** Turns one bit of the request's body. */
  | { readonly kind: "flip sent"; readonly atByte: number }
  /** Never answers. */
  | { readonly kind: "hang" };

/** Which requests a fault befalls. */
export interface Rule {
  readonly fault: Fault;
  /** Default: any. */
  readonly method?: string;
  /** Over path and query. Default: any. */
  readonly target?: RegExp;
  /** Befalls so many requests. Default: without end. */
  readonly times?: number;
  /** Of those that it could befall. Default 1. */
  readonly probability?: number;
}

export interface Counts {
  /** Requests by method. */
  readonly requests: ReadonlyMap<string, number>;
  /** Bytes of requests' bodies that came from clients. */
  readonly sentBytes: number;
  /** Bytes of answers' bodies that went to clients. */
  readonly receivedBytes: number;
}

export interface FaultProxyOptions {
  /** Such as `http://127.0.0.1:12345`. */
  readonly target: string;
  /** To sign again what it changes. */
  readonly secretKey?: string;
  /** In [0, 1). Default: `Math.random`. */
  readonly random?: () => number;
  /** Of bodies, both ways together; 0: without limit. Default 0. */
  readonly bytesPerSecond?: number;
}

/** @internal Ends the connection on purpose. */
class Broken extends Error {}

interface Request extends Head {
  readonly method: string;
  readonly target: string;
}

export class FaultProxy {
  readonly endpoint: string;
  bytesPerSecond: number;
  readonly #options: FaultProxyOptions;
  readonly #server: { readonly hostname: string; readonly port: number };
  readonly #port: number;
  #listener: Deno.TcpListener;
  #rules: { readonly rule: Rule; hits: number }[] = [];
  readonly #open = new Set<Deno.Conn>();
  readonly #requests = new Map<string, number>();
  readonly #served = new Set<Promise<void>>();
  #sentBytes = 0;
  #receivedBytes = 0;
  #paidMs = 0;
  #isCut = false;

  constructor(options: FaultProxyOptions) {
    const { hostname, port } = new URL(options.target);
    this.#options = options;
    this.#server = { hostname, port: Number(port) };
    this.bytesPerSecond = options.bytesPerSecond ?? 0;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#port = this.#listener.addr.port;
    this.endpoint = `http://127.0.0.1:${this.#port}`;
    this.#accept(this.#listener);
  }

  /** From now on; the first rule that fits a request befalls it. @returns How often it has. */
  add(rule: Rule): () => number {
    const entry = { rule, hits: 0 };
    this.#rules.push(entry);
    return () => entry.hits;
  }

  /** No more faults. */
  clear(): void {
    this.#rules = [];
  }

  get counts(): Counts {
    return {
      requests: new Map(this.#requests),
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
    };
  }

  resetCounts(): void {
    this.#requests.clear();
    this.#sentBytes = 0;
    this.#receivedBytes = 0;
  }

  /** The network is cut: connections end, new ones are refused. Resolves when it is whole again. */
  async cut(ms: number): Promise<void> {
    this.#isCut = true;
    this.#listener.close();
    this.#endAll();
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: this.#port });
    this.#isCut = false;
    this.#accept(this.#listener);
  }

  async stop(): Promise<void> {
    this.#isCut = true;
    this.#listener.close();
    this.#endAll();
    await Promise.all(this.#served);
  }

  #endAll(): void {
    for (const connection of [...this.#open]) this.#end(connection);
  }

  #end(connection: Deno.Conn): void {
    if (this.#open.delete(connection)) connection.close();
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    for (;;) {
      let connection: Deno.Conn;
      try {
        connection = await listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
        throw error;
      }
      this.#open.add(connection);
      const served = this.#serve(connection).finally(() => this.#served.delete(served));
      this.#served.add(served);
    }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    const reader = new WireReader(client);
    try {
      for (;;) {
        const head = await reader.head();
        if (!head) return;
        const [method = "", target = ""] = head.line.split(" ");
        this.#requests.set(method, (this.#requests.get(method) ?? 0) + 1);
        await this.#pass({ ...head, method, target }, client, reader);
      }
    } catch (error) {
      if (!(error instanceof Broken) && !isConnectionError(error)) throw error;
    } finally {
      this.#end(client);
    }
  }

  #faultFor({ method, target }: Request): Fault | undefined {
    const random = this.#options.random ?? Math.random;
    for (const entry of this.#rules) {
      const { rule } = entry;
      if (rule.method !== undefined && rule.method !== method) continue;
      if (rule.target !== undefined && !rule.target.test(target)) continue;
      if (entry.hits >= (rule.times ?? Infinity)) continue;
      if (rule.probability !== undefined && random() >= rule.probability) continue;
      entry.hits++;
      return rule.fault;
    }
  }

  async #pass(request: Request, client: Deno.Conn, reader: WireReader): Promise<void> {
    const fault = this.#faultFor(request);
    const length = Number(request.headers.get("content-length") ?? "0");
    if (fault?.kind === "latency") await new Promise((resolve) => setTimeout(resolve, fault.ms));
    if (fault?.kind === "reset" && fault.afterBytes === undefined) throw new Broken();
    if (fault?.kind === "status" || fault?.kind === "error in 200") {
      for await (const piece of reader.exactly(length)) this.#sentBytes += piece.length;
      return await answerError(client, request, fault);
    }
    if (fault?.kind === "hang") {
      // Until the client has had enough.
      while (await client.read(new Uint8Array(65536)) !== null);
      throw new Broken();
    }
    const server = await Deno.connect(this.#server);
    this.#open.add(server);
    if (this.#isCut) throw new Broken();
    try {
      await this.#send(request, { server, reader, length, fault });
      await this.#answer(request, { server, client, fault });
    } finally {
      this.#end(server);
    }
  }

  async #send(
    request: Request,
    { server, reader, length, fault }: {
      server: Deno.Conn;
      reader: WireReader;
      length: number;
      fault: Fault | undefined;
    },
  ): Promise<void> {
    const headers = this.#headersFor(request, fault);
    headers.set("connection", "close");
    await writeHead(server, { line: request.line, headers });
    let at = 0;
    for await (const piece of reader.exactly(length)) {
      if (fault?.kind === "flip sent") flipAt(piece, fault.atByte - at);
      if (fault?.kind === "reset" && at + piece.length > fault.afterBytes!) throw new Broken();
      at += piece.length;
      this.#sentBytes += piece.length;
      await this.#pace(piece.length);
      await writeAll(server, piece);
    }
  }

  #headersFor(request: Request, fault: Fault | undefined): Map<string, string> {
    const names = fault?.kind === "ignored condition"
      ? ["if-match", "if-none-match"]
      : fault?.kind === "ignored range"
      ? ["range"]
      : [];
    if (names.length === 0) return new Map(request.headers);
    return withoutHeaders(request, { names, secretKey: this.#options.secretKey ?? "" });
  }

  async #answer(
    request: Request,
    { server, client, fault }: { server: Deno.Conn; client: Deno.Conn; fault: Fault | undefined },
  ): Promise<void> {
    const reader = new WireReader(server);
    const head = await reader.head();
    if (!head) throw new Broken();
    const status = Number(head.line.split(" ")[1]);
    const hasBody = request.method !== "HEAD" && status !== 204 && status !== 304;
    const headers = new Map(head.headers);
    headers.delete("connection");
    let pieces: AsyncIterable<Uint8Array> | readonly Uint8Array[] = [];
    if (hasBody && headers.get("transfer-encoding") === "chunked") {
      const body = await reader.chunked();
      headers.delete("transfer-encoding");
      headers.set("content-length", String(body.length));
      pieces = [body];
    } else if (hasBody) pieces = reader.exactly(Number(headers.get("content-length") ?? "0"));
    if (fault?.kind === "lost reply") {
      for await (const _ of pieces); // Done to the end.
      throw new Broken();
    }
    await writeHead(client, { line: head.line, headers });
    let at = 0;
    for await (const piece of pieces) {
      if (fault?.kind === "flip") flipAt(piece, fault.atByte - at);
      const left = fault?.kind === "truncate" ? fault.afterBytes - at : Infinity;
      const sent = piece.subarray(0, Math.max(0, Math.min(piece.length, left)));
      await this.#pace(sent.length);
      await writeAll(client, sent);
      at += sent.length;
      this.#receivedBytes += sent.length;
      if (sent.length < piece.length) throw new Broken();
    }
  }

  /** Notices when the rate is changed, or everything ends. */
  async #pace(bytes: number): Promise<void> {
    const rate = this.bytesPerSecond;
    if (rate === 0) return;
    const now = performance.now();
    const untilMs = this.#paidMs = Math.max(this.#paidMs, now) + bytes * 1000 / rate;
    while (this.bytesPerSecond === rate && !this.#isCut && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(20, untilMs - performance.now())));
    }
    if (this.bytesPerSecond !== rate) this.#paidMs = 0;
  }
}

async function answerError(
  client: Deno.Conn,
  request: Request,
  fault: Fault & { readonly kind: "status" | "error in 200" },
): Promise<void> {
  const status = fault.kind === "status" ? fault.status : 200;
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${fault.code}</Code>` +
    `<Message>As the test wants it.</Message><RequestId>1</RequestId></Error>`;
  const body = new TextEncoder().encode(xml);
  const headers = new Map([["content-type", "application/xml"], ["content-length", String(body.length)]]);
  if (fault.kind === "status" && fault.retryAfter !== undefined) {
    headers.set("retry-after", String(fault.retryAfter));
  }
  await writeHead(client, { line: `HTTP/1.1 ${status} X`, headers });
  if (request.method !== "HEAD") await writeAll(client, body);
}

function flipAt(piece: Uint8Array, at: number): void {
  if (at >= 0 && at < piece.length) piece[at] = piece[at]! ^ 1;
}

function isConnectionError(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.UnexpectedEof;
}
