/**
 * Zone maps of dense columns as arrays, so that a query looks at all of them in one tight loop.
 *
 * Kept as long as the segment's reader: 16 bytes for every 128 values of the columns that queries range over or
 * sort by.
 *
 * @module
 */
import type { NumericColumn, SegmentReader } from "../../segment/reader.ts";

/** Values in a zone. */
export const ZONE_VALUES = 128;

export interface Zones {
  /** By block; doubles, of wide columns rounded outwards. */
  readonly mins: Float64Array;
  readonly maxs: Float64Array;
}

const known = new WeakMap<SegmentReader, Map<string, Zones>>();

export function zonesOf(reader: SegmentReader, field: string, column: NumericColumn): Zones {
  let fields = known.get(reader);
  if (fields === undefined) known.set(reader, fields = new Map());
  const found = fields.get(field);
  if (found !== undefined) return found;
  const blocks = Math.ceil(column.valueCount / ZONE_VALUES);
  const zones = { mins: new Float64Array(blocks), maxs: new Float64Array(blocks) };
  for (let block = 0; block < blocks; block++) {
    zones.mins[block] = column.blockMin(block);
    zones.maxs[block] = column.blockMax(block);
  }
  fields.set(field, zones);
  return zones;
}

/** Blocks that lie wholly in [lo, hi], and those that overlap it in part. */
export function overlaps(zones: Zones, lo: number, hi: number): { whole: number; partial: number } {
  const { mins, maxs } = zones;
  let whole = 0;
  let partial = 0;
  for (let i = 0; i < mins.length; i++) {
    if (maxs[i]! < lo || mins[i]! > hi) continue;
    if (mins[i]! >= lo && maxs[i]! <= hi) whole++;
    else partial++;
  }
  return { whole, partial };
}
