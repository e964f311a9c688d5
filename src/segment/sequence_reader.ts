/**
 * Reads one sequence of numbers: blocks of 128 by position, decoded on demand.
 *
 * @module
 */
import { assert, CorruptionError } from "../base/errors.ts";
import { BLOCK_VALUES, extractBits, packedWords, unpackBits } from "../format/bitpack.ts";
import { type ColumnRecord, Domain, Encoding } from "../format/column_record.ts";
import {
  type BlockWords,
  blockWords,
  decodeIntBlock,
  intBlockBytes,
  Predictor,
} from "../format/int_blocks.ts";
import { decodeWideBlock } from "../format/wide_blocks.ts";
import type { Run } from "./runs.ts";
import { POWERS_OF_TEN } from "./sequence_plan.ts";
import { ZoneReader } from "./zone_reader.ts";

const NO_WORDS: BlockWords = { words: new Int32Array(0), doubles: new Float64Array(0) };

/** The stored form, shared by all cursors of a thread. */
export class Sequence {
  readonly record: ColumnRecord;
  readonly blockCount: number;
  readonly zones: ZoneReader | undefined;
  /** Divides units into values; 1 for integers. */
  readonly scale: number;
  /** `base` as a double: what the units of narrow sequences are relative to. */
  readonly base: number;
  readonly data: Run | undefined;
  readonly stored: BlockWords;
  readonly floats: Float32Array;

  constructor(record: ColumnRecord, data: Run | undefined, zones: Run | undefined) {
    this.record = record;
    const { encoding } = record;
    if ((encoding !== Encoding.Constant && encoding !== Encoding.Linear) !== (data !== undefined)) {
      throw new CorruptionError("Cannot open segment: a column's record and its run contradict each other");
    }
    if (record.zoneBytes !== 0 && !zones) {
      throw new CorruptionError("Cannot open segment: a column's zone run is missing");
    }
    this.blockCount = Math.ceil(record.valueCount / BLOCK_VALUES);
    this.data = data;
    this.zones = zones && record.zoneBytes !== 0
      ? new ZoneReader(zones, this.blockCount, record.zoneBytes)
      : undefined;
    const { domain, exponent } = record;
    this.scale = domain === Domain.Decimal
      ? POWERS_OF_TEN[exponent]!
      : domain === Domain.Binary
      ? 2 ** exponent
      : 1;
    this.base = Number(record.base);
    this.stored = data ? blockWords(data.bytes) : NO_WORDS;
    this.floats = data
      ? new Float32Array(data.bytes.buffer, data.bytes.byteOffset, data.bytes.length >>> 2)
      : new Float32Array(0);
  }

  /** Values in a block: 128 but in the last. */
  blockLength(block: number): number {
    return Math.min(BLOCK_VALUES, this.record.valueCount - block * BLOCK_VALUES);
  }

  /** Value of a unit, in every domain but the wide one. */
  toValue(unit: number): number {
    const { domain, float } = this.record;
    if (domain === Domain.Double) return unit;
    const value = (this.base + unit) / this.scale;
    return float ? Math.fround(value) : value;
  }

  /** Decodes a block's units (integers above `base`, or the doubles themselves) into out[to...]. */
  decodeUnits(block: number, out: Float64Array, to: number): number {
    const n = this.blockLength(block);
    const { encoding, predictor, step } = this.record;
    switch (encoding) {
      case Encoding.Constant:
        out.fill(this.record.domain === Domain.Double ? this.base : 0, to, to + n);
        return n;
      case Encoding.Linear:
        for (let i = 0; i < n; i++) out[to + i] = step * (block * BLOCK_VALUES + i);
        return n;
      case Encoding.Blocks: {
        const zones = this.zones!;
        const at = zones.offset(block);
        const width = zones.width(block);
        const min = predictor === Predictor.For ? zones.min(block) : 0;
        this.data!.touch(at * 8, intBlockBytes(predictor, width, n));
        decodeIntBlock(this.stored, { at, width, n, min }, predictor, out, to);
        return n;
      }
      case Encoding.Double: {
        const at = block * BLOCK_VALUES;
        this.data!.touch(at * 8, n * 8);
        for (let i = 0; i < n; i++) out[to + i] = this.stored.doubles[at + i]!;
        return n;
      }
      case Encoding.Float: {
        const at = block * BLOCK_VALUES;
        this.data!.touch(at * 4, n * 4);
        for (let i = 0; i < n; i++) out[to + i] = this.floats[at + i]!;
        return n;
      }
      case Encoding.Bitset: {
        this.data!.touch(block * 16, 16);
        const at = block * 4;
        for (let i = 0; i < n; i++) out[to + i] = (this.stored.words[at + (i >>> 5)]! >>> (i & 31)) & 1;
        return n;
      }
      default:
        throw new Error("Assertion failed: wide blocks have no units");
    }
  }

  /** Decodes a block's values into out[to...]; of a wide sequence, rounded to doubles. */
  decodeValues(block: number, out: Float64Array, to: number): number {
    const { encoding, domain, float } = this.record;
    if (encoding === Encoding.WideBlocks) {
      const n = this.decodeWides(block, wideScratch, 0);
      for (let i = 0; i < n; i++) out[to + i] = Number(wideScratch[i]!);
      return n;
    }
    const n = this.decodeUnits(block, out, to);
    if (domain === Domain.Wide) {
      const base = this.record.base as bigint;
      for (let i = 0; i < n; i++) out[to + i] = Number(base + BigInt(out[to + i]!));
    } else if (domain !== Domain.Double) {
      if (this.scale === 1) addTo(out, to, n, this.base);
      else unscale(out, to, n, this.base, this.scale);
      if (float) { for (let i = 0; i < n; i++) out[to + i] = Math.fround(out[to + i]!); }
    }
    return n;
  }

  /** Wide sequences only: the values exactly. */
  decodeWides(block: number, out: BigInt64Array, to: number): number {
    const n = this.blockLength(block);
    if (this.record.encoding === Encoding.WideBlocks) {
      const zones = this.zones!;
      const at = zones.offset(block);
      const width = zones.width(block);
      this.data!.touch(at * 8, Math.ceil(packedWords(width, n) / 2) * 8);
      decodeWideBlock(this.stored.words, { at: at * 2, width, n, min: zones.wideMin(block) }, out, to);
      return n;
    }
    this.decodeUnits(block, unitScratch, 0);
    const base = this.record.base as bigint;
    for (let i = 0; i < n; i++) out[to + i] = base + BigInt(unitScratch[i]!);
    return n;
  }

  /** Decodes a block of integers that plan `For` alone was allowed for: ordinals. Units fit in 32 bits. */
  decodeInts(block: number, out: Uint32Array): number {
    const n = this.blockLength(block);
    const { encoding, step } = this.record;
    if (encoding === Encoding.Blocks) {
      const zones = this.zones!;
      const at = zones.offset(block);
      const width = zones.width(block);
      this.data!.touch(at * 8, intBlockBytes(Predictor.For, width, n));
      unpackBits(this.stored.words, at * 2, width, n, out);
      addInt(out, n, this.base + zones.min(block));
    } else {
      const first = this.base + (encoding === Encoding.Linear ? step * block * BLOCK_VALUES : 0);
      for (let i = 0; i < n; i++) out[i] = first + step * i;
    }
    return n;
  }

  /** Whether `pick` reads single values without decoding their block. */
  get picks(): boolean {
    return this.record.encoding === Encoding.Blocks && this.record.predictor === Predictor.For;
  }

  /**
   * Reads the units at positions at[from, to), all in one block, into out[from, to): only the words that hold them.
   * Returns false, having done nothing, for a block wider than 32 bits.
   */
  pick(at: Uint32Array, from: number, to: number, out: Float64Array): boolean {
    const block = at[from]! >>> 7;
    const zones = this.zones!;
    const width = zones.width(block);
    if (width > 32) return false;
    const start = zones.offset(block) * 2;
    const first = ((at[from]! & 127) * width) >>> 5;
    const end = ((at[to - 1]! & 127) * width + width + 31) >>> 5;
    this.data!.touch((start + first) * 4, (end - first) * 4);
    pickBits(this.stored.words, start, width, zones.min(block), at, from, to, out);
    return true;
  }

  /** Zone of a block in units; for sequences without stored zones it is worked out. */
  unitMin(block: number): number {
    if (this.zones) return this.zones.min(block);
    const { encoding, step, domain } = this.record;
    if (encoding === Encoding.Constant) return domain === Domain.Double ? this.base : 0;
    if (encoding === Encoding.Linear) {
      return step * (block * BLOCK_VALUES + (step >= 0 ? 0 : this.blockLength(block) - 1));
    }
    return this.#bitsOf(block).zeros ? 0 : 1;
  }

  unitMax(block: number): number {
    if (this.zones) return this.zones.max(block);
    const { encoding, step, domain } = this.record;
    if (encoding === Encoding.Constant) return domain === Domain.Double ? this.base : 0;
    if (encoding === Encoding.Linear) {
      return step * (block * BLOCK_VALUES + (step >= 0 ? this.blockLength(block) - 1 : 0));
    }
    return this.#bitsOf(block).ones ? 1 : 0;
  }

  #bitsOf(block: number): { readonly zeros: boolean; readonly ones: boolean } {
    assert(this.record.encoding === Encoding.Bitset, "only bitsets lack zones");
    this.data!.touch(block * 16, 16);
    const n = this.blockLength(block);
    let any = 0;
    let all = -1;
    for (let w = 0; w * 32 < n; w++) {
      const word = this.stored.words[block * 4 + w]!;
      any |= word;
      const rest = n - w * 32;
      all &= rest >= 32 ? word : word | (-1 << rest);
    }
    return { zeros: all !== -1, ones: any !== 0 };
  }
}

const wideScratch = new BigInt64Array(BLOCK_VALUES);
const unitScratch = new Float64Array(BLOCK_VALUES);

function pickBits(
  words: Int32Array,
  start: number,
  width: number,
  min: number,
  at: Uint32Array,
  from: number,
  to: number,
  out: Float64Array,
): void {
  for (let i = from; i < to; i++) out[i] = min + extractBits(words, start, width, at[i]! & 127);
}

function addTo(out: Float64Array, to: number, n: number, base: number): void {
  for (let i = to; i < to + n; i++) out[i]! += base;
}

function addInt(out: Uint32Array, n: number, base: number): void {
  for (let i = 0; i < n; i++) out[i]! += base;
}

function unscale(out: Float64Array, to: number, n: number, base: number, scale: number): void {
  for (let i = to; i < to + n; i++) out[i] = (out[i]! + base) / scale;
}
