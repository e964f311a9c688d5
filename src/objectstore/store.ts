/**
 * What a backup needs of a place that keeps objects: whole objects under names, written at once or not at all.
 * A bucket (`s3_store.ts`) or a directory of a mounted disk (`directory_store.ts`).
 *
 * Invariants
 * - An object that can be read is whole: a reader never sees half of one.
 * - What `put` and `putFile` return for is durable as far as the store promises it.
 * - Bytes are checked against the SHA-256 that the caller gives, on their way in, by the store where it can.
 *
 * @module
 */

/** What went wrong, as far as the caller's next step depends on it. */
export type StoreErrorKind =
  /** The condition of a `put` did not hold. */
  | "precondition"
  /** There is no such object (or bucket: `StoreError.hint` says). */
  | "missing"
  /** Credentials are wrong or may not do this. */
  | "denied"
  /** Retried until the budget was used up: the network, the store, or its rate limits. */
  | "unavailable"
  /** Bytes arrived that are not those that were sent, or too few. */
  | "damaged"
  /** No room: of the disk or a quota. */
  | "full"
  /** The store cannot do what was asked. */
  | "unsupported"
  /** The caller's signal. */
  | "cancelled";

/** A failed call. Its message names operation, place and cause, with no secret in it, and is fit for a user. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly kind: StoreErrorKind;
  /** What to do about it; "" when the message says enough. */
  readonly hint: string;

  constructor(
    message: string,
    options: { readonly kind: StoreErrorKind; readonly hint?: string; readonly cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.kind = options.kind;
    this.hint = options.hint ?? "";
  }
}

/** An object as the store describes it. */
export interface ObjectInfo {
  readonly name: string;
  readonly sizeBytes: number;
  /** Opaque; changes whenever the bytes do. Quoted or not as the store gives it. */
  readonly etag: string;
  /** ms since the epoch, by the store's clock. */
  readonly modifiedMs: number;
  /** ms since the epoch; absent: it is not locked, or the store does not say. */
  readonly lockedUntilMs?: number;
}

/** A version of an object that the store has kept, or the mark of its deletion. */
export interface ObjectVersion {
  readonly name: string;
  readonly versionId: string;
  /** -1: a mark of its deletion. */
  readonly sizeBytes: number;
  /** ms since the epoch, by the store's clock. */
  readonly modifiedMs: number;
  /** What a reader gets who names no version. */
  readonly isCurrent: boolean;
}

/** Older versions of objects, where a bucket keeps them. */
export interface ObjectVersions {
  /** Of all objects whose names begin so, in no certain order. */
  list(prefix: string, options?: CallOptions): AsyncIterable<ObjectVersion>;
  /** All of a small object. @throws {StoreError} "missing" */
  get(name: string, versionId: string, options?: CallOptions): Promise<Uint8Array>;
  /** Makes a copy of the version the current one; none is deleted. */
  restore(name: string, versionId: string, options?: CallOptions): Promise<void>;
}

/** Objects that nobody can delete for some time. What is written is locked by itself. */
export interface StoreLock {
  /** What is in use stays locked for so long at least. */
  readonly leastMs: number;
  /** Locks an object's current version anew, for longer. @throws {StoreError} "denied", "unsupported" */
  extend(name: string, options?: CallOptions): Promise<void>;
}

/** Whether a bucket can lock objects; "unknown": the credentials may not ask. */
export type LockState = "on" | "off" | "unknown";

/** Under which condition an object may be written; undefined: under any. */
export type PutCondition = { readonly ifAbsent: true } | { readonly ifMatch: string } | undefined;

export interface CallOptions {
  /** Aborts the call: it rejects with kind "cancelled". */
  readonly signal?: AbortSignal;
}

export interface PutOptions extends CallOptions {
  readonly condition?: PutCondition;
}

/** Bytes of a known size that may be read more than once, as retries and multipart uploads do. */
export interface ObjectSource {
  readonly sizeBytes: number;
  /** Of all bytes, lower-case hex. */
  readonly sha256: string;
  /** Exactly `length` bytes at `offset`. A part is read again for each try. @throws Any error; it ends the upload. */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
}

export interface PutFileOptions extends PutOptions {
  /** Called with the number of further bytes that the store has; less than 0 when a part must be sent again. */
  readonly onSent?: (bytes: number) => void;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** What the store was found to do; see `probe.ts`. */
export interface StoreAbilities {
  /** `ifAbsent` of `put` holds, also when two race. */
  readonly putIfAbsent: boolean;
  /** `ifMatch` of `put` holds, also when two race. */
  readonly putIfMatch: boolean;
}

/** Names are `/`-separated, without a leading `/`; characters [A-Za-z0-9._/-]. */
export interface ObjectStore {
  /** Scheme, bucket and prefix, such as `s3://backups/xerj`, fit for messages: never a secret. */
  readonly place: string;
  /** undefined: there is no such object. @throws {StoreError} */
  head(name: string, options?: CallOptions): Promise<ObjectInfo | undefined>;
  /** All of a small object, with the etag of exactly these bytes; undefined: there is none. @throws {StoreError} */
  get(
    name: string,
    options?: CallOptions,
  ): Promise<{ readonly bytes: Uint8Array; readonly etag: string } | undefined>;
  /**
   * An object's bytes, or a range of them, in pieces of any size, with retries that go on where the stream broke.
   * Ends only when all of them came. @throws {StoreError} "missing" when there is none.
   */
  stream(name: string, options?: CallOptions & { readonly range?: ByteRange }): AsyncIterable<Uint8Array>;
  /** Writes a small object. @returns its etag. @throws {StoreError} "precondition" */
  put(name: string, bytes: Uint8Array, options?: PutOptions): Promise<string>;
  /** Writes an object of any size, in parts where it is large. @throws {StoreError} "precondition" */
  putFile(name: string, source: ObjectSource, options?: PutFileOptions): Promise<void>;
  /** Objects whose names begin so, in name order. */
  list(prefix: string, options?: CallOptions): AsyncIterable<ObjectInfo>;
  /** Deletes objects; those that are not there count as deleted. @throws {StoreError} after trying all. */
  delete(names: readonly string[], options?: CallOptions): Promise<void>;
  /** Ends uploads that nobody finished, of objects whose names begin so. @returns how many. */
  abortUploads(prefix: string, options?: CallOptions): Promise<number>;
  /** Absent: what is written is not locked. */
  readonly lock?: StoreLock | undefined;
  /** Absent: no store of this kind can lock. */
  readonly objectLock?: ((options?: CallOptions) => Promise<LockState>) | undefined;
  /** Absent: no store of this kind keeps older versions. */
  readonly versions?: ObjectVersions | undefined;
  close(): void;
}
