/**
 * Older versions of objects, where a bucket keeps them.
 *
 * @module
 */
import { assertPrefix } from "./names.ts";
import { BadAnswerError } from "./s3_errors.ts";
import { headersOf } from "./s3_put.ts";
import type { S3Requests } from "./s3_requests.ts";
import { type CallOptions, type ObjectVersion, type ObjectVersions, StoreError } from "./store.ts";

interface Markers {
  readonly KeyMarker?: string;
  readonly VersionIdMarker?: string;
}

export function storeVersions(requests: S3Requests): ObjectVersions {
  return {
    list: (prefix, options) => listVersions(requests, prefix, options),
    get: async (name, versionId, { signal } = {}) => {
      const what = `get a version of ${requests.placeOf(name)}`;
      const found = await requests.call({ what, signal }, async ({ s3, client }, attempt) => {
        const command = new s3.GetObjectCommand({ ...requests.key(name), VersionId: versionId });
        const { Body: body, ContentLength: length } = await client.send(command, {
          abortSignal: attempt.signal,
        });
        if (!body) throw new BadAnswerError("the answer has no bytes");
        const bytes = await body.transformToByteArray();
        if (length !== undefined && bytes.length !== length) {
          throw new BadAnswerError(`${bytes.length} of ${length} bytes came`);
        }
        return bytes;
      });
      return found;
    },
    restore: async (name, versionId, { signal } = {}) => {
      const what = `bring back a version of ${requests.placeOf(name)}`;
      const { Bucket, Key } = requests.key(name);
      await requests.call({ what, signal }, async ({ s3, client }, attempt) => {
        const command = new s3.CopyObjectCommand({
          Bucket,
          Key,
          CopySource: `${Bucket}/${Key}?versionId=${encodeURIComponent(versionId)}`,
          // Else some stores refuse to copy an object onto itself, though it is another version.
          MetadataDirective: "REPLACE",
          ...headersOf(requests, { name, mark: crypto.randomUUID() }),
        });
        const answer = await client.send(command, { abortSignal: attempt.signal });
        if (!answer.CopyObjectResult?.ETag) throw new BadAnswerError("the answer has no etag");
      });
    },
  };
}

async function* listVersions(
  requests: S3Requests,
  prefix: string,
  { signal }: CallOptions = {},
): AsyncGenerator<ObjectVersion> {
  assertPrefix(prefix);
  const own = requests.prefix;
  const what = `list versions of ${requests.place}/${prefix}`;
  let markers: Markers | undefined = {};
  while (markers) {
    const from: Markers = markers;
    const page = await requests.call({ what, signal }, ({ s3, client }, attempt) => {
      const where = { Bucket: requests.bucket, Prefix: own + prefix, ...from };
      return client.send(new s3.ListObjectVersionsCommand(where), { abortSignal: attempt.signal });
    });
    const entries = [
      ...(page.Versions ?? []).map((version) => ({ ...version, sizeBytes: version.Size ?? 0 })),
      ...(page.DeleteMarkers ?? []).map((mark) => ({ ...mark, sizeBytes: -1 })),
    ];
    for (const { Key: key, VersionId: versionId, LastModified: modified, IsLatest, sizeBytes } of entries) {
      if (key === undefined || versionId === undefined || !key.startsWith(own + prefix)) continue;
      yield {
        name: key.slice(own.length),
        versionId,
        sizeBytes,
        modifiedMs: modified?.getTime() ?? 0,
        isCurrent: IsLatest === true,
      };
    }
    if (page.IsTruncated && !page.NextKeyMarker) {
      throw new StoreError(`Cannot ${what}: the list goes on, but the store does not say where`, {
        kind: "unavailable",
      });
    }
    markers = page.IsTruncated
      ? {
        KeyMarker: page.NextKeyMarker!,
        ...(page.NextVersionIdMarker ? { VersionIdMarker: page.NextVersionIdMarker } : {}),
      }
      : undefined;
  }
}
