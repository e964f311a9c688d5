/**
 * An object store in memory, with counts of calls, and a hook before and after each, for faults.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { concatBytes } from "../../src/base/bytes.ts";
import {
  type CallOptions,
  type ObjectInfo,
  type ObjectSource,
  type ObjectStore,
  type PutCondition,
  type PutFileOptions,
  type PutOptions,
  StoreError,
} from "../../src/objectstore/store.ts";

export type Operation = "head" | "get" | "stream" | "put" | "putFile" | "list" | "delete" | "abortUploads";

export interface StoredObject {
  readonly bytes: Uint8Array;
  /** Of the bytes, as S3's: the same bytes have the same. */
  readonly etag: string;
}

export class MemoryStore implements ObjectStore {
  readonly place = "memory://tests";
  readonly objects: Map<string, StoredObject>;
  readonly counts = new Map<Operation, number>();
  readonly abortedUploads: string[] = [];
  /** Called before a call has its effect; what it throws the caller gets. */
  before: (operation: Operation, name: string) => Promise<void> | void = () => {};
  /** Called after a call had its effect; what it throws the caller gets instead of its result. */
  after: (operation: Operation, name: string) => Promise<void> | void = () => {};
  /** Bytes of one element of a stream. */
  streamBytes = 1 << 20;

  constructor(objects = new Map<string, StoredObject>()) {
    this.objects = objects;
  }

  count(operation: Operation): number {
    return this.counts.get(operation) ?? 0;
  }

  /** Names below a prefix, sorted. */
  names(prefix = ""): string[] {
    return [...this.objects.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  head(name: string, options?: CallOptions): Promise<ObjectInfo | undefined> {
    return this.#call("head", name, options, () => {
      const object = this.objects.get(name);
      return object && infoOf(name, object);
    });
  }

  get(name: string, options?: CallOptions): Promise<StoredObject | undefined> {
    return this.#call("get", name, options, () => this.objects.get(name));
  }

  async *stream(
    name: string,
    options: CallOptions & { range?: { offset: number; length: number } } = {},
  ): AsyncGenerator<Uint8Array> {
    const bytes = await this.#call("stream", name, options, () => this.objects.get(name)?.bytes);
    if (!bytes) throw new StoreError(`There is no object ${name}`, { kind: "missing" });
    const { offset = 0, length = bytes.length } = options.range ?? {};
    const end = offset + length;
    if (end > bytes.length) throw new StoreError(`Object ${name} is too short`, { kind: "damaged" });
    for (let at = offset; at < end; at += this.streamBytes) {
      yield bytes.slice(at, Math.min(end, at + this.streamBytes));
    }
  }

  put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<string> {
    return this.#call("put", name, options, () => this.putNow(name, bytes.slice(), options.condition));
  }

  async putFile(name: string, source: ObjectSource, options: PutFileOptions = {}): Promise<void> {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < source.sizeBytes; at += 1 << 23) {
      const part = await source.read(at, Math.min(1 << 23, source.sizeBytes - at));
      parts.push(part.slice());
    }
    const bytes = concatBytes(parts);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    if (sha256 !== source.sha256) throw new StoreError(`Checksum of ${name} is wrong`, { kind: "damaged" });
    await this.#call("putFile", name, options, () => void this.putNow(name, bytes, options.condition));
    options.onSent?.(bytes.length);
  }

  async *list(prefix: string, options?: CallOptions): AsyncGenerator<ObjectInfo> {
    const found = await this.#call(
      "list",
      prefix,
      options,
      () => this.names(prefix).map((name) => infoOf(name, this.objects.get(name)!)),
    );
    yield* found;
  }

  delete(names: readonly string[], options?: CallOptions): Promise<void> {
    return this.#call("delete", names.join(" "), options, () => {
      for (const name of names) this.objects.delete(name);
    });
  }

  abortUploads(prefix: string, options?: CallOptions): Promise<number> {
    return this.#call("abortUploads", prefix, options, () => this.abortedUploads.push(prefix));
  }

  close(): void {}

  /** The effect of a put, without counts and hooks. @throws {StoreError} "precondition" */
  putNow(name: string, bytes: Uint8Array, condition: PutCondition): string {
    const there = this.objects.get(name);
    const holds = condition === undefined ||
      ("ifAbsent" in condition ? !there : there?.etag === condition.ifMatch);
    if (!holds) throw new StoreError(`Condition on ${name} does not hold`, { kind: "precondition" });
    const etag = createHash("md5").update(bytes).digest("hex");
    this.objects.set(name, { bytes, etag });
    return etag;
  }

  async #call<T>(
    operation: Operation,
    name: string,
    options: CallOptions | undefined,
    effect: () => T,
  ): Promise<T> {
    this.counts.set(operation, this.count(operation) + 1);
    if (options?.signal?.aborted) throw new StoreError("Cancelled", { kind: "cancelled" });
    await this.before(operation, name);
    const result = effect();
    await this.after(operation, name);
    return result;
  }
}

function infoOf(name: string, { bytes, etag }: StoredObject): ObjectInfo {
  return { name, sizeBytes: bytes.length, etag, modifiedMs: 0 };
}
