/**
 * Who asks: keys in the `Authorization` header.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { Access } from "./context.ts";

/** Whoever a key stands for. */
export interface Principal {
  /** For logs; never the key. */
  readonly name: string;
  /** "metrics" may read metrics only. */
  readonly role: "admin" | "metrics";
}

/** What the header held. */
export interface PresentedKey {
  /** From `ApiKey base64(id:key)`. */
  readonly id: string | undefined;
  readonly key: string;
}

/** Looks up keys that are not in the configuration, such as those that the catalogue keeps as hashes. */
export type KeyLookup = (presented: PresentedKey) => Principal | undefined;

export interface AuthOptions {
  /** False: every request is the administrator's. */
  readonly enabled: boolean;
  readonly adminKey: string;
  /** "" when there is none. */
  readonly metricsToken: string;
  readonly lookup?: KeyLookup;
}

export interface Authenticator {
  /**
   * @param authorization The header's value, or null.
   * @param path For the error's text.
   * @throws {RequestError} 401 without a key that is known, 403 when it is not good for this access.
   */
  check(authorization: string | null, access: Access, path: string): Principal | undefined;
}

const NOBODY: Principal = { name: "anonymous", role: "admin" };
const ADMIN: Principal = { name: "admin", role: "admin" };
const METRICS: Principal = { name: "metrics", role: "metrics" };

/** @param options Asked at every request, so that a reload counts at once. */
export function authenticator(options: () => AuthOptions): Authenticator {
  return {
    check(authorization, access, path) {
      if (access === "public") return undefined;
      const current = options();
      if (!current.enabled) return NOBODY;
      const principal = identify(authorization, current);
      if (principal === undefined) throw unauthorized(authorization, path);
      if (principal.role === "metrics" && access !== "metrics") throw forbidden(path);
      return principal;
    },
  };
}

function identify(authorization: string | null, options: AuthOptions): Principal | undefined {
  if (authorization === null) return undefined;
  const presented = parseAuthorization(authorization);
  if (presented === undefined) return undefined;
  const { scheme, value } = presented;
  const plain = identifyKey({ id: undefined, key: value }, options);
  if (plain !== undefined || scheme === "bearer") return plain;
  const withId = decodeIdAndKey(value);
  return withId && identifyKey(withId, options);
}

function identifyKey(presented: PresentedKey, options: AuthOptions): Principal | undefined {
  if (equalInConstantTime(presented.key, options.adminKey)) return ADMIN;
  if (equalInConstantTime(presented.key, options.metricsToken)) return METRICS;
  return options.lookup?.(presented);
}

/** `Bearer <value>` or `ApiKey <value>`; undefined for other schemes. */
export function parseAuthorization(
  authorization: string,
): { readonly scheme: "apikey" | "bearer"; readonly value: string } | undefined {
  const space = authorization.indexOf(" ");
  const scheme = authorization.slice(0, Math.max(0, space)).toLowerCase();
  if (scheme !== "apikey" && scheme !== "bearer") return undefined;
  const value = authorization.slice(space + 1).trim();
  return value === "" ? undefined : { scheme, value };
}

/** Elasticsearch's own form of an API key: base64 of `id:key`. Undefined when `value` is not that. */
export function decodeIdAndKey(value: string): PresentedKey | undefined {
  const decoded = decodeBase64(value);
  const colon = decoded?.indexOf(":") ?? -1;
  if (decoded === undefined || colon < 0) return undefined;
  return { id: decoded.slice(0, colon), key: decoded.slice(colon + 1) };
}

/** Text of printable ASCII, or undefined when `value` is not base64 of such. */
function decodeBase64(value: string): string | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value) || value.length % 4 === 1) return undefined;
  const decoded = atob(value);
  return /^[\x20-\x7e]+$/.test(decoded) ? decoded : undefined;
}

/**
 * Takes the same time wherever the two differ; only the presented text's length, which its sender knows, shows.
 * An empty `expected` equals nothing.
 */
export function equalInConstantTime(presented: string, expected: string): boolean {
  let difference = presented.length ^ expected.length;
  const expectedLength = Math.max(1, expected.length);
  for (let i = 0; i < presented.length; i++) {
    // charCodeAt past the end is NaN, which | turns into 0.
    difference |= presented.charCodeAt(i) ^ (expected.charCodeAt(i % expectedLength) | 0);
  }
  return difference === 0 && expected !== "";
}

function unauthorized(authorization: string | null, path: string): RequestError {
  const expected = 'send the header "Authorization: ApiKey <key>" or "Authorization: Bearer <key>"';
  const reason = authorization === null
    ? `missing authentication credentials for REST request [${path}]; ${expected}`
    : `unable to authenticate for REST request [${path}]: ${problemOf(authorization)}; ${expected}`;
  return new RequestError(reason, {
    status: 401,
    type: "security_exception",
    headers: { "www-authenticate": 'ApiKey realm="xerj", Bearer realm="xerj"' },
  });
}

/** Names at most the scheme: the rest is secret. */
function problemOf(authorization: string): string {
  const scheme = /^[A-Za-z]{1,20}(?= )/.exec(authorization)?.[0];
  if (scheme !== undefined && !/^(apikey|bearer)$/i.test(scheme)) {
    return `the scheme ${scheme} is not supported`;
  }
  return "the key is not known";
}

function forbidden(path: string): RequestError {
  return new RequestError(`the metrics token is good for metrics only, not for REST request [${path}]`, {
    status: 403,
    type: "security_exception",
  });
}
