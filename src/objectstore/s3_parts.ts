/**
 * Writing a large object in parts, several at a time.
 *
 * - Parts are read in order, so that the whole's hash is known, and compared, before anything appears under the name.
 * - One budget for all parts: while any of them moves, none gives up.
 * - An upload that fails is ended, so that its parts cost nothing; what a killed process leaves is `abortUploads`'.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { Budget, type Slots } from "./retry.ts";
import { BadAnswerError, S3Error } from "./s3_errors.ts";
import {
  checksumOf,
  conditionOf,
  headersOf,
  isRefusal,
  ownBytes,
  ownWrite,
  refused,
  sendChecked,
  sha256Of,
  toHex,
} from "./s3_put.ts";
import type { S3Requests } from "./s3_requests.ts";
import { type ObjectSource, type PutFileOptions, StoreError } from "./store.ts";

/** S3's own limit. */
const MAX_PARTS = 10_000;

const MIB = 1024 * 1024;

/** An upload that somebody else ended is begun anew so often. */
const MAX_UPLOADS = 3;

const ABORT_TIMEOUT_MS = 10_000;

export interface PartSettings {
  readonly partBytes: number;
  readonly parallelParts: number;
  /** Shared by all uploads of the store. */
  readonly slots: Slots;
}

interface Part {
  readonly PartNumber: number;
  readonly ETag: string;
  readonly ChecksumSHA256?: string;
}

/** How an object is cut: parts grow so that 10,000 suffice, and then fewer are on their way at a time. */
export function partsOf(
  sizeBytes: number,
  { partBytes, parallelParts }: { readonly partBytes: number; readonly parallelParts: number },
): { readonly partBytes: number; readonly count: number; readonly parallel: number } {
  const least = Math.ceil(sizeBytes / MAX_PARTS / MIB) * MIB;
  const bytes = Math.max(partBytes, least);
  const parallel = Math.max(1, Math.min(parallelParts, Math.floor(partBytes * parallelParts / bytes)));
  return { partBytes: bytes, count: Math.ceil(sizeBytes / bytes), parallel };
}

/** @throws {StoreError} "precondition"; "damaged" when the source is not what its hash says. */
export async function putInParts(
  requests: S3Requests,
  name: string,
  put: PutFileOptions & { readonly source: ObjectSource; readonly settings: PartSettings },
): Promise<void> {
  for (let number = 1;; number++) {
    const upload = new Upload(requests, name, put);
    const outcome = await upload.run();
    if (outcome === "done") return;
    if (number === MAX_UPLOADS) {
      throw new StoreError(`Cannot put ${requests.placeOf(name)}: the upload was ended by another client`, {
        kind: "unavailable",
        hint: "Another backup, or a rule of the bucket, ends unfinished uploads of this prefix.",
      });
    }
  }
}

class Upload {
  readonly #requests: S3Requests;
  readonly #name: string;
  readonly #put: PutFileOptions & { readonly source: ObjectSource; readonly settings: PartSettings };
  readonly #what: string;
  readonly #mark = crypto.randomUUID();
  readonly #budget: Budget;
  readonly #whole = createHash("sha256");
  readonly #stop = new AbortController();
  readonly #parts: Part[] = [];
  #uploadId = "";
  #sent = 0;
  #nextPart = 0;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(
    requests: S3Requests,
    name: string,
    put: PutFileOptions & { readonly source: ObjectSource; readonly settings: PartSettings },
  ) {
    this.#requests = requests;
    this.#name = name;
    this.#put = put;
    this.#what = `put ${requests.placeOf(name)}`;
    this.#budget = new Budget(requests.retry.clock);
  }

  async run(): Promise<"done" | "ended by another"> {
    const { signal, onSent } = this.#put;
    const onAbort = () => this.#stop.abort();
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    let isDone = false;
    try {
      this.#uploadId = await this.#create();
      await this.#sendParts();
      this.#compareWhole();
      isDone = await this.#complete();
      return isDone ? "done" : "ended by another";
    } catch (error) {
      if (error instanceof S3Error && error.code === "NoSuchUpload") return "ended by another";
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      if (!isDone) {
        if (this.#sent > 0) onSent?.(-this.#sent);
        if (this.#uploadId !== "") await this.#abort();
      }
    }
  }

  #create(): Promise<string> {
    const { condition, signal } = this.#put;
    return this.#requests.call({ what: this.#what, signal }, async ({ s3, client }, attempt) => {
      const command = new s3.CreateMultipartUploadCommand({
        ...this.#requests.key(this.#name),
        ...(this.#requests.refusesChecksums ? {} : { ChecksumAlgorithm: "SHA256" }),
        ...headersOf(this.#requests, { name: this.#name, mark: this.#mark }),
      });
      const answer = await sendChecked(
        this.#requests,
        condition,
        () => client.send(command, { abortSignal: attempt.signal }),
      );
      if (!answer.UploadId) throw new BadAnswerError("the answer has no upload id");
      return answer.UploadId;
    });
  }

  async #sendParts(): Promise<void> {
    const { source, settings } = this.#put;
    const { partBytes, count, parallel } = partsOf(source.sizeBytes, settings);
    const send = async (): Promise<void> => {
      // The number is drawn where there is a place, so that parts are read in order and none waits for a later one.
      while (this.#nextPart < count && !this.#stop.signal.aborted) {
        await settings.slots.use(async () => {
          if (this.#nextPart >= count || this.#stop.signal.aborted) return;
          await this.#sendPart(this.#nextPart++, partBytes);
        });
      }
    };
    const senders = Array.from({ length: Math.min(parallel, count) }, async () => {
      try {
        await send();
      } catch (error) {
        this.#stop.abort();
        throw error;
      }
    });
    const outcomes = await Promise.allSettled(senders);
    const failures = outcomes.filter((outcome) => outcome.status === "rejected").map(({ reason }) => reason);
    // Those that were stopped because of the first failure say "cancelled", which is not the reason.
    const first = failures.find((error) => !(error instanceof StoreError && error.kind === "cancelled"));
    if (failures.length > 0) throw first ?? failures[0];
    if (this.#stop.signal.aborted) {
      throw new StoreError(`Cannot ${this.#what}: cancelled`, { kind: "cancelled" });
    }
  }

  async #sendPart(index: number, partBytes: number): Promise<void> {
    const { source, onSent } = this.#put;
    const offset = index * partBytes;
    const length = Math.min(partBytes, source.sizeBytes - offset);
    const reading = this.#reading.then(async () => {
      const read = ownBytes(await source.read(offset, length));
      if (read.length !== length) {
        throw new StoreError(`Cannot ${this.#what}: its source is shorter than it was`, { kind: "damaged" });
      }
      this.#whole.update(read);
      return read;
    });
    this.#reading = reading;
    const bytes = await reading;
    const sha256 = await sha256Of(bytes);
    this.#parts[index] = await this.#upload({ number: index + 1, bytes, sha256 });
    this.#sent += length;
    onSent?.(length);
  }

  #upload(part: {
    readonly number: number;
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly sha256: Uint8Array;
  }): Promise<Part> {
    const settings = {
      what: this.#what,
      budget: this.#budget,
      silentBytes: part.bytes.length,
      signal: this.#stop.signal,
    };
    return this.#requests.call(settings, async ({ s3, client }, attempt) => {
      const checksum = checksumOf(this.#requests, part.sha256);
      const command = new s3.UploadPartCommand({
        ...this.#requests.key(this.#name),
        UploadId: this.#uploadId,
        PartNumber: part.number,
        Body: part.bytes,
        ContentLength: part.bytes.length,
        ...checksum,
      });
      s3.signWith(command, toHex(part.sha256));
      const answer = await sendChecked(
        this.#requests,
        undefined,
        () => client.send(command, { abortSignal: attempt.signal }),
      );
      if (!answer.ETag) throw new BadAnswerError("the answer has no etag");
      return { PartNumber: part.number, ETag: answer.ETag, ...checksum };
    });
  }

  #compareWhole(): void {
    const found = this.#whole.digest("hex");
    const { sha256 } = this.#put.source;
    if (found === sha256) return;
    throw wrongSource(this.#what, { found, wanted: sha256 });
  }

  /** @returns false: there is no such upload any more, and the object is not ours. */
  async #complete(): Promise<boolean> {
    const { condition, signal, source } = this.#put;
    try {
      await this.#requests.call({ what: this.#what, signal }, async ({ s3, client }, attempt) => {
        const command = new s3.CompleteMultipartUploadCommand({
          ...this.#requests.key(this.#name),
          UploadId: this.#uploadId,
          MultipartUpload: { Parts: this.#parts },
          ...conditionOf(condition),
        });
        const answer = await client.send(command, { abortSignal: attempt.signal });
        if (!answer.ETag) throw new BadAnswerError("the answer has no etag");
      });
      return true;
    } catch (error) {
      const isGone = error instanceof S3Error && error.code === "NoSuchUpload";
      if (!isGone && !isRefusal(error, condition)) throw error;
      // The mark is this upload's alone: if it is there, an earlier try was carried out.
      const write = { mark: this.#mark, sizeBytes: source.sizeBytes, sha256: undefined, signal };
      if (await ownWrite(this.#requests, this.#name, write)) return true;
      if (!isGone) throw refused(this.#requests, this.#name, condition);
      return false;
    }
  }

  async #abort(): Promise<void> {
    try {
      const { s3, client } = await this.#requests.link();
      const command = new s3.AbortMultipartUploadCommand({
        ...this.#requests.key(this.#name),
        UploadId: this.#uploadId,
      });
      await client.send(command, { abortSignal: AbortSignal.timeout(ABORT_TIMEOUT_MS) });
    } catch (cause) {
      // The failure that led here is the one to report; what stays behind is what `abortUploads` looks for.
      this.#requests.tellRetry(this.#requests.judge(cause, `end the upload of ${this.#name}`));
    }
  }
}

/** The error for bytes that are not those that were announced. */
export function wrongSource(
  what: string,
  { found, wanted }: { readonly found: string; readonly wanted: string },
): StoreError {
  return new StoreError(
    `Cannot ${what}: what was read has SHA-256 ${found}, it should have ${wanted}; nothing was stored`,
    { kind: "damaged", hint: "The file changed or is damaged on this machine's disk." },
  );
}
