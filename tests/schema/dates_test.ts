import { assertEquals, assertThrows } from "@std/assert";
import { RequestError } from "../../src/base/errors.ts";
import { civilFromDays, daysFromCivil } from "../../src/schema/calendar.ts";
import { DateFormat, fromNanos, toNanos } from "../../src/schema/date_format.ts";
import { add, parseDateMath, roundDown } from "../../src/schema/date_math.ts";
import { timeZone, UTC } from "../../src/schema/time_zone.ts";
import prints from "./date_prints.json" with { type: "json" };

function iso(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

function thrown(work: () => unknown): string {
  return (assertThrows(work, RequestError) as unknown as RequestError).message;
}

Deno.test("printing: as Elasticsearch 8.13 prints doc values", () => {
  for (const [format, ms, nanos, expected] of prints as [string, number, number, string][]) {
    assertEquals(DateFormat.of(format).print(ms, nanos), expected, format);
  }
});

Deno.test("what is printed is read back", () => {
  const text = /^(strict_)?(date|basic)/;
  for (const [format, ms, nanos, printed] of prints as [string, number, number, string][]) {
    if (!text.test(format) || printed.length < 20) continue;
    const parts = DateFormat.of(format).parse(printed);
    assertEquals(DateFormat.of(format).print(parts.ms, parts.nanosOfMs), printed, `${format} ${ms} ${nanos}`);
  }
});

Deno.test("strict_date_optional_time: what it takes", () => {
  const format = DateFormat.of("strict_date_optional_time||epoch_millis");
  const cases: [string, string | undefined][] = [
    ["2020", "2020-01-01T00:00:00.000Z"],
    ["2020-03", "2020-03-01T00:00:00.000Z"],
    ["2020-03-04", "2020-03-04T00:00:00.000Z"],
    ["2020-03-04T05", "2020-03-04T05:00:00.000Z"],
    ["2020-03-04T05:06", "2020-03-04T05:06:00.000Z"],
    ["2020-03-04T05:06:07", "2020-03-04T05:06:07.000Z"],
    ["2020-03-04T05:06:07.8", "2020-03-04T05:06:07.800Z"],
    ["2020-03-04T05:06:07,89Z", "2020-03-04T05:06:07.890Z"],
    ["2020-03-04T05:06:07.123456789Z", "2020-03-04T05:06:07.123Z"],
    ["2020-03-04T05:06:07+02:00", "2020-03-04T03:06:07.000Z"],
    ["2020-03-04T05:06:07-0230", "2020-03-04T07:36:07.000Z"],
    ["2020-03-04T05:06:07+02", "2020-03-04T03:06:07.000Z"],
    ["-0001-01-01", "-000001-01-01T00:00:00.000Z"],
    ["1583298367000", "2020-03-04T05:06:07.000Z"],
    ["2020-3-4", undefined],
    ["2020-13-01", undefined],
    ["2021-02-29", undefined],
    ["2020-03-04T24:00:00", undefined],
    ["2020-03-04T05:06:07.", undefined],
    ["2020-03-04 05:06:07", undefined],
    ["2020-03-04T05:06:07+19:00", undefined],
    ["20200304", "1970-01-01T05:36:40.304Z"],
    ["x", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of cases) assertEquals(iso(format.tryParse(text)?.ms), expected, text);
  assertEquals(
    iso(DateFormat.of("date_optional_time").tryParse("2020-3-4T5:6")?.ms),
    "2020-03-04T05:06:00.000Z",
  );
});

Deno.test("patterns and names: what they take", () => {
  const cases: [string, string, string | undefined][] = [
    ["yyyy-MM-dd HH:mm:ss", "2020-01-02 03:04:05", "2020-01-02T03:04:05.000Z"],
    ["yyyy-MM-dd HH:mm:ss", "2020-01-02", undefined],
    ["yyyy-MM-dd", "2021-02-30", undefined],
    ["yyyy-MM-dd HH:mm:ss[.SSS]", "2020-01-02 03:04:05.678", "2020-01-02T03:04:05.678Z"],
    ["yyyy-MM-dd HH:mm:ss[.SSS]", "2020-01-02 03:04:05", "2020-01-02T03:04:05.000Z"],
    ["dd/MMM/yyyy:HH:mm:ss Z", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36.000Z"],
    ["EEE, dd MMM yyyy HH:mm:ss Z", "Mon, 03 Feb 2020 04:05:06 +0100", "2020-02-03T03:05:06.000Z"],
    ["EEE, dd MMM yyyy", "Tue, 03 Feb 2020", undefined],
    ["MMM d yyyy h:mm a", "Feb 3 2020 4:05 PM", "2020-02-03T16:05:00.000Z"],
    ["yyyyMMdd", "20200203", "2020-02-03T00:00:00.000Z"],
    ["yyMMdd", "200203", "2020-02-03T00:00:00.000Z"],
    ["yyyyMMddHHmmssSSS", "20200203040506789", "2020-02-03T04:05:06.789Z"],
    ["yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2020-02-03T04:05:06.789+01:00", "2020-02-03T03:05:06.789Z"],
    ["yyyy-MM-dd HH:mm:ss VV", "2020-07-03 04:05:06 Europe/Berlin", "2020-07-03T02:05:06.000Z"],
    ["basic_date_time", "20200203T040506.789Z", "2020-02-03T04:05:06.789Z"],
    ["basic_ordinal_date", "2020034", "2020-02-03T00:00:00.000Z"],
    ["basic_week_date", "2020W061", "2020-02-03T00:00:00.000Z"],
    ["week_date", "2020-W06-1", "2020-02-03T00:00:00.000Z"],
    ["date_time", "2020-1-1T1:1:1.1Z", "2020-01-01T01:01:01.100Z"],
    ["strict_date_time", "2020-1-1T1:1:1.1Z", undefined],
    ["hour_minute", "10:30", "1970-01-01T10:30:00.000Z"],
    ["epoch_second", "1580702706.789", "2020-02-03T04:05:06.789Z"],
    ["epoch_millis", "1e3", undefined],
    ["yyyy||MM/yyyy", "02/2020", "2020-02-01T00:00:00.000Z"],
  ];
  for (const [format, text, expected] of cases) {
    assertEquals(iso(DateFormat.of(format).tryParse(text)?.ms), expected, `${format} ${text}`);
  }
});

Deno.test("patterns: mistakes are worded as in Elasticsearch", () => {
  assertEquals(thrown(() => DateFormat.of("nope")), "Invalid format: [nope]: Unknown pattern letter: o");
  assertEquals(
    thrown(() => DateFormat.of("yyyy-MM-dd").parse("2021-2-3")),
    "failed to parse date field [2021-2-3] with format [yyyy-MM-dd]",
  );
  assertEquals(thrown(() => DateFormat.of("yyyy").parse("")), "cannot parse empty date");
});

Deno.test("nanoseconds: exact both ways, before the epoch too", () => {
  for (const nanos of [0n, 1n, -1n, 1577934245678901234n, -1577934245678901234n]) {
    assertEquals(toNanos(fromNanos(nanos)), nanos);
  }
  assertEquals(fromNanos(-1n), { ms: -1, nanosOfMs: 999_999 });
});

Deno.test("calendar: days and dates invert each other", () => {
  for (let days = -800_000; days < 800_000; days += 997) {
    const { year, month, day } = civilFromDays(days);
    assertEquals(daysFromCivil(year, month, day), days);
    assertEquals(Date.UTC(2000, 0, 1) / 86_400_000, daysFromCivil(2000, 1, 1));
  }
});

const NOW = Date.UTC(2024, 1, 29, 12, 34, 56, 789);

function math(expression: string, roundUp = false, zone = "UTC"): string {
  const options = {
    format: "strict_date_optional_time||epoch_millis",
    nowMs: NOW,
    roundUp,
    timeZone: timeZone(zone),
  };
  return iso(parseDateMath(expression, options).ms)!;
}

Deno.test("date math: moves and rounds", () => {
  assertEquals(math("now"), "2024-02-29T12:34:56.789Z");
  assertEquals(math("now+1y"), "2025-02-28T12:34:56.789Z");
  assertEquals(math("now-1M"), "2024-01-29T12:34:56.789Z");
  assertEquals(math("now+1M-1d+2h-3m+4s"), "2024-03-28T14:32:00.789Z");
  assertEquals(math("now/d"), "2024-02-29T00:00:00.000Z");
  assertEquals(math("now/d", true), "2024-02-29T23:59:59.999Z");
  assertEquals(math("now/w"), "2024-02-26T00:00:00.000Z");
  assertEquals(math("now/M", true), "2024-02-29T23:59:59.999Z");
  assertEquals(math("now/y"), "2024-01-01T00:00:00.000Z");
  assertEquals(math("now-1d/d"), "2024-02-28T00:00:00.000Z");
  assertEquals(math("2020-01-31||+1M"), "2020-02-29T00:00:00.000Z");
  assertEquals(math("2020-01-02||/d", true), "2020-01-02T23:59:59.999Z");
  assertEquals(math("2020-01-02", true), "2020-01-02T23:59:59.999Z");
  assertEquals(math("2020-01-02||", true), "2020-01-02T23:59:59.999Z");
  assertEquals(math("2020-01-02||/1d"), "2020-01-02T00:00:00.000Z");
});

Deno.test("date math: in a zone, across its changes", () => {
  assertEquals(math("2020-01-02||/d", false, "+01:00"), "2020-01-01T23:00:00.000Z");
  assertEquals(math("now/d", false, "Europe/Berlin"), "2024-02-28T23:00:00.000Z");
  // The day on which clocks go forward has 23 hours.
  assertEquals(math("2024-03-31||+1d", false, "Europe/Berlin"), "2024-03-31T22:00:00.000Z");
  assertEquals(math("2024-03-31||/d", true, "Europe/Berlin"), "2024-03-31T21:59:59.999Z");
  assertEquals(math("2024-03-31||+24h", false, "Europe/Berlin"), "2024-03-31T23:00:00.000Z");
});

Deno.test("date math: mistakes are worded as in Elasticsearch", () => {
  assertEquals(thrown(() => math("2020-01-02||+1x")), "unit [x] not supported for date math [+1x]");
  assertEquals(thrown(() => math("2020-01-02||+1")), "truncated date math [+1]");
  assertEquals(thrown(() => math("2020-01-02||1d")), "operator not supported for date math [1d]");
  assertEquals(thrown(() => math("now/2d")), "rounding `/` can only be used on single unit types [/2d]");
  const reason = "failed to parse date field [abc] with format [strict_date_optional_time||epoch_millis]";
  assertEquals(thrown(() => math("abc")), `${reason}: [${reason}]`);
});

Deno.test("zones: offsets, gaps, overlaps, transitions", () => {
  const berlin = timeZone("Europe/Berlin");
  assertEquals(berlin.offsetMs(Date.UTC(2024, 0, 1)), 3_600_000);
  assertEquals(berlin.offsetMs(Date.UTC(2024, 6, 1)), 7_200_000);
  assertEquals(berlin.offsetMs(Date.UTC(2024, 2, 31, 0, 59, 59, 999)), 3_600_000);
  assertEquals(berlin.offsetMs(Date.UTC(2024, 2, 31, 1)), 7_200_000);
  // 02:30 does not exist on that day: it is taken as 03:30.
  assertEquals(iso(berlin.toUtc(Date.UTC(2024, 2, 31, 2, 30))), "2024-03-31T01:30:00.000Z");
  // 02:30 comes twice: the first.
  assertEquals(iso(berlin.toUtc(Date.UTC(2024, 9, 27, 2, 30))), "2024-10-27T00:30:00.000Z");
  assertEquals(iso(berlin.nextTransition(Date.UTC(2024, 0, 1))), "2024-03-31T01:00:00.000Z");
  assertEquals(iso(berlin.nextTransition(Date.UTC(2024, 2, 31, 1))), "2024-10-27T01:00:00.000Z");
  assertEquals(timeZone("Asia/Tokyo").nextTransition(Date.UTC(2024, 0, 1)), Infinity);
  assertEquals(timeZone("Asia/Kathmandu").offsetMs(0), 19_800_000);
  for (
    const [id, hours] of [["Z", 0], ["UTC", 0], ["+02:00", 2], ["-0330", -3.5], ["+5", 5], [
      "UTC+1",
      1,
    ]] as const
  ) {
    assertEquals(timeZone(id).offsetMs(0), hours * 3_600_000, id);
  }
  assertEquals(thrown(() => timeZone("nope")), "Unknown time-zone ID: nope");
  assertEquals(thrown(() => timeZone("+19:00")), "Unknown time-zone ID: +19:00");
});

Deno.test("zones: offsets agree with Intl, hour by hour around changes", () => {
  for (const id of ["America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"]) {
    const zone = timeZone(id);
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone: id,
      hourCycle: "h23",
      hour: "2-digit",
      minute: "2-digit",
    });
    for (let at = Date.UTC(2018, 0, 1); at < Date.UTC(2019, 0, 1); at += 7 * 3_600_000) {
      const local = new Date(at + zone.offsetMs(at)).toISOString().slice(11, 16);
      assertEquals(local, format.format(at), `${id} ${iso(at)}`);
    }
  }
});

Deno.test("an hour that comes twice is rounded within its own offset", () => {
  const berlin = timeZone("Europe/Berlin");
  const second = Date.UTC(2024, 9, 27, 1, 30);
  assertEquals(iso(roundDown(second, "h", berlin)), "2024-10-27T01:00:00.000Z");
  assertEquals(iso(add(Date.UTC(2024, 9, 26, 22), "d", 1, berlin)), "2024-10-27T23:00:00.000Z");
  assertEquals(roundDown(-1, "d", UTC), -86_400_000);
});
