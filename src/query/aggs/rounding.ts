/**
 * Where does the interval of a date histogram begin that an instant lies in?
 *
 * Fixed intervals and calendar units, in UTC, at a fixed offset, and in zones whose offset changes. In the
 * latter a calendar day may have 23 or 25 hours, and a bucket's start may fall into a gap.
 *
 * Source of the rules: Elasticsearch's `Rounding`.
 *
 * @module
 */
import { illegalArgument } from "../../base/errors.ts";
import { addLocal, type CalendarUnit as ShortUnit, floorLocal } from "../../schema/calendar.ts";
import type { TimeZone } from "../../schema/time_zone.ts";
import type { CalendarUnit, DateInterval } from "./node.ts";

export interface Rounding {
  /** Start of the interval that holds `ms`. */
  round(ms: number): number;
  /** Start of the interval after the one that starts at `ms`. */
  next(ms: number): number;
  /** Length of every interval, or undefined when it varies. Then round(ms) = floor((ms - originMs) / length) * length + originMs. */
  readonly lengthMs: number | undefined;
  readonly originMs: number;
  /** Whether going from `next` to `next` meets every start. Not so where local times come twice. */
  readonly walkable: boolean;
}

const SHORT_UNITS: Readonly<Record<CalendarUnit, ShortUnit>> = {
  second: "s",
  minute: "m",
  hour: "h",
  day: "d",
  week: "w",
  month: "M",
  quarter: "q",
  year: "y",
};

const UNIT_MS: Readonly<Partial<Record<CalendarUnit, number>>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
};

/** @throws {RequestError} 400: the interval is not positive. */
export function makeRounding(interval: DateInterval, zone: TimeZone, offsetMs: number): Rounding {
  if (interval.kind === "fixed" && !(interval.ms >= 1)) {
    throw illegalArgument("Zero or negative time interval not supported");
  }
  const zoneMs = zone.fixedOffsetMs;
  if (zoneMs !== undefined) {
    const lengthMs = interval.kind === "fixed" ? interval.ms : UNIT_MS[interval.unit];
    if (lengthMs !== undefined) return new EvenRounding(lengthMs, offsetMs - zoneMs);
    if (interval.kind === "calendar") return new LocalRounding(SHORT_UNITS[interval.unit], zoneMs, offsetMs);
  }
  const inner = interval.kind === "fixed"
    ? new ZonedIntervalRounding(interval.ms, zone)
    : isMidnightUnit(interval.unit)
    ? new ZonedDayRounding(SHORT_UNITS[interval.unit], zone)
    : new ZonedTimeRounding(SHORT_UNITS[interval.unit], UNIT_MS[interval.unit]!, zone);
  return offsetMs === 0 ? inner : new ShiftedRounding(inner, offsetMs);
}

function isMidnightUnit(unit: CalendarUnit): boolean {
  return unit !== "second" && unit !== "minute" && unit !== "hour";
}

/** Intervals of one length from one origin. */
class EvenRounding implements Rounding {
  readonly walkable = true;

  constructor(readonly lengthMs: number, readonly originMs: number) {}

  round(ms: number): number {
    return Math.floor((ms - this.originMs) / this.lengthMs) * this.lengthMs + this.originMs;
  }

  next(ms: number): number {
    return this.round(ms) + this.lengthMs;
  }
}

/** Calendar units at a fixed offset from UTC. */
class LocalRounding implements Rounding {
  readonly lengthMs = undefined;
  readonly originMs = 0;
  readonly walkable = true;
  readonly #shift: number;

  constructor(private readonly unit: ShortUnit, zoneMs: number, offsetMs: number) {
    this.#shift = zoneMs - offsetMs;
  }

  round(ms: number): number {
    return floorLocal(ms + this.#shift, this.unit) - this.#shift;
  }

  next(ms: number): number {
    return addLocal(floorLocal(ms + this.#shift, this.unit), this.unit, 1) - this.#shift;
  }
}

class ShiftedRounding implements Rounding {
  readonly lengthMs = undefined;
  readonly originMs = 0;

  constructor(private readonly inner: Rounding, private readonly offsetMs: number) {}

  get walkable(): boolean {
    return this.inner.walkable;
  }

  round(ms: number): number {
    return this.inner.round(ms - this.offsetMs) + this.offsetMs;
  }

  next(ms: number): number {
    return this.inner.next(ms - this.offsetMs) + this.offsetMs;
  }
}

/** Days and longer: local midnight, or the first instant after it when the clock jumped over it. */
class ZonedDayRounding implements Rounding {
  readonly lengthMs = undefined;
  readonly originMs = 0;
  readonly walkable = true;

  constructor(private readonly unit: ShortUnit, private readonly zone: TimeZone) {}

  round(ms: number): number {
    return firstInstant(this.zone, floorLocal(ms + this.zone.offsetMs(ms), this.unit));
  }

  next(ms: number): number {
    const local = floorLocal(ms + this.zone.offsetMs(ms), this.unit);
    return firstInstant(this.zone, addLocal(local, this.unit, 1));
  }
}

/** How far back a span is explored. */
const SPAN_MS = 400 * 86_400_000;

/** The stretch around an instant in which one offset holds; asked again only when an instant leaves it. */
class OffsetSpan {
  readonly #zone: TimeZone;
  /** No transition lies in (from, to). */
  from = 0;
  to = 0;
  offsetMs = 0;

  constructor(zone: TimeZone) {
    this.#zone = zone;
  }

  seek(ms: number): void {
    if (ms >= this.from && ms < this.to) return;
    this.offsetMs = this.#zone.offsetMs(ms);
    this.from = lastTransition(this.#zone, ms - SPAN_MS, ms) ?? ms - SPAN_MS;
    this.to = this.#zone.nextTransition(ms);
  }
}

/** Hours and shorter: repeated hours stay apart. */
class ZonedTimeRounding implements Rounding {
  readonly lengthMs = undefined;
  readonly originMs = 0;
  readonly walkable = false;

  readonly #span: OffsetSpan;

  constructor(
    private readonly unit: ShortUnit,
    private readonly unitMs: number,
    private readonly zone: TimeZone,
  ) {
    this.#span = new OffsetSpan(zone);
  }

  round(ms: number): number {
    const span = this.#span;
    span.seek(ms);
    const quick = floorLocal(ms + span.offsetMs, this.unit) - span.offsetMs;
    return quick >= span.from ? quick : this.#roundAcross(ms);
  }

  #roundAcross(ms: number): number {
    const offset = this.zone.offsetMs(ms);
    const start = floorLocal(ms + offset, this.unit) - offset;
    const change = lastTransition(this.zone, start, ms);
    return change === undefined ? start : this.round(change - 1);
  }

  next(ms: number): number {
    const after = this.round(ms + this.unitMs);
    return after > ms ? after : ms + this.unitMs;
  }
}

/** Multiples of a length in local time. */
class ZonedIntervalRounding implements Rounding {
  readonly lengthMs = undefined;
  readonly originMs = 0;
  readonly walkable = false;

  readonly #span: OffsetSpan;

  constructor(private readonly intervalMs: number, private readonly zone: TimeZone) {
    this.#span = new OffsetSpan(zone);
  }

  round(ms: number): number {
    const span = this.#span;
    span.seek(ms);
    const quick = Math.floor((ms + span.offsetMs) / this.intervalMs) * this.intervalMs - span.offsetMs;
    return quick >= span.from ? quick : this.#roundAcross(ms);
  }

  #roundAcross(ms: number): number {
    const { zone, intervalMs } = this;
    const local = Math.floor((ms + zone.offsetMs(ms)) / intervalMs) * intervalMs;
    const early = zone.toUtc(local);
    const earlyOffset = zone.offsetMs(early);
    // In a gap: the gap's start.
    if (early + earlyOffset !== local) return firstInstant(zone, local);
    // In an overlap the local time comes twice; the later one counts if it is not after `ms`.
    const change = zone.nextTransition(early);
    if (change !== Infinity) {
      const late = local - zone.offsetMs(change);
      if (late > early && late >= change) {
        const found = this.#notAfter(late, ms);
        if (found !== undefined) return found;
      }
    }
    return this.#notAfter(early, ms) ?? early;
  }

  /** `start` if no transition lies between it and `ms`, else the round of what was before the transition. */
  #notAfter(start: number, ms: number): number | undefined {
    if (start > ms) return undefined;
    const change = lastTransition(this.zone, start, ms);
    return change === undefined ? start : this.round(change - 1);
  }

  next(ms: number): number {
    const { intervalMs } = this;
    const rounded = this.round(ms + intervalMs);
    if (rounded > ms) return rounded;
    // Longer than the interval: the clock was put back within it.
    const local = Math.floor((ms + this.zone.offsetMs(ms)) / intervalMs) * intervalMs;
    const after = this.zone.toUtc(local + intervalMs);
    return after > ms ? after : ms + this.intervalMs;
  }
}

/** Last instant t with from < t <= to at which the offset changes. */
function lastTransition(zone: TimeZone, from: number, to: number): number | undefined {
  let found: number | undefined;
  for (let at = zone.nextTransition(from); at <= to; at = zone.nextTransition(at)) found = at;
  return found;
}

/** First instant at which clocks show `localMs` or, when they jump over it, more. */
function firstInstant(zone: TimeZone, localMs: number): number {
  const utcMs = zone.toUtc(localMs);
  if (utcMs + zone.offsetMs(utcMs) === localMs) return utcMs;
  return lastTransition(zone, utcMs - 2 * 86_400_000, utcMs) ?? utcMs;
}
