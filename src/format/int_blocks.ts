/**
 * Blocks of up to 128 non-negative integers below 2^53, each block predicted from a few numbers and the rest
 * bit-packed. Spec: `docs/FORMAT.md`, "Integer block".
 *
 * | predictor | header (f64s) | value i |
 * | --- | --- | --- |
 * | For | none; base is the block's minimum, from its zone | base + r[i] |
 * | Delta | first, step | value[i - 1] + step + r[i]; r[0] is 0 and value[-1] + step is first |
 * | DeltaOfDelta | first, delta, step | delta[i] = delta[i - 1] + step + r[i] |
 * | Trend | base, slope | base + floor(slope * i) + r[i] |
 *
 * A block is its header, then the packed r's, then zero bytes up to a multiple of 8.
 *
 * @module
 */
import type { ByteWriter } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { bitWidth, BLOCK_VALUES, packBits, packedWords, unpackBits } from "./bitpack.ts";

/** Stored on disk. Append new predictors; never renumber or reuse one. */
export const Predictor = { For: 0, Delta: 1, DeltaOfDelta: 2, Trend: 3 } as const;
export type PredictorCode = (typeof Predictor)[keyof typeof Predictor];

const HEADER_DOUBLES: readonly number[] = [0, 2, 3, 2];

/** Beyond this range differences of differences are no longer exact in doubles: only `For` is. */
export const PREDICTED_RANGE_MAX = 2 ** 50;

/** Residuals and header of one block; filled by `predict`, reused from call to call. */
const residuals = new Float64Array(BLOCK_VALUES);
const header = new Float64Array(3);
const low = new Uint32Array(BLOCK_VALUES);
const high = new Uint32Array(BLOCK_VALUES);
const words = new Int32Array(2 * BLOCK_VALUES);
const wordBytes = new Uint8Array(words.buffer);

/** Bytes that a block takes on disk. */
export function intBlockBytes(predictor: PredictorCode, width: number, n: number): number {
  return HEADER_DOUBLES[predictor]! * 8 + Math.ceil(packedWords(width, n) / 2) * 8;
}

/** Size that the block would have. `min` is the least of values[from, from + n). */
export function intBlockCost(
  predictor: PredictorCode,
  values: Float64Array,
  from: number,
  n: number,
  min: number,
): number {
  return intBlockBytes(predictor, bitWidth(predict(predictor, values, from, n, min)), n);
}

/**
 * Appends a block and returns its width.
 *
 * @param values Integers in [0, 2^53); [from, from + n) is used, n at most 128.
 * @param min The least of them.
 */
export function encodeIntBlock(
  predictor: PredictorCode,
  values: Float64Array,
  range: { readonly from: number; readonly n: number; readonly min: number },
  out: ByteWriter,
): number {
  const { from, n, min } = range;
  const width = bitWidth(predict(predictor, values, from, n, min));
  for (let i = 0; i < HEADER_DOUBLES[predictor]!; i++) out.f64(header[i]!);
  packResiduals(width, n, out);
  return width;
}

function packResiduals(width: number, n: number, out: ByteWriter): void {
  let end: number;
  // Storing into a Uint32Array keeps the low 32 bits.
  for (let i = 0; i < n; i++) low[i] = residuals[i]!;
  if (width <= 32) {
    end = packBits(low, n, width, words, 0);
  } else {
    for (let i = 0; i < n; i++) high[i] = Math.floor(residuals[i]! / 0x1_0000_0000);
    end = packBits(high, n, width - 32, words, packBits(low, n, 32, words, 0));
  }
  assert(end === packedWords(width, n), "packed words are as many as expected");
  if ((end & 1) !== 0) words[end++] = 0;
  out.append(wordBytes.subarray(0, end * 4));
}

/** Fills `residuals` and `header`, and returns the largest residual. */
function predict(
  predictor: PredictorCode,
  values: Float64Array,
  from: number,
  n: number,
  min: number,
): number {
  if (predictor === Predictor.For) return predictMin(values, from, n, min);
  if (predictor === Predictor.Delta) return predictDelta(values, from, n);
  if (predictor === Predictor.DeltaOfDelta) return predictDeltaOfDelta(values, from, n);
  return predictTrend(values, from, n);
}

function predictMin(values: Float64Array, from: number, n: number, min: number): number {
  let most = 0;
  for (let i = 0; i < n; i++) {
    const r = values[from + i]! - min;
    residuals[i] = r;
    if (r > most) most = r;
  }
  return most;
}

function predictDelta(values: Float64Array, from: number, n: number): number {
  const first = values[from]!;
  let step = n > 1 ? Infinity : 0;
  for (let i = 1; i < n; i++) {
    const delta = values[from + i]! - values[from + i - 1]!;
    if (delta < step) step = delta;
  }
  residuals[0] = 0;
  let most = 0;
  for (let i = 1; i < n; i++) {
    const r = values[from + i]! - values[from + i - 1]! - step;
    residuals[i] = r;
    if (r > most) most = r;
  }
  header[0] = first;
  header[1] = step;
  return most;
}

function predictDeltaOfDelta(values: Float64Array, from: number, n: number): number {
  const first = values[from]!;
  const delta = n > 1 ? values[from + 1]! - first : 0;
  let step = n > 2 ? Infinity : 0;
  let last = delta;
  for (let i = 2; i < n; i++) {
    const next = values[from + i]! - values[from + i - 1]!;
    if (next - last < step) step = next - last;
    last = next;
  }
  residuals[0] = 0;
  residuals[1] = 0;
  last = delta;
  let most = 0;
  for (let i = 2; i < n; i++) {
    const next = values[from + i]! - values[from + i - 1]!;
    const r = next - last - step;
    residuals[i] = r;
    if (r > most) most = r;
    last = next;
  }
  header[0] = first;
  header[1] = delta;
  header[2] = step;
  return most;
}

function predictTrend(values: Float64Array, from: number, n: number): number {
  const slope = n > 1 ? (values[from + n - 1]! - values[from]!) / (n - 1) : 0;
  let base = Infinity;
  for (let i = 0; i < n; i++) {
    const rest = values[from + i]! - Math.floor(slope * i);
    if (rest < base) base = rest;
  }
  let most = 0;
  for (let i = 0; i < n; i++) {
    const r = values[from + i]! - Math.floor(slope * i) - base;
    residuals[i] = r;
    if (r > most) most = r;
  }
  header[0] = base;
  header[1] = slope;
  return most;
}

/** Stored bytes of a run as the decoders read them. */
export interface BlockWords {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
}

/** Views over a run whose bytes are 8-byte aligned and a multiple of 8 long. */
export function blockWords(bytes: Uint8Array): BlockWords {
  return {
    words: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2),
    doubles: new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 3),
  };
}

const unpacked = new Uint32Array(BLOCK_VALUES);
const unpackedHigh = new Uint32Array(BLOCK_VALUES);

/**
 * Decodes n values of the block that starts at `at` (in units of 8 bytes) into out[to, to + n).
 *
 * @param min Least value of the block, from its zone; used by `For` only.
 * @param width Bits of a residual, 0 to 53.
 */
export function decodeIntBlock(
  block: BlockWords,
  place: { readonly at: number; readonly width: number; readonly n: number; readonly min: number },
  predictor: PredictorCode,
  out: Float64Array,
  to: number,
): void {
  const { at, width, n, min } = place;
  const { doubles } = block;
  const wordAt = (at + HEADER_DOUBLES[predictor]!) * 2;
  if (width > 32) return decodeWideBlock(block, place, predictor, out, to);
  unpackBits(block.words, wordAt, width, n, unpacked);
  if (predictor === Predictor.For) addBase(unpacked, n, min, out, to);
  else if (predictor === Predictor.Delta) sumDeltas(unpacked, n, doubles[at]!, doubles[at + 1]!, out, to);
  else if (predictor === Predictor.Trend) addTrend(unpacked, n, doubles[at]!, doubles[at + 1]!, out, to);
  else {
    for (let i = 0; i < n; i++) out[to + i] = unpacked[i]!;
    sumDeltasOfDeltas(out, to, n, doubles, at);
  }
}

function addBase(residuals: Uint32Array, n: number, base: number, out: Float64Array, to: number): void {
  for (let i = 0; i < n; i++) out[to + i] = base + residuals[i]!;
}

function sumDeltas(
  r: Uint32Array,
  n: number,
  first: number,
  step: number,
  out: Float64Array,
  to: number,
): void {
  let value = first - step;
  for (let i = 0; i < n; i++) {
    value += step + r[i]!;
    out[to + i] = value;
  }
}

function addTrend(
  r: Uint32Array,
  n: number,
  base: number,
  slope: number,
  out: Float64Array,
  to: number,
): void {
  for (let i = 0; i < n; i++) out[to + i] = base + Math.floor(slope * i) + r[i]!;
}

function sumDeltasOfDeltas(
  out: Float64Array,
  to: number,
  n: number,
  doubles: Float64Array,
  at: number,
): void {
  let value = doubles[at]!;
  let delta = doubles[at + 1]!;
  const step = doubles[at + 2]!;
  out[to] = value;
  if (n === 1) return;
  value += delta;
  out[to + 1] = value;
  for (let i = 2; i < n; i++) {
    delta += step + out[to + i]!;
    value += delta;
    out[to + i] = value;
  }
}

/** Residuals of 33 to 53 bits: rare, so one plain loop serves all predictors. */
function decodeWideBlock(
  block: BlockWords,
  place: { readonly at: number; readonly width: number; readonly n: number; readonly min: number },
  predictor: PredictorCode,
  out: Float64Array,
  to: number,
): void {
  const { at, width, n, min } = place;
  const { doubles } = block;
  const wordAt = (at + HEADER_DOUBLES[predictor]!) * 2;
  unpackBits(block.words, wordAt, 32, n, unpacked);
  unpackBits(block.words, wordAt + n, width - 32, n, unpackedHigh);
  for (let i = 0; i < n; i++) out[to + i] = unpackedHigh[i]! * 0x1_0000_0000 + unpacked[i]!;
  if (predictor === Predictor.For) {
    for (let i = 0; i < n; i++) out[to + i]! += min;
  } else if (predictor === Predictor.Delta) {
    let value = doubles[at]! - doubles[at + 1]!;
    for (let i = 0; i < n; i++) out[to + i] = value += doubles[at + 1]! + out[to + i]!;
  } else if (predictor === Predictor.Trend) {
    for (let i = 0; i < n; i++) out[to + i]! += doubles[at]! + Math.floor(doubles[at + 1]! * i);
  } else {
    sumDeltasOfDeltas(out, to, n, doubles, at);
  }
}
