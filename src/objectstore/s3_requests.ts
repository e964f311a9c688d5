/**
 * What all calls of one bucket share: the connection, made at the first of them; tries; names; errors.
 *
 * @module
 */
import { systemClock } from "../os/clock.ts";
import { assertName } from "./names.ts";
import { type Attempt, type AttemptOptions, type Failure, type RetryOptions, withRetries } from "./retry.ts";
import type { S3Connection } from "./s3_client.ts";
import { BadAnswerError, judgeFault, S3Error } from "./s3_errors.ts";
import { DEFAULT_GIVE_UP_MS, DEFAULT_TIMEOUT_MS, type S3StoreOptions } from "./s3_options.ts";
import { Secrets } from "./secrets.ts";
import { type ObjectInfo, StoreError } from "./store.ts";

/** The loaded SDK and a client. */
export interface S3Link {
  readonly s3: typeof import("./s3_client.ts");
  readonly client: S3Connection["client"];
}

/** What is done to what, and how long. */
export type CallSettings = Omit<AttemptOptions, "judge" | "onRetry" | "signal"> & {
  readonly signal: AbortSignal | undefined;
};

/** An object, with what only our own writes look at. */
export interface FoundObject extends ObjectInfo {
  /** Which write made it; undefined when the store keeps no metadata, or somebody else wrote it. */
  readonly mark: string | undefined;
  /** Base64; of all bytes or, ending in `-<parts>`, of the parts' hashes; undefined when the store keeps none. */
  readonly sha256: string | undefined;
}

/** In an object's metadata: which write made it. */
export const MARK = "xerj-put";

export class S3Requests {
  /** `s3://bucket/prefix` */
  readonly place: string;
  readonly bucket: string;
  /** "" or ending in a slash. */
  readonly prefix: string;
  readonly retry: RetryOptions;
  readonly options: S3StoreOptions;
  /** Set when the store refuses SHA-256 checksums; the signature covers every byte all the same. */
  refusesChecksums = false;
  readonly #secrets = new Secrets();
  #connection: Promise<S3Link & { readonly close: () => void }> | undefined;
  #isClosed = false;
  /** Whether any request has succeeded: bucket and credentials are right. */
  #isKnown = false;

  constructor(options: S3StoreOptions) {
    const { bucket, prefix = "", credentials } = options;
    this.options = options;
    this.bucket = bucket;
    this.prefix = prefix === "" ? "" : `${prefix}/`;
    this.place = `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
    this.#secrets.add(credentials?.accessKey, credentials?.secretKey, credentials?.sessionToken);
    this.retry = {
      giveUpAfterMs: options.giveUpAfterMs ?? DEFAULT_GIVE_UP_MS,
      attemptTimeoutMs: options.requestTimeoutMs ?? DEFAULT_TIMEOUT_MS,
      clock: options.clock ?? systemClock(),
    };
  }

  key(name: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.bucket, Key: this.prefix + name };
  }

  placeOf(name: string): string {
    assertName(name);
    return `${this.place}/${name}`;
  }

  async link(): Promise<S3Link> {
    if (this.#isClosed) throw new StoreError(`Cannot use ${this.place}: it is closed`, { kind: "cancelled" });
    this.#connection ??= this.#connect();
    try {
      return await this.#connection;
    } catch (error) {
      this.#connection = undefined;
      throw error;
    }
  }

  async #connect(): Promise<S3Link & { readonly close: () => void }> {
    const s3 = await import("./s3_client.ts");
    const { client, close } = await s3.connectS3(this.options, this.#secrets);
    return { s3, client, close };
  }

  /** One request, tried until it succeeds. @throws {StoreError} */
  async call<T>(settings: CallSettings, run: (link: S3Link, attempt: Attempt) => Promise<T>): Promise<T> {
    const { signal, ...rest } = settings;
    const link = await this.link();
    const result = await withRetries((attempt) => run(link, attempt), this.retry, {
      ...rest,
      ...(signal ? { signal } : {}),
      judge: (cause) => this.judge(cause, settings.what),
      onRetry: (failure) => this.tellRetry(failure),
    });
    this.#isKnown = true;
    return result;
  }

  judge(cause: unknown, what: string): Failure {
    return judgeFault(cause, what, this.#secrets);
  }

  tellRetry(failure: Failure): void {
    this.options.onRetry?.(failure.error.message);
  }

  /** undefined: there is no such object. */
  async head(name: string, signal: AbortSignal | undefined): Promise<FoundObject | undefined> {
    const what = `look at ${this.placeOf(name)}`;
    try {
      return await this.call({ what, signal }, async ({ s3, client }, attempt) => {
        const command = new s3.HeadObjectCommand({ ...this.key(name), ChecksumMode: "ENABLED" });
        const answer = await client.send(command, { abortSignal: attempt.signal });
        if (!answer.ETag || answer.ContentLength === undefined) {
          throw new BadAnswerError("the answer has no etag or no length");
        }
        return {
          name,
          sizeBytes: answer.ContentLength,
          etag: answer.ETag,
          modifiedMs: answer.LastModified?.getTime() ?? 0,
          mark: answer.Metadata?.[MARK],
          sha256: answer.ChecksumSHA256,
          ...(answer.ObjectLockRetainUntilDate
            ? { lockedUntilMs: answer.ObjectLockRetainUntilDate.getTime() }
            : {}),
        };
      });
    } catch (error) {
      if (!isMissingObject(error)) throw error;
      if (!this.#isKnown) await this.#confirmMissing(name, signal);
      return undefined;
    }
  }

  /**
   * A HEAD's 404 has no body, so it may mean that the bucket or even the user is missing. Asked again by GET, once:
   * nobody must take a wrong bucket for an empty one.
   *
   * @throws {StoreError} It is not the object that is missing.
   */
  async #confirmMissing(name: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.call({ what: `look at ${this.placeOf(name)}`, signal }, async ({ s3, client }, attempt) => {
        const answer = await client.send(new s3.GetObjectCommand(this.key(name)), {
          abortSignal: attempt.signal,
        });
        // Written meanwhile.
        await answer.Body?.transformToWebStream().cancel();
      });
    } catch (error) {
      if (!isMissingObject(error)) throw error;
      this.#isKnown = true;
    }
  }

  close(): void {
    this.#isClosed = true;
    // A connection that failed has told its caller, and holds nothing.
    this.#connection?.then(({ close }) => close(), () => undefined);
  }
}

/** Whether there is no such object, in a bucket that is there as far as the answer says. */
export function isMissingObject(error: unknown): boolean {
  return error instanceof S3Error && error.kind === "missing" && error.code !== "NoSuchBucket";
}
