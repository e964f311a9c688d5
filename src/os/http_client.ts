/**
 * Connections to HTTP servers, apart from those of other clients of this process, for `fetch`.
 *
 * @module
 */

/** A pool of connections. Spread `init` into what `fetch` is called with. */
export interface HttpClient {
  readonly init: RequestInit;
  /** Ends idle connections; those in use end with their request. */
  close(): void;
}

export interface HttpClientOptions {
  /** PEM, one or several certificates, trusted beside the system's. */
  readonly caCertificate?: string;
  /** Connections kept open per host while nothing is asked. Default 8. */
  readonly idleConnections?: number;
}

/** @throws {TypeError} `caCertificate` is no PEM certificate. */
export function newHttpClient(options: HttpClientOptions = {}): HttpClient {
  const { caCertificate, idleConnections = 8 } = options;
  const client = Deno.createHttpClient({
    ...(caCertificate === undefined ? {} : { caCerts: [caCertificate] }),
    poolMaxIdlePerHost: idleConnections,
  });
  const init: RequestInit & { readonly client: Deno.HttpClient } = { client };
  return { init, close: () => client.close() };
}
