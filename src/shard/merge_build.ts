/**
 * Builds the files of a merge: page by page in, piece by piece out, in memory that does not grow with the segments but
 * for about 20 bytes a document. Knows no manifest; its shard's writer commits.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import { RequestError } from "../base/errors.ts";
import type { Clock, FileSystem } from "../os/fs.ts";
import type { TokenBucket } from "../os/token_bucket.ts";
import { buildSegmentInto } from "../segment/builder.ts";
import { mergeInput } from "../segment/merge_input.ts";
import { SEGMENT_FILES } from "./images.ts";
import { FileSink, MergeInputFiles, type Meter, ScratchFile } from "./merge_files.ts";
import { type BuiltMerge, MergeControl, type MergeJob } from "./merge_job.ts";
import { SCRATCH_PREFIX } from "./store_names.ts";

export interface BuildEnvironment {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly bucket: TokenBucket;
  /** Lets other work of the thread run. */
  readonly pause: () => Promise<void>;
  readonly sleep: (ms: number) => Promise<void>;
}

/** How long a build runs before it lets others in. */
const SLICE_MS = 5;
/** Bytes between two looks at the limit. */
const METERED_BYTES = 1 << 16;
/** No wait is longer, so that a changed limit, or a merge that is given up, counts soon. */
const SLEEP_MS_MAX = 100;

export interface Build {
  readonly built: BuiltMerge;
  /** Over `segment.ids` as far as it was written. */
  readonly idsHash: Hash;
}

/** @throws {CorruptionError | IoError | RequestError} As `MergeThreads.build`. */
export async function buildMerge(environment: BuildEnvironment, job: MergeJob): Promise<Build> {
  const { fs } = environment;
  const control = new MergeControl(job.control);
  control.start();
  const meter: Meter = { bytesRead: 0, bytesWritten: 0 };
  const inputs: MergeInputFiles[] = [];
  const sinks: FileSink[] = [];
  try {
    for (const input of job.inputs) inputs.push(new MergeInputFiles(fs, input));
    const pace = new Pace(environment, control, {
      done: () =>
        meter.bytesWritten + inputs.reduce((sum, { bytesRead }) => sum + bytesRead, meter.bytesRead),
    });
    for (const name of SEGMENT_FILES) sinks.push(new FileSink(fs, `${job.stagedPath}/${name}`, meter));
    const [seg, sidx, ids] = sinks;
    let scratches = 0;
    const { input, docMaps } = mergeInput(inputs);
    const state = await pace.run(buildSegmentInto(input, {
      uuid: job.uuid,
      sinks: {
        seg: seg!,
        sidx: sidx!,
        ids: ids!,
        scratch: () => new ScratchFile(fs, `${job.stagedPath}/${SCRATCH_PREFIX}${scratches++}`, meter),
      },
    }));
    for (const input of inputs) await pace.run(input.verifyRest());
    return {
      built: {
        docCount: input.docCount,
        seg: await seg!.finish(),
        sidx: await sidx!.finish(),
        idsBytes: ids!.sizeBytes,
        ids: state,
        docMaps,
        bytesRead: inputs.reduce((sum, { bytesRead }) => sum + bytesRead, meter.bytesRead),
        bytesWritten: meter.bytesWritten,
        throttledMs: pace.throttledMs,
      },
      idsHash: ids!.hash,
    };
  } finally {
    for (const sink of sinks) sink.close();
    for (const input of inputs) input.close();
  }
}

/** Drives generators within the limit, in slices, until they end or the merge is given up. */
class Pace {
  throttledMs = 0;
  readonly #environment: BuildEnvironment;
  readonly #control: MergeControl;
  readonly #done: () => number;
  #paid = 0;

  constructor(
    environment: BuildEnvironment,
    control: MergeControl,
    { done }: { readonly done: () => number },
  ) {
    this.#environment = environment;
    this.#control = control;
    this.#done = done;
  }

  async run<T>(steps: Generator<void, T>): Promise<T> {
    const { clock, pause } = this.#environment;
    let sliceEndMs = clock.monotonicMs() + SLICE_MS;
    for (;;) {
      const step = steps.next();
      const taken = this.#done() - this.#paid;
      if (step.done) {
        await this.#pay(taken);
        return step.value;
      }
      if (taken >= METERED_BYTES) await this.#pay(taken);
      if (clock.monotonicMs() < sliceEndMs) continue;
      await pause();
      this.#check();
      sliceEndMs = clock.monotonicMs() + SLICE_MS;
    }
  }

  async #pay(bytes: number): Promise<void> {
    const { bucket, sleep } = this.#environment;
    this.#paid += bytes;
    this.#control.doneKib = Math.floor(this.#paid / 1024);
    for (let waitMs = bucket.take(bytes); waitMs > 0;) {
      const ms = Math.min(waitMs, SLEEP_MS_MAX);
      await sleep(ms);
      this.throttledMs += ms;
      this.#check();
      waitMs = bucket.limited ? waitMs - ms : 0;
    }
  }

  #check(): void {
    if (this.#control.cancelled) throw mergeCancelled();
  }
}

export function mergeCancelled(): RequestError {
  return new RequestError("the merge was given up", { status: 503, type: "merge_cancelled" });
}
