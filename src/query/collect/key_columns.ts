/**
 * Sort keys of one segment as doubles that order ascending, whatever the column and the direction: so that heaps
 * compare numbers only.
 *
 * A 64-bit column takes two doubles (high and low half), all others one.
 *
 * @module
 */
import { compareBytes } from "../../base/bytes.ts";
import { LONG_MAX, LONG_MIN } from "../../schema/values.ts";
import type {
  NumericColumn,
  NumericCursorReader,
  OrdinalColumn,
  OrdinalCursorReader,
  SegmentReader,
} from "../../segment/reader.ts";
import type { NumberKey, SortKey, TermKey } from "./sort_plan.ts";
import type { RawSortValue } from "./sort_value.ts";

export interface KeyColumn {
  /** Doubles a key: 1 or 2. */
  readonly width: number;
  /** Fills the keys of docs[0..n), ascending, into out[0][0..n) and, if two wide, out[1][0..n). */
  fill(docs: Uint32Array, scores: Float64Array, n: number, out: readonly Float64Array[]): void;
  /** The value behind the key in slot i of `keys`. */
  value(keys: readonly Float64Array[], i: number): RawSortValue;
  /** The key of a value from elsewhere, such as `search_after`; it may lie between two of the segment's own. */
  keyOf(value: RawSortValue): readonly number[];
}

/**
 * Opens a key's column.
 *
 * @param docBase What makes doc ids unique over the request.
 */
export function openKey(key: SortKey, reader: SegmentReader, docBase: number): KeyColumn {
  switch (key.kind) {
    case "score":
      return new ScoreColumn(key.descending ? -1 : 1);
    case "doc":
      return new DocColumn(key.descending ? -1 : 1, docBase);
    case "number": {
      const column = key.field === "" ? undefined : reader.numeric(key.field);
      if (column === undefined) return new MissingColumn(key.missing, key.descending ? -1 : 1);
      return column.wide ? new WideColumn(key, column) : new NarrowColumn(key, column);
    }
    case "term": {
      const column = key.field === "" ? undefined : reader.ordinals(key.field);
      return column === undefined ? new MissingTermColumn(key) : new TermColumn(key, column);
    }
  }
}

class ScoreColumn implements KeyColumn {
  readonly width = 1;
  constructor(readonly sign: 1 | -1) {}

  fill(_docs: Uint32Array, scores: Float64Array, n: number, out: readonly Float64Array[]): void {
    const keys = out[0]!;
    for (let i = 0; i < n; i++) keys[i] = scores[i]! * this.sign;
  }

  value(keys: readonly Float64Array[], i: number): RawSortValue {
    return keys[0]![i]! * this.sign;
  }

  keyOf(value: RawSortValue): readonly number[] {
    return [Math.fround(Number(value)) * this.sign];
  }
}

class DocColumn implements KeyColumn {
  readonly width = 1;
  constructor(readonly sign: 1 | -1, readonly base: number) {}

  fill(docs: Uint32Array, _scores: Float64Array, n: number, out: readonly Float64Array[]): void {
    const keys = out[0]!;
    for (let i = 0; i < n; i++) keys[i] = (this.base + docs[i]!) * this.sign;
  }

  value(keys: readonly Float64Array[], i: number): RawSortValue {
    return keys[0]![i]! * this.sign;
  }

  keyOf(value: RawSortValue): readonly number[] {
    return [Number(value) * this.sign];
  }
}

/** A doc without a value sorts as an infinity where the extremes of the type stand for it. */
function missingKey(missing: number | bigint): number {
  if (missing === LONG_MAX) return Infinity;
  if (missing === LONG_MIN) return -Infinity;
  return Number(missing);
}

/** The segment has no such column: every doc has the missing value. */
class MissingColumn implements KeyColumn {
  readonly width = 1;
  constructor(readonly missing: number | bigint, readonly sign: 1 | -1) {}

  fill(_docs: Uint32Array, _scores: Float64Array, n: number, out: readonly Float64Array[]): void {
    out[0]!.fill(missingKey(this.missing) * this.sign, 0, n);
  }

  value(): RawSortValue {
    return this.missing;
  }

  keyOf(value: RawSortValue): readonly number[] {
    return [missingKey(value as number | bigint) * this.sign];
  }
}

class NarrowColumn implements KeyColumn {
  readonly width = 1;
  readonly #key: NumberKey;
  readonly #cursor: NumericCursorReader;
  readonly #dense: boolean;
  readonly #sign: 1 | -1;
  readonly #missing: number;

  constructor(key: NumberKey, column: NumericColumn) {
    this.#key = key;
    this.#cursor = column.cursor();
    this.#dense = column.shape === "dense";
    this.#sign = key.descending ? -1 : 1;
    this.#missing = missingKey(key.missing);
  }

  fill(docs: Uint32Array, _scores: Float64Array, n: number, out: readonly Float64Array[]): void {
    const keys = out[0]!;
    const sign = this.#sign;
    const pairs = this.#cursor.gather(docs, n);
    const { owners, values } = this.#cursor;
    if (this.#dense) {
      for (let i = 0; i < n; i++) keys[i] = values[i]! * sign;
      return;
    }
    keys.fill(this.#missing * sign, 0, n);
    for (let from = 0; from < pairs;) {
      const owner = owners[from]!;
      let to = from + 1;
      while (to < pairs && owners[to] === owner) to++;
      keys[owner] = (to - from === 1 ? values[from]! : this.#combine(values, from, to)) * sign;
      from = to;
    }
  }

  /** Values of one doc, ascending. */
  #combine(values: Float64Array, from: number, to: number): number {
    const count = to - from;
    const round = this.#key.whole ? Math.round : (value: number) => value;
    switch (this.#key.mode) {
      case "min":
        return values[from]!;
      case "max":
        return values[to - 1]!;
      case "median":
        return round((values[from + ((count - 1) >> 1)]! + values[from + (count >> 1)]!) / 2);
      default: {
        let sum = 0;
        for (let i = from; i < to; i++) sum += values[i]!;
        return this.#key.mode === "sum" ? sum : round(sum / count);
      }
    }
  }

  value(keys: readonly Float64Array[], i: number): RawSortValue {
    const value = keys[0]![i]! * this.#sign;
    return value === this.#missing ? this.#key.missing : value === 0 ? 0 : value;
  }

  keyOf(value: RawSortValue): readonly number[] {
    return [missingKey(value as number | bigint) * this.#sign];
  }
}

const HALF = 0x1_0000_0000n;

class WideColumn implements KeyColumn {
  readonly width = 2;
  readonly #key: NumberKey;
  readonly #cursor: NumericCursorReader;
  readonly #sign: 1 | -1;

  constructor(key: NumberKey, column: NumericColumn) {
    this.#key = key;
    this.#cursor = column.cursor();
    this.#sign = key.descending ? -1 : 1;
  }

  fill(docs: Uint32Array, _scores: Float64Array, n: number, out: readonly Float64Array[]): void {
    const [high, low] = this.keyOf(this.#key.missing);
    out[0]!.fill(high!, 0, n);
    out[1]!.fill(low!, 0, n);
    const sign = this.#sign;
    const pairs = this.#cursor.gather(docs, n);
    const { owners, wides } = this.#cursor;
    const halves = new Int32Array(wides.buffer, wides.byteOffset, pairs * 2);
    for (let from = 0; from < pairs;) {
      const owner = owners[from]!;
      let to = from + 1;
      while (to < pairs && owners[to] === owner) to++;
      if (to - from === 1) {
        out[0]![owner] = halves[from * 2 + 1]! * sign;
        out[1]![owner] = (halves[from * 2]! >>> 0) * sign;
      } else {
        const key = this.keyOf(this.#combine(wides, from, to));
        out[0]![owner] = key[0]!;
        out[1]![owner] = key[1]!;
      }
      from = to;
    }
  }

  #combine(values: BigInt64Array, from: number, to: number): bigint {
    const count = BigInt(to - from);
    switch (this.#key.mode) {
      case "min":
        return values[from]!;
      case "max":
        return values[to - 1]!;
      case "median":
        return (values[from + ((to - from - 1) >> 1)]! + values[from + ((to - from) >> 1)]!) / 2n;
      default: {
        let sum = 0n;
        for (let i = from; i < to; i++) sum += values[i]!;
        return this.#key.mode === "sum" ? BigInt.asIntN(64, sum) : sum / count;
      }
    }
  }

  value(keys: readonly Float64Array[], i: number): RawSortValue {
    const high = keys[0]![i]! * this.#sign;
    if (!Number.isFinite(high)) return this.#key.missing;
    return BigInt(high) * HALF + BigInt(keys[1]![i]! * this.#sign);
  }

  keyOf(value: RawSortValue): readonly number[] {
    if (value === LONG_MAX || value === LONG_MIN) return [missingKey(value) * this.#sign, 0];
    if (typeof value === "number" && !Number.isFinite(value)) return [value * this.#sign, 0];
    const wide = typeof value === "bigint" ? value : BigInt(Math.floor(value as number));
    const high = Number(BigInt.asIntN(64, wide) >> 32n);
    return [high * this.#sign, Number(BigInt.asUintN(32, wide)) * this.#sign];
  }
}

class MissingTermColumn implements KeyColumn {
  readonly width = 1;
  readonly #key: TermKey;

  constructor(key: TermKey) {
    this.#key = key;
  }

  fill(_docs: Uint32Array, _scores: Float64Array, n: number, out: readonly Float64Array[]): void {
    out[0]!.fill(this.keyOf(this.#key.missing ?? null)[0]!, 0, n);
  }

  value(): RawSortValue {
    return this.#key.missing ?? null;
  }

  /** There is one key in the whole segment, if any: 0. */
  keyOf(value: RawSortValue): readonly number[] {
    const { missing, descending, missingFirst } = this.#key;
    if (value === null) return [missingFirst ? -Infinity : Infinity];
    if (missing === undefined) return [0];
    const order = compareBytes(value as Uint8Array, missing);
    return [descending ? -order : order];
  }
}

class TermColumn implements KeyColumn {
  readonly width = 1;
  readonly #key: TermKey;
  readonly #column: OrdinalColumn;
  readonly #cursor: OrdinalCursorReader;
  readonly #sign: 1 | -1;
  /** Ordinals that count. */
  readonly #from: number;
  readonly #to: number;
  readonly #missing: number;

  constructor(key: TermKey, column: OrdinalColumn) {
    this.#key = key;
    this.#column = column;
    this.#cursor = column.cursor();
    this.#sign = key.descending ? -1 : 1;
    const { prefix } = key;
    this.#from = prefix.length === 0 ? 0 : column.dictionary.lowerBound(prefix);
    this.#to = prefix.length === 0 ? column.termCount : column.dictionary.lowerBound(afterKey(prefix));
    this.#missing = key.missing === undefined
      ? (key.missingFirst ? -Infinity : Infinity)
      : this.keyOf(key.missing)[0]!;
  }

  fill(docs: Uint32Array, _scores: Float64Array, n: number, out: readonly Float64Array[]): void {
    const keys = out[0]!;
    const sign = this.#sign;
    keys.fill(this.#missing, 0, n);
    const pairs = this.#cursor.gather(docs, n);
    const { owners, ordinals } = this.#cursor;
    const wantsLast = this.#key.mode === "max";
    let last = -1;
    for (let i = 0; i < pairs; i++) {
      const ordinal = ordinals[i]!;
      if (ordinal < this.#from || ordinal >= this.#to) continue;
      const owner = owners[i]!;
      if (owner === last && !wantsLast) continue;
      keys[owner] = ordinal * sign;
      last = owner;
    }
  }

  value(keys: readonly Float64Array[], i: number): RawSortValue {
    const key = keys[0]![i]!;
    if (key === this.#missing) {
      if (this.#key.missing !== undefined) return this.#key.missing;
      return null;
    }
    return this.#column.dictionary.term(key * this.#sign).slice();
  }

  keyOf(value: RawSortValue): readonly number[] {
    if (value === null) return [this.#key.missingFirst ? -Infinity : Infinity];
    const { dictionary } = this.#column;
    const ordinal = dictionary.lowerBound(value as Uint8Array);
    const isExact = ordinal < dictionary.termCount &&
      compareBytes(dictionary.term(ordinal), value as Uint8Array) === 0;
    return [(isExact ? ordinal : ordinal - 0.5) * this.#sign];
  }
}

/** The least byte string behind all that begin with a flattened field's key and its zero byte. */
function afterKey(prefix: Uint8Array): Uint8Array {
  const next = prefix.slice();
  next[next.length - 1] = 1;
  return next;
}
