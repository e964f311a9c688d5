/**
 * The date formats that Elasticsearch knows by name, as patterns.
 *
 * Source: its documentation, "format" mapping parameter. Those with `strict_` insist on all digits; without, one is
 * enough where the pattern has two.
 *
 * @module
 */
import { compilePattern, type PatternItem } from "./date_pattern.ts";

const DATE = "yyyy-MM-dd";
const WEEK = "YYYY-'W'ww-e";
const TIME = "HH:mm:ss";

/** Each with what prints first; `X` stands for an offset with or without colon, `.f` for one to nine decimals. */
const PATTERNS: Readonly<Record<string, string>> = {
  date: DATE,
  date_hour: `${DATE}'T'HH`,
  date_hour_minute: `${DATE}'T'HH:mm`,
  date_hour_minute_second: `${DATE}'T'${TIME}`,
  date_hour_minute_second_fraction: `${DATE}'T'${TIME}.SSS`,
  date_hour_minute_second_millis: `${DATE}'T'${TIME}.SSS`,
  date_time: `${DATE}'T'${TIME}.SSSXXX`,
  date_time_no_millis: `${DATE}'T'${TIME}XXX`,
  hour: "HH",
  hour_minute: "HH:mm",
  hour_minute_second: TIME,
  hour_minute_second_fraction: `${TIME}.SSS`,
  hour_minute_second_millis: `${TIME}.SSS`,
  ordinal_date: "yyyy-DDD",
  ordinal_date_time: `yyyy-DDD'T'${TIME}.SSSXXX`,
  ordinal_date_time_no_millis: `yyyy-DDD'T'${TIME}XXX`,
  time: `${TIME}.SSSXXX`,
  time_no_millis: `${TIME}XXX`,
  t_time: `'T'${TIME}.SSSXXX`,
  t_time_no_millis: `'T'${TIME}XXX`,
  week_date: WEEK,
  week_date_time: `${WEEK}'T'${TIME}.SSSXXX`,
  week_date_time_no_millis: `${WEEK}'T'${TIME}XXX`,
  weekyear: "YYYY",
  weekyear_week: "YYYY-'W'ww",
  weekyear_week_day: WEEK,
  week_year: "YYYY",
  year: "yyyy",
  year_month: "yyyy-MM",
  year_month_day: DATE,
  basic_date: "yyyyMMdd",
  basic_date_time: "yyyyMMdd'T'HHmmss.SSSX",
  basic_date_time_no_millis: "yyyyMMdd'T'HHmmssX",
  basic_ordinal_date: "yyyyDDD",
  basic_ordinal_date_time: "yyyyDDD'T'HHmmss.SSSX",
  basic_ordinal_date_time_no_millis: "yyyyDDD'T'HHmmssX",
  basic_time: "HHmmss.SSSX",
  basic_time_no_millis: "HHmmssX",
  basic_t_time: "'T'HHmmss.SSSX",
  basic_t_time_no_millis: "'T'HHmmssX",
  basic_week_date: "YYYY'W'wwe",
  basic_week_date_time: "YYYY'W'wwe'T'HHmmss.SSSX",
  basic_week_date_time_no_millis: "YYYY'W'wwe'T'HHmmssX",
};

export interface NamedFormat {
  /** Tried in order. */
  readonly parse: readonly (readonly PatternItem[])[];
  readonly print: readonly PatternItem[];
}

/** Undefined: no such name. */
export function namedFormat(name: string): NamedFormat | undefined {
  const strict = name.startsWith("strict_");
  const base = strict ? name.slice("strict_".length) : name;
  const pattern = Object.hasOwn(PATTERNS, base) ? PATTERNS[base]! : undefined;
  if (pattern === undefined) return undefined;
  // Fields without separators between them need their full width to be told apart.
  const lenient = !strict && !base.startsWith("basic_");
  const print = compilePattern(pattern);
  const shapes = pattern.endsWith("XXX")
    ? [pattern, pattern.slice(0, -3) + "XX", pattern.slice(0, -3) + "X"]
    : pattern.endsWith("X")
    ? [pattern, pattern.slice(0, -1) + "XXX"]
    : [pattern];
  const parse = shapes.map((shape) =>
    compilePattern(shape, lenient).map((item): PatternItem =>
      item.kind === "fraction" ? { ...item, min: 1, max: 9 } : item
    )
  );
  return { parse, print };
}
