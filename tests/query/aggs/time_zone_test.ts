/**
 * Date histograms around changes of offset, compared with what Elasticsearch 8.13.4 answered: clocks put forward and
 * back, at midnight too, by half an hour, and a day that was left out.
 */
import { assert, assertEquals } from "@std/assert";
import { makeRounding } from "../../../src/query/aggs/rounding.ts";
import type { DateInterval } from "../../../src/query/aggs/node.ts";
import { timeZone } from "../../../src/schema/time_zone.ts";
import { buildTarget, runOne } from "./agg_world.ts";

interface Row {
  readonly zone: string;
  readonly fixed_interval?: string;
  readonly calendar_interval?: string;
  readonly offset?: string;
  /** Key and documents of each bucket that has any. */
  readonly buckets?: readonly (readonly [number, number])[];
  /** Number of buckets, and the sum of their keys, when gaps are filled. */
  readonly filled?: number;
  readonly keySum?: string;
}

const { timestamps, rows } = JSON.parse(
  Deno.readTextFileSync(new URL("./time_zone_answers.json", import.meta.url)),
) as { timestamps: readonly string[]; rows: readonly Row[] };

const documents = timestamps.map((ts) => ({ ts }));
const properties = { ts: { type: "date" } };
const whole = buildTarget({ properties, segments: [documents] });
const halves = buildTarget({ properties, segments: [documents.slice(0, 80), documents.slice(80)] });

Deno.test("date histograms in zones with changing offsets", () => {
  for (const { zone, buckets, filled, keySum, ...interval } of rows) {
    const agg = {
      date_histogram: { field: "ts", ...interval, time_zone: zone, min_doc_count: buckets ? 1 : 0 },
    };
    for (const target of [whole, halves]) {
      const found = (JSON.parse(runOne([target], agg)) as {
        buckets: readonly { readonly key: number; readonly doc_count: number }[];
      }).buckets;
      const name = JSON.stringify(agg);
      if (buckets) assertEquals(found.map((one) => [one.key, one.doc_count]), buckets, name);
      else {
        assertEquals(found.length, filled, name);
        assertEquals(String(found.reduce((sum, one) => sum + BigInt(one.key), 0n)), keySum, name);
      }
    }
  }
});

Deno.test("rounding: starts are fixed points, never later than what they hold, and next goes on", () => {
  const intervals: DateInterval[] = [
    { kind: "fixed", ms: 5_400_000 },
    { kind: "fixed", ms: 86_400_000 },
    { kind: "calendar", unit: "hour" },
    { kind: "calendar", unit: "day" },
    { kind: "calendar", unit: "week" },
    { kind: "calendar", unit: "month" },
    { kind: "calendar", unit: "quarter" },
    { kind: "calendar", unit: "year" },
  ];
  for (const id of ["UTC", "-03:30", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe"]) {
    for (const interval of intervals) {
      for (const offsetMs of [0, 6 * 3_600_000]) {
        const rounding = makeRounding(interval, timeZone(id), offsetMs);
        const name = `${id} ${JSON.stringify(interval)} ${offsetMs}`;
        let before = -Infinity;
        for (let ms = Date.UTC(2024, 11, 30, 5); ms < Date.UTC(2026, 0, 3); ms += 1_777_777) {
          const start = rounding.round(ms);
          assert(start <= ms, name);
          assert(start >= before, name);
          assertEquals(rounding.round(start), start, name);
          assert(rounding.next(start) > start, name);
          if (rounding.walkable) assert(rounding.next(start) > ms, name);
          before = start;
        }
      }
    }
  }
});
