/**
 * A numeric column against the values that the sources give.
 *
 * @module
 */
import type { NumericInput } from "../../segment/input.ts";
import type { NumericColumn, SegmentReader } from "../../segment/reader.ts";
import type { Batch } from "./deep_segment.ts";
import type { FieldTally } from "./deep_tally.ts";

/** Docs asked for at once. */
const DOCS = 1024;
/** Values under one zone. */
const ZONE_VALUES = 128;

/** (doc, value) pairs in doc order. */
interface Pairs {
  readonly docs: number[];
  readonly values: (number | bigint)[];
}

/** @param field Undefined: no document of the batch should have any. */
export function compareNumbers(
  reader: SegmentReader,
  field: NumericInput | undefined,
  { batch, tally, name }: { readonly batch: Batch; readonly tally: FieldTally; readonly name: string },
): void {
  const column = reader.numeric(name);
  if (!field && !column) return;
  const expected = field ? expectedPairs(field, column?.wide ?? field.wide) : { docs: [], values: [] };
  const { first, end } = batch;
  const cursor = column?.cursor();
  const docs = new Uint32Array(DOCS);
  let at = 0;
  for (let from = first; from < end; from += DOCS) {
    const count = Math.min(DOCS, end - from);
    for (let i = 0; i < count; i++) docs[i] = from + i;
    const pairs = cursor?.gather(docs, count) ?? 0;
    let pair = 0;
    for (let i = 0; i < count; i++) {
      const doc = from + i;
      const pairFrom = pair;
      while (pair < pairs && cursor!.owners[pair] === i) pair++;
      const expectedFrom = at;
      while (at < expected.docs.length && expected.docs[at]! + first === doc) at++;
      const found = pair - pairFrom;
      const wanted = at - expectedFrom;
      const seqNo = batch.seqNos[doc - first]!;
      if (found > 0) tally.has(doc, seqNo);
      if (found === 0 && wanted > 0) {
        tally.lacks(doc, seqNo);
        continue;
      }
      let same = found === wanted;
      for (let k = 0; same && k < found; k++) {
        const value = column!.wide ? cursor!.wides[pairFrom + k]! : cursor!.values[pairFrom + k]!;
        same = value === expected.values[expectedFrom + k];
      }
      if (!same) tally.say(`document ${doc} has other values than its source`);
      for (let k = 0; k < found; k++) checkZone(column!, cursor!.values[pairFrom + k]!, tally);
    }
  }
}

function checkZone(column: NumericColumn, value: number, tally: FieldTally): void {
  const block = Math.floor(tally.values++ / ZONE_VALUES);
  if (value >= column.blockMin(block) && value <= column.blockMax(block)) return;
  tally.say(`value ${value} lies outside of its block's bounds, so that range queries miss it`);
}

function expectedPairs(field: NumericInput, wide: boolean): Pairs {
  const docs: number[] = [];
  const values: (number | bigint)[] = [];
  const cursor = field.open();
  const docRoom = new Uint32Array(DOCS);
  const room = field.wide ? new BigInt64Array(DOCS) : new Float64Array(DOCS);
  for (let n; (n = cursor.fill(docRoom, room)) > 0;) {
    for (let i = 0; i < n; i++) {
      docs.push(docRoom[i]!);
      const value = room[i]!;
      values.push(wide && typeof value === "number" ? BigInt(value) : value);
    }
  }
  return { docs, values };
}
