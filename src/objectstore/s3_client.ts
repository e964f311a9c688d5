/**
 * The S3 SDK, set up so that it does only what it is good at: requests, signatures, answers.
 *
 * - One try a call: retries are ours (`retry.ts`), since the SDK's give up after a count, not after time.
 * - `fetch` below: the SDK's default handler never settles when a server refuses a PUT and closes the connection.
 * - The payload's hash in the signature is the one that we have already, so bytes are hashed once.
 *
 * Loaded only when a bucket is used: the SDK takes a while to load.
 *
 * @module
 */
import {
  type GetObjectCommand,
  ListObjectsV2Command,
  type PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  type UploadPartCommand,
} from "@aws-sdk/client-s3";
import { FetchHttpHandler } from "@smithy/fetch-http-handler";
import { type HttpClient, newHttpClient } from "../os/http_client.ts";
import { faultOf } from "./s3_errors.ts";
import type { S3StoreOptions } from "./s3_options.ts";
import type { Secrets } from "./secrets.ts";
import { StoreError } from "./store.ts";

/** The SDK's classes, for callers that load this module late. */
export * from "@aws-sdk/client-s3";

/** A client and what it holds. */
export interface S3Connection {
  readonly client: S3Client;
  close(): void;
}

/** Connects, and finds out how the store wants its buckets addressed. @throws {StoreError} Bad CA certificate. */
export async function connectS3(options: S3StoreOptions, secrets: Secrets): Promise<S3Connection> {
  const http = httpClient(options);
  const credentials = credentialsOf(options, http, secrets);
  const make = (forcePathStyle: boolean) => newClient(options, http, credentials, forcePathStyle);
  const client = options.pathStyle === "auto" || options.pathStyle === undefined
    ? await foundOut(options, make)
    : make(options.pathStyle);
  return {
    client,
    close: () => {
      client.destroy();
      http.close();
    },
  };
}

/**
 * Asks for the noted checksum. Not by the command's `ChecksumMode`, with which the SDK compares it itself, in a stream
 * around the body, and fails in a way of its own.
 */
export function askForChecksum(command: GetObjectCommand): void {
  command.middlewareStack.add(
    (next) => (args) => {
      (args.request as { headers: Record<string, string> }).headers["x-amz-checksum-mode"] = "ENABLED";
      return next(args);
    },
    { step: "build", name: "checksumMode" },
  );
}

/** Puts the payload's SHA-256 (hex) into the request, where the signature takes it from instead of making it again. */
export function signWith(command: PutObjectCommand | UploadPartCommand, sha256: string): void {
  // Their stacks differ in their types only.
  (command as PutObjectCommand).middlewareStack.add(
    (next) => (args) => {
      (args.request as { headers: Record<string, string> }).headers["x-amz-content-sha256"] = sha256;
      return next(args);
    },
    { step: "build", name: "payloadHash" },
  );
}

function httpClient({ caCertificate, parallelParts }: S3StoreOptions): HttpClient {
  try {
    return newHttpClient({
      ...(caCertificate === undefined ? {} : { caCertificate }),
      ...(parallelParts === undefined ? {} : { idleConnections: Math.max(8, parallelParts) }),
    });
  } catch (cause) {
    throw new StoreError("Cannot use the CA certificate: it is no certificate in PEM form", {
      kind: "unsupported",
      hint: "It begins with -----BEGIN CERTIFICATE-----.",
      cause,
    });
  }
}

function handler(http: HttpClient): FetchHttpHandler {
  return new FetchHttpHandler({
    // After the signature, since proxies change this header. Compressed answers would hide how long objects are.
    requestInit: ({ headers }) => ({
      ...http.init,
      headers: new Headers({ ...headers, "accept-encoding": "identity" }),
    }),
  });
}

type Credentials = NonNullable<S3ClientConfig["credentials"]>;

function credentialsOf({ credentials }: S3StoreOptions, http: HttpClient, secrets: Secrets): Credentials {
  if (credentials) {
    const { accessKey, secretKey, sessionToken } = credentials;
    return {
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    };
  }
  let chain: (() => Promise<Identity>) | undefined;
  return async () => {
    if (!chain) {
      const { defaultProvider } = await import("@aws-sdk/credential-provider-node");
      chain = defaultProvider({ clientConfig: { requestHandler: handler(http) } });
    }
    const found = await chain();
    secrets.add(found.accessKeyId, found.secretAccessKey, found.sessionToken);
    return found;
  };
}

interface Identity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

function newClient(
  { endpoint, region = "us-east-1" }: S3StoreOptions,
  http: HttpClient,
  credentials: Credentials,
  forcePathStyle: boolean,
): S3Client {
  return new S3Client({
    region,
    forcePathStyle,
    credentials,
    ...(endpoint === undefined ? { followRegionRedirects: true } : { endpoint }),
    requestHandler: handler(http),
    maxAttempts: 1,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
}

/** Buckets that may stand in a host's name under a wildcard certificate. */
const HOST_LABEL = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;

/** Answers that a store gives when the address is not in the form that it takes. */
const WRONG_STYLE = new Set(["PermanentRedirect", "SecondLevelDomainForbidden", "InvalidBucketName"]);

/**
 * AWS wants the bucket in the host's name wherever it fits. Elsewhere it is in the path, as every store of one's own
 * takes it, unless the store says otherwise to a first request, and takes the other form.
 */
async function foundOut(
  { endpoint, bucket }: S3StoreOptions,
  make: (forcePathStyle: boolean) => S3Client,
): Promise<S3Client> {
  if (endpoint === undefined) return make(!HOST_LABEL.test(bucket));
  const { hostname } = new URL(endpoint);
  const isPlainHost = /^\[|^[\d.]+$/.test(hostname) || !hostname.includes(".");
  const byPath = make(true);
  if (isPlainHost || !HOST_LABEL.test(bucket) || await takesAddress(byPath, bucket)) return byPath;
  const byHost = make(false);
  if (await takesAddress(byHost, bucket)) {
    byPath.destroy();
    return byHost;
  }
  byHost.destroy();
  return byPath;
}

/** Whether the store understands this form of address; whatever else is wrong comes up at the first real call. */
async function takesAddress(client: S3Client, bucket: string): Promise<boolean> {
  try {
    await client.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 }), {
      abortSignal: AbortSignal.timeout(10_000),
    });
    return true;
  } catch (cause) {
    const { code, status } = faultOf(cause);
    return status === 401 || status === 403 || (status >= 500 && status !== 501) ||
      (status !== 0 && status < 404 && !WRONG_STYLE.has(code));
  }
}
