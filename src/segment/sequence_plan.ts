/**
 * Which encoding suits a sequence of numbers? A first pass looks at every value (range, scale, order) and keeps a
 * sample of blocks; the predictor that packs the sample smallest is chosen.
 *
 * @module
 */
import { BLOCK_VALUES } from "../format/bitpack.ts";
import { type ColumnRecord, Domain, Encoding, Presence, Shape } from "../format/column_record.ts";
import { intBlockCost, PREDICTED_RANGE_MAX, Predictor, type PredictorCode } from "../format/int_blocks.ts";
import { zoneBytesFor } from "../format/zones.ts";

/** Blocks that a sample keeps at most; beyond it every other one is dropped. */
const SAMPLE_BLOCKS = 256;
/** Decimal digits after the point that are tried. */
const DECIMAL_MAX = 9;
/** Binary digits after the point that are tried. */
const BINARY_MAX = 30;
/** Integers beyond it are not told apart by doubles. */
const INTEGER_MAX = Number.MAX_SAFE_INTEGER;
/**
 * With a scaled value below this, multiplying by a power of ten rounds to the very integer whose quotient is the
 * value: v = n/s (1 + e), so v * s' is off n' by at most n' * 2^-52, less than a half.
 */
const SCALED_MAX = 2 ** 50;
/** The same for values that were rounded to 24 bits. */
const SCALED_FLOAT_MAX = 2 ** 21;

export const POWERS_OF_TEN: Float64Array = Float64Array.from({ length: 23 }, (_, k) => Number(`1e${k}`));

/** A plan lacks only what the shape of the column adds. */
export type SequencePlan = ColumnRecord;

export interface SequenceStats {
  readonly count: number;
  plan(options?: PlanOptions): SequencePlan;
}

export interface PlanOptions {
  /** Predictors to try; all by default. */
  readonly predictors?: readonly PredictorCode[];
  /** Whether zeros and ones may become a bitset; so by default. */
  readonly bitset?: boolean;
}

const ALL_PREDICTORS: readonly PredictorCode[] = [
  Predictor.For,
  Predictor.Delta,
  Predictor.DeltaOfDelta,
  Predictor.Trend,
];

const NO_SHAPE = { shape: Shape.Dense, presence: Presence.All } as const;

/** A few blocks of 128 neighbouring values, evenly spread over a sequence of unknown length. */
class BlockSample<A extends Float64Array | BigInt64Array> {
  blocks = 0;
  #stride = 1;
  readonly values: A;

  constructor(values: A) {
    this.values = values;
  }

  /** Takes values[from, to), the first of which is value i of the sequence. */
  add(i: number, values: ArrayLike<A[number]>, from: number, to: number): void {
    while (from < to) {
      const inBlock = i & (BLOCK_VALUES - 1);
      const n = Math.min(to - from, BLOCK_VALUES - inBlock);
      if (this.#starts(i, inBlock)) {
        const at = (this.blocks - 1) * BLOCK_VALUES + inBlock;
        for (let k = 0; k < n; k++) this.values[at + k] = values[from + k]! as never;
      }
      i += n;
      from += n;
    }
  }

  /** Whether the block of value i is kept; makes room for it at its first value. */
  #starts(i: number, inBlock: number): boolean {
    const block = Math.floor(i / BLOCK_VALUES);
    if (block % this.#stride !== 0) return false;
    if (inBlock > 0) return true;
    if (this.blocks === SAMPLE_BLOCKS) {
      this.#halve();
      if (block % this.#stride !== 0) return false;
    }
    this.blocks++;
    return true;
  }

  #halve(): void {
    for (let b = 1; b < SAMPLE_BLOCKS / 2; b++) {
      this.values.copyWithin(b * BLOCK_VALUES, 2 * b * BLOCK_VALUES, (2 * b + 1) * BLOCK_VALUES);
    }
    this.blocks = SAMPLE_BLOCKS / 2;
    this.#stride *= 2;
  }
}

/** Looks at doubles. */
export class DoubleStats implements SequenceStats {
  count = 0;
  #min = Infinity;
  #max = -Infinity;
  #sum = 0;
  #sumRest = 0;
  #decimal = 0;
  #binary = 0;
  #floatDecimal = 0;
  #allFloat = true;
  #negativeZero = false;
  #first = 0;
  #step = 0;
  #last = 0;
  #linear = true;
  readonly #sample = new BlockSample(new Float64Array(SAMPLE_BLOCKS * BLOCK_VALUES));

  /** Takes values[from, to). */
  add(values: Float64Array | Uint32Array, from: number, to: number): void {
    if (from >= to) return;
    if (this.count === 0) this.#last = this.#first = values[from]!;
    if (this.count <= 1 && this.count + to - from > 1) {
      this.#step = values[this.count === 0 ? from + 1 : from]! - this.#first;
    }
    this.#sample.add(this.count, values, from, to);
    this.#addRange(values, from, to);
    // Ordinals and docs have no fractions.
    if (values instanceof Float64Array) this.#addFractions(values, from, to);
    this.count += to - from;
  }

  /** Range, order and sum (Neumaier's, compensated) in one loop over local variables. */
  #addRange(values: Float64Array | Uint32Array, from: number, to: number): void {
    let min = this.#min;
    let max = this.#max;
    let sum = this.#sum;
    let rest = this.#sumRest;
    let last = this.#last;
    let linear = this.#linear;
    const step = this.#step;
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      if (value < min) min = value;
      if (value > max) max = value;
      const next = sum + value;
      rest += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
      sum = next;
      // The sequence's first value has nothing before it.
      if (value - last !== step && this.count + i - from > 0) linear = false;
      last = value;
    }
    this.#min = min;
    this.#max = max;
    this.#sum = sum;
    this.#sumRest = rest;
    this.#last = last;
    this.#linear = linear;
  }

  #addFractions(values: Float64Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      if (value === 0 && 1 / value < 0) this.#negativeZero = true;
      if (Math.fround(value) !== value) this.#allFloat = false;
      if (value !== Math.floor(value)) this.#scale(value);
    }
  }

  #scale(value: number): void {
    while (this.#decimal <= DECIMAL_MAX) {
      const scale = POWERS_OF_TEN[this.#decimal]!;
      if (Math.round(value * scale) / scale === value) break;
      this.#decimal++;
    }
    while (this.#binary <= BINARY_MAX) {
      const scaled = value * 2 ** this.#binary;
      if (Math.floor(scaled) === scaled) break;
      this.#binary++;
    }
    while (this.#allFloat && this.#floatDecimal <= DECIMAL_MAX) {
      const scale = POWERS_OF_TEN[this.#floatDecimal]!;
      if (Math.fround(Math.round(value * scale) / scale) === value) break;
      this.#floatDecimal++;
    }
  }

  plan({ predictors = ALL_PREDICTORS, bitset = true }: PlanOptions = {}): SequencePlan {
    const common = {
      ...NO_SHAPE,
      predictor: Predictor.For,
      domain: Domain.Integer,
      exponent: 0,
      float: false,
      zoneBytes: 0,
      valueCount: this.count,
      docsWithValue: this.count,
      base: 0,
      min: this.count === 0 ? 0 : this.#min,
      max: this.count === 0 ? 0 : this.#max,
      sum: Number.isFinite(this.#sumRest) ? this.#sum + this.#sumRest : this.#sum,
      step: 0,
    } as const;
    if (this.count === 0) return { ...common, encoding: Encoding.Constant };
    if (this.#min === this.#max && !this.#negativeZero) {
      return { ...common, encoding: Encoding.Constant, domain: Domain.Double, base: this.#min };
    }
    const scaled = this.#negativeZero ? undefined : this.#scaled();
    const encoding = this.#allFloat ? Encoding.Float : Encoding.Double;
    const raw = { ...common, encoding, domain: Domain.Double, zoneBytes: 8 } as const;
    if (!scaled) return raw;
    const { domain, exponent, float, scale } = scaled;
    if (exponent === 0 && this.#linear) {
      return { ...common, encoding: Encoding.Linear, base: this.#first, step: this.#step };
    }
    if (bitset && exponent === 0 && this.#min === 0 && this.#max === 1) {
      return { ...common, encoding: Encoding.Bitset };
    }
    const base = Math.round(this.#min * scale);
    const range = Math.round(this.#max * scale) - base;
    const choice = choosePredictor(this.#units(scale, base), this.count, range, predictors);
    if (exponent > 0 && choice.valueBytes > (this.#allFloat ? 4 : 8)) return raw;
    return {
      ...common,
      encoding: Encoding.Blocks,
      predictor: choice.predictor,
      domain,
      exponent,
      float,
      base,
      zoneBytes: zoneBytesFor(range),
    };
  }

  /** The scale at which all values are integers, as small as it gets. */
  #scaled(): {
    readonly domain: ColumnRecord["domain"];
    readonly exponent: number;
    readonly float: boolean;
    readonly scale: number;
  } | undefined {
    const size = Math.max(Math.abs(this.#min), Math.abs(this.#max));
    const fits = (scale: number, most: number) =>
      size * scale <= most && (this.#max - this.#min) * scale <= INTEGER_MAX;
    if (this.#decimal <= DECIMAL_MAX) {
      const scale = POWERS_OF_TEN[this.#decimal]!;
      if (fits(scale, this.#decimal === 0 ? INTEGER_MAX : SCALED_MAX)) {
        const domain = this.#decimal === 0 ? Domain.Integer : Domain.Decimal;
        return { domain, exponent: this.#decimal, float: false, scale };
      }
    }
    if (this.#allFloat && this.#floatDecimal <= DECIMAL_MAX && this.#decimal > 0) {
      const scale = POWERS_OF_TEN[this.#floatDecimal]!;
      if (fits(scale, SCALED_FLOAT_MAX)) {
        return { domain: Domain.Decimal, exponent: this.#floatDecimal, float: true, scale };
      }
    }
    if (this.#binary <= BINARY_MAX) {
      const scale = 2 ** this.#binary;
      if (fits(scale, SCALED_MAX)) {
        return { domain: Domain.Binary, exponent: this.#binary, float: false, scale };
      }
    }
    return undefined;
  }

  #units(scale: number, base: number): Float64Array {
    const { values, blocks } = this.#sample;
    const units = values.slice(0, blocks * BLOCK_VALUES);
    for (let i = 0; i < units.length; i++) units[i] = Math.round(units[i]! * scale) - base;
    return units;
  }
}

/** Looks at 64-bit integers. */
export class WideStats implements SequenceStats {
  count = 0;
  #min = 0n;
  #max = 0n;
  #sum = 0;
  #first = 0n;
  #last = 0n;
  #step = 0n;
  #linear = true;
  readonly #sample = new BlockSample(new BigInt64Array(SAMPLE_BLOCKS * BLOCK_VALUES));

  add(values: BigInt64Array, from: number, to: number): void {
    this.#sample.add(this.count, values, from, to);
    for (let at = from; at < to; at++) {
      const value = values[at]!;
      const i = this.count++;
      if (i === 0) this.#min = this.#max = this.#first = value;
      else if (i === 1) this.#step = value - this.#last;
      else if (value - this.#last !== this.#step) this.#linear = false;
      if (value < this.#min) this.#min = value;
      if (value > this.#max) this.#max = value;
      this.#sum += Number(value);
      this.#last = value;
    }
  }

  plan(): SequencePlan {
    const range = this.#max - this.#min;
    const common = {
      ...NO_SHAPE,
      predictor: Predictor.For,
      domain: Domain.Wide,
      exponent: 0,
      float: false,
      zoneBytes: 0,
      valueCount: this.count,
      docsWithValue: this.count,
      base: this.#min,
      min: this.#min,
      max: this.#max,
      sum: this.#sum,
      step: 0,
    } as const;
    if (range === 0n) return { ...common, encoding: Encoding.Constant };
    if (range > BigInt(INTEGER_MAX)) {
      return { ...common, encoding: Encoding.WideBlocks, base: 0n, zoneBytes: 8 };
    }
    if (this.#linear) {
      return { ...common, encoding: Encoding.Linear, base: this.#first, step: Number(this.#step) };
    }
    return {
      ...common,
      encoding: Encoding.Blocks,
      predictor: choosePredictor(this.#units(), this.count, Number(range), ALL_PREDICTORS).predictor,
      zoneBytes: zoneBytesFor(Number(range)),
    };
  }

  #units(): Float64Array {
    const { values, blocks } = this.#sample;
    const units = new Float64Array(blocks * BLOCK_VALUES);
    for (let i = 0; i < units.length; i++) units[i] = Number(values[i]! - this.#min);
    return units;
  }
}

interface Choice {
  readonly predictor: PredictorCode;
  readonly valueBytes: number;
}

/** @param units Whole blocks; the last one of a short sequence ends at `count`. */
function choosePredictor(
  units: Float64Array,
  count: number,
  range: number,
  predictors: readonly PredictorCode[],
): Choice {
  const sampled = Math.min(units.length, count);
  const costOf = (predictor: PredictorCode): number => {
    let cost = 0;
    for (let from = 0; from < sampled; from += BLOCK_VALUES) {
      const n = Math.min(BLOCK_VALUES, sampled - from);
      let min = Infinity;
      for (let i = from; i < from + n; i++) if (units[i]! < min) min = units[i]!;
      cost += intBlockCost(predictor, units, from, n, min);
    }
    // `For` decodes fastest and reads single values: others have to be worth it.
    return predictor === Predictor.For ? cost : cost * 1.05;
  };
  let best: PredictorCode = Predictor.For;
  let bestCost = costOf(best);
  if (range <= PREDICTED_RANGE_MAX) {
    for (const predictor of predictors) {
      if (predictor === Predictor.For) continue;
      const cost = costOf(predictor);
      if (cost < bestCost) {
        best = predictor;
        bestCost = cost;
      }
    }
  }
  return { predictor: best, valueBytes: bestCost / sampled };
}
