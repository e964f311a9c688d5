/**
 * Where backups go: from a request's body, or from the configuration by name. Plain data, so that it can be posted to
 * another thread. It holds secrets: it is never logged, answered or stored.
 *
 * @module
 */
import { illegalArgument, IoError, RequestError } from "../base/errors.ts";
import { utf8Text } from "../base/bytes.ts";
import type { RepositoryConfig } from "../config/repositories.ts";
import { parseDestination } from "../objectstore/open.ts";
import type { ObjectLock, S3Credentials } from "../objectstore/s3_options.ts";
import { explainedFailure } from "./backup_errors.ts";

export interface Destination {
  /** `s3://bucket/prefix` or `file:///path`, without a slash at its end. */
  readonly url: string;
  /** Its name in the configuration, if it has one. */
  readonly name?: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly pathStyle?: "auto" | boolean;
  /** PEM. */
  readonly caCertificate?: string;
  readonly storageClass?: string;
  readonly objectLock?: ObjectLock;
  readonly credentials?: S3Credentials;
  /** 64 hex digits, or base64 of 32 bytes. */
  readonly encryptionKey?: string;
  readonly compress: boolean;
  readonly singleWriter: boolean;
}

/** What the configuration's names of secrets are looked up in. */
export interface SecretSources {
  readonly env: (name: string) => string | undefined;
  /** @throws {IoError} */
  readonly readFile: (path: string) => Uint8Array;
}

/** Two destinations are the same repository when this is. */
export function placeOf({ url, endpoint }: Destination): string {
  return endpoint === undefined ? url : `${url} at ${endpoint}`;
}

const CREDENTIAL_KEYS = ["endpoint", "access_key", "secret_key", "session_token", "region"];

/**
 * `destination` and `credentials` as a request gives them.
 *
 * @throws {RequestError} 400: which key is wrong, and what is right. Never repeats a value of `credentials`.
 */
export function destinationFromRequest(destination: unknown, credentials: unknown): Destination {
  const url = checkUrl(destination);
  const base = { url, compress: true, singleWriter: false };
  if (credentials === undefined) return base;
  if (typeof credentials !== "object" || credentials === null || Array.isArray(credentials)) {
    throw illegalArgument(`[credentials] must be an object with ${CREDENTIAL_KEYS.join(", ")}`);
  }
  const given: Record<string, string> = {};
  for (const [key, value] of Object.entries(credentials)) {
    if (!CREDENTIAL_KEYS.includes(key)) {
      throw illegalArgument(
        `[credentials] has no key [${key.slice(0, 64)}]; there are ${CREDENTIAL_KEYS.join(", ")}`,
      );
    }
    if (value === null || value === undefined) continue;
    if (typeof value !== "string") throw illegalArgument(`[credentials.${key}] must be a string`);
    given[key] = value;
  }
  const { endpoint, access_key: accessKey, secret_key: secretKey, session_token: sessionToken, region } =
    given;
  if ((accessKey === undefined) !== (secretKey === undefined)) {
    throw illegalArgument("[credentials] needs access_key and secret_key, or neither of them");
  }
  return {
    ...base,
    ...(endpoint ? { endpoint: checkEndpoint(endpoint) } : {}),
    ...(region ? { region } : {}),
    ...(accessKey !== undefined && secretKey !== undefined
      ? { credentials: { accessKey, secretKey, ...(sessionToken ? { sessionToken } : {}) } }
      : {}),
  };
}

/** @throws {RequestError} 400: a secret's file or variable is not there. */
export function destinationFromConfig(
  name: string,
  config: RepositoryConfig,
  sources: SecretSources,
): Destination {
  const secret = (value: string, variable: string, file: string, what: string): string | undefined => {
    if (value !== "") return value;
    if (variable !== "") {
      const found = sources.env(variable);
      if (found === undefined || found === "") {
        throw illegalArgument(
          `repository [${name}] takes its ${what} from the environment variable ${variable}, which is not set`,
        );
      }
      return found;
    }
    return file === "" ? undefined : readText(sources, file, `${what} of repository [${name}]`).trim();
  };
  const accessKey = secret(config.accessKey, config.accessKeyEnv, config.accessKeyFile, "access key");
  const secretKey = secret(config.secretKey, config.secretKeyEnv, config.secretKeyFile, "secret key");
  if ((accessKey === undefined) !== (secretKey === undefined)) {
    throw illegalArgument(`repository [${name}] needs an access key and a secret key, or neither of them`);
  }
  const encryptionKey = secret("", config.encryptionKeyEnv, config.encryptionKeyFile, "encryption key");
  return {
    url: checkUrl(config.destination),
    name,
    compress: config.compress,
    singleWriter: config.singleWriter,
    region: config.region,
    pathStyle: config.pathStyle === "auto" ? "auto" : config.pathStyle === "yes",
    ...(config.endpoint === "" ? {} : { endpoint: checkEndpoint(config.endpoint) }),
    ...(config.caCertificate === ""
      ? {}
      : { caCertificate: readText(sources, config.caCertificate, `certificate of repository [${name}]`) }),
    ...(config.storageClass === "" ? {} : { storageClass: config.storageClass }),
    ...(config.objectLockDays === 0
      ? {}
      : { objectLock: { mode: config.objectLockMode, days: config.objectLockDays } }),
    ...(encryptionKey === undefined ? {} : { encryptionKey }),
    ...(accessKey !== undefined && secretKey !== undefined ? { credentials: { accessKey, secretKey } } : {}),
  };
}

/** A repository of the configuration. @throws {RequestError} 404: there is none of that name. 400: see above. */
export function namedDestination(
  name: string,
  repositories: Readonly<Record<string, RepositoryConfig>>,
  sources: SecretSources,
): Destination {
  const config = Object.hasOwn(repositories, name) ? repositories[name] : undefined;
  if (config) return destinationFromConfig(name, config, sources);
  const known = Object.keys(repositories);
  throw new RequestError(
    `there is no repository [${name.slice(0, 64)}]; ` +
      (known.length === 0
        ? "the configuration has none: add [backup.repositories.<name>]"
        : `there are ${known.join(", ")}`),
    { status: 404, type: "repository_missing_exception" },
  );
}

function readText({ readFile }: SecretSources, path: string, what: string): string {
  try {
    return utf8Text(readFile(path));
  } catch (error) {
    if (error instanceof IoError) throw illegalArgument(`cannot read the ${what}: ${error.message}`);
    throw error;
  }
}

/** Refused before anything is made of it: an address may hold a password, and must not get into a list or a log. */
function checkUrl(destination: unknown): string {
  if (typeof destination !== "string") {
    throw illegalArgument(
      "[destination] is missing; it must be s3://bucket/prefix, or file:///path of a mounted disk",
    );
  }
  try {
    parseDestination(destination);
  } catch (error) {
    throw explainedFailure(error);
  }
  return destination.replace(/\/+$/, "");
}

function checkEndpoint(endpoint: string): string {
  const right = "it must be like https://s3.example.com or http://127.0.0.1:9000";
  if (!URL.canParse(endpoint)) throw illegalArgument(`[endpoint] is no URL; ${right}`);
  const { protocol, username, password, search, hash } = new URL(endpoint);
  if ((protocol !== "http:" && protocol !== "https:") || search !== "" || hash !== "") {
    throw illegalArgument(`[endpoint] cannot be used; ${right}`);
  }
  if (username !== "" || password !== "") {
    throw illegalArgument(
      `[endpoint] holds a user's name or password; give access_key and secret_key, and ${right}`,
    );
  }
  return endpoint.replace(/\/+$/, "");
}
