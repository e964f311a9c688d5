/**
 * What does a strategy cost over a long run? Flushes of random sizes, documents that die, merges that happen at once:
 * for tests, and for the plot in the documentation.
 *
 * @module
 */
import { type MergePlan, type MergeRules, planMerge, type PlannedSegment, rangeOf } from "./merge_plan.ts";

export interface SimulationOptions {
  readonly seed: number;
  readonly flushes: number;
  readonly rules: MergeRules;
  /** Share of a flush's documents that replace older ones. */
  readonly updatedShare: number;
  /** Share of flushes that bring documents of long ago. */
  readonly lateShare: number;
  /** Called with the segments before each plan is carried out. */
  readonly check?: (segments: readonly PlannedSegment[], plan: MergePlan) => void;
  /** Called with the segments after each flush and its merges. */
  readonly checkRest?: (segments: readonly PlannedSegment[]) => void;
}

export interface SimulationPoint {
  /** Bytes that flushes wrote so far. */
  readonly flushedBytes: number;
  /** The same and what merges wrote. */
  readonly writtenBytes: number;
  readonly segments: number;
  readonly bytes: number;
  readonly liveBytes: number;
}

export interface Simulation {
  readonly points: readonly SimulationPoint[];
  readonly segments: readonly PlannedSegment[];
  readonly merges: number;
  /** Bytes written for each byte that a flush wrote. */
  readonly writeAmplification: number;
}

const DOC_BYTES = 256;
/** Time between two flushes. */
const FLUSH_EVERY_MS = 30_000;

export function simulateMerges(options: SimulationOptions): Simulation {
  const { rules, flushes } = options;
  const random = mulberry32(options.seed);
  let segments: PlannedSegment[] = [];
  let number = 1;
  let flushedBytes = 0;
  let writtenBytes = 0;
  let merges = 0;
  const points: SimulationPoint[] = [];
  for (let flush = 0; flush < flushes; flush++) {
    const fresh = flushedSegment(options, { random, flush, number: number++ });
    segments = withDead(segments, fresh.docs * options.updatedShare, random);
    segments.push(fresh);
    flushedBytes += fresh.sizeBytes;
    writtenBytes += fresh.sizeBytes;
    for (;;) {
      const plan = planMerge(segments, rules);
      if (!plan) break;
      options.check?.(segments, plan);
      const inputs = segments.filter((segment) => plan.inputs.includes(segment.number));
      const at = segments.indexOf(inputs[0]!);
      segments = segments.filter((segment) => !inputs.includes(segment));
      if (plan.kind === "move") {
        segments.splice(at, 0, { ...inputs[0]!, level: plan.level });
        continue;
      }
      merges++;
      const docs = inputs.reduce((sum, { liveDocs }) => sum + liveDocs, 0);
      if (docs === 0) continue;
      const sizeBytes = docs * DOC_BYTES;
      writtenBytes += sizeBytes;
      const merged = {
        ...rangeOf(inputs),
        number: number++,
        sizeBytes,
        docs,
        liveDocs: docs,
        level: plan.level,
      };
      segments.splice(at, 0, merged);
    }
    options.checkRest?.(segments);
    const total = (of: (segment: PlannedSegment) => number) =>
      segments.reduce((sum, one) => sum + of(one), 0);
    points.push({
      flushedBytes,
      writtenBytes,
      segments: segments.length,
      bytes: total(({ sizeBytes }) => sizeBytes),
      liveBytes: total(({ liveDocs }) => liveDocs * DOC_BYTES),
    });
  }
  return { points, segments, merges, writeAmplification: writtenBytes / flushedBytes };
}

function flushedSegment(
  { rules, lateShare }: SimulationOptions,
  { random, flush, number }: {
    readonly random: () => number;
    readonly flush: number;
    readonly number: number;
  },
): PlannedSegment {
  // Most flushes are full; some come early because their interval is over.
  const share = random() < 0.2 ? 0.02 + random() * 0.3 : 0.8 + random() * 0.2;
  const docs = Math.max(1, Math.floor(rules.flushBytes * share / DOC_BYTES));
  const maxTimeMs = Math.floor((flush + 1) * FLUSH_EVERY_MS);
  const isLate = random() < lateShare;
  const minTimeMs = isLate
    ? Math.floor(maxTimeMs * random())
    : Math.max(0, maxTimeMs - Math.floor(FLUSH_EVERY_MS * (1 + random() * 0.1)));
  return { number, sizeBytes: docs * DOC_BYTES, docs, liveDocs: docs, minTimeMs, maxTimeMs };
}

/** So many documents die, new ones rather than old ones. */
function withDead(segments: readonly PlannedSegment[], dead: number, random: () => number): PlannedSegment[] {
  const left = [...segments];
  const pieces = 8;
  for (let i = 0; i < pieces && left.length > 0; i++) {
    const at = Math.floor(left.length * (1 - random() ** 2));
    const segment = left[Math.min(at, left.length - 1)]!;
    const liveDocs = Math.max(0, segment.liveDocs - Math.floor(dead / pieces));
    left[left.indexOf(segment)] = { ...segment, liveDocs };
  }
  return left;
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
