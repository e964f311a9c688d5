/**
 * Sets of docs by the numbers they hold.
 *
 * @module
 */
import type { NumberRange } from "../../schema/values.ts";
import type { BlockCounts, NumericColumn, SegmentReader } from "../../segment/reader.ts";
import { BATCH_DOCS } from "./node.ts";
import type { SetSource } from "./set_node.ts";
import { overlaps, ZONE_VALUES, zonesOf } from "./zones.ts";

/** Work of testing one doc out of order, in values of a block decoded in order. */
const TEST_COST = 6;

/** Bounds as the column compares them. */
function columnBounds(
  column: NumericColumn,
  range: NumberRange,
): { lo: number | bigint; hi: number | bigint } {
  return column.wide ? { lo: range.lowWide, hi: range.highWide } : { lo: range.low, hi: range.high };
}

/** Docs with a value in the range; "all" or "none" where the column's bounds tell. */
export function numberRangeSet(
  reader: SegmentReader,
  field: string,
  column: NumericColumn,
  range: NumberRange,
): SetSource | "all" | "none" {
  const bounds = columnBounds(column, range);
  if (bounds.lo > bounds.hi || column.min === undefined || column.max === undefined) return "none";
  if (column.max < bounds.lo || column.min > bounds.hi) return "none";
  const isWhole = column.min >= bounds.lo && column.max <= bounds.hi;
  if (isWhole && column.docsWithValue === reader.docCount) return "all";
  let cost = column.docsWithValue;
  let fillCost = column.valueCount;
  if (!isWhole) {
    const { whole, partial } = overlaps(zonesOf(reader, field, column), Number(bounds.lo), Number(bounds.hi));
    if (whole + partial === 0) return "none";
    cost = Math.min(cost, whole * ZONE_VALUES + Math.ceil(partial * ZONE_VALUES / 2));
    fillCost = partial * ZONE_VALUES + whole * 4;
  }
  return {
    label: `range ${field}`,
    cost,
    fillCost: fillCost / TEST_COST,
    fill: (into) => column.matchRange(bounds.lo, bounds.hi, into),
    test: column.wide
      ? wideTest(column, bounds.lo as bigint, bounds.hi as bigint)
      : narrowTest(column, bounds.lo as number, bounds.hi as number),
  };
}

type Test = (docs: Uint32Array, n: number, hits: Uint8Array) => number;

function narrowTest(column: NumericColumn, lo: number, hi: number): Test {
  const cursor = column.cursor();
  return (docs, n, hits) => {
    const pairs = cursor.gather(docs, n);
    const { owners, values } = cursor;
    hits.fill(0, 0, n);
    let found = 0;
    for (let i = 0; i < pairs; i++) {
      const value = values[i]!;
      if (value < lo || value > hi) continue;
      const at = owners[i]!;
      if (hits[at] === 0) found++;
      hits[at] = 1;
    }
    return found;
  };
}

function wideTest(column: NumericColumn, lo: bigint, hi: bigint): Test {
  const cursor = column.cursor();
  return (docs, n, hits) => {
    const pairs = cursor.gather(docs, n);
    const { owners, wides } = cursor;
    hits.fill(0, 0, n);
    let found = 0;
    for (let i = 0; i < pairs; i++) {
      const value = wides[i]!;
      if (value < lo || value > hi) continue;
      const at = owners[i]!;
      if (hits[at] === 0) found++;
      hits[at] = 1;
    }
    return found;
  };
}

/** More values than this are looked up doc by doc instead of by ranges. */
const RANGES_MAX = 8;

/** Docs with one of the values. */
export function numberSet(
  reader: SegmentReader,
  field: string,
  column: NumericColumn,
  values: readonly NumberRange[],
): SetSource | "none" {
  const { min, max } = column;
  if (min === undefined || max === undefined) return "none";
  const inside = values.filter((value) => {
    const { lo, hi } = columnBounds(column, value);
    return lo <= hi && lo >= min && lo <= max;
  });
  if (inside.length === 0) return "none";
  const isMember = memberTest(column, inside);
  return {
    label: `terms ${field}`,
    cost: column.docsWithValue,
    fillCost: column.valueCount * Math.min(inside.length, RANGES_MAX) / TEST_COST,
    fill: inside.length > RANGES_MAX ? (into) => fillByTest(reader.docCount, isMember, into) : (into) => {
      let counts: BlockCounts = { blocks: 0, skipped: 0, whole: 0 };
      for (const value of inside) {
        const bounds = columnBounds(column, value);
        const more = column.matchRange(bounds.lo, bounds.hi, into);
        counts = {
          blocks: counts.blocks + more.blocks,
          skipped: counts.skipped + more.skipped,
          whole: counts.whole + more.whole,
        };
      }
      return counts;
    },
    test: isMember,
  };
}

function memberTest(column: NumericColumn, values: readonly NumberRange[]): Test {
  const cursor = column.cursor();
  const members = new Set<number | bigint>(values.map((value) => columnBounds(column, value).lo));
  return (docs, n, hits) => {
    const pairs = cursor.gather(docs, n);
    hits.fill(0, 0, n);
    let found = 0;
    for (let i = 0; i < pairs; i++) {
      if (!members.has(column.wide ? cursor.wides[i]! : cursor.values[i]!)) continue;
      const at = cursor.owners[i]!;
      if (hits[at] === 0) found++;
      hits[at] = 1;
    }
    return found;
  };
}

/** Tests every doc of the segment. */
export function fillByTest(docCount: number, test: Test, into: Uint32Array): void {
  const docs = new Uint32Array(BATCH_DOCS);
  const hits = new Uint8Array(BATCH_DOCS);
  for (let base = 0; base < docCount; base += BATCH_DOCS) {
    const n = Math.min(BATCH_DOCS, docCount - base);
    for (let i = 0; i < n; i++) docs[i] = base + i;
    if (test(docs, n, hits) === 0) continue;
    for (let i = 0; i < n; i++) if (hits[i] === 1) into[(base + i) >>> 5]! |= 1 << ((base + i) & 31);
  }
}
