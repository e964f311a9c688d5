/**
 * Instants into text by a compiled pattern.
 *
 * @module
 */
import { civilFromDays, DAY_MS, dayOfWeek, daysFromCivil, isoYearStart } from "./calendar.ts";
import { DateSlot, MONTHS, type PatternItem, WEEKDAYS } from "./date_pattern.ts";
import type { TimeZone } from "./time_zone.ts";

/** An instant: milliseconds since the epoch, and nanoseconds (0 to 999,999) within that millisecond. */
export interface DateParts {
  readonly ms: number;
  readonly nanosOfMs: number;
}

export function printItems(items: readonly PatternItem[], parts: DateParts, zone: TimeZone): string {
  const offsetMs = zone.offsetMs(parts.ms);
  const localMs = parts.ms + offsetMs;
  const days = Math.floor(localMs / DAY_MS);
  const msOfDay = localMs - days * DAY_MS;
  const civil = civilFromDays(days);
  let text = "";
  const walk = (list: readonly PatternItem[]): void => {
    for (const item of list) {
      switch (item.kind) {
        case "literal":
          text += item.text;
          break;
        case "optional":
          walk(item.items);
          break;
        case "number":
          text += numberText(item, slotValue(item.slot, days, msOfDay, parts.nanosOfMs, civil));
          break;
        case "fraction": {
          const nanos = String((msOfDay % 1000) * 1_000_000 + parts.nanosOfMs).padStart(9, "0");
          let digits = Math.min(9, item.pad);
          if (item.max > item.pad) {
            digits = Math.max(item.pad, nanos.replace(/0+$/, "").length);
          }
          text += nanos.slice(0, digits);
          break;
        }
        case "name":
          text += nameText(item.slot, item.short, slotValue(item.slot, days, msOfDay, 0, civil));
          break;
        case "offset":
          text += offsetText(offsetMs, item.colon, item.minutes, item.zero);
          break;
        case "zone":
          text += item.prefix
            ? `GMT${offsetMs === 0 ? "" : offsetText(offsetMs, true, "yes", "")}`
            : zoneName(zone);
          break;
      }
    }
  };
  walk(items);
  return text;
}

/** UTC prints as `Z` where a zone's name is asked for, as java.time's ZoneOffset does. */
function zoneName(zone: TimeZone): string {
  return zone.id === "UTC" ? "Z" : zone.id;
}

function slotValue(
  slot: number,
  days: number,
  msOfDay: number,
  nanosOfMs: number,
  civil: { readonly year: number; readonly month: number; readonly day: number },
): number {
  switch (slot) {
    case DateSlot.Year:
      return civil.year;
    case DateSlot.Month:
      return civil.month;
    case DateSlot.Day:
      return civil.day;
    case DateSlot.Hour:
      return Math.floor(msOfDay / 3_600_000);
    case DateSlot.HourOfAmPm:
      return Math.floor(msOfDay / 3_600_000) % 12;
    case DateSlot.AmPm:
      return msOfDay >= DAY_MS / 2 ? 1 : 0;
    case DateSlot.Minute:
      return Math.floor(msOfDay / 60_000) % 60;
    case DateSlot.Second:
      return Math.floor(msOfDay / 1000) % 60;
    case DateSlot.Nano:
      return (msOfDay % 1000) * 1_000_000 + nanosOfMs;
    case DateSlot.MilliOfDay:
      return msOfDay;
    case DateSlot.NanoOfDay:
      return msOfDay * 1_000_000 + nanosOfMs;
    case DateSlot.DayOfYear:
      return days - daysFromCivil(civil.year, 1, 1) + 1;
    case DateSlot.DayOfWeek:
      return dayOfWeek(days);
    case DateSlot.WeekYear:
      return isoWeek(days).year;
    case DateSlot.Week:
      return isoWeek(days).week;
    case DateSlot.Quarter:
      return Math.floor((civil.month + 2) / 3);
    case DateSlot.Era:
      return civil.year > 0 ? 1 : 0;
  }
  return 0;
}

function isoWeek(days: number): { year: number; week: number } {
  // The Thursday of a week tells which year it belongs to.
  const year = civilFromDays(days - (dayOfWeek(days) - 1) + 3).year;
  return { year, week: Math.floor((days - isoYearStart(year)) / 7) + 1 };
}

function numberText(item: Extract<PatternItem, { kind: "number" }>, value: number): string {
  if (item.shift === "reduced") return String(((value % 100) + 100) % 100).padStart(2, "0");
  if (item.shift === "clock24" && value === 0) value = 24;
  if (item.shift === "clock12" && value === 0) value = 12;
  const digits = String(Math.abs(value)).padStart(printWidth(item), "0");
  if (value < 0) return `-${digits}`;
  return item.signed && item.min >= 4 && digits.length > item.min ? `+${digits}` : digits;
}

function printWidth(item: Extract<PatternItem, { kind: "number" }>): number {
  return item.min;
}

function nameText(slot: number, short: boolean, value: number): string {
  if (slot === DateSlot.AmPm) return value === 0 ? "AM" : "PM";
  if (slot === DateSlot.Era) return value === 0 ? "BC" : "AD";
  const name = (slot === DateSlot.Month ? MONTHS : WEEKDAYS)[value - 1]!;
  return short ? name.slice(0, 3) : name;
}

function offsetText(offsetMs: number, colon: boolean, minutes: "no" | "maybe" | "yes", zero: string): string {
  if (offsetMs === 0 && zero !== "") return zero;
  const size = Math.abs(offsetMs);
  const sign = offsetMs < 0 ? "-" : "+";
  const hour = String(Math.floor(size / 3_600_000)).padStart(2, "0");
  const minute = String(Math.floor(size / 60_000) % 60).padStart(2, "0");
  if (minutes === "no" || (minutes === "maybe" && minute === "00")) return sign + hour;
  const second = Math.floor(size / 1000) % 60;
  const tail = second === 0 ? "" : (colon ? ":" : "") + String(second).padStart(2, "0");
  return sign + hour + (colon ? ":" : "") + minute + tail;
}
