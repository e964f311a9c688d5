/**
 * A numeric column for reading.
 *
 * @module
 */
import { BLOCK_VALUES } from "../format/bitpack.ts";
import { Domain, Encoding, encodingName } from "../format/column_record.ts";
import { Positions } from "./column_gather.ts";
import { matchUnits, matchWides, type Owners } from "./column_match.ts";
import type { BlockCounts, NumericColumn, NumericCursorReader } from "./reader.ts";
import type { Sequence } from "./sequence_reader.ts";

/** So few values of a block are read one by one, without decoding it. */
export const PICKED_MAX = 24;

export const SHAPE_NAMES = ["dense", "sparse", "multi"] as const;

export class StoredNumericColumn implements NumericColumn {
  readonly shape: "dense" | "sparse" | "multi";
  readonly docsWithValue: number;
  readonly valueCount: number;
  readonly encoding: string;
  readonly wide: boolean;
  readonly min: number | bigint | undefined;
  readonly max: number | bigint | undefined;
  readonly sum: number;
  readonly #sequence: Sequence;
  readonly #openOwners: () => Owners;

  constructor(sequence: Sequence, openOwners: () => Owners) {
    const { record } = sequence;
    this.#sequence = sequence;
    this.#openOwners = openOwners;
    this.shape = SHAPE_NAMES[record.shape];
    this.docsWithValue = record.docsWithValue;
    this.valueCount = record.valueCount;
    this.encoding = encodingName(record);
    this.wide = record.domain === Domain.Wide;
    this.min = record.valueCount === 0 ? undefined : record.min;
    this.max = record.valueCount === 0 ? undefined : record.max;
    this.sum = record.sum;
  }

  cursor(): NumericCursorReader {
    return new NumericCursor(this.#sequence, this.#openOwners());
  }

  matchRange(lo: number | bigint, hi: number | bigint, into: Uint32Array): BlockCounts {
    const sequence = this.#sequence;
    const { record, blockCount: blocks } = sequence;
    // Comparisons between number and bigint are exact; NaN is on no side.
    if (record.valueCount === 0 || !(lo <= record.max && hi >= record.min)) {
      return { blocks, skipped: blocks, whole: 0 };
    }
    const owners = this.#openOwners();
    if (lo <= record.min && hi >= record.max) {
      owners.presence.mark(into);
      return { blocks, skipped: 0, whole: blocks };
    }
    if (record.encoding === Encoding.WideBlocks) {
      const bounds = {
        lo: toBigInt(lo, record.min as bigint, 1),
        hi: toBigInt(hi, record.max as bigint, -1),
      };
      return matchWides(sequence, owners, bounds, into);
    }
    return matchUnits(sequence, owners, unitBounds(sequence, lo, hi), into);
  }

  blockMin(block: number): number {
    return this.#bound(block, true);
  }

  blockMax(block: number): number {
    return this.#bound(block, false);
  }

  #bound(block: number, least: boolean): number {
    const sequence = this.#sequence;
    const { record } = sequence;
    if (record.encoding === Encoding.WideBlocks) {
      return outwards(least ? sequence.zones!.wideMin(block) : sequence.zones!.wideMax(block), least);
    }
    const unit = least ? sequence.unitMin(block) : sequence.unitMax(block);
    if (record.domain === Domain.Wide) return outwards(record.base as bigint + BigInt(unit), least);
    return sequence.toValue(unit);
  }
}

/** Units that stand for values in [lo, hi]; the bounds overlap the column's range. */
function unitBounds(
  sequence: Sequence,
  lo: number | bigint,
  hi: number | bigint,
): { readonly lo: number; readonly hi: number } {
  const { record, base, scale } = sequence;
  if (record.domain === Domain.Wide) {
    const wideBase = record.base as bigint;
    return {
      lo: Number(toBigInt(lo, record.min as bigint, 1) - wideBase),
      hi: Number(toBigInt(hi, record.max as bigint, -1) - wideBase),
    };
  }
  const from = Number(lo);
  const to = Number(hi);
  if (record.domain === Domain.Double) return { lo: from, hi: to };
  const least = Math.round(record.min as number * scale) - base;
  const most = Math.round(record.max as number * scale) - base;
  // Scaling rounds, so the edges are settled by what the units decode to.
  let first = from <= (record.min as number) ? least : Math.ceil(from * scale) - base;
  while (first > least && sequence.toValue(first - 1) >= from) first--;
  while (sequence.toValue(first) < from) first++;
  let last = to >= (record.max as number) ? most : Math.floor(to * scale) - base;
  while (last < most && sequence.toValue(last + 1) <= to) last++;
  while (sequence.toValue(last) > to) last--;
  return { lo: first, hi: last };
}

/** A bound as an integer no further out than `limit`. `direction` 1 rounds up, -1 down. */
function toBigInt(bound: number | bigint, limit: bigint, direction: 1 | -1): bigint {
  if (direction === 1 ? bound <= limit : bound >= limit) return limit;
  if (typeof bound === "bigint") return bound;
  return BigInt(direction === 1 ? Math.ceil(bound) : Math.floor(bound));
}

/** The nearest double that is not on the inner side of `value`. */
function outwards(value: bigint, down: boolean): number {
  const double = Number(value);
  if (down ? BigInt(double) <= value : BigInt(double) >= value) return double;
  // Neighbouring doubles of this size are at least 2 apart: beyond 2^53 all doubles are integers.
  const size = 2 ** (Math.floor(Math.log2(Math.abs(double))) - 52);
  return down ? double - size : double + size;
}

class NumericCursor implements NumericCursorReader {
  owners: Uint32Array = new Uint32Array(0);
  values: Float64Array = new Float64Array(0);
  wides: BigInt64Array = new BigInt64Array(0);
  readonly #sequence: Sequence;
  readonly #owners: Owners;
  readonly #positions = new Positions();
  readonly #wide: boolean;
  readonly #picks: boolean;
  /** Values of the block that was decoded last. */
  readonly #block = new Float64Array(BLOCK_VALUES);
  readonly #wideBlock: BigInt64Array;
  #loaded = -1;

  constructor(sequence: Sequence, owners: Owners) {
    this.#sequence = sequence;
    this.#owners = owners;
    this.#wide = sequence.record.domain === Domain.Wide;
    this.#picks = sequence.picks && !this.#wide;
    this.#wideBlock = new BigInt64Array(this.#wide ? BLOCK_VALUES : 0);
  }

  gather(docs: Uint32Array, n: number): number {
    const { shape } = this.#sequence.record;
    const count = this.#positions.find(shape, this.#owners, docs, n);
    this.owners = this.#positions.owners;
    this.#reserve(count);
    const { at } = this.#positions;
    if (count === 0) return 0;
    if (this.#wide) this.#gatherWide(at, count);
    else if (at[count - 1]! - at[0]! === count - 1) this.#gatherRange(at[0]!, count);
    else this.#gatherSome(at, count);
    return count;
  }

  /** Neighbouring values: whole blocks are decoded straight to where they belong. */
  #gatherRange(first: number, count: number): void {
    const sequence = this.#sequence;
    for (let done = 0; done < count;) {
      const at = first + done;
      const block = at >>> 7;
      const inBlock = at & (BLOCK_VALUES - 1);
      const n = Math.min(count - done, sequence.blockLength(block) - inBlock);
      if (inBlock === 0 && n === sequence.blockLength(block) && block !== this.#loaded) {
        sequence.decodeValues(block, this.values, done);
      } else {
        this.#load(block);
        copy(this.#block, inBlock, n, this.values, done);
      }
      done += n;
    }
  }

  #gatherSome(at: Uint32Array, count: number): void {
    const { values } = this;
    const sequence = this.#sequence;
    for (let i = 0; i < count;) {
      const block = at[i]! >>> 7;
      let end = i + 1;
      while (end < count && at[end]! >>> 7 === block) end++;
      if (
        this.#picks && end - i <= PICKED_MAX && block !== this.#loaded && sequence.pick(at, i, end, values)
      ) {
        for (; i < end; i++) values[i] = sequence.toValue(values[i]!);
      } else {
        this.#load(block);
        copyPicked(this.#block, at, i, end, values);
        i = end;
      }
    }
  }

  #gatherWide(at: Uint32Array, count: number): void {
    for (let i = 0; i < count; i++) {
      const block = at[i]! >>> 7;
      if (block !== this.#loaded) {
        this.#sequence.decodeWides(block, this.#wideBlock, 0);
        this.#loaded = block;
      }
      const value = this.#wideBlock[at[i]! & (BLOCK_VALUES - 1)]!;
      this.wides[i] = value;
      this.values[i] = Number(value);
    }
  }

  #load(block: number): void {
    if (block === this.#loaded) return;
    this.#sequence.decodeValues(block, this.#block, 0);
    this.#loaded = block;
  }

  #reserve(count: number): void {
    if (count <= this.values.length) return;
    const room = Math.max(count, this.values.length * 2, 256);
    this.values = new Float64Array(room);
    if (this.#wide) this.wides = new BigInt64Array(room);
  }
}

function copy(from: Float64Array, at: number, n: number, to: Float64Array, toAt: number): void {
  for (let i = 0; i < n; i++) to[toAt + i] = from[at + i]!;
}

function copyPicked(
  block: Float64Array,
  at: Uint32Array,
  from: number,
  to: number,
  values: Float64Array,
): void {
  for (let i = from; i < to; i++) values[i] = block[at[i]! & (BLOCK_VALUES - 1)]!;
}
