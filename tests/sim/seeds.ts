/**
 * Every schedule that ever failed, with what it found. A seed replays the same schedule as long as the driver draws the
 * same numbers; what it found has a test of its own besides.
 *
 * @module
 */
export interface KeptSeed {
  readonly seed: number;
  readonly steps: number;
  readonly found: string;
}

export const KEPT_SEEDS: readonly KeptSeed[] = [
  {
    seed: 41,
    steps: 300,
    found: "a mark that could not be written ended the writer's thread instead of poisoning the shard",
  },
];
