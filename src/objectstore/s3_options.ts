/**
 * How to reach a bucket.
 *
 * @module
 */
import type { Clock } from "../os/fs.ts";
import { isObjectName, MAX_KEY_BYTES } from "./names.ts";
import { StoreError } from "./store.ts";

/** Never logged or repeated in a message. */
export interface S3Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken?: string;
}

export interface S3StoreOptions {
  readonly bucket: string;
  /** Objects are kept below it: "" or such as `xerj/nightly`, without slashes at its ends. */
  readonly prefix?: string;
  /** Such as `https://minio.example.com:9000`; undefined: AWS. */
  readonly endpoint?: string;
  /** Default "us-east-1", which stores other than AWS mostly take. */
  readonly region?: string;
  /** Undefined: whatever the SDK's chain finds (environment, profile, SSO, web identity, container, instance role). */
  readonly credentials?: S3Credentials;
  /** Whether the bucket stands in the path (true) or in the host's name. Default "auto": found out. */
  readonly pathStyle?: "auto" | boolean;
  /** PEM; trusted beside the system's. */
  readonly caCertificate?: string;
  /** Such as "STANDARD_IA", by name of the object (without the prefix); undefined: the bucket's default. */
  readonly storageClass?: (name: string) => string | undefined;
  /** Objects of a repository are written so that nobody can delete them; undefined: as the bucket has it. */
  readonly lock?: ObjectLock;
  /** Objects up to this size are sent in one piece; larger ones in parts of it. 5 MiB at least; default 8 MiB. */
  readonly partBytes?: number;
  /** Parts and objects of `putFile` on their way at a time, over all calls. Default 4. */
  readonly parallelParts?: number;
  /** Without any progress for so long an operation fails. Default 120,000. */
  readonly giveUpAfterMs?: number;
  /** A request that stands still for so long is tried again. Default 30,000. */
  readonly requestTimeoutMs?: number;
  readonly clock?: Clock;
  /** Told of every try that failed and is made again; the words are fit for a log. */
  readonly onRetry?: (words: string) => void;
}

/** How objects are locked. */
export interface ObjectLock {
  /** "governance": who has a right of its own may lift it; "compliance": nobody may. */
  readonly mode: "governance" | "compliance";
  /** From the last backup on that uses an object. */
  readonly days: number;
}

export const DEFAULT_PART_BYTES = 8 * 1024 * 1024;
export const DEFAULT_PARALLEL_PARTS = 4;
export const DEFAULT_GIVE_UP_MS = 120_000;
export const DEFAULT_TIMEOUT_MS = 30_000;

/** S3's own limits for a part that is not the last. */
const MIN_PART_BYTES = 5 * 1024 * 1024;
const MAX_PART_BYTES = 5 * 1024 * 1024 * 1024;

const MAX_PARALLEL_PARTS = 64;

/** Names are appended to it; the longest that a repository makes stays below this. */
const MAX_PREFIX_LENGTH = MAX_KEY_BYTES - 256;

/** @throws {StoreError} "unsupported", with what is right. */
export function checkS3Options(options: S3StoreOptions): void {
  const { bucket, prefix = "", endpoint, credentials, partBytes, parallelParts } = options;
  if (!isBucketName(bucket)) {
    throw wrong(
      `${quoted(bucket)} is no bucket's name`,
      "A bucket's name has 3 to 63 characters: lower-case letters, digits, dots and hyphens.",
    );
  }
  if (prefix !== "" && (!isObjectName(prefix) || prefix.length > MAX_PREFIX_LENGTH)) {
    throw wrong(
      `${quoted(prefix)} cannot be a prefix`,
      `A prefix is like xerj/nightly: letters, digits, dots, hyphens and underscores between single slashes, up to ` +
        `${MAX_PREFIX_LENGTH} characters.`,
    );
  }
  if (endpoint !== undefined) checkEndpoint(endpoint);
  if (credentials && (credentials.accessKey === "" || credentials.secretKey === "")) {
    throw wrong(
      "the access key or the secret key is empty",
      "Give both, or neither: then environment, profile or instance role are asked.",
    );
  }
  if (partBytes !== undefined && !(partBytes >= MIN_PART_BYTES && partBytes <= MAX_PART_BYTES)) {
    throw wrong(`parts of ${partBytes} bytes are not possible`, "S3 takes parts of 5 MiB to 5 GiB.");
  }
  const isCount = parallelParts === undefined ||
    (Number.isInteger(parallelParts) && parallelParts >= 1 && parallelParts <= MAX_PARALLEL_PARTS);
  if (!isCount) {
    throw wrong(`${parallelParts} parts at a time are not possible`, `Take 1 to ${MAX_PARALLEL_PARTS}.`);
  }
}

/** As lax as stores are, not as strict as AWS now is with new buckets. */
export function isBucketName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(name) && !name.includes("..");
}

/** The address itself is not repeated in words: it may hold a password. */
function checkEndpoint(endpoint: string): void {
  const example = "An endpoint is like https://s3.example.com or http://127.0.0.1:9000, without a bucket.";
  if (!URL.canParse(endpoint)) throw wrong("the endpoint is no URL", example);
  const url = new URL(endpoint);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw wrong("the endpoint is neither http:// nor https://", example);
  }
  if (url.username !== "" || url.password !== "") {
    throw wrong("the endpoint holds a user's name or password", "Give them as access_key and secret_key.");
  }
  if (url.search !== "" || url.hash !== "") throw wrong("the endpoint has a query or a fragment", example);
}

function quoted(text: string): string {
  return JSON.stringify(text.length <= 100 ? text : `${text.slice(0, 100)}...`);
}

function wrong(reason: string, hint: string): StoreError {
  return new StoreError(`Cannot use the S3 store: ${reason}`, { kind: "unsupported", hint });
}
