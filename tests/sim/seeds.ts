/**
 * Every schedule that ever failed, with what it found. A seed replays the same schedule as long as the driver and the
 * server draw the same numbers; what it found in the server has a test of its own besides.
 *
 * @module
 */
import type { WeatherName } from "./weather.ts";

export interface KeptSeed {
  readonly seed: number;
  readonly steps: number;
  readonly flips?: number;
  readonly weather?: WeatherName;
  readonly found: string;
}

const UNMAPPED = "a refresh that waited while its index was deleted published memory that was given back";
const DEAD_SEGMENT = "after a flush that failed, a merge dropped a segment whose deletes only the log held";
const PARTS = "the model took a bulk that one shard refused for one that no shard has";

export const KEPT_SEEDS: readonly KeptSeed[] = [
  {
    seed: 41,
    steps: 300,
    found: "a mark that could not be written ended the writer's thread instead of poisoning the shard",
  },
  { seed: 327501962, steps: 300, found: UNMAPPED },
  { seed: 500072, steps: 300, found: UNMAPPED },
  { seed: 500102, steps: 300, found: DEAD_SEGMENT },
  { seed: 500170, steps: 300, found: DEAD_SEGMENT },
  { seed: 500251, steps: 300, found: PARTS },
  { seed: 500293, steps: 300, found: PARTS },
  { seed: 500319, steps: 300, found: PARTS },
  { seed: 600049, steps: 300, found: PARTS },
  {
    seed: 700057,
    steps: 300,
    flips: 4,
    found: "the model of a copy did not know an index whose create was under way when the copy was made",
  },
  {
    seed: 710052,
    steps: 300,
    flips: 2,
    found: "a copy was expected to open whose catalogue lists an index of which it has half a folder",
  },
  {
    seed: 720091,
    steps: 300,
    weather: "slow",
    found:
      "the removal of an index that could not be made was not synced: a power cut brought the index back",
  },
  {
    seed: 730167,
    steps: 300,
    weather: "torn",
    found:
      "a flush that waited while its index was deleted put its manifest in the place of the next one's first",
  },
  {
    seed: 750026,
    steps: 300,
    found: "an injected EIO in reading a copy's catalogue was taken for a refusal of the copy",
  },
];
