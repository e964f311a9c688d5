/**
 * The merger thread: builds the files of one merge at a time. Commits nothing; what becomes of the files is for their
 * shard's writer to say.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import { assert } from "../base/errors.ts";
import type { Clock, FileSystem } from "../os/fs.ts";
import { TokenBucket } from "../os/token_bucket.ts";
import { buildMerge } from "../shard/merge_build.ts";
import type { BuiltMerge, MergeJob } from "../shard/merge_job.ts";

export interface MergerOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly pause: () => Promise<void>;
  readonly sleep: (ms: number) => Promise<void>;
  /** Shared by all mergers, see `os/token_bucket.ts`. */
  readonly bucket: BigInt64Array;
}

export class MergerNode {
  readonly #options: MergerOptions;
  readonly #bucket: TokenBucket;
  /** Digests of `segment.ids` that wait for its end, by job. */
  readonly #hashes = new Map<string, Hash>();

  constructor(options: MergerOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket(options.bucket, options.clock);
  }

  /** What main may call, by name. */
  calls() {
    return {
      merge: (job: MergeJob) => this.#build(job),
      mergeDigest: (end: { job: string; tail: Uint8Array | undefined }) => this.#digest(end),
    };
  }

  async #build(job: MergeJob): Promise<BuiltMerge> {
    const { fs, clock, pause, sleep } = this.#options;
    const { built, idsHash } = await buildMerge({ fs, clock, pause, sleep, bucket: this.#bucket }, job);
    this.#hashes.set(job.id, idsHash);
    return built;
  }

  #digest({ job, tail }: { job: string; tail: Uint8Array | undefined }): string {
    const hash = this.#hashes.get(job);
    this.#hashes.delete(job);
    if (tail === undefined) return "";
    assert(hash, `merge ${job} was built here`);
    return hash.update(tail).digest("hex");
  }
}
