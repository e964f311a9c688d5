/**
 * Writing an object in one request, and finding out what became of a write whose answer was lost.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Attempt } from "./retry.ts";
import { BadAnswerError, faultOf, type S3Error } from "./s3_errors.ts";
import { lockOf } from "./s3_lock.ts";
import { type FoundObject, MARK, type S3Link, type S3Requests } from "./s3_requests.ts";
import { type PutCondition, StoreError } from "./store.ts";

/** Bytes that only this thread can see, as requests need them. */
export type OwnBytes = Uint8Array<ArrayBuffer>;

export interface WholePut {
  readonly bytes: OwnBytes;
  /** Of `bytes`. */
  readonly sha256: OwnBytes;
  readonly condition: PutCondition;
  readonly signal: AbortSignal | undefined;
}

/** @returns The etag. @throws {StoreError} "precondition" */
export async function putWhole(requests: S3Requests, name: string, put: WholePut): Promise<string> {
  const { bytes, sha256, condition, signal } = put;
  const mark = crypto.randomUUID();
  let maybeDone = false;
  const settings = { what: `put ${requests.placeOf(name)}`, silentBytes: bytes.length, signal };
  try {
    return await requests.call(settings, async ({ s3, client }, attempt) => {
      maybeDone = attempt.maybeDone;
      const command = new s3.PutObjectCommand({
        ...requests.key(name),
        Body: bytes,
        ContentLength: bytes.length,
        ...checksumOf(requests, sha256),
        ...headersOf(requests, { name, mark }),
        ...conditionOf(condition),
      });
      s3.signWith(command, toHex(sha256));
      const answer = await sendChecked(
        requests,
        condition,
        () => client.send(command, { abortSignal: attempt.signal }),
      );
      if (!answer.ETag) throw new BadAnswerError("the answer has no etag");
      return answer.ETag;
    });
  } catch (error) {
    if (!isRefusal(error, condition)) throw error;
    // Looked for even when no answer was missed: `fetch` sends a request again by itself, without saying so, when the
    // server ends a kept connection instead of answering.
    const own = await ownWrite(requests, name, {
      mark,
      sizeBytes: bytes.length,
      sha256: maybeDone ? toBase64(sha256) : undefined,
      signal,
    });
    if (own) return own.etag;
    throw refused(requests, name, condition);
  }
}

/** Sends, and takes note if the store wants no checksums: the next try goes without them. */
export async function sendChecked<T>(
  requests: S3Requests,
  condition: PutCondition,
  send: () => Promise<T>,
): Promise<T> {
  try {
    return await send();
  } catch (cause) {
    const { code, status, message } = faultOf(cause);
    const isAboutChecksums = status === 400 && code !== "BadDigest" && code !== "InvalidDigest" &&
      /not (supported|implemented|allowed)|unsupported|unexpected/i.test(message) &&
      /checksum/i.test(message);
    // With a condition it may be that which is not implemented.
    const isMissing = status === 501 && (condition === undefined || /checksum/i.test(message));
    if (requests.refusesChecksums || !(isAboutChecksums || isMissing)) throw cause;
    requests.refusesChecksums = true;
    throw new BadAnswerError("the store takes no SHA-256 checksums; going on without them");
  }
}

/** Headers of a write. */
export function headersOf(requests: S3Requests, { name, mark }: { name: string; mark: string }) {
  const storageClass = requests.options.storageClass?.(name);
  return {
    ...lockOf(requests, name),
    Metadata: { [MARK]: mark },
    ContentType: "application/octet-stream",
    // Stores differ in which they know: the type that the SDK has is not the whole list.
    ...(storageClass === undefined ? {} : { StorageClass: storageClass as "STANDARD" }),
  };
}

export function checksumOf(requests: S3Requests, sha256: Uint8Array): { readonly ChecksumSHA256?: string } {
  return requests.refusesChecksums ? {} : { ChecksumSHA256: toBase64(sha256) };
}

/** Headers of a condition. */
export function conditionOf(
  condition: PutCondition,
): { readonly IfNoneMatch?: string; readonly IfMatch?: string } {
  if (condition === undefined) return {};
  return "ifAbsent" in condition ? { IfNoneMatch: "*" } : { IfMatch: condition.ifMatch };
}

/** Whether the store says that the condition does not hold; for `ifMatch` also because there is nothing. */
export function isRefusal(error: unknown, condition: PutCondition): error is S3Error {
  if (condition === undefined || !(error instanceof StoreError)) return false;
  if (error.kind === "precondition") return true;
  return error.kind === "missing" && "ifMatch" in condition && (error as S3Error).code === "NoSuchKey";
}

/** The error of a condition that did not hold. */
export function refused(requests: S3Requests, name: string, condition: PutCondition): StoreError {
  const reason = condition && "ifMatch" in condition
    ? "it was replaced or deleted by another writer"
    : "there is one already";
  return new StoreError(`Cannot put ${requests.placeOf(name)}: ${reason}`, { kind: "precondition" });
}

export interface OwnWrite {
  readonly mark: string;
  readonly sizeBytes: number;
  /** Base64, of all bytes; undefined: the mark alone counts. */
  readonly sha256: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * What is stored, if this very write made it. The mark in its metadata tells; where a store keeps no metadata, and a
 * try is known to have gone unanswered, the same bytes do.
 */
export async function ownWrite(
  requests: S3Requests,
  name: string,
  { mark, sizeBytes, sha256, signal }: OwnWrite,
): Promise<FoundObject | undefined> {
  const found = await requests.head(name, signal);
  if (!found || found.sizeBytes !== sizeBytes) return undefined;
  if (found.mark !== undefined) return found.mark === mark ? found : undefined;
  if (sha256 === undefined) return undefined;
  if (found.sha256 !== undefined) return found.sha256 === sha256 ? found : undefined;
  const bytes = await getForComparison(requests, name, { etag: found.etag, signal });
  return createHash("sha256").update(bytes).digest("base64") === sha256 ? found : undefined;
}

/** Only objects of one part get here, so they fit into memory. */
function getForComparison(
  requests: S3Requests,
  name: string,
  { etag, signal }: { etag: string; signal: AbortSignal | undefined },
): Promise<Uint8Array> {
  const read = async ({ s3, client }: S3Link, attempt: Attempt): Promise<Uint8Array> => {
    const command = new s3.GetObjectCommand({ ...requests.key(name), IfMatch: etag });
    const { Body: body } = await client.send(command, { abortSignal: attempt.signal });
    if (!body) throw new BadAnswerError("the answer has no bytes");
    return await body.transformToByteArray();
  };
  return requests.call({ what: `get ${requests.placeOf(name)}`, signal }, read);
}

/** Requests and hashes refuse memory that other threads share. */
export function ownBytes(bytes: Uint8Array): OwnBytes {
  return bytes.buffer instanceof ArrayBuffer ? bytes as OwnBytes : new Uint8Array(bytes);
}

/** Outside of the calling thread. */
export async function sha256Of(bytes: OwnBytes): Promise<OwnBytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}
