/**
 * Writes one planned sequence of numbers: its data run while values come, its zone run at the end.
 *
 * Runs: `<name>` in `segment.seg` (none for `constant` and `linear`), `<zonesName>` in `segment.sidx` (none for
 * those and for bitsets).
 *
 * @module
 */
import { ByteWriter } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { bitWidth, BLOCK_VALUES, packBits } from "../format/bitpack.ts";
import { Domain, Encoding } from "../format/column_record.ts";
import { encodeIntBlock } from "../format/int_blocks.ts";
import { encodeWideBlock } from "../format/wide_blocks.ts";
import { ZoneWriter } from "../format/zones.ts";
import type { RunWriter } from "./runs.ts";
import { POWERS_OF_TEN, type SequencePlan } from "./sequence_plan.ts";

/** The two files that a sequence goes into. */
export interface SequenceFiles {
  readonly seg: RunWriter;
  readonly sidx: RunWriter;
}

/** Encoded bytes are handed on when they reach this size. */
const FLUSH_BYTES = 32768;

export class SequenceWriter {
  readonly #plan: SequencePlan;
  readonly #files: SequenceFiles;
  readonly #zonesName: string;
  readonly #zones: ZoneWriter | undefined;
  readonly #out = new ByteWriter(FLUSH_BYTES + 4096);
  readonly #hasRun: boolean;
  readonly #scale: number;
  /** A block in the making: values as they came, then units. */
  readonly #doubles = new Float64Array(BLOCK_VALUES);
  readonly #wides: BigInt64Array | undefined;
  #held = 0;
  #count = 0;
  #flushedBytes = 0;

  /** Opens the data run: no other run of that file may be written before `finish`. */
  constructor(
    plan: SequencePlan,
    files: SequenceFiles,
    names: { readonly data: string; readonly zones: string },
  ) {
    this.#plan = plan;
    this.#files = files;
    this.#zonesName = names.zones;
    const { encoding, domain, exponent } = plan;
    this.#hasRun = encoding !== Encoding.Constant && encoding !== Encoding.Linear;
    if (plan.zoneBytes > 0) {
      this.#zones = new ZoneWriter(plan.zoneBytes as 1 | 2 | 4 | 8, encoding === Encoding.WideBlocks);
    }
    if (domain === Domain.Wide) this.#wides = new BigInt64Array(BLOCK_VALUES);
    this.#scale = domain === Domain.Decimal
      ? POWERS_OF_TEN[exponent]!
      : domain === Domain.Binary
      ? 2 ** exponent
      : 1;
    if (this.#hasRun) files.seg.begin(names.data);
  }

  /** Takes values[from, to): the same, in the same order, as those that the plan was made from. */
  add(values: Float64Array | Uint32Array | BigInt64Array, from: number, to: number): void {
    this.#count += to - from;
    if (!this.#hasRun) return;
    while (from < to) {
      const n = Math.min(to - from, BLOCK_VALUES - this.#held);
      if (this.#wides) copyWides(values as BigInt64Array, from, n, this.#wides, this.#held);
      else copyDoubles(values as Float64Array | Uint32Array, from, n, this.#doubles, this.#held);
      this.#held += n;
      from += n;
      if (this.#held === BLOCK_VALUES) this.#block();
    }
  }

  finish(): void {
    assert(
      this.#count === this.#plan.valueCount,
      `${this.#count} values came, planned ${this.#plan.valueCount}`,
    );
    if (!this.#hasRun) return;
    if (this.#held > 0) this.#block();
    this.#flush();
    this.#files.seg.end();
    if (!this.#zones) return;
    this.#files.sidx.begin(this.#zonesName);
    this.#files.sidx.append(this.#zones.toBytes());
    this.#files.sidx.end();
  }

  #block(): void {
    const n = this.#held;
    this.#held = 0;
    switch (this.#plan.encoding) {
      case Encoding.Blocks:
        this.#intBlock(n);
        break;
      case Encoding.Double:
      case Encoding.Float:
        this.#rawBlock(n);
        break;
      case Encoding.Bitset:
        this.#bits(n);
        break;
      default:
        this.#wideBlock(n);
    }
    if (this.#out.length >= FLUSH_BYTES) this.#flush();
  }

  #intBlock(n: number): void {
    const { base, predictor } = this.#plan;
    const units = this.#doubles;
    if (this.#wides) {
      for (let i = 0; i < n; i++) units[i] = Number(this.#wides[i]! - (base as bigint));
    } else toUnits(units, n, this.#scale, base as number);
    const { min, max } = rangeOf(units, n);
    const offset = this.#offset;
    const width = encodeIntBlock(predictor, units, { from: 0, n, min }, this.#out);
    this.#zones!.add(min, max, offset, width);
  }

  #rawBlock(n: number): void {
    const { min, max } = rangeOf(this.#doubles, n);
    const double = this.#plan.encoding === Encoding.Double;
    this.#zones!.add(min, max, this.#offset, double ? 64 : 32);
    if (double) {
      for (let i = 0; i < n; i++) this.#out.f64(this.#doubles[i]!);
      return;
    }
    const floats = Float32Array.from(this.#doubles.subarray(0, n));
    this.#out.append(new Uint8Array(floats.buffer));
    this.#out.align(8);
  }

  #bits(n: number): void {
    const words = new Int32Array(BLOCK_VALUES / 32);
    packBits(Uint32Array.from(this.#doubles), n, 1, words, 0);
    this.#out.append(new Uint8Array(words.buffer));
  }

  #wideBlock(n: number): void {
    const values = this.#wides!;
    let min = values[0]!;
    let max = min;
    for (let i = 1; i < n; i++) {
      const value = values[i]!;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    const range = BigInt.asUintN(64, max - min);
    const high = Number(range >> 32n);
    const width = high > 0 ? 32 + bitWidth(high) : bitWidth(Number(range));
    this.#zones!.add(min, max, this.#offset, width);
    encodeWideBlock(values, n, { min, width }, this.#out);
  }

  /** Of the next block, in units of 8 bytes. */
  get #offset(): number {
    return (this.#flushedBytes + this.#out.length) / 8;
  }

  #flush(): void {
    this.#files.seg.append(this.#out.bytes());
    this.#flushedBytes += this.#out.length;
    this.#out.clear();
  }
}

function copyDoubles(
  values: Float64Array | Uint32Array,
  from: number,
  n: number,
  into: Float64Array,
  at: number,
): void {
  for (let i = 0; i < n; i++) into[at + i] = values[from + i]!;
}

function copyWides(values: BigInt64Array, from: number, n: number, into: BigInt64Array, at: number): void {
  for (let i = 0; i < n; i++) into[at + i] = values[from + i]!;
}

/** In place. */
function toUnits(values: Float64Array, n: number, scale: number, base: number): void {
  if (scale === 1) { for (let i = 0; i < n; i++) values[i] = values[i]! - base; }
  else for (let i = 0; i < n; i++) values[i] = Math.round(values[i]! * scale) - base;
}

function rangeOf(values: Float64Array, n: number): { readonly min: number; readonly max: number } {
  let min = values[0]!;
  let max = min;
  for (let i = 1; i < n; i++) {
    const value = values[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}
