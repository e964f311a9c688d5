/**
 * The hour of simulated ingest over which merge strategies are compared.
 *
 * @module
 */
import type { MergeRules } from "../src/shard/merge_plan.ts";

const MIB = 1024 * 1024;

/** A flush of up to 64 MiB each 2.5 s, for an hour; 5% of the documents replace older ones. */
export const HOUR = { seed: 42, flushes: 1440, updatedShare: 0.05, lateShare: 0.01 } as const;

export const RULES: Omit<MergeRules, "strategy"> = {
  minSegments: 10,
  maxSegmentBytes: 5120 * MIB,
  flushBytes: 64 * MIB,
};

export const STRATEGIES = [
  { strategy: "size_tiered", colour: "#1f6feb" },
  { strategy: "log_structured", colour: "#d1242f" },
] as const;
