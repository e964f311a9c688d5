/**
 * A bucket of an S3 store, AWS's or any other's that speaks its protocol.
 *
 * Invariants
 * - No answer is believed that lacks what success must have: an etag, all bytes, the hash that was sent.
 * - A conditional write whose answer was lost is settled by looking for the mark of this very write in what is stored:
 *   it is neither reported as refused when it was done, nor as done when somebody else's was. (A caller whose write
 *   was done and then replaced by another's hears "precondition": what it wrote is not there any more.)
 * - Memory: `partBytes` x `parallelParts` and a constant, whatever the number of calls and the size of objects; `get`
 *   and `put` hold one object.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { assertName, assertPrefix } from "./names.ts";
import type { ChecksumTrial } from "./probe.ts";
import { Slots } from "./retry.ts";
import { abortUploads, deleteObjects } from "./s3_delete.ts";
import { BadAnswerError, BadBytesError } from "./s3_errors.ts";
import {
  checkS3Options,
  DEFAULT_PARALLEL_PARTS,
  DEFAULT_PART_BYTES,
  type S3StoreOptions,
} from "./s3_options.ts";
import { lockState, storeLock } from "./s3_lock.ts";
import { putInParts, wrongSource } from "./s3_parts.ts";
import { ownBytes, putWhole, sha256Of, toBase64, toHex } from "./s3_put.ts";
import { isMissingObject, S3Requests } from "./s3_requests.ts";
import { streamObject } from "./s3_stream.ts";
import { storeVersions } from "./s3_versions.ts";
import type {
  ByteRange,
  CallOptions,
  LockState,
  ObjectInfo,
  ObjectSource,
  ObjectStore,
  ObjectVersions,
  PutFileOptions,
  PutOptions,
  StoreLock,
} from "./store.ts";

export type { S3Credentials, S3StoreOptions } from "./s3_options.ts";

/** Opens a bucket; connects at the first call. @throws {StoreError} "unsupported": an option that cannot work. */
export function openS3Store(options: S3StoreOptions): ObjectStore {
  checkS3Options(options);
  return new S3Store(options);
}

class S3Store implements ObjectStore, ChecksumTrial {
  readonly place: string;
  readonly lock: StoreLock | undefined;
  readonly versions: ObjectVersions;
  readonly #requests: S3Requests;
  readonly #partBytes: number;
  readonly #parallelParts: number;
  readonly #slots: Slots;

  constructor(options: S3StoreOptions) {
    this.#requests = new S3Requests(options);
    this.place = this.#requests.place;
    this.#partBytes = options.partBytes ?? DEFAULT_PART_BYTES;
    this.#parallelParts = options.parallelParts ?? DEFAULT_PARALLEL_PARTS;
    this.#slots = new Slots(this.#parallelParts);
    this.lock = storeLock(this.#requests);
    this.versions = storeVersions(this.#requests);
  }

  async head(name: string, { signal }: CallOptions = {}): Promise<ObjectInfo | undefined> {
    const found = await this.#requests.head(name, signal);
    if (!found) return undefined;
    const { mark: _mark, sha256: _sha256, ...info } = found;
    return info;
  }

  async get(
    name: string,
    { signal }: CallOptions = {},
  ): Promise<{ readonly bytes: Uint8Array; readonly etag: string } | undefined> {
    const what = `get ${this.#requests.placeOf(name)}`;
    try {
      return await this.#requests.call({ what, signal }, async ({ s3, client }, attempt) => {
        const command = new s3.GetObjectCommand(this.#requests.key(name));
        s3.askForChecksum(command);
        const answer = await client.send(command, { abortSignal: attempt.signal });
        const { ETag: etag, Body: body, ContentLength: length, ChecksumSHA256: sha256 } = answer;
        if (!etag || !body) throw new BadAnswerError("the answer has no etag");
        const pieces: Uint8Array[] = [];
        for await (const piece of body.transformToWebStream() as ReadableStream<Uint8Array>) {
          attempt.progress();
          pieces.push(piece);
        }
        const bytes = joined(pieces);
        if (length !== undefined && bytes.length !== length) {
          throw new BadAnswerError(`${bytes.length} of ${length} bytes came`);
        }
        // A hash of hashes, as uploads in parts have, ends in "-<parts>" and says nothing here.
        if (
          sha256 && !sha256.includes("-") && createHash("sha256").update(bytes).digest("base64") !== sha256
        ) {
          throw new BadBytesError("the bytes that came do not have the SHA-256 that the store has noted");
        }
        return { bytes, etag };
      });
    } catch (error) {
      if (isMissingObject(error)) return undefined;
      throw error;
    }
  }

  stream(
    name: string,
    { signal, range }: CallOptions & { readonly range?: ByteRange } = {},
  ): AsyncIterable<Uint8Array> {
    assertName(name);
    return streamObject(this.#requests, name, { signal, ...(range ? { range } : {}) });
  }

  async put(name: string, bytes: Uint8Array, { signal, condition }: PutOptions = {}): Promise<string> {
    const own = ownBytes(bytes);
    return await putWhole(this.#requests, name, {
      bytes: own,
      sha256: await sha256Of(own),
      condition,
      signal,
    });
  }

  async putFile(name: string, source: ObjectSource, options: PutFileOptions = {}): Promise<void> {
    if (source.sizeBytes > this.#partBytes) {
      const settings = {
        partBytes: this.#partBytes,
        parallelParts: this.#parallelParts,
        slots: this.#slots,
      };
      return await putInParts(this.#requests, name, { ...options, source, settings });
    }
    await this.#slots.use(async () => {
      const bytes = ownBytes(await source.read(0, source.sizeBytes));
      const sha256 = await sha256Of(bytes);
      const found = toHex(sha256);
      if (found !== source.sha256) {
        throw wrongSource(`put ${this.#requests.placeOf(name)}`, { found, wanted: source.sha256 });
      }
      const { condition, signal, onSent } = options;
      await putWhole(this.#requests, name, { bytes, sha256, condition, signal });
      onSent?.(bytes.length);
    });
  }

  async *list(prefix: string, { signal }: CallOptions = {}): AsyncGenerator<ObjectInfo> {
    assertPrefix(prefix);
    const { bucket, prefix: own } = this.#requests;
    const what = `list ${this.place}/${prefix}`;
    let token: string | undefined;
    do {
      const from: string | undefined = token;
      const page = await this.#requests.call({ what, signal }, async ({ s3, client }, attempt) => {
        const command = new s3.ListObjectsV2Command({
          Bucket: bucket,
          Prefix: own + prefix,
          ...(from === undefined ? {} : { ContinuationToken: from }),
        });
        const answer = await client.send(command, { abortSignal: attempt.signal });
        // Every store gives one of these; an error that is dressed up as success none.
        if (answer.IsTruncated === undefined && answer.KeyCount === undefined && answer.Name === undefined) {
          throw new BadAnswerError("the answer is no list");
        }
        if (answer.IsTruncated && !answer.NextContinuationToken) {
          throw new BadAnswerError("the list goes on, but the store does not say where");
        }
        return answer;
      });
      for (const { Key: key, Size: sizeBytes, ETag: etag, LastModified: modified } of page.Contents ?? []) {
        if (key === undefined || sizeBytes === undefined || !key.startsWith(own + prefix)) continue;
        yield {
          name: key.slice(own.length),
          sizeBytes,
          etag: etag ?? "",
          modifiedMs: modified?.getTime() ?? 0,
        };
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async delete(names: readonly string[], { signal }: CallOptions = {}): Promise<void> {
    await deleteObjects(this.#requests, names, signal);
  }

  async abortUploads(prefix: string, { signal }: CallOptions = {}): Promise<number> {
    return await abortUploads(this.#requests, prefix, signal);
  }

  objectLock({ signal }: CallOptions = {}): Promise<LockState> {
    return lockState(this.#requests, signal);
  }

  /** For the probe: a right signature, so that only the checksum can be what is refused. */
  async putWrongChecksum(name: string, bytes: Uint8Array, { signal }: CallOptions = {}): Promise<void> {
    const what = `put ${this.#requests.placeOf(name)} with a wrong checksum`;
    const Body = ownBytes(bytes);
    const wrong = toBase64(await sha256Of(new Uint8Array([...bytes, 0])));
    const { s3, client } = await this.#requests.link();
    const command = new s3.PutObjectCommand({ ...this.#requests.key(name), Body, ChecksumSHA256: wrong });
    s3.signWith(command, toHex(await sha256Of(Body)));
    try {
      await client.send(command, signal ? { abortSignal: signal } : {});
    } catch (cause) {
      throw this.#requests.judge(cause, what).error;
    }
  }

  close(): void {
    this.#requests.close();
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
