/**
 * `size_tiered`: segments of about the same size are merged as soon as there are `min_segments` of them, so that each
 * document is rewritten once for each class of sizes that it grows through.
 *
 * @module
 */
import {
  bySize,
  inOrder,
  liveBytes,
  MAX_INPUTS,
  type MergePlan,
  type MergeRules,
  type PlannedSegment,
} from "./merge_plan.ts";

/** All segments below this are of the first class. */
export const SMALLEST_CLASS_BYTES = 1024 * 1024;
/** A class ends at this multiple of where it begins, or at `min_segments` times it where that is less. */
const CLASS_RATIO_MAX = 10;

export function planSizeTiered(
  segments: readonly PlannedSegment[],
  rules: MergeRules,
): MergePlan | undefined {
  const classes = new Map<number, PlannedSegment[]>();
  for (const segment of segments) {
    // Two of these would be too large together.
    if (liveBytes(segment) > rules.maxSegmentBytes / 2) continue;
    const sizeClass = sizeClassOf(liveBytes(segment), rules);
    const members = classes.get(sizeClass);
    if (members) members.push(segment);
    else classes.set(sizeClass, [segment]);
  }
  for (const sizeClass of [...classes.keys()].sort((a, b) => a - b)) {
    const members = classes.get(sizeClass)!;
    if (members.length < rules.minSegments) continue;
    const chosen = fitting(members.sort(bySize), rules);
    return {
      kind: "merge",
      inputs: inOrder(segments, chosen),
      level: 0,
      why: `size class ${sizeClass} is full`,
    };
  }
  return undefined;
}

/** Number of the class of segments that holds `sizeBytes`, from 0. */
export function sizeClassOf(sizeBytes: number, { minSegments }: MergeRules): number {
  if (sizeBytes < SMALLEST_CLASS_BYTES) return 0;
  const ratio = Math.min(CLASS_RATIO_MAX, minSegments);
  return 1 + Math.floor(Math.log(sizeBytes / SMALLEST_CLASS_BYTES) / Math.log(ratio) + 1e-9);
}

/** As many of the smallest as make no segment that is too large. */
function fitting(ascending: readonly PlannedSegment[], { maxSegmentBytes }: MergeRules): PlannedSegment[] {
  const chosen: PlannedSegment[] = [];
  let bytes = 0;
  for (const segment of ascending) {
    bytes += liveBytes(segment);
    if (chosen.length === MAX_INPUTS || (bytes > maxSegmentBytes && chosen.length >= 2)) break;
    chosen.push(segment);
  }
  return chosen;
}
