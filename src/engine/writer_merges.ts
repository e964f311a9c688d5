/**
 * A writer's merges: which are due, which run, and what became of them. Starts one after each flush, each merge and each
 * second, as long as planners find something to do and there is room for it.
 *
 * @module
 */
import { assert, CorruptionError, IoError, RequestError } from "../base/errors.ts";
import { segmentName } from "../format/file_names.ts";
import { isHydrating } from "../shard/images.ts";
import { plannedSegments, runMerge, spaceNeeded } from "../shard/merge.ts";
import { MergeControl, type MergeThreads } from "../shard/merge_job.ts";
import {
  mergeDebtBytes,
  type MergePlan,
  type MergeRules,
  planForced,
  planMerge,
  type PlannedSegment,
  sumLiveBytes,
} from "../shard/merge_plan.ts";
import type { ForceMergeCall, ForceMergeReport, MergeStats } from "./messages.ts";
import type { OpenShard, WriterNode } from "./writer_node.ts";

/** After a failure nothing is merged in the shard for so long. */
const RETRY_AFTER_MS = 30_000;
/** After a full disk, for so long. */
const RETRY_FULL_MS = 5_000;

interface Running {
  readonly plan: MergePlan;
  readonly control: MergeControl;
  readonly bytesTotal: number;
  readonly spaceBytes: number;
  readonly startedMs: number;
  /** Never rejects. */
  readonly done: Promise<void>;
}

/** One shard's. */
class ShardMerges {
  readonly running = new Set<Running>();
  /** Numbers of segments that a merge is reading. */
  readonly busy = new Set<number>();
  /** Numbers of segments that could not be read, with the file. */
  readonly damaged = new Map<number, string>();
  /** Clients' merges under way: nothing else is started meanwhile. */
  forced = 0;
  stopped = false;
  waiting: string | undefined;
  failure: string | undefined;
  retryAtMs = -Infinity;
  total = 0;
  failedTotal = 0;
  docsTotal = 0;
  bytesReadTotal = 0;
  bytesWrittenTotal = 0;
  throttledMsTotal = 0;

  /** Left out of every plan. What a lazy restore is still bringing can only be read block by block. */
  unavailable({ state }: OpenShard): Set<number> {
    const hydrating = state.segments.filter(({ ref }) => isHydrating(ref)).map(({ ref }) => ref.number);
    return new Set([...this.busy, ...this.damaged.keys(), ...hydrating]);
  }
}

export class WriterMerges {
  readonly #node: WriterNode;
  readonly #shards = new WeakMap<OpenShard, ShardMerges>();

  constructor(node: WriterNode) {
    this.#node = node;
  }

  /** Starts what is due in a shard. */
  consider(open: OpenShard): void {
    const merges = this.#of(open);
    if (merges.forced > 0 || !this.#mayMerge(open, merges)) return;
    if (this.#node.options.clock.monotonicMs() < merges.retryAtMs) return;
    merges.waiting = undefined;
    while (merges.running.size < this.#concurrent()) {
      const planned = plannedSegments(open.state, merges.unavailable(open));
      const plan = planMerge(planned, this.#rules());
      if (!plan || !this.#fits(open, { merges, plan, planned })) return;
      this.#start(open, { merges, plan, planned });
    }
  }

  /** What a client asked for; resolves when there is nothing left to do. */
  async force({ incarnations, maxSegments, expungeOnly }: ForceMergeCall): Promise<ForceMergeReport[]> {
    const reports: ForceMergeReport[] = [];
    for (const incarnation of incarnations) {
      for (const open of [...this.#node.shardsOf(incarnation)]) {
        const merges = this.#of(open);
        const segmentsBefore = open.state.segments.length;
        merges.forced++;
        let failure: string | undefined;
        try {
          const flushed = await this.#node.flushShard(open);
          failure = flushed.failure ?? await this.#forceShard(open, merges, { maxSegments, expungeOnly });
        } finally {
          merges.forced--;
        }
        reports.push({
          index: open.spec.index,
          shard: open.state.names.shard,
          segmentsBefore,
          segmentsAfter: open.state.segments.length,
          failure,
        });
      }
    }
    return reports;
  }

  /** Gives up what runs in a shard, and starts nothing more. */
  async stop(open: OpenShard): Promise<void> {
    const merges = this.#of(open);
    merges.stopped = true;
    for (const { control } of merges.running) control.cancel();
    await Promise.all([...merges.running].map(({ done }) => done));
  }

  /** Whether a merge is reading a segment. */
  isReading(open: OpenShard, number: number): boolean {
    return this.#of(open).busy.has(number);
  }

  /** A segment's files are whole again: it may be merged. */
  healed(open: OpenShard, number: number): void {
    const merges = this.#of(open);
    if (!merges.damaged.delete(number)) return;
    if (merges.damaged.size === 0) merges.failure = undefined;
    merges.retryAtMs = -Infinity;
  }

  stats(open: OpenShard): MergeStats {
    const merges = this.#of(open);
    const nowMs = this.#node.options.clock.monotonicMs();
    const running = [...merges.running].map(({ plan, control, bytesTotal, startedMs }) => ({
      inputs: plan.inputs.map(segmentName),
      why: plan.why,
      started: control.started,
      bytesTotal,
      bytesDone: Math.min(bytesTotal, control.doneKib * 1024),
      seconds: (nowMs - startedMs) / 1000,
    }));
    const left = running.reduce((sum, { bytesTotal, bytesDone }) => sum + bytesTotal - bytesDone, 0);
    const planned = plannedSegments(open.state, merges.unavailable(open));
    return {
      running,
      debtBytes: left + mergeDebtBytes(planned, this.#rules()),
      waiting: merges.waiting,
      failure: merges.failure,
      damaged: [...new Set(merges.damaged.values())],
      total: merges.total,
      failedTotal: merges.failedTotal,
      docsTotal: merges.docsTotal,
      bytesReadTotal: merges.bytesReadTotal,
      bytesWrittenTotal: merges.bytesWrittenTotal,
      throttledMsTotal: merges.throttledMsTotal,
    };
  }

  #of(open: OpenShard): ShardMerges {
    let merges = this.#shards.get(open);
    if (!merges) this.#shards.set(open, merges = new ShardMerges());
    return merges;
  }

  #rules(): MergeRules {
    const { merge, flushSizeBytes } = this.#node.settings;
    const { strategy, minSegments, maxSegmentBytes } = merge;
    return { strategy, minSegments, maxSegmentBytes, flushBytes: flushSizeBytes };
  }

  /** Two merges at once could put segments that overlap into one level. */
  #concurrent(): number {
    const { strategy, maxConcurrent } = this.#node.settings.merge;
    return strategy === "log_structured" ? 1 : maxConcurrent;
  }

  #mayMerge({ state }: OpenShard, { stopped }: ShardMerges): boolean {
    return !stopped && !state.store.poisoned && !state.store.blocked;
  }

  async #forceShard(
    open: OpenShard,
    merges: ShardMerges,
    { maxSegments, expungeOnly }: Pick<ForceMergeCall, "maxSegments" | "expungeOnly">,
  ): Promise<string | undefined> {
    for (;;) {
      await Promise.all([...merges.running].map(({ done }) => done));
      if (!this.#mayMerge(open, merges)) return "the shard takes no writes";
      const planned = plannedSegments(open.state, merges.unavailable(open));
      const plan = maxSegments === undefined && !expungeOnly
        ? planMerge(planned, this.#rules())
        : planForced(planned, { maxSegments: maxSegments ?? planned.length, expungeOnly });
      if (!plan) return stillRestoring(open);
      if (!this.#fits(open, { merges, plan, planned })) return merges.waiting;
      const { failedTotal } = merges;
      await this.#start(open, { merges, plan, planned }).done;
      if (merges.failedTotal > failedTotal) return merges.failure ?? merges.waiting;
      if (merges.stopped) return "the merge was given up";
    }
  }

  /** Whether there is room for the merge; where there is not, `waiting` says so. */
  #fits(
    { spec }: OpenShard,
    { merges, plan, planned }: { merges: ShardMerges; plan: MergePlan; planned: readonly PlannedSegment[] },
  ): boolean {
    if (plan.kind === "move") return true;
    const { space, settings } = this.#node;
    let needed = spaceNeeded(planned.filter(({ number }) => plan.inputs.includes(number)));
    if (needed === 0) return true;
    for (const { spaceBytes } of merges.running) needed += spaceBytes;
    if (space.makeRoom(needed, `a merge of [${spec.index}] needs room`)) return true;
    const mb = (bytes: number) => Math.ceil(bytes / 1024 / 1024);
    merges.waiting =
      `a merge of ${plan.inputs.length} segments needs ${mb(needed)} MB beside the reserve of ` +
      `${mb(settings.diskReserveBytes)} MB, and ${
        mb(space.available() + settings.diskReserveBytes)
      } MB are free`;
    return false;
  }

  #start(
    open: OpenShard,
    { merges, plan, planned }: { merges: ShardMerges; plan: MergePlan; planned: readonly PlannedSegment[] },
  ): Running {
    const inputs = planned.filter(({ number }) => plan.inputs.includes(number));
    assert(inputs.length === plan.inputs.length, "a plan names segments that are there");
    for (const number of plan.inputs) merges.busy.add(number);
    const control = new MergeControl();
    const running: Running = {
      plan,
      control,
      bytesTotal: inputs.reduce((sum, { sizeBytes }) => sum + sizeBytes, sumLiveBytes(inputs)),
      spaceBytes: spaceNeeded(inputs),
      startedMs: this.#node.options.clock.monotonicMs(),
      done: this.#run(open, { merges, plan, control }).finally(() => {
        merges.running.delete(running);
        for (const number of plan.inputs) merges.busy.delete(number);
        this.consider(open);
      }),
    };
    merges.running.add(running);
    return running;
  }

  async #run(
    open: OpenShard,
    { merges, plan, control }: { merges: ShardMerges; plan: MergePlan; control: MergeControl },
  ): Promise<void> {
    const { options, timings } = this.#node;
    const { clock, log, main } = options;
    const startedMs = clock.monotonicMs();
    const threads: MergeThreads = {
      build: (job) => main.merge(job),
      digest: (job, tail) => main.mergeDigest({ job, tail }),
    };
    try {
      const report = await runMerge(open.state, { plan, threads, control });
      if (!report) return;
      merges.total++;
      merges.failure = undefined;
      merges.docsTotal += report.docs;
      merges.bytesReadTotal += report.bytesRead;
      merges.bytesWrittenTotal += report.bytesWritten;
      merges.throttledMsTotal += report.throttledMs;
      const ms = clock.monotonicMs() - startedMs;
      timings.mergeSeconds.push(ms / 1000);
      timings.bytesWritten += report.bytesWritten;
      log.debug("merged", {
        index: open.spec.index,
        segments: plan.inputs.length,
        docs: report.docs,
        ms: Math.round(ms),
        throttled_ms: Math.round(report.throttledMs),
        bytes_written: report.bytesWritten,
        why: plan.why,
      });
    } catch (error) {
      this.#failed(open, { merges, plan, error });
    }
  }

  #failed(
    { state, spec }: OpenShard,
    { merges, plan, error }: { merges: ShardMerges; plan: MergePlan; error: unknown },
  ): void {
    const { clock, log, main } = this.#node.options;
    if (error instanceof RequestError && error.type === "merge_cancelled") return;
    merges.failedTotal++;
    const failure = error instanceof Error ? error.message : String(error);
    const isFull = (error instanceof RequestError && error.type === "disk_full") ||
      (error instanceof IoError && (error.code === "ENOSPC" || error.code === "EDQUOT"));
    merges.retryAtMs = clock.monotonicMs() + (isFull ? RETRY_FULL_MS : RETRY_AFTER_MS);
    if (isFull) {
      merges.waiting = `there was no room for a merge: ${failure}`;
      log.warn("a merge found the disk full; it is tried again", { index: spec.index, failure });
      return;
    }
    merges.failure = failure;
    const file = error instanceof CorruptionError ? error.file : error instanceof IoError ? error.path : "";
    for (const number of plan.inputs) {
      if (file.startsWith(`${state.store.segmentPath(number)}/`)) {
        merges.damaged.set(number, file);
        main.damagedFile?.(file);
      }
    }
    log.error("a merge failed; its segments stay as they are", {
      index: spec.index,
      failure,
      file: file === "" ? undefined : file,
      stack: file === "" && error instanceof Error ? error.stack : undefined,
    });
    if (state.store.poisoned) main.condition({ index: spec.index, shard: state.names.shard, failure });
  }
}

/** Why segments were left out that a client wanted merged; undefined: none were. */
function stillRestoring({ state }: OpenShard): string | undefined {
  const left = state.segments.filter(({ ref }) => isHydrating(ref)).length;
  return left === 0
    ? undefined
    : `${left} segments are still being restored; they are merged once they are there`;
}
