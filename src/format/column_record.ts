/**
 * The fixed-size record that describes one sequence of numbers of a segment: a column's values, the docs that have
 * one, or where each doc's values start. Spec: `docs/FORMAT.md`, "Column record".
 *
 * @module
 */
import type { ByteReader, ByteWriter } from "../base/bytes.ts";
import { CorruptionError } from "../base/errors.ts";
import { Predictor, type PredictorCode } from "./int_blocks.ts";

/** Stored on disk. Append; never renumber or reuse. */
export const Encoding = {
  /** All values are `base`; no run. */
  Constant: 0,
  /** Unit i is base + step * i; no run. */
  Linear: 1,
  /** Integer blocks. */
  Blocks: 2,
  /** f64 each. */
  Double: 3,
  /** f32 each. */
  Float: 4,
  /** 0 or 1, one bit each. */
  Bitset: 5,
  /** 64-bit integers whose range exceeds 2^53: blocks of residuals above the zone's minimum. */
  WideBlocks: 6,
} as const;

/** How a stored unit (an integer, or a double as it is) becomes a value. */
export const Domain = {
  /** value = unit */
  Integer: 0,
  /** value = unit / 10^exponent */
  Decimal: 1,
  /** value = unit / 2^exponent */
  Binary: 2,
  /** The double itself; encodings `Constant`, `Double` and `Float`. */
  Double: 3,
  /** value = unit, a signed 64-bit integer */
  Wide: 4,
} as const;

export const Shape = { Dense: 0, Sparse: 1, Multi: 2 } as const;

/** Which docs have a value. */
export const Presence = {
  All: 0,
  /** Bits, with ranks. */
  Bitmap: 1,
  /** A sequence of doc ids. */
  List: 2,
} as const;

export const COLUMN_RECORD_BYTES = 64;

/** Bit 0 of `flags`: values are rounded to 32-bit floats after decoding. */
export const FLAG_FLOAT = 1;

export interface ColumnRecord {
  readonly encoding: (typeof Encoding)[keyof typeof Encoding];
  readonly predictor: PredictorCode;
  readonly domain: (typeof Domain)[keyof typeof Domain];
  readonly exponent: number;
  readonly float: boolean;
  /** Bytes of a minimum or maximum in a zone record: 1, 2, 4, 8; 0 without zones. */
  readonly zoneBytes: 0 | 1 | 2 | 4 | 8;
  readonly shape: (typeof Shape)[keyof typeof Shape];
  readonly presence: (typeof Presence)[keyof typeof Presence];
  readonly valueCount: number;
  readonly docsWithValue: number;
  /** Added to stored units. A bigint in the wide domain. */
  readonly base: number | bigint;
  /** Least and largest value; 0 when there is none. Bigints in the wide domain. */
  readonly min: number | bigint;
  readonly max: number | bigint;
  readonly sum: number;
  /** `Linear` only. */
  readonly step: number;
}

export function encodeColumnRecord(record: ColumnRecord, out: ByteWriter): void {
  out.u8(record.encoding);
  out.u8(record.predictor);
  out.u8(record.domain);
  out.u8(record.exponent);
  out.u8(record.float ? FLAG_FLOAT : 0);
  out.u8(record.zoneBytes);
  out.u8(record.shape);
  out.u8(record.presence);
  out.u64(record.valueCount);
  out.u64(record.docsWithValue);
  for (const bound of [record.base, record.min, record.max]) {
    if (typeof bound === "bigint") out.i64(bound);
    else out.f64(bound);
  }
  out.f64(record.sum);
  out.f64(record.step);
}

/** @throws {CorruptionError} A code is unknown. */
export function decodeColumnRecord(reader: ByteReader): ColumnRecord {
  const encoding = code(reader.u8(), Encoding, "encoding");
  const predictor = code(reader.u8(), Predictor, "predictor");
  const domain = code(reader.u8(), Domain, "domain");
  const exponent = reader.u8();
  const float = (reader.u8() & FLAG_FLOAT) !== 0;
  const zoneBytes = reader.u8();
  if (zoneBytes !== 0 && zoneBytes !== 1 && zoneBytes !== 2 && zoneBytes !== 4 && zoneBytes !== 8) {
    throw new CorruptionError(`Cannot decode column record: zones of ${zoneBytes} bytes`);
  }
  const shape = code(reader.u8(), Shape, "shape");
  const presence = code(reader.u8(), Presence, "presence");
  const valueCount = reader.u64();
  const docsWithValue = reader.u64();
  const bound = (): number | bigint => domain === Domain.Wide ? reader.i64() : reader.f64();
  return {
    encoding,
    predictor,
    domain,
    exponent,
    float,
    zoneBytes,
    shape,
    presence,
    valueCount,
    docsWithValue,
    base: bound(),
    min: bound(),
    max: bound(),
    sum: reader.f64(),
    step: reader.f64(),
  };
}

function code<T extends number>(value: number, codes: Readonly<Record<string, T>>, what: string): T {
  for (const name in codes) if (codes[name] === value) return value as T;
  throw new CorruptionError(`Cannot decode column record: unknown ${what} ${value}`);
}

const PREDICTOR_NAMES: Readonly<Record<PredictorCode, string>> = {
  [Predictor.For]: "for",
  [Predictor.Delta]: "delta",
  [Predictor.DeltaOfDelta]: "delta_of_delta",
  [Predictor.Trend]: "trend",
};

/** The name under which an encoding is reported. */
export function encodingName({ encoding, predictor, domain }: ColumnRecord): string {
  if (encoding === Encoding.Constant) return "constant";
  if (encoding === Encoding.Linear) return "linear";
  if (encoding === Encoding.Bitset) return "bitset";
  if (encoding === Encoding.Double || encoding === Encoding.Float) return "raw";
  if (encoding === Encoding.WideBlocks) return "for";
  if (domain === Domain.Decimal || domain === Domain.Binary) return "scaled";
  return PREDICTOR_NAMES[predictor];
}
