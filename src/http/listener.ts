/**
 * Sockets: plain or TLS, opened with a clear error, drained within a bound, given a new certificate while serving.
 *
 * Deno's listener sets no time limit on slow request headers; put a proxy in front where that matters.
 *
 * @module
 */
import { IoError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";

export interface TlsFiles {
  /** PEM: the server's certificate, then those that lead to its root. */
  readonly certificate: string;
  /** PEM */
  readonly key: string;
}

export interface ListenOptions {
  readonly address: string;
  /** 0: one that is free. */
  readonly port: number;
  readonly tls?: TlsFiles;
  readonly handle: (request: Request) => Response | Promise<Response>;
  readonly logger: Logger;
}

export interface Listener {
  readonly address: string;
  readonly port: number;
  /** "http://127.0.0.1:8080" */
  readonly origin: string;
  /**
   * Serves new connections with another certificate; those that are open finish their requests within `drainMs`, or
   * go on by themselves. Clients may see a connection closed between two requests. Only for a listener with TLS.
   *
   * @throws {IoError} The certificate or key cannot be used; the old ones stay.
   */
  replaceTls(tls: TlsFiles, drainMs: number): Promise<void>;
  /** Takes no more connections and waits for running requests. @returns false when `drainMs` did not suffice. */
  stop(drainMs: number): Promise<boolean>;
}

/** @throws {IoError} The port is taken (`EADDRINUSE`), the address is not this machine's, TLS does not load. */
export function listen(options: ListenOptions): Listener {
  return new LiveListener(options);
}

class LiveListener implements Listener {
  readonly address: string;
  readonly port: number;
  readonly origin: string;
  #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(private readonly options: ListenOptions) {
    this.address = options.address;
    // Sharing a port is how a new certificate gets a listener of its own; it must not hide another server's.
    if (options.tls) refuseTakenPort(options);
    this.#server = open(options, options.port, options.tls);
    this.port = this.#server.addr.port;
    const host = options.address.includes(":") ? `[${options.address}]` : options.address;
    this.origin = `${options.tls ? "https" : "http"}://${host}:${this.port}`;
  }

  async replaceTls(tls: TlsFiles, drainMs: number): Promise<void> {
    const before = this.#server;
    this.#server = open(this.options, this.port, tls);
    await drain(before, drainMs);
  }

  stop(drainMs: number): Promise<boolean> {
    return drain(this.#server, drainMs);
  }
}

function open(
  { address, handle, logger }: ListenOptions,
  port: number,
  tls: TlsFiles | undefined,
): Deno.HttpServer<Deno.NetAddr> {
  const serve = {
    hostname: address,
    port,
    onListen: () => {},
    onError: (error: unknown) => {
      logger.error("the listener failed to serve a request", { error });
      return new Response(null, { status: 500 });
    },
  };
  const encrypted = tls && { cert: tls.certificate, key: tls.key, reusePort: true };
  return attempt(address, port, () => Deno.serve({ ...serve, ...encrypted }, (request) => handle(request)));
}

function refuseTakenPort({ address, port }: ListenOptions): void {
  if (port !== 0) attempt(address, port, () => Deno.listen({ hostname: address, port }).close());
}

function attempt<T>(address: string, port: number, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw new IoError("listen on", `${address}:${port}`, cause);
  }
}

/** A shutdown hangs behind a request that never ends, hence the bound. */
async function drain(server: Deno.HttpServer, drainMs: number): Promise<boolean> {
  let timer = 0;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), drainMs);
  });
  const drained = server.shutdown().then(() => true as const);
  try {
    return await Promise.race([drained, late]);
  } finally {
    clearTimeout(timer);
  }
}
