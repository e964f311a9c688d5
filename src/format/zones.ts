/**
 * Zone maps: least and largest unit of every block of 128 values, where the block lies and how wide it is; above
 * them least and largest of 64 blocks. Spec: `docs/FORMAT.md`, "Zone run".
 *
 * A run is one (min, max) pair of 8 bytes for each 64 blocks, then a record for each 64 blocks. A record of m
 * blocks (64 but in the last), M = m rounded up to 8: M mins, M maxes, M u32 offsets in the data run (units of 8
 * bytes), M u8 widths. So any block's zone is found by arithmetic, and reading it touches one record.
 *
 * @module
 */
import { ByteWriter } from "../base/bytes.ts";

export const ZONE_BLOCKS = 64;
const PAIR_BYTES = 16;

/** Bytes of a zone's minimum or maximum. 8 are an f64, or an i64 in the wide domain. */
export type ZoneBytes = 1 | 2 | 4 | 8;

/** Smallest zone width that holds integers up to `range`. */
export function zoneBytesFor(range: number): ZoneBytes {
  return range < 0x100 ? 1 : range < 0x1_0000 ? 2 : range < 0x1_0000_0000 ? 4 : 8;
}

/** Size of the whole run. */
export function zoneRunBytes(blocks: number, zoneBytes: ZoneBytes): number {
  const whole = Math.floor(blocks / ZONE_BLOCKS);
  const rest = blocks % ZONE_BLOCKS;
  return Math.ceil(blocks / ZONE_BLOCKS) * PAIR_BYTES +
    (whole * ZONE_BLOCKS + Math.ceil(rest / 8) * 8) * (2 * zoneBytes + 5);
}

/** Where a record lies in its run. */
export interface ZoneRecordPlace {
  readonly at: number;
  readonly bytes: number;
  /** Distance between the record's arrays, in elements. */
  readonly stride: number;
}

export function zoneRecordPlace(blocks: number, zoneBytes: ZoneBytes, record: number): ZoneRecordPlace {
  const records = Math.ceil(blocks / ZONE_BLOCKS);
  const full = ZONE_BLOCKS * (2 * zoneBytes + 5);
  const count = Math.min(ZONE_BLOCKS, blocks - record * ZONE_BLOCKS);
  const stride = Math.ceil(count / 8) * 8;
  return { at: records * PAIR_BYTES + record * full, bytes: stride * (2 * zoneBytes + 5), stride };
}

/** Collects the zones of a sequence and lays them out. Units are doubles, or bigints in the wide domain. */
export class ZoneWriter {
  readonly #zoneBytes: ZoneBytes;
  readonly #wide: boolean;
  #mins: Float64Array | BigInt64Array;
  #maxes: Float64Array | BigInt64Array;
  #offsets = new Uint32Array(64);
  #widths = new Uint8Array(64);
  blocks = 0;

  constructor(zoneBytes: ZoneBytes, wide: boolean) {
    this.#zoneBytes = zoneBytes;
    this.#wide = wide;
    this.#mins = wide ? new BigInt64Array(64) : new Float64Array(64);
    this.#maxes = wide ? new BigInt64Array(64) : new Float64Array(64);
  }

  /** @param offset Of the block in its run, in units of 8 bytes. */
  add(min: number | bigint, max: number | bigint, offset: number, width: number): void {
    if (this.blocks === this.#widths.length) this.#grow();
    this.#mins[this.blocks] = min as never;
    this.#maxes[this.blocks] = max as never;
    this.#offsets[this.blocks] = offset;
    this.#widths[this.blocks] = width;
    this.blocks++;
  }

  /** The run. */
  toBytes(): Uint8Array {
    const out = new ByteWriter(zoneRunBytes(this.blocks, this.#zoneBytes));
    for (let from = 0; from < this.blocks; from += ZONE_BLOCKS) {
      const to = Math.min(from + ZONE_BLOCKS, this.blocks);
      let min = this.#mins[from]!;
      let max = this.#maxes[from]!;
      for (let b = from; b < to; b++) {
        if (this.#mins[b]! < min) min = this.#mins[b]!;
        if (this.#maxes[b]! > max) max = this.#maxes[b]!;
      }
      this.#unit(out, min, 8);
      this.#unit(out, max, 8);
    }
    for (let from = 0; from < this.blocks; from += ZONE_BLOCKS) {
      const to = Math.min(from + ZONE_BLOCKS, this.blocks);
      for (let b = from; b < to; b++) this.#unit(out, this.#mins[b]!, this.#zoneBytes);
      const padding = Math.ceil((to - from) / 8) * 8 - (to - from);
      zeros(out, padding * this.#zoneBytes);
      for (let b = from; b < to; b++) this.#unit(out, this.#maxes[b]!, this.#zoneBytes);
      zeros(out, padding * this.#zoneBytes);
      for (let b = from; b < to; b++) out.u32(this.#offsets[b]!);
      zeros(out, padding * 4);
      for (let b = from; b < to; b++) out.u8(this.#widths[b]!);
      zeros(out, padding);
    }
    return out.toBytes();
  }

  #unit(out: ByteWriter, unit: number | bigint, bytes: ZoneBytes): void {
    if (this.#wide) out.i64(unit as bigint);
    else if (bytes === 8) out.f64(unit as number);
    else if (bytes === 4) out.u32(unit as number);
    else if (bytes === 2) out.u16(unit as number);
    else out.u8(unit as number);
  }

  #grow(): void {
    const size = this.#widths.length * 2;
    const mins = this.#wide ? new BigInt64Array(size) : new Float64Array(size);
    const maxes = this.#wide ? new BigInt64Array(size) : new Float64Array(size);
    mins.set(this.#mins as never);
    maxes.set(this.#maxes as never);
    this.#mins = mins;
    this.#maxes = maxes;
    const offsets = new Uint32Array(size);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    const widths = new Uint8Array(size);
    widths.set(this.#widths);
    this.#widths = widths;
  }
}

function zeros(out: ByteWriter, count: number): void {
  for (let i = 0; i < count; i++) out.u8(0);
}
