/**
 * Values between text, JSON and columns: dates, zones, addresses, numbers.
 *
 * @module
 */
export { addLocal, type CalendarUnit, civilFromDays, daysFromCivil, floorLocal } from "./calendar.ts";
export {
  DateFormat,
  type DateParts,
  DEFAULT_DATE_FORMAT,
  DEFAULT_NANOS_FORMAT,
  fromNanos,
  toNanos,
} from "./date_format.ts";
export { add as addCalendar, type DateMathOptions, parseDateMath, roundDown, usesNow } from "./date_math.ts";
export {
  type BucketKey,
  bucketKey,
  type ColumnValue,
  docValue,
  sortValue,
  termText,
} from "./format_value.ts";
export { formatIp, type IpRange, parseCidr, parseIp, tryParseIp } from "./ip.ts";
export {
  LONG_MAX,
  LONG_MIN,
  parseDecimal,
  parseJavaDouble,
  parseLongText,
  UNSIGNED_BIAS,
  UNSIGNED_LONG_MAX,
  ValueError,
} from "./numbers.ts";
export {
  type DateContext,
  ipRange,
  keyedTerm,
  nextDown,
  nextUp,
  NOTHING,
  type NumberRange,
  numberRange,
  numberTerm,
  queryTerm,
  queryText,
  type RangeBounds,
  type TermRange,
} from "./query_values.ts";
export { type TimeZone, timeZone, UTC } from "./time_zone.ts";

import { DateFormat } from "./date_format.ts";
import { type TimeZone, UTC } from "./time_zone.ts";

/** Milliseconds since the epoch as text by a format list's first format. */
export function formatDate(ms: number, format: string, zone: TimeZone = UTC): string {
  return DateFormat.of(format).print(ms, 0, zone);
}
