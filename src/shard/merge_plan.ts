/**
 * Which segments should become one? Pure functions from what is known of the segments to a plan: no clock, no disk.
 *
 * @module
 */
import { planLogStructured } from "./merge_plan_log_structured.ts";
import { planSizeTiered } from "./merge_plan_size_tiered.ts";

/** A segment on disk, as far as a planner looks at it. */
export interface PlannedSegment {
  readonly number: number;
  /** Of its three files. */
  readonly sizeBytes: number;
  readonly docs: number;
  /** As files say: deletes that only the log holds do not count. */
  readonly liveDocs: number;
  /** It holds deletes for other segments, and cannot go without another in its place. */
  readonly carries?: boolean;
  /** Least and greatest time of its documents; undefined: it has none. */
  readonly minTimeMs?: number | undefined;
  readonly maxTimeMs?: number | undefined;
  /** Of `log_structured`; undefined: 0, as a flush wrote it. */
  readonly level?: number | undefined;
}

export interface MergeRules {
  readonly strategy: "size_tiered" | "log_structured";
  /** Segments of one size class, or of level 0, that make a merge due. */
  readonly minSegments: number;
  /** No merge makes a segment larger than this. */
  readonly maxSegmentBytes: number;
  /** What a flush writes at most: level n of `log_structured` holds ten to the n times this. */
  readonly flushBytes: number;
}

export type MergePlan =
  /** The live documents of `inputs` become one segment; none, when there is no live document. */
  | {
    readonly kind: "merge";
    readonly inputs: readonly number[];
    readonly level: number;
    readonly why: string;
  }
  /** The segment stays as it is and counts to another level. */
  | {
    readonly kind: "move";
    readonly inputs: readonly number[];
    readonly level: number;
    readonly why: string;
  };

/** A merge reads no more segments at once: each costs a few pages of memory. */
export const MAX_INPUTS = 100;

/** A segment with this share of dead documents is rewritten even when nothing else is due. */
export const DEAD_SHARE_MAX = 0.5;

/**
 * The next thing to do, undefined when nothing is due.
 *
 * @param segments Those that no merge is reading, oldest first.
 */
export function planMerge(segments: readonly PlannedSegment[], rules: MergeRules): MergePlan | undefined {
  const dead = planDrop(segments);
  if (dead) return dead;
  const plan = rules.strategy === "size_tiered"
    ? planSizeTiered(segments, rules)
    : planLogStructured(segments, rules);
  return plan ?? planRewrite(segments, rules);
}

/** Segments that can go as they are. */
function planDrop(segments: readonly PlannedSegment[]): MergePlan | undefined {
  const dead = segments.filter(({ liveDocs, carries }) => liveDocs === 0 && !carries);
  if (dead.length === 0) return undefined;
  return { kind: "merge", inputs: numbersOf(dead.slice(0, MAX_INPUTS)), level: 0, why: "nobody is alive" };
}

/** Gets rid of the documents of a segment of which most are dead. */
function planRewrite(segments: readonly PlannedSegment[], rules: MergeRules): MergePlan | undefined {
  let worst: PlannedSegment | undefined;
  for (const segment of segments) {
    if (deadShare(segment) < DEAD_SHARE_MAX || liveBytes(segment) > rules.maxSegmentBytes) continue;
    if (!worst || segment.sizeBytes - liveBytes(segment) > worst.sizeBytes - liveBytes(worst)) {
      worst = segment;
    }
  }
  return worst &&
    { kind: "merge", inputs: [worst.number], level: worst.level ?? 0, why: "most documents are dead" };
}

/**
 * What a client's `_forcemerge` asks for: at most `maxSegments` segments, whatever their size.
 *
 * @param expungeOnly Rewrite what holds deleted documents instead.
 */
export function planForced(
  segments: readonly PlannedSegment[],
  { maxSegments, expungeOnly }: { readonly maxSegments: number; readonly expungeOnly: boolean },
): MergePlan | undefined {
  const dead = planDrop(segments);
  if (dead) return dead;
  const surplus = expungeOnly ? 0 : segments.length - maxSegments;
  if (surplus > 0) {
    const smallest = [...segments].sort(bySize).slice(0, Math.min(surplus + 1, MAX_INPUTS));
    const level = Math.max(...smallest.map((segment) => segment.level ?? 0));
    return { kind: "merge", inputs: inOrder(segments, smallest), level, why: "asked for" };
  }
  const withDead = segments.find((segment) => segment.liveDocs < segment.docs);
  return withDead &&
    { kind: "merge", inputs: [withDead.number], level: withDead.level ?? 0, why: "asked for" };
}

/** Bytes that the segment's live documents would take in a merge. */
export function liveBytes({ sizeBytes, docs, liveDocs }: PlannedSegment): number {
  return docs === 0 ? 0 : Math.ceil(sizeBytes * liveDocs / docs);
}

export function sumLiveBytes(segments: readonly PlannedSegment[]): number {
  let bytes = 0;
  for (const segment of segments) bytes += liveBytes(segment);
  return bytes;
}

/** Bytes that merging all of what is due would read and write: how far merges are behind. */
export function mergeDebtBytes(segments: readonly PlannedSegment[], rules: MergeRules): number {
  let left = [...segments];
  let debt = 0;
  // Each plan takes at least one segment away or moves it up: the bound is for planners that might not.
  for (let i = 0; i < MAX_INPUTS; i++) {
    const plan = planMerge(left, rules);
    if (!plan) break;
    const inputs = left.filter(({ number }) => plan.inputs.includes(number));
    left = left.filter(({ number }) => !plan.inputs.includes(number));
    if (plan.kind === "move") {
      left = [...left, { ...inputs[0]!, level: plan.level }];
      continue;
    }
    const sizeBytes = sumLiveBytes(inputs);
    debt += inputs.reduce((sum, segment) => sum + segment.sizeBytes, sizeBytes);
    const docs = inputs.reduce((sum, { liveDocs }) => sum + liveDocs, 0);
    if (docs > 0) {
      left.push({ ...rangeOf(inputs), number: -1 - i, sizeBytes, docs, liveDocs: docs, level: plan.level });
    }
  }
  return debt;
}

/** Time range of several segments together. */
export function rangeOf(
  segments: readonly PlannedSegment[],
): Pick<PlannedSegment, "minTimeMs" | "maxTimeMs"> {
  let min: number | undefined;
  let max: number | undefined;
  for (const { minTimeMs, maxTimeMs } of segments) {
    if (minTimeMs !== undefined && (min === undefined || minTimeMs < min)) min = minTimeMs;
    if (maxTimeMs !== undefined && (max === undefined || maxTimeMs > max)) max = maxTimeMs;
  }
  return { minTimeMs: min, maxTimeMs: max };
}

export function bySize(a: PlannedSegment, b: PlannedSegment): number {
  return liveBytes(a) - liveBytes(b) || a.number - b.number;
}

/** Numbers of `chosen` in the order of `segments`. */
export function inOrder(segments: readonly PlannedSegment[], chosen: readonly PlannedSegment[]): number[] {
  const wanted = new Set(chosen);
  return numbersOf(segments.filter((segment) => wanted.has(segment)));
}

function deadShare({ docs, liveDocs }: PlannedSegment): number {
  return docs === 0 ? 0 : 1 - liveDocs / docs;
}

function numbersOf(segments: readonly PlannedSegment[]): number[] {
  return segments.map(({ number }) => number);
}
