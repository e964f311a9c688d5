/**
 * Days and years of the proleptic Gregorian calendar by arithmetic, without `Date`.
 *
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
 *
 * @module
 */

export const DAY_MS = 86_400_000;

/** Days from 1970-01-01 to a civil date; `month` 1 to 12, `day` may run over. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146097 + dayOfEra - 719468;
}

export interface Civil {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

export function civilFromDays(days: number): Civil {
  const z = days + 719468;
  const era = Math.floor(z / 146097);
  const dayOfEra = z - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1;
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

export function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

export function daysInMonth(year: number, month: number): number {
  return month === 2 && isLeapYear(year) ? 29 : MONTH_DAYS[month - 1]!;
}

/** 1 (Monday) to 7 (Sunday). */
export function dayOfWeek(days: number): number {
  return ((days + 3) % 7 + 7) % 7 + 1;
}

/** Days of the Monday of ISO week 1 of a week-based year. */
export function isoYearStart(weekYear: number): number {
  const fourth = daysFromCivil(weekYear, 1, 4);
  return fourth - (dayOfWeek(fourth) - 1);
}

/** Calendar units, as date math and histograms use them. */
export type CalendarUnit = "y" | "q" | "M" | "w" | "d" | "h" | "m" | "s";

/** Start of the unit that a local time (ms) lies in. */
export function floorLocal(localMs: number, unit: CalendarUnit): number {
  switch (unit) {
    case "s":
      return Math.floor(localMs / 1000) * 1000;
    case "m":
      return Math.floor(localMs / 60_000) * 60_000;
    case "h":
      return Math.floor(localMs / 3_600_000) * 3_600_000;
  }
  const days = Math.floor(localMs / DAY_MS);
  switch (unit) {
    case "d":
      return days * DAY_MS;
    case "w":
      return (days - (dayOfWeek(days) - 1)) * DAY_MS;
  }
  const { year, month } = civilFromDays(days);
  const first = unit === "y" ? 1 : unit === "q" ? month - (month - 1) % 3 : month;
  return daysFromCivil(year, first, 1) * DAY_MS;
}

/** Local time moved by whole units; months and years clip the day to the month's last. */
export function addLocal(localMs: number, unit: CalendarUnit, count: number): number {
  switch (unit) {
    case "s":
      return localMs + count * 1000;
    case "m":
      return localMs + count * 60_000;
    case "h":
      return localMs + count * 3_600_000;
    case "d":
      return localMs + count * DAY_MS;
    case "w":
      return localMs + count * 7 * DAY_MS;
  }
  const days = Math.floor(localMs / DAY_MS);
  const { year, month, day } = civilFromDays(days);
  const months = year * 12 + (month - 1) + count * (unit === "y" ? 12 : unit === "q" ? 3 : 1);
  const toYear = Math.floor(months / 12);
  const toMonth = months - toYear * 12 + 1;
  const toDay = Math.min(day, daysInMonth(toYear, toMonth));
  return daysFromCivil(toYear, toMonth, toDay) * DAY_MS + (localMs - days * DAY_MS);
}
