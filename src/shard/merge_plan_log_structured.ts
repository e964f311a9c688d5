/**
 * `log_structured`: levels, each ten times the one before. Within a level above 0 no two segments overlap in time, so a
 * search over a range of time opens one segment a level and those of level 0.
 *
 * Segments without times overlap all others: then a level is one segment.
 *
 * @module
 */
import {
  inOrder,
  liveBytes,
  MAX_INPUTS,
  type MergePlan,
  type MergeRules,
  type PlannedSegment,
  rangeOf,
  sumLiveBytes,
} from "./merge_plan.ts";

const LEVEL_RATIO = 10;

export function planLogStructured(
  segments: readonly PlannedSegment[],
  rules: MergeRules,
): MergePlan | undefined {
  const levels = levelsOf(segments);
  for (let level = 0; level < levels.length; level++) {
    const members = levels[level]!;
    if (level === 0) {
      if (members.length >= rules.minSegments) return planFresh(segments, levels, rules);
    } else if (sumLiveBytes(members) > capacityBytes(level, rules) && members.length > 0) {
      const plan = planPush(segments, { levels, level, rules });
      if (plan) return plan;
    }
  }
  return undefined;
}

/** What level `level` may hold before one of its segments goes on to the next. */
export function capacityBytes(level: number, { flushBytes }: MergeRules): number {
  return flushBytes * LEVEL_RATIO ** level;
}

/** Level 0 into level 1, with whatever it overlaps there. */
function planFresh(
  segments: readonly PlannedSegment[],
  levels: readonly PlannedSegment[][],
  rules: MergeRules,
): MergePlan {
  const fresh = fitting(byTime(levels[0]!), rules);
  const joined = withOverlapping(fresh, levels[1] ?? []);
  const why = "level 0 is full";
  if (joined.length <= MAX_INPUTS && sumLiveBytes(joined) <= rules.maxSegmentBytes) {
    return { kind: "merge", inputs: inOrder(segments, joined), level: 1, why };
  }
  // Too large with those: it goes where it is in nobody's way.
  const level = freeLevel(fresh, { levels, from: 1 });
  return { kind: fresh.length === 1 ? "move" : "merge", inputs: inOrder(segments, fresh), level, why };
}

/** The oldest segment of a level that is too full goes to the next, merged with whatever it overlaps there. */
function planPush(
  segments: readonly PlannedSegment[],
  { levels, level, rules }: {
    readonly levels: readonly PlannedSegment[][];
    readonly level: number;
    readonly rules: MergeRules;
  },
): MergePlan | undefined {
  const oldest = byTime(levels[level]!)[0]!;
  const joined = withOverlapping([oldest], levels[level + 1] ?? []);
  const why = `level ${level} is full`;
  if (joined.length === 1) return { kind: "move", inputs: [oldest.number], level: level + 1, why };
  if (joined.length <= MAX_INPUTS && sumLiveBytes(joined) <= rules.maxSegmentBytes) {
    return { kind: "merge", inputs: inOrder(segments, joined), level: level + 1, why };
  }
  return {
    kind: "move",
    inputs: [oldest.number],
    level: freeLevel([oldest], { levels, from: level + 2 }),
    why,
  };
}

/** `chosen` and those of `others` that share a time with them, or with one that does. */
function withOverlapping(
  chosen: readonly PlannedSegment[],
  others: readonly PlannedSegment[],
): PlannedSegment[] {
  const joined = [...chosen];
  let left = [...others];
  for (let grown = true; grown;) {
    const range = rangeOf(joined);
    const found = left.filter((other) => joined.some((one) => isTimeless(one)) || overlaps(range, other));
    grown = found.length > 0;
    joined.push(...found);
    left = left.filter((other) => !found.includes(other));
  }
  return joined;
}

/** First level from `from` on in which nothing overlaps `chosen`. */
function freeLevel(
  chosen: readonly PlannedSegment[],
  { levels, from }: { readonly levels: readonly PlannedSegment[][]; readonly from: number },
): number {
  let level = from;
  while (withOverlapping(chosen, levels[level] ?? []).length > chosen.length) level++;
  return level;
}

function overlaps(range: Pick<PlannedSegment, "minTimeMs" | "maxTimeMs">, other: PlannedSegment): boolean {
  if (isTimeless(range) || isTimeless(other)) return true;
  return range.minTimeMs! <= other.maxTimeMs! && other.minTimeMs! <= range.maxTimeMs!;
}

function isTimeless({ minTimeMs, maxTimeMs }: Pick<PlannedSegment, "minTimeMs" | "maxTimeMs">): boolean {
  return minTimeMs === undefined || maxTimeMs === undefined;
}

function levelsOf(segments: readonly PlannedSegment[]): PlannedSegment[][] {
  const levels: PlannedSegment[][] = [];
  for (const segment of segments) {
    const level = segment.level ?? 0;
    while (levels.length <= level) levels.push([]);
    levels[level]!.push(segment);
  }
  return levels;
}

/** Oldest times first; those without any behind them. */
function byTime(segments: readonly PlannedSegment[]): PlannedSegment[] {
  const time = ({ minTimeMs }: PlannedSegment) => minTimeMs ?? Infinity;
  return [...segments].sort((a, b) => time(a) === time(b) ? a.number - b.number : time(a) - time(b));
}

/** As many of the first as make no segment that is too large; at least one. */
function fitting(segments: readonly PlannedSegment[], { maxSegmentBytes }: MergeRules): PlannedSegment[] {
  const chosen: PlannedSegment[] = [];
  let bytes = 0;
  for (const segment of segments) {
    bytes += liveBytes(segment);
    if (chosen.length === MAX_INPUTS || (bytes > maxSegmentBytes && chosen.length > 0)) break;
    chosen.push(segment);
  }
  return chosen;
}
