/**
 * What happens how often in a schedule. Each weather provokes what some rules of the protocol are for; `plain` has a
 * little of everything.
 *
 * @module
 */

/** Relative frequencies of what a step may be. */
export interface Weights {
  readonly work: number;
  readonly tasks: number;
  readonly time: number;
  readonly copy: number;
  readonly look: number;
  readonly trouble: number;
  readonly kill: number;
  readonly powerCut: number;
  readonly clean: number;
  readonly restore: number;
}

export interface Weather {
  readonly weights: Weights;
  /** Most pieces that a copying tool gets done in a step: the fewer, the slower. */
  readonly pace: number;
  /** How often a copy is opened where it lies, which leaves a past of its own there. */
  readonly inPlace: number;
  /** How often a server on a copy that lies where it was opened goes down, and up again. */
  readonly reopens: number;
  /** How often a copy goes to where `rsync` without `--delete` writes; undefined: to any place alike. */
  readonly kept: number | undefined;
  /** Share of what clients do that makes, deletes and aliases indices, besides what they do of it anyway. */
  readonly catalogue: number;
  /** Share of what clients do that flushes, besides what they do of it anyway. */
  readonly flushes: number;
  /** Part of the merges that clients may force which they do; the server's own leave more segments as they are. */
  readonly forced: number;
  /** Part of the troubles that are a kill between two calls; undefined: as it comes. */
  readonly killsInCalls: number | undefined;
  /** Part of the deaths after which the power fails too. */
  readonly powerFails: number;
  /** Largest log generation, bytes; undefined: 2,000 to 14,000, as the seed has it. */
  readonly walMaxBytes: number | undefined;
  /** Larger segments are not merged any more; undefined: all are. */
  readonly maxSegmentBytes: number | undefined;
  /** Part of the troubles that are a jump of the wall clock; undefined: as it comes. */
  readonly clockJumps: number | undefined;
  /** ms; undefined: as the simulation's settings have it. */
  readonly retainSupersededMs: number | undefined;
}

const PLAIN: Weather = {
  weights: {
    work: 45,
    tasks: 30,
    time: 15,
    copy: 3,
    look: 2.5,
    trouble: 1.5,
    kill: 1.1,
    powerCut: 1.1,
    clean: 0.4,
    restore: 0.4,
  },
  pace: 8,
  inPlace: 0.4,
  reopens: 0,
  kept: undefined,
  catalogue: 0,
  flushes: 0,
  forced: 1,
  killsInCalls: undefined,
  powerFails: 0.4,
  walMaxBytes: undefined,
  maxSegmentBytes: undefined,
  clockJumps: undefined,
  retainSupersededMs: undefined,
};

function weather({ weights, ...changes }: Partial<Omit<Weather, "weights">> & {
  readonly weights?: Partial<Weights>;
}): Weather {
  return { ...PLAIN, ...changes, weights: { ...PLAIN.weights, ...weights } };
}

export const WEATHERS = {
  plain: PLAIN,
  /** Copies onto places where others have lived, opened there, restored from, gone on with. */
  pasts: weather({
    weights: { copy: 12, restore: 4, kill: 3, powerCut: 3, look: 1 },
    pace: 30,
    inPlace: 0.6,
    reopens: 0.7,
    kept: 0.6,
    flushes: 0.1,
  }),
  /** Copies in the middle of flushes and merges, opened where they lie, again and again. */
  torn: weather({
    weights: { copy: 12, tasks: 25, powerCut: 2, look: 1 },
    pace: 4,
    inPlace: 0.8,
    reopens: 0.8,
    flushes: 0.25,
    walMaxBytes: 2000,
  }),
  /** Copies that take nearly as long as retention lasts, and longer. */
  slow: weather({
    weights: { copy: 12, time: 20, kill: 2, clean: 2, look: 1 },
    pace: 2,
    inPlace: 0.3,
    kept: 0.5,
    flushes: 0.15,
    walMaxBytes: 2000,
    retainSupersededMs: 8000,
  }),
  /** Copies while the wall clock jumps. */
  clocks: weather({
    weights: { copy: 15, trouble: 8, look: 1, restore: 0.1 },
    pace: 3,
    inPlace: 0.1,
    flushes: 0.2,
    clockJumps: 0.8,
    walMaxBytes: 2000,
  }),
  /** Flushes and merges without end, and power cuts after them. */
  merges: weather({
    weights: { work: 50, tasks: 25, time: 20, kill: 3, powerCut: 4, copy: 1, look: 1.5 },
    flushes: 0.3,
    forced: 0.15,
    maxSegmentBytes: 9000,
  }),
  /** Kills and power cuts between any two calls. */
  power: weather({
    weights: { trouble: 8, powerCut: 3, copy: 1, look: 1 },
    killsInCalls: 0.8,
    powerFails: 0.8,
    flushes: 0.1,
    walMaxBytes: 2000,
  }),
  /** Indices come and go under copies. */
  catalogue: weather({
    weights: { copy: 8, trouble: 3, powerCut: 2, kill: 2, look: 1 },
    pace: 12,
    catalogue: 0.3,
    kept: 0.5,
    powerFails: 0.6,
  }),
} as const satisfies Record<string, Weather>;

export type WeatherName = keyof typeof WEATHERS;

export const WEATHER_NAMES = Object.keys(WEATHERS) as readonly WeatherName[];

/** @throws {Error} For a name that is none. */
export function weatherNamed(name: string): WeatherName {
  if (Object.hasOwn(WEATHERS, name)) return name as WeatherName;
  throw new Error(`no weather ${name}; there are ${WEATHER_NAMES.join(", ")}`);
}

/** Every other schedule is plain, the rest take turns. */
export function weatherOf(seed: number): WeatherName {
  const [plain, ...others] = WEATHER_NAMES;
  return seed % 2 === 0 ? plain! : others[Math.floor(seed / 2) % others.length]!;
}
