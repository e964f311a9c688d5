/**
 * Time zones as tables of offsets: `Intl` is asked once per zone and year, never per value.
 *
 * @module
 */
import { illegalArgument } from "../base/errors.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Years outside of this range take the offset of its edge. */
const FIRST_YEAR = 1800;
const LAST_YEAR = 2200;

export interface TimeZone {
  /** As it was named: `Europe/Berlin`, `+01:00`, `UTC`. */
  readonly id: string;
  /** The one offset of a zone without transitions, else undefined. */
  readonly fixedOffsetMs: number | undefined;
  /** Local time minus UTC, in milliseconds, at an instant. */
  offsetMs(utcMs: number): number;
  /**
   * The instant of a local time. In an overlap the earlier one, in a gap the instant as far behind the gap's
   * start, as java.time does.
   */
  toUtc(localMs: number): number;
  /** First instant after `utcMs` from which another offset holds, or Infinity. */
  nextTransition(utcMs: number): number;
}

class FixedZone implements TimeZone {
  readonly fixedOffsetMs: number;

  constructor(readonly id: string, offsetMs: number) {
    this.fixedOffsetMs = offsetMs;
  }

  offsetMs(): number {
    return this.fixedOffsetMs;
  }

  toUtc(localMs: number): number {
    return localMs - this.fixedOffsetMs;
  }

  nextTransition(): number {
    return Infinity;
  }
}

/** Instants from which an offset holds, within one UTC year. The first entry starts the year. */
interface YearTable {
  readonly starts: readonly number[];
  readonly offsets: readonly number[];
}

class RegionZone implements TimeZone {
  readonly fixedOffsetMs = undefined;
  readonly #format: Intl.DateTimeFormat;
  readonly #years = new Map<number, YearTable>();
  // The span in which the last answer holds: values of one query tend to lie close together.
  #from = 0;
  #to = 0;
  #offset = 0;

  constructor(readonly id: string) {
    this.#format = new Intl.DateTimeFormat("en-US", { timeZone: id, timeZoneName: "longOffset" });
  }

  offsetMs(utcMs: number): number {
    if (utcMs >= this.#from && utcMs < this.#to) return this.#offset;
    this.#lookUp(utcMs);
    return this.#offset;
  }

  toUtc(localMs: number): number {
    // Offsets before and after any transition near by; the one that maps back decides.
    const before = this.offsetMs(localMs - DAY_MS);
    const early = localMs - before;
    if (this.offsetMs(early) === before) return early;
    const after = this.offsetMs(localMs + DAY_MS);
    const late = localMs - after;
    return this.offsetMs(late) === after ? late : early;
  }

  nextTransition(utcMs: number): number {
    const offset = this.offsetMs(utcMs);
    const last = yearOf(utcMs) + 2;
    let at = this.#to;
    while (yearOf(at) <= last && yearOf(at) < LAST_YEAR) {
      if (this.offsetMs(at) !== offset) return at;
      at = this.#to;
    }
    return Infinity;
  }

  #lookUp(utcMs: number): void {
    const year = Math.min(LAST_YEAR, Math.max(FIRST_YEAR, yearOf(utcMs)));
    let table = this.#years.get(year);
    if (!table) {
      table = this.#buildYear(year);
      this.#years.set(year, table);
    }
    let i = table.starts.length - 1;
    while (i > 0 && table.starts[i]! > utcMs) i--;
    this.#offset = table.offsets[i]!;
    this.#from = table.starts[i]!;
    this.#to = i + 1 < table.starts.length ? table.starts[i + 1]! : yearStart(year + 1);
    if (year === FIRST_YEAR && i === 0) this.#from = -Infinity;
    if (year === LAST_YEAR && i === table.starts.length - 1) this.#to = Infinity;
  }

  #buildYear(year: number): YearTable {
    const from = yearStart(year);
    const to = yearStart(year + 1);
    const starts = [from];
    const offsets = [this.#ask(from)];
    // Steps of a week: no zone has ever changed twice within one and come back to the same offset.
    let at = from;
    while (at < to) {
      const next = Math.min(to, at + 7 * DAY_MS);
      const offset = this.#ask(next - 1000);
      if (offset !== offsets[offsets.length - 1]) {
        let low = at;
        let high = next;
        const known = offsets[offsets.length - 1];
        while (high - low > 1000) {
          const middle = Math.floor((low + high) / 2000) * 1000;
          if (this.#ask(middle) === known) low = middle;
          else high = middle;
        }
        starts.push(high);
        offsets.push(this.#ask(high));
      }
      at = next;
    }
    return { starts, offsets };
  }

  #ask(utcMs: number): number {
    const text = this.#format.format(utcMs);
    const match = /GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(text);
    if (!match?.[1]) return 0;
    const size = Number(match[2]) * HOUR_MS + Number(match[3]) * MINUTE_MS + Number(match[4] ?? 0) * 1000;
    return match[1] === "-" ? -size : size;
  }
}

function yearStart(year: number): number {
  return Date.UTC(year, 0, 1);
}

function yearOf(utcMs: number): number {
  return new Date(Math.min(8.64e15, Math.max(-8.64e15, utcMs))).getUTCFullYear();
}

export const UTC: TimeZone = new FixedZone("UTC", 0);

/** Zones are few and their tables pay off over queries. Cleared when somebody tries very many names. */
const known = new Map<string, TimeZone>();
const KNOWN_MAX = 1000;

/**
 * A zone by name or offset: `UTC`, `Z`, `+01:00`, `-0330`, `+2`, `UTC+1`, `Europe/Berlin`.
 *
 * @throws {RequestError} 400: no such zone.
 */
export function timeZone(id: string): TimeZone {
  const hit = known.get(id);
  if (hit) return hit;
  const zone = makeZone(id);
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(id, zone);
  return zone;
}

function makeZone(id: string): TimeZone {
  if (id === "Z" || id === "UTC" || id === "GMT" || id === "UT") return new FixedZone(id, 0);
  const match = /^(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2})(?::?(\d{2}))?)?$/.exec(id);
  if (match) {
    const size = Number(match[2]) * HOUR_MS + Number(match[3] ?? 0) * MINUTE_MS +
      Number(match[4] ?? 0) * 1000;
    if (size > 18 * HOUR_MS || Number(match[3] ?? 0) > 59) throw unknownZone(id);
    return new FixedZone(id, match[1] === "-" ? -size : size);
  }
  try {
    return new RegionZone(id);
  } catch (error) {
    if (error instanceof RangeError) throw unknownZone(id);
    throw error;
  }
}

function unknownZone(id: string): Error {
  return illegalArgument(`Unknown time-zone ID: ${id}`);
}
