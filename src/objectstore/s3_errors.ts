/**
 * What an S3 store's refusals mean for the caller, and for the next try.
 *
 * @module
 */
import { type Failure, StalledError } from "./retry.ts";
import type { Secrets } from "./secrets.ts";
import { StoreError, type StoreErrorKind } from "./store.ts";

/** A failed request as far as we look at it. */
export interface S3Fault {
  /** Such as "SlowDown"; "" when there was no answer, or one without a code. */
  readonly code: string;
  /** HTTP status; 0 when there was no answer that could be understood. */
  readonly status: number;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A `StoreError` that knows what the store called it. */
export class S3Error extends StoreError {
  /** Such as "NoSuchUpload"; "" when the store gave none. */
  readonly code: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;

  constructor(message: string, options: { kind: StoreErrorKind; hint: string; fault: S3Fault }) {
    super(message, options);
    this.code = options.fault.code;
    this.status = options.fault.status;
  }
}

/** Thrown by us for an answer that looks like success and is none. Tried again. */
export class BadAnswerError extends Error {
  override readonly name = "BadAnswerError";
}

/** Bytes that do not have the hash they should have. Tried again a few times. */
export class BadBytesError extends Error {
  override readonly name = "BadBytesError";
}

/** How often bytes that arrive damaged are sent or fetched again. */
const DAMAGE_RETRIES = 4;

/** How often a request is made again that was called bad without a reason. */
const NAMELESS_RETRIES = 3;

/** Longest code of an error that is repeated. */
const MAX_CODE = 64;

interface SdkError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly Code?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Record<string, string> };
}

/** Reads what the SDK throws. */
export function faultOf(cause: unknown): S3Fault {
  const error = (typeof cause === "object" && cause !== null ? cause : {}) as SdkError;
  const status = error.$metadata?.httpStatusCode ?? 0;
  const name = typeof error.Code === "string" ? error.Code : typeof error.name === "string" ? error.name : "";
  const message = typeof error.message === "string" ? error.message : String(cause);
  // The body of a refusal broke off: what the store said is not known.
  const isCut = name === "TypeError" || message.includes("Deserialization error");
  if (isCut) return { code: "", status: 0, message: withoutUrl(message.split("\n")[0]!.trim()), headers: {} };
  const isUnnamed = name === "Error" || name === "UnknownError" || name === "Unknown" || name === "";
  return {
    code: isUnnamed ? "" : name,
    // An answer of 2xx that the SDK could not read is none.
    status: status >= 300 ? status : 0,
    message: status === 0 ? withoutUrl(message) : message,
    headers: error.$response?.headers ?? {},
  };
}

/** Deno's words begin with the address, which the message names already. */
function withoutUrl(message: string): string {
  return message.replace(/^error sending request (for url \([^)]*\)|from \S+ for \S+ \([^)]*\)): /, "");
}

interface Meaning {
  readonly kind: StoreErrorKind;
  readonly retries: number | undefined;
  readonly hint?: string;
}

const FOR_GOOD = { retries: 0 } as const;
const AGAIN = { kind: "unavailable", retries: undefined } as const;

const KEY_HINT = "Check access key and secret key, and that they belong to this endpoint.";
const RIGHTS_HINT =
  "The credentials need s3:GetObject, s3:PutObject, s3:ListBucket and s3:AbortMultipartUpload for " +
  "this bucket and prefix; to delete and prune s3:DeleteObject, to lock objects s3:PutObjectRetention, too.";
const REGION_HINT = "Set the region that the bucket lies in.";
const TOKEN_HINT =
  "The session's credentials have ended: give new ones, or let the credential chain refresh them.";
const FULL_HINT = "Free space or raise the quota of the store, then try again.";

const BY_CODE: Readonly<Record<string, Meaning>> = {
  AccessDenied: { kind: "denied", ...FOR_GOOD, hint: RIGHTS_HINT },
  AllAccessDisabled: { kind: "denied", ...FOR_GOOD, hint: RIGHTS_HINT },
  InvalidAccessKeyId: { kind: "denied", ...FOR_GOOD, hint: KEY_HINT },
  XAdminUserNotFound: { kind: "denied", ...FOR_GOOD, hint: KEY_HINT },
  SignatureDoesNotMatch: { kind: "denied", ...FOR_GOOD, hint: KEY_HINT },
  InvalidToken: { kind: "denied", ...FOR_GOOD, hint: TOKEN_HINT },
  // The chain may have fresher ones at the second look.
  ExpiredToken: { kind: "denied", retries: 1, hint: TOKEN_HINT },
  ExpiredTokenException: { kind: "denied", retries: 1, hint: TOKEN_HINT },
  TokenRefreshRequired: { kind: "denied", retries: 1, hint: TOKEN_HINT },
  // The SDK corrects its clock by the answer's Date, so one more try may be right.
  RequestTimeTooSkewed: {
    kind: "denied",
    retries: 1,
    hint: "This machine's clock and the store's differ by more than 15 minutes: set the clock (NTP).",
  },
  CredentialsProviderError: {
    kind: "denied",
    ...FOR_GOOD,
    hint:
      "Give access_key and secret_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or an " +
      "instance role.",
  },
  TokenProviderError: { kind: "denied", ...FOR_GOOD, hint: "Renew the SSO session, or give keys." },
  NoSuchBucket: {
    kind: "missing",
    ...FOR_GOOD,
    hint: "The bucket is not there: create it, or check its name and the endpoint.",
  },
  NoSuchKey: { kind: "missing", ...FOR_GOOD },
  NoSuchUpload: { kind: "missing", ...FOR_GOOD },
  PreconditionFailed: { kind: "precondition", ...FOR_GOOD },
  ConditionalRequestConflict: AGAIN,
  OperationAborted: AGAIN,
  RequestTimeout: AGAIN,
  SlowDown: AGAIN,
  SlowDownRead: AGAIN,
  SlowDownWrite: AGAIN,
  Throttling: AGAIN,
  ThrottlingException: AGAIN,
  RequestLimitExceeded: AGAIN,
  BandwidthLimitExceeded: AGAIN,
  ServiceUnavailable: AGAIN,
  InternalError: AGAIN,
  IncompleteBody: AGAIN,
  BadDigest: { kind: "damaged", retries: DAMAGE_RETRIES },
  InvalidDigest: { kind: "damaged", retries: DAMAGE_RETRIES },
  XAmzContentSHA256Mismatch: { kind: "damaged", retries: DAMAGE_RETRIES },
  XAmzContentChecksumMismatch: { kind: "damaged", retries: DAMAGE_RETRIES },
  BadBytesError: { kind: "damaged", retries: DAMAGE_RETRIES },
  QuotaExceeded: { kind: "full", ...FOR_GOOD, hint: FULL_HINT },
  XMinioStorageFull: { kind: "full", ...FOR_GOOD, hint: FULL_HINT },
  InsufficientStorage: { kind: "full", ...FOR_GOOD, hint: FULL_HINT },
  EntityTooLarge: { kind: "unsupported", ...FOR_GOOD, hint: "The store limits the size of objects." },
  PermanentRedirect: { kind: "denied", ...FOR_GOOD, hint: REGION_HINT },
  AuthorizationHeaderMalformed: { kind: "denied", ...FOR_GOOD, hint: REGION_HINT },
  IllegalLocationConstraintException: { kind: "denied", ...FOR_GOOD, hint: REGION_HINT },
  NotImplemented: { kind: "unsupported", ...FOR_GOOD },
  MethodNotAllowed: { kind: "unsupported", ...FOR_GOOD },
};

/** Judges what a request threw. @param what Such as "put s3://b/x". */
export function judgeFault(cause: unknown, what: string, secrets: Secrets): Failure {
  if (cause instanceof StoreError) return { error: cause, retries: 0, maybeDone: false };
  const said = faultOf(cause);
  const meaning = meaningOf(said, cause);
  // Whatever part of an answer is kept: a store may repeat in it what it was sent.
  const fault = { ...said, code: secrets.strike(said.code).slice(0, MAX_CODE) };
  const isNamed = fault.code !== "" && fault.status !== 0;
  const words = secrets.strike(wordsOf(fault));
  const told = isNamed ? `${words} (${fault.status} ${fault.code})` : words;
  const hint = secrets.strike(hintOf(meaning, fault));
  const waitMs = Number(fault.headers["retry-after"]) * 1000;
  return {
    // Not given as the cause: the SDK's errors carry requests and answers.
    error: new S3Error(`Cannot ${what}: ${told}`, {
      kind: meaning.kind,
      hint,
      fault,
    }),
    retries: meaning.retries,
    maybeDone: fault.status === 0 || fault.status >= 500 || fault.status === 409,
    ...(waitMs > 0 ? { waitMs } : {}),
  };
}

function wordsOf({ message, status, code }: S3Fault): string {
  const isEmpty = message === "" || message === "UnknownError" || message === "Unknown" || message === code;
  if (!isEmpty) return message.replace(/\.$/, "");
  return status === 0 ? "no answer" : `the store answered ${status}`;
}

function meaningOf({ code, status, message }: S3Fault, cause: unknown): Meaning {
  const byCode = BY_CODE[code];
  if (byCode) return byCode;
  if (status === 401 || status === 403) return { kind: "denied", ...FOR_GOOD, hint: RIGHTS_HINT };
  // Without a body, as HEAD gives it. With a code that we do not know it is not the object that is missing.
  if (status === 404) {
    return { kind: code === "" || code === "NotFound" ? "missing" : "unsupported", ...FOR_GOOD };
  }
  if (status === 412) return { kind: "precondition", ...FOR_GOOD };
  if (status === 408 || status === 409 || status === 425 || status === 429) return AGAIN;
  if (status === 301 || status === 307 || status === 308) {
    return { kind: "denied", ...FOR_GOOD, hint: REGION_HINT };
  }
  if (status === 501 || status === 405) return { kind: "unsupported", ...FOR_GOOD };
  if (status === 507) return { kind: "full", ...FOR_GOOD, hint: FULL_HINT };
  if (status >= 500) return AGAIN;
  // The answer to a HEAD has no body, so one that would pass (RequestTimeout) looks like one that would not.
  if (status === 400 && code === "") return { kind: "unsupported", retries: NAMELESS_RETRIES };
  if (status !== 0) return { kind: "unsupported", ...FOR_GOOD };
  if (/certificate|UnknownIssuer|NotValidForName|CertNotValid/i.test(message)) {
    return {
      kind: "unavailable",
      ...FOR_GOOD,
      hint:
        "The store's certificate is not trusted: give its CA certificate, or use a name that the certificate has.",
    };
  }
  if (/received corrupt message|InvalidContentType/i.test(message)) {
    return { kind: "unavailable", ...FOR_GOOD, hint: "The endpoint does not speak TLS: use http:// there." };
  }
  return {
    ...AGAIN,
    hint: cause instanceof StalledError ? "" : "Check the endpoint's address and the network.",
  };
}

function hintOf(meaning: Meaning, fault: S3Fault): string {
  const region = fault.headers["x-amz-bucket-region"];
  if (meaning.hint === REGION_HINT && region) return `${REGION_HINT} The store says: ${region.slice(0, 40)}.`;
  const date = Date.parse(fault.headers["date"] ?? "");
  if (fault.code === "RequestTimeTooSkewed" && Number.isFinite(date)) {
    return `${meaning.hint} The store's clock says ${new Date(date).toISOString()}.`;
  }
  return meaning.hint ?? "";
}
