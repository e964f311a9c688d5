/**
 * Reads zone runs in place: the least and largest unit of a block, where it lies, how wide it is.
 *
 * @module
 */
import { CorruptionError } from "../base/errors.ts";
import { ZONE_BLOCKS, type ZoneBytes, zoneRecordPlace, zoneRunBytes } from "../format/zones.ts";
import type { Run } from "./runs.ts";

export class ZoneReader {
  readonly records: number;
  readonly #run: Run;
  readonly #blocks: number;
  readonly #zoneBytes: ZoneBytes;
  readonly #u8: Uint8Array;
  readonly #u16: Uint16Array;
  readonly #u32: Uint32Array;
  readonly #f64: Float64Array;
  readonly #i64: BigInt64Array;
  #pairsTouched = false;
  /** Record that was touched last, and where its arrays start. */
  #record = -1;
  #at = 0;
  #stride = 0;

  constructor(run: Run, blocks: number, zoneBytes: ZoneBytes) {
    if (run.length !== zoneRunBytes(blocks, zoneBytes)) {
      throw new CorruptionError(`Cannot open segment: zone run ${run.name} is ${run.length} bytes`);
    }
    this.#run = run;
    this.#blocks = blocks;
    this.#zoneBytes = zoneBytes;
    this.records = Math.ceil(blocks / ZONE_BLOCKS);
    const { buffer, byteOffset, length } = run.bytes;
    this.#u8 = run.bytes;
    this.#u16 = new Uint16Array(buffer, byteOffset, length >>> 1);
    this.#u32 = new Uint32Array(buffer, byteOffset, length >>> 2);
    this.#f64 = new Float64Array(buffer, byteOffset, length >>> 3);
    this.#i64 = new BigInt64Array(buffer, byteOffset, length >>> 3);
  }

  /** Least unit of blocks [64 * record, 64 * record + 64). */
  recordMin(record: number): number {
    this.#touchPairs();
    return this.#f64[2 * record]!;
  }

  recordMax(record: number): number {
    this.#touchPairs();
    return this.#f64[2 * record + 1]!;
  }

  recordWideMin(record: number): bigint {
    this.#touchPairs();
    return this.#i64[2 * record]!;
  }

  recordWideMax(record: number): bigint {
    this.#touchPairs();
    return this.#i64[2 * record + 1]!;
  }

  min(block: number): number {
    this.#seek(block >>> 6);
    return this.#unit(this.#at, block & 63);
  }

  max(block: number): number {
    this.#seek(block >>> 6);
    return this.#unit(this.#at + this.#stride * this.#zoneBytes, block & 63);
  }

  wideMin(block: number): bigint {
    this.#seek(block >>> 6);
    return this.#i64[(this.#at >>> 3) + (block & 63)]!;
  }

  wideMax(block: number): bigint {
    this.#seek(block >>> 6);
    return this.#i64[(this.#at >>> 3) + this.#stride + (block & 63)]!;
  }

  /** Where the block lies in the data run, in units of 8 bytes. */
  offset(block: number): number {
    this.#seek(block >>> 6);
    return this.#u32[((this.#at + 2 * this.#stride * this.#zoneBytes) >>> 2) + (block & 63)]!;
  }

  width(block: number): number {
    this.#seek(block >>> 6);
    return this.#u8[this.#at + this.#stride * (2 * this.#zoneBytes + 4) + (block & 63)]!;
  }

  #unit(at: number, i: number): number {
    switch (this.#zoneBytes) {
      case 1:
        return this.#u8[at + i]!;
      case 2:
        return this.#u16[(at >>> 1) + i]!;
      case 4:
        return this.#u32[(at >>> 2) + i]!;
      case 8:
        return this.#f64[(at >>> 3) + i]!;
    }
  }

  #seek(record: number): void {
    if (record === this.#record) return;
    const { at, bytes, stride } = zoneRecordPlace(this.#blocks, this.#zoneBytes, record);
    this.#run.touch(at, bytes);
    this.#record = record;
    this.#at = at;
    this.#stride = stride;
  }

  #touchPairs(): void {
    if (this.#pairsTouched) return;
    this.#run.touch(0, this.records * 16);
    this.#pairsTouched = true;
  }
}
