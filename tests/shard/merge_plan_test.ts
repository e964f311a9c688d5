/**
 * Which segments are merged, as tables; and invariants that hold on random ones.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  liveBytes,
  type MergePlan,
  type MergeRules,
  planForced,
  planMerge,
  type PlannedSegment,
  sumLiveBytes,
} from "../../src/shard/merge_plan.ts";
import { simulateMerges } from "../../src/shard/merge_simulation.ts";

const MB = 1024 * 1024;

const RULES: MergeRules = {
  strategy: "size_tiered",
  minSegments: 3,
  maxSegmentBytes: 100 * MB,
  flushBytes: 10 * MB,
};

/** `12` MB; `12-50%`: so many dead; `12@0-9`: times; `12L2`: level. Numbered from 1. */
function parse(text: string): PlannedSegment[] {
  return text.split(" ").filter((word) => word !== "").map((word, i) => {
    const match = /^([\d.]+)(?:-(\d+)%)?(?:@(\d+)-(\d+))?(?:L(\d))?$/.exec(word);
    assert(match, `cannot read ${word}`);
    const [, size, dead, min, max, level] = match!;
    return {
      number: i + 1,
      sizeBytes: Number(size) * MB,
      docs: 1000,
      liveDocs: 1000 - Number(dead ?? 0) * 10,
      minTimeMs: min === undefined ? undefined : Number(min),
      maxTimeMs: max === undefined ? undefined : Number(max),
      level: level === undefined ? undefined : Number(level),
    };
  });
}

function shown(plan: MergePlan | undefined): string {
  if (!plan) return "-";
  return `${plan.kind} ${plan.inputs.join(",")}${plan.level === 0 ? "" : ` to ${plan.level}`}`;
}

const SIZE_TIERED: readonly (readonly [segments: string, plan: string, rules?: Partial<MergeRules>])[] = [
  ["", "-"],
  ["0.1 0.1", "-"],
  ["0.1 0.1 0.1", "merge 1,2,3"],
  ["0.1 0.5 0.01 0.9", "merge 1,2,3,4"],
  ["1 2 2.9", "merge 1,2,3"], // [1, 3) is one class where three make a merge.
  ["1 2 3", "-"],
  ["50 2 2 2", "merge 2,3,4"],
  ["20 20 20", "merge 1,2,3"],
  ["40 40 40", "merge 1,2"], // Two fit under max_segment_mb.
  ["60 60 60", "-"], // Two of them would not fit.
  ["60-50% 60-50% 60-50%", "merge 1,2,3"], // What is alive counts.
  ["90-60%", "merge 1"],
  ["90-40%", "-"],
  ["5 5-100% 5-100% 5", "merge 2,3"],
  ["5 5", "merge 1,2", { minSegments: 2 }],
  ["5 9", "-", { minSegments: 2 }], // [4, 8) and [8, 16).
  ["20 9 40 30 11", "merge 1,2,5"], // [9, 27).
];

const LOG_STRUCTURED: typeof SIZE_TIERED = [
  ["1 1", "-"],
  ["1 1 1", "merge 1,2,3 to 1"],
  ["20L1 1 1 1", "merge 1,2,3,4 to 1"], // No times: all overlap.
  ["20@0-9L1 1@10-11 1@12-13 1@14-15", "merge 2,3,4 to 1"],
  ["20@0-9L1 1@9-11 1@12-13 1@14-15", "merge 1,2,3,4 to 1"],
  // 1 shares a time with 2, and 2 with 3.
  ["5@0-5L1 5@6-12L1 1@12-15 1@15-16 1@17-18", "merge 2,3,4,5 to 1"],
  ["60@0-9L1 50@10-19L1", "move 1 to 2"],
  ["60@0-9L1 50@10-19L1 30@5-9L2", "merge 1,3 to 2"],
  ["60@0-9L1 50@10-19L1 90@5-9L2", "move 1 to 3"], // Together too large.
  ["95@0-9L1 2@9-10 2@10-11 2@11-12 2@12-13", "merge 2,3,4,5 to 2"], // With 1 too large, beside it not allowed.
  ["90-60%@0-9L2", "merge 1 to 2"],
];

for (const [strategy, cases] of [["size_tiered", SIZE_TIERED], ["log_structured", LOG_STRUCTURED]] as const) {
  for (const [segments, plan, rules] of cases) {
    Deno.test(`${strategy}: [${segments}] ${JSON.stringify(rules ?? {})} -> ${plan}`, () => {
      assertEquals(shown(planMerge(parse(segments), { ...RULES, strategy, ...rules })), plan);
    });
  }
}

const FORCED: readonly (readonly [segments: string, maxSegments: number, plan: string])[] = [
  ["50 60 70", 1, "merge 1,2,3"],
  ["70 50 60", 2, "merge 2,3"],
  ["70 50", 2, "-"],
  ["70 50-1%", 2, "merge 2"],
  ["70 50-100%", 1, "merge 2"],
];

for (const [segments, maxSegments, plan] of FORCED) {
  Deno.test(`forced to ${maxSegments}: [${segments}] -> ${plan}`, () => {
    assertEquals(shown(planForced(parse(segments), { maxSegments, expungeOnly: false })), plan);
  });
}

for (const strategy of ["size_tiered", "log_structured"] as const) {
  Deno.test(`${strategy}: a long random run stays within its bounds`, () => {
    const rules = { ...RULES, strategy, minSegments: 4 };
    const run = simulateMerges({
      seed: 11,
      flushes: 600,
      rules,
      updatedShare: 0.05,
      lateShare: 0.02,
      check: (segments, plan) => {
        const inputs = segments.filter(({ number }) => plan.inputs.includes(number));
        assertEquals(inputs.length, new Set(plan.inputs).size, "inputs are there, once each");
        assert(inputs.length >= 1);
        if (plan.kind === "merge" && inputs.length > 1) {
          assert(sumLiveBytes(inputs) <= rules.maxSegmentBytes, "the output is not too large");
        }
      },
      checkRest: (segments) => {
        if (strategy !== "log_structured") return;
        for (const a of segments) {
          for (const b of segments) {
            if (a === b || (a.level ?? 0) === 0 || a.level !== b.level) continue;
            const apart = a.maxTimeMs! < b.minTimeMs! || b.maxTimeMs! < a.minTimeMs!;
            assert(
              apart,
              `level ${a.level}: [${a.minTimeMs}, ${a.maxTimeMs}] and [${b.minTimeMs}, ${b.maxTimeMs}]`,
            );
          }
        }
      },
    });
    const last = run.points.at(-1)!;
    // All merged segments are at least half of the largest, but for those on their way.
    const fewest = last.liveBytes / rules.maxSegmentBytes;
    assert(last.segments <= 3 * fewest + 60, `${last.segments} segments for ${fewest}`);
    assert(run.writeAmplification < 12, `write amplification ${run.writeAmplification}`);
    assert(last.bytes / last.liveBytes < 2.1, `space amplification ${last.bytes / last.liveBytes}`);
    assert(run.segments.every((segment) => liveBytes(segment) <= rules.maxSegmentBytes));
  });
}
