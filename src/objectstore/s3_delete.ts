/**
 * Deleting objects, and uploads that nobody finished.
 *
 * @module
 */
import { assertName, assertPrefix } from "./names.ts";
import { BadAnswerError, S3Error } from "./s3_errors.ts";
import type { S3Requests } from "./s3_requests.ts";
import { StoreError } from "./store.ts";

/** Names in one request, by S3's limit. */
const BATCH = 1000;

/** Requests at a time where they go one by one. */
const PARALLEL = 8;

/** The store cannot delete several at once: learnt from its first answer. */
const deletesSingly = new WeakSet<S3Requests>();

interface Failed {
  readonly name: string;
  readonly error: StoreError;
}

/** Tries all. @throws {StoreError} The first failure, and how many more there were. */
export async function deleteObjects(
  requests: S3Requests,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  names.forEach(assertName);
  const failed: Failed[] = [];
  for (let at = 0; at < names.length; at += BATCH) {
    const batch = names.slice(at, at + BATCH);
    const rest = batch.length === 1 || deletesSingly.has(requests)
      ? batch
      : await deleteBatch(requests, batch, signal);
    failed.push(...await deleteEach(requests, rest, signal));
  }
  const [first] = failed;
  if (!first) return;
  const more = failed.length === 1 ? "" : `; ${failed.length} of ${names.length} failed`;
  throw new StoreError(`${first.error.message}${more}`, { kind: first.error.kind, hint: first.error.hint });
}

/** @returns Names that are to be deleted one by one: a batch does not say well what is wrong with one of them. */
async function deleteBatch(
  requests: S3Requests,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const what = `delete ${names.length} objects of ${requests.place}`;
  try {
    return await requests.call({ what, signal }, async ({ s3, client }, attempt) => {
      const Objects = names.map((name) => ({ Key: requests.key(name).Key }));
      const command = new s3.DeleteObjectsCommand({
        Bucket: requests.bucket,
        Delete: { Objects },
      });
      const answer = await client.send(command, { abortSignal: attempt.signal });
      // Each name is answered for: as deleted (also when it was not there) or with an error.
      const deleted = new Set((answer.Deleted ?? []).map(({ Key }) => Key));
      if (deleted.size === 0 && (answer.Errors ?? []).length === 0) {
        throw new BadAnswerError("the answer names no object");
      }
      return names.filter((name) => !deleted.has(requests.key(name).Key));
    });
  } catch (error) {
    if (!(error instanceof S3Error) || error.kind !== "unsupported") throw error;
    deletesSingly.add(requests);
    return names;
  }
}

async function deleteEach(
  requests: S3Requests,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly Failed[]> {
  const failed: Failed[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < names.length) {
      const name = names[next++]!;
      try {
        await deleteOne(requests, name, signal);
      } catch (error) {
        if (!(error instanceof StoreError) || error.kind === "cancelled") throw error;
        failed.push({ name, error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, names.length) }, work));
  return failed;
}

async function deleteOne(requests: S3Requests, name: string, signal: AbortSignal | undefined): Promise<void> {
  const what = `delete ${requests.placeOf(name)}`;
  try {
    await requests.call({ what, signal }, async ({ s3, client }, attempt) => {
      const command = new s3.DeleteObjectCommand(requests.key(name));
      await client.send(command, { abortSignal: attempt.signal });
    });
  } catch (error) {
    const isGone = error instanceof S3Error && error.kind === "missing" && error.code !== "NoSuchBucket";
    if (!isGone) throw error;
  }
}

/** Where a list of uploads goes on. */
interface Markers {
  readonly KeyMarker?: string;
  readonly UploadIdMarker?: string;
}

/** @returns How many were ended. */
export async function abortUploads(
  requests: S3Requests,
  prefix: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  assertPrefix(prefix);
  const what = `list unfinished uploads of ${requests.place}/${prefix}`;
  let count = 0;
  let markers: Markers | undefined = {};
  while (markers) {
    const from: Markers = markers;
    const page = await requests.call({ what, signal }, ({ s3, client }, attempt) => {
      const where = { Bucket: requests.bucket, Prefix: requests.prefix + prefix, ...from };
      return client.send(new s3.ListMultipartUploadsCommand(where), { abortSignal: attempt.signal });
    });
    for (const { Key: key, UploadId: uploadId } of page.Uploads ?? []) {
      if (key === undefined || uploadId === undefined || !key.startsWith(requests.prefix + prefix)) continue;
      await abortUpload(requests, { key, uploadId, signal });
      count++;
    }
    markers = page.IsTruncated && page.NextKeyMarker
      ? {
        KeyMarker: page.NextKeyMarker,
        ...(page.NextUploadIdMarker ? { UploadIdMarker: page.NextUploadIdMarker } : {}),
      }
      : undefined;
  }
  return count;
}

async function abortUpload(
  requests: S3Requests,
  { key, uploadId, signal }: { key: string; uploadId: string; signal: AbortSignal | undefined },
): Promise<void> {
  const what = `end an unfinished upload of s3://${requests.bucket}/${key}`;
  try {
    await requests.call({ what, signal }, ({ s3, client }, attempt) => {
      const command = new s3.AbortMultipartUploadCommand({
        Bucket: requests.bucket,
        Key: key,
        UploadId: uploadId,
      });
      return client.send(command, { abortSignal: attempt.signal });
    });
  } catch (error) {
    // Finished or ended meanwhile: what was wanted.
    if (!(error instanceof S3Error) || error.code !== "NoSuchUpload") throw error;
  }
}
